//! A directory (LDAP) that is asked whether a password is right. Not a thread waits for it and no transaction: all is
//! asynchronous, bounded in time and number.
//!
//! A person's entry is looked up, and then bound to with the password that was typed (RFC 4513 §5.1.3). Where there is no
//! entry, somebody who does not exist is bound to, so that the work and the answer are the same.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use ldap3::{LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions, ldap_escape};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use url::Url;

use crate::{
    config,
    model::{password::MAX_LENGTH, secret::random_text},
};

/// The longest name that is looked up, in characters.
const MAX_USER: usize = 254;
/// The most values of the mail attribute that are looked at.
const MAX_MAILS: usize = 10;
/// What stands in the filter for the name.
const USER: &str = "{user}";

/// Why nobody can say now whether the password is right.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

/// The directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ldap(Arc<Settings>);

struct Settings {
    url: Url,
    starttls: bool,
    tls: Arc<ClientConfig>,
    account: Option<(String, SecretString)>,
    base: String,
    filter: String,
    mail: String,
    timeout: Duration,
    permits: Arc<Semaphore>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ldap({})", self.url)
    }
}

impl Ldap {
    /// The configured directory; none where none is. Nothing is asked yet.
    ///
    /// # Errors
    /// The address or the certificates cannot be used.
    pub fn new(options: &config::Ldap) -> anyhow::Result<Option<Ldap>> {
        let Some(url) = &options.url else { return Ok(None) };
        let settings = Settings {
            url: Url::parse(url).context("ldap.url")?,
            starttls: options.starttls,
            tls: Arc::new(tls(options.ca_certificates.as_deref())?),
            account: options.bind_dn.clone().zip(options.bind_password.clone()),
            base: options.base_dn.clone().unwrap_or_default(),
            filter: options.user_filter.clone(),
            mail: options.mail_attribute.clone(),
            timeout: options.timeout,
            permits: Arc::new(Semaphore::new(options.connections)),
        };
        Ok(Some(Ldap(Arc::new(settings))))
    }

    /// The one entry that `user` names, if there is one.
    ///
    /// # Errors
    /// The directory did not say within the configured time.
    pub async fn find(&self, user: &str) -> Result<Named, Unavailable> {
        let user = user.trim().to_owned();
        if !possible(&user, MAX_USER) {
            return Ok(Named::default());
        }
        let settings = self.0.clone();
        self.bounded(async move { settings.look_up(&user).await }).await
    }

    /// The emails of this entry, if `password` is its password. Where there is no entry, somebody who does not exist is
    /// bound to.
    ///
    /// # Errors
    /// The directory did not say within the configured time.
    pub async fn bind(&self, named: Named, password: SecretString) -> Result<Option<Vec<String>>, Unavailable> {
        // RFC 4513 §5.1.2: a bind without a password succeeds and proves nothing
        if !possible(password.expose_secret(), MAX_LENGTH) {
            return Ok(None);
        }
        let settings = self.0.clone();
        self.bounded(async move { settings.bind(named, &password).await }).await
    }

    /// In a task of its own: what a server says that is no LDAP panics inside the library, and nobody else.
    async fn bounded<T: Send + 'static>(
        &self,
        asking: impl Future<Output = Result<T, Unavailable>> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let settings = self.0.clone();
        let asked = tokio::spawn(async move {
            let asking = async {
                let _permit = settings.permits.clone().acquire_owned().await.map_err(|e| Unavailable(e.to_string()))?;
                asking.await
            };
            tokio::time::timeout(settings.timeout, asking).await.unwrap_or_else(|_| {
                Err(Unavailable(format!("no answer within {}", config::duration::format(settings.timeout))))
            })
        });
        asked.await.unwrap_or_else(|_| Err(Unavailable("what it said could not be understood".to_owned())))
    }
}

fn possible(text: &str, most: usize) -> bool {
    !text.is_empty() && text.chars().count() <= most && !text.contains('\0')
}

/// Whom a name names in the directory, if anybody.
#[derive(Clone, Debug, Default)]
pub struct Named {
    dn: Option<String>,
    mails: Vec<String>,
}

