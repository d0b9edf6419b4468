//! The audit log as a chain: whoever changes it in the database is told of, several servers seal it as one, and what is
//! old goes with a record.

use std::{sync::Arc, time::Duration};

use diesel::connection::SimpleConnection;
use keyward::{
    audit::{
        chain,
        sealer::{CHECKPOINT_AFTER, Round, Sealer},
        verify::{Kind, Report, verify},
    },
    config::Config,
    keys::AuditKeys,
    model::time::Timestamp,
    server,
    store::{
        self,
        audit::Event,
        audit_chain::{self, LEASE},
    },
};

use crate::{
    program::{Served, text},
    support::TestApp,
};

/// A server whose own sealer has ended: what happens is up to the test.
async fn unattended(change: impl FnOnce(&mut Config)) -> TestApp {
    let mut app = TestApp::spawn_with(change).await;
    app.stop().await;
    app
}

/// Commits an event.
async fn happen(app: &TestApp, action: &str) {
    let event = Event::by("ada", &store::audit::Origin::default(), action, ("role", "a:b"), app.now());
    app.app.store.write(move |tx| store::audit::insert(tx, &event)).await.unwrap();
}

async fn happens(app: &TestApp, count: usize) {
    for n in 0..count {
        app.advance(Duration::from_millis(1));
        happen(app, &format!("test.{n}")).await;
    }
}

/// Seals everything; another one that seals is waited for.
async fn seal(app: &TestApp, sealer: &Sealer) {
    while sealer.round().await.unwrap() == Round::Elsewhere {
        app.advance(LEASE);
    }
}

async fn verified(app: &TestApp, expected: &[(i64, String)]) -> Report {
    let keys = app.app.store.read(audit_chain::keys).await.unwrap();
    let keys = AuditKeys::open(keys, &app.app.seals.master).unwrap();
    verify(&app.app.store, &keys, expected, |_, _| {}).await.unwrap()
}

async fn sql(app: &TestApp, text: &str) {
    let owned = text.to_owned();
    let run = move |tx: &mut store::Tx<'_>| Ok::<_, store::Error>(tx.batch_execute(&owned)?);
    app.app.store.write(run).await.unwrap_or_else(|error| panic!("{text}: {error}"));
}

/// What is wrong, without words.
fn told(report: &Report) -> Vec<(Kind, i64)> {
    report.faults.iter().map(|fault| (fault.kind, fault.position)).collect()
}

async fn events(app: &TestApp) -> Vec<audit_chain::Stored> {
    app.app.store.read(|conn| audit_chain::sealed(conn, 0, i64::MAX, 10_000)).await.unwrap()
}

/// 25 events, with checkpoints at 10 and 20.
async fn sealed_log() -> (TestApp, Sealer) {
    let app = unattended(|_| {}).await;
    let sealer = server::sealer(&app.app);
    happens(&app, 10).await;
    seal(&app, &sealer).await;
    app.advance(CHECKPOINT_AFTER);
    happens(&app, 10).await;
    seal(&app, &sealer).await;
    happens(&app, 5).await;
    seal(&app, &sealer).await;
    let report = verified(&app, &[]).await;
    assert!(report.intact, "{:#?}", report.faults);
    (app, sealer)
}

/// Remembers the log, so that it can be tampered with again and again.
const KEEP: &str = "CREATE TABLE kept_event AS SELECT * FROM audit_event; \
    CREATE TABLE kept_checkpoint AS SELECT * FROM audit_checkpoint; CREATE TABLE kept_seal AS SELECT * FROM audit_seal;";
const BRING_BACK: &str = "DELETE FROM audit_event; INSERT INTO audit_event SELECT * FROM kept_event; \
    DELETE FROM audit_checkpoint; INSERT INTO audit_checkpoint SELECT * FROM kept_checkpoint; \
    DELETE FROM audit_seal; INSERT INTO audit_seal SELECT * FROM kept_seal;";

/// Computes all hashes from a position on anew, as somebody would who knows how.
async fn rehash(app: &TestApp, from: i64) {
    let events = events(app).await;
    let mut previous = chain::BEGIN.to_owned();
    let mut text = String::new();
    for event in &events {
        let position = event.position.unwrap();
        if position < from {
            previous = event.hash.clone().unwrap();
            continue;
        }
        previous = chain::hash(&previous, position, event);
        text.push_str(&format!("UPDATE audit_event SET hash = '{previous}' WHERE position = {position};"));
    }
    text.push_str(&format!(
        "UPDATE audit_seal SET hash = '{previous}', position = {};",
        events.last().unwrap().position.unwrap()
    ));
    sql(app, &text).await;
}

