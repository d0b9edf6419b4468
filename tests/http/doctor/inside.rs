//! What lies on the machine itself: files, database, keys, mail.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use diesel::{RunQueryDsl, sql_query};
use keyward::{
    cli::doctor::Status::{Ok as Fine, Problem, Skipped, Warning},
    config::{DatabaseTarget, MailSecurity, Origin},
    model::key::SigningAlgorithm,
    store::{self, sending::NewSending},
};

use super::{careless, examined_as, expect, finding, free_port, healthy, only};
use crate::support::{
    TestApp,
    smtp::{Smtp, tls_folder},
};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A directory that others can look into.
fn open_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o755);
    directory
}

async fn execute(app: &TestApp, statement: String) {
    let write = move |tx: &mut store::Tx<'_>| {
        sql_query(statement.as_str()).execute(&mut **tx)?;
        Ok::<_, store::Error>(())
    };
    app.app.store.write(write).await.unwrap();
}

#[tokio::test]
async fn secrets_that_others_can_read_are_found() {
    let (app, directory) = (healthy(|_| {}).await, open_directory());
    let secret = directory.path().join("smtp.password");
    std::fs::write(&secret, "x").unwrap();
    for (mode, status) in [(0o600, Fine), (0o400, Fine), (0o640, Warning), (0o644, Problem)] {
        set_mode(&secret, mode);
        let report = examined_as(&app, |loaded| loaded.secret_files = vec![("mail.password", secret.clone())]).await;
        let said = if status == Fine { String::new() } else { format!("open to others (mode {mode:04o})") };
        expect(&report, "file_modes", status, &said);
    }
    set_mode(directory.path(), 0o700);
    let report = examined_as(&app, |loaded| loaded.secret_files = vec![("mail.password", secret.clone())]).await;
    expect(&report, "file_modes", Fine, "file of a secret");
    set_mode(directory.path(), 0o755);
    let report = examined_as(&app, |loaded| loaded.config.data_dir = directory.path().to_owned()).await;
    expect(&report, "file_modes", Problem, "the data directory");
    assert!(finding(&report, "file_modes").fix.as_ref().unwrap().starts_with("Run chmod 700 "));
}

#[tokio::test]
async fn a_configuration_is_a_secret_only_where_it_holds_one() {
    let (app, directory) = (healthy(|_| {}).await, open_directory());
    let file = directory.path().join("keyward.toml");
    std::fs::write(&file, "").unwrap();
    set_mode(&file, 0o644);
    let report = examined_as(&app, |loaded| loaded.file = Some(file.clone())).await;
    expect(&report, "file_modes", Fine, "configuration");
    let report = examined_as(&app, |loaded| {
        loaded.file = Some(file.clone());
        loaded.origins.insert("master_key", Origin::File(file.clone(), 1));
    })
    .await;
    expect(&report, "file_modes", Problem, "the configuration");
    set_mode(&file, 0o666);
    let report = examined_as(&app, |loaded| loaded.file = Some(file.clone())).await;
    expect(&report, "file_modes", Problem, "(mode 0666)");
}

#[tokio::test]
async fn a_certificate_that_ends_or_names_another_is_found() {
    let (app, directory) = (healthy(|_| {}).await, tempfile::tempdir().unwrap());
    let key = directory.path().join("key.pem");
    std::fs::copy(tls_folder().join("key.pem"), &key).unwrap();
    let with = |loaded: &mut keyward::config::Loaded| {
        loaded.config.tls_certificate = Some(tls_folder().join("certificate.pem"));
        loaded.config.tls_key = Some(key.clone());
    };
    let report = examined_as(&app, with).await;
    expect(&report, "certificate_file", Fine, "fits its key; it holds for");
    let report = examined_as(&app, |loaded| {
        with(loaded);
        loaded.config.issuer = Some("https://id.example.invalid".to_owned());
    })
    .await;
    expect(&report, "certificate_file", Warning, "does not name id.example.invalid");
    let report = examined_as(&app, |loaded| {
        with(loaded);
        loaded.config.tls_certificate = Some(tls_folder().join("ca.pem"));
    })
    .await;
    expect(&report, "certificate_file", Problem, "ca.pem");
    // it ends with the year 2119
    let end = keyward::model::time::Timestamp::from_rfc3339("2120-01-01T00:00:00Z").unwrap();
    for (before, status, said) in
        [(20, Warning, "ends soon: it holds for 20 days"), (2, Problem, "for 2 days"), (0, Problem, "ended 0 ms ago")]
    {
        let clock = keyward::clock::Clock::fixed(end - Duration::from_secs(before * 86_400));
        let mut loaded = super::loaded(&app.app.config);
        with(&mut loaded);
        let report = Box::pin(keyward::cli::doctor::examine(&loaded, true, &clock, std::future::pending())).await;
        expect(&report, "certificate_file", status, said);
    }
}

#[tokio::test]
async fn a_database_that_is_elsewhere_is_found_and_none_is_begun() {
    let (app, directory) = (healthy(|_| {}).await, tempfile::tempdir().unwrap());
    let elsewhere = directory.path().join("keyward.db");
    let url = format!("sqlite://{}", elsewhere.display());
    let report = examined_as(&app, |loaded| loaded.config.database_url = Some(url.as_str().into())).await;
    expect(&report, "database", Problem, "there is no database");
    assert!(!elsewhere.exists());
    let port = free_port();
    let url = format!("postgres://keyward:hidden@127.0.0.1:{port}/keyward");
    let report = examined_as(&app, |loaded| loaded.config.database_url = Some(url.as_str().into())).await;
    expect(&report, "database", Problem, "keyward:***@127.0.0.1");
    for check in ["database_latency", "database_settings", "clock_database", "mail_queue", "keys"] {
        expect(&report, check, Skipped, "the database cannot be used");
    }
    assert!(!report.text().contains("hidden"));
    expect(&report, "metadata", Fine, "");
}

