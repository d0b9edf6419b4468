//! What commands print: results on standard output, everything else goes to the log on standard error.

use std::io::{self, Write};

/// Prints a text and, unless it ends with one, a line break. A reader that has gone away is no failure.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush());
}

/// Prints a value as indented JSON.
pub fn json(value: &serde_json::Value) {
    print(&format!("{value:#}"));
}

/// Reads a secret: the first line of standard input, without its line break.
///
/// # Errors
/// Standard input cannot be read or is empty.
pub fn secret_from_stdin() -> anyhow::Result<secrecy::SecretString> {
    let mut line = zeroize::Zeroizing::new(String::new());
    io::stdin().read_line(&mut line)?;
    let secret = line.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!secret.is_empty(), "expected the secret as one line on standard input, got nothing");
    Ok(secret.to_owned().into())
}