#[tokio::test]
async fn every_way_to_tamper_is_told_with_its_place() {
    let (app, _sealer) = sealed_log().await;
    let log = events(&app).await;
    assert_eq!(log.iter().map(|event| event.position.unwrap()).collect::<Vec<_>>(), (1..=25).collect::<Vec<_>>());
    let report = verified(&app, &[]).await;
    assert_eq!((report.events, report.checkpoints, report.signed_until, report.unsealed), (25, 2, 20, 0));
    sql(&app, KEEP).await;

    let forged = "INSERT INTO audit_event SELECT 'forged', at, action, outcome, code, actor_kind, actor_id, client_id, \
                  ip_address, request_id, target_kind, target_id, changes, occurrences, ";
    let shift = |from: i64, by: i64| {
        format!(
            "UPDATE audit_event SET position = -position WHERE position >= {from}; \
             UPDATE audit_event SET position = {by} - position WHERE position < 0;"
        )
    };
    type Case = (&'static str, String, &'static [(Kind, i64)]);
    let cases: [Case; 13] = [
        ("edited", "UPDATE audit_event SET actor_id = 'eve' WHERE position = 7".into(), &[(Kind::Edited, 7)]),
        (
            "edited at the end",
            "UPDATE audit_event SET changes = '[ ]' WHERE position = 25".into(),
            &[(Kind::Edited, 25)],
        ),
        ("the first deleted", "DELETE FROM audit_event WHERE position = 1".into(), &[(Kind::Deleted, 1)]),
        ("deleted", "DELETE FROM audit_event WHERE position = 7".into(), &[(Kind::Deleted, 7)]),
        ("several deleted", "DELETE FROM audit_event WHERE position BETWEEN 7 AND 9".into(), &[(Kind::Deleted, 7)]),
        (
            "swapped",
            "UPDATE audit_event SET position = -position WHERE position IN (5, 6); \
             UPDATE audit_event SET position = 11 + position WHERE position < 0"
                .into(),
            // and what stands behind them
            &[(Kind::Reordered, 5), (Kind::Reordered, 6), (Kind::Edited, 7)],
        ),
        (
            "put in at the end",
            format!("{forged} 26, hash FROM audit_event WHERE position = 25"),
            &[(Kind::Inserted, 26)],
        ),
        ("the end is gone", "DELETE FROM audit_event WHERE position > 22".into(), &[(Kind::Truncated, 23)]),
        (
            "the end is gone, and the head says so",
            format!(
                "DELETE FROM audit_event WHERE position > 17; UPDATE audit_seal SET position = 17, hash = '{}'",
                log[16].hash.as_ref().unwrap()
            ),
            &[(Kind::Truncated, 18)],
        ),
        ("all is gone", "DELETE FROM audit_event".into(), &[(Kind::Truncated, 1)]),
        ("a checkpoint is gone", "DELETE FROM audit_checkpoint WHERE position = 10".into(), &[(Kind::Record, 10)]),
        (
            "a checkpoint is another one's",
            "UPDATE audit_checkpoint SET token = (SELECT token FROM audit_checkpoint WHERE position = 10) \
             WHERE position = 20"
                .into(),
            &[(Kind::Record, 20)],
        ),
        (
            "a checkpoint is changed",
            "UPDATE audit_checkpoint SET token = replace(token, '.', '.A') WHERE position = 10".into(),
            &[(Kind::Record, 10)],
        ),
    ];
    for (what, tampering, expected) in cases {
        sql(&app, &tampering).await;
        let report = verified(&app, &[]).await;
        assert_eq!(told(&report), expected, "{what}: {:#?}", report.faults);
        assert!(!report.intact);
        sql(&app, BRING_BACK).await;
    }
    // those that move all that follows: where it begins is told first
    for (what, tampering, first) in [
        (
            "deleted, and all behind moved up",
            format!("DELETE FROM audit_event WHERE position = 7; {}", shift(8, -1)),
            7,
        ),
        ("put in between", format!("{} {forged} 8, 'x' FROM audit_event WHERE position = 7", shift(8, 1)), 8),
    ] {
        sql(&app, &tampering).await;
        let report = verified(&app, &[]).await;
        assert_eq!(report.faults.first().map(|fault| fault.position), Some(first), "{what}: {:#?}", report.faults);
        sql(&app, BRING_BACK).await;
    }
    // by somebody who computes hashes
    sql(&app, "UPDATE audit_event SET actor_id = 'eve' WHERE position = 7").await;
    let event = events(&app).await.remove(6);
    let own = chain::hash(log[5].hash.as_ref().unwrap(), 7, &event);
    sql(&app, &format!("UPDATE audit_event SET hash = '{own}' WHERE position = 7")).await;
    assert_eq!(told(&verified(&app, &[]).await), [(Kind::Edited, 8)]);
    rehash(&app, 7).await;
    assert_eq!(told(&verified(&app, &[]).await), [(Kind::Rewritten, 10), (Kind::Rewritten, 20)]);
    sql(&app, BRING_BACK).await;

    // behind the last checkpoint only what was kept elsewhere tells
    let kept = (23, log[22].hash.clone().unwrap());
    assert!(verified(&app, std::slice::from_ref(&kept)).await.intact);
    sql(&app, "UPDATE audit_event SET actor_id = 'eve' WHERE position = 22").await;
    rehash(&app, 22).await;
    assert!(verified(&app, &[]).await.intact);
    assert_eq!(told(&verified(&app, std::slice::from_ref(&kept)).await), [(Kind::Rewritten, 23)]);
    sql(&app, BRING_BACK).await;
    sql(
        &app,
        &format!(
            "DELETE FROM audit_event WHERE position > 10; DELETE FROM audit_checkpoint WHERE position > 10; \
             UPDATE audit_seal SET position = 10, hash = '{}'",
            log[9].hash.as_ref().unwrap()
        ),
    )
    .await;
    assert_eq!(told(&verified(&app, &[kept]).await), [(Kind::Truncated, 23)]);
    sql(&app, BRING_BACK).await;
    assert!(verified(&app, &[]).await.intact);
}

