//! `kunji sandbox` and `kunji serve`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::http::Uri;
use clap::Args;
use kunji_vault::{HmacKey, Transit};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{ConfigArgs, Flags, Output};
use crate::app::{App, Purpose};
use crate::audit::checkpoint::Occasion;
use crate::audit::keeper::Keeper;
use crate::backup::control;
use crate::boot;
use crate::clock::ServiceClock;
use crate::config::{AxisMode, Changes, Config, Connections, Layers, Place, Shape, Webhook};
use crate::draft::put_whole;
use crate::hardening::{self, Keys};
use crate::keys;
use crate::listener::{self, ListenerLimits};
use crate::open_files;
use crate::routes;
use crate::sandbox::banner::banner;
use crate::sandbox::gate::{Gate, HostName, WebOrigin};
use crate::sandbox::ground::{self, Ground};
use crate::sandbox::stock;
use crate::sandbox::temporary::Temporary;
use crate::seed::{SANDBOX, Seed};
use crate::telemetry::{self, Metrics};
use crate::webhooks::Deliverer;
use crate::{environment, errands};

/// The exit code of a server whose store has failed.
const STORE_FAILED: u8 = 5;
/// How often the store is asked whether it still takes commits.
const STORE_LOOK_EVERY: Duration = Duration::from_secs(1);

/// What `kunji sandbox` takes.
#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    #[command(flatten)]
    flags: Flags,
    /// Keep the state here; without it, it ends with the process.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write the base URL to this file once requests are answered.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Accounts and cards to start with, instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Answer under this host name too; loopback names and the listen address are known.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<HostName>,
    /// Let the web app of this origin in, as http://localhost:3000; all others are kept out.
    #[arg(long = "cors", value_name = "ORIGIN")]
    origins: Vec<WebOrigin>,
    /// Post changes of UPI numbers here, for each channel that has no webhook of its own.
    #[arg(long, value_name = "URL")]
    webhook: Option<Uri>,
    /// How the bodies for --webhook are laid out.
    #[arg(long, value_enum, default_value_t, requires = "webhook", value_name = "SHAPE")]
    webhook_shape: Shape,
    /// Which changes are posted to --webhook.
    #[arg(long, value_enum, default_value = "all", requires = "webhook", value_name = "CHANGES")]
    webhook_changes: Changes,
}

/// What `kunji serve` takes.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Write the base URL to this file once requests are answered.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

pub(super) fn sandbox(args: &SandboxArgs, output: Output) -> anyhow::Result<ExitCode> {
    let refused = hardening::close_memory(Keys::Public);
    let mut config = args.flags.load(Layers::sandbox()?)?;
    if let Some(url) = &args.webhook {
        lay_webhook(&mut config, url, (args.webhook_shape, args.webhook_changes))?;
    }
    let seed = match &args.seed {
        Some(path) => Seed::read(path)?,
        None => Seed::parse(SANDBOX)?,
    };
    let temporary = match &args.data {
        Some(_) => None,
        None => Some(Temporary::new_in(&std::env::temp_dir())?),
    };
    let dir = match (&args.data, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => anyhow::bail!("there is no directory for the state"),
    };
    lay_ground(&mut config, &dir);
    telemetry::start_logs(config.log.1, config.log.0);
    refused.say();
    runtime()?.block_on(async {
        let metrics = metrics(&config);
        let vault = boot::open_vault(&config)?;
        let ground = Ground::new(dir.clone(), seed, Arc::clone(&metrics));
        let issuer = ground.open(&config, vault, ground.clock()).await?;
        let start = boot::note_start(issuer, &config).await?;
        let app = App::new(start, config, Arc::clone(&metrics), Purpose::Sandbox);
        let gate = Gate::new(app.config().listen, args.hosts.clone(), args.origins.clone());
        let router = routes::sandbox(&app, Arc::clone(&metrics), ground, gate);
        let kept = args.data.as_deref();
        let announce = |base: &str| match output {
            Output::Text => super::print(&banner(&app, base, kept)),
            Output::Json => super::print_json(&serde_json::json!({ "base": base })),
        };
        listen(&app, router, &metrics, announce, args.ready_file.as_deref()).await
    })
}

pub(super) fn serve(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let layers = args.config.layers()?;
    // Comes back when there is nothing to take out, or nothing could be.
    let left = environment::hand_over(&layers.secret_variables());
    let refused = hardening::close_memory(Keys::Real);
    let (config, cautions) = Config::check_for_service(layers)?;
    telemetry::start_logs(config.log.1, config.log.0);
    refused.say();
    if let Err(why) = left {
        tracing::warn!(
            "secrets stay in this process's environment ({why}): give them by file:PATH"
        );
    }
    for caution in cautions {
        tracing::warn!("{caution}");
    }
    if config.axis.mode != AxisMode::Off && !config.axis.is_spoken() {
        tracing::info!("the Axis-style API is off: axis.clients names nobody who may call it");
    }
    if config.axis.mode == AxisMode::Scenario {
        tracing::warn!("axis.mode is scenario: test ids decide, not the accounts");
    }
    if config.transit == Transit::ClearAllowed {
        tracing::warn!("pins.allow_clear_pin is set: PINs may travel in clear");
    }
    for client in config.prepaid.clients.iter().filter(|client| client.weak_layout) {
        let id = &client.client_id;
        tracing::warn!("the token layout of client {id} repeats its initialisation vector");
    }
    runtime()?.block_on(async {
        let metrics = metrics(&config);
        let vault = boot::open_vault(&config)?;
        let clock = ServiceClock::default();
        let place = &config.files.store;
        let issuer = boot::open_issuer(&config, place, vault, clock, &metrics)?;
        let start = boot::note_start(issuer, &config).await?;
        let app = App::new(start, config, Arc::clone(&metrics), Purpose::Service);
        let router = routes::service(&app, Arc::clone(&metrics));
        let announce = |base: &str| {
            tracing::info!(listen.address = base, "answering");
            Ok(())
        };
        listen(&app, router, &metrics, announce, args.ready_file.as_deref()).await
    })
}

