//! `hallpass dev`: starts the stack, prints how to try it, and stops it on SIGINT or SIGTERM.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    sync::Arc,
};

use clap::Args;
use hallpass_dev::{
    Dev, Options,
    application::Application,
    ca,
    gateway::{access::Form, upstream::Upstream},
};
use hallpass_runtime::{
    clock, log,
    settings::{self, names},
};
use hallpass_token::{Permission, Text};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::{cache, port},
    error::CommandError,
    terminal::Terminal,
};

mod banner;

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
    /// Put the authorizer in front of your own HTTP API, such as `http://localhost:8080`
    #[arg(long, value_name = "URL")]
    upstream: Option<Upstream>,
    /// Port in front of your API; 0 takes a free port
    #[arg(long, value_name = "PORT", default_value_t = 3444, value_parser = port, requires = "upstream")]
    upstream_port: u16,
    /// Let a request to your API pass only if its token has this permission; the pattern is a path
    /// such as `/reports/*`, or a method and a path such as `GET /reports/*`. Without
    /// `=PERMISSION`, every live token passes. A path that no pattern names is denied. Can be
    /// repeated [default: every live token passes everywhere]
    #[arg(long, value_name = "PATTERN=PERMISSION", value_parser = rule, requires = "upstream")]
    protect: Vec<Value>,
}

/// The settings that the development stack sets itself: names, and endings of names.
const NOT_FROM_OUTSIDE: [&str; 4] =
    ["_TABLE", "_ENDPOINT", "HALLPASS_KEYS", "HALLPASS_KEYS_SECRET"];

const ROUTES: &str = "HALLPASS_ROUTES";

pub(crate) async fn run(
    args: DevArgs,
    data: PathBuf,
    is_logged: bool,
    terminal: Terminal,
) -> Result<(), CommandError> {
    // Lines of JSON are not for people, unless they ask for them.
    let is_for_people = !terminal.is_json() && io::stderr().is_terminal();
    if is_for_people && !is_logged {
        log::start_warnings();
    } else {
        log::start();
    }
    let form = if is_for_people { Form::People } else { Form::Json };
    let options = options(args, data, form)?;
    // Catch signals before the start, so that none interrupts it halfway.
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (data, application) = (options.data.clone(), options.application.clone());
    let dev = hallpass_dev::start(options).await?;
    let printed = print(&dev, &data, application.as_ref(), terminal).await;
    if printed.is_ok() {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
    dev.stop().await;
    printed
}

fn options(args: DevArgs, data: PathBuf, form: Form) -> Result<Options, CommandError> {
    let mut settings = settings::environment_with_prefix("HALLPASS_");
    let keys = settings.remove("HALLPASS_KEYS").filter(|keys| !keys.is_empty()).map(Text::new);
    settings.retain(|name, _| !names::OF_COMMAND.contains(&name.as_str()));
    settings.retain(|name, _| !NOT_FROM_OUTSIDE.iter().any(|end| name.ends_with(end)));
    let DevArgs { upstream, upstream_port, protect, .. } = args;
    let has_routes = settings.get(ROUTES).is_some_and(|routes| !routes.is_empty());
    if has_routes && !protect.is_empty() {
        let why = format!("--protect cannot be used with {ROUTES}, which has the same rules");
        return Err(CommandError::Usage(why));
    }
    let routes = (!protect.is_empty()).then(|| Value::from(protect).to_string());
    let application =
        upstream.map(|upstream| Application { upstream, port: upstream_port, routes });
    Ok(Options {
        data,
        port: args.port,
        fresh: args.fresh,
        prune: !args.no_prune,
        authorizer_cache: args.authorizer_cache,
        base_path: String::new(),
        settings,
        keys,
        clock: Arc::new(clock::now),
        application,
        access_log: Some(form),
    })
}

async fn print(
    dev: &Dev,
    data: &std::path::Path,
    application: Option<&Application>,
    terminal: Terminal,
) -> Result<(), CommandError> {
    if terminal.is_json() {
        let ca = data.join(ca::CA).display().to_string();
        let mut json = json!({"ready": dev.url, "ca": ca});
        if let (Some(url), Value::Object(members)) = (&dev.application_url, &mut json) {
            members.insert("application".to_owned(), url.clone().into());
        }
        return Ok(terminal.say("", &json)?);
    }
    let users = dev.demo_users().await?;
    Ok(banner::print(dev, data, application, &users)?)
}

/// Parses a rule of `--protect` to one of `HALLPASS_ROUTES`. The authorizer checks the path.
fn rule(text: &str) -> Result<Value, &'static str> {
    const FORM: &str = "must be a path that begins with a slash, with a method before it or not, \
                        such as `/reports/*=reports` or `GET /reports/*=reports`";
    let (pattern, permission) = match text.split_once('=') {
        Some((pattern, permission)) => (pattern, Some(permission)),
        None => (text, None),
    };
    let (method, path) = pattern.split_once(' ').unwrap_or(("*", pattern));
    if !path.starts_with('/') {
        return Err(FORM);
    }
    let mut rule = json!({"method": method.to_ascii_uppercase(), "path": path});
    if let Some(permission) = permission {
        permission
            .parse::<Permission>()
            .map_err(|_| "what follows = must be the name of a permission")?;
        if let Value::Object(members) = &mut rule {
            members.insert("permission".to_owned(), permission.into());
        }
    }
    Ok(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_and_a_permission_are_a_route_rule() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(rule(text).ok().map(|rule| rule.to_string()).as_deref(), expected, "{text}");
        };
        check(
            "/reports/*=reports",
            Some(r#"{"method":"*","path":"/reports/*","permission":"reports"}"#),
        );
        check("get /me=a=b", Some(r#"{"method":"GET","path":"/me","permission":"a=b"}"#));
        check("/status", Some(r#"{"method":"*","path":"/status"}"#));
        check("/status=", None);
        check("reports=reports", None);
        check("=reports", None);
        check("", None);
        check("/reports=a,b", None);
    }
}