#[tokio::test]
async fn events_beside_the_chain_are_told() {
    let (app, _sealer) = sealed_log().await;
    sql(&app, KEEP).await;
    let beside = |id: &str, position: &str| {
        format!(
            "INSERT INTO audit_event SELECT '{id}', at, action, outcome, code, actor_kind, 'eve', client_id, ip_address, \
             request_id, target_kind, 'ghost', changes, occurrences, {position}, hash FROM audit_event WHERE position = 5"
        )
    };
    for position in [0, -3] {
        sql(&app, &beside("stray", &position.to_string())).await;
        assert_eq!(told(&verified(&app, &[]).await), [(Kind::Inserted, position)]);
        sql(&app, BRING_BACK).await;
    }
    if app.app.store.read(|conn| Ok::<_, store::Error>(matches!(conn, store::Conn::Postgres(_)))).await.unwrap() {
        return; // its columns take nothing of another type
    }
    for (tampering, place) in [
        (beside("stray", "'abc'"), 0),
        ("UPDATE audit_event SET target_id = CAST(target_id AS BLOB) WHERE position = 5".into(), 5),
        ("UPDATE audit_event SET occurrences = '1x' WHERE position = 6".into(), 6),
    ] {
        sql(&app, &tampering).await;
        assert_eq!(told(&verified(&app, &[]).await), [(Kind::Edited, place)], "{tampering}");
        sql(&app, BRING_BACK).await;
    }
}

#[tokio::test]
async fn checkpoints_that_were_removed_are_missed() {
    let (app, sealer) = sealed_log().await;
    for _ in 0..3 {
        app.advance(CHECKPOINT_AFTER);
        happens(&app, 5).await;
        seal(&app, &sealer).await;
    }
    let report = verified(&app, &[]).await;
    assert!(report.intact && report.signed_until == 40, "{report:#?}");
    sql(&app, "DELETE FROM audit_checkpoint WHERE position > 30").await;
    let report = verified(&app, &[]).await;
    assert!(report.intact, "of the last quarter of an hour it cannot be known: {report:#?}");
    sql(&app, "DELETE FROM audit_checkpoint").await;
    let report = verified(&app, &[]).await;
    assert_eq!(told(&report), [(Kind::Record, 1)]);
    assert!(report.faults[0].message.starts_with("nothing is signed of the positions 1 to 40, up to "), "{report:#?}");
}

