//! Schema migrations, embedded in the binary; both folders hold the same names.

use std::time::Duration;

use diesel::{
    OptionalExtension, QueryableByName, RunQueryDsl,
    migration::{Migration, MigrationSource, MigrationVersion},
    sql_query,
    sql_types::BigInt,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, Error};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock under which one of several starting nodes migrates while the others wait ("keyward" in ASCII).
const LOCK: i64 = 0x006b_6579_7761_7264;

/// How often a step is tried that lost against writers, and how much longer it waits each time before it tries again.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// What a step does, and what it means for others while it runs.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its version, as [`versions`] has it.
    pub version: &'static str,
    /// What it does.
    pub what: &'static str,
    /// What PostgreSQL locks meanwhile, and against whom. The embedded database's steps hold up all other writers.
    pub lock: &'static str,
    /// The tables whose rows are all read or written.
    pub tables: &'static [&'static str],
    /// For how long, in microseconds per row; as measured on a small machine, rounded up.
    pub per_row: i64,
}

/// All steps.
pub const STEPS: [Step; 11] = [
    step("20261121000000", "makes the first tables", "nothing that is in use", &[], 0),
    step(
        "20261121000001",
        "makes lists quick: orders, counts and an index of texts",
        "writers and readers of principals, clients and roles, until it is done",
        &["principal", "client", "identity_role"],
        300,
    ),
    step("20261121000002", "adds the audit log and the versions of permissions", "identity, for a moment", &[], 0),
    step("20261121000004", "adds personal access tokens and changes of email", "nothing that is in use", &[], 0),
    step("20261121000005", "adds the queue of mails", "nothing that is in use", &[], 0),
    step("20261122000006", "adds sessions of the application-server face", "nothing that is in use", &[], 0),
    step(
        "20261122000007",
        "indexes principals, clients and mails for the graph",
        "writers of principals, clients and mails, until it is done",
        &["principal", "client", "sending"],
        5,
    ),
    step("20261122000008", "keeps dry runs out of others' way", "writers of roles, for a moment", &[], 0),
    step(
        "20261122000009",
        "has triggers tell other servers what was changed",
        "all writers and readers, for a moment",
        &[],
        0,
    ),
    step(
        "20261122000010",
        "chains the audit log; what is in it is sealed by the server afterwards",
        "the audit log, and with it writers, until it is done",
        &["audit_event"],
        5,
    ),
    step(
        "20261122000013",
        "narrows the index of refresh tokens whose successor is kept",
        "writers of refresh tokens, until it is done",
        &["refresh_token"],
        5,
    ),
];

const fn step(
    version: &'static str,
    what: &'static str,
    lock: &'static str,
    tables: &'static [&'static str],
    per_row: i64,
) -> Step {
    Step { version, what, lock, tables, per_row }
}

/// A step that has not been done yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Its name, as its folder's.
    pub name: String,
    /// What it does.
    pub step: Option<Step>,
    /// How many rows it goes through.
    pub rows: i64,
}

/// Runs what has not run yet; the number of migrations that did.
///
/// # Errors
/// A migration fails, or the schema is newer than this program.
pub fn run(conn: &mut Conn) -> Result<usize, Error> {
    run_to(conn, None)
}

/// As [`run`], but not beyond this version.
///
/// # Errors
/// As [`run`].
pub fn run_to(conn: &mut Conn, last: Option<&str>) -> Result<usize, Error> {
    exclusively(conn, |conn| {
        refuse_newer(conn)?;
        match conn {
            Conn::Sqlite(conn) => all(conn, SQLITE, last),
            Conn::Postgres(conn) => all(conn, POSTGRES, last),
        }
    })
}

/// Takes back the last steps, at most so many: their names.
///
/// # Errors
/// One of them has no way back, or fails; those before it are taken back.
pub fn down(conn: &mut Conn, steps: usize) -> Result<Vec<String>, Error> {
    exclusively(conn, |conn| {
        refuse_newer(conn)?;
        match conn {
            Conn::Sqlite(conn) => back(conn, SQLITE, steps),
            Conn::Postgres(conn) => back(conn, POSTGRES, steps),
        }
    })
}

