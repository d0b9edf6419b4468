//! Upgrades: an earlier schema in use is brought up to date while somebody writes as before, and goes back a step.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use diesel::{RunQueryDsl, connection::SimpleConnection, sql_query};
use keyward::store::{
    self, Conn, Target, migrate,
    snapshot::{self, Item, Table},
};
use serde_json::Value;

use crate::{
    program::{program, text},
    support::{MASTER_KEY, database::Database},
};

/// The last step of the earlier schema.
const EARLIER: &str = "20261121000005";

/// An empty database.
fn empty() -> (Target, String, tempfile::TempDir, Option<Database>) {
    let directory = tempfile::tempdir().unwrap();
    if let Some(database) = Database::empty() {
        let url = database.url().to_owned();
        return (
            Target::Postgres { url: url.clone(), pool: 2, patience: Duration::from_secs(30) },
            url,
            directory,
            Some(database),
        );
    }
    let path = directory.path().join("keyward.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let url = format!("sqlite://{}", path.display());
    (Target::Sqlite(path), url, directory, None)
}

/// What somebody with the earlier program writes; the columns are those of then.
fn earlier(n: usize) -> String {
    let id = format!("00000000-0000-7000-8000-{n:012}");
    format!(
        "INSERT INTO identity (id, kind) VALUES ('{id}', 'principal');
         INSERT INTO principal (id, email, email_key, email_verified, name, phone_verified, properties, settings, acl,
             access_attributes, system_user, password_temporary, created_at, updated_at, etag, name_key)
             VALUES ('{id}', 'p{n}@example.org', 'p{n}@example.org', TRUE, 'P {n}', FALSE, '{{}}', '{{}}', '{{\"entries\":[]}}', '{{\"a\": [\"b\"]}}',
             FALSE, FALSE, {n}, {n}, '1', 'p {n}');
         INSERT INTO identity_role (identity_id, role_key) VALUES ('{id}', 'a:b');
         INSERT INTO session (id, principal_id, secret_hash, auth_time, amr, acr, persistent, created_at, last_active_at,
             idle_expires_at, expires_at) VALUES ('s{n}', '{id}', 'h{n}', 0, '[]', '', TRUE, 0, 0, 9, 9);
         INSERT INTO refresh_token (hash, grant_id, created_at, expires_at, used_at, sealed_successor, replay_until)
             VALUES ('r{n}', 'g', 0, 9, 1, 'sealed', 5);
         INSERT INTO revoked_token (jti, expires_at) VALUES ('t{n}', 9);
         INSERT INTO sending (id, created_at, recipient, status, retry_count, transport, last_modified)
             VALUES ('m{n}', 0, 'P{n}@example.org', 'sent', 0, 'smtp', 0);
         INSERT INTO audit_event (id, at, action, outcome, actor_kind, request_id, target_kind, changes, occurrences)
             VALUES ('e{n:06}', {n}, 'role.update', 'succeeded', 'system', '', 'role', '[]', 1);"
    )
}

/// Every row of every table, as an object in text.
type Facts = BTreeMap<String, BTreeSet<String>>;

/// All facts, with only those columns that `columns` has, if it is given.
fn facts(conn: &mut Conn, columns: Option<&[Table]>) -> Facts {
    let mut facts = Facts::new();
    let mut table: Option<Table> = None;
    let begin = |_: &[String]| Ok::<_, store::Error>(());
    snapshot::read(conn, begin, |item| {
        match item {
            Item::Table(next) => {
                let known = columns.is_none_or(|columns| columns.iter().any(|table| table.name == next.name));
                table = known.then(|| next.clone());
                if known {
                    facts.insert(next.name.clone(), BTreeSet::new());
                }
            }
            Item::Row(row) => {
                let Some(table) = &table else { return Ok(()) };
                let values: Vec<Value> = serde_json::from_str(row).unwrap();
                let of_then = |name: &str| {
                    let Some(columns) = columns else { return true };
                    let then = columns.iter().find(|then| then.name == table.name).unwrap();
                    then.columns.iter().any(|(column, _)| column == name)
                };
                let fact: BTreeMap<&String, Value> = table
                    .columns
                    .iter()
                    .zip(values)
                    .filter(|((name, _), _)| of_then(name))
                    .map(|((name, _), value)| (name, value))
                    .collect();
                facts.get_mut(&table.name).unwrap().insert(serde_json::to_string(&fact).unwrap());
            }
        }
        Ok(())
    })
    .unwrap();
    facts
}

/// What of the facts before is gone.
fn lost(before: &Facts, after: &Facts) -> Vec<String> {
    let gone = |(table, rows): (&String, &BTreeSet<String>)| -> Vec<String> {
        let there = after.get(table).cloned().unwrap_or_default();
        rows.difference(&there).map(|row| format!("{table}: {row}")).collect()
    };
    before.iter().flat_map(gone).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_schema_is_upgraded_under_its_writers_and_goes_back_without_losing_a_fact() {
    let (target, url, directory, _database) = empty();
    let mut conn = snapshot::connect(&target, true).unwrap();
    migrate::run_to(&mut conn, Some(EARLIER)).unwrap();
    assert_eq!(migrate::versions(&mut conn).unwrap().last().map(String::as_str), Some(EARLIER));
    conn.batch_execute(
        "INSERT INTO role (key, acl, system, created_at, updated_at, etag) VALUES ('a:b', '{\"entries\":[]}', FALSE, 0, 0, '1')",
    )
    .unwrap();
    for n in 0..300 {
        conn.batch_execute(&earlier(n)).unwrap();
    }
    let then = snapshot::tables(&mut conn).unwrap();
    let before = facts(&mut conn, None);
    assert_eq!((before["principal"].len(), before["audit_event"].len()), (300, 300));

    // the plan says what is to come, and changes nothing
    let run = |arguments: &[&str]| {
        let mut command = program(directory.path(), &[arguments, &["--database-url", &url]].concat());
        command.env("KEYWARD_MASTER_KEY", MASTER_KEY).stdin(Stdio::null()).output().unwrap()
    };
    let output = run(&["migrate", "--plan"]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for part in
        ["2026-11-22-000006_appserver", "2026-11-22-000010_audit_chain: chains the audit log", "goes through 300 rows"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("000005"), "{said}");
    assert_eq!(migrate::versions(&mut conn).unwrap().last().map(String::as_str), Some(EARLIER));

    // somebody with the earlier program writes on, before, meanwhile and after
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(300)));
    let writer = std::thread::spawn({
        let (stop, written, mut conn) = (stop.clone(), written.clone(), snapshot::connect(&target, true).unwrap());
        move || {
            let mut refused = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let n = written.load(Ordering::SeqCst);
                let write =
                    snapshot::transaction(&mut conn, |conn| Ok::<_, store::Error>(conn.batch_execute(&earlier(n))?));
                match write {
                    Ok(()) => {
                        written.fetch_add(1, Ordering::SeqCst);
                    }
                    // a program asks again when it is told that the database is busy
                    Err(store::Error::Unavailable(_) | store::Error::Repeat(_)) => {}
                    Err(other) => refused.push(other.to_string()),
                }
                // SQLite lets whoever waits ask again now and then: a gap is to be found
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            refused
        }
    });
    let reached = |count: usize| {
        while written.load(Ordering::SeqCst) < count && !writer.is_finished() {
            std::thread::yield_now()
        }
    };
    reached(310);
    let done = migrate::run(&mut conn).unwrap();
    assert!(done >= 5, "{done}");
    reached(written.load(Ordering::SeqCst) + 10);
    // and somebody with this program, side by side
    for n in 0..5 {
        let (role, email) = (format!("new:r{n}"), format!("new{n}@example.org"));
        for arguments in [
            &["role", "create", &role, "--permission", "iam/principals:read"][..],
            &["principal", "create", "--email", &email, "--role", &role],
            &["role", "update", &role, "--description", &email],
            // whom the earlier program has made meanwhile
            &["principal", "update", "p305@example.org", "--name", &email],
        ] {
            let output = run(arguments);
            assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        }
        reached(written.load(Ordering::SeqCst) + 3);
    }
    let output = run(&["principal", "list", "--q", "new", "--json"]);
    assert!(output.status.success(), "{}", text(&output));
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|person| person["name"].as_str()).collect();
    assert_eq!((listed.as_array().unwrap().len(), names), (6, vec!["new4@example.org"]), "{listed}");
    stop.store(true, Ordering::SeqCst);
    assert_eq!(writer.join().unwrap(), Vec::<String>::new());
    let count = written.load(Ordering::SeqCst);

    let after = facts(&mut conn, Some(&then));
    // how often something was written is no fact to keep
    let mut gone = lost(&before, &after);
    gone.retain(|fact| !fact.starts_with("generation: ") && !fact.starts_with("role_generation: "));
    assert_eq!(gone, Vec::<String>::new());
    for (table, newer) in [("principal", 5), ("identity_role", 5), ("session", 0), ("refresh_token", 0), ("sending", 0)]
    {
        assert_eq!(after[table].len(), count + newer, "{table}");
    }
    assert!(after["audit_event"].len() >= count + 20);

    // back by each step that has a way back, and up again
    let whole = facts(&mut conn, None);
    let steps = migrate::versions(&mut conn).unwrap();
    let ways_back = steps.iter().filter(|version| version.as_str() >= "20261122000010").count();
    for step in 1..=ways_back {
        let names = migrate::down(&mut conn, 1).unwrap();
        assert_eq!(names.len(), 1);
        let now = snapshot::tables(&mut conn).unwrap();
        let kept: Facts = lost_columns(&whole, &now);
        assert_eq!(lost(&kept, &facts(&mut conn, None)), Vec::<String>::new(), "after {step} steps back");
        conn.batch_execute(&earlier(count + step)).unwrap();
    }
    let refused = migrate::down(&mut conn, 1).unwrap_err().to_string();
    assert!(refused.contains("cannot be taken back"), "{refused}");
    migrate::run(&mut conn).unwrap();
    let again = facts(&mut conn, Some(&then));
    assert_eq!(lost(&after, &again), Vec::<String>::new());
    assert_eq!(again["principal"].len(), count + 5 + ways_back);
}

