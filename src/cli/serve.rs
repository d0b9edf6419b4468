//! `keyward serve`.

use std::io;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{data_dir, load, out};
use crate::{
    app::App,
    config::{Config, ConfigArgs},
    identity::setup,
    model::secret::Secret,
    server, store, telemetry,
};

/// Runs the server until it is told to stop.
///
/// # Errors
/// It cannot start, or ended by itself.
pub async fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let config = load(args)?;
    let levels = telemetry::init(&config.log)?;
    data_dir::prepare(&config)?;
    let _lock = data_dir::lock(&config)?;
    let _levels = tokio::spawn(levels.follow(config.data_dir.clone()));
    // the schema is up to date before anybody can ask
    let app = data_dir::open(config).await?;
    let made = setup::bootstrap(&app.store, &app.hasher, &app.config, app.clock.now()).await?;
    if let Some(made) = made {
        tracing::info!("made {made}, as configured");
    }
    app.prepare_to_serve().await?;
    let listeners = server::bind(&app.config)?;
    let setup = first_link(&app).await?;
    let banner = banner(&app.config, &listeners, &setup);

    let mut stop = Signals::new()?;
    let mut running = server::start(app, listeners)?;
    out::print(&banner);
    tokio::select! {
        ended = running.ended() => {
            ended?;
            anyhow::bail!("the server ended by itself");
        }
        name = stop.received() => tracing::info!("{name}: finishing the requests that have begun"),
    }
    tokio::select! {
        () = running.stop(true) => tracing::info!("stopped"),
        name = stop.received() => tracing::info!("{name} again: stopped at once"),
    }
    Ok(())
}

/// What a server that starts tells of the set-up.
enum SetupLink {
    /// There is or was an owner.
    Done,
    /// This is the link that holds.
    New(String),
    /// Another server has printed the one that holds.
    Elsewhere,
}

/// The link that a start prints. An embedded database has one server: each start has a link of its own. Of several
/// servers that share one, the first prints a link, and the others leave it alone.
async fn first_link(app: &App) -> Result<SetupLink, store::Error> {
    if app.store.backend() == "sqlite" {
        return Ok(setup_link(app).await?.map_or(SetupLink::Done, SetupLink::New));
    }
    if app.store.read(store::setup::is_done).await? {
        return Ok(SetupLink::Done);
    }
    let secret = setup::mint_first_link(&app.store, app.clock.now()).await?;
    Ok(secret.map_or(SetupLink::Elsewhere, |secret| SetupLink::New(address(app, &secret))))
}

fn address(app: &App, secret: &Secret) -> String {
    format!("{}/setup?token={}", app.config.issuer(), secret.reveal())
}

/// A new link for the first owner, unless there is or was one; a link that was printed before holds no more.
///
/// # Errors
/// Only the store's.
pub async fn setup_link(app: &App) -> Result<Option<String>, store::Error> {
    if app.store.read(store::setup::is_done).await? {
        return Ok(None);
    }
    let secret = setup::mint_link(&app.store, app.clock.now()).await?;
    Ok(Some(address(app, &secret)))
}

fn banner(config: &Config, listeners: &server::Listeners, setup: &SetupLink) -> String {
    let addresses: Vec<String> = listeners.addresses().iter().map(ToString::to_string).collect();
    let mut banner = format!(
        "\nKeyward {}\n  issuer:   {}\n  listens:  {}\n  database: {}\n",
        env!("CARGO_PKG_VERSION"),
        config.issuer(),
        addresses.join(", "),
        config.database()
    );
    if let Some(address) = listeners.metrics_address() {
        banner.push_str(&format!("  metrics:  http://{address}/metrics\n"));
    }
    match setup {
        SetupLink::Done => {}
        SetupLink::New(link) => banner.push_str(&format!(
            "\nThere is no owner yet. Open this link within 24 hours to become the owner; it works once, and a link that \
             was printed before works no more:\n\n  {link}\n"
        )),
        SetupLink::Elsewhere => banner.push_str(
            "\nThere is no owner yet. The link that a server on this database printed within the last 24 hours still \
             works; keyward setup-link prints another, and that one works no more.\n",
        ),
    }
    banner
}

/// The signals by which operators and service managers stop a program.
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Signals> {
        let listen = |kind| -> io::Result<_> { signal(kind) };
        let terminate = listen(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = listen(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        Ok(Signals { terminate, interrupt })
    }

    pub(super) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
