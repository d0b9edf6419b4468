//! An SMTP server of another make, as a process of its own: aiosmtpd, ruled by `server.py` beside this file.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use keyward::config::{Config, MailSecurity};
use serde_json::{Value, json};

/// A running server, ended with this.
pub struct Smtp {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub port: u16,
}

/// A mail that the server has accepted.
#[derive(Debug)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub message: String,
    pub tls: bool,
    pub user: Option<String>,
}

impl Received {
    /// A header's value, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.message.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let value = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))?;
        Some(value.to_owned())
    }
}

/// The Python that has aiosmtpd; a test that finds none says that it is skipped.
pub fn python() -> Option<String> {
    let python = std::env::var("KEYWARD_TEST_PYTHON").ok();
    if python.is_none() {
        eprintln!("skipped: aiosmtpd is not installed (KEYWARD_TEST_PYTHON is not set); tests/run installs it");
    }
    python
}

/// A mail's text without the marks of quoted-printable that ASCII gets (RFC 2045 §6.7).
pub fn decoded(message: &str) -> String {
    message.replace("=\r\n", "").replace("=3D", "=")
}

/// Where the server's certificate and its authority are.
pub fn tls_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/smtp/tls")
}

impl Smtp {
    /// A server without encryption that accepts everything.
    pub fn start() -> Option<Smtp> {
        Smtp::start_with(0, None, None)
    }

    /// A server on this port (0: any), with `starttls` or `tls`, for this user only.
    pub fn start_with(port: u16, tls: Option<&str>, user: Option<(&str, &str)>) -> Option<Smtp> {
        let script = tls_folder().with_file_name("server.py");
        let told = json!({ "port": port, "tls": tls, "folder": tls_folder(), "user": user });
        let mut command = Command::new(python()?);
        command.arg(script).arg(told.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let listening = read(&mut answers);
        let port = listening["port"].as_u64().unwrap().try_into().unwrap();
        Some(Smtp { child, commands, answers, port })
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        read(&mut self.answers)
    }

    /// What a stage answers from now on: a reply, `silence` or `hold`.
    pub fn rule(&mut self, stage: &str, reply: &str) {
        self.ask(&json!({ "do": "rule", "stage": stage, "reply": reply, "times": null }));
    }

    /// What a stage answers the next `times` times.
    pub fn rule_for(&mut self, times: u32, stage: &str, reply: &str) {
        self.ask(&json!({ "do": "rule", "stage": stage, "reply": reply, "times": times }));
    }

    /// What is answered about one recipient.
    pub fn rule_about(&mut self, address: &str, reply: &str) {
        self.ask(&json!({ "do": "rule", "stage": "rcpt", "reply": reply, "times": null, "address": address }));
    }

    /// A stage is as usual again.
    pub fn forget(&mut self, stage: &str) {
        self.ask(&json!({ "do": "rule", "stage": stage, "reply": null }));
    }

    /// Lets go of what is held.
    pub fn release(&mut self) {
        self.ask(&json!({ "do": "release" }));
    }

    /// How often a stage was reached; of `held`, how many mails are held now.
    pub fn count(&mut self, stage: &str) -> u64 {
        self.ask(&json!({ "do": "counts" }))[stage].as_u64().unwrap()
    }

    /// The mails that were accepted.
    pub fn received(&mut self) -> Vec<Received> {
        let all = self.ask(&json!({ "do": "received" }));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let one = |mail: &Value| Received {
            from: text(&mail["from"]).unwrap(),
            to: mail["to"].as_array().unwrap().iter().filter_map(text).collect(),
            message: text(&mail["message"]).unwrap(),
            tls: mail["tls"].as_bool().unwrap(),
            user: text(&mail["user"]),
        };
        all.as_array().unwrap().iter().map(one).collect()
    }

    /// Ends it; its port is free then.
    pub fn stop(self) -> u16 {
        self.port
    }

    /// What makes Keyward send by this server.
    pub fn configure(&self, config: &mut Config) {
        config.mail.host = Some("127.0.0.1".to_owned());
        config.mail.port = Some(self.port.into());
        config.mail.security = MailSecurity::None;
        config.mail.from = Some("no-reply@keyward.example".to_owned());
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(answers: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("the SMTP server has ended"))
}
