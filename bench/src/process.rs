//! The measured process: its start, its statistics from Linux, and its share of a processor.

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
    /// The Runtime API of the function.
    pub api: RuntimeApi,
    child: Child,
    pid: u32,
    log: PathBuf,
}

impl Running {
    /// Starts a function with its own environment only.
    pub async fn start(function: &Function, log: &Path) -> Outcome<Self> {
        let api = RuntimeApi::start().await?;
        let out = File::create(log)?;
        let (program, arguments) =
            function.command.split_first().ok_or("a function without a command")?;
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
        let pid = child.id().ok_or("the function exited at once")?;
        Ok(Self { api, child, pid, log: log.to_owned() })
    }

    /// Returns the processor time of all threads since the start, as counted by the scheduler.
    pub fn cpu(&self) -> Outcome<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Returns the peak memory in bytes.
    pub fn peak_memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
    }

    /// Limits the process to this share from now on.
    pub fn limit(&self, share: &Share) -> io::Result<()> {
        fs::write(share.group.join("cgroup.procs"), self.pid.to_string())
    }

    /// Returns the last lines of the log, for an error message.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().rev().take(5).collect::<Vec<_>>().join("\n")
    }

    /// Kills the process and waits for it.
    pub async fn stop(mut self) -> Outcome<()> {
        Ok(self.child.kill().await?)
    }

    /// Stops the Runtime API, and waits until the process exits because of that.
    pub async fn leave(self) -> Outcome<()> {
        let Self { api, mut child, .. } = self;
        drop(api);
        child.wait().await?;
        Ok(())
    }

    /// Waits for the next request of the function.
    ///
    /// # Errors
    /// Returns an error if the function exits instead.
    pub async fn seen(&mut self) -> Outcome<Seen> {
        tokio::select! {
            biased;
            seen = self.api.next() => seen,
            status = self.child.wait() => {
                Err(format!("the function exited, {}: {}", status?, self.last_words()).into())
            }
        }
    }
}

/// A control group whose processes get 128/1769 of a processor, the share of a function with 128
/// MB.
#[derive(Debug)]
pub struct Share {
    group: PathBuf,
    period: u32,
}

/// Returns the time per period in microseconds. 1,769 MB correspond to one processor (AWS:
/// "Configure Lambda function memory").
const fn quota(period: u32) -> u32 {
    period * 128 / 1_769
}

impl Share {
    /// Creates the group, with version 2 or 1 of control groups. The share is granted per period,
    /// in microseconds.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if this machine or this user cannot create control groups.
    pub fn make(period: u32) -> io::Result<Self> {
        let name = format!("hallpass-bench-{}", std::process::id());
        let root = Path::new("/sys/fs/cgroup");
        let v2 = fs::read_to_string(root.join("cgroup.controllers"))
            .is_ok_and(|all| all.split(' ').any(|name| name.trim() == "cpu"));
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