#[tokio::test]
async fn a_schema_of_another_program_is_found_and_left_as_it_is() {
    let app = healthy(|_| {}).await;
    let newest = store::migrate::newest();
    let versions = || super::count(&app, "__diesel_schema_migrations");
    let all = versions().await;
    execute(&app, "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')".to_owned()).await;
    expect(&examined_as(&app, |_| {}).await, "database", Problem, "does not know");
    execute(&app, format!("DELETE FROM __diesel_schema_migrations WHERE version >= '{newest}'")).await;
    let report = examined_as(&app, |_| {}).await;
    expect(&report, "database", Problem, "lacks 1 steps");
    assert_eq!(versions().await, all - 1);
}

#[tokio::test]
async fn a_master_key_that_does_not_fit_is_found() {
    let app = healthy(|_| {}).await;
    let report =
        examined_as(&app, |loaded| loaded.config.master_key = Some("another key, which is long enough".into())).await;
    expect(&report, "database", Problem, "the master key does not fit");
}

#[tokio::test]
async fn a_damaged_file_is_found() {
    let app = healthy(|_| {}).await;
    let DatabaseTarget::Sqlite(database) = app.app.config.database() else { return };
    let directory = tempfile::tempdir().unwrap();
    // a copy of one file, whatever still is in the write-ahead log
    let copy = directory.path().join("keyward.db");
    let mut conn = store::snapshot::connect(&store::Target::Sqlite(database), true).unwrap();
    sql_query(format!("VACUUM INTO '{}'", copy.display())).execute(&mut conn).unwrap();
    let mut conn = store::snapshot::connect(&store::Target::Sqlite(copy.clone()), false).unwrap();
    // the first page of a table that nobody reads meanwhile
    let query = "SELECT rootpage AS n FROM sqlite_schema WHERE name = 'email_change'";
    let root: super::Count = sql_query(query).get_result(&mut conn).unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let at = (usize::try_from(root.n).unwrap() - 1) * page;
    bytes[at..at + 8].copy_from_slice(&[13, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    drop(conn);
    std::fs::write(&copy, bytes).unwrap();
    set_mode(&copy, 0o600);
    let url = format!("sqlite://{}", copy.display());
    let report = examined_as(&app, |loaded| loaded.config.database_url = Some(url.as_str().into())).await;
    expect(&report, "database_settings", Problem, "the file");
}

#[tokio::test]
async fn keys_that_are_old_or_missing_are_found_and_none_is_made() {
    let app = healthy(|_| {}).await;
    // those of the tests' template were made on the day on which tests begin
    let clock = keyward::clock::Clock::fixed(crate::support::START + Duration::from_secs(366 * 86_400));
    let loaded = super::loaded(&app.app.config);
    let report = Box::pin(keyward::cli::doctor::examine(&loaded, true, &clock, std::future::pending())).await;
    expect(&report, "keys", Warning, "has signed for 366 days");
    assert!(finding(&report, "keys").fix.as_ref().unwrap().contains("keyward key rotate"));
    let before = super::count(&app, "signing_key").await;
    let report = examined_as(&app, |loaded| loaded.config.keys.signing_algorithms.push(SigningAlgorithm::EdDSA)).await;
    expect(&report, "keys", Problem, "no key for EdDSA");
    assert_eq!(super::count(&app, "signing_key").await, before);
}

#[tokio::test]
async fn a_mail_server_that_takes_no_mail_is_found() {
    let app = healthy(|_| {}).await;
    let port = free_port();
    let report = examined_as(&app, |loaded| {
        let mail = &mut loaded.config.mail;
        (mail.host, mail.port) = (Some("127.0.0.1".to_owned()), Some(port.into()));
        (mail.security, mail.from) = (MailSecurity::None, Some("id@example.org".to_owned()));
    })
    .await;
    expect(&report, "mail", Problem, &format!("127.0.0.1:{port}"));
    let Some(mut smtp) = Smtp::start() else { return };
    let report = examined_as(&app, |loaded| smtp.configure(&mut loaded.config)).await;
    expect(&report, "mail", Fine, "none was sent");
    assert!(smtp.received().is_empty());
    only(&report, &careless(&app).await);
    smtp.rule("connect", "421 go away");
    let report = examined_as(&app, |loaded| smtp.configure(&mut loaded.config)).await;
    expect(&report, "mail", Problem, "421");
}

#[tokio::test]
async fn mails_that_wait_for_long_are_found() {
    let app = healthy(|_| {}).await;
    let due = app.now() - Duration::from_secs(3600);
    let sending = NewSending {
        id: keyward::model::id::generate(due),
        category: None,
        created_at: due,
        recipient: "ada@example.org".to_owned(),
        transport: "smtp",
        dynamic: None,
        sealed_content: String::new(),
        created_by: None,
    };
    app.app.store.write(move |tx| store::sending::insert(tx, &sending)).await.unwrap();
    // a server without mail leaves it alone
    expect(
        &examined_as(&app, |_| {}).await,
        "mail_queue",
        Warning,
        "1 mails wait; the oldest has been due for 60 minutes",
    );
}