/// The versions that the database has, the oldest first; none where it is empty.
///
/// # Errors
/// Only the database's.
pub fn versions(conn: &mut Conn) -> Result<Vec<String>, Error> {
    #[derive(QueryableByName)]
    struct Version {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let there = match conn {
        Conn::Sqlite(_) => "SELECT count(*) AS rows FROM sqlite_schema WHERE name = '__diesel_schema_migrations'",
        Conn::Postgres(_) => "SELECT count(*) AS rows FROM pg_tables WHERE tablename = '__diesel_schema_migrations'",
    };
    if count(conn, there)? == 0 {
        return Ok(Vec::new());
    }
    let query = sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version");
    let rows: Vec<Version> = query.load(conn)?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// The last version that this program knows.
pub fn newest() -> &'static str {
    STEPS[STEPS.len() - 1].version
}

/// What would be done, in its order.
///
/// # Errors
/// The schema is newer than this program, or the database's.
pub fn plan(conn: &mut Conn) -> Result<Vec<Pending>, Error> {
    refuse_newer(conn)?;
    let done = versions(conn)?;
    let names = names(conn)?;
    let mut pending = Vec::new();
    for (version, name) in names.into_iter().filter(|(version, _)| !done.contains(version)) {
        let step = STEPS.into_iter().find(|step| step.version == version);
        let mut rows = 0;
        // tables that an earlier step makes are empty
        for table in step.iter().flat_map(|step| step.tables).filter(|_| !done.is_empty()) {
            let counted: Result<i64, Error> = count(conn, &format!("SELECT count(*) AS rows FROM {table}"));
            rows += counted.unwrap_or(0);
        }
        pending.push(Pending { name, step, rows });
    }
    Ok(pending)
}

/// Refuses a schema that has steps of which this program does not know.
fn refuse_newer(conn: &mut Conn) -> Result<(), Error> {
    let known = names(conn)?;
    match versions(conn)?.into_iter().rfind(|version| !known.iter().any(|(known, _)| known == version)) {
        None => Ok(()),
        Some(version) => Err(Error::Internal(format!(
            "a newer Keyward has been here: the schema has the step {version}, which this program does not know (it knows \
             up to {}). Start the newer program, or have it go back with `keyward migrate --down`",
            newest()
        ))),
    }
}

/// Versions and names of all steps, the oldest first.
fn names(conn: &Conn) -> Result<Vec<(String, String)>, Error> {
    match conn {
        Conn::Sqlite(_) => listed::<diesel::sqlite::Sqlite>(SQLITE),
        Conn::Postgres(_) => listed::<diesel::pg::Pg>(POSTGRES),
    }
}

fn listed<B: diesel::backend::Backend>(source: EmbeddedMigrations) -> Result<Vec<(String, String)>, Error>
where
    EmbeddedMigrations: MigrationSource<B>,
{
    let migrations = MigrationSource::<B>::migrations(&source).map_err(internal)?;
    let mut names: Vec<(String, String)> =
        migrations.iter().map(|m| (m.name().version().to_string(), m.name().to_string())).collect();
    names.sort();
    Ok(names)
}

fn all<C, B>(conn: &mut C, source: EmbeddedMigrations, last: Option<&str>) -> Result<usize, Error>
where
    C: MigrationHarness<B>,
    B: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<B>,
{
    let pending: Vec<Box<dyn Migration<B>>> = conn.pending_migrations(source).map_err(internal)?;
    let mut done = 0;
    for migration in pending {
        if last.is_some_and(|last| migration.name().version().to_string().as_str() > last) {
            break;
        }
        among_writers(|| conn.run_migration(&migration).map(drop))?;
        done += 1;
    }
    Ok(done)
}

fn back<C, B>(conn: &mut C, source: EmbeddedMigrations, steps: usize) -> Result<Vec<String>, Error>
where
    C: MigrationHarness<B>,
    B: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<B>,
{
    let applied: Vec<MigrationVersion<'static>> =
        conn.applied_migrations().map_err(internal)?.into_iter().map(|version| version.as_owned()).collect();
    let known: Vec<Box<dyn Migration<B>>> = source.migrations().map_err(internal)?;
    let mut names = Vec::new();
    for version in applied.iter().take(steps) {
        let Some(migration) = known.iter().find(|migration| migration.name().version() == *version) else { break };
        let name = migration.name().to_string();
        if version.to_string().as_str() < FIRST_WITH_A_WAY_BACK {
            return Err(Error::Internal(format!("the step {name} cannot be taken back: bring back a backup")));
        }
        among_writers(|| conn.revert_migration(migration.as_ref()).map(drop))?;
        names.push(name);
    }
    Ok(names)
}

/// Does a step, and once more if PostgreSQL has taken it back whole: those who write meanwhile lock the same tables in an
/// order of their own.
fn among_writers(mut step: impl FnMut() -> Result<(), Box<dyn std::error::Error + Send + Sync>>) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match step() {
            Err(error) if attempt < ATTEMPTS && error.to_string().contains("deadlock detected") => {
                tracing::info!(%error, attempt, "a step of the schema lost against a writer and is tried again");
                std::thread::sleep(PAUSE * attempt);
                attempt += 1;
            }
            done => return done.map_err(internal),
        }
    }
}

/// Before this one no step has a `down.sql`.
const FIRST_WITH_A_WAY_BACK: &str = "20261122000010";

fn internal(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Internal(error.to_string())
}

fn count(conn: &mut Conn, query: &str) -> Result<i64, Error> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let row: Option<Count> = sql_query(query).get_result(conn).optional()?;
    Ok(row.map_or(0, |row| row.rows))
}

/// Runs `work` while no other node changes the schema.
fn exclusively<T>(conn: &mut Conn, work: impl FnOnce(&mut Conn) -> Result<T, Error>) -> Result<T, Error> {
    if let Conn::Postgres(conn) = conn {
        // Another node may hold the lock for as long as its migration takes: no time-out here.
        sql_query("SET statement_timeout = 0").execute(conn)?;
        sql_query("SET lock_timeout = 0").execute(conn)?;
        sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(conn)?;
    }
    let done = work(conn);
    if let Conn::Postgres(conn) = conn {
        sql_query(format!("SELECT pg_advisory_unlock({LOCK})")).execute(conn)?;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::connection;

    #[test]
    fn every_step_says_what_it_does() {
        let conn = Conn::Sqlite(connection::sqlite_writer(":memory:").unwrap());
        let versions: Vec<String> = names(&conn).unwrap().into_iter().map(|(version, _)| version).collect();
        assert_eq!(STEPS.map(|step| step.version.to_owned()).to_vec(), versions);
    }
}