/// Puts keys and store where a sandbox's directory has them.
pub(super) fn lay_ground(config: &mut Config, dir: &Path) {
    config.files.key_file = dir.join("keys.sealed");
    config.files.unseal_file = dir.join("unseal.key");
    if let Place::Embedded(store) = &mut config.files.store {
        *store = ground::control_anchor(dir);
    }
}

/// Gives the address to each channel that has none.
fn lay_webhook(
    config: &mut Config,
    url: &Uri,
    (shape, changes): (Shape, Changes),
) -> anyhow::Result<()> {
    let known = matches!(url.scheme_str(), Some("http" | "https"));
    anyhow::ensure!(known && url.host().is_some(), "--webhook is no http or https URL");
    let merchants = config.upi.merchants.iter_mut();
    for channel in merchants.flat_map(|merchant| &mut merchant.channels) {
        if channel.webhook.is_none() {
            let secret = HmacKey::parse(stock::WEBHOOK_SECRET)?;
            channel.webhook = Some(Webhook { url: url.clone(), secret, shape, changes });
        }
    }
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

pub(super) fn metrics(config: &Config) -> Arc<Metrics> {
    let clients = config.prepaid.clients.iter().map(|client| client.client_id.as_str());
    Arc::new(Metrics::new(clients))
}

/// Answers requests until a signal comes, then finishes what began.
async fn listen(
    app: &App,
    router: Router,
    metrics: &Arc<Metrics>,
    announce: impl FnOnce(&str) -> std::io::Result<()>,
    ready_file: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let config = app.config();
    let limits = limits(config);
    let (stop, stopped) = watch::channel(false);
    let listener = bind(config.listen).await?;
    let base = format!("http://{}", reachable(listener.local_addr()?));
    app.listens_at(&base);
    let following = tokio::spawn(keys::follow(app.clone(), stopped.clone()));
    let keeper = Keeper::start(app).await.context("no checkpoint of the audit can be written")?;
    let keeping = keeper.map(|keeper| tokio::spawn(keeper.run(stopped.clone())));
    let control = control::start(app, stopped.clone());
    let errands = tokio::spawn(errands::run(app.clone(), stopped.clone()));
    let telling = tokio::spawn(Deliverer::prepare(app)?.run(stopped.clone()));
    let open = metrics.connections();
    let mut listening = JoinSet::new();
    listening.spawn(listener::serve(listener, router, limits, stopped.clone(), open));
    let health = config.health.map(|address| (address, routes::operator(app, Arc::clone(metrics))));
    let figures = telemetry::metrics::router(Arc::clone(metrics));
    for (address, router) in health.into_iter().chain(config.metrics.map(|at| (at, figures))) {
        let (listener, limits) = (bind(address).await?, ListenerLimits::default());
        listening.spawn(listener::serve(
            listener,
            router,
            limits,
            stopped.clone(),
            Gauge::default(),
        ));
    }
    let mut ends = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    announce(&base)?;
    if let Some(path) = ready_file {
        put_whole(path, base.as_bytes()).context("the ready file cannot be written")?;
    }
    let end = tokio::select! {
        signalled = wait_for_any(&mut ends) => signalled.map(|()| ExitCode::SUCCESS)?,
        () = store_failure(app) => {
            let text = "the store has failed and takes no more commits: this process ends, start \
                it again when its disk is well";
            tracing::error!("{text}");
            ExitCode::from(STORE_FAILED)
        }
    };
    app.close();
    // The receivers live in the tasks; if those are gone there is nobody to tell.
    let _ = stop.send(true);
    while let Some(listener) = listening.join_next().await {
        listener??;
    }
    errands.await?;
    telling.await?;
    following.await?;
    if let Some(control) = control {
        control.await?;
    }
    let occasion = match app.drained().await {
        true => Occasion::Shutdown,
        // What is late is in none of our checkpoints.
        false => Occasion::Interval,
    };
    if let Some(keeping) = keeping {
        let ended = keeping.await?.end(occasion).await;
        ended.context("the last checkpoint of the audit cannot be written")?;
    }
    Ok(end)
}

fn limits(config: &Config) -> ListenerLimits {
    let Connections { connections_max, peer_connections_max, trusted_peers, idle_timeout } =
        config.connections.clone();
    let fit = open_files::connections_that_fit(connections_max);
    if fit < connections_max {
        tracing::warn!("the limit of open files leaves room for {fit} connections");
    }
    ListenerLimits {
        connections_max: fit,
        peer_connections_max,
        trusted_peers,
        idle_timeout,
        ..ListenerLimits::default()
    }
}

/// An address that leads here: who listens on all of them is reached by loopback.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// Waits until the store has failed for good; only opening it again helps then.
async fn store_failure(app: &App) {
    while app.issuer().store.is_sound() {
        tokio::time::sleep(STORE_LOOK_EVERY).await;
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

async fn wait_for_any(
    ends: &mut [std::io::Result<tokio::signal::unix::Signal>; 2],
) -> std::io::Result<()> {
    let [interrupt, terminate] = ends;
    match (interrupt, terminate) {
        (Ok(interrupt), Ok(terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            Ok(())
        }
        (_, _) => Err(std::io::Error::other("signals cannot be heard")),
    }
}
