//! The real server, in this process, on a port of its own with a database of its own; and callers with a role.
//!
//! `KEYWARD_TEST_POSTGRES` holds the URL of a PostgreSQL server where databases may be made; without it the tests run
//! on the embedded database.

#![allow(dead_code)] // each test binary uses its part
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)] // as in every test

pub mod api;
pub mod browser;
pub mod contract;
pub mod database;
pub mod logs;
pub mod relying_party;
pub mod smtp;

use std::{sync::Arc, time::Duration};

use keyward::{
    app::App,
    clock::Clock,
    config::Config,
    model::{
        client_auth::AuthMethod,
        email::Email,
        grant_type::GrantType,
        id,
        permission::Acl,
        scope::Scope,
        secret::{Kind, Secret},
        time::Timestamp,
    },
    server::{self, Running},
    store::{self, client::Client, client_secret::ClientSecret, principal::Principal, role::Role},
};

/// 2026-11-21T12:00:00Z: when every test begins.
pub const START: Timestamp = Timestamp::from_seconds(1_795_262_400);

/// The password of every principal that a test makes.
pub const PASSWORD: &str = "Correct-horse-42-battery";

/// The master key of every server in tests that share a database's template.
pub const MASTER_KEY: &str = "a master key of the tests, which is long enough";

/// A running server. Dropping it fails the test if an error was logged that nobody expected.
pub struct TestApp {
    /// `http://localhost:<port>`.
    pub issuer: String,
    /// The server's parts, for what has no face yet and for looking behind.
    pub app: App,
    /// The hands of its clock.
    pub clock: Clock,
    running: Option<Running>,
    database: Option<database::Database>,
    directory: Arc<tempfile::TempDir>,
    config: Config,
}

impl TestApp {
    /// A server with the defaults, but for what would only cost time.
    pub async fn spawn() -> TestApp {
        TestApp::spawn_with(|_| {}).await
    }

    /// A server whose configuration was changed before it started. An issuer `path:/x` puts everything under that path.
    /// `behind:http://…` is an issuer as it stands, of a proxy that the test has in front.
    pub async fn spawn_with(change: impl FnOnce(&mut Config)) -> TestApp {
        TestApp::spawn_on(Clock::fixed(START), change).await
    }

    /// The same by another clock.
    pub async fn spawn_on(clock: Clock, change: impl FnOnce(&mut Config)) -> TestApp {
        // as servers make theirs
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let directory =
            Arc::new(tempfile::Builder::new().prefix("keyward-test-").permissions(private).tempdir().unwrap());
        let mut config = Config::defaults();
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.data_dir = directory.path().to_owned();
        config.workers = Some(1);
        config.passwords.argon2_memory_kib = 8;
        config.passwords.argon2_iterations = 1;
        config.passwords.answer_floor = Duration::ZERO;
        config.database_pool = 8;
        // the machine that runs the tests may stall; what a silent server does is for tests/fault
        config.database_patience = Duration::from_secs(10);
        config.master_key = Some(MASTER_KEY.into());
        let database = database::Database::create(directory.path()).await;
        config.database_url = Some(database.url().into());
        change(&mut config);
        Box::pin(TestApp::start(config, Some(database), directory, clock)).await
    }

    async fn start(
        mut config: Config,
        database: Option<database::Database>,
        directory: Arc<tempfile::TempDir>,
        clock: Clock,
    ) -> TestApp {
        logs::init();
        let listeners = server::bind(&config).unwrap();
        let port = listeners.addresses()[0].port();
        let given = config.clone();
        let told = |prefix| config.issuer.as_deref().and_then(|issuer| issuer.strip_prefix(prefix));
        let own = format!("http://localhost:{port}{}", told("path:").unwrap_or_default());
        config.issuer = Some(told("behind:").map_or(own, str::to_owned));
        let app = App::open(config, clock.clone()).await.unwrap();
        app.prepare_to_serve().await.unwrap();
        let running = server::start(app.clone(), listeners).unwrap();
        let issuer = app.config.issuer().to_owned();
        TestApp { issuer, app, clock, running: Some(running), database, directory, config: given }
    }

    /// Says that this test makes the server log errors that contain this text.
    pub fn expect_errors(&self, text: &str) {
        logs::expect_errors(text);
    }

