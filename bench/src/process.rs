//! The process under measurement: how it is started, what Linux says of it, and the share of a processor it gets.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::{Child, Command};

use crate::{
    Outcome,
    functions::Function,
    runtime_api::{RuntimeApi, Seen},
};

/// A running function.
#[derive(Debug)]
pub struct Running {
    /// Its Runtime API.
    pub api: RuntimeApi,
    child: Child,
    pid: u32,
    log: PathBuf,
}

impl Running {
    /// Starts a function with nothing of this process's own environment but `PATH`.
    pub async fn start(function: &Function, log: &Path) -> Outcome<Self> {
        let api = RuntimeApi::start().await?;
        let out = File::create(log)?;
        let (program, arguments) = function.command.split_first().ok_or("a function without a command")?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(function.environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", api.authority())
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let pid = child.id().ok_or("the function ended at once")?;
        Ok(Self { api, child, pid, log: log.to_owned() })
    }

    /// The processor time of all its threads since it started, as the scheduler counts it.
    pub fn cpu(&self) -> Outcome<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The most memory it ever had, in bytes.
    pub fn peak_memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
    }

    /// Gives it no more than this share from now on.
    pub fn limit(&self, share: &Share) -> io::Result<()> {
        fs::write(share.group.join("cgroup.procs"), self.pid.to_string())
    }

    /// What it wrote, for an error.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().rev().take(5).collect::<Vec<_>>().join("\n")
    }

    /// Ends it and waits until it is gone.
    pub async fn stop(mut self) -> Outcome<()> {
        Ok(self.child.kill().await?)
    }

    /// Takes its Runtime API away, and waits until it has ended by itself for that.
    pub async fn leave(self) -> Outcome<()> {
        let Self { api, mut child, .. } = self;
        drop(api);
        child.wait().await?;
        Ok(())
    }

    /// What it does next.
    ///
    /// # Errors
    /// When it ends instead.
    pub async fn seen(&mut self) -> Outcome<Seen> {
        tokio::select! {
            biased;
            seen = self.api.next() => seen,
            status = self.child.wait() => Err(format!("the function ended, {}: {}", status?, self.last_words()).into()),
        }
    }
}

/// A control group whose processes get 128/1769 of a processor: what a function of 128 MB has.
#[derive(Debug)]
pub struct Share {
    group: PathBuf,
    period: u32,
}

/// One processor comes with 1,769 MB (AWS: "Configure Lambda function memory").
const fn quota(period: u32) -> u32 {
    period * 128 / 1_769
}

impl Share {
    /// Makes the group, in the second version of control groups or the first, whichever this machine has. The share is
    /// given anew in every period of so many microseconds.
    ///
    /// # Errors
    /// When this machine lets nobody, or not this user.
    pub fn make(period: u32) -> io::Result<Self> {
        let name = format!("hallpass-bench-{}", std::process::id());
        let root = Path::new("/sys/fs/cgroup");
        let v2 = fs::read_to_string(root.join("cgroup.controllers"))
            .is_ok_and(|all| all.split(' ').any(|it| it.trim() == "cpu"));
        let group = if v2 { root.join(name) } else { root.join("cpu").join(name) };
        let share = Self { group, period };
        fs::create_dir(&share.group)?;
        if v2 {
            fs::write(share.group.join("cpu.max"), format!("{} {period}", quota(period)))?;
        } else {
            fs::write(share.group.join("cpu.cfs_period_us"), period.to_string())?;
            fs::write(share.group.join("cpu.cfs_quota_us"), quota(period).to_string())?;
        }
        Ok(share)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of every {} microseconds", quota(self.period), self.period)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.group);
    }
}
