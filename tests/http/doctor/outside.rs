//! What lies between clients and the server: each thing that goes wrong there is found.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use keyward::cli::doctor::Status::{Ok as Fine, Problem, Skipped};
use reqwest::StatusCode;

use super::{
    careless, examined, examined_as, expect, finding, free_port, healthy, only,
    proxy::{Proxy, header, honest, with},
    traces,
};

fn trusting(config: &mut keyward::config::Config) {
    config.trusted_proxies = vec!["127.0.0.2/32".parse().unwrap()];
}

#[tokio::test]
async fn behind_a_proxy_that_is_set_up_well_all_is_well() {
    let (app, _proxy) = Proxy::bind().await.request(honest).serve(trusting).await;
    let report = examined(&app).await;
    only(&report, &careless(&app).await);
    expect(&report, "client_address", Fine, "127.0.0.1");
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_found_by_the_address_that_the_server_saw() {
    let (app, _proxy) = Proxy::bind().await.request(honest).serve(|_| {}).await;
    let report = examined(&app).await;
    expect(&report, "client_address", Problem, "the server saw 127.0.0.2");
    assert!(finding(&report, "client_address").fix.as_ref().unwrap().contains("trusted_proxies"));
    expect(&report, "login", Fine, "");
}

#[tokio::test]
async fn a_proxy_that_passes_on_what_clients_invent_is_found() {
    let (app, _proxy) = Proxy::bind().await.serve(trusting).await;
    let report = examined(&app).await;
    expect(&report, "proxy_headers", Problem, "X-Forwarded-Host that a client has invented");
    expect(&report, "client_address", Problem, "192.0.2.77");
}

#[tokio::test]
async fn a_machine_that_is_trusted_itself_cannot_tell_whether_others_are_believed() {
    let app = healthy(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let report = examined(&app).await;
    only(&report, &careless(&app).await);
    for check in ["proxy_headers", "client_address"] {
        expect(&report, check, Skipped, "among trusted_proxies");
    }
}

#[tokio::test]
async fn a_proxy_that_hides_the_host_is_found() {
    let hides = |message: String| with(&message, "host", Some("keyward:8080"));
    let (app, _proxy) = Proxy::bind().await.request(hides).serve(|_| {}).await;
    let report = examined_as(&app, |_| {}).await;
    expect(&report, "proxy_headers", Problem, "was not told the host");
}

#[tokio::test]
async fn a_proxy_that_takes_flags_of_cookies_away_is_found() {
    let strips = |message: String| message.replace("HttpOnly; ", "").replace("SameSite=Lax", "SameSite=None");
    let (app, _proxy) = Proxy::bind().await.answer(strips).serve(|_| {}).await;
    let report = examined(&app).await;
    expect(&report, "cookies", Problem, "expected HttpOnly, expected SameSite=Lax");
    for cookie in ["browser", "session", "device"] {
        assert!(finding(&report, "cookies").summary.contains(&format!("keyward_{cookie}_")), "{report:#?}");
    }
}

#[tokio::test]
async fn a_proxy_that_takes_cookies_away_lets_nobody_sign_in_and_nothing_is_left() {
    let strips = |message: String| with(&message, "set-cookie", None);
    let (app, _proxy) = Proxy::bind().await.answer(strips).serve(|_| {}).await;
    let before = traces(&app).await;
    let report = examined(&app).await;
    expect(&report, "cookies", Problem, "no cookie");
    expect(&report, "login", Problem, "at the step sign_in");
    assert!(finding(&report, "login").summary.contains("request "), "the request id helps to find it in the log");
    assert_eq!(traces(&app).await, before);
}

#[tokio::test]
async fn a_clock_that_is_slow_is_found() {
    let slow = |message: String| with(&message, "date", Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    let (app, _proxy) = Proxy::bind().await.answer(slow).serve(|_| {}).await;
    expect(&examined(&app).await, "clock_server", Problem, "behind this machine's");
    let none = |message: String| with(&message, "date", None);
    let (app, _proxy) = Proxy::bind().await.answer(none).serve(|_| {}).await;
    let report = examined_as(&app, |_| {}).await;
    expect(&report, "clock_server", keyward::cli::doctor::Status::Warning, "no Date");
    // the tokens tell it as well
    expect(&examined(&app).await, "clock_server", Fine, "by the tokens that it signs");
}

#[tokio::test]
async fn a_proxy_without_its_server_is_found_and_what_is_local_is_looked_at() {
    let down = |_| "HTTP/1.1 502 Bad Gateway\r\n\r\n".to_owned();
    let (app, _proxy) = Proxy::bind().await.answer(down).serve(|_| {}).await;
    let report = examined(&app).await;
    expect(&report, "issuer", Problem, "502 Bad Gateway");
    for check in ["ready", "metadata", "proxy_headers", "https_only", "login", "client_address", "cookies"] {
        expect(&report, check, Skipped, "not checked: the server cannot be reached");
    }
    for check in ["file_modes", "database", "database_latency", "clock_database", "mail_queue", "keys"] {
        expect(&report, check, Fine, "");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_found() {
    let app = healthy(|_| {}).await;
    let port = free_port();
    let report = examined_as(&app, |loaded| loaded.config.issuer = Some(format!("http://localhost:{port}"))).await;
    expect(&report, "issuer", Problem, &format!("nothing answers at localhost, port {port}"));
    expect(&report, "database", Fine, "");
    let report = examined_as(&app, |loaded| loaded.config.issuer = Some("https://keyward.invalid".to_owned())).await;
    expect(&report, "issuer", Problem, "keyward.invalid");
    expect(&report, "tls", Skipped, "");
    app.expect_errors("request parse error");
    let address = app.address();
    let report = examined_as(&app, |loaded| loaded.config.issuer = Some(format!("https://{address}"))).await;
    expect(&report, "tls", Problem, "no TLS connection");
    expect(&report, "ready", Skipped, "");
}

#[tokio::test]
async fn a_server_that_is_called_otherwise_is_found_and_nobody_signs_in_to_it() {
    let app = healthy(|_| {}).await;
    let other = format!("http://{}", app.address());
    let mut loaded = super::loaded(&app.app.config);
    loaded.config.issuer = Some(other.clone());
    let report = Box::pin(keyward::cli::doctor::examine(&loaded, false, &app.clock, std::future::pending())).await;
    expect(&report, "metadata", Problem, &format!("calls itself {}, expected {other}", app.issuer));
    expect(&report, "login", Skipped, "not the server");
    expect(&report, "proxy_headers", Problem, "");
}

#[tokio::test]
async fn metadata_that_were_changed_on_the_way_are_found() {
    let rewrites = |message: String| message.replace("http://localhost", "http://127.0.0.1");
    let (app, _proxy) = Proxy::bind().await.answer(rewrites).serve(|_| {}).await;
    expect(&examined_as(&app, |_| {}).await, "metadata", Problem, "calls itself");
    let moves = |message: String| message.replace("\"jwks_uri\":\"http://localhost", "\"jwks_uri\":\"http://elsewhere");
    let (app, _proxy) = Proxy::bind().await.answer(moves).serve(|_| {}).await;
    expect(&examined_as(&app, |_| {}).await, "metadata", Problem, "jwks_uri");
}

#[tokio::test]
async fn keys_that_do_not_reach_clients_are_found() {
    let hides = |message: String| match message.contains("\"kty\"") {
        true => format!("{}\r\n\r\n{{\"keys\":[]}}", message.split("\r\n\r\n").next().unwrap()),
        false => message,
    };
    let (app, _proxy) = Proxy::bind().await.answer(hides).serve(|_| {}).await;
    let before = traces(&app).await;
    let report = examined(&app).await;
    expect(&report, "keys", Problem, "does not publish");
    expect(&report, "login", Problem, "at the step verify");
    assert_eq!(traces(&app).await, before);
}

#[tokio::test]
async fn a_server_that_is_not_ready_is_found() {
    let stopping = Arc::new(AtomicBool::new(true));
    let seen = stopping.clone();
    let answer = move |message: String| match message.contains("\"status\":\"ready\"") {
        true if seen.load(Ordering::SeqCst) => {
            "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"status\":\"stopping\"}".to_owned()
        }
        true => format!("HTTP/1.1 {}\r\n\r\nwhere?", StatusCode::NOT_FOUND),
        false => message,
    };
    let (app, _proxy) = Proxy::bind().await.answer(answer).serve(|_| {}).await;
    expect(&examined_as(&app, |_| {}).await, "ready", Problem, "not ready: stopping");
    stopping.store(false, Ordering::SeqCst);
    expect(&examined_as(&app, |_| {}).await, "ready", Skipped, "does not pass /health/ready on");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let floods = |message: String| match header(&message, "content-type") {
        Some("application/json") => format!("{message}{}", " ".repeat(2 << 20)),
        _ => message,
    };
    let (app, _proxy) = Proxy::bind().await.answer(floods).serve(|_| {}).await;
    let report = examined_as(&app, |_| {}).await;
    expect(&report, "issuer", Problem, "larger than");
}
