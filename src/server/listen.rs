//! The sockets on which the server listens.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Config;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Sockets that listen, for a server that does not answer yet.
#[derive(Debug)]
pub struct Listeners {
    public: Vec<TcpListener>,
    metrics: Option<TcpListener>,
}

impl Listeners {
    /// The addresses for everybody; where port 0 was asked for, with the port that the system chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.public.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The address for what is counted and measured, likewise.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }

    /// Those for everybody, and the one for what is counted and measured.
    pub(super) fn into_sockets(self) -> (Vec<TcpListener>, Option<TcpListener>) {
        (self.public, self.metrics)
    }
}

/// Listens on every configured address. The twin on `[::1]` that the configuration adds may fail silently.
///
/// # Errors
/// One of the configured addresses cannot be listened on; the message says which.
pub fn bind(config: &Config) -> io::Result<Listeners> {
    let addresses = config.listen_addresses();
    let mut public = Vec::new();
    let failed =
        |address, error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    for &(address, mandatory) in &addresses {
        // The IPv6 wildcard takes IPv4 along, unless somebody else listens there.
        let taken = addresses.iter().any(|(other, _)| other.is_ipv4() && other.port() == address.port());
        match listen(address, taken) {
            Ok(listener) => public.push(listener),
            Err(error) if mandatory => return Err(failed(address, error)),
            Err(error) => tracing::debug!(%address, %error, "not listening on the IPv6 twin"),
        }
    }
    let listen_apart = |address| listen(address, false).map_err(|error| failed(address, error));
    let metrics = config.metrics.listen.map(listen_apart).transpose()?;
    Ok(Listeners { public, metrics })
}

fn listen(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if let IpAddr::V6(ip) = address.ip() {
        socket.set_only_v6(only_v6 || !ip.is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_named() {
        let mut config = Config::defaults();
        config.listen = vec![([127, 0, 0, 1], 0).into()];
        let first = bind(&config).unwrap();
        config.listen = first.addresses();
        let message = bind(&config).unwrap_err().to_string();
        assert!(message.contains(&config.listen[0].to_string()), "{message}");
    }
}
