//! What a handler may reach. Below the handlers a function takes only what it uses.

use std::{ops::Deref, sync::Arc, time::Duration};

use arc_swap::ArcSwap;

use crate::{
    clock::Clock,
    config::{Config, DatabaseTarget},
    fetch::Fetcher,
    hasher::Hasher,
    keys::{AccessTokens, KeyRing, MasterKey, Sealer},
    ldap::Ldap,
    mail::Mailer,
    metrics::Metrics,
    model::{grant_type::GrantType, key::SigningAlgorithm, time::Timestamp},
    store::{self, Store, Target, access::AccessCache, activity::ActivityCache, listing::Documents},
    telemetry::export::Exporter,
};

/// How long after a failure the signing keys are asked for again.
const PAUSE: Duration = Duration::from_millis(250);

/// The running program's parts. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts.
pub struct Parts {
    /// What was configured.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The signing keys as of now; load it once per request.
    pub keys: ArcSwap<KeyRing>,
    /// The time.
    pub clock: Clock,
    /// Hashes and verifies passwords on threads of its own.
    pub hasher: Hasher,
    /// Guarded outgoing requests.
    pub fetch: Fetcher,
    /// Outgoing mail.
    pub mail: Mailer,
    /// The directory whose passwords count, if one does.
    pub ldap: Option<Ldap>,
    /// What is sealed or authenticated under the master key.
    pub seals: Seals,
    /// Access tokens that were shown before.
    pub tokens: AccessTokens,
    /// What identities may do, compiled.
    pub access: AccessCache,
    /// Documents that lists have shown.
    pub documents: Arc<Documents>,
    /// Whose activity was noted of late.
    pub activity: ActivityCache,
    /// What is counted and measured.
    pub metrics: Metrics,
    /// The collector that is told of requests, if one is.
    pub traces: Option<Exporter>,
}

/// The uses of the master key, each under a key of its own, so that nothing sealed for one works for another.
#[derive(Clone, Debug)]
pub struct Seals {
    /// The key itself, for message authentication codes and signing keys.
    pub master: MasterKey,
    /// Authorization requests that travel in pages.
    pub authorization_request: Sealer,
    /// Logout requests that travel in pages.
    pub logout_request: Sealer,
    /// Permission to replace a temporary password, after it was presented.
    pub password_ticket: Sealer,
    /// The cookie by which a browser is known to have signed in to an account before.
    pub known_device: Sealer,
    /// Successors of rotated refresh tokens.
    pub refresh_successor: Sealer,
    /// Opaque access tokens.
    pub access_token: Sealer,
    /// Answers that are given again to a request that is made again.
    pub idempotency: Sealer,
    /// Mails that wait to be sent.
    pub mail: Sealer,
    /// Positions in lists.
    pub cursor: Sealer,
}

impl Seals {
    /// Derives all of them.
    pub fn new(master: MasterKey) -> Seals {
        Seals {
            authorization_request: master.sealer("authorization request"),
            logout_request: master.sealer("logout request"),
            password_ticket: master.sealer("password ticket"),
            known_device: master.sealer("known device"),
            refresh_successor: master.sealer("refresh successor"),
            access_token: master.sealer("access token"),
            idempotency: master.sealer("idempotency"),
            mail: master.sealer("mail"),
            cursor: master.sealer("cursor"),
            master,
        }
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Opens data directory, database and keys; makes what a first start needs (schema, built-in roles, signing keys).
    ///
    /// # Errors
    /// In plain words for the operator, with what to do.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<App> {
        let master = open_master_key(&config)?;
        let target = target(&config);
        let store = tokio::task::spawn_blocking(move || Store::open(&target)).await??;
        let now = clock.now();
        let fingerprint = master.fingerprint();
        let expected = fingerprint.clone();
        let stored = store
            .write(move |tx| {
                store::identity::ensure_system_roles(tx, now)?;
                store::signing_key::master_fingerprint(tx, &fingerprint)
            })
            .await?;
        anyhow::ensure!(
            stored == expected,
            "the master key does not fit this database: its keys were sealed under another one. Configure the master \
             key that it was made with, or bring back the file that belongs to this data."
        );
        ensure_signing_keys(&store, &master, &config.keys.signing_algorithms, now).await?;
        let keys = load_keys(&store, &master).await?;
        let hasher = Hasher::new(&config.passwords);
        let fetch = Fetcher::new(&config.fetch)?;
        let traces = Exporter::new(&config.otlp)?;
        let ldap = Ldap::new(&config.ldap)?;
        let seals = Seals::new(master);
        let mail = Mailer::new(&config, seals.mail.clone())?;
        let keys = ArcSwap::from_pointee(keys);
        let (access, activity) = (AccessCache::default(), ActivityCache::default());
        let mut metrics = Metrics::new(&GrantType::ALL.map(GrantType::as_str), store.backend());
        store.register(metrics.registry());
        hasher.register(metrics.registry());
        mail.register(metrics.registry());
        store.register_caches(&metrics.caches);
        access.register(&metrics.caches);
        let tokens = AccessTokens::default();
        tokens.register(&metrics.caches);
        let documents = Arc::new(Documents::default());
        documents.register(&metrics.caches);
        fetch.register(&metrics.caches);
        Ok(App(Arc::new(Parts {
            config,
            store,
            keys,
            clock,
            hasher,
            fetch,
            mail,
            ldap,
            seals,
            tokens,
            access,
            documents,
            activity,
            metrics,
            traces,
        })))
    }

