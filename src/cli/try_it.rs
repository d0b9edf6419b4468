//! `keyward try`: the main job in one command, with data that is gone when it ends.

use std::{
    fs::{DirBuilder, remove_dir_all},
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use super::{
    data_dir,
    demo::{Demo, pages, scripted, seed},
    out,
    serve::Signals,
};
use crate::{
    config::Config,
    model::secret::random_text,
    server::{self, Listeners},
    telemetry,
};

/// Where it listens unless told otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// How to try it.
#[derive(Args, Debug)]
pub struct TryArgs {
    /// The address to listen on [default: 127.0.0.1:8080, or another port where that one is taken]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// Runs a server with a demo application until it is told to stop, and throws its data away.
///
/// # Errors
/// It cannot start, or what it checks about itself fails.
pub async fn run(args: TryArgs) -> anyhow::Result<()> {
    telemetry::init_quiet();
    let begun = Instant::now();
    let mut stop = Signals::new()?;
    let mut hung_up = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let directory = Directory::make()?;

    let (config, listeners) = listen(args.listen, directory.path())?;
    let address = *listeners.addresses().first().context("there is no address to listen on")?;
    if args.listen.is_none() && address.port() != DEFAULT.port() {
        out::print(&format!("Port {} is taken; this is on port {}.", DEFAULT.port(), address.port()));
    }
    if !address.ip().is_loopback() {
        out::print(
            "Others can reach this address, and the start page shows them the password: only for a closed network.",
        );
    }
    let issuer = config.issuer().to_owned();
    let app = data_dir::open(config).await?;
    app.prepare_to_serve().await?;
    let seeded = seed::seed(&app).await?;
    out::print(&format!("Made keys, a database, a person and two clients ({}).", since(begun)));

    let demo = Demo::new(&issuer, address, seeded, app.clock.clone())?;
    let mounted = demo.clone();
    let mut running = server::start_with(app.clone(), listeners, move |config| pages::routes(config, &mounted))?;

    let checked = Instant::now();
    let proof = async {
        let session = scripted::sign_in(&demo).await.context("the scripted sign-in failed")?;
        scripted::forget_consent(&app, &demo).await?;
        anyhow::Ok(session)
    };
    let session = tokio::select! {
        session = proof => session?,
        _ = stop.received() => return Ok(()),
    };
    out::print(&format!(
        "Signed in once by script: sign-in page, consent, code, tokens, userinfo ({}).",
        since(checked)
    ));
    out::print(&greeting(&demo, &session.access_token, directory.path(), begun));

    tokio::select! {
        ended = running.ended() => {
            ended?;
            anyhow::bail!("the server ended by itself");
        }
        _ = stop.received() => {}
        _ = hung_up.recv() => {}
    }
    // nobody waits for the end of something that is thrown away
    running.stop(false).await;
    Ok(())
}

/// What is printed when it is ready.
fn greeting(demo: &Demo, access_token: &str, directory: &Path, begun: Instant) -> String {
    let mut text = format!(
        "\nKeyward is ready ({}).\n\n  Open       {}\n  Email      {}\n  Password   {}\n",
        since(begun),
        demo.issuer,
        demo.seeded.email,
        demo.seeded.password()
    );
    for line in demo.curl_lines(Some(access_token)) {
        text.push_str(&format!("\n# {}\n{}\n", line.title, line.command));
    }
    text.push_str(&format!("\nEverything is in {}, and gone when you press Ctrl-C.\n", directory.display()));
    text
}

fn since(begun: Instant) -> String {
    format!("{} ms", begun.elapsed().as_millis())
}

/// The configuration, and the sockets that fit it.
fn listen(wanted: Option<SocketAddr>, directory: &Path) -> anyhow::Result<(Config, Listeners)> {
    let attempt = |address: SocketAddr| {
        let config = config(address, directory);
        server::bind(&config).map(|listeners| (config, listeners))
    };
    let address = match wanted {
        Some(address) if address.port() != 0 => return Ok(attempt(address)?),
        Some(address) => address,
        None if taken_for_ipv6(DEFAULT.port()) => DEFAULT,
        None => match attempt(DEFAULT) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => DEFAULT,
            other => return Ok(other?),
        },
    };
    // The port must be known before anything is made, since it is part of the issuer
    let free = TcpListener::bind((address.ip(), 0)).and_then(|listener| listener.local_addr());
    let free = free.with_context(|| format!("cannot listen on {}", address.ip()))?;
    Ok(attempt(free)?)
}

/// Whether somebody else answers on the IPv6 side of `localhost`, where browsers would end up.
fn taken_for_ipv6(port: u16) -> bool {
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok()
}

fn config(address: SocketAddr, directory: &Path) -> Config {
    let mut config = Config::defaults();
    let localhost = address.ip().is_unspecified() || [DEFAULT.ip(), Ipv6Addr::LOCALHOST.into()].contains(&address.ip());
    config.issuer = Some(match localhost {
        true => format!("http://localhost:{}", address.port()),
        false => format!("http://{address}"),
    });
    config.listen = vec![address];
    config.data_dir = directory.to_owned();
    // there is one account here and no secret who has it; the sign-in at the start need not take its time
    config.passwords.answer_floor = Duration::ZERO;
    config
}

/// A directory that nobody else can read, gone when this is dropped.
struct Directory(PathBuf);

impl Directory {
    fn make() -> anyhow::Result<Directory> {
        let path = std::env::temp_dir().join(format!("keyward-try-{}", random_text::<12>()));
        // It fails where there is something of this name already, even a link
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Directory(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = remove_dir_all(&self.0) {
            tracing::warn!(%error, "{} could not be removed", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_directory_is_private_and_goes_away() {
        let directory = Directory::make().unwrap();
        let path = directory.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("keyward.db"), "x").unwrap();
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn the_issuer_is_where_a_browser_gets() {
        for (address, issuer) in [
            ("127.0.0.1:8080", "http://localhost:8080"),
            ("[::1]:9000", "http://localhost:9000"),
            ("0.0.0.0:8080", "http://localhost:8080"),
            ("[::]:8080", "http://localhost:8080"),
            ("127.0.0.2:8080", "http://127.0.0.2:8080"),
            ("192.168.0.5:81", "http://192.168.0.5:81"),
        ] {
            assert_eq!(config(address.parse().unwrap(), Path::new("/x")).issuer(), issuer);
        }
    }

    #[test]
    fn a_free_port_is_chosen_and_stands_in_the_issuer() {
        let (config, listeners) = listen(Some("127.0.0.1:0".parse().unwrap()), Path::new("/x")).unwrap();
        let port = listeners.addresses()[0].port();
        assert_ne!(port, 0);
        assert_eq!(config.issuer(), format!("http://localhost:{port}"));
        let taken = listen(Some(listeners.addresses()[0]), Path::new("/x")).unwrap_err();
        assert!(taken.to_string().contains(&format!("cannot listen on 127.0.0.1:{port}")), "{taken}");
    }
}
