//! `keyward backup` and `keyward restore`: under load, between databases, and files that are not what they should be.

use std::{
    path::Path,
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use keyward::store;
use serde_json::{Value, json};

use crate::{
    program::{program, text},
    races::several_workers,
    stage::{ADA, stage_with},
    support::{MASTER_KEY, TestApp, api::Api, browser::Browser, database::Database, relying_party::RelyingParty},
};

/// A command on this database, with the tests' master key.
async fn on(url: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let url = url.to_owned();
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--database-url", &url]).collect();
        let mut command = program(directory.path(), &arguments);
        command.env("KEYWARD_MASTER_KEY", MASTER_KEY).stdin(Stdio::null()).output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn done(output: &Output) -> String {
    let said = text(output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_true_before_a_backup_under_load_is_true_where_it_is_restored() {
    let s = Arc::new(stage_with(several_workers, |_| {}).await);
    let owner = Api::owner(&s.app).await;
    let scope = "openid offline_access";
    // facts: a code that was used, a token that was taken back, one that was rotated, and one that lives
    let (used, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", scope)]).await;
    let code = callback.code().to_owned();
    assert_eq!(s.rp.redeem(&used, &code).await.outcome(), "200");
    let revoked = s.tokens(scope).await;
    assert_eq!(s.rp.revoke(&revoked.refresh_token).await.outcome(), "200");
    let rotated = s.tokens(scope).await;
    let child = s.rp.refresh(&rotated.refresh_token).await.tokens();
    s.rp.refresh(&child.refresh_token).await.tokens();
    let living = s.tokens(scope).await;
    owner
        .put("/resources/iam/roles/support:agent", json!({"description": "Agents, \u{1F511} \"quoted\""}))
        .await
        .object(201);
    for n in 0..20 {
        s.app.principal(&format!("p{n}@example.org"), &["support:agent"], |p| p.name = Some(format!("Ä {n}"))).await;
    }
    let listed = |api: Api| async move { api.get("/resources/iam/principals?limit=100").await.object(200) };
    let before = listed(owner.clone()).await;

    let (stop, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..3)
        .map(|n| {
            let (s, stop, turns, owner) = (s.clone(), stop.clone(), turns.clone(), owner.clone());
            tokio::spawn(async move {
                let mut tokens = s.rp.sign_in(&Browser::new(), ADA, scope).await;
                while !stop.load(Ordering::SeqCst) {
                    tokens = s.rp.refresh(&tokens.refresh_token).await.tokens();
                    let role = format!("/resources/iam/roles/load:r{n}");
                    let turn = turns.fetch_add(1, Ordering::SeqCst);
                    owner.put(&role, json!({"description": turn.to_string()})).await;
                }
            })
        })
        .collect();
    while turns.load(Ordering::SeqCst) < 6 {
        tokio::task::yield_now().await;
    }
    let files = tempfile::tempdir().unwrap();
    let (plain, sealed) = (files.path().join("plain"), files.path().join("sealed"));
    let passphrase = files.path().join("passphrase");
    std::fs::write(&passphrase, "correct horse battery\nsecond line").unwrap();
    let (plain, sealed) = (plain.to_str().unwrap(), sealed.to_str().unwrap());
    let passphrase = passphrase.to_str().unwrap();
    let url = s.app.app.config.database_url.as_ref().unwrap().expose().to_owned();
    let said = done(&on(&url, &["backup", plain]).await);
    assert!(said.contains("is not sealed") && said.contains("verified"), "{said}");
    let said = done(&on(&url, &["backup", sealed, "--passphrase-file", passphrase]).await);
    assert!(!said.contains("is not sealed"), "{said}");
    stop.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    assert_eq!((mode(Path::new(plain)), mode(Path::new(sealed))), (0o600, 0o600));
    assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 3, "no draft is left");
    let again = on(&url, &["backup", plain]).await;
    assert!(again.status.code() == Some(1) && text(&again).contains("there is such a file"), "{}", text(&again));
    // into what is in use it is not brought back
    let refused = on(&url, &["restore", plain]).await;
    assert!(refused.status.code() == Some(1) && text(&refused).contains("is in use"), "{}", text(&refused));

    // into either database
    let elsewhere = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}", elsewhere.path().join("keyward.db").display());
    let mut places = vec![(file, None)];
    if let Some(empty) = Database::empty() {
        places.push((empty.url().to_owned(), Some(empty)));
    }
    for (to, _database) in places {
        let said = match to.starts_with("sqlite") {
            true => done(&on(&to, &["restore", plain]).await),
            false => done(&on(&to, &["restore", sealed, "--passphrase-file", passphrase]).await),
        };
        assert!(said.contains("rows of"), "{said}");
        let app = TestApp::spawn_with(|config| config.database_url = Some(to.as_str().into())).await;
        let rp = RelyingParty::new(&app, &s.rp.client);
        assert_eq!(rp.redeem(&used, &code).await.outcome(), "400 invalid_grant");
        assert_eq!(rp.refresh(&revoked.refresh_token).await.outcome(), "400 invalid_grant");
        assert_eq!(rp.refresh(&rotated.refresh_token).await.outcome(), "400 invalid_grant");
        let tokens = rp.refresh(&living.refresh_token).await.tokens();
        assert_eq!(rp.refresh(&tokens.refresh_token).await.outcome(), "200");
        rp.sign_in(&Browser::new(), ADA, scope).await;
        let again = Api::service(&app, "another-owner", &["system:owner"], |_| {}).await;
        let after = listed(again.clone()).await;
        let names = |list: &Value| -> Vec<String> {
            let one = |person: &Value| format!("{} {} {}", person["id"], person["email"], person["name"]);
            list["principals"].as_array().unwrap().iter().map(one).collect()
        };
        assert_eq!(names(&after), names(&before), "the same people in the same order");
        let found = again.get("/resources/iam/principals?q=%C3%A4%2019&limit=100").await.object(200);
        assert_eq!(found["principals"].as_array().map(Vec::len), Some(1), "{found}");
        let role = again.get("/resources/iam/roles/support:agent").await.object(200);
        assert_eq!(role["description"], "Agents, \u{1F511} \"quoted\"");
        let count = app.app.store.read(|conn| store::snapshot::count(conn, "principal")).await.unwrap();
        assert_eq!(count, 21);
        let verified = done(&on(&to, &["audit", "verify"]).await);
        assert!(verified.contains("Nothing is wrong"), "{verified}");
    }
}

/// A command in a directory of its own, without any configuration.
fn at(directory: &Path, arguments: &[&str]) -> Output {
    program(directory, arguments).stdin(Stdio::null()).output().unwrap()
}

/// New data with a client in it.
fn new_data() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    done(&at(directory.path(), &["migrate"]));
    done(&at(directory.path(), &["client", "create", "--id", "jobs", "--name", "Jobs"]));
    directory
}

#[test]
fn the_master_key_comes_along_and_modes_are_private() {
    let data = new_data();
    let key = std::fs::read_to_string(data.path().join("keyward-data/master.key")).unwrap();
    done(&at(data.path(), &["backup", "copy"]));
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = data.path().join("copy");
    done(&at(elsewhere.path(), &["restore", copy.to_str().unwrap()]));
    let restored = elsewhere.path().join("keyward-data");
    assert_eq!(std::fs::read_to_string(restored.join("master.key")).unwrap(), key);
    assert_eq!(
        (mode(&restored), mode(&restored.join("keyward.db")), mode(&restored.join("master.key"))),
        (0o700, 0o600, 0o600)
    );
    let shown = done(&at(elsewhere.path(), &["client", "show", "jobs", "--json"]));
    assert_eq!(shown, done(&at(data.path(), &["client", "show", "jobs", "--json"])));
    let again = at(elsewhere.path(), &["restore", copy.to_str().unwrap()]);
    assert!(again.status.code() == Some(1) && text(&again).contains("is in use"), "{}", text(&again));

    // beside another key nothing is brought back
    let other = tempfile::tempdir().unwrap();
    std::fs::create_dir(other.path().join("keyward-data")).unwrap();
    let private = |path: &Path, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    private(&other.path().join("keyward-data"), 0o700);
    let foreign = other.path().join("keyward-data/master.key");
    std::fs::write(&foreign, format!("{}\n", "A".repeat(43))).unwrap();
    private(&foreign, 0o600);
    let refused = at(other.path(), &["restore", copy.to_str().unwrap()]);
    assert!(refused.status.code() == Some(1) && text(&refused).contains("is not the one"), "{}", text(&refused));
    assert!(std::fs::read_to_string(&foreign).unwrap().starts_with("AAAA"));
    // but its key can be configured, as it must be with PostgreSQL
    std::fs::remove_file(&foreign).unwrap();
    let configured = format!("keyward-master-key:{}", key.trim());
    let mut command = program(other.path(), &["restore", copy.to_str().unwrap()]);
    done(&command.env("KEYWARD_MASTER_KEY", configured).stdin(Stdio::null()).output().unwrap());
    assert!(!foreign.exists());
}

#[test]
fn a_file_that_is_not_whole_or_not_as_it_was_is_refused_in_plain_words() {
    let data = new_data();
    std::fs::write(data.path().join("passphrase"), "correct horse battery\n").unwrap();
    std::fs::write(data.path().join("wrong"), "another horse battery\n").unwrap();
    std::fs::write(data.path().join("short"), "horse\n").unwrap();
    let seal = ["--passphrase-file", "passphrase"];
    let short = at(data.path(), &["backup", "x", "--passphrase-file", "short"]);
    assert!(short.status.code() == Some(2) && text(&short).contains("at least 12"), "{}", text(&short));
    done(&at(data.path(), &["backup", "plain"]));
    done(&at(data.path(), &[&["backup", "sealed"], &seal[..]].concat()));
    let (plain, sealed) =
        (std::fs::read(data.path().join("plain")).unwrap(), std::fs::read(data.path().join("sealed")).unwrap());
    assert!(!String::from_utf8_lossy(&sealed).contains("jobs"));

    let refused = |what: &[u8], arguments: &[&str], words: &str| {
        let file = data.path().join("file");
        std::fs::write(&file, what).unwrap();
        let target = tempfile::tempdir().unwrap();
        let file = file.to_str().unwrap().to_owned();
        let given: Vec<String> = arguments
            .iter()
            .map(|argument| match argument.starts_with("--") {
                true => (*argument).to_owned(),
                false => data.path().join(argument).to_str().unwrap().to_owned(),
            })
            .collect();
        let all: Vec<&str> = ["restore", &file].into_iter().chain(given.iter().map(String::as_str)).collect();
        let output = at(target.path(), &all);
        let said = text(&output);
        assert!(output.status.code() == Some(1) && said.contains(words), "{words}: {said}");
        assert!(!target.path().join("keyward-data").exists(), "{words}: something was made");
    };
    refused(&sealed, &["--passphrase-file", "wrong"], "the passphrase is wrong");
    refused(&sealed, &[], "is sealed under a passphrase");
    refused(&plain, &seal, "is not sealed");
    refused(b"SQLite format 3\0", &[], "is no backup");
    refused(b"", &[], "is no backup");
    for (whole, given, changed) in [(&plain, &[][..], "was changed"), (&sealed, &seal[..], "changed")] {
        for length in [whole.len() - 1, whole.len() - 50, whole.len() / 2] {
            refused(&whole[..length], given, "its end is missing");
        }
        let mut flipped = (*whole).clone();
        let at = flipped.len() * 2 / 3;
        flipped[at] ^= 1;
        refused(&flipped, given, changed);
        refused(&[&whole[..], b"x"].concat(), given, "appended");
    }
    // one row less, and the numbers made to fit: the checksum does not
    let text = String::from_utf8(plain.clone()).unwrap();
    let without: String =
        text.lines().filter(|line| !line.contains("\"jobs\"")).map(|line| format!("{line}\n")).collect();
    refused(without.as_bytes(), &[], "was changed");
    let newer = text.replace("20261122", "29991122");
    refused(newer.as_bytes(), &[], "was changed");
}