/// The facts of the tables and columns that are still there.
fn lost_columns(facts: &Facts, tables: &[Table]) -> Facts {
    let mut kept = Facts::new();
    for table in tables {
        let rows = facts.get(&table.name).into_iter().flatten().map(|row| {
            let mut fact: BTreeMap<String, Value> = serde_json::from_str(row).unwrap();
            fact.retain(|name, _| table.columns.iter().any(|(column, _)| column == name));
            serde_json::to_string(&fact).unwrap()
        });
        kept.insert(table.name.clone(), rows.collect());
    }
    kept
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_a_newer_program_is_refused_in_plain_words() {
    let (target, url, directory, _database) = empty();
    let mut conn = snapshot::connect(&target, true).unwrap();
    migrate::run(&mut conn).unwrap();
    sql_query("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')").execute(&mut conn).unwrap();
    drop(conn);
    for arguments in
        [&["migrate"][..], &["migrate", "--plan"], &["migrate", "--down", "1", "--yes"], &["role", "list"], &["serve"]]
    {
        let mut command = program(directory.path(), &[arguments, &["--database-url", &url]].concat());
        let output = command.env("KEYWARD_MASTER_KEY", MASTER_KEY).stdin(Stdio::null()).output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        let words =
            "a newer Keyward has been here: the schema has the step 29990101000000, which this program does not know";
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

/// Ends this process while it is connecting; for the test below, which begins such a process again and again.
#[test]
#[ignore = "ends the process"]
#[allow(clippy::disallowed_methods)] // what is told to a test
fn the_end_of_a_process_that_is_connecting() {
    let url = std::env::var(CONNECTING).unwrap();
    for _ in 0..8 {
        let target = Target::Postgres { url: url.clone(), pool: 1, patience: Duration::from_secs(30) };
        std::thread::spawn(move || while snapshot::connect(&target, true).is_ok() {});
    }
    std::thread::sleep(Duration::from_millis(60));
    std::process::exit(0);
}

const CONNECTING: &str = "KEYWARD_TEST_CONNECTING";

/// OpenSSL took itself down at the end of the process, under threads that used it: a command that had done its work
/// ended by SIGSEGV, one time in six hundred.
#[test]
fn a_process_ends_well_while_it_is_connecting() {
    let (_, url, _directory, Some(_database)) = empty() else { return };
    for _ in 0..40 {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "upgrade::the_end_of_a_process_that_is_connecting", "--ignored"])
            .env(CONNECTING, &url)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}: {}", output.status, text(&output));
    }
}

