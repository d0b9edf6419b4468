//! `keyward dev bench-refresh`: how often refresh tokens can be replaced by the database alone. The statements are those
//! of the refresh grant, in the same transactions and the same group commit; there is no HTTP, no client to
//! authenticate, and nothing is signed.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use super::load::People;
use crate::{
    cli::{data_dir, load, out},
    config::ConfigArgs,
    identity::token::still_holds,
    model::{
        client_auth::AuthMethod,
        id,
        scope::Scope,
        secret::{Kind, Secret, random_text},
    },
    store::{
        self, Store, Tx,
        client::Client,
        grant::{Details, Grant},
        refresh_token::Successor,
    },
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What to measure.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// How many callers refresh at the same time, each its own token
    #[arg(long, default_value_t = 1)]
    callers: usize,
    /// For how long
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// As it was given to `dev fill`
    #[arg(long, default_value_t = 10_000)]
    principals: u64,
    /// As it was given to `dev fill`
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Prints `{"callers", "rate", "p50_us", "p99_us"}`: refreshes in a second, and how long one takes.
///
/// # Errors
/// The database is not filled, or fails.
pub async fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let app = data_dir::open_existing(load(&args.config)?).await?;
    let now = app.clock.now();
    let mut client = Client::new(id::generate(now), "bench-refresh".to_owned(), AuthMethod::None, now);
    client.scopes = Scope::written("offline_access email");
    let people = People { seed: args.seed, principals: args.principals, roles: 36 };
    let mut begun = Vec::new();
    for (principal, _) in people.active().take(args.callers) {
        let grant = Grant {
            id: id::generate(now),
            client_id: client.id.clone(),
            principal_id: principal.id,
            session_id: None,
            scope: client.scopes.clone(),
            details: Details::default(),
            auth_time: now,
            offline: true,
            created_at: now,
            expires_at: now + DAY,
            revoked_at: None,
        };
        begun.push((Secret::generate(Kind::RefreshToken), grant));
    }
    anyhow::ensure!(begun.len() == args.callers, "expected a filled database: see `keyward dev fill`");
    let (inserted, rows) = (client.clone(), begun.clone());
    let write = move |tx: &mut Tx<'_>| {
        store::client::insert(tx, &inserted)?;
        for (token, grant) in &rows {
            store::grant::insert(tx, grant)?;
            store::refresh_token::insert(tx, &token.hash(), &grant.id, now, now + DAY)?;
        }
        Ok::<_, store::Error>(())
    };
    app.store.write(write).await?;

    // what is kept in memory is used while somebody follows what others change
    let _following = app.store.follow()?;
    let until = Instant::now() + Duration::from_secs_f64(args.seconds);
    let start = Instant::now();
    let callers = begun.into_iter().map(|(token, _)| {
        let (store, client) = (app.store.clone(), client.clone());
        tokio::spawn(async move {
            let (mut token, mut took) = (token, Vec::new());
            while Instant::now() < until {
                let begun = Instant::now();
                token = refresh(&store, &client, &token).await?;
                took.push(begun.elapsed());
            }
            Ok::<_, store::Error>(took)
        })
    });
    let mut took = Vec::new();
    for caller in futures_util::future::join_all(callers).await {
        took.extend(caller??);
    }
    let elapsed = start.elapsed().as_secs_f64();
    took.sort();
    let at = |part: usize| took.get(took.len() * part / 100).map_or(0, Duration::as_micros);
    let rate = took.len() as f64 / elapsed;
    out::json(&json!({ "callers": args.callers, "rate": rate, "p50_us": at(50) as u64, "p99_us": at(99) as u64 }));
    Ok(())
}

/// Replaces a token as the grant does.
async fn refresh(store: &Store, client: &Client, presented: &Secret) -> Result<Secret, store::Error> {
    let (hash, next) = (presented.hash(), Secret::generate(Kind::RefreshToken));
    let (successor, client) = (next.hash(), client.clone());
    // as long as a sealed token
    let sealed = random_text::<76>();
    let now = crate::clock::Clock::System.now();
    let lost = || store::Error::Internal("a refresh token was not there".to_owned());
    let token = store.read(move |conn| store::refresh_token::find(conn, &hash)).await?.ok_or_else(lost)?;
    let grant = store.grant(&token.grant_id).await?.ok_or_else(lost)?;
    store.principal(&grant.principal_id).await?.ok_or_else(lost)?;
    let write = move |tx: &mut Tx<'_>| {
        if !still_holds(tx, &grant, &client, now)? {
            return Err(lost());
        }
        let successor =
            Successor { hash: &successor, sealed: &sealed, replay_until: now + DAY, expires_at: grant.expires_at };
        match store::refresh_token::rotate(tx, &token, &successor, now)? {
            true => Ok(()),
            false => Err(lost()),
        }
    };
    store.write(write).await?;
    Ok(next)
}
