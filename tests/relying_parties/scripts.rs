//! Relying parties in other languages. Each is a script beside this file; how it talks with the test is told there.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use url::Position;

use crate::{REDIRECT_URI, Scene, act};

/// Ends the script if the test ends before it.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a script up to its end and tells what it has verified. What it writes to standard error is shown as it is.
async fn run(mut command: Command) -> Vec<String> {
    let scene = Scene::set().await;
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    // a proxy that the environment names would not find this server
    command.env("NO_PROXY", "*").env("no_proxy", "*");
    let mut script = Script(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
    let mut stdin = script.0.stdin.take().unwrap();
    let mut stdout = BufReader::new(script.0.stdout.take().unwrap()).lines();
    writeln!(
        stdin,
        "{}",
        json!({
            "issuer": scene.app.issuer,
            "redirect_uri": REDIRECT_URI,
            "clients": {
                "basic": { "id": "basic", "secret": scene.basic.secret },
                "post": { "id": "post", "secret": scene.post.secret },
                "jwt": { "id": scene.jwt.client.id, "key": scene.key },
                "public": { "id": scene.public.client.id },
            },
        })
    )
    .unwrap();
    loop {
        // the server answers the script meanwhile
        let (line, rest) = tokio::task::spawn_blocking(move || (stdout.next(), stdout)).await.unwrap();
        stdout = rest;
        let Some(line) = line else { panic!("{command:?} ended early: {}", script.0.wait().unwrap()) };
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if let Some(verified) = message.get("verified") {
            assert!(script.0.wait().unwrap().success());
            return serde_json::from_value(verified.clone()).unwrap();
        }
        let callback = act(message["open"].as_str().expect("a line with open or verified")).await;
        let parameters = form_urlencoded::Serializer::new(String::new()).extend_pairs(&callback.parameters).finish();
        let answer = match callback.form_post {
            true => json!({ "body": parameters }),
            // what a browser asks the application for: fragments stay with the browser
            false => json!({ "url": callback.url[..Position::AfterQuery] }),
        };
        writeln!(stdin, "{answer}").unwrap();
    }
}

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/relying_parties").join(name);
    path.into_os_string().into_string().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openid_client_for_node_works() {
    let Ok(folder) = std::env::var("KEYWARD_TEST_NODE") else {
        return eprintln!(
            "skipped: openid-client is not installed (KEYWARD_TEST_NODE is not set); tests/run installs it"
        );
    };
    let mut node = Command::new("node");
    node.arg(script("node/party.mjs")).env("KEYWARD_TEST_NODE", folder);
    let verified = Box::pin(run(node)).await;
    assert_eq!(
        verified,
        [
            "discovery",
            "code flow with PKCE, state, nonce and ID token",
            "userinfo",
            "refresh",
            "introspection",
            "an unknown code is refused",
            "revocation",
            "client_credentials",
            "client_secret_post and form_post",
            "private_key_jwt",
            "public client",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_for_python_works() {
    let Ok(interpreter) = std::env::var("KEYWARD_TEST_PYTHON") else {
        return eprintln!("skipped: Authlib is not installed (KEYWARD_TEST_PYTHON is not set); tests/run installs it");
    };
    let mut python = Command::new(interpreter);
    python.arg(script("python/party.py"));
    let verified = Box::pin(run(python)).await;
    assert_eq!(
        verified,
        [
            "discovery",
            "code flow with PKCE, state, nonce and ID token",
            "userinfo",
            "refresh",
            "introspection",
            "an unknown code is refused",
            "revocation",
            "client_credentials",
            "client_secret_post",
            "private_key_jwt",
            "public client",
        ]
    );
}
