//! Plays the Lambda Runtime API to one function at a time, ours and those that others would use, and says what each
//! costs. `bench/run` builds and installs what is measured and then starts this; README.md beside it says what is
//! measured and how.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};

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
    #[command(subcommand)]
    what: What,
}

/// What is measured.
#[derive(Debug, Subcommand)]
enum What {
    /// Cold and warm, with and without the share of 128 MB: a table, and a picture of it.
    Functions {
        #[command(flatten)]
        places: Places,
        /// The folder for `measured.json`, `measured.svg` and `measured.md`.
        #[arg(long)]
        out: PathBuf,
        /// Cold starts of each function.
        #[arg(long, default_value_t = 30)]
        cold: u32,
        /// Warm calls of each kind.
        #[arg(long, default_value_t = 5_000)]
        warm: u32,
        /// The microseconds in which the share of 128 MB is given anew.
        #[arg(long, default_value_t = 100_000)]
        period: u32,
        /// Only functions whose name contains this; the floor is measured in any case.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// What more tokens, more tokens of one user and more keys cost.
    Growth {
        #[command(flatten)]
        places: Places,
        /// Warm calls of each kind.
        #[arg(long, default_value_t = 2_000)]
        warm: u32,
    },
    /// The instructions of the authorizer and of opening a token, as callgrind counts them. Fails if they are more than
    /// this file says; a file that is not there is written.
    Instructions {
        #[command(flatten)]
        places: Places,
        /// What was recorded.
        file: PathBuf,
    },
}

/// Where the things are that are measured.
#[derive(Debug, Args)]
struct Places {
    /// The folder of the release binaries.
    #[arg(long)]
    build: PathBuf,
    /// The folder that the peers are installed in.
    #[arg(long, default_value = "bench/.installed")]
    installed: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    // In memory, where there is such a folder: what a function logs is to cost it as little as a pipe would.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let log = folder.path().join("function.log");
    match Arguments::parse().what {
        What::Functions { places, out, cold, warm, period, only } => {
            let share = Share::make(period);
            let report = functions(&places, Counts { cold, warm }, share, &only, folder.path()).await?;
            fs::create_dir_all(&out)?;
            fs::write(out.join("measured.json"), serde_json::to_string_pretty(&report)?)?;
            fs::write(out.join("measured.svg"), draw::svg(&report))?;
            fs::write(out.join("measured.md"), report.to_string())?;
            println!("{report}");
        }
        What::Growth { places, warm } => {
            let (grown, small) = (folder.path().join("grown"), folder.path().join("small"));
            fs::create_dir(&grown)?;
            fs::create_dir(&small)?;
            let (grown, small) = (Cloud::start(&grown).await?, Cloud::start(&small).await?);
            println!("{}", growth::measure(&grown, &small, &places.build, warm, &log).await?);
        }
        What::Instructions { places, file } => {
            let cloud = Cloud::start(folder.path()).await?;
            let ours = functions::authorizer(&cloud, &places.build, cloud.keyring.expose_secret())?;
            let opening = places.build.join("opening");
            let counted = match fs::read_to_string(&file) {
                Ok(recorded) => {
                    instructions::check(&ours, &opening, folder.path(), &serde_json::from_str(&recorded)?).await?
                }
                Err(_) => instructions::typical(&ours, &opening, folder.path()).await?,
            };
            let text = format!("{}\n", serde_json::to_string_pretty(&counted)?);
            print!("{text}");
            if !file.exists() {
                fs::write(file, text)?;
            }
        }
    }
    Ok(())
}

async fn functions(
    places: &Places,
    counts: Counts,
    share: io::Result<Share>,
    only: &str,
    folder: &Path,
) -> Outcome<Report> {
    let cloud = Cloud::start(folder).await?;
    let log = folder.join("function.log");
    if let Err(error) = &share {
        eprintln!("no share of 128 MB on this machine: {error}");
    }
    let mut all = functions::all(&cloud, &places.build, &places.installed)?;
    let floor = all.first().map_or("", |floor| floor.name);
    all.retain(|function| function.name == floor || function.name.contains(only));
    Ok(Report {
        processor: processor(),
        at: edge::clock::now().to_string(),
        counts,
        share: share.as_ref().map(ToString::to_string).map_err(ToString::to_string),
        functions: measure(&all, &cloud.dynamodb, counts, share.as_ref().ok(), &log).await?,
    })
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("an unknown processor", |(_, name)| name).to_owned()
}
