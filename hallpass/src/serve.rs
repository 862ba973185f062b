//! `hallpass dev`: starts the stack, says how to try it, and stops it when asked to.

use std::{io::Write, path::PathBuf, sync::Arc};

use edge::{clock, log, settings};
use serde_json::json;
use token::Text;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::DevArgs,
    dev::{self, Options, ca},
    error::CommandError,
    terminal::Terminal,
};

/// What the dev stack decides by itself.
const NOT_FROM_OUTSIDE: [&str; 4] = ["_TABLE", "_ENDPOINT", "HALLPASS_KEYS", "HALLPASS_KEYS_SECRET"];

pub(crate) async fn run(args: DevArgs, data: PathBuf, terminal: Terminal) -> Result<(), CommandError> {
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
    // The signals are caught before anything is started, so that none finds the stack half made.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let dev = dev::start(options).await?;
    let ca = data.join(ca::CA);
    let ca = ca.display().to_string();
    let told = if terminal.is_json() {
        terminal.say("", &json!({"ready": dev.url, "ca": ca}))
    } else {
        say_how_to_try_it(&dev.url, &ca)
    };
    if told.is_ok() {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
    dev.stop().await;
    Ok(told?)
}

fn say_how_to_try_it(url: &str, ca: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let curl = format!("curl --cacert {ca}");
    writeln!(out, "Hallpass runs on this machine. A password becomes a token:\n")?;
    writeln!(out, "  {curl} -X POST -u my_username:topsecret {url}/api/services_token/generate\n")?;
    writeln!(out, "The token lets its holder in, as the Basic user name or as Bearer:\n")?;
    writeln!(out, "  {curl} -u \"$TOKEN:\" {url}/api/user/1")?;
    writeln!(out, "  {curl} -H \"Authorization: Bearer $TOKEN\" {url}/api/user/1\n")?;
    writeln!(out, "From a second terminal, a change of the user shuts it out:\n")?;
    writeln!(out, "  cargo run -- user block my_username\n")?;
    writeln!(out, "ready {url}")?;
    out.flush()
}
