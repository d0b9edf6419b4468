//! Requests that the server makes, turned on the inside of its network. What it fetches by an address that somebody
//! registers is key sets; mail, directory and collector are where the operator has them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use keyward::{config::Config, model::client_auth::AuthMethod};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    oauth::client_auth::{Keys, good_claims, with_assertion},
    stage::{Stage, stage_with},
    support::api::Api,
};

/// A server that counts who comes and what they take, and answers all of them with `head` and then with `body` over and
/// over.
struct Inside {
    port: u16,
    visits: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
}

impl Inside {
    async fn at(address: &str, head: String, body: &'static [u8], times: usize) -> Inside {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (visits, written) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, sent) = (visits.clone(), written.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (head, sent) = (head.clone(), sent.clone());
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(head.as_bytes()).await;
                    for _ in 0..times {
                        match stream.write_all(body).await {
                            Ok(()) => sent.fetch_add(body.len(), Ordering::SeqCst),
                            Err(_) => break,
                        };
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        Inside { port, visits, written }
    }

    /// One that nobody should visit, at every address of this machine.
    async fn canary() -> Inside {
        let any = if TcpListener::bind(("::", 0)).await.is_ok() { "::" } else { "0.0.0.0" };
        Inside::at(any, "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n".to_owned(), b"{\"keys\":[]}", 1).await
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

/// An application that says that its keys are at `uri`, whatever may be registered.
async fn keys_at(uri: &str, config: impl FnOnce(&mut Config)) -> Stage {
    stage_with(config, |client| {
        client.auth_method = AuthMethod::PrivateKeyJwt;
        client.metadata.jwks_uri = Some(uri.to_owned());
    })
    .await
}

async fn outcome(s: &Stage, keys: &Keys) -> String {
    with_assertion(s, &keys.sign(json!({"alg": "ES256", "kid": "key-1"}), &good_claims(s))).await.outcome()
}

// 36
#[tokio::test]
async fn no_spelling_of_an_address_inside_is_connected_to() {
    let canary = Inside::canary().await;
    let keys = Keys::generate();
    let hosts = [
        "127.0.0.1",
        "127.0.0.2",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "%31%32%37.0.0.1",
        "\u{ff11}27.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1.",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "user:password@127.0.0.1",
        "public.example@127.0.0.1",
        "127.0.0.1\\@public.example",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
    ];
    let port = canary.port;
    let mut uris: Vec<String> = Vec::new();
    for host in hosts {
        uris.extend([format!("http://{host}:{port}/jwks"), format!("https://{host}:{port}/jwks")]);
    }
    uris.extend(
        ["file:///etc/passwd", "file://localhost/etc/passwd", "ftp://127.0.0.1/", "data:application/json,{}"]
            .map(str::to_owned),
    );
    uris.extend([
        format!("gopher://127.0.0.1:{port}/_GET"),
        format!("HTTPS://127.0.0.1:{port}"),
        format!("//127.0.0.1:{port}/jwks"),
    ]);
    let s = keys_at("https://app.example/jwks", |config| config.fetch.timeout = Duration::from_millis(500)).await;
    for uri in uris {
        s.reregister(|client| client.metadata.jwks_uri = Some(uri.clone())).await;
        assert_eq!(outcome(&s, &keys).await, "401 invalid_client", "{uri}");
        assert_eq!(canary.visits(), 0, "{uri} was connected to");
    }
}

// 36
#[tokio::test]
async fn an_answer_from_outside_leads_nowhere_inside() {
    let canary = Inside::canary().await;
    let keys = Keys::generate();
    let allowed = |config: &mut Config| config.fetch.allowed_networks = vec!["127.0.0.2/32".parse().unwrap()];
    for (status, location) in [
        ("301 Moved Permanently", format!("http://127.0.0.1:{}/jwks", canary.port)),
        ("302 Found", format!("http://127.0.0.1:{}/jwks", canary.port)),
        ("303 See Other", format!("//127.0.0.1:{}/jwks", canary.port)),
        ("307 Temporary Redirect", format!("http://localhost:{}/jwks", canary.port)),
        ("308 Permanent Redirect", "file:///etc/passwd".to_owned()),
        ("300 Multiple Choices", format!("http://127.0.0.1:{}/jwks", canary.port)),
    ] {
        let head = format!(
            "HTTP/1.1 {status}\r\nlocation: {location}\r\nrefresh: 0; url={location}\r\ncontent-length: 11\r\n\r\n"
        );
        let outside = Inside::at("127.0.0.2", head, b"{\"keys\":[]}", 1).await;
        let s = keys_at(&format!("http://127.0.0.2:{}/jwks", outside.port), allowed).await;
        assert_eq!(outcome(&s, &keys).await, "401 invalid_client", "{status}");
        assert_eq!((outside.visits(), canary.visits()), (1, 0), "{status} to {location}");
    }
    // the neighbour of a network that is allowed
    let s = keys_at(&format!("http://127.0.0.1:{}/jwks", canary.port), allowed).await;
    assert_eq!(outcome(&s, &keys).await, "401 invalid_client");
    assert_eq!(canary.visits(), 0);
}

/// More than sockets hold on the way between two processes, and far less than what is offered.
const ON_THE_WAY: usize = 32 << 20;

// 36
#[tokio::test]
async fn an_endless_or_enormous_answer_is_not_taken() {
    static MEGABYTE: [u8; 1 << 20] = [b' '; 1 << 20];
    let keys = Keys::generate();
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFF\r\n";
    for (what, head) in [
        ("a gigabyte", "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n"),
        ("until the end", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"),
        ("one endless chunk", chunk),
        ("endless headers", "HTTP/1.1 200 OK\r\nx: "),
    ] {
        let inside = Inside::at("127.0.0.1", head.to_owned(), &MEGABYTE, 1024).await;
        let s = keys_at(&format!("http://127.0.0.1:{}/jwks", inside.port), |config| {
            config.fetch.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await;
        assert_eq!(outcome(&s, &keys).await, "401 invalid_client", "{what}");
        assert_eq!(inside.visits(), 1, "{what}");
        let taken = inside.written.load(Ordering::SeqCst);
        assert!(taken < ON_THE_WAY, "{what}: {taken} bytes");
        // nor is it asked again at each attempt
        assert_eq!(outcome(&s, &keys).await, "401 invalid_client", "{what}");
        assert_eq!(inside.visits(), 1, "{what}");
    }
}

// 36
#[tokio::test]
async fn no_other_address_that_is_registered_is_ever_fetched() {
    let canary = Inside::canary().await;
    let s = stage_with(|config| config.fetch.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()], |_| {}).await;
    let owner = Api::owner(&s.app).await;
    let uri = |name: &str| format!("http://127.0.0.1:{}/{name}", canary.port);
    let body = json!({
        "redirectUris": [uri("cb")], "postLogoutRedirectUris": [uri("bye")], "resourceUris": [uri("api")],
        "clientUri": uri("client"), "logoUri": uri("logo"), "policyUri": uri("policy"), "tosUri": uri("tos"),
        "scopes": ["openid", "profile"],
    });
    assert_eq!(owner.put("/resources/iam/clients/fetching", body).await.said(), "201");
    s.app.principal("eve@example.com", &[], |eve| eve.picture = Some(uri("picture"))).await;
    let cb = uri("cb");
    let request = [("client_id", "fetching"), ("redirect_uri", cb.as_str()), ("scope", "openid profile")];
    let page = s.browser.open(&s.rp.authorization(&request).url).await;
    let consent = s
        .browser
        .press(&page, "sign-in", &[("username", "eve@example.com"), ("password", crate::support::PASSWORD)])
        .await;
    s.browser.press(&consent, "allow", &[]).await.callback().code();
    for extra in [("request_uri", uri("request")), ("sector_identifier_uri", uri("sector")), ("jku", uri("jku"))] {
        let mut request = request.to_vec();
        request.push((extra.0, &extra.1));
        s.browser.get(&s.rp.authorization(&request).url).await.callback();
    }
    assert_eq!(canary.visits(), 0);
}
