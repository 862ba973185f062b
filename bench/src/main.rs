//! Plays the Lambda Runtime API to one function at a time, ours and those that others would use, and says what each
//! costs. `bench/run` builds and installs what is measured and then starts this; README.md beside it says what is
//! measured and how.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;

mod cloud;
mod draw;
mod front;
mod functions;
mod growth;
mod instructions;
mod measure;
mod process;
mod report;
mod runtime_api;
mod stopwatch;

use cloud::Cloud;
use measure::{Counts, measure};
use process::Share;
use report::Report;

/// What a part of this program comes to.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures the authorizer beside others.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder of the release binaries.
    #[arg(long)]
    build: PathBuf,
    /// The folder that the peers are installed in.
    #[arg(long)]
    installed: PathBuf,
    /// The folder for `measured.json`, `measured.svg` and `measured.md`.
    #[arg(long)]
    out: PathBuf,
    /// Cold starts of each function.
    #[arg(long, default_value_t = 30)]
    cold: u32,
    /// Warm calls of each kind.
    #[arg(long, default_value_t = 5_000)]
    warm: u32,
    /// Counts the instructions of the authorizer instead, with callgrind, and fails if they are more than this file says.
    /// A file that is not there is written.
    #[arg(long)]
    instructions: Option<PathBuf>,
    /// Measures instead what more tokens, more tokens of one user and more keys cost.
    #[arg(long)]
    growth: bool,
    /// Only functions whose name contains this; the floor is measured in any case.
    #[arg(long, default_value = "")]
    only: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let Arguments { build, installed, out, cold, warm, instructions, growth, only } = Arguments::parse();
    let counts = Counts { cold, warm };
    let folder = tempfile::tempdir()?;
    let cloud = Cloud::start(folder.path()).await?;
    if let Some(file) = instructions {
        return count(&cloud, &build, &installed, folder.path(), &file).await;
    }
    if growth {
        let log = folder.path().join("function.log");
        println!("{}", growth::measure(&cloud, &build, warm, &log).await?);
        return Ok(());
    }
    let share = Share::make();
    if let Err(error) = &share {
        eprintln!("no share of 128 MB on this machine: {error}");
    }
    let mut report = Report {
        processor: processor(),
        at: edge::clock::now().to_string(),
        counts,
        share: share.as_ref().map(|_| Report::share_text()).map_err(ToString::to_string),
        functions: Vec::new(),
    };
    for (index, function) in functions::all(&cloud, &build, &installed)?.iter().enumerate() {
        if index > 0 && !function.name.contains(&only) {
            continue;
        }
        eprintln!("{}", function.name);
        let log = folder.path().join("function.log");
        let measured = measure(function, &cloud.dynamodb, counts, share.as_ref().ok(), &log).await;
        report.functions.push(measured.map_err(|error| format!("{}: {error}", function.name))?);
    }
    fs::create_dir_all(&out)?;
    fs::write(out.join("measured.json"), serde_json::to_string_pretty(&report)?)?;
    fs::write(out.join("measured.svg"), draw::svg(&report))?;
    fs::write(out.join("measured.md"), report.to_string())?;
    println!("{report}");
    Ok(())
}

async fn count(cloud: &Cloud, build: &Path, installed: &Path, folder: &Path, file: &Path) -> Outcome<()> {
    let all = functions::all(cloud, build, installed)?;
    let ours = all.iter().find(|function| function.name == "verify-authorizer").ok_or("our function is missing")?;
    let counted = instructions::count(ours, folder).await?;
    println!("{}", serde_json::to_string_pretty(&counted)?);
    if file.exists() {
        return instructions::compare(&counted, &serde_json::from_str(&fs::read_to_string(file)?)?);
    }
    Ok(fs::write(file, format!("{}\n", serde_json::to_string_pretty(&counted)?))?)
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("an unknown processor", |(_, name)| name).to_owned()
}
