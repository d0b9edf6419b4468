//! What an OpenTelemetry collector is told.

use std::sync::{Arc, Mutex};

use keyward::config::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    stage::ADA,
    support::{
        PASSWORD, TestApp,
        browser::{Browser, http},
        relying_party::send,
    },
};

const TRACE: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
const PARENT: [u8; 8] = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();

/// A collector that accepts everything; the requests that it got, head and body.
async fn collector() -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let got = Arc::new(Mutex::new(Vec::new()));
    let told = got.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while stream.read_buf(&mut request).await.is_ok_and(|n| n > 0) {
                    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                    if request.len() >= end + 4 + length.parse::<usize>().unwrap() {
                        told.lock().unwrap().push(std::mem::take(&mut request));
                        let answer =
                            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                        stream.write_all(answer).await.unwrap();
                    }
                }
            });
        }
    });
    (address, got)
}

async fn watched(endpoint: &str, change: impl FnOnce(&mut Config)) -> TestApp {
    let endpoint = endpoint.to_owned();
    TestApp::spawn_with(|config| {
        config.otlp.endpoint = Some(endpoint);
        config.otlp.headers = Some("x-tenant=house, authorization=Bearer abc".into());
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        change(config);
    })
    .await
}

fn has(request: &[u8], part: &[u8]) -> bool {
    request.windows(part.len()).any(|bytes| bytes == part)
}

#[tokio::test]
async fn a_collector_is_told_of_requests_and_of_nobody() {
    let (endpoint, got) = collector().await;
    let app = watched(&endpoint, |_| {}).await;
    app.principal(ADA, &[], |_| {}).await;
    let browser = Browser::new();
    browser.sign_in(&app, ADA, PASSWORD).await;
    let http = http().build().unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    send(http.get(app.url("/resources/iam/principals/17")).header("traceparent", trace)).await;
    send(http.get(app.url(&format!("/{ADA}")))).await;
    let session = browser.cookie(&app, "keyward_session").unwrap();
    // a server that stops tells what is left
    app.stop().await;

    let got = got.lock().unwrap().clone();
    assert!(!got.is_empty());
    let all = got.concat();
    let head = String::from_utf8_lossy(&all).to_lowercase();
    for part in ["post /v1/traces http/1.1", "x-tenant: house", "authorization: bearer abc", "application/x-protobuf"] {
        assert!(head.contains(part), "{part}\n{head}");
    }
    for name in ["POST /login", "GET /resources/iam/principals/{id}", "GET unmatched", "service.name", "keyward"] {
        assert!(has(&all, name.as_bytes()), "{name}\n{head}");
    }
    assert!(has(&all, &TRACE) && has(&all, &PARENT), "the caller's trace goes on");
    for secret in [ADA, PASSWORD, "principals/17", "127.0.0.1:", session.as_str()] {
        let told = got.iter().any(|request| {
            let body = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            has(&request[body..], secret.as_bytes())
        });
        assert!(!told, "{secret}");
    }
}

#[tokio::test]
async fn who_began_the_trace_decides_whether_it_is_told_of() {
    let (endpoint, got) = collector().await;
    let app = watched(&endpoint, |config| config.otlp.sample_percent = 0).await;
    let http = http().build().unwrap();
    send(http.get(app.url("/begun-here"))).await;
    let unwanted = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    send(http.get(app.url("/login")).header("traceparent", unwanted)).await;
    app.stop().await;
    assert!(got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_no_ones_trouble() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let app = watched(&format!("http://{nobody}"), |_| {}).await;
    let http = http().build().unwrap();
    assert_eq!(send(http.get(app.url("/login"))).await.status, reqwest::StatusCode::OK);
    app.stop().await;
}
