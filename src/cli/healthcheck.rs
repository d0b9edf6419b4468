//! `keyward healthcheck`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::Args;
use reqwest::{Client, redirect::Policy};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{Refused, load, out};
use crate::{
    config::{Config, ConfigArgs},
    server,
};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whom to ask.
#[derive(Args, Debug)]
pub struct HealthcheckArgs {
    /// The address to ask [default: /health/ready at the first address of `listen`]
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Asks the server whether it is ready.
///
/// # Errors
/// It is not, or does not answer.
pub async fn run(args: &HealthcheckArgs) -> anyhow::Result<()> {
    // Fails only if the process has a provider already, which serves as well.
    let _ = server::provider().install_default();
    let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).no_proxy();
    let (client, url) = match &args.url {
        Some(url) => (client, url.clone()),
        None => {
            let config = load(&args.config)?;
            let url = local_url(&config).ok_or_else(|| {
                Refused(vec!["port 0 of `listen` is another port each time: name the address with --url".to_owned()])
            })?;
            match &config.tls_certificate {
                Some(path) => {
                    let own = server::certificates(path)?.into_iter().next().context("there is no certificate")?;
                    (client.use_preconfigured_tls(trusting_only(own)?), url)
                }
                None => (client, url),
            }
        }
    };
    let response = client.build()?.get(&url).send().await.with_context(|| format!("{url} does not answer"))?;
    ensure!(response.status().is_success(), "not ready: {url} answers {}", response.status());
    out::print("ready");
    Ok(())
}

/// Where the server answers on this machine; `None` if that is not known beforehand.
fn local_url(config: &Config) -> Option<String> {
    let address = config.listen.iter().find(|address| address.port() != 0)?;
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if config.tls_certificate.is_some() { "https" } else { "http" };
    Some(format!("{scheme}://{}/health/ready", SocketAddr::new(ip, address.port())))
}

/// TLS to the one server that holds the key of this certificate, under whatever name: the question goes to an address
/// of this machine, and the certificate is for the public name.
fn trusting_only(own: CertificateDer<'static>) -> anyhow::Result<ClientConfig> {
    let provider = server::provider();
    let verifier = Only { own, algorithms: provider.signature_verification_algorithms };
    Ok(ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

#[derive(Debug)]
struct Only {
    own: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match *end_entity == self.own {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_asked_where_it_listens() {
        for (listen, url) in [
            (&["127.0.0.1:8080"][..], Some("http://127.0.0.1:8080/health/ready")),
            (&["0.0.0.0:80"], Some("http://127.0.0.1:80/health/ready")),
            (&["[::]:8080"], Some("http://[::1]:8080/health/ready")),
            (&["127.0.0.1:0", "10.0.0.7:8080"], Some("http://10.0.0.7:8080/health/ready")),
            (&["127.0.0.1:0"], None),
        ] {
            let mut config = Config::defaults();
            config.listen = listen.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(local_url(&config).as_deref(), url);
        }
    }
}
