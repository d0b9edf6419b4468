//! `/account`: who is signed in.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::{
    error::{PageError, or_page},
    logout, view,
    visit::{Person, Visit},
};
use crate::{app::App, model::time::Timestamp, web::page::FormTargets};

/// `GET /account`: the account, or the way to sign in.
pub async fn get(app: web::Data<App>, req: HttpRequest) -> HttpResponse {
    or_page(&app, &req, show(&Visit::new(&app, &req)).await)
}

async fn show(visit: &Visit<'_>) -> Result<HttpResponse, PageError> {
    let Some(person) = visit.person().await? else {
        return Ok(visit.see_other(&visit.path("/login")));
    };
    let page = view::Account {
        frame: visit.frame(),
        display_name: person.principal.display_name().to_owned(),
        email: person.principal.email.clone().unwrap_or_default(),
        csrf_token: visit.csrf_token(logout::FORM),
        sign_out_action: visit.path("/logout"),
        change_password_url: visit.path("/password"),
        facts: facts(&person, visit.query()?.get("password") == "changed"),
    };
    Ok(visit.page(StatusCode::OK, &page, FormTargets::OwnPages))
}

fn facts(person: &Person, password_changed: bool) -> Vec<String> {
    let mut facts = Vec::new();
    if password_changed {
        facts.push("Your password was changed. Where else you were signed in, you are signed out.".to_owned());
    }
    facts.push(format!("Signed in since {}.", minute(person.session.auth_time)));
    facts
}

/// A moment for people: `21 November 2026, 20:36 UTC`.
fn minute(time: Timestamp) -> String {
    chrono::DateTime::from_timestamp_millis(time.millis())
        .map(|time| time.format("%-d %B %Y, %H:%M UTC").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_to_the_minute() {
        assert_eq!(minute(Timestamp::from_seconds(1_795_293_390)), "21 November 2026, 20:36 UTC");
    }
}
