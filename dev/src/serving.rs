//! The ports of a stack, and the gateways behind them.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use hallpass_token::Issuer;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_rustls::rustls::ServerConfig;

use super::{
    Options, StartError, front,
    gateway::{self, Gateway, Invoke, access::AccessLog},
    template::Template,
};

/// Listens on a port of this machine, and returns the one that was taken.
pub(super) async fn listen(port: u16) -> Result<(Vec<TcpListener>, u16), StartError> {
    let listeners = listen_on(port).await;
    listeners.map_err(|error| StartError::new(format!("cannot listen on port {port}"), error))
}

/// Listens on both loopback addresses, because `localhost` can be either. On a machine without
/// IPv6, listens on one.
async fn listen_on(port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let bound = listener.local_addr()?.port();
    match TcpListener::bind((Ipv6Addr::LOCALHOST, bound)).await {
        Ok(second) => Ok((vec![listener, second], bound)),
        // On the other address of the requested port, some clients would reach another program.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && port != 0 => Err(error),
        Err(_) => Ok((vec![listener], bound)),
    }
}

/// Creates the gateway of the template's routes.
pub(super) fn gateway(
    options: &Options,
    template: &Template,
    invoke: Invoke,
) -> Result<Gateway, StartError> {
    Gateway::new(template, gateway_options(options, invoke))
        .map_err(|error| StartError::new("cannot read template.yaml", error))
}

/// Returns the options that the gateways of a stack have in common.
pub(super) fn gateway_options(options: &Options, invoke: Invoke) -> gateway::Options {
    let clock = Arc::clone(&options.clock);
    gateway::Options {
        cache_seconds: options.authorizer_cache,
        base_path: options.base_path.clone(),
        clock: Arc::new(move || clock().unix()),
        invoke,
    }
}

/// Returns the access log of a stack whose functions have this environment.
pub(super) fn access_log(
    options: &Options,
    environment: &BTreeMap<String, String>,
) -> Option<AccessLog> {
    let prefix = environment.get("HALLPASS_PREFIX").map_or("", String::as_str);
    let issuer = Issuer::new(prefix, "hallpass").ok()?;
    Some(AccessLog { form: options.access_log?, issuer })
}

/// Serves each gateway on its listeners until `true` is sent.
pub(super) fn serve(
    fronts: Vec<(Vec<TcpListener>, Gateway)>,
    tls: &Arc<ServerConfig>,
    log: Option<&AccessLog>,
) -> (watch::Sender<bool>, JoinSet<()>) {
    let (stop, stopped) = watch::channel(false);
    let mut serving = JoinSet::new();
    for (listeners, gateway) in fronts {
        let gateway = Arc::new(gateway.with_log(log.cloned()));
        for listener in listeners {
            let (mut stopped, gateway) = (stopped.clone(), Arc::clone(&gateway));
            serving.spawn(front::serve(listener, Arc::clone(tls), gateway, async move {
                let _ = stopped.wait_for(|stopped| *stopped).await;
            }));
        }
    }
    (stop, serving)
}
