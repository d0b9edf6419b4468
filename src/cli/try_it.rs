//! `keyward try`.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt};

use clap::Args;

use super::{data_dir, out, serve};
use crate::{config::Config, model::secret::random_text, server, telemetry};

/// How to try it.
#[derive(Args, Debug)]
pub struct TryArgs {
    /// The port to listen on
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// Runs a server whose data is gone when it stops.
///
/// # Errors
/// It cannot start.
pub async fn run(args: TryArgs) -> anyhow::Result<()> {
    let directory = std::env::temp_dir().join(format!("keyward-try-{}", random_text::<12>()));
    DirBuilder::new().mode(0o700).create(&directory)?;
    let result = serve_from(args, directory.clone()).await;
    let _ = std::fs::remove_dir_all(directory);
    result
}

async fn serve_from(args: TryArgs, directory: std::path::PathBuf) -> anyhow::Result<()> {
    let mut config = Config::defaults();
    telemetry::init(&config.log)?;
    config.listen = vec![([127, 0, 0, 1], args.port).into()];
    config.data_dir = directory;
    let listeners = server::bind(&config)?;
    let port = listeners.addresses().first().map_or(args.port, |address| address.port());
    config.issuer = Some(format!("http://localhost:{port}"));
    let app = data_dir::open(config).await?;
    if let Some(link) = serve::setup_link(&app).await? {
        out::print(&format!("Open {link} to become the owner. Stop with Ctrl-C."));
    }
    let mut running = server::start(app, listeners)?;
    tokio::select! {
        ended = running.ended() => ended?,
        stop = tokio::signal::ctrl_c() => stop?,
    }
    running.stop(true).await;
    Ok(())
}
