//! Outgoing mail: whether the mail server would take one, and what waits.

use std::time::Duration;

use super::finding::{Finding, told};
use crate::{app::App, config::Config, keys::MasterKey, mail::Mailer, model::secret::random_text, store};

const SERVER: &str = "mail";
const QUEUE: &str = "mail_queue";
/// How long the mail server may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(10);
/// A mail should not have been due for so long.
const LONG: Duration = Duration::from_secs(15 * 60);
/// More than these are not counted, and so many should not wait.
const MANY: i64 = 1000;

/// Goes as far with the mail server as a mail would.
pub async fn server(config: &Config) -> Finding {
    let mail = &config.mail;
    if !mail.is_configured() {
        let fix = "Set mail.host and mail.from: without mail nobody proves an address or hears of a sign-in.";
        return Finding::skipped(SERVER, "no mail is configured", fix);
    }
    let fix = "See mail.host, mail.port, mail.security, mail.user and mail.password, and the mail server's log; then try \
               `keyward mail test ADDRESS`.";
    // it seals nothing here
    let mailer = MasterKey::from_secret(&random_text::<32>()).map_err(anyhow::Error::from);
    let mailer = mailer.and_then(|master| Mailer::new(config, master.sealer("mail")));
    let knocked = match mailer {
        Ok(mailer) => Box::pin(mailer.knock(PATIENCE)).await,
        Err(error) => Err(format!("{error:#}")),
    };
    match knocked {
        Ok(()) => Finding::ok(SERVER, format!("mails could leave {mail}; none was sent")),
        Err(error) => Finding::problem(SERVER, format!("mails cannot leave {mail}: {error}"), fix),
    }
}

/// Whether mails leave in time.
pub async fn queue(app: &App) -> Finding {
    let now = app.clock.now();
    match app.store.read(|conn| store::sending::pending(conn, MANY)).await {
        Ok((count, due)) => {
            let late = due.map_or(Duration::ZERO, |due| now.since(due));
            let what = match count {
                0 => "no mail waits".to_owned(),
                MANY => format!("{MANY} mails wait or more; the oldest has been due for {}", told(late)),
                count => format!("{count} mails wait; the oldest has been due for {}", told(late)),
            };
            let fix = "See the check mail, whether a server runs with the same [mail], and mail.rate.";
            match late > LONG || count >= MANY {
                true => Finding::warning(QUEUE, what, fix),
                false => Finding::ok(QUEUE, what),
            }
        }
        Err(error) => Finding::problem(QUEUE, error.to_string(), "Look into the log of the database."),
    }
}
