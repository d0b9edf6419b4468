//! What commands print: results on standard output, everything else goes to the log on standard error.

use std::io::{self, IsTerminal, Write};

use super::Refused;

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

/// Tells the command's user something that is no result: on standard error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Asks whether to do something that cannot be undone: true for `y` or `yes`.
///
/// # Errors
/// [`Refused`] where nobody can be asked, which is then to be said with `--yes`.
pub fn confirm(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let message = format!("{question} Nobody can be asked here, standard input is no terminal: say it with --yes.");
        return Err(Refused(vec![message]).into());
    }
    let _ = write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stderr().flush());
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// A text without characters that would move a terminal's cursor.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
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
