//! The program itself, as an operator runs it: `keyward serve` and the commands beside it, on the embedded database.

use std::{
    net::{Ipv6Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{
    browser::{Browser, http},
    relying_party::{basic, send},
};

/// Longer than anything here takes; only a failure waits so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running `keyward serve`, ended with this.
pub struct Served {
    pub directory: tempfile::TempDir,
    pub issuer: String,
    child: Child,
}

pub fn program(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYWARD_")) {
        command.env_remove(name);
    }
    command.current_dir(data).args(arguments);
    command
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Served {
    pub async fn start(scheme: &str, settings: &[&str]) -> Served {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let (listen, issuer) = (format!("127.0.0.1:{port}"), format!("{scheme}://localhost:{port}"));
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let cheap = ["--set", "passwords.argon2_memory_kib=8", "--set", "passwords.answer_floor=0s"];
        let child = program(directory.path(), &["serve", "--listen", &listen, "--issuer", &issuer])
            .args(cheap)
            .args(settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let served = Served { directory, issuer, child };
        served.until(|| served.log().contains("Keyward ")).await;
        served
    }

    pub async fn until(&self, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Another command in the same directory.
    pub fn run(&self, arguments: &[&str]) -> Output {
        program(self.directory.path(), arguments).stdin(Stdio::null()).output().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    fn terminate(&self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + String::from_utf8_lossy(&output.stderr).as_ref()
}

#[tokio::test]
async fn without_any_setting_a_link_makes_the_owner_and_data_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let served = Served::start("http", &[]).await;
    let mode = served.directory.path().join("keyward-data").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let link = served.log().split_whitespace().find(|word| word.contains("/setup?token=")).unwrap().to_owned();
    let newer = text(&served.run(&["setup-link", "--issuer", &served.issuer]));
    let newer = newer.split_whitespace().find(|word| word.contains("/setup?token=")).unwrap();
    let browser = Browser::new();
    assert_eq!(browser.get(&link).await.status, StatusCode::FORBIDDEN, "a newer link voids the old one");
    let page = browser.open(newer).await;
    let fields = [
        ("name", "Ada"),
        ("email", "ada@example.org"),
        ("new_password", "Correct-horse-42-battery"),
        ("password_confirmation", "Correct-horse-42-battery"),
    ];
    browser.press(&page, "create-owner", &fields).await;
    assert_eq!(browser.get(&served.url("/account")).await.status, StatusCode::OK);
    let late = served.run(&["setup-link"]);
    assert_eq!((late.status.code(), text(&late).contains("set-up is done")), (Some(2), true));
}

#[tokio::test]
async fn a_running_server_notices_what_the_command_line_does() {
    let served = Served::start("http", &[]).await;
    let made = served.run(&["client", "create", "--id", "jobs", "--name", "Jobs", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let secret = made["secret"].as_str().unwrap();
    let request = http().build().unwrap().post(served.url("/oauth/token"));
    let request = request.header("authorization", basic("jobs", secret)).form(&[("grant_type", "client_credentials")]);
    assert_eq!(send(request).await.outcome(), "200");

    let key_set = || async { reqwest::get(served.url("/oauth/jwks")).await.unwrap().json::<Value>().await.unwrap() };
    assert_eq!(key_set().await["keys"].as_array().unwrap().len(), 2);
    assert!(served.run(&["key", "rotate"]).status.success());
    let begun = Instant::now();
    while key_set().await["keys"].as_array().unwrap().len() != 4 {
        assert!(begun.elapsed() < PATIENCE, "the new keys are not published");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(text(&served.run(&["key", "list"])).contains("next"));
    assert!(text(&served.run(&["principal", "create", "--email", "b@example.org"])).contains("id:"));
    assert!(text(&served.run(&["migrate"])).contains("up to date"));
}

#[tokio::test]
async fn it_answers_on_both_loopback_addresses_and_says_that_it_is_ready() {
    let served = Served::start("http", &[]).await;
    let port: u16 = served.issuer.rsplit(':').next().unwrap().parse().unwrap();
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    }
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(reqwest::get(served.url(path)).await.unwrap().status(), StatusCode::OK);
    }
    let listen = format!("127.0.0.1:{port}");
    assert_eq!(served.run(&["healthcheck", "--listen", &listen]).status.code(), Some(0));
    let nobody = format!("127.0.0.1:{}", free_port());
    assert_eq!(served.run(&["healthcheck", "--listen", &nobody]).status.code(), Some(1));
    // a second server on the same data is refused by name
    let second = served.run(&["serve", "--listen", &nobody]);
    assert_eq!((second.status.code(), text(&second).contains("another server uses the database")), (Some(1), true));
}

#[tokio::test]
async fn sigterm_finishes_what_has_begun_and_ends_well() {
    use std::io::{Read, Write};
    let mut served = Served::start("http", &[]).await;
    let port: u16 = served.issuer.rsplit(':').next().unwrap().parse().unwrap();
    let mut begun = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: localhost:{port}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: 13\r\nconnection: close\r\n\r\ngrant_type"
    );
    begun.write_all(head.as_bytes()).unwrap();
    // the request is under way once the server has answered another one on a later connection
    reqwest::get(served.url("/health/live")).await.unwrap();
    served.terminate();
    served.until(|| served.log().contains("SIGTERM")).await;
    begun.write_all(b"=xy").unwrap();
    let mut answer = String::new();
    begun.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("invalid_client"), "{answer}");
    assert_eq!(served.child.wait().unwrap().code(), Some(0), "{}", served.log());
}

#[tokio::test]
async fn it_serves_https_itself_and_its_cookies_are_for_the_host_alone() {
    let tls = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/tls");
    let certificate = format!("tls_certificate={}", tls.join("certificate.pem").display());
    let key = format!("tls_key={}", tls.join("key.pem").display());
    let served = Served::start("https", &["--set", &certificate, "--set", &key]).await;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = http().danger_accept_invalid_certs(true).build().unwrap();
    let answer = client.get(served.url("/login")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key("strict-transport-security"));
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-keyward_browser=") && cookie.contains("Secure"), "{cookie}");
    assert!(cookie.contains("Path=/") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
}

#[tokio::test]
async fn bootstrap_makes_an_owner_and_a_client_without_hands() {
    let secret = "a bootstrap secret that is longer than 32";
    let short = tempfile::tempdir().unwrap();
    let refused =
        program(short.path(), &["serve", "--set", "bootstrap.client_id=ops", "--set", "bootstrap.client_secret=short"]);
    let refused = { refused }.output().unwrap();
    assert_eq!((refused.status.code(), text(&refused).contains("bootstrap.client_secret")), (Some(2), true));
    let settings = ["--set", "bootstrap.client_id=ops", "--set", &format!("bootstrap.client_secret={secret}")];
    let served = Served::start("http", &settings).await;
    assert!(!served.log().contains("/setup?token="), "an owner was made");
    let request = http().build().unwrap().post(served.url("/oauth/token"));
    let request = request.header("authorization", basic("ops", secret)).form(&[("grant_type", "client_credentials")]);
    let answer = send(request).await;
    assert_eq!(answer.outcome(), "200");
    assert_eq!(crate::support::relying_party::claims_of(&answer.tokens().access_token)["roles"][0], "system:owner");
}

#[test]
fn the_configuration_is_checked_and_shown() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("keyward.toml"),
        "lisen = '127.0.0.1:1'\n[tokens]\naccess_token_lifetime = 'soon'\n",
    )
    .unwrap();
    let check = program(directory.path(), &["config", "check"]).env("KEYWARD_ISUER", "x").output().unwrap();
    let said = text(&check);
    assert_eq!(check.status.code(), Some(2), "{said}");
    for fault in ["lisen", "did you mean", "KEYWARD_ISUER", "access_token_lifetime"] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
    std::fs::write(directory.path().join("keyward.toml"), "master_key = 'not to be shown to anybody at all'\n")
        .unwrap();
    let show = program(directory.path(), &["config", "show"]).output().unwrap();
    let said = text(&show);
    assert!(show.status.success() && said.contains("keyward.toml") && !said.contains("not to be shown"), "{said}");
}