impl Named {
    /// The entry's distinguished name: the same however its name was spelt.
    pub fn dn(&self) -> Option<&str> {
        self.dn.as_deref()
    }
}

impl Settings {
    async fn connect(&self) -> Result<ldap3::Ldap, Unavailable> {
        let settings = LdapConnSettings::new().set_starttls(self.starttls).set_config(self.tls.clone());
        let (connection, ldap) = LdapConnAsync::from_url_with_settings(settings, &self.url).await.map_err(failed)?;
        // it ends with the handle, or soon after
        tokio::spawn(tokio::time::timeout(self.timeout, connection.drive()));
        Ok(ldap)
    }

    async fn look_up(&self, user: &str) -> Result<Named, Unavailable> {
        let mut ldap = self.connect().await?;
        if let Some((dn, secret)) = &self.account {
            let bound = ldap.simple_bind(dn, secret.expose_secret()).await.map_err(failed)?;
            if bound.rc != 0 {
                return Err(Unavailable(format!("the account that looks people up is refused (code {})", bound.rc)));
            }
        }
        let entry = self.find(&mut ldap, user).await?;
        let _ = ldap.unbind().await;
        // RFC 4513 §5.1.1: without a name a bind would be anonymous, and succeed
        let Some(entry) = entry.filter(|entry| !entry.dn.trim().is_empty()) else { return Ok(Named::default()) };
        Ok(Named { dn: Some(entry.dn.clone()), mails: self.mails(entry) })
    }

    async fn bind(&self, named: Named, password: &SecretString) -> Result<Option<Vec<String>>, Unavailable> {
        let mut ldap = self.connect().await?;
        let dn = named.dn.clone().unwrap_or_else(|| format!("cn={},{}", random_text::<12>(), self.base));
        let bound = ldap.simple_bind(&dn, password.expose_secret()).await.map_err(failed)?;
        let _ = ldap.unbind().await;
        if named.dn.is_none() {
            return Ok(None);
        }
        match bound.rc {
            0 => Ok(Some(named.mails)),
            // RFC 4511 appendix A.2: busy, unavailable
            51 | 52 => Err(Unavailable(format!("it cannot answer now (code {})", bound.rc))),
            // invalidCredentials
            49 => Ok(None),
            code => {
                tracing::warn!(code, "the directory refuses a person for another reason than the password");
                Ok(None)
            }
        }
    }

    /// The one entry.
    async fn find(&self, ldap: &mut ldap3::Ldap, user: &str) -> Result<Option<SearchEntry>, Unavailable> {
        // RFC 4515 §3
        let filter = self.filter.replace(USER, &ldap_escape(user));
        // two tell that it is not the only one
        ldap.with_search_options(SearchOptions::new().sizelimit(2));
        let found = ldap.search(&self.base, Scope::Subtree, &filter, vec![self.mail.as_str()]).await.map_err(failed)?;
        let (entries, result) = (found.0, found.1);
        match result.rc {
            0 => {}
            // RFC 4511 appendix A.2: sizeLimitExceeded
            4 => return Ok(None),
            code => return Err(Unavailable(format!("people cannot be looked up below {} (code {code})", self.base))),
        }
        // RFC 4511 §4.5.3: references to other servers are not followed
        let mut entries = entries.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        match (entries.next(), entries.next()) {
            (Some(entry), None) => Ok(Some(SearchEntry::construct(entry))),
            _ => Ok(None),
        }
    }

    fn mails(&self, entry: SearchEntry) -> Vec<String> {
        let mails = entry.attrs.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(&self.mail));
        mails.flat_map(|(_, values)| values).take(MAX_MAILS).collect()
    }
}

fn failed(error: LdapError) -> Unavailable {
    Unavailable(error.to_string())
}

/// Whom to trust, and how.
fn tls(authorities: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = authorities {
        let unusable = || format!("ldap.ca_certificates: {} holds no certificates", path.display());
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = read.with_context(unusable)?;
        anyhow::ensure!(!certificates.is_empty(), unusable());
        for certificate in certificates {
            roots.add(certificate).with_context(unusable)?;
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
