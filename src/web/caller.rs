//! Who calls an API, and whether they may: an extractor, so that a handler that needs a permission says so in its
//! signature and cannot forget to ask.

use std::{future::Future, marker::PhantomData, pin::Pin};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{Method, header},
    web,
};

use super::{
    forwarded::client_address,
    problem::{Challenge, Declined},
    request::request_id,
};
use crate::{
    app::App,
    directory::{
        Actor, Refusal,
        actor::{self, Kind},
    },
    identity::bearer::{self, Bearer},
    model::problem::Code,
    store::principal::Principal,
};

/// A permission that a handler needs.
pub trait Need: 'static {
    /// The resource, such as `iam/principals`.
    const RESOURCE: &'static str;
    /// What is to be done with it, such as `read`.
    const ACTION: &'static str;
    /// Permissions of which one suffices; the others are asked for where it is known what they are needed for.
    const ANY: &'static [(&'static str, &'static str)] = &[(Self::RESOURCE, Self::ACTION)];
}

macro_rules! needs {
    ($($name:ident = $resource:literal $action:literal,)+) => {
        $(
            #[doc = concat!("`", $resource, ":", $action, "`")]
            #[derive(Debug)]
            pub enum $name {}

            impl super::Need for $name {
                const RESOURCE: &'static str = $resource;
                const ACTION: &'static str = $action;
            }
        )+

        /// All of them, as `resource:action`.
        pub const ALL: &[&str] = &[$(concat!($resource, ":", $action),)+];
    };
}

/// The permissions that handlers need.
pub mod need {
    needs! {
        PrincipalsRead = "iam/principals" "read",
        PrincipalsWrite = "iam/principals" "write",
        PrincipalsDelete = "iam/principals" "delete",
        ClientsRead = "iam/clients" "read",
        ClientsWrite = "iam/clients" "write",
        ClientsDelete = "iam/clients" "delete",
        RolesRead = "iam/roles" "read",
        RolesWrite = "iam/roles" "write",
        RolesDelete = "iam/roles" "delete",
        SessionsRead = "iam/sessions" "read",
        SessionsDelete = "iam/sessions" "delete",
        AuditRead = "iam/audit" "read",
        ProfileRead = "me/profile" "read",
        ProfileWrite = "me/profile" "write",
        PasswordWrite = "me/password" "write",
        EmailWrite = "me/email" "write",
        SettingsRead = "me/settings" "read",
        SettingsWrite = "me/settings" "write",
        PatRead = "me/pat" "read",
        PatWrite = "me/pat" "write",
        PatDelete = "me/pat" "delete",
        MySessionsRead = "me/sessions" "read",
        MySessionsDelete = "me/sessions" "delete",
        SendingsRead = "sendings" "read",
        SendingsWrite = "sendings" "write",
        ConsentsRead = "me/consents" "read",
        ConsentsDelete = "me/consents" "delete",
        GraphIdentityRead = "graph/identity" "read",
        GraphSendingRead = "graph/sending" "read",
        GraphRoleRead = "graph/role" "read",
        GraphSessionRead = "graph/session" "read",
        GraphActivityLogRead = "graph/activityLog" "read",
    }

    /// One of those with which a query of the graph can begin.
    #[derive(Debug)]
    pub enum GraphRead {}

    impl super::Need for GraphRead {
        const RESOURCE: &'static str = "graph/identity";
        const ACTION: &'static str = "read";
        const ANY: &'static [(&'static str, &'static str)] =
            &[("graph/identity", "read"), ("graph/sending", "read"), ("graph/role", "read")];
    }
}

/// A caller whose token holds now and allows `N`, be it only for objects with certain attributes: what the handler does
/// with an object it does as [`Caller::actor`], which looks at the object.
#[derive(Debug)]
pub struct Caller<N: Need> {
    /// Who acts.
    pub actor: Actor,
    /// Who is behind the token.
    pub bearer: Bearer,
    need: PhantomData<N>,
}

