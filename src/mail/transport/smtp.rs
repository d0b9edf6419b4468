//! SMTP (RFC 5321), encrypted as configured, on connections that are used again.

use std::{net::IpAddr, time::Duration};

use anyhow::Context;
use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::Failure;
use crate::{
    config::{self, MailSecurity},
    mail::letter::Content,
};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);
/// Both are as secret as the connection.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// The server that takes our mail.
pub(in crate::mail) struct Smtp {
    host: String,
    port: u16,
    security: MailSecurity,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    /// What we call ourselves.
    hello: ClientId,
    timeout: Duration,
    acceptance_timeout: Duration,
}

/// A connection that has said hello.
pub(in crate::mail) struct Connection {
    smtp: AsyncSmtpConnection,
    used: Instant,
}

impl Connection {
    /// Whether it was not used for so long.
    pub fn is_idle(&self, idle: Duration) -> bool {
        self.used.elapsed() > idle
    }

    /// Says goodbye, in the background.
    pub fn quit(mut self) {
        tokio::spawn(async move {
            let _ = timeout(GOODBYE, self.smtp.quit()).await;
        });
    }
}

impl Smtp {
    pub fn new(options: &config::Mail, host: &str, issuer: &str) -> anyhow::Result<Smtp> {
        let mut tls = TlsParametersBuilder::new(host.to_owned()).certificate_store(CertificateStore::WebpkiRoots);
        if let Some(path) = &options.ca_certificates {
            let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let certificates = Certificate::from_pem(&pem);
            tls = tls.add_root_certificate(
                certificates.with_context(|| format!("{} holds no certificates", path.display()))?,
            );
        }
        let credentials = options.user.as_ref().zip(options.password.as_ref());
        Ok(Smtp {
            host: host.to_owned(),
            port: options.smtp_port(),
            security: options.security,
            tls: tls.build_rustls()?,
            credentials: credentials
                .map(|(user, password)| Credentials::new(user.clone(), password.expose_secret().to_owned())),
            hello: hello(issuer),
            timeout: options.timeout,
            acceptance_timeout: options.acceptance_timeout,
        })
    }

    /// Connects and authenticates as for a mail, and says goodbye.
    pub async fn knock(&self, patience: Duration) -> Result<(), Failure> {
        let patience = patience.min(self.timeout);
        match timeout(patience, Box::pin(self.connect())).await {
            Ok(connected) => connected.map(Connection::quit),
            Err(_) => Err(Failure::temporary(format!(
                "{}:{} did not answer within {}",
                self.host,
                self.port,
                config::duration::format(patience)
            ))),
        }
    }

    /// Everything up to the server's "start mail input" (RFC 5321 §3.3).
    pub async fn prepare(&self, line: &mut Option<Connection>, content: &Content) -> Result<(), Failure> {
        let reused = line.take();
        match timeout(self.timeout, Box::pin(self.envelope(reused, content))).await {
            Ok(Ok(connection)) => {
                *line = Some(connection);
                Ok(())
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::temporary(format!(
                "{}:{} was not ready for the mail within {}",
                self.host,
                self.port,
                config::duration::format(self.timeout)
            ))),
        }
    }

    async fn envelope(&self, reused: Option<Connection>, content: &Content) -> Result<Connection, Failure> {
        let mut connection = match reused {
            Some(connection) => self.still_there(connection).await?,
            None => self.connect().await?,
        };
        match self.addresses(&mut connection.smtp, content).await {
            Ok(()) => Ok(connection),
            Err(failure) => {
                // all or nobody: who was accepted already is forgotten with the connection
                connection.quit();
                Err(failure)
            }
        }
    }

    async fn addresses(&self, smtp: &mut AsyncSmtpConnection, content: &Content) -> Result<(), Failure> {
        let unusable = |_| Failure::permanent("an address cannot be used any more");
        let from: Address = content.from.parse().map_err(unusable)?;
        smtp.command(Mail::new(Some(from), Vec::new())).await.map_err(|error| refused("", &error))?;
        for recipient in &content.to {
            let address: Address = recipient.parse().map_err(unusable)?;
            let about = format!("{recipient}: ");
            smtp.command(Rcpt::new(address, Vec::new())).await.map_err(|error| refused(&about, &error))?;
        }
        smtp.command(Data).await.map_err(|error| refused("", &error))?;
        Ok(())
    }

    /// A server may have closed a connection that rested.
    async fn still_there(&self, mut connection: Connection) -> Result<Connection, Failure> {
        match connection.smtp.test_connected().await {
            true => Ok(connection),
            false => self.connect().await,
        }
    }

    /// Nothing that goes wrong here is the mail's fault, so nothing is permanent.
    async fn connect(&self) -> Result<Connection, Failure> {
        let trouble = |error: Error| Failure::temporary(format!("{}:{}: {}", self.host, self.port, said(&error)));
        let implicit = (self.security == MailSecurity::Tls).then(|| self.tls.clone());
        let server = (self.host.as_str(), self.port);
        let connected = AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, implicit, None);
        let mut smtp = connected.await.map_err(trouble)?;
        if self.security == MailSecurity::StartTls {
            // RFC 3207 §4.1: without it nothing is said
            smtp.starttls(self.tls.clone(), &self.hello).await.map_err(trouble)?;
        }
        if let Some(credentials) = &self.credentials {
            smtp.auth(&MECHANISMS, credentials).await.map_err(trouble)?;
        }
        Ok(Connection { smtp, used: Instant::now() })
    }

    /// The message and its final dot, and the server's answer to it.
    pub async fn hand_over(&self, line: &mut Option<Connection>, content: Content) -> Result<(), Failure> {
        let Some(mut connection) = line.take() else { return Err(Failure::temporary("there is no connection")) };
        let answer = timeout(self.acceptance_timeout, connection.smtp.message(content.message.as_bytes())).await;
        match answer {
            Ok(Ok(_)) => {
                connection.used = Instant::now();
                *line = Some(connection);
                Ok(())
            }
            Ok(Err(error)) => {
                connection.quit();
                Err(refused("", &error))
            }
            Err(_) => Err(Failure::temporary(format!(
                "{}:{} did not say within {} whether it accepted the mail",
                self.host,
                self.port,
                config::duration::format(self.acceptance_timeout)
            ))),
        }
    }
}

fn refused(about: &str, error: &Error) -> Failure {
    let message = format!("{about}{}", said(error));
    if error.is_permanent() { Failure::permanent(message) } else { Failure::temporary(message) }
}

/// What went wrong, down to its cause.
fn said(error: &Error) -> String {
    error.to_string()
}

/// The issuer's host: what this server is called where others can see it (RFC 5321 §4.1.1.1).
fn hello(issuer: &str) -> ClientId {
    match Url::parse(issuer).ok().and_then(|url| url.host().map(|host| host.to_owned())) {
        Some(Host::Ipv4(ip)) => ClientId::Ipv4(ip),
        Some(Host::Ipv6(ip)) => ClientId::Ipv6(ip),
        Some(Host::Domain(name)) if name.parse::<IpAddr>().is_err() => ClientId::Domain(name),
        _ => ClientId::default(),
    }
}
