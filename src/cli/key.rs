//! `keyward key list | rotate | revoke`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Refused, data_dir, load, out};
use crate::{
    app::App,
    config::ConfigArgs,
    directory::{Actor, audit},
    keys::{AuditKeys, KeyRing, KeyState, PUBLISH_RETIRED},
    model::{key::SigningAlgorithm, time::Timestamp},
    store::{self, Tx},
};

/// Added to the time for which the key set may be cached, for clocks that differ and requests under way.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a retired key is kept after it is no longer published: no access token lives longer.
const KEEP_RETIRED: Duration = Duration::from_secs(24 * 3600);

/// What to do with the signing keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Show the signing keys and what each is for
    List(ListArgs),
    /// Make new signing keys; running servers notice by themselves
    ///
    /// A new key is published at once and signs when every cached key set has it. Keys that nothing needs any more are
    /// deleted. Unless one algorithm is named, the audit log's checkpoints are signed by a new key as well; what the old
    /// one signed is still verified.
    Rotate(RotateArgs),
    /// Withdraw keys at once, as after a theft: they are no longer published, and nothing that they signed is accepted
    ///
    /// Where nothing else can sign, a new key takes over. People stay signed in; applications ask for new tokens.
    Revoke(RevokeArgs),
}

/// How to show the keys.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Which keys to make.
#[derive(Args, Debug)]
pub struct RotateArgs {
    /// Sign with the new key from now on: who has cached the key set refuses new tokens for a while. The old key is
    /// still trusted; after a theft revoke it as well
    #[arg(long)]
    now: bool,
    /// Only the key of this algorithm: RS256, ES256 or EdDSA
    #[arg(long, value_name = "ALGORITHM")]
    algorithm: Option<SigningAlgorithm>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Which keys to withdraw.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The keys' ids, as `key list` shows them
    #[arg(required = true, value_name = "KID")]
    kids: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the command.
///
/// # Errors
/// In plain words for the operator.
pub async fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::List(args) => {
            let app = data_dir::open_existing(load(&args.config)?).await?;
            show(&app, args.json);
        }
        KeyCommand::Rotate(args) => {
            let app = data_dir::open_existing(load(&args.config)?).await?;
            rotate(&app, args.now, args.algorithm).await?;
            show(&app, false);
        }
        KeyCommand::Revoke(args) => {
            let app = data_dir::open_existing(load(&args.config)?).await?;
            revoke(&app, args.kids).await?;
            show(&app, false);
        }
    }
    Ok(())
}

/// Deletes keys, and makes a new one where an algorithm would be left without one that signs now.
async fn revoke(app: &App, kids: Vec<String>) -> anyhow::Result<()> {
    let now = app.clock.now();
    let known = app.keys.load().state(now);
    let unknown = kids.iter().filter(|kid| !known.iter().any(|key| key.kid == **kid));
    let faults: Vec<String> =
        unknown.map(|kid| format!("{kid}: expected the id of a key, see `keyward key list`")).collect();
    if !faults.is_empty() {
        return Err(Refused(faults).into());
    }
    let left = |algorithm: SigningAlgorithm| {
        known.iter().any(|key| key.algorithm == algorithm && key.activates_at <= now && !kids.contains(&key.kid))
    };
    let bare: Vec<SigningAlgorithm> = app.keys.load().algorithms().into_iter().filter(|alg| !left(*alg)).collect();
    let master = app.seals.master.clone();
    let made = tokio::task::spawn_blocking(move || {
        bare.into_iter().map(|algorithm| KeyRing::generate(algorithm, &master, now, now)).collect::<Result<Vec<_>, _>>()
    })
    .await??;
    app.store
        .write(move |tx| {
            made.iter().try_for_each(|key| store::signing_key::insert(tx, key))?;
            made.iter().try_for_each(|key| note(tx, "key.create", &key.kid, now))?;
            kids.iter().try_for_each(|kid| note(tx, "key.revoke", kid, now))?;
            store::signing_key::delete(tx, &kids)
        })
        .await?;
    app.reload_keys().await
}

/// Makes a new key of each algorithm, or of one, and deletes what nothing needs any more.
async fn rotate(app: &App, at_once: bool, only: Option<SigningAlgorithm>) -> anyhow::Result<()> {
    let known = app.keys.load().algorithms();
    let algorithms = match only {
        None => known,
        Some(algorithm) if known.contains(&algorithm) => vec![algorithm],
        Some(algorithm) => {
            let known: Vec<&str> = known.iter().map(|algorithm| algorithm.as_str()).collect();
            let (known, got) = (known.join(", "), algorithm.as_str());
            let why = format!("--algorithm: expected one of keys.signing_algorithms ({known}), got {got}");
            return Err(Refused(vec![why]).into());
        }
    };
    let now = app.clock.now();
    let activates_at = if at_once { now } else { now + app.config.keys.jwks_max_age + MARGIN };
    let audit = only.is_none().then(|| AuditKeys::generate(&app.seals.master, now)).transpose()?;
    let master = app.seals.master.clone();
    let made = tokio::task::spawn_blocking(move || {
        let generate = |algorithm| KeyRing::generate(algorithm, &master, now, activates_at);
        algorithms.into_iter().map(generate).collect::<Result<Vec<_>, _>>()
    })
    .await??;
    let outdated: Vec<String> =
        app.keys.load().state(now).into_iter().filter(|key| is_outdated(key, now)).map(|key| key.kid).collect();
    app.store
        .write(move |tx| {
            for key in &made {
                store::signing_key::insert(tx, key)?;
                note(tx, "key.create", &key.kid, now)?;
            }
            if let Some(key) = &audit {
                store::audit_chain::insert_key(tx, key)?;
                note(tx, "key.create", &key.kid, now)?;
            }
            store::signing_key::delete(tx, &outdated)
        })
        .await?;
    app.reload_keys().await
}

