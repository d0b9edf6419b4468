//! What the tests of this room share: a place with its own database and cheap hashes.

use std::time::Duration;

use secrecy::SecretString;

use crate::{
    config::Config,
    hasher::Hasher,
    model::time::Timestamp,
    store::{Error, Store, Target, Tx, identity, principal, principal::Principal},
};

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(super) const PASSWORD: &str = "Correct-horse-42";

pub(super) struct Place {
    pub(super) store: Store,
    pub(super) hasher: Hasher,
    pub(super) config: Config,
    _dir: tempfile::TempDir,
}

impl Place {
    pub(super) async fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Target::Sqlite(dir.path().join("keyward.db"))).unwrap();
        store.write(|tx| identity::ensure_system_roles(tx, NOW)).await.unwrap();
        let mut config = Config::defaults();
        config.passwords.argon2_memory_kib = 8;
        config.passwords.argon2_iterations = 1;
        config.passwords.hash_queue = 1000;
        config.passwords.answer_floor = Duration::ZERO;
        Place { store, hasher: Hasher::new(&config.passwords), config, _dir: dir }
    }

    /// A principal with this email and [`PASSWORD`].
    pub(super) async fn principal(&self, email: &str) -> Principal {
        self.principal_with(email, |_| {}).await
    }

    pub(super) async fn principal_with(&self, email: &str, change: impl FnOnce(&mut Principal)) -> Principal {
        let mut principal = Principal::new(crate::model::id::generate(NOW), Some(&email.parse().unwrap()), NOW);
        principal.password_hash = Some(self.hasher.hash(SecretString::from(PASSWORD)).await.unwrap());
        change(&mut principal);
        let inserted = principal.clone();
        self.write(move |tx| principal::insert(tx, &inserted)).await;
        principal
    }

    pub(super) async fn found(&self, id: &str) -> Principal {
        let id = id.to_owned();
        self.store.read(move |conn| principal::find(conn, &id)).await.unwrap().unwrap()
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        f: impl Fn(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.store.write(f).await.unwrap()
    }
}