impl<N: Need> FromRequest for Caller<N> {
    type Error = Declined;
    type Future = Pin<Box<dyn Future<Output = Result<Caller<N>, Declined>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let (mut bearer, mut actor) = identify(&req).await?;
            let allowed =
                |actor: &Actor| N::ANY.iter().any(|(resource, action)| actor.permissions.allows(resource, action));
            if !allowed(&actor) {
                doubt(&req, &bearer);
                (bearer, actor) = identify(&req).await?;
            }
            // what is refused from here on is refused to somebody who is known
            req.extensions_mut().insert(actor.clone());
            if N::RESOURCE.starts_with("me/") && bearer.principal.is_none() {
                return Err(not_a_person().into());
            }
            if !allowed(&actor) {
                return Err(Declined::from(actor::missing(N::RESOURCE, N::ACTION))
                    .challenge(Challenge::InsufficientScope(N::RESOURCE, N::ACTION)));
            }
            if req.uri().path().contains("%00") {
                // nothing has such an id or can have, and PostgreSQL's texts cannot hold it
                let creates =
                    req.method() == Method::PUT && req.match_pattern().is_some_and(|path| path.ends_with('}'));
                let code = if creates { Code::IdInvalid } else { Code::NotFound };
                return Err(Refusal::new(code, "expected an id without the character U+0000").into());
            }
            Ok(Caller { actor, bearer, need: PhantomData })
        })
    }
}

impl<N: Need> Caller<N> {
    /// The person in whose name the token was given; there is one wherever the permission is one of `me`.
    ///
    /// # Errors
    /// [`Code::PersonRequired`].
    pub fn person(&self) -> Result<&Principal, Refusal> {
        self.bearer.principal.as_deref().map(|known| &known.principal).ok_or_else(not_a_person)
    }

    /// Refuses a personal access token for what must not be done with one. Such a token lies in scripts for months: it
    /// neither makes others like it nor replaces what its person signs in with.
    ///
    /// # Errors
    /// [`Code::PrivilegeEscalation`].
    pub fn signed_in(&self) -> Result<(), Refusal> {
        match self.bearer.personal_access_token {
            None => Ok(()),
            Some(_) => Err(Refusal::new(
                Code::PrivilegeEscalation,
                "expected an access token that came from signing in, got a personal access token, which cannot do this",
            )),
        }
    }
}

fn not_a_person() -> Refusal {
    Refusal::new(
        Code::PersonRequired,
        "expected a token that was given in a person's name; this one is the client's own, and a client has no self \
         service",
    )
}

/// Lets the database be asked again who this is.
fn doubt(req: &HttpRequest, bearer: &Bearer) {
    let Some(app) = req.app_data::<web::Data<App>>() else { return };
    for id in bearer.client_id.iter().chain([&bearer.subject]) {
        app.store.doubt(id);
    }
}

async fn identify(req: &HttpRequest) -> Result<(Bearer, Actor), Declined> {
    let app = req
        .app_data::<web::Data<App>>()
        .ok_or_else(|| Declined::from(Refusal::new(Code::Internal, "the server is not set up")))?;
    let presented = presented(req)?;
    let bearer = bearer::identify(app, &presented).await.map_err(Refusal::from)?.ok_or_else(|| {
        Declined::from(Refusal::new(Code::TokenInvalid, Code::TokenInvalid.meaning().trim()))
            .challenge(Challenge::InvalidToken)
    })?;
    let actor = Actor {
        kind: if bearer.principal.is_some() { Kind::Principal } else { Kind::Client },
        id: Some(bearer.subject.clone()),
        client_id: bearer.client_id.clone(),
        // a token that was narrowed is no owner's: what it may not do itself it does not do through others
        owner: bearer.roles.iter().any(|role| role == crate::model::role_key::OWNER)
            && bearer.permissions.allow_everything(),
        permissions: bearer.permissions.clone(),
        ip_address: client_address(req, &app.config),
        request_id: request_id(req),
    };
    Ok((bearer, actor))
}

/// The bearer token of a request (RFC 6750 §2.1); in no other place (RFC 9700 §4.3.2).
fn presented(req: &HttpRequest) -> Result<String, Declined> {
    let missing = || {
        let detail = "expected an access token in the Authorization header, as Bearer, got none";
        Declined::from(Refusal::new(Code::TokenMissing, detail)).challenge(Challenge::NoToken)
    };
    let mut headers = req.headers().get_all(header::AUTHORIZATION);
    let value = headers.next().ok_or_else(missing)?;
    if headers.next().is_some() {
        return Err(Refusal::new(Code::HeaderInvalid, "expected one Authorization header, got several").into());
    }
    match value.to_str().ok().and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Ok(token.trim().to_owned()),
        _ => Err(missing()),
    }
}
