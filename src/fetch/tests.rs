//! The fetcher against servers that mean harm, on loopback.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::config::Config;

fn config(allowed: &[&str]) -> config::Fetch {
    let mut config = Config::defaults().fetch;
    config.allowed_networks = allowed.iter().map(|network| network.parse().unwrap()).collect();
    config.timeout = Duration::from_millis(1500);
    config.max_bytes = 4096;
    config
}

fn fetcher() -> Fetcher {
    Fetcher::new(&config(&["127.0.0.0/8"])).unwrap()
}

/// A server that counts its visitors and hands each to `serve`, after the request's first bytes.
async fn server<F, R>(serve: F) -> (String, Arc<AtomicUsize>)
where
    F: Fn(TcpStream, usize) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = visits.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let visit = counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).await;
            tokio::spawn(serve(stream, visit));
        }
    });
    (url, visits)
}

async fn answers(text: &'static str) -> (String, Arc<AtomicUsize>) {
    server(move |mut stream, _| async move {
        let _ = stream.write_all(text.as_bytes()).await;
    })
    .await
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_document_arrives_whatever_its_content_type() {
    let (url, _) =
        answers("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}").await;
    assert_eq!(fetcher().json(&url).await, Ok(json!({"keys": []})));
    // By name as well, through the guarded resolver
    let by_name = url.replace("127.0.0.1", "localhost");
    let both = Fetcher::new(&config(&["127.0.0.0/8", "::1/128"])).unwrap();
    assert_eq!(both.json(&by_name).await, Ok(json!({"keys": []})));
}

#[tokio::test]
async fn nothing_else_than_200_counts_and_nothing_is_followed() {
    let (target, visits) = answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    for status in [300, 301, 302, 303, 307, 308] {
        let location = target.clone();
        let (url, _) = server(move |mut stream, _| {
            let text = format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            async move {
                let _ = stream.write_all(text.as_bytes()).await;
            }
        })
        .await;
        assert_eq!(fetcher().json(&url).await, Err(FetchError::Redirect(status)));
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    let (url, _) = answers("HTTP/1.1 404 X\r\nContent-Length: 2\r\n\r\n{}").await;
    assert_eq!(fetcher().json(&url).await, Err(FetchError::Status(404)));
    let (url, _) = answers("HTTP/1.1 204 X\r\n\r\n").await;
    assert_eq!(fetcher().json(&url).await, Err(FetchError::Status(204)));
}

#[tokio::test]
async fn a_large_answer_is_cut_off() {
    // Announced
    let (url, _) = answers("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{").await;
    assert_eq!(fetcher().json(&url).await, Err(FetchError::TooLarge { max: 4096 }));
    // Endless, with and without chunks
    for head in ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
        let (url, _) = server(move |mut stream, _| async move {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(b"400\r\n").await.is_ok() && stream.write_all(&[b' '; 1024]).await.is_ok() {
                let _ = stream.write_all(b"\r\n").await;
            }
        })
        .await;
        let begun = Instant::now();
        assert_eq!(fetcher().json(&url).await, Err(FetchError::TooLarge { max: 4096 }));
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
    // Just within
    let body = format!("\"{}\"", "x".repeat(4094));
    let (url, _) = server(move |mut stream, _| {
        let text = ok(&body);
        async move {
            let _ = stream.write_all(text.as_bytes()).await;
        }
    })
    .await;
    assert!(fetcher().json(&url).await.is_ok());
}

#[tokio::test]
async fn a_slow_answer_is_given_up_in_time() {
    let silent = server(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let dripping = server(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    for (url, _) in [silent, dripping] {
        let begun = Instant::now();
        assert_eq!(fetcher().json(&url).await, Err(FetchError::Timeout(Duration::from_millis(1500))));
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let deep: &'static str = Box::leak(ok(&"[".repeat(4000)).into_boxed_str());
    for text in ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html", deep] {
        let (url, _) = answers(text).await;
        assert!(matches!(fetcher().json(&url).await, Err(FetchError::NotJson(_))));
    }
    // Nothing is inflated: the body is taken as it is
    let (url, _) = answers("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}").await;
    assert_eq!(fetcher().json(&url).await, Ok(json!({})));
    let (url, _) = answers("SSH-2.0-OpenSSH\r\n").await;
    assert!(matches!(fetcher().json(&url).await, Err(FetchError::Connection(_))));
}

#[tokio::test]
async fn urls_that_lead_inside_are_refused_without_a_connection() {
    let closed = Fetcher::new(&config(&[])).unwrap();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "0",
        "①②⑦.0.0.1",
        "127.0.0.1.",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001::1]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
    ] {
        let got = closed.json(&format!("https://{host}/keys")).await;
        assert!(matches!(got, Err(FetchError::Address(_))), "{host}: {got:?}");
    }
    // By name: the resolver's guard
    let got = closed.json("https://localhost/keys").await;
    assert!(matches!(got, Err(FetchError::Address(_))), "{got:?}");
    for url in [
        "http://93.184.216.34/keys",
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "data:,{}",
        "unix:/run/x",
        "https://",
        "https://user@example.com/",
        "https://user:pw@example.com/",
        "https://:pw@example.com/",
        "https://example.com:25/",
        "https://example.com:22/",
        "https://[fe80::1%25eth0]/",
        "example.com",
        "",
    ] {
        let got = closed.json(url).await;
        assert!(matches!(got, Err(FetchError::Url(_))), "{url}: {got:?}");
    }
    let long = format!("https://example.com/{}", "a".repeat(4000));
    assert_eq!(closed.json(&long).await, Err(FetchError::Url("it is too long")));
    // Plain http goes to listed networks only, even where the address is global
    let got = fetcher().json("http://93.184.216.34/keys").await;
    assert!(matches!(got, Err(FetchError::Address(_))), "{got:?}");
}

fn resolving(allowed: &[&str], answers: &[&[&str]]) -> Fetcher {
    let answers: VecDeque<Vec<IpAddr>> =
        answers.iter().map(|ips| ips.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
    Fetcher::with_lookup(&config(allowed), Lookup::Answers(Arc::new(Mutex::new(answers)))).unwrap()
}

#[tokio::test]
async fn every_address_of_a_name_must_be_allowed() {
    let (url, visits) = answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let url = url.replace("127.0.0.1", "keys.example");
    for second in ["10.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1"] {
        let got = resolving(&["127.0.0.0/8"], &[&["127.0.0.1", second]]).json(&url).await;
        assert_eq!(
            got.unwrap_err(),
            FetchError::Address(address::Unreachable {
                ip: second.parse().unwrap(),
                kind: address::special(second.parse().unwrap()).unwrap(),
            })
        );
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_cannot_be_rebound_between_check_and_connection() {
    let (url, visits) = answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let url = url.replace("127.0.0.1", "keys.example");
    // The first answer is checked and connected to; nobody asks a second time
    let fetcher = resolving(&["127.0.0.1/32"], &[&["127.0.0.1"], &["127.0.0.2"]]);
    assert_eq!(fetcher.json(&url).await, Ok(json!({})));
    assert_eq!(visits.load(Ordering::SeqCst), 1);
    // The next fetch asks again, as no connection is kept, and is refused
    assert!(matches!(fetcher.json(&url).await, Err(FetchError::Address(_))));
    assert_eq!(visits.load(Ordering::SeqCst), 1);
}

/// A server whose set has the key `k0` at the first visit, `k1` at the second and so on; it fails where told.
async fn rotating(fails: fn(usize) -> bool) -> (String, Arc<AtomicUsize>) {
    server(move |mut stream, visit| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let text = match fails(visit) {
            true => "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_owned(),
            false => ok(&json!({"keys": [{"kid": format!("k{visit}")}], "more": 1}).to_string()),
        };
        let _ = stream.write_all(text.as_bytes()).await;
    })
    .await
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds)
}

fn set(visit: usize) -> Result<Arc<Value>, FetchError> {
    Ok(Arc::new(json!({"keys": [{"kid": format!("k{visit}")}]})))
}

#[tokio::test]
async fn a_key_set_serves_for_five_minutes() {
    let (url, visits) = rotating(|_| false).await;
    let fetcher = fetcher();
    assert_eq!(fetcher.client_keys(&url, at(0), Some("k0")).await, set(0));
    assert_eq!(fetcher.client_keys(&url, at(299), Some("k0")).await, set(0));
    assert_eq!(fetcher.client_keys(&url, at(299), None).await, set(0));
    assert_eq!(visits.load(Ordering::SeqCst), 1);
    assert_eq!(fetcher.client_keys(&url, at(300), None).await, set(1));
}

#[tokio::test]
async fn an_unknown_kid_asks_again_but_not_often() {
    let (url, visits) = rotating(|_| false).await;
    let fetcher = fetcher();
    assert_eq!(fetcher.client_keys(&url, at(0), Some("k0")).await, set(0));
    for second in 1..30 {
        assert_eq!(fetcher.client_keys(&url, at(second), Some("made up")).await, set(0));
    }
    assert_eq!(visits.load(Ordering::SeqCst), 1);
    assert_eq!(fetcher.client_keys(&url, at(30), Some("k1")).await, set(1));
    assert_eq!(fetcher.client_keys(&url, at(59), Some("made up")).await, set(1));
    assert_eq!(visits.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn many_callers_make_one_request() {
    let (url, visits) = rotating(|_| false).await;
    let fetcher = fetcher();
    let callers = (0..50).map(|_| fetcher.client_keys(&url, at(0), Some("k0")));
    for got in futures_util::future::join_all(callers).await {
        assert_eq!(got, set(0));
    }
    assert_eq!(visits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_undo_the_fetch() {
    let (url, visits) = rotating(|_| false).await;
    let fetcher = fetcher();
    for _ in 0..5 {
        // asked once, and dropped before anybody can have answered
        assert!(fetcher.client_keys(&url, at(0), None).now_or_never().is_none());
    }
    assert_eq!(fetcher.client_keys(&url, at(0), None).await, set(0));
    assert_eq!(visits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_error_is_remembered_for_ten_seconds() {
    let (url, visits) = rotating(|visit| visit == 0).await;
    let fetcher = fetcher();
    for second in [0, 1, 9] {
        assert_eq!(fetcher.client_keys(&url, at(second), None).await, Err(FetchError::Status(500)));
    }
    assert_eq!(visits.load(Ordering::SeqCst), 1);
    assert_eq!(fetcher.client_keys(&url, at(10), None).await, set(1));
}

#[tokio::test]
async fn an_error_takes_nothing_from_a_set_that_still_serves() {
    let (url, visits) = rotating(|visit| visit > 0).await;
    let fetcher = fetcher();
    assert_eq!(fetcher.client_keys(&url, at(0), Some("k0")).await, set(0));
    assert_eq!(fetcher.client_keys(&url, at(40), Some("made up")).await, set(0));
    assert_eq!(fetcher.client_keys(&url, at(41), Some("k0")).await, set(0));
    assert_eq!(fetcher.client_keys(&url, at(60), Some("made up")).await, set(0));
    assert_eq!(visits.load(Ordering::SeqCst), 2);
    assert_eq!(fetcher.client_keys(&url, at(300), Some("k0")).await, Err(FetchError::Status(500)));
}

#[tokio::test]
async fn whoever_is_asked_learns_of_the_trace_that_this_is_part_of() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let heard = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            heard.lock().unwrap().push(String::from_utf8_lossy(&head[..read]).to_lowercase());
            let _ = stream.write_all(ok("{\"keys\":[]}").as_bytes()).await;
        }
    });
    let fetcher = fetcher();
    let now = Timestamp::from_seconds(1);
    let here = trace::Here::new(None, None, || now);
    let expected = format!("traceparent: 00-{}-", here.context.trace());
    // also by the task that fetches for all who wait
    trace::within(here.clone(), fetcher.client_keys(&url, now, None)).await.unwrap();
    trace::within(here, fetcher.json(&url)).await.unwrap();
    fetcher.json(&url).await.unwrap();
    let heads = heads.lock().unwrap().clone();
    assert!(heads[0].contains(&expected) && heads[1].contains(&expected), "{heads:?}");
    assert!(!heads[2].contains("traceparent"), "{heads:?}");
}
