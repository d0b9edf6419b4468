//! The sign-in of the doctor: however it ends, nothing is left that anybody could use.

use std::{sync::Arc, time::Duration};

use keyward::cli::doctor::{
    Status::{Ok as Fine, Problem, Warning},
    examine,
    login::person::{LIFE, Throwaway, sweep},
};
use secrecy::ExposeSecret;
use tokio::sync::Notify;

use super::{
    count, examined, expect, finding, healthy, loaded,
    proxy::{Proxy, header},
    traces,
};
use crate::support::{TestApp, browser::Browser};

#[tokio::test]
async fn who_interrupts_a_sign_in_finds_nothing_left() {
    let reached = Arc::new(Notify::new());
    let told = reached.clone();
    let stalls = move |message: String| {
        if message.starts_with("POST /login") && header(&message, "cookie").is_some() {
            // the person is there by now, and the answer will never come
            told.notify_one();
            return String::new();
        }
        message
    };
    let (app, _proxy) = Proxy::bind().await.request(stalls).serve(|_| {}).await;
    let before = traces(&app).await;
    let there = || async { count(&app, "principal").await };
    let stop = async {
        reached.notified().await;
        assert_eq!(there().await, 1, "there is somebody to remove");
    };
    let report = Box::pin(examine(&loaded(&app.app.config), false, &app.clock, stop)).await;
    expect(&report, "login", Problem, "interrupted; nothing is left behind");
    assert_eq!(traces(&app).await, before);
}

#[tokio::test]
async fn who_interrupts_before_it_begins_makes_nothing() {
    let app = healthy(|_| {}).await;
    let report = Box::pin(examine(&loaded(&app.app.config), false, &app.clock, async {})).await;
    expect(&report, "login", Problem, "interrupted");
    assert_eq!(count(&app, "audit_event WHERE actor_kind = 'commandLine'").await, 0);
}

#[tokio::test]
async fn a_doctor_that_is_dropped_in_the_middle_cleans_up_all_the_same() {
    let reached = Arc::new(Notify::new());
    let told = reached.clone();
    let stalls = move |message: String| {
        if message.starts_with("POST /login") {
            told.notify_one();
            return String::new();
        }
        message
    };
    let (app, _proxy) = Proxy::bind().await.request(stalls).serve(|_| {}).await;
    let before = traces(&app).await;
    let loaded = loaded(&app.app.config);
    {
        let examining = Box::pin(examine(&loaded, false, &app.clock, std::future::pending()));
        tokio::select! {
            _ = examining => panic!("it cannot end"),
            () = reached.notified() => {}
        }
    }
    while traces(&app).await != before {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_killed_doctor_left_is_swept_up_by_the_next_and_opens_nothing() {
    let app = TestApp::spawn().await;
    app.principal("ada@example.org", &[], |_| {}).await;
    let before = traces(&app).await;
    let left = Throwaway::new(app.now());
    left.make(&app.app).await.unwrap();
    assert_eq!(sweep(&app.app).await.unwrap(), 0, "it may be at work at this moment");
    assert!(signs_in(&app, &left).await);
    app.advance(LIFE);
    assert!(!signs_in(&app, &left).await, "its password has ended");
    let report = examined(&app).await;
    expect(&report, "login", Fine, "what an earlier doctor left, having been killed, is gone");
    let now: Vec<_> = traces(&app).await.into_iter().filter(|(table, _)| *table != "throttle").collect();
    let before: Vec<_> = before.into_iter().filter(|(table, _)| *table != "throttle").collect();
    assert_eq!(now, before);
    // somebody who is only called alike stays
    app.principal("keyward-doctor.invalid@example.org", &[], |_| {}).await;
    app.advance(LIFE);
    assert_eq!(sweep(&app.app).await.unwrap(), 0);
}

async fn signs_in(app: &TestApp, who: &Throwaway) -> bool {
    let browser = Browser::new();
    let page = browser.open(&app.url("/login")).await;
    let typed = [("username", who.email.as_str()), ("password", who.password.expose_secret())];
    browser.press(&page, "sign-in", &typed).await;
    browser.get(&app.url("/account")).await.status == reqwest::StatusCode::OK
}

#[tokio::test]
async fn a_sign_in_that_has_to_wait_says_for_how_long() {
    let app = healthy(|config| {
        (config.login.free_attempts_address, config.login.first_delay) = (1, Duration::from_secs(600));
    })
    .await;
    let browser = Browser::new();
    let page = browser.open(&app.url("/login")).await;
    browser.press(&page, "sign-in", &[("username", "eve@example.org"), ("password", "guess")]).await;
    let report = examined(&app).await;
    expect(&report, "login", Warning, "too many sign-ins from this address failed");
    assert!(finding(&report, "login").summary.contains("600 s") || finding(&report, "login").summary.contains("59"));
    assert_eq!(count(&app, "principal").await, 0);
}

#[tokio::test]
async fn no_mail_goes_to_somebody_who_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let app = healthy(|config| {
        config.mail.directory = Some(path);
        config.mail.from = Some("id@example.org".to_owned());
    })
    .await;
    let report = examined(&app).await;
    expect(&report, "login", Fine, "");
    expect(&report, "mail", Fine, "none was sent");
    assert_eq!(count(&app, "sending").await, 0);
}

#[tokio::test]
async fn two_doctors_at_once_do_not_disturb_each_other() {
    let app = healthy(|_| {}).await;
    let before = traces(&app).await;
    let (first, second) = tokio::join!(examined(&app), examined(&app));
    for report in [first, second] {
        expect(&report, "login", Fine, "");
    }
    assert_eq!(traces(&app).await, before);
}