#[derive(diesel::QueryableByName)]
struct Waiting {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    locks: i64,
}

#[test]
fn a_step_that_waits_for_a_writer_that_waits_for_it_is_tried_again() {
    let (target, _, _directory, database) = empty();
    // the embedded database has one writer at a time
    if database.is_none() {
        return;
    }
    let connect = |deadlock_timeout: &str| {
        let mut conn = snapshot::connect(&target, true).unwrap();
        conn.batch_execute(&format!("SET deadlock_timeout = '{deadlock_timeout}'")).unwrap();
        conn
    };
    let mut writer = connect("60s");
    migrate::run_to(&mut writer, Some("20261122000008")).unwrap();
    // the step locks the principals first
    writer.batch_execute("BEGIN; LOCK TABLE session IN ROW EXCLUSIVE MODE").unwrap();
    let mut conn = connect("2s");
    let step = std::thread::spawn(move || migrate::run(&mut conn));
    let mut watcher = connect("60s");
    let waiting = "SELECT count(*) AS locks FROM pg_locks WHERE NOT granted AND relation = 'session'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while sql_query(waiting).get_result::<Waiting>(&mut watcher).unwrap().locks == 0 && !step.is_finished() {
        std::thread::yield_now();
    }
    writer.batch_execute("LOCK TABLE principal IN ROW EXCLUSIVE MODE; COMMIT").unwrap();
    assert!(step.join().unwrap().unwrap() > 0);
}
