//! `keyward serve`.

use std::io;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{data_dir, load, out};
use crate::{
    app::App,
    config::{Config, ConfigArgs},
    identity::setup,
    server, store, telemetry,
};

/// Runs the server until it is told to stop.
///
/// # Errors
/// It cannot start, or ended by itself.
pub async fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let config = load(args)?;
    telemetry::init(&config.log)?;
    data_dir::prepare(&config)?;
    let _lock = data_dir::lock(&config)?;
    // the schema is up to date before anybody can ask
    let app = data_dir::open(config).await?;
    let made = setup::bootstrap(&app.store, &app.hasher, &app.config, app.clock.now()).await?;
    if let Some(made) = made {
        tracing::info!("made {made}, as configured");
    }
    app.prepare_to_serve().await?;
    let listeners = server::bind(&app.config)?;
    let setup_link = setup_link(&app).await?;
    let banner = banner(&app.config, &listeners, setup_link.as_deref());

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

/// A new link for the first owner, unless there is or was one.
///
/// # Errors
/// Only the store's.
pub async fn setup_link(app: &App) -> Result<Option<String>, store::Error> {
    if app.store.read(store::setup::is_done).await? {
        return Ok(None);
    }
    let secret = setup::mint_link(&app.store, app.clock.now()).await?;
    Ok(Some(format!("{}/setup?token={}", app.config.issuer(), secret.reveal())))
}

fn banner(config: &Config, listeners: &server::Listeners, setup_link: Option<&str>) -> String {
    let addresses: Vec<String> = listeners.addresses().iter().map(ToString::to_string).collect();
    let mut banner = format!(
        "\nKeyward {}\n  issuer:   {}\n  listens:  {}\n  database: {}\n",
        env!("CARGO_PKG_VERSION"),
        config.issuer(),
        addresses.join(", "),
        config.database()
    );
    if let Some(link) = setup_link {
        banner.push_str(&format!(
            "\nThere is no owner yet. Open this link within 24 hours to become the owner; it works once:\n\n  {link}\n"
        ));
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
