//! TLS by a certificate and its key from files, which may be replaced while the server runs.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    CipherSuite, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use crate::config::Config;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The certificate that is shown to clients now, and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    files: Files,
    shown: Arc<Shown>,
}

#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(config: &Config) -> Option<Files> {
        let (certificate, key) = (config.tls_certificate.clone()?, config.tls_key.clone()?);
        Some(Files { certificate, key })
    }

    /// What the files hold, if they belong together.
    fn load(&self) -> io::Result<CertifiedKey> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unusable(&self.key, &error))?;
        // says whether the key is the certificate's
        CertifiedKey::from_der(chain, key, &provider()).map_err(|error| unusable(&self.certificate, &error))
    }
}

/// What tells clients who this server is, where it is configured; and the certificate in it, which follows its files.
///
/// # Errors
/// The certificate or its key cannot be used; the message names the file.
pub(super) fn open(config: &Config) -> io::Result<Option<(ServerConfig, Certificate)>> {
    let Some(files) = Files::of(config) else { return Ok(None) };
    let shown = Arc::new(Shown(ArcSwap::from_pointee(files.load()?)));
    let built = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(shown.clone());
    Ok(Some((built, Certificate { files, shown })))
}

/// Whether the configured certificate and key can be used.
///
/// # Errors
/// Why not; the message names the file.
pub fn check(config: &Config) -> io::Result<()> {
    Files::of(config).map_or(Ok(()), |files| files.load().map(drop))
}

impl Certificate {
    /// Shows what the files hold as soon as it is another certificate, now and then looking at them. Files that do not
    /// (yet) belong together are told to the log, and the certificate before is shown on. Runs until it is dropped.
    pub(super) async fn follow(self) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut complained = None;
        loop {
            tick.tick().await;
            let certificate = self.clone();
            let Ok(looked) = tokio::task::spawn_blocking(move || certificate.look()).await else { continue };
            let complaint = looked.err().map(|error| error.to_string());
            if let Some(complaint) = complaint.as_ref().filter(|_| complaint != complained) {
                tracing::error!(error = complaint, "the new TLS certificate cannot be used; the one before is kept");
            }
            complained = complaint;
        }
    }

    fn look(&self) -> io::Result<()> {
        let found = self.files.load()?;
        if found.cert != self.shown.0.load().cert {
            self.shown.0.store(Arc::new(found));
            tracing::info!(file = %self.files.certificate.display(), "the TLS certificate was replaced");
        }
        Ok(())
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}

/// The certificates of a PEM file, in its order.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read.map_err(|error| unusable(path, &error))?;
    match chain.is_empty() {
        true => Err(unusable(path, &"expected at least one certificate, got none")),
        false => Ok(chain),
    }
}

/// TLS 1.3 as it is, and of TLS 1.2 what has forward secrecy and AES-GCM (RFC 9325 §4.2).
pub fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| {
        suite.tls13().is_some()
            || matches!(
                suite.suite(),
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
                    | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
                    | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            )
    });
    provider
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The files of one of the certificates that the tests have.
    fn pair(folder: &str) -> [PathBuf; 2] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(folder);
        ["certificate.pem", "key.pem"].map(|name| folder.join(name))
    }

    #[test]
    fn files_that_are_replaced_are_shown_once_they_belong_together() {
        let directory = tempfile::tempdir().unwrap();
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| directory.path().join(name));
        let [first, second] = ["tls", "smtp/tls"].map(pair);
        let shows = |chain: &[CertificateDer<'_>], pair: &[PathBuf; 2]| chain == certificates(&pair[0]).unwrap();
        fs::copy(&first[0], &certificate).unwrap();
        fs::copy(&first[1], &key).unwrap();
        let mut config = Config::defaults();
        (config.tls_certificate, config.tls_key) = (Some(certificate.clone()), Some(key.clone()));
        check(&config).unwrap();
        let (_, server) = open(&config).unwrap().unwrap();
        server.look().unwrap();
        assert!(shows(&server.shown.0.load().cert, &first));

        fs::copy(&second[0], &certificate).unwrap();
        let error = server.look().unwrap_err().to_string();
        assert!(error.contains("certificate.pem"), "{error}");
        assert!(shows(&server.shown.0.load().cert, &first), "the key is not there yet");
        fs::copy(&second[1], &key).unwrap();
        server.look().unwrap();
        assert!(shows(&server.shown.0.load().cert, &second));

        for (path, text) in [(&key, "nothing"), (&certificate, "")] {
            fs::write(path, text).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(check(&config).unwrap_err().to_string().contains(name), "{name}");
        }
        fs::remove_file(&certificate).unwrap();
        assert!(server.look().is_err() && open(&config).is_err());
        assert!(shows(&server.shown.0.load().cert, &second));
    }

    #[test]
    fn tls_has_forward_secrecy_only() {
        let mut names: Vec<String> =
            provider().cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "TLS13_AES_128_GCM_SHA256",
                "TLS13_AES_256_GCM_SHA384",
                "TLS13_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            ]
        );
    }
}
