//! How long rows stay, as README tells it: every table is there, what expires goes, and what a login leaves is counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::Text};
use keyward::{
    server,
    store::{
        self, Conn,
        purge::{self, RULES},
    },
};

use crate::{
    stage::{ADA, stage_with},
    support::TestApp,
};

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// All tables, but for what an index consists of and what the migrations keep for themselves.
pub async fn tables(app: &TestApp) -> BTreeSet<String> {
    let read = |conn: &mut Conn| {
        let query = match conn {
            Conn::Sqlite(_) => "SELECT name FROM sqlite_schema WHERE type = 'table'",
            Conn::Postgres(_) => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'",
        };
        Ok::<Vec<Name>, store::Error>(sql_query(query).load(conn)?)
    };
    let names = app.app.store.read(read).await.unwrap().into_iter().map(|row| row.name);
    let own = |name: &String| {
        !["sqlite_", "__diesel", "principal_grams_", "client_grams_"].iter().any(|start| name.starts_with(start))
    };
    names.filter(own).collect()
}

async fn counts(app: &TestApp) -> BTreeMap<String, i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let mut counts = BTreeMap::new();
    for table in tables(app).await {
        let query = format!("SELECT count(*) AS n FROM {table}");
        let read = move |conn: &mut Conn| Ok::<Count, store::Error>(sql_query(query).get_result(conn)?);
        counts.insert(table, app.app.store.read(read).await.unwrap().n);
    }
    counts
}

/// A row of README's table.
struct Told {
    kept: String,
    login: i64,
    refresh: i64,
}

fn readme() -> BTreeMap<String, Told> {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("<!-- retention:begin -->").unwrap();
    let (block, _) = rest.split_once("<!-- retention:end -->").unwrap();
    let mut told = BTreeMap::new();
    for line in block.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let number = |cell: &str| cell.parse().unwrap_or(0);
        for table in cells[0].split(", ") {
            let row = Told { kept: cells[1].to_owned(), login: number(cells[2]), refresh: number(cells[3]) };
            told.insert(table.trim_matches('`').to_owned(), row);
        }
    }
    told
}

#[tokio::test]
async fn every_table_is_in_the_readme_with_how_long_its_rows_stay() {
    let app = TestApp::spawn().await;
    let told = readme();
    let mut there = tables(&app).await;
    // the texts of lists are indexed in another way by each database; README names both
    let index = ["principal_grams", "client_grams", "principal_search", "client_search", "gram_position"];
    there.extend(index.map(str::to_owned));
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), there);
    for rule in RULES {
        assert_ne!(told[rule.table].kept, "for good", "{}", rule.table);
    }
}

#[tokio::test]
async fn what_logins_and_refreshes_leave_is_what_the_readme_says_and_goes_in_time() {
    const TIMES: i64 = 5;
    let s = stage_with(|_| {}, |client| client.first_party = true).await;
    let sealer = server::sealer(&s.app.app);
    // what is there once: consent, the first of everything
    s.tokens("openid offline_access").await;
    let begin = counts(&s.app).await;

    let mut tokens = Vec::new();
    for _ in 0..TIMES {
        let browser = crate::support::browser::Browser::new();
        tokens.push(s.rp.sign_in(&browser, ADA, "openid offline_access").await);
    }
    let after_logins = counts(&s.app).await;
    for token in &tokens {
        s.rp.refresh(&token.refresh_token).await.tokens();
    }
    let after_refreshes = counts(&s.app).await;

    let told = readme();
    // sealing goes on meanwhile
    let sealing = ["audit_checkpoint", "audit_key"];
    for table in begin.keys().filter(|table| !sealing.contains(&table.as_str())) {
        let logins = (after_logins[table] - begin[table]) as f64 / TIMES as f64;
        let refreshes = (after_refreshes[table] - after_logins[table]) as f64 / TIMES as f64;
        let row = &told[table];
        assert_eq!((logins, refreshes), (row.login as f64, row.refresh as f64), "{table}: rows per login and refresh");
    }

    while sealer.round().await.unwrap() == keyward::audit::sealer::Round::Elsewhere {
        s.app.advance(keyward::store::audit_chain::LEASE);
    }
    s.app.advance(Duration::from_secs(500 * 24 * 3600));
    purge::run(&s.app.app.store, s.app.now()).await.unwrap();
    // the server's own sealer may have begun
    for _ in 0..3 {
        sealer.cut().await.unwrap();
        s.app.advance(keyward::store::audit_chain::LEASE);
    }
    let end = counts(&s.app).await;
    for (table, row) in told.iter().filter(|(table, _)| end.contains_key(*table)) {
        if row.kept.starts_with("for good") {
            let constant = row.login == 0 && row.refresh == 0;
            assert!(constant, "{table} grows for good with every login");
        } else if !["audit_checkpoint", "audit_cut", "change"].contains(&table.as_str()) {
            assert_eq!(end[table], 0, "{table} is not empty");
        }
    }
    assert_eq!((end["audit_checkpoint"] <= 1, end["audit_cut"]), (true, 1));
}

#[tokio::test]
async fn each_batch_of_the_purge_is_found_along_an_index() {
    let app = TestApp::spawn().await;
    if app.is_postgres() {
        return; // its plans depend on how many rows there are
    }
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }
    for rule in RULES {
        let query = format!("EXPLAIN QUERY PLAN {}", rule.statement(app.now(), 50));
        let read = move |conn: &mut Conn| Ok::<Vec<Step>, store::Error>(sql_query(query).load(conn)?);
        let plan = app.app.store.read(read).await.unwrap();
        let plan: Vec<String> = plan.into_iter().map(|step| step.detail).collect();
        let searched = format!("{}<?)", rule.expiry);
        let wrong = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
        assert!(plan.iter().any(|step| step.contains(&searched)) && !plan.iter().any(wrong), "{rule:?}: {plan:#?}");
    }
}

#[tokio::test]
async fn a_purge_takes_all_that_is_over_in_batches_and_leaves_the_rest() {
    let app = TestApp::spawn().await;
    let (now, mut text) = (app.now().millis(), String::new());
    for n in 0..1003 {
        let at = if n < 1001 { now - 1 - n } else { now };
        text.push_str(&format!("INSERT INTO revoked_token (jti, expires_at) VALUES ('t{n}', {at});"));
    }
    for n in 0..3 {
        text.push_str(&format!(
            "INSERT INTO refresh_token (hash, grant_id, created_at, expires_at, sealed_successor, replay_until) \
             VALUES ('r{n}', 'g', 0, {}, 'x', {});",
            now + 1000,
            now - 1 + n
        ));
    }
    let write = move |tx: &mut store::Tx<'_>| {
        tx.changes_known();
        Ok::<_, store::Error>(tx.batch_execute(&text)?)
    };
    app.app.store.write(write).await.unwrap();
    // the server's own may have begun
    purge::run(&app.app.store, app.now()).await.unwrap();
    let left = counts(&app).await;
    assert_eq!((left["revoked_token"], left["refresh_token"]), (2, 3));
    let sealed = "SELECT hash AS name FROM refresh_token WHERE sealed_successor IS NOT NULL ORDER BY hash";
    let read = move |conn: &mut Conn| Ok::<Vec<Name>, store::Error>(sql_query(sealed).load(conn)?);
    let sealed: Vec<String> = app.app.store.read(read).await.unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(sealed, ["r1", "r2"]);
}
