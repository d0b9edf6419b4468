//! What must be true of the options of `[mail]` together, and what they come to.

use std::{fmt, net::IpAddr, time::Duration};

use super::{Config, Mail, MailSecurity, fault::Report};
use crate::model::email;

/// The most retries of a mail.
const MAX_RETRIES: usize = 3;
/// The shortest wait for one.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

impl Mail {
    /// Whether any mail is sent.
    pub fn is_configured(&self) -> bool {
        self.host.is_some() || self.directory.is_some()
    }

    /// The SMTP server's port.
    pub fn smtp_port(&self) -> u16 {
        self.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(self.security.usual_port())
    }

    /// The address that mails come from; every configuration that sends mail has one.
    pub fn from_address(&self) -> &str {
        self.from.as_deref().unwrap_or_default()
    }
}

/// Where mails go, in a line.
impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, &self.directory) {
            (Some(host), _) => {
                write!(f, "by {host}:{} ({}) from {}", self.smtp_port(), self.security, self.from_address())
            }
            (None, Some(directory)) => write!(f, "into files in {}", directory.display()),
            (None, None) => f.write_str("none is sent"),
        }
    }
}

/// Notes everything that does not fit.
pub(super) fn validate(config: &Config, report: &mut Report) {
    let mail = &config.mail;
    if mail.host.is_some() && mail.directory.is_some() {
        report.complain(&["mail.directory", "mail.host"], "expected one of mail.host and mail.directory, got both");
    }
    if !mail.is_configured() {
        let alone = [
            ("mail.port", mail.port.is_some()),
            ("mail.user", mail.user.is_some()),
            ("mail.password", mail.password.is_some()),
            ("mail.ca_certificates", mail.ca_certificates.is_some()),
            ("mail.from", mail.from.is_some()),
            ("mail.from_name", mail.from_name.is_some()),
        ];
        for (key, _) in alone.iter().filter(|(_, given)| *given) {
            report.complain(&[key, "mail.host"], "expected mail.host or mail.directory with it: no mail is sent");
        }
    }
    if mail.directory.is_some() && mail.host.is_none() && mail.user.is_some() {
        report.complain(&["mail.user", "mail.directory"], "expected mail.host with it, not mail.directory");
    }
    server(mail, report);
    sender(config, report);
    retries(mail, report);
}

fn server(mail: &Mail, report: &mut Report) {
    if let Some(port) = mail.port.filter(|port| !(1..=65_535).contains(port)) {
        report.complain(&["mail.port"], format!("got {port}, expected from 1 to 65535"));
    }
    match (&mail.user, &mail.password) {
        (Some(_), None) => report.complain(&["mail.user", "mail.password"], "expected mail.password with it"),
        (None, Some(_)) => report.complain(&["mail.password", "mail.user"], "expected mail.user with it"),
        _ => {}
    }
    if let Some(path) = mail.ca_certificates.as_deref().filter(|path| !path.is_file()) {
        report.complain(&["mail.ca_certificates"], format!("got {}, which is not a file that exists", path.display()));
    }
    let Some(host) = &mail.host else { return };
    let is_address = host.parse::<IpAddr>().is_ok();
    if !is_address && !email::is_domain(host) {
        report
            .complain(&["mail.host"], format!("got {host:?}, expected a name such as smtp.example.org, or an address"));
    }
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if mail.security == MailSecurity::None && !loopback && !mail.allow_unencrypted {
        report.complain(
            &["mail.security", "mail.host"],
            format!("got none with {host}, expected starttls or tls, unless mail.allow_unencrypted is true"),
        );
    }
}

fn sender(config: &Config, report: &mut Report) {
    let mail = &config.mail;
    match &mail.from {
        Some(from) => {
            if let Err(expected) = email::on_the_wire(from) {
                report.complain(&["mail.from"], expected);
            }
        }
        None if mail.is_configured() => {
            let with = if mail.host.is_some() { "mail.host" } else { "mail.directory" };
            report.complain_at("mail.from", &[with], "must be set to the address that mails come from");
        }
        None => {}
    }
    let name = mail.from_name.as_ref().unwrap_or(&config.branding.name);
    if mail.is_configured() && (name.trim().is_empty() || name.chars().any(char::is_control)) {
        report.complain(&["mail.from_name"], "expected a name without control characters");
    }
    for domain in mail.from_domains.iter().filter(|domain| !email::is_domain(domain)) {
        report.complain(&["mail.from_domains"], format!("got {domain:?}, expected a domain such as example.org"));
    }
}

fn retries(mail: &Mail, report: &mut Report) {
    let delays = &mail.retry_delays;
    if delays.len() > MAX_RETRIES {
        report.complain(&["mail.retry_delays"], format!("got {}, expected at most {MAX_RETRIES}", delays.len()));
    }
    if delays.iter().any(|delay| *delay < SHORTEST_WAIT) || !delays.is_sorted() {
        report.complain(
            &["mail.retry_delays"],
            "expected durations of a second or more, none shorter than the one before",
        );
    }
}
