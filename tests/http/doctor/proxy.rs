//! A reverse proxy of the tests, which does to requests and answers what a test wants.

use std::{net::SocketAddr, sync::Arc};

use keyward::{clock::Clock, config::Config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};

use crate::support::TestApp;

/// What is done to the head of a request, or to an answer. A request of which nothing is left is never answered.
type Change = Arc<dyn Fn(String) -> String + Send + Sync>;

/// A proxy before it knows its server.
pub struct Proxy {
    listener: TcpListener,
    pub issuer: String,
    request: Change,
    answer: Change,
}

/// It works as long as this is there.
pub struct Working(JoinHandle<()>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Proxy {
    pub async fn bind() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        Proxy { listener, issuer, request: Arc::new(|text| text), answer: Arc::new(|text| text) }
    }

    /// Changes the heads of requests.
    pub fn request(mut self, change: impl Fn(String) -> String + Send + Sync + 'static) -> Proxy {
        self.request = Arc::new(change);
        self
    }

    /// Changes answers, head and body.
    pub fn answer(mut self, change: impl Fn(String) -> String + Send + Sync + 'static) -> Proxy {
        self.answer = Arc::new(change);
        self
    }

    /// A server whose issuer is this proxy, which comes to it from 127.0.0.2.
    pub async fn serve(self, change: impl FnOnce(&mut Config)) -> (TestApp, Working) {
        let issuer = format!("behind:{}", self.issuer);
        let app = TestApp::spawn_on(Clock::System, |config| {
            config.issuer = Some(issuer);
            change(config);
        })
        .await;
        let working = self.to(app.address());
        (app, working)
    }

    fn to(self, server: SocketAddr) -> Working {
        let Proxy { listener, request, answer, .. } = self;
        Working(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (request, answer) = (request.clone(), answer.clone());
                tokio::spawn(async move { pass(client, server, &request, &answer).await });
            }
        }))
    }
}

/// One request and its answer.
async fn pass(mut client: TcpStream, server: SocketAddr, request: &Change, answer: &Change) -> Option<()> {
    let mut received = Vec::new();
    let head = loop {
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if client.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(received[..head].to_vec()).ok()?;
    let length = header(&text, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while received.len() < head + length {
        client.read_buf(&mut received).await.ok()?;
    }
    let text = request(with(&text, "connection", Some("close")));
    if text.is_empty() {
        // an answer that never comes
        return std::future::pending().await;
    }
    let from = TcpSocket::new_v4().ok()?;
    // another address than the doctor's, as a proxy on another machine has
    from.bind("127.0.0.2:0".parse().ok()?).ok()?;
    let mut upstream = from.connect(server).await.ok()?;
    upstream.write_all(text.as_bytes()).await.ok()?;
    upstream.write_all(&received[head..head + length]).await.ok()?;
    let mut answered = Vec::new();
    upstream.read_to_end(&mut answered).await.ok()?;
    // the connection ends the body
    let answered = with(&answer(String::from_utf8(answered).ok()?), "content-length", None);
    client.write_all(answered.as_bytes()).await.ok()?;
    client.shutdown().await.ok()
}

/// A header of a message.
pub fn header<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    let head = message.split("\r\n\r\n").next()?;
    head.split("\r\n").find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The message with this header, and no other of this name.
pub fn with(message: &str, name: &str, value: Option<&str>) -> String {
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    let others = head.split("\r\n").enumerate().filter(|(n, line)| {
        let known = line.split(':').next().unwrap_or_default();
        *n == 0 || !known.eq_ignore_ascii_case(name)
    });
    let mut lines: Vec<String> = others.map(|(_, line)| line.to_owned()).collect();
    lines.extend(value.map(|value| format!("{name}: {value}")));
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

/// As a proxy should: it says itself whom it was asked for and by whom.
pub fn honest(message: String) -> String {
    let host = header(&message, "host").unwrap_or_default().to_owned();
    let message = with(&message, "x-forwarded-for", Some("127.0.0.1"));
    with(&with(&message, "x-forwarded-host", Some(&host)), "x-forwarded-proto", Some("http"))
}