    /// Makes what a server needs besides, where the issuer is the one that people reach it by: the built-in client of the
    /// API's viewer. Commands beside a server do not do this, since they may be told of another issuer.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn prepare_to_serve(&self) -> Result<(), store::Error> {
        let (issuer, docs, now) = (self.config.issuer().to_owned(), self.config.iam.docs, self.clock.now());
        let ensured = self.store.write(move |tx| store::system_client::ensure_docs(tx, &issuer, docs, now)).await?;
        if !ensured && docs {
            let id = store::system_client::DOCS;
            tracing::warn!("nobody can sign in to /resources/docs: the id {id} belongs to something else");
        }
        Ok(())
    }

    /// Reads the signing keys again.
    pub async fn reload_keys(&self) -> anyhow::Result<()> {
        let keys = load_keys(&self.store, &self.seals.master).await?;
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    /// Reads the signing keys again whenever they were changed. Runs until it is dropped.
    pub async fn follow_keys(self) {
        let mut changes = self.store.key_changes();
        while changes.changed().await.is_ok() {
            while let Err(error) = self.reload_keys().await {
                tracing::warn!(%error, "the signing keys could not be read again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Purges expired rows now and then. Runs until it is dropped.
    pub async fn purge_expired(self) {
        let mut tick = tokio::time::interval(Duration::from_secs(60));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let now = self.clock.now();
            self.store.forget_expired(now);
            self.tokens.forget_expired(now);
            match store::purge::run(&self.store, now).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "purged expired rows"),
                Err(error) => tracing::warn!(%error, "purging expired rows"),
            }
        }
    }
}

/// Where the configured database is.
pub fn target(config: &Config) -> Target {
    match config.database() {
        DatabaseTarget::Sqlite(path) => Target::Sqlite(path),
        DatabaseTarget::Postgres(url) => {
            Target::Postgres { url, pool: config.database_pool, patience: config.database_patience }
        }
    }
}

/// The configured master key, or the one in the data directory, which is made with new data.
///
/// # Errors
/// It is missing beside data that was sealed under it, or cannot be read.
pub fn open_master_key(config: &Config) -> anyhow::Result<MasterKey> {
    use secrecy::ExposeSecret;
    if let Some(secret) = &config.master_key {
        return Ok(MasterKey::from_secret(secret.expose_secret())?);
    }
    let path = config.data_dir.join("master.key");
    if let DatabaseTarget::Sqlite(database) = config.database() {
        let in_use = database.metadata().is_ok_and(|file| file.len() > 0);
        // A new key could open nothing of what is there, and would hide that the old one is missing.
        anyhow::ensure!(
            !in_use || path.exists(),
            "{} is missing. It belongs to {}, whose keys are sealed under it: bring it back from the backup.",
            path.display(),
            database.display()
        );
    }
    Ok(MasterKey::open_file(&path)?)
}

async fn ensure_signing_keys(
    store: &Store,
    master: &MasterKey,
    algorithms: &[SigningAlgorithm],
    now: Timestamp,
) -> anyhow::Result<()> {
    let there = store.read(store::signing_key::all).await?;
    let missing = algorithms.iter().filter(|algorithm| !there.iter().any(|key| key.algorithm == **algorithm));
    // side by side: an RSA key takes a fifth of a second, and sometimes a whole one
    let made = missing.map(|&algorithm| {
        let master = master.clone();
        tokio::task::spawn_blocking(move || KeyRing::generate(algorithm, &master, now, now))
    });
    for key in futures_util::future::join_all(made).await {
        let key = key??;
        store.write(move |tx| store::signing_key::insert_first(tx, &key)).await?;
    }
    Ok(())
}

async fn load_keys(store: &Store, master: &MasterKey) -> anyhow::Result<KeyRing> {
    let records = store.read(store::signing_key::all).await?;
    Ok(KeyRing::open(records, master)?)
}
