//! The resolver of outgoing requests: what it answers is what is connected to, so a name cannot be rebound between the
//! check and the connection.

use std::{io, net::SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::Reach;

/// Resolves names, and answers only if every address may be connected to.
pub(super) struct Guard {
    pub reach: Reach,
    pub lookup: Lookup,
}

/// Who is asked for a name's addresses.
#[derive(Clone)]
pub(super) enum Lookup {
    /// The operating system.
    System,
    /// A test, which answers each question in its turn with the next of these.
    #[cfg(test)]
    Answers(std::sync::Arc<std::sync::Mutex<std::collections::VecDeque<Vec<std::net::IpAddr>>>>),
}

impl Lookup {
    async fn addresses(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        match self {
            // The port 0 stands for the URL's
            Lookup::System => Ok(tokio::net::lookup_host((name, 0)).await?.collect()),
            #[cfg(test)]
            Lookup::Answers(answers) => {
                let next = answers.lock().unwrap().pop_front().unwrap_or_default();
                Ok(next.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect())
            }
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, lookup) = (self.reach.clone(), self.lookup.clone());
        Box::pin(async move {
            let addresses = lookup.addresses(name.as_str()).await?;
            // One address of the inside among good ones is an attempt to get there by the second try
            for address in &addresses {
                reach.check(address.ip())?;
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}
