//! `keyward dev costs`: what cannot be avoided costs here: signatures, verifications, password hashes.

use std::{hint::black_box, time::Duration};

use anyhow::anyhow;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
    },
};
use clap::Args;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::{
    cli::{load, out},
    clock::Clock,
    config::{Config, ConfigArgs},
    hasher::Hasher,
    keys::{self, KeyRing, MasterKey},
    model::{access_token::ACCESS_TOKEN_TYPE, id, key::SigningAlgorithm, secret::random_text},
};

/// Bytes that are signed: head and claims of a usual access token.
const MESSAGE: usize = 600;

/// For how long.
#[derive(Args, Debug)]
pub struct CostsArgs {
    /// How long each of them is repeated, in milliseconds
    #[arg(long, default_value_t = 200)]
    millis: u64,
    /// Only what hashing takes
    #[arg(long)]
    hashing: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Prints `{"cores", "sign": {ALG: µs}, "verify": {…}, "ring_sign": {…}, "ring_verify": {…}, "seal", "open",
/// "argon2_ms", "hashes_per_second"}`. `sign` and `verify` are the bare operations, `ring_…` those of [`KeyRing`] with all
/// that belongs to a JWT, `seal` and `open` those of an opaque token. `hashes_per_second` is of all hashing threads. Of
/// hashing alone, only `cores` and the last two.
///
/// # Errors
/// A key cannot be made.
pub async fn run(args: &CostsArgs) -> anyhow::Result<()> {
    let config = load(&args.config)?;
    let time = Duration::from_millis(args.millis);
    let mut costs = hashing(&config, time).await?;
    if !args.hashing {
        costs.append(&mut signing(&config, time)?);
    }
    out::json(&Value::Object(costs));
    Ok(())
}

/// What concerns tokens.
fn signing(config: &Config, time: Duration) -> anyhow::Result<Map<String, Value>> {
    let (master, now) = (MasterKey::from_secret(&random_text::<32>())?, Clock::System.now());
    let records = SigningAlgorithm::ALL.map(|algorithm| KeyRing::generate(algorithm, &master, now, now));
    let ring = KeyRing::open(records.into_iter().collect::<Result<_, _>>()?, &master)?;
    let claims = json!({
        "iss": config.issuer(), "sub": id::generate(now), "aud": config.issuer(), "client_id": "load-jwt",
        "iat": now.seconds(), "exp": now.seconds() + 600, "jti": id::generate(now), "grant_id": id::generate(now),
        "scope": "openid profile email", "auth_time": now.seconds(), "acr": "keyward:password", "amr": ["pwd"],
        "sid": id::generate(now),
    });

    let (mut sign, mut verify, mut ring_sign, mut ring_verify) = (Map::new(), Map::new(), Map::new(), Map::new());
    for algorithm in SigningAlgorithm::ALL {
        let name = algorithm.as_str().to_owned();
        let (signing, verifying) = bare(algorithm, time)?;
        sign.insert(name.clone(), json!(signing));
        verify.insert(name.clone(), json!(verifying));
        let token = ring.sign(algorithm, ACCESS_TOKEN_TYPE, &claims, now)?;
        let made = micros(time, || ring.sign(algorithm, ACCESS_TOKEN_TYPE, &claims, now).is_ok());
        ring_sign.insert(name.clone(), json!(made));
        ring_verify.insert(name, json!(micros(time, || ring.verify(&token, &[ACCESS_TOKEN_TYPE]).is_ok())));
    }
    let sealer = master.sealer("access token");
    let opaque = keys::seal_claims(&sealer, &claims)?;
    let seal = micros(time, || keys::seal_claims(&sealer, &claims).is_ok());
    let open = micros(time, || keys::open_claims(&sealer, &opaque).is_some());

    let costs = [
        ("sign", Value::Object(sign)),
        ("verify", Value::Object(verify)),
        ("ring_sign", Value::Object(ring_sign)),
        ("ring_verify", Value::Object(ring_verify)),
        ("seal", json!(seal)),
        ("open", json!(open)),
    ];
    Ok(costs.map(|(name, cost)| (name.to_owned(), cost)).into_iter().collect())
}

/// What concerns passwords.
async fn hashing(config: &Config, time: Duration) -> anyhow::Result<Map<String, Value>> {
    let hasher = Hasher::new(&config.passwords);
    let phc = hasher.hash("Correct-horse-42-battery".into()).await.map_err(|_| anyhow!("no hash"))?;
    let cores = std::thread::available_parallelism()?.get();
    let alone = hashes(&hasher, &phc, 1, time).await?;
    let threads = config.passwords.hash_threads.unwrap_or(cores);
    let together = hashes(&hasher, &phc, threads, time).await?;
    let costs = [("cores", json!(cores)), ("argon2_ms", json!(1000.0 / alone)), ("hashes_per_second", json!(together))];
    Ok(costs.map(|(name, cost)| (name.to_owned(), cost)).into_iter().collect())
}

/// Signing and verifying alone, in µs.
fn bare(algorithm: SigningAlgorithm, time: Duration) -> anyhow::Result<(f64, f64)> {
    let (message, random) = ([7; MESSAGE], SystemRandom::new());
    let failed = |_| anyhow!("{} cannot be measured", algorithm.as_str());
    match algorithm {
        SigningAlgorithm::RS256 => {
            let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(failed)?;
            let mut signature = vec![0; pair.public_modulus_len()];
            let mut work = || pair.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).is_ok();
            let sign = micros(time, &mut work);
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
            Ok((sign, verifying(&key, &message, &signature, time)?))
        }
        SigningAlgorithm::ES256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            let signature = pair.sign(&random, &message).map_err(failed)?;
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
            let verify = verifying(&key, &message, signature.as_ref(), time)?;
            Ok((micros(time, || pair.sign(&random, &message).is_ok()), verify))
        }
        SigningAlgorithm::EdDSA => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            let signature = pair.sign(&message);
            let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
            let verify = verifying(&key, &message, signature.as_ref(), time)?;
            Ok((micros(time, || !pair.sign(&message).as_ref().is_empty()), verify))
        }
    }
}