    /// Whether the database is PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.database.as_ref().is_some_and(database::Database::is_postgres)
    }

    /// The same data under a new process, as far as anybody can see from outside; the port stays.
    pub async fn restart(mut self) -> TestApp {
        if let Some(running) = self.running.take() {
            running.stop(true).await;
        }
        let mut config = self.config.clone();
        let port = self.issuer.rsplit(':').next().and_then(|port| port.split('/').next()).unwrap().to_owned();
        config.listen = vec![format!("127.0.0.1:{port}").parse().unwrap()];
        let (database, directory, clock) = (self.database.take(), self.directory.clone(), self.clock.clone());
        Box::pin(TestApp::start(config, database, directory, clock)).await
    }

    /// Ends the server and what it does in the background; its parts are still there.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(true).await;
        }
    }

    /// Another server on the same database, with the same clock. The database goes with the first one.
    pub async fn twin(&self) -> TestApp {
        Box::pin(TestApp::start(self.config.clone(), None, self.directory.clone(), self.clock.clone())).await
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// The address of what is counted and measured; empty where nothing listens for that.
    pub fn metrics_url(&self) -> String {
        let address = self.running.as_ref().and_then(|running| running.metrics_address);
        address.map_or_else(String::new, |address| format!("http://{address}/metrics"))
    }

    /// The address on which it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.running.as_ref().unwrap().addresses[0]
    }

    /// Now, as the server sees it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the server's clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Makes a role that holds these permissions.
    pub async fn role(&self, key: &str, permissions: &[&str]) {
        let now = self.now();
        let role = Role {
            key: key.to_owned(),
            description: None,
            acl: Acl::of(permissions).unwrap(),
            system: false,
            created_at: now,
            updated_at: now,
            etag: "1".to_owned(),
        };
        self.app.store.write(move |tx| store::role::insert(tx, &role)).await.unwrap();
    }

    /// Makes a principal with [`PASSWORD`] and these roles, changed as the test needs it.
    pub async fn principal(&self, email: &str, roles: &[&str], change: impl FnOnce(&mut Principal)) -> Principal {
        let now = self.now();
        let email: Email = email.parse().unwrap();
        let mut principal = Principal::new(id::generate(now), Some(&email), now);
        principal.email_verified = true;
        principal.password_hash = Some(self.app.hasher.hash(PASSWORD.into()).await.unwrap());
        principal.password_changed_at = Some(now);
        change(&mut principal);
        let (inserted, roles) = (principal.clone(), owned(roles));
        self.app
            .store
            .write(move |tx| {
                store::principal::insert(tx, &inserted)?;
                store::identity::set_roles(tx, &inserted.id, &roles)?.map_err(store::Error::Internal)
            })
            .await
            .unwrap();
        principal
    }

    /// Makes a client, changed as the test needs it; the secret is there unless the client is public.
    pub async fn client(&self, client_id: &str, roles: &[&str], change: impl FnOnce(&mut Client)) -> TestClient {
        let now = self.now();
        let mut client =
            Client::new(client_id.to_owned(), format!("Client {client_id}"), AuthMethod::ClientSecretBasic, now);
        client.grant_types = GrantType::ALL.to_vec();
        client.redirect_uris = vec!["https://app.example/cb".to_owned()];
        client.post_logout_redirect_uris = vec!["https://app.example/bye".to_owned()];
        client.scopes = "openid profile email phone address offline_access".parse::<Scope>().unwrap();
        change(&mut client);
        let secret = Secret::generate(Kind::ClientSecret);
        let stored = ClientSecret {
            id: id::generate(now),
            client_id: client.id.clone(),
            hash: secret.hash(),
            hint: "test".to_owned(),
            description: None,
            created_at: now,
            expires_at: None,
            last_used_at: None,
        };
        let (inserted, roles) = (client.clone(), owned(roles));
        self.app
            .store
            .write(move |tx| {
                store::client::insert(tx, &inserted)?;
                if !inserted.is_public() {
                    store::client_secret::insert(tx, &stored)?;
                }
                store::identity::set_roles(tx, &inserted.id, &roles)?.map_err(store::Error::Internal)
            })
            .await
            .unwrap();
        TestClient { secret: secret.reveal().to_owned(), client }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let errors = logs::take_unexpected();
        if !std::thread::panicking() {
            assert!(errors.is_empty(), "the server logged errors (perhaps that of another test): {errors:#?}");
        }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A registered client and its secret.
#[derive(Clone)]
pub struct TestClient {
    /// What is registered.
    pub client: Client,
    /// Its secret in clear; worthless for a public client.
    pub secret: String,
}
