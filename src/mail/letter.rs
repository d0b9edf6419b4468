//! What is written to whom: checked, put into the format of mail (RFC 5322), and sealed until it is sent.

use std::{
    collections::BTreeSet,
    time::{Duration, UNIX_EPOCH},
};

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Mailer;
use crate::{
    model::{
        email,
        id::{self, shown},
        problem::{Code, Fault, Problem},
        time::Timestamp,
    },
    store::sending::NewSending,
};

/// The most recipients of one mail.
pub const MAX_RECIPIENTS: usize = 50;
/// The most characters of a subject.
const MAX_SUBJECT: usize = 255;
/// The most characters of a sender's name.
const MAX_NAME: usize = 128;
/// The most characters of a category.
const MAX_CATEGORY: usize = 64;
/// The most bytes of the caller's facts, as JSON.
const MAX_DYNAMIC: usize = 8192;
/// The categories of the server's own mails begin so.
const SYSTEM: &str = "system";

/// A mail that somebody asks for.
#[derive(Clone, Default)]
pub struct Draft {
    /// To whom.
    pub to: Vec<String>,
    /// And to whom for information.
    pub cc: Vec<String>,
    /// And to whom without the others knowing.
    pub bcc: Vec<String>,
    /// The sender's address, if not the configured one.
    pub from: Option<String>,
    /// The sender's name, if not the configured one.
    pub from_name: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// What it is about.
    pub subject: String,
    /// As plain text.
    pub plain: Option<String>,
    /// As HTML.
    pub html: Option<String>,
    /// What kind of mail it is.
    pub category: Option<String>,
    /// Facts that are kept with it.
    pub dynamic: Option<Map<String, Value>>,
    /// The identity that asks.
    pub created_by: Option<String>,
}

/// What is sealed while a mail waits.
#[derive(Serialize, Deserialize)]
pub(super) struct Content {
    /// The sender on the envelope: where failures are reported.
    pub from: String,
    /// The recipients on the envelope, each once.
    pub to: Vec<String>,
    /// Headers and body, ASCII.
    pub message: String,
}

#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        let fault =
            Fault { code: Code::FieldInvalid, message: message.into(), pointer: Some(pointer.into()), details: None };
        self.0.push(fault);
    }

    fn address(&mut self, pointer: String, text: &str) -> Option<Address> {
        match email::on_the_wire(text).and_then(|wire| wire.parse::<Address>().map_err(|error| error.to_string())) {
            Ok(address) => Some(address),
            Err(expected) => {
                self.add(pointer, expected);
                None
            }
        }
    }

    fn addresses(&mut self, pointer: &str, texts: &[String]) -> Vec<Address> {
        let each = texts.iter().take(MAX_RECIPIENTS + 1).enumerate();
        each.filter_map(|(at, text)| self.address(format!("{pointer}/{at}"), text)).collect()
    }
}

