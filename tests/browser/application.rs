//! An application that people come from and go back to: a listener that keeps what browsers bring.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::sync::{Mutex, mpsc};

/// The page that it answers with; without an icon, or the browser would ask for one.
const PAGE: &str = "<!doctype html><html lang=en><head><title>Application</title><link rel=icon href=data:,></head>\
                    <body><h1>Application</h1></body></html>";

/// What a browser brought to the application.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The parameters of the query or of the body.
    pub parameters: Vec<(String, String)>,
}

impl Arrival {
    /// A parameter, if it is there, and there once.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.parameters.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value
    }
}

/// A listening application; it ends when it is dropped.
pub struct Application {
    /// `http://localhost:<port>`.
    pub origin: String,
    address: std::net::SocketAddr,
    arrivals: Mutex<mpsc::UnboundedReceiver<Arrival>>,
    ended: Arc<AtomicBool>,
}

impl Application {
    pub fn listen() -> Application {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, arrivals) = mpsc::unbounded_channel();
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let sender = sender.clone();
                // browsers open connections that they do not use at once
                std::thread::spawn(move || {
                    if let Some(arrival) = answer(&stream) {
                        let _ = sender.send(arrival);
                    }
                });
            }
        });
        let origin = format!("http://localhost:{}", address.port());
        Application { origin, address, arrivals: Mutex::new(arrivals), ended }
    }

    /// Where authorization responses go.
    pub fn redirect_uri(&self) -> String {
        format!("{}/cb", self.origin)
    }

    /// Where people go who have signed out.
    pub fn bye(&self) -> String {
        format!("{}/bye", self.origin)
    }

    /// The next that a browser brings.
    pub async fn arrival(&self) -> Arrival {
        let mut arrivals = self.arrivals.lock().await;
        let arrival = tokio::time::timeout(Duration::from_secs(15), arrivals.recv()).await;
        arrival.expect("the browser comes to the application").unwrap()
    }

    /// Whether something came that nobody asked about yet.
    pub async fn was_visited(&self) -> bool {
        self.arrivals.lock().await.try_recv().is_ok()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut stream: &TcpStream) -> Option<Arrival> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let parameters = if method == "POST" { body } else { query.as_bytes().to_vec() };
    let parameters = form_urlencoded::parse(&parameters).into_owned().collect();
    let arrival = Arrival { method, path: path.to_owned(), parameters };
    let length = PAGE.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close");
    stream.write_all(format!("{head}\r\n\r\n{PAGE}").as_bytes()).ok()?;
    Some(arrival)
}