#[tokio::test]
async fn a_clock_that_was_ahead_stops_no_server_from_sealing() {
    let day = Duration::from_secs(24 * 3600);
    let (app, ahead) = sealed_log().await;
    app.advance(day);
    happens(&app, 3).await;
    seal(&app, &ahead).await;
    app.clock.set_back(day - Duration::from_secs(1));

    let sealer = server::sealer(&app.app);
    happens(&app, 3).await;
    assert_eq!(sealer.round().await.unwrap(), Round::Sealed(3));
    let report = verified(&app, &[]).await;
    assert!(report.intact && report.signed_until == 31, "{report:#?}");
}

#[tokio::test]
async fn a_fault_is_told_in_words_with_event_and_time() {
    let (app, _sealer) = sealed_log().await;
    let log = events(&app).await;
    sql(&app, "DELETE FROM audit_event WHERE position = 7").await;
    let report = verified(&app, &[]).await;
    let (before, after) = (&log[5], &log[7]);
    let time = |event: &audit_chain::Stored| Timestamp::from_millis(event.at).rfc3339();
    assert_eq!(
        report.faults[0].message,
        format!(
            "the event at position 7 is missing, between {} ({}) and {} ({})",
            before.id,
            time(before),
            after.id,
            time(after)
        )
    );
    sql(&app, "DELETE FROM audit_event WHERE position > 18").await;
    let report = verified(&app, &[]).await;
    let said = &report.faults[1].message;
    assert!(said.starts_with("2 events are missing at the end: when it was signed at 2026-"), "{said}");
    assert!(said.contains(&format!("the last one is {} ({})", log[17].id, time(&log[17]))), "{said}");
}

#[tokio::test]
async fn an_old_event_that_comes_late_is_told_and_one_that_was_changed_is_noticed_when_it_is_signed() {
    let (app, sealer) = sealed_log().await;
    let before = app.now() - Duration::from_secs(3600);
    let old = Event::by("eve", &store::audit::Origin::default(), "role.update", ("role", "a:b"), before);
    app.app.store.write(move |tx| store::audit::insert(tx, &old)).await.unwrap();
    seal(&app, &sealer).await;
    assert_eq!(told(&verified(&app, &[]).await), [(Kind::Inserted, 26)]);

    app.expect_errors("the audit log is not as it was sealed");
    sql(&app, "UPDATE audit_event SET actor_id = 'eve' WHERE position = 24").await;
    rehash(&app, 27).await;
    app.advance(CHECKPOINT_AFTER);
    seal(&app, &sealer).await;
    let report = verified(&app, &[]).await;
    assert_eq!(told(&report), [(Kind::Edited, 24), (Kind::Edited, 26), (Kind::Inserted, 26)]);
    assert!(report.faults[1].message.contains("had been changed already"), "{:?}", report.faults[1]);
}

#[tokio::test]
async fn another_key_signs_after_a_rotation_and_the_old_checkpoints_still_hold() {
    let (app, sealer) = sealed_log().await;
    for n in 1..=3 {
        app.advance(CHECKPOINT_AFTER);
        let key = AuditKeys::generate(&app.app.seals.master, app.now()).unwrap();
        app.app.store.write(move |tx| audit_chain::insert_key(tx, &key)).await.unwrap();
        happens(&app, 2).await;
        seal(&app, &sealer).await;
        let report = verified(&app, &[]).await;
        assert!(report.intact && report.checkpoints == 2 + n, "{report:#?}");
    }
    // whose key was sealed elsewhere cannot bring it along
    let other = keyward::keys::MasterKey::from_secret("somebody else's master key, which is long").unwrap();
    let key = AuditKeys::generate(&other, app.now()).unwrap();
    app.app.store.write(move |tx| audit_chain::insert_key(tx, &key)).await.unwrap();
    let keys = app.app.store.read(audit_chain::keys).await.unwrap();
    assert!(AuditKeys::open(keys, &app.app.seals.master).is_err());
    sql(&app, "DELETE FROM audit_key").await;
}

