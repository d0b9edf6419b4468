//! Everything that works once, raced: many at the same moment, and exactly one wins.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use keyward::{config::Config, identity::setup::mint_link, store::client::Client};
use serde_json::json;
use tokio::sync::Barrier;

use crate::{
    oauth::client_auth::{Keys, good_claims, with_assertion},
    stage::{ADA, Stage, public, stage_with},
    support::{TestApp, browser::Browser, relying_party::Answer},
};

const TASKS: usize = 50;
const ROUNDS: usize = 4;

/// Several threads answer, so that the store and not the server makes the racers queue.
async fn racing_stage(client: impl FnOnce(&mut Client)) -> Stage {
    stage_with(several_workers, client).await
}

pub fn several_workers(config: &mut Config) {
    config.workers = Some(4);
}

/// Starts all at one moment and waits for all.
pub async fn at_once<T, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|n| {
            let (barrier, task) = (barrier.clone(), task(n));
            tokio::spawn(async move {
                barrier.wait().await;
                task.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

fn count(answers: &[Answer], outcome: &str) -> usize {
    answers.iter().filter(|answer| answer.outcome() == outcome).count()
}

fn outcomes(answers: &[Answer]) -> BTreeSet<String> {
    answers.iter().map(Answer::outcome).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_redeem_one_code_one_wins_and_the_others_revoke() {
    let s = racing_stage(|_| {}).await;
    for _ in 0..ROUNDS {
        let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
        let code = callback.code().to_owned();
        let answers = at_once(TASKS, |_| {
            let (rp, authorization, code) = (s.rp.clone(), authorization.clone(), code.clone());
            async move { rp.redeem(&authorization, &code).await }
        })
        .await;
        assert_eq!(count(&answers, "200"), 1, "{:?}", outcomes(&answers));
        assert_eq!(count(&answers, "400 invalid_grant"), TASKS - 1);
        let tokens = answers.iter().find(|answer| answer.outcome() == "200").unwrap().tokens();
        assert!(!s.rp.is_active(&tokens.access_token).await, "the replays have revoked the grant");
        assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_refresh_one_token_all_receive_the_one_living_child() {
    for change in [|_: &mut Client| {}, public] {
        let s = racing_stage(change).await;
        let mut tokens = s.tokens("openid offline_access").await;
        for _ in 0..ROUNDS {
            let answers = at_once(TASKS, |_| {
                let (rp, token) = (s.rp.clone(), tokens.refresh_token.clone());
                async move { rp.refresh(&token).await }
            })
            .await;
            assert_eq!(count(&answers, "200"), TASKS, "{:?}", outcomes(&answers));
            let children: BTreeSet<String> = answers.iter().map(|answer| answer.tokens().refresh_token).collect();
            assert_eq!(children.len(), 1);
            assert!(!children.contains(&tokens.refresh_token));
            tokens = answers[0].tokens();
        }
        s.rp.refresh(&tokens.refresh_token).await.tokens();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_replays_while_the_successor_is_used_never_makes_a_second_living_child() {
    let s = racing_stage(|_| {}).await;
    for _ in 0..ROUNDS {
        let first = s.tokens("offline_access").await;
        let second = s.rp.refresh(&first.refresh_token).await.tokens();
        let answers = at_once(TASKS, |n| {
            let token = if n % 2 == 0 { &first.refresh_token } else { &second.refresh_token };
            let (rp, token) = (s.rp.clone(), token.clone());
            async move { rp.refresh(&token).await }
        })
        .await;
        let good = answers.iter().filter(|answer| answer.outcome() == "200");
        let mut living = BTreeSet::new();
        for token in good.map(|answer| answer.tokens().refresh_token) {
            if s.rp.is_active(&token).await {
                living.insert(token);
            }
        }
        assert!(living.len() <= 1, "{living:?}");
        // whoever comes with the first one now is late in any case
        assert_eq!(s.rp.refresh(&first.refresh_token).await.outcome(), "400 invalid_grant");
        for token in living {
            assert!(!s.rp.is_active(&token).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshing_against_revoking_leaves_nothing_alive() {
    let s = racing_stage(|_| {}).await;
    for _ in 0..ROUNDS {
        let tokens = s.tokens("openid offline_access").await;
        let answers = at_once(TASKS, |n| {
            let (rp, token) = (s.rp.clone(), tokens.refresh_token.clone());
            async move { if n % 2 == 0 { rp.refresh(&token).await } else { rp.revoke(&token).await } }
        })
        .await;
        let expected = BTreeSet::from(["200".to_owned(), "400 invalid_grant".to_owned()]);
        assert!(outcomes(&answers).is_subset(&expected), "{:?}", outcomes(&answers));
        assert!(!s.rp.is_active(&tokens.access_token).await);
        for answer in answers.iter().filter(|answer| answer.body.contains("access_token")) {
            let tokens = answer.tokens();
            assert!(!s.rp.is_active(&tokens.access_token).await);
            assert!(!s.rp.is_active(&tokens.refresh_token).await);
            assert_eq!(s.rp.refresh(&tokens.refresh_token).await.outcome(), "400 invalid_grant");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_replay_by_many_leaves_nothing_alive() {
    let s = racing_stage(|_| {}).await;
    let first = s.tokens("openid offline_access").await;
    let second = s.rp.refresh(&first.refresh_token).await.tokens();
    s.app.advance(Duration::from_secs(31));
    let answers = at_once(TASKS, |_| {
        let (rp, token) = (s.rp.clone(), first.refresh_token.clone());
        async move { rp.refresh(&token).await }
    })
    .await;
    assert_eq!(count(&answers, "400 invalid_grant"), TASKS, "{:?}", outcomes(&answers));
    assert!(!s.rp.is_active(&second.access_token).await);
    assert_eq!(s.rp.refresh(&second.refresh_token).await.outcome(), "400 invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_against_redeeming_leaves_nothing_alive() {
    let s = racing_stage(|_| {}).await;
    for _ in 0..ROUNDS * 4 {
        let (authorization, callback) = s.rp.authorize(&s.browser, ADA, &[("scope", "openid offline_access")]).await;
        let account = s.browser.open(&s.app.url("/account")).await;
        let redeeming = {
            let (rp, code) = (s.rp.clone(), callback.code().to_owned());
            tokio::spawn(async move { rp.redeem(&authorization, &code).await })
        };
        s.browser.press(&account, "sign-out", &[]).await;
        let answer = redeeming.await.unwrap();
        if answer.outcome() == "200" {
            let tokens = answer.tokens();
            assert!(!s.rp.is_active(&tokens.access_token).await);
            assert!(!s.rp.is_active(&tokens.refresh_token).await);
        } else {
            assert_eq!(answer.outcome(), "400 invalid_grant");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_present_one_assertion_one_is_authenticated() {
    let keys = Keys::generate();
    let jwks = keys.public.clone();
    let s = racing_stage(|client| {
        client.auth_method = keyward::model::client_auth::AuthMethod::PrivateKeyJwt;
        client.metadata.jwks = Some(jwks);
    })
    .await;
    let s = Arc::new(s);
    for _ in 0..ROUNDS {
        let assertion = keys.sign(json!({"alg": "ES256"}), &good_claims(&s));
        let answers = at_once(TASKS, |_| {
            let (s, assertion) = (s.clone(), assertion.clone());
            async move { with_assertion(&s, &assertion).await }
        })
        .await;
        assert_eq!(count(&answers, "200"), 1, "{:?}", outcomes(&answers));
        assert_eq!(count(&answers, "401 invalid_client"), TASKS - 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_set_up_with_one_link_one_becomes_the_owner() {
    for _ in 0..ROUNDS {
        let app = Arc::new(TestApp::spawn_with(several_workers).await);
        let link = mint_link(&app.app.store, app.now()).await.unwrap();
        let url = Arc::new(app.url(&format!("/setup?token={}", link.reveal())));
        let mut visitors = Vec::new();
        for _ in 0..20 {
            let browser = Browser::new();
            let page = browser.get(&url).await;
            visitors.push((browser, page));
        }
        let visitors = Arc::new(visitors);
        let pages = at_once(visitors.len(), |n| {
            let visitors = visitors.clone();
            async move {
                let (browser, page) = &visitors[n];
                let email = format!("owner{n}@example.com");
                let password = "Correct-horse-42-battery";
                let fields = [
                    ("name", "An Owner"),
                    ("email", email.as_str()),
                    ("new_password", password),
                    ("password_confirmation", password),
                ];
                browser.submit(page, "create-owner", &fields).await
            }
        })
        .await;
        let made = pages.iter().filter(|page| page.status.as_u16() == 303).count();
        let closed = pages.iter().filter(|page| page.status.as_u16() == 410).count();
        let statuses: Vec<u16> = pages.iter().map(|page| page.status.as_u16()).collect();
        assert_eq!((made, closed), (1, visitors.len() - 1), "{statuses:?}");
        let mut owners = 0;
        for n in 0..visitors.len() {
            let email = format!("owner{n}@example.com");
            let find = move |conn: &mut keyward::store::Conn| keyward::store::principal::find_by_email(conn, &email);
            owners += usize::from(app.app.store.read(find).await.unwrap().is_some());
        }
        assert_eq!(owners, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_in_parallel_do_not_slip_past_the_lockout() {
    let s = racing_stage(|_| {}).await;
    let mut visitors = Vec::new();
    for _ in 0..30 {
        let browser = Browser::new();
        let page = browser.get(&s.app.url("/login")).await;
        visitors.push((browser, page));
    }
    let visitors = Arc::new(visitors);
    let pages = at_once(visitors.len(), |n| {
        let visitors = visitors.clone();
        async move {
            let (browser, page) = &visitors[n];
            // spelled differently, and still one account
            let username = if n % 2 == 0 { "ada@example.com" } else { " ADA@Example.com" };
            browser.submit(page, "sign-in", &[("username", username), ("password", "wrong")]).await.status.as_u16()
        }
    })
    .await;
    let checked = pages.iter().filter(|status| **status == 422).count();
    assert_eq!(checked, s.app.app.config.login.free_attempts as usize, "{pages:?}");
    assert!(pages.iter().all(|status| [422, 429].contains(status)), "{pages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_sent_many_times_at_once_ends_at_the_application_each_time() {
    let s = racing_stage(|_| {}).await;
    let page = s.browser.open(&s.rp.authorization(&[]).url).await;
    let consent = s.browser.press(&page, "sign-in", &[("username", ADA), ("password", crate::support::PASSWORD)]).await;
    let (browser, consent) = (Arc::new(s.browser.clone()), Arc::new(consent));
    let callbacks = at_once(10, |_| {
        let (browser, consent) = (browser.clone(), consent.clone());
        async move { browser.press(&consent, "allow", &[]).await.callback().code().to_owned() }
    })
    .await;
    assert_eq!(callbacks.into_iter().collect::<BTreeSet<_>>().len(), 10, "each with a code of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_may_sign_in_many_times_at_once_and_leaves_no_guesses_behind() {
    let free = |config: &mut Config| {
        several_workers(config);
        config.login.free_attempts = 40;
    };
    let s = stage_with(free, |_| {}).await;
    let mut visitors = Vec::new();
    for _ in 0..12 {
        let browser = Browser::new();
        let page = browser.get(&s.app.url("/login")).await;
        visitors.push((browser, page));
    }
    let visitors = Arc::new(visitors);
    let pages = at_once(visitors.len(), |n| {
        let visitors = visitors.clone();
        async move {
            let (browser, page) = &visitors[n];
            // all from one address as well: whoever signs in changes the same two counters as the others
            let fields = [("username", ADA), ("password", crate::support::PASSWORD)];
            browser.submit(page, "sign-in", &fields).await.status.as_u16()
        }
    })
    .await;
    assert!(pages.iter().all(|status| *status == 303), "{pages:?}");
    let counters = s.app.app.store.read(|conn| {
        let query = diesel::sql_query("SELECT key FROM throttle");
        Ok::<Vec<Counter>, keyward::store::Error>(diesel::RunQueryDsl::load(query, conn)?)
    });
    let counters: Vec<String> = counters.await.unwrap().into_iter().map(|counter| counter.key).collect();
    assert_eq!(counters, [""; 0], "what was right is not remembered as a guess");
}

#[derive(diesel::QueryableByName)]
struct Counter {
    #[diesel(sql_type = diesel::sql_types::Text)]
    key: String,
}
