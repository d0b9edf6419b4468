//! What servers of this kind have fallen to. Each test names the attack; the numbers beside them are rows of [`table`],
//! which names the test that proves each clause of each row.

mod administration;
mod codes;
mod exhaustion;
mod jose;
mod outgoing;
mod pages;
mod redirects;
mod sessions;
mod table;

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{stage::Stage, support::TestApp};

use table::{ASVS, Proof, ROWS};

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

impl Stage {
    /// The port, which is part of the cookies' names.
    fn port(&self) -> &str {
        self.app.issuer.rsplit(':').next().unwrap()
    }
}

/// A connection to the server, for what an HTTP client would not send.
async fn connect(app: &TestApp) -> TcpStream {
    let port = app.issuer.rsplit(':').next().unwrap();
    TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap()
}

/// All that the server answers to these bytes; whatever it did not want to read is not sent.
async fn exchange(app: &TestApp, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(app).await;
    let _ = stream.write_all(bytes.as_ref()).await;
    answered(&mut stream).await
}

/// What comes until the server closes the connection.
async fn answered(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // an error after the answer says that the rest of the request was not read
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request for a path, character by character, with these lines of headers.
fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")
}

/// The statuses of all answers in a text.
fn statuses(answer: &str) -> Vec<u16> {
    answer.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()).collect()
}

/// The source of a module of this binary.
fn source_of(modules: &[&str]) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http").join(modules.join("/"));
    [path.with_extension("rs"), path.join("mod.rs")].iter().find_map(|path| fs::read_to_string(path).ok())
}

/// Whether a source has a test of this name.
fn has_test(source: &str, name: &str) -> bool {
    let signatures = [format!("async fn {name}("), format!("fn {name}(")];
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        if signatures.iter().any(|signature| line.starts_with(signature)) {
            return marked;
        }
        marked = line.ends_with("test]") || line.contains("::test(") || (marked && line.starts_with("#["));
    }
    false
}

/// Why a proof proves nothing; `None` if it does.
fn fault(proof: &Proof) -> Option<String> {
    let by_test = |path: &str| {
        let mut modules: Vec<&str> = path.split("::").collect();
        let name = modules.pop()?;
        match source_of(&modules) {
            Some(source) if has_test(&source, name) => None,
            Some(_) => Some(format!("{path}: no such test")),
            None => Some(format!("{path}: no such module")),
        }
    };
    match proof {
        Proof::Tests([]) => Some("no test".to_owned()),
        Proof::Tests(paths) => paths.iter().find_map(|path| by_test(path)),
        Proof::Unit(file, name) => {
            let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
            (!has_test(&source, name)).then(|| format!("{file}: no test {name}"))
        }
        Proof::Measured(how) => {
            let (script, only) = how.split_once(' ').unwrap_or((how, ""));
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(script).is_file();
            (!there || only.is_empty()).then(|| format!("{how}: no such measurement"))
        }
        Proof::NotApplicable(reason) => (reason.len() < 20).then(|| format!("'{reason}' is no reason")),
    }
}

#[test]
fn every_row_is_proven_clause_by_clause() {
    let numbers: Vec<u32> = ROWS.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=46).collect::<Vec<_>>(), "each row once");
    let groups: BTreeSet<&str> = ASVS.iter().map(|row| row.requirement).collect();
    assert_eq!(groups.len(), ASVS.len(), "each requirement once");
    let asked = (1..=16).map(|n| format!("10.4.{n}")).chain((1..=2).map(|n| format!("10.6.{n}")));
    for requirement in asked.chain((1..=3).map(|n| format!("10.7.{n}"))).chain(["6.2", "7.2", "9.1"].map(str::to_owned))
    {
        let there = groups.iter().any(|group| *group == requirement || group.starts_with(&format!("{requirement}.")));
        assert!(there, "{requirement} is missing");
    }
    let clauses = ROWS.iter().map(|row| (format!("row {}", row.number), row.clauses));
    let clauses = clauses.chain(ASVS.iter().map(|row| (row.requirement.to_owned(), row.clauses)));
    let mut faults = Vec::new();
    for (row, clauses) in clauses {
        assert!(!clauses.is_empty(), "{row} has no clause");
        faults.extend(clauses.iter().filter_map(|(what, proof)| Some(format!("{row}, {what}: {}", fault(proof)?))));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_test_of_an_attack_stands_in_the_table() {
    let named: BTreeSet<&str> = ROWS
        .iter()
        .flat_map(|row| row.clauses)
        .chain(ASVS.iter().flat_map(|row| row.clauses))
        .flat_map(|(_, proof)| if let Proof::Tests(paths) = proof { *paths } else { &[] })
        .copied()
        .collect();
    for module in ["administration", "codes", "exhaustion", "jose", "outgoing", "pages", "redirects", "sessions"] {
        let source = source_of(&["attacks", module]).unwrap();
        let functions = source.lines().filter_map(|line| line.strip_prefix("async fn ")?.split('(').next());
        for name in functions.filter(|name| has_test(&source, name)) {
            let path = format!("attacks::{module}::{name}");
            assert!(named.contains(path.as_str()), "{path} proves a clause that the table does not have");
        }
    }
}

/// What stands in a function's source, up to the line that closes it.
fn body_of(file: &str, function: &str) -> String {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let (_, rest) = source.split_once(function).unwrap_or_else(|| panic!("{file} has no {function}"));
    rest.lines().take_while(|line| !matches!(*line, "}" | "    }")).collect::<Vec<_>>().join("\n")
}

// 19: what is not found by its hash is compared in one of these
#[test]
fn every_comparison_of_a_secret_takes_the_same_time() {
    for (file, function, comparison) in [
        ("src/model/secret.rs", "pub fn matches(", ".ct_eq("),
        ("src/model/pkce.rs", "pub fn verify(", ".ct_eq("),
        ("src/hasher/argon.rs", "pub(super) fn verify(", ".ct_eq("),
        ("src/keys/master.rs", "pub fn mac_matches(", "verify_slices_are_equal("),
        ("src/identity/client.rs", "fn proof", ".matches("),
    ] {
        assert!(body_of(file, function).contains(comparison), "{file}: {function}");
    }
}
