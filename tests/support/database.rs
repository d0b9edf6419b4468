//! A migrated database for each test: a copy of one that is made once per process, with the signing keys in it.

use std::path::Path;

use diesel::{
    Connection, ConnectionResult, PgConnection, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_query,
};
use keyward::{app::App, clock::Clock, config::Config};
use tokio::sync::{Mutex, OnceCell};

use super::{MASTER_KEY, START};

/// A test's own database, gone when this is dropped.
pub struct Database {
    url: String,
    /// Where to say that a PostgreSQL database is to be dropped, and its name.
    dropped_at: Option<(String, String)>,
}

impl Database {
    /// A database for the test that keeps its files in `directory`.
    pub async fn create(directory: &Path) -> Database {
        match std::env::var("KEYWARD_TEST_POSTGRES") {
            Ok(admin) if !admin.is_empty() => postgres(admin).await,
            _ => sqlite(directory).await,
        }
    }

    /// A database on the PostgreSQL server with nothing in it; none where the tests run on the embedded database.
    pub fn empty() -> Option<Database> {
        let admin = std::env::var("KEYWARD_TEST_POSTGRES").ok().filter(|admin| !admin.is_empty())?;
        let name = format!("keyward_test_{}", uuid::Uuid::new_v4().simple());
        let mut conn = connect(&admin).unwrap();
        sql_query(format!("CREATE DATABASE {name} TEMPLATE template0")).execute(&mut conn).unwrap();
        Some(Database { url: named(&admin, &name), dropped_at: Some((admin, name)) })
    }

    /// Its URL, as the configuration has it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is on a PostgreSQL server.
    pub fn is_postgres(&self) -> bool {
        self.dropped_at.is_some()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((admin, name)) = &self.dropped_at
            && let Ok(mut conn) = connect(admin)
        {
            let _ = sql_query(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).execute(&mut conn);
        }
    }
}

fn connect(admin: &str) -> ConnectionResult<PgConnection> {
    // as the server does, so that a test run ends well too
    openssl_sys::init();
    PgConnection::establish(admin)
}

/// Starts a server on an empty database once, which makes everything that a first start makes.
async fn first_start(url: &str, directory: &Path) {
    let mut config = Config::defaults();
    config.data_dir = directory.to_owned();
    config.master_key = Some(MASTER_KEY.into());
    config.database_url = Some(url.into());
    config.passwords.argon2_memory_kib = 8;
    drop(App::open(config, Clock::fixed(START)).await.unwrap());
}

async fn sqlite(directory: &Path) -> Database {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let template = TEMPLATE.get_or_init(|| async {
        let directory = tempfile::tempdir().unwrap();
        let (first, copy) = (directory.path().join("first.db"), directory.path().join("copy.db"));
        first_start(&format!("sqlite://{}", first.display()), directory.path()).await;
        let mut conn = SqliteConnection::establish(first.to_str().unwrap()).unwrap();
        // the server's own connections may still be closing
        conn.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        // one file, whatever still is in the write-ahead log
        conn.batch_execute(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
        std::fs::read(copy).unwrap()
    });
    let path = directory.join("keyward.db");
    std::fs::write(&path, template.await).unwrap();
    Database { url: format!("sqlite://{}", path.display()), dropped_at: None }
}

async fn postgres(admin: String) -> Database {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    // a database that is being copied may be copied by one only
    static COPYING: Mutex<()> = Mutex::const_new(());
    let template = TEMPLATE.get_or_init(|| async {
        let name = format!("keyward_template_{}", std::process::id());
        let mut conn = connect(&admin).unwrap();
        sql_query(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).execute(&mut conn).unwrap();
        sql_query(format!("CREATE DATABASE {name}")).execute(&mut conn).unwrap();
        first_start(&named(&admin, &name), &std::env::temp_dir()).await;
        name
    });
    let template = template.await;
    let name = format!("keyward_test_{}", uuid::Uuid::new_v4().simple());
    let _turn = COPYING.lock().await;
    let mut conn = connect(&admin).unwrap();
    let mut attempts = 0;
    // files are copied in half the time that it takes to write all their pages into the log
    let create = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY");
    // the connections of the first start may need a moment to end
    while let Err(error) = sql_query(&create).execute(&mut conn) {
        attempts += 1;
        assert!(attempts < 100, "{error}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Database { url: named(&admin, &name), dropped_at: Some((admin, name)) }
}

/// The same server's URL for another database.
fn named(admin: &str, name: &str) -> String {
    let (server, _) = admin.rsplit_once('/').expect("a URL that ends in /postgres");
    format!("{server}/{name}")
}
