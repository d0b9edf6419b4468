use diesel::prelude::*;

use super::*;
use crate::{
    identity::support::{NOW, Place},
    store::schema,
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn at(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn there(n: u32) -> Option<IpAddr> {
    Some(Ipv4Addr::from_bits(0x0a00_0000 + n).into())
}

async fn guess(place: &Place, now: Timestamp, keys: Keys) -> Result<Allowed, Throttled> {
    begin(&place.store, &place.config.login, now, keys).await.unwrap()
}

async fn success(place: &Place, now: Timestamp, allowed: Allowed) {
    place.write(move |tx| succeeded(tx, now, &allowed)).await;
}

/// The rows without their keys.
async fn rows(place: &Place) -> Vec<(i64, i64, i64)> {
    use schema::throttle::dsl::*;
    let read = |conn: &mut store::Conn| {
        Ok::<_, store::Error>(
            throttle.select((failures, blocked_until, expires_at)).order((failures, expires_at)).load(conn)?,
        )
    };
    place.store.read(read).await.unwrap()
}

#[tokio::test]
async fn of_guesses_in_parallel_only_the_free_ones_are_checked() {
    let place = Place::new().await;
    let all: Vec<_> = (0..32)
        .map(|n| {
            let (store, login) = (place.store.clone(), place.config.login.clone());
            tokio::spawn(async move { begin(&store, &login, NOW, Keys::new("ada@example.org", there(n))).await })
        })
        .collect();
    let mut allowed = 0;
    for one in all {
        allowed += u32::from(one.await.unwrap().unwrap().is_ok());
    }
    assert_eq!(allowed, place.config.login.free_attempts);
}

#[tokio::test]
async fn free_guesses_block_nobody_who_looked_at_the_clock_before() {
    let place = Place::new().await;
    let _ = guess(&place, at(1), Keys::new("ada@example.org", Some(HERE))).await.unwrap();
    // from the same address, a moment earlier by the clock, but counted after
    assert!(guess(&place, NOW, Keys::new("bob@example.org", Some(HERE))).await.is_ok());
}

#[tokio::test]
async fn each_failure_doubles_the_wait_up_to_the_longest() {
    let place = Place::new().await;
    let keys = || Keys::new("ada@example.org", None);
    for _ in 0..5 {
        assert!(guess(&place, NOW, keys()).await.is_ok());
    }
    let mut now = NOW;
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
        let Throttled { retry_after } = guess(&place, now, keys()).await.unwrap_err();
        assert_eq!(retry_after, Duration::from_secs(expected));
        // knocking does not prolong it
        now = now + retry_after - Duration::from_millis(1);
        assert_eq!(guess(&place, now, keys()).await.unwrap_err().retry_after, Duration::from_millis(1));
        now = now + Duration::from_millis(1);
        assert!(guess(&place, now, keys()).await.is_ok());
    }
}

#[tokio::test]
async fn failures_are_forgotten_after_a_success_or_a_while() {
    let place = Place::new().await;
    let keys = || Keys::new("ada@example.org", None);
    for _ in 0..4 {
        assert!(guess(&place, NOW, keys()).await.is_ok());
    }
    let allowed = guess(&place, NOW, keys()).await.unwrap();
    assert!(guess(&place, NOW, keys()).await.is_err());
    success(&place, NOW, allowed).await;
    assert!(rows(&place).await.is_empty());
    for _ in 0..5 {
        assert!(guess(&place, NOW, keys()).await.is_ok());
    }
    let later = NOW + place.config.login.forget_after;
    for _ in 0..5 {
        assert!(guess(&place, later, keys()).await.is_ok());
    }
    assert!(guess(&place, later, keys()).await.is_err());
}

#[tokio::test]
async fn spellings_share_a_counter_and_so_does_a_network() {
    let place = Place::new().await;
    for name in ["ada@example.org", "ADA@example.org", " ada@example.org", "Ada@Example.Org\t", "aDa@example.org"] {
        assert!(guess(&place, NOW, Keys::new(name, None)).await.is_ok());
    }
    assert!(guess(&place, NOW, Keys::new("AdA@example.org", None)).await.is_err());

    let of = |address: &str| Keys::new("x", Some(address.parse().unwrap()));
    assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
    assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
    assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
    assert_ne!(of("192.0.2.8"), of("192.0.2.7"));
}

#[tokio::test]
async fn an_address_waits_after_many_accounts_and_an_own_account_does_not_help() {
    let place = Place::new().await;
    for n in 0..29 {
        assert!(guess(&place, NOW, Keys::new(&format!("a{n}@example.org"), Some(HERE))).await.is_ok());
        // signing in to an account of one's own takes back only its own count
        let own = guess(&place, NOW, Keys::new("own@example.org", Some(HERE))).await.unwrap();
        success(&place, NOW, own).await;
    }
    assert!(guess(&place, NOW, Keys::new("b@example.org", Some(HERE))).await.is_ok());
    assert!(guess(&place, NOW, Keys::new("c@example.org", Some(HERE))).await.is_err());
    assert!(guess(&place, NOW, Keys::new("c@example.org", there(1))).await.is_ok());
}

#[tokio::test]
async fn who_signs_in_from_a_busy_address_leaves_no_trace() {
    let place = Place::new().await;
    for n in 0..31 {
        let now = at(n * 10);
        assert!(guess(&place, now, Keys::new(&format!("a{n}@example.org"), Some(HERE))).await.is_ok());
    }
    let before = rows(&place).await;
    for n in 0..50 {
        let now = at(1000 + n);
        let allowed = guess(&place, now, Keys::new("ada@example.org", Some(HERE))).await.unwrap();
        success(&place, now, allowed).await;
    }
    assert_eq!(rows(&place).await, before);
}

#[tokio::test]
async fn what_is_withdrawn_was_never_counted() {
    let place = Place::new().await;
    for _ in 0..100 {
        let allowed = guess(&place, NOW, Keys::new("ada@example.org", Some(HERE))).await.unwrap();
        withdraw(&place.store, NOW, allowed).await.unwrap();
    }
    assert!(rows(&place).await.is_empty());
}

#[tokio::test]
async fn a_block_from_a_clock_that_stood_wrong_holds_nobody() {
    let place = Place::new().await;
    let keys = || Keys::new("ada@example.org", Some(HERE));
    let wrong = at(10 * 365 * 24 * 3600);
    for _ in 0..5 {
        assert!(guess(&place, wrong, keys()).await.is_ok());
    }
    assert!(guess(&place, wrong, keys()).await.is_err());
    assert!(guess(&place, NOW, keys()).await.is_ok());
    // and from then on as ever
    assert!(guess(&place, NOW, keys()).await.is_err());
    assert!(guess(&place, at(900), keys()).await.is_ok());
}

#[test]
fn the_longest_configurable_waits_do_not_overflow() {
    let mut login = crate::config::Config::defaults().login;
    login.first_delay = Duration::from_secs(3600);
    login.max_delay = Duration::from_secs(24 * 3600);
    for failures in [0, 5, 36, 100, i64::MAX - 1, i64::MAX] {
        let before = Counter { failures, blocked_until: NOW, expires_at: NOW };
        let after = failed(&login, NOW, Scope::Account, &before);
        assert!(after.blocked_until <= NOW + login.max_delay);
        assert!(failures < 5 || after.blocked_until > NOW);
    }
}
