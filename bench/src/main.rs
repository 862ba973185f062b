//! Emulates the Lambda Runtime API for one function at a time, Hallpass's and its peers', and
//! measures the cost of each. `bench/run` builds and installs the functions and then starts this
//! program; bench/README.md describes the method.

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

/// The result of every part of this program.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Compare the authorizer with alternatives
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

/// The measurements.
#[derive(Debug, Subcommand)]
enum What {
    /// Measure cold starts and warm calls, with and without the CPU share of 128 MB; writes a table
    /// and a chart
    Functions {
        #[command(flatten)]
        places: Places,
        /// Folder for `measured.json`, `measured.svg` and `measured.md`
        #[arg(long)]
        out: PathBuf,
        /// Cold starts per function
        #[arg(long, default_value_t = 30)]
        cold: u32,
        /// Warm calls of each kind
        #[arg(long, default_value_t = 5_000)]
        warm: u32,
        /// Length in microseconds of the periods in which the CPU share of 128 MB is granted
        #[arg(long, default_value_t = 100_000)]
        period: u32,
        /// Measure only functions whose name contains this, and the baseline
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Measure the cost of more tokens, more tokens of one user and more keys
    Growth {
        #[command(flatten)]
        places: Places,
        /// Warm calls of each kind
        #[arg(long, default_value_t = 2_000)]
        warm: u32,
    },
    /// Count the instructions of the authorizer and of `hallpass_token::open` with callgrind; fails
    /// if they exceed the recorded counts, and records them if the file does not exist
    Instructions {
        #[command(flatten)]
        places: Places,
        /// File of the recorded counts
        file: PathBuf,
    },
}

/// The folders of the functions.
#[derive(Debug, Args)]
struct Places {
    /// Folder of the release binaries
    #[arg(long)]
    build: PathBuf,
    /// Folder in which the peers are installed
    #[arg(long, default_value = "bench/.installed")]
    installed: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    // In memory if possible, so that writing a log costs a function as little as writing to a pipe.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let log = folder.path().join("function.log");
    match Arguments::parse().what {
        What::Functions { places, out, cold, warm, period, only } => {
            let share = Share::make(period);
            let report =
                functions(&places, Counts { cold, warm }, share, &only, folder.path()).await?;
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
            let authorizer =
                functions::authorizer(&cloud, &places.build, cloud.keyring.expose_secret())?;
            let opening = places.build.join("opening");
            let counted = match fs::read_to_string(&file) {
                Ok(recorded) => {
                    instructions::check(
                        &authorizer,
                        &opening,
                        folder.path(),
                        &serde_json::from_str(&recorded)?,
                    )
                    .await?
                }
                Err(_) => instructions::typical(&authorizer, &opening, folder.path()).await?,
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
        eprintln!("cannot limit the CPU to the share of 128 MB on this machine: {error}");
    }
    let mut all = functions::all(&cloud, &places.build, &places.installed)?;
    let floor = all.first().map_or("", |floor| floor.name);
    all.retain(|function| function.name == floor || function.name.contains(only));
    Ok(Report {
        processor: processor(),
        at: hallpass_runtime::clock::now().to_string(),
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
