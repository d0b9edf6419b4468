//! TLS as clients see it: whom they would trust, and for how long. And the certificate that is configured.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use url::{Host, Url};
use x509_parser::parse_x509_certificate;

use super::{
    finding::{Fault, Finding, told},
    wire::PATIENCE,
};
use crate::{config::Config, model::time::Timestamp, server};

const CHECK: &str = "tls";
const FILE: &str = "certificate_file";
/// A certificate that ends within this should have been renewed already.
const SOON: Duration = Duration::from_secs(21 * 86_400);
/// And within this it is urgent.
const URGENT: Duration = Duration::from_secs(3 * 86_400);

/// Shakes hands on this connection, and tells whether clients would trust the server. The settings for clients are there
/// only if they would.
pub async fn examine(stream: TcpStream, host: &Host, now: Timestamp) -> (Finding, Option<ClientConfig>) {
    match Box::pin(shake_hands(stream, host, now)).await {
        Ok((finding, config)) => (finding, config),
        Err(error) => {
            let what = format!("no TLS connection comes about: {error}");
            let fix = "See that the port of `issuer` speaks TLS (1.2 or 1.3), and look into the log of the proxy.";
            (Finding::problem(CHECK, what, fix), None)
        }
    }
}

async fn shake_hands(
    stream: TcpStream,
    host: &Host,
    now: Timestamp,
) -> anyhow::Result<(Finding, Option<ClientConfig>)> {
    let provider = Arc::new(server::provider());
    let (roots, whose) = trusted();
    let roots = Arc::new(roots);
    let inner = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
    let watching = Arc::new(Watching { inner, now: unix(now), seen: Mutex::default() });
    let mut probing = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(watching.clone())
        .with_no_client_auth();
    // what is shown now, and not what an earlier handshake has agreed to
    probing.resumption = rustls::client::Resumption::disabled();
    let name = server_name(host)?;
    let shaken = timeout(PATIENCE, TlsConnector::from(Arc::new(probing)).connect(name, stream)).await;
    let shaken = shaken.map_err(|_| anyhow::anyhow!("no handshake within {} s", PATIENCE.as_secs()))?;
    let seen = watching.seen.lock().map(|mut seen| seen.take()).unwrap_or_default();
    let Some(seen) = seen else {
        shaken?;
        anyhow::bail!("the server showed no certificate");
    };
    let leaf = Leaf::read(&seen.leaf, now);
    if let Some(error) = seen.refused {
        let what = format!("clients do not trust the certificate for {host}: {error}; {}", leaf.text());
        return Ok((Finding::problem(CHECK, what, remedy(&error, host)), None));
    }
    shaken?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let fine = format!("the certificate for {host} is trusted by {whose}; {}", leaf.text());
    Ok((Finding::of_faults(CHECK, leaf.faults(), fine), Some(config)))
}

/// The authorities of this machine; where it has none, those that browsers trust.
fn trusted() -> (RootCertStore, &'static str) {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added > 0 {
        return (roots, "this machine's authorities");
    }
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    (roots, "the authorities that browsers trust")
}

fn remedy(error: &Error, host: &Host) -> String {
    use rustls::CertificateError as Wrong;
    match error {
        Error::InvalidCertificate(Wrong::Expired | Wrong::ExpiredContext { .. }) => {
            "Renew the certificate, and see why it was not renewed by itself.".to_owned()
        }
        Error::InvalidCertificate(Wrong::NotValidYet | Wrong::NotValidYetContext { .. }) => {
            "Set the clock of this machine right, or wait until the certificate begins.".to_owned()
        }
        Error::InvalidCertificate(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }) => {
            format!("Get a certificate that names {host}, or set `issuer` to a name that it has.")
        }
        Error::InvalidCertificate(Wrong::UnknownIssuer) => {
            "Serve the whole chain, intermediate certificates included, of an authority that clients trust; one of your \
             own has to be among the authorities of every client's machine, this one included."
                .to_owned()
        }
        _ => "Get a certificate for servers from an authority that clients trust.".to_owned(),
    }
}

fn server_name(host: &Host) -> anyhow::Result<ServerName<'static>> {
    Ok(match host {
        Host::Domain(name) => ServerName::try_from(name.clone())?,
        Host::Ipv4(ip) => ServerName::from(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => ServerName::from(IpAddr::V6(*ip)),
    })
}

fn unix(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.seconds()).unwrap_or_default()))
}

/// The configured certificate, which the server shows by itself or to its proxy.
pub fn examine_file(config: &Config, now: Timestamp) -> Finding {
    let Some(path) = &config.tls_certificate else {
        return Finding::skipped(
            FILE,
            "none is configured: a proxy does TLS, or nobody",
            "Set tls_certificate and tls_key to serve TLS without a proxy.",
        );
    };
    let fix = "Put a certificate chain (PEM) and its private key there; the server looks every five seconds.";
    let read = server::check(config).and_then(|()| server::certificates(path));
    let leaf = match read.map(|chain| chain.into_iter().next()) {
        Ok(Some(leaf)) => leaf,
        Ok(None) => return Finding::problem(FILE, "there is no certificate in it", fix),
        Err(error) => return Finding::problem(FILE, format!("{error}"), fix),
    };
    let dates = Leaf::read(&leaf, now);
    let mut faults = dates.faults();
    let host = Url::parse(config.issuer()).ok().and_then(|url| url.host().map(|host| host.to_owned()));
    let name = host.as_ref().and_then(|host| server_name(host).ok());
    if let (Some(host), Some(name), Ok(parsed)) = (host, name, ParsedCertificate::try_from(&leaf))
        && verify_server_name(&parsed, &name).is_err()
    {
        let what = format!("{} does not name {host}, the host of the issuer", path.display());
        faults.push(Fault::warning(what, "Get a certificate for that name, unless only a proxy sees this one."));
    }
    Finding::of_faults(FILE, faults, format!("{} fits its key; {}", path.display(), dates.text()))
}

/// What a certificate says of its time.
struct Leaf {
    until: Option<Timestamp>,
    now: Timestamp,
}

impl Leaf {
    fn read(der: &CertificateDer<'_>, now: Timestamp) -> Leaf {
        let until = parse_x509_certificate(der).ok().map(|(_, certificate)| certificate.validity().not_after);
        Leaf { until: until.map(|until| Timestamp::from_seconds(until.timestamp())), now }
    }

    fn text(&self) -> String {
        match self.until {
            Some(until) if until > self.now => format!("it holds for {}", told(until.since(self.now))),
            Some(until) => format!("it ended {} ago", told(self.now.since(until))),
            None => "it says not until when it holds".to_owned(),
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let fix = "Renew the certificate, and see why it was not renewed by itself.";
        let left = self.until.map_or(Duration::ZERO, |until| until.since(self.now));
        match left {
            left if left < URGENT => {
                vec![Fault::problem(format!("the certificate is about to end: {}", self.text()), fix)]
            }
            left if left < SOON => vec![Fault::warning(format!("the certificate ends soon: {}", self.text()), fix)],
            _ => Vec::new(),
        }
    }
}

/// Verifies as clients do, but lets the handshake go on and remembers the verdict: nothing is said on the connection.
#[derive(Debug)]
struct Watching {
    inner: Arc<WebPkiServerVerifier>,
    now: UnixTime,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    leaf: CertificateDer<'static>,
    refused: Option<Error>,
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, self.now);
        if let Ok(mut seen) = self.seen.lock() {
            *seen = Some(Seen { leaf: end_entity.clone().into_owned(), refused: verdict.err() });
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