/// Nothing that ends a line, and nothing else that only a terminal understands.
fn is_line(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

impl Mailer {
    /// Writes what a caller asks for.
    ///
    /// # Errors
    /// [`Code::MailNotConfigured`], [`Code::CategoryReserved`]; [`Code::FieldInvalid`] for everything that is wrong, with
    /// places as in the body of `POST /resources/sendings/email`.
    pub fn compose(&self, draft: &Draft, now: Timestamp) -> Result<NewSending, Problem> {
        if let Some(category) = &draft.category
            && category.split(':').next().is_some_and(|space| space.trim().eq_ignore_ascii_case(SYSTEM))
        {
            let message = format!("expected a category outside of system:, got '{}'", shown(category));
            return Err(Problem::at(Code::CategoryReserved, "/category", message));
        }
        self.write(draft, now)
    }

    /// The same for the server's own mails, whose category begins with `system:`.
    ///
    /// # Errors
    /// As [`Mailer::compose`].
    pub(super) fn write(&self, draft: &Draft, now: Timestamp) -> Result<NewSending, Problem> {
        let parts = &*self.0;
        let Some(transport) = &parts.transport else {
            return Err(Problem::new(Code::MailNotConfigured, Code::MailNotConfigured.meaning().trim()));
        };
        let mut faults = Faults::default();
        let to = faults.addresses("/to", &draft.to);
        let cc = faults.addresses("/cc", &draft.cc);
        let bcc = faults.addresses("/bcc", &draft.bcc);
        let recipients = draft.to.len() + draft.cc.len() + draft.bcc.len();
        if draft.to.is_empty() {
            faults.add("/to", "expected at least one address, got none");
        } else if recipients > MAX_RECIPIENTS {
            faults.add("/to", format!("expected at most {MAX_RECIPIENTS} recipients in all, got {recipients}"));
        }
        let from = self.sender(draft, &mut faults);
        let reply_to = draft.reply_to.as_ref().and_then(|text| faults.address("/replyTo".to_owned(), text));
        texts(draft, parts.options.max_bytes, &mut faults);
        let (Some(from), true) = (from, faults.0.is_empty()) else { return Err(Problem::of(faults.0)) };

        let id = id::generate(now);
        let domain = parts.from.rsplit('@').next().unwrap_or_default();
        let since_epoch = Duration::from_millis(u64::try_from(now.millis()).unwrap_or_default());
        let mut builder = Message::builder()
            .message_id(Some(format!("<{id}@{domain}>")))
            .date(UNIX_EPOCH + since_epoch)
            .from(from)
            .subject(draft.subject.trim());
        for address in &to {
            builder = builder.to(Mailbox::new(None, address.clone()));
        }
        for address in &cc {
            builder = builder.cc(Mailbox::new(None, address.clone()));
        }
        if let Some(address) = reply_to {
            builder = builder.reply_to(Mailbox::new(None, address));
        }
        if draft.created_by.is_none() {
            // RFC 3834 §5: so that no machine answers
            let name = HeaderName::new_from_ascii_str("Auto-Submitted");
            builder = builder.raw_header(HeaderValue::new(name, "auto-generated".to_owned()));
        }
        let message = match (given(&draft.plain), given(&draft.html)) {
            (Some(plain), Some(html)) => builder.multipart(MultiPart::alternative_plain_html(plain, html)),
            (Some(plain), None) => builder.singlepart(SinglePart::plain(plain)),
            (None, html) => builder.singlepart(SinglePart::html(html.unwrap_or_default())),
        };
        let unwritable = |why: String| Problem::new(Code::FieldInvalid, format!("no mail can be made of this: {why}"));
        let message = message.map_err(|error| unwritable(error.to_string()))?.formatted();
        let message = String::from_utf8(message).map_err(|error| unwritable(error.to_string()))?;

        let recipient = to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut seen = BTreeSet::new();
        let everybody = to.into_iter().chain(cc).chain(bcc).map(|address| address.to_string());
        let content = Content {
            from: parts.from.clone(),
            to: everybody.filter(|address| seen.insert(address.clone())).collect(),
            message,
        };
        // texts always have a JSON form
        let plain = serde_json::to_vec(&content).unwrap_or_default();
        Ok(NewSending {
            sealed_content: parts.sealer.seal_text(id.as_bytes(), &plain),
            id,
            category: draft.category.clone(),
            created_at: now,
            recipient,
            transport: transport.name(),
            dynamic: draft.dynamic.clone(),
            created_by: draft.created_by.clone(),
        })
    }

    /// Who the mail says it is from: nobody of another domain than those that this server is configured for.
    fn sender(&self, draft: &Draft, faults: &mut Faults) -> Option<Mailbox> {
        let options = &self.0.options;
        let name = draft.from_name.as_ref().or(options.from_name.as_ref()).unwrap_or(&self.0.brand);
        if name.trim().is_empty() || name.chars().count() > MAX_NAME || !is_line(name) {
            faults.add("/fromName", format!("expected 1 to {MAX_NAME} characters in one line"));
        }
        let text = draft.from.as_ref().unwrap_or(&self.0.from);
        let address = faults.address("/from".to_owned(), text)?;
        let own = self.0.from.rsplit('@').next().unwrap_or_default();
        let allowed = std::iter::once(own).chain(options.from_domains.iter().map(String::as_str));
        if !allowed.clone().any(|domain| domain.eq_ignore_ascii_case(address.domain())) {
            let domains = allowed.collect::<Vec<_>>().join(", ");
            faults.add("/from", format!("expected an address in {domains}, got '{}'", shown(text)));
        }
        Some(Mailbox::new(Some(name.trim().to_owned()), address))
    }

    /// What was sealed; none if it was not sealed here, for this mail.
    pub(super) fn open(&self, id: &str, sealed: &str) -> Option<Content> {
        serde_json::from_slice(&self.0.sealer.open_text(id.as_bytes(), sealed)?).ok()
    }
}

fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

fn texts(draft: &Draft, max_bytes: usize, faults: &mut Faults) {
    let subject = &draft.subject;
    if subject.trim().is_empty() || subject.chars().count() > MAX_SUBJECT || !is_line(subject) {
        faults.add("/subject", format!("expected 1 to {MAX_SUBJECT} characters in one line"));
    }
    let (plain, html) = (draft.plain.as_deref().unwrap_or_default(), draft.html.as_deref().unwrap_or_default());
    let bytes = plain.len() + html.len();
    if bytes == 0 {
        faults.add("/body", "expected plainText, html or both");
    } else if bytes > max_bytes {
        faults.add("/body", format!("expected at most {max_bytes} bytes in all, got {bytes}"));
    }
    if let Some(category) = &draft.category {
        let plain = category.bytes().all(|b| b.is_ascii_alphanumeric() || b":._-/".contains(&b));
        if category.is_empty() || category.len() > MAX_CATEGORY || !plain {
            let expected = format!("expected 1 to {MAX_CATEGORY} letters, digits, ':', '.', '_', '-' or '/'");
            faults.add("/category", format!("{expected}, got '{}'", shown(category)));
        }
    }
    if let Some(dynamic) = &draft.dynamic {
        let bytes = serde_json::to_string(dynamic).map_or(0, |text| text.len());
        if bytes > MAX_DYNAMIC {
            faults.add("/dynamic", format!("expected at most {MAX_DYNAMIC} bytes of JSON, got {bytes}"));
        }
    }
}
