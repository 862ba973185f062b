//! `hallpass dev`: starts the stack, prints how to try it, and stops it on SIGINT or SIGTERM.

use std::{io::Write, path::PathBuf, sync::Arc};

use clap::Args;
use hallpass_dev::{Options, ca};
use hallpass_runtime::{clock, log, settings};
use hallpass_token::Text;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::{cache, port},
    error::CommandError,
    terminal::Terminal,
};

/// The options of `hallpass dev`.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Port of the HTTPS server; 0 takes a free port
    #[arg(long, default_value_t = 3443, value_parser = port)]
    port: u16,
    /// Delete all users, tokens and keys before starting
    #[arg(long)]
    fresh: bool,
    /// Do not run prune, neither on the user stream nor on its schedule
    #[arg(long)]
    no_prune: bool,
    /// Cache the authorizer's responses for this long, as API Gateway can
    #[arg(long, value_name = "DURATION", value_parser = cache)]
    authorizer_cache: Option<u32>,
}

/// The settings that the development stack sets itself: names, and endings of names.
const NOT_FROM_OUTSIDE: [&str; 4] =
    ["_TABLE", "_ENDPOINT", "HALLPASS_KEYS", "HALLPASS_KEYS_SECRET"];

pub(crate) async fn run(
    args: DevArgs,
    data: PathBuf,
    terminal: Terminal,
) -> Result<(), CommandError> {
    log::start();
    let mut settings = settings::environment_with_prefix("HALLPASS_");
    let keys = settings.remove("HALLPASS_KEYS").filter(|keys| !keys.is_empty()).map(Text::new);
    settings.retain(|name, _| !NOT_FROM_OUTSIDE.iter().any(|end| name.ends_with(end)));
    let options = Options {
        data: data.clone(),
        port: args.port,
        fresh: args.fresh,
        prune: !args.no_prune,
        authorizer_cache: args.authorizer_cache,
        base_path: String::new(),
        settings,
        keys,
        clock: Arc::new(clock::now),
    };
    // Catch signals before the start, so that none interrupts it halfway.
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let dev = hallpass_dev::start(options).await?;
    let ca = data.join(ca::CA);
    let ca = ca.display().to_string();
    let printed = if terminal.is_json() {
        terminal.say("", &json!({"ready": dev.url, "ca": ca}))
    } else {
        print_instructions(&dev.url, &ca)
    };
    if printed.is_ok() {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
    dev.stop().await;
    Ok(printed?)
}

fn print_instructions(url: &str, ca: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let curl = format!("curl --cacert {ca}");
    writeln!(out, "Hallpass is running. Exchange a password for a token:\n")?;
    writeln!(out, "  {curl} -X POST -u my_username:topsecret {url}/api/services_token/generate\n")?;
    writeln!(out, "Use the token as the Basic user name or as a Bearer token:\n")?;
    writeln!(out, "  {curl} -u \"$TOKEN:\" {url}/api/user/1")?;
    writeln!(out, "  {curl} -H \"Authorization: Bearer $TOKEN\" {url}/api/user/1\n")?;
    writeln!(out, "In a second terminal, block the user to invalidate the token:\n")?;
    writeln!(out, "  cargo run -- user block my_username\n")?;
    writeln!(out, "ready {url}")?;
    out.flush()
}