fn verifying(key: &UnparsedPublicKey<&[u8]>, message: &[u8], signature: &[u8], time: Duration) -> anyhow::Result<f64> {
    // parsed once, as those of the server are
    let key = key.parse().map_err(|_| anyhow!("the key cannot be read"))?;
    anyhow::ensure!(key.verify_sig(message, signature).is_ok(), "the signature does not verify");
    Ok(micros(time, || key.verify_sig(message, signature).is_ok()))
}

/// How long one call takes, in µs: the median of many short runs, which a busy machine disturbs least.
fn micros(time: Duration, mut work: impl FnMut() -> bool) -> f64 {
    const RUN: u32 = 10;
    let (begun, mut runs) = (Instant::now(), Vec::new());
    while begun.elapsed() < time || runs.is_empty() {
        let run = Instant::now();
        for _ in 0..RUN {
            black_box(work());
        }
        runs.push(run.elapsed());
    }
    runs.sort();
    runs.get(runs.len() / 2).map_or(0.0, |run| run.as_secs_f64() * 1e6 / f64::from(RUN))
}

/// Verified passwords in a second, of so many callers.
async fn hashes(hasher: &Hasher, phc: &str, callers: usize, time: Duration) -> anyhow::Result<f64> {
    let (begun, until) = (Instant::now(), Instant::now() + time.max(Duration::from_millis(500)));
    let caller = || async {
        let mut done = 0_u32;
        while Instant::now() < until {
            let verdict = hasher.verify("Correct-horse-42-battery".into(), Some(phc.to_owned())).await;
            anyhow::ensure!(verdict.is_ok_and(|verdict| verdict.matches), "a password was not verified");
            done += 1;
        }
        Ok(done)
    };
    let done = futures_util::future::try_join_all((0..callers).map(|_| caller())).await?;
    Ok(f64::from(done.iter().sum::<u32>()) / begun.elapsed().as_secs_f64())
}
