//! The demo application of `keyward try`: a small relying party, a small protected API, and the people and clients
//! that they need. It knows Keyward only from outside: it speaks HTTP with it, as any other application does.

use std::{net::SocketAddr, sync::Arc};

use crate::clock::Clock;

pub mod curl;
pub mod id_token;
pub mod pages;
pub mod relying_party;
pub mod resource;
pub mod scripted;
pub mod seed;
pub mod visitors;
pub mod wire;

#[cfg(test)]
mod journey_tests;

use seed::Seeded;
use visitors::Visitors;
use wire::Wire;

/// The application's paths.
pub mod paths {
    /// The start page.
    pub const HOME: &str = "/";
    /// Begins a sign-in.
    pub const SIGN_IN: &str = "/demo/sign-in";
    /// The redirect URI.
    pub const CALLBACK: &str = "/demo/callback";
    /// What happened.
    pub const RESULT: &str = "/demo/result";
    /// Refreshes the tokens.
    pub const REFRESH: &str = "/demo/refresh";
    /// Begins a sign-out.
    pub const SIGN_OUT: &str = "/demo/sign-out";
    /// The protected API.
    pub const RESOURCE: &str = "/demo/resource";
}

/// The demo application. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Demo(Arc<Parts>);

/// The parts.
#[derive(Debug)]
pub struct Parts {
    /// The issuer, which is the beginning of the application's own addresses as well.
    pub issuer: String,
    /// Who and what was made for it.
    pub seeded: Seeded,
    /// How it speaks with the server.
    pub wire: Wire,
    /// The name of the cookie by which it knows a browser. It has the port in it, since cookies do not tell the ports
    /// of one host apart.
    pub cookie: String,
    /// The browsers that it knows.
    pub visitors: Visitors,
    /// The time.
    pub clock: Clock,
}

impl std::ops::Deref for Demo {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Demo {
    /// The application, where the server answers on `address` under the name `issuer`.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn new(issuer: &str, address: SocketAddr, seeded: Seeded, clock: Clock) -> anyhow::Result<Demo> {
        let wire = Wire::new(address)?;
        let cookie = format!("keyward_demo_{}", address.port());
        let visitors = Visitors::default();
        Ok(Demo(Arc::new(Parts { issuer: issuer.to_owned(), seeded, wire, cookie, visitors, clock })))
    }

    /// The full address of one of its paths.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::{Kind, Secret};

    /// A demo application without a server.
    pub fn demo() -> Demo {
        let seeded = Seeded {
            principal_id: "0190a3c2-7b00-7000-8000-000000000001".to_owned(),
            email: "ada@example.org".to_owned(),
            password: "abcde-fghij".into(),
            application_secret: Secret::generate(Kind::ClientSecret),
            service_secret: Secret::generate(Kind::ClientSecret),
        };
        Demo::new("http://localhost:8080", "127.0.0.1:8080".parse().unwrap(), seeded, Clock::System).unwrap()
    }

    #[test]
    fn the_commands_are_complete() {
        let demo = demo();
        let secret = demo.seeded.service_secret.reveal().to_owned();
        assert_eq!(demo.curl_lines(None).len(), 2);
        let lines: Vec<String> = demo.curl_lines(Some("TOKEN")).into_iter().map(|line| line.command).collect();
        let ask = format!(
            "curl -s -u 'demo-service:{secret}' -d grant_type=client_credentials -d scope=demo/resource:read \
             -d resource=http://localhost:8080/demo/resource http://localhost:8080/oauth/token"
        );
        assert_eq!(lines[0], ask);
        assert_eq!(
            lines[1],
            format!(
                "TOKEN=$({ask} | sed -n 's/.*\"access_token\": *\"\\([^\"]*\\)\".*/\\1/p'); \
                 curl -s -u 'demo-service:{secret}' -d token=\"$TOKEN\" http://localhost:8080/oauth/introspect"
            )
        );
        assert_eq!(lines[2], "curl -s -H 'Authorization: Bearer TOKEN' http://localhost:8080/oauth/userinfo");
    }
}