fn note(tx: &mut Tx<'_>, action: &str, kid: &str, now: Timestamp) -> Result<(), store::Error> {
    store::audit::insert(tx, &audit::event(&Actor::command_line(), action, "key", Some(kid), now))
}

fn is_outdated(key: &KeyState, now: Timestamp) -> bool {
    key.superseded_at.is_some_and(|superseded_at| superseded_at + PUBLISH_RETIRED + KEEP_RETIRED <= now)
}

fn show(app: &App, as_json: bool) {
    let keys = app.keys.load().state(app.clock.now());
    if as_json {
        let keys: Vec<_> = keys.iter().map(as_value).collect();
        return out::json(&json!({ "keys": keys }));
    }
    let mut text = format!("{:43}  {:9}  {:7}  {:9}  {:24}\n", "KID", "ALGORITHM", "IS", "PUBLISHED", "SIGNS FROM");
    for key in &keys {
        let (alg, phase) = (key.algorithm.as_str(), key.phase.as_str());
        let published = if key.published { "yes" } else { "no" };
        let from = key.activates_at.rfc3339();
        text.push_str(&format!("{:43}  {alg:9}  {phase:7}  {published:9}  {from}\n", key.kid));
    }
    out::print(&text);
}

fn as_value(key: &KeyState) -> serde_json::Value {
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm.as_str(),
        "phase": key.phase.as_str(),
        "published": key.published,
        "created_at": key.created_at.rfc3339(),
        "activates_at": key.activates_at.rfc3339(),
        "superseded_at": key.superseded_at.map(Timestamp::rfc3339),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, config::Config, keys::KeyPhase};

    async fn app(directory: &std::path::Path, clock: &Clock) -> App {
        let mut config = Config::defaults();
        config.data_dir = directory.join("data");
        data_dir::prepare(&config).unwrap();
        App::open(config, clock.clone()).await.unwrap()
    }

    fn phases(app: &App) -> Vec<KeyPhase> {
        let keys = app.keys.load().state(app.clock.now());
        keys.iter().filter(|key| key.algorithm == SigningAlgorithm::ES256).map(|key| key.phase).collect()
    }

    #[tokio::test]
    async fn a_new_key_signs_when_every_cached_key_set_has_it() {
        let temporary = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(Timestamp::from_seconds(1_800_000_000));
        let app = app(temporary.path(), &clock).await;
        rotate(&app, false, Some(SigningAlgorithm::ES256)).await.unwrap();
        assert_eq!(phases(&app), [KeyPhase::Current, KeyPhase::Next]);
        clock.advance(app.config.keys.jwks_max_age);
        assert_eq!(phases(&app), [KeyPhase::Current, KeyPhase::Next]);
        clock.advance(MARGIN);
        assert_eq!(phases(&app), [KeyPhase::Retired, KeyPhase::Current]);
    }

    #[tokio::test]
    async fn a_key_that_nothing_needs_is_deleted_with_the_next_rotation() {
        let temporary = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(Timestamp::from_seconds(1_800_000_000));
        let app = app(temporary.path(), &clock).await;
        let only = Some(SigningAlgorithm::ES256);
        rotate(&app, true, only).await.unwrap();
        assert_eq!(phases(&app), [KeyPhase::Retired, KeyPhase::Current]);
        clock.advance(PUBLISH_RETIRED + KEEP_RETIRED - Duration::from_secs(1));
        rotate(&app, true, only).await.unwrap();
        assert_eq!(phases(&app), [KeyPhase::Retired, KeyPhase::Retired, KeyPhase::Current]);
        clock.advance(Duration::from_secs(1));
        rotate(&app, true, only).await.unwrap();
        assert_eq!(phases(&app), [KeyPhase::Retired, KeyPhase::Retired, KeyPhase::Current]);
        let error = rotate(&app, true, Some(SigningAlgorithm::EdDSA)).await.unwrap_err();
        assert_eq!(error.to_string(), "--algorithm: expected one of keys.signing_algorithms (RS256, ES256), got EdDSA");
    }

    #[tokio::test]
    async fn a_revoked_key_is_gone_at_once_and_another_signs() {
        let temporary = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(Timestamp::from_seconds(1_800_000_000));
        let app = app(temporary.path(), &clock).await;
        let kids =
            |app: &App| app.keys.load().state(app.clock.now()).into_iter().map(|key| key.kid).collect::<Vec<_>>();
        let stolen = kids(&app);
        let now = app.clock.now();
        let token = app.keys.load().sign(SigningAlgorithm::ES256, "JWT", &json!({}), now).unwrap();
        assert!(app.keys.load().verify(&token, &["JWT"]).is_ok());
        revoke(&app, stolen.clone()).await.unwrap();
        assert!(app.keys.load().verify(&token, &["JWT"]).is_err());
        assert!(stolen.iter().all(|kid| !app.keys.load().jwks(now).body.contains(kid)));
        for algorithm in [SigningAlgorithm::RS256, SigningAlgorithm::ES256] {
            let token = app.keys.load().sign(algorithm, "JWT", &json!({}), now).unwrap();
            assert!(app.keys.load().verify(&token, &["JWT"]).is_ok());
        }
        // a key that only waits to sign does not keep a successor from being made
        rotate(&app, false, Some(SigningAlgorithm::ES256)).await.unwrap();
        let current = app.keys.load().state(now).into_iter().find(|key| key.phase == KeyPhase::Current).unwrap();
        revoke(&app, vec![current.kid]).await.unwrap();
        let error = revoke(&app, stolen).await.unwrap_err();
        assert!(error.to_string().contains("expected the id of a key"), "{error}");
    }
}
