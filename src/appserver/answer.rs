//! What a login is answered with.

use actix_web::{HttpResponse, http::header};
use serde::Serialize;

use crate::{
    identity::appserver_session::Whose,
    model::{auth_module::AuthModule, secret::Secret},
    store::{client::Client, principal::Principal},
};

/// That nothing went wrong.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ResponseStatus {}

/// An answer that says nothing else.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    response_status: ResponseStatus,
}

/// Who is signed in, and how.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginAnswer {
    claims: Claims,
    password_based: bool,
    module_display: &'static str,
    session_id: String,
    user_name: String,
    response_status: ResponseStatus,
}

#[derive(Clone, Debug, Serialize)]
struct Claims {
    id: String,
    useruid: String,
    module: &'static str,
}

impl LoginAnswer {
    /// For whoever's session it is.
    pub fn new(module: AuthModule, whose: &Whose, secret: &Secret) -> LoginAnswer {
        match whose {
            Whose::Person(principal, _) => LoginAnswer::of_person(module, principal, secret),
            Whose::Client(client) => LoginAnswer::of_client(module, client, secret),
        }
    }

    /// For a person.
    pub fn of_person(module: AuthModule, principal: &Principal, secret: &Secret) -> LoginAnswer {
        let name = principal.email.as_ref().unwrap_or(&principal.id);
        LoginAnswer::of(module, name, &principal.id, principal.display_name(), secret)
    }

    /// For a client that acts for itself.
    pub fn of_client(module: AuthModule, client: &Client, secret: &Secret) -> LoginAnswer {
        LoginAnswer::of(module, &client.id, &client.id, &client.name, secret)
    }

    fn of(module: AuthModule, name: &str, id: &str, display: &str, secret: &Secret) -> LoginAnswer {
        LoginAnswer {
            claims: Claims { id: name.to_owned(), useruid: id.to_owned(), module: module.as_str() },
            password_based: module.is_password_based(),
            module_display: module.caption(),
            session_id: secret.reveal().to_owned(),
            user_name: display.to_owned(),
            response_status: ResponseStatus {},
        }
    }
}

/// 200 with this.
pub fn ok(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}