/// Writers whose commits overtake each other.
async fn write_at_once(app: &TestApp, writers: usize, each: usize) {
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (store, clock, postgres) = (app.app.store.clone(), app.clock.clone(), app.is_postgres());
            tokio::spawn(async move {
                for n in 0..each {
                    let mut event = Event::by("ada", &Default::default(), "test.write", ("role", "a:b"), clock.now());
                    // the clock runs away here: none of them is to be late
                    event.at = clock.now() + Duration::from_secs(3650 * 24 * 3600);
                    let hold = postgres && (writer + n) % 3 == 0;
                    let write = move |tx: &mut store::Tx<'_>| {
                        store::audit::insert(tx, &event)?;
                        if hold {
                            tx.batch_execute("SELECT pg_sleep(0.02)")?;
                        }
                        Ok::<_, store::Error>(())
                    };
                    store.write(write).await.unwrap();
                    clock.advance(Duration::from_millis(1));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_seal_each_event_once_while_others_write() {
    let app = Arc::new(TestApp::spawn().await);
    let sealers = [server::sealer(&app.app), server::sealer(&app.app), server::sealer(&app.app)];
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let tasks: Vec<_> = sealers
        .into_iter()
        .enumerate()
        .map(|(n, sealer)| {
            let (clock, done) = (app.clock.clone(), done.clone());
            tokio::spawn(async move {
                let mut rounds = 0;
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    rounds += usize::from(matches!(sealer.round().await.unwrap(), Round::Sealed(n) if n > 0));
                    // one of them is so slow that its lease is always over: it must lose, not break anything
                    if n == 0 {
                        clock.advance(LEASE);
                    }
                    tokio::task::yield_now().await;
                }
                rounds
            })
        })
        .collect();
    write_at_once(&app, 6, 60).await;
    done.store(true, std::sync::atomic::Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    let sealer = server::sealer(&app.app);
    seal(&app, &sealer).await;
    // the clock has come to where they are, so that they are signed
    app.advance(Duration::from_secs(3650 * 24 * 3600));
    happen(&app, "test.last").await;
    seal(&app, &sealer).await;
    let log = events(&app).await;
    assert_eq!(log.len(), 361);
    assert!(log.iter().zip(1..).all(|(event, position)| event.position == Some(position)));
    let report = verified(&app, &[]).await;
    assert!(report.intact && report.unsealed == 0, "{:#?}", report.faults);
    if app.is_postgres() {
        assert!(!log.is_sorted_by_key(|event| &event.id), "no commit has overtaken another one: nothing was shown");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_while_it_seals_is_followed_by_another_when_its_lease_is_over() {
    let app = unattended(|_| {}).await;
    for n in 0..20 {
        happens(&app, 20).await;
        let dying = server::sealer(&app.app);
        let task = tokio::spawn(async move { dying.round().await });
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
    }
    // what it had begun may still be committed
    let first = server::sealer(&app.app);
    seal(&app, &first).await;
    // one that holds the lease and is not heard of any more
    loop {
        let (store, now) = (&app.app.store, app.now());
        let head = store.read(audit_chain::head).await.unwrap();
        let take =
            move |tx: &mut store::Tx<'_>| audit_chain::advance(tx, "dead", &head, (head.position, &head.hash), now);
        if store.write(take).await.unwrap() {
            break;
        }
        app.advance(LEASE);
    }
    happens(&app, 10).await;
    let second = server::sealer(&app.app);
    assert_eq!(second.round().await.unwrap(), Round::Elsewhere);
    app.advance(LEASE - Duration::from_millis(11));
    assert_eq!(second.round().await.unwrap(), Round::Elsewhere);
    app.advance(Duration::from_millis(1));
    seal(&app, &second).await;
    let report = verified(&app, &[]).await;
    assert!(report.intact && report.events == 410 && report.unsealed == 0, "{report:#?}");
}

#[tokio::test]
async fn what_is_older_than_the_policy_goes_from_the_beginning_and_leaves_a_signed_record() {
    let day = Duration::from_secs(24 * 3600);
    let app = unattended(|config| config.iam.audit_retention = 10 * day).await;
    let sealer = server::sealer(&app.app);
    happens(&app, 30).await;
    seal(&app, &sealer).await;
    app.advance(5 * day);
    happens(&app, 20).await;
    seal(&app, &sealer).await;
    assert_eq!(sealer.cut().await.unwrap(), 0);
    app.advance(5 * day + Duration::from_secs(1));
    // one that is old, but not sealed, stays
    let old = Event::by("ada", &Default::default(), "test.old", ("role", "a:b"), app.now() - 10 * day);
    app.app.store.write(move |tx| store::audit::insert(tx, &old)).await.unwrap();
    let cut = async |until: i64| {
        sealer.cut().await.unwrap();
        let left: Vec<i64> = events(&app).await.iter().filter_map(|event| event.position).collect();
        left.into_iter().filter(|position| *position <= until).collect::<Vec<_>>()
    };
    assert_eq!(cut(50).await, (31..=50).collect::<Vec<_>>());
    let report = verified(&app, &[]).await;
    let record = report.cut.clone().unwrap();
    assert!(report.events >= 20, "{report:#?}");
    assert_eq!((record.position, record.previous, record.events, record.intact), (30, 0, 30, true));
    // what was kept elsewhere is held to the record, and nothing is left of what came before
    let other = || "A".repeat(43);
    assert_eq!(told(&verified(&app, &[(30, other())]).await), [(Kind::Rewritten, 30)]);
    assert_eq!(verified(&app, &[(30, record.hash.clone()), (29, other())]).await.unchecked, [29]);
    seal(&app, &sealer).await;
    assert_eq!(told(&verified(&app, &[]).await), [(Kind::Inserted, 51)]);

    // once a day, and each record follows the one before
    app.advance(6 * day);
    happens(&app, 1).await;
    seal(&app, &sealer).await;
    assert_eq!(cut(99).await, [52]);
    let report = verified(&app, &[]).await;
    let record = report.cut.clone().unwrap();
    assert_eq!((record.position, record.previous, record.events), (51, 30, 21));
    assert_eq!(told(&report), []);
    sql(&app, "DELETE FROM audit_cut WHERE position = 30").await;
    assert_eq!(told(&verified(&app, &[]).await), [(Kind::Record, 30)]);
    // without the record everything before is simply missing
    sql(&app, "DELETE FROM audit_cut").await;
    assert_eq!(told(&verified(&app, &[]).await)[0], (Kind::Deleted, 1));
}

#[tokio::test]
async fn what_was_changed_before_it_was_cut_is_in_the_record() {
    let day = Duration::from_secs(24 * 3600);
    let app = unattended(|config| config.iam.audit_retention = 10 * day).await;
    let sealer = server::sealer(&app.app);
    happens(&app, 10).await;
    seal(&app, &sealer).await;
    app.expect_errors("what is cut from the audit log is not as it was sealed");
    sql(&app, "UPDATE audit_event SET actor_id = 'eve' WHERE position = 5").await;
    app.advance(11 * day);
    sealer.cut().await.unwrap();
    assert!(events(&app).await.is_empty());
    let report = verified(&app, &[]).await;
    assert_eq!(told(&report), [(Kind::Edited, 10)]);
    assert!(report.faults[0].message.starts_with("when positions 1 to 10 were cut"), "{:?}", report.faults[0]);
}

#[tokio::test]
async fn the_command_verifies_the_log_of_a_running_server() {
    let served = Served::start("http", &[]).await;
    for n in 0..3 {
        let made = served.run(&["role", "create", &format!("a:b{n}"), "--json"]);
        assert!(made.status.success(), "{}", text(&made));
    }
    let report = |arguments: &[&str]| {
        let output = served.run(&[&["audit", "verify", "--json"], arguments].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), report)
    };
    let begun = std::time::Instant::now();
    while report(&[]).1["events"] != 3 {
        assert!(begun.elapsed() < crate::program::PATIENCE, "nobody seals");
    }
    let (status, said) = report(&[]);
    assert_eq!((status, &said["intact"], &said["checkpoints"]), (Some(0), &true.into(), &1.into()), "{said}");
    let expect = format!("3:{}", said["hash"].as_str().unwrap());
    assert_eq!(report(&["--expect", &expect]).0, Some(0));
    assert_eq!(report(&["--expect", &expect.replace("3:", "2:")]).0, Some(1));
    assert_eq!(report(&["--expect", "x"]).0, Some(2));

    let exported = served.run(&["audit", "export"]);
    let lines: Vec<serde_json::Value> =
        String::from_utf8(exported.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0]["keys"][0]["x"].is_string() && lines[0]["keys"][0].get("d").is_none());
    assert_eq!((&lines[3]["position"], &lines[3]["hash"]), (&3.into(), &said["hash"]));
    assert!(lines[4]["checkpoint"].is_string());

    let database = served.directory.path().join("keyward-data/keyward.db");
    let mut conn = <diesel::SqliteConnection as diesel::Connection>::establish(database.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 10000; UPDATE audit_event SET target_id = 'x:y' WHERE position = 2")
        .unwrap();
    let output = served.run(&["audit", "verify"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("position 2: the event ") && said.contains("faults: 1"), "{said}");
}
