//! The demo application's side of the protocol: the code flow with PKCE (RFC 6749 §4.1, RFC 7636), the checks that a
//! relying party owes (OpenID Connect Core §3.1.3.7), refresh and sign-out. Each call is kept to be shown.

use anyhow::{Context, anyhow, bail, ensure};
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::{
    Demo, id_token, paths,
    seed::{APPLICATION, APPLICATION_SCOPE},
    wire::{pretty, split_query},
};
use crate::{
    model::{id::shown, pkce, secret::random_text},
    pages::view::{DemoHop, DemoToken},
};

/// The most steps that are kept; somebody may press the refresh button all day.
const MOST_HOPS: usize = 20;

/// A sign-in that was begun.
#[derive(Debug)]
pub struct Pending {
    /// What the answer must carry, so that nobody slips the person an answer of another sign-in.
    pub state: String,
    nonce: String,
    verifier: String,
    metadata: Metadata,
    authorization_url: String,
    hops: Vec<DemoHop>,
}

/// Somebody who is signed in to the demo application.
#[derive(Clone, Debug)]
pub struct Session {
    /// What the person is called.
    pub display_name: String,
    /// The access token.
    pub access_token: String,
    /// The refresh token, if there is one.
    pub refresh_token: Option<String>,
    /// The newest ID token.
    pub id_token: String,
    /// What the userinfo endpoint answered last.
    pub userinfo: Value,
    /// What went over the wire.
    pub hops: Vec<DemoHop>,
    subject: String,
    metadata: Metadata,
}

/// Where everything is (OpenID Connect Discovery §3).
#[derive(Clone, Debug, Default, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What the browser brings to the redirect URI (RFC 6749 §4.1.2).
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Callback {
    /// The authorization code.
    pub code: Option<String>,
    /// What the request carried.
    pub state: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// The same in words.
    pub error_description: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    token_type: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
}

impl Demo {
    /// Begins a sign-in: what to remember, and where to send the browser.
    ///
    /// # Errors
    /// If the server's metadata cannot be had or belong to another issuer.
    pub async fn begin(&self) -> anyhow::Result<(Pending, String)> {
        let exchange =
            self.wire.send(self.wire.request(Method::GET, &self.url("/.well-known/openid-configuration"))).await?;
        let metadata: Metadata = serde_json::from_value(exchange.json()?).context("the server's metadata")?;
        ensure!(metadata.issuer == self.issuer, "expected the issuer {}, got {}", self.issuer, metadata.issuer);
        let discovery = exchange
            .hop("Discovery", "The application knows only the issuer. From there it learns where everything is.");
        let mut pending = Pending {
            state: random_text::<32>(),
            nonce: random_text::<32>(),
            verifier: random_text::<32>(),
            metadata,
            authorization_url: String::new(),
            hops: vec![discovery],
        };
        pending.authorization_url = self.authorization_url(&pending)?;
        let url = pending.authorization_url.clone();
        Ok((pending, url))
    }

    fn authorization_url(&self, pending: &Pending) -> anyhow::Result<String> {
        let url = Url::parse_with_params(
            &pending.metadata.authorization_endpoint,
            [
                ("response_type", "code"),
                ("client_id", APPLICATION),
                ("redirect_uri", &self.url(paths::CALLBACK)),
                ("scope", APPLICATION_SCOPE),
                ("state", &pending.state),
                ("nonce", &pending.nonce),
                ("code_challenge", &challenge(&pending.verifier)),
                ("code_challenge_method", pkce::METHOD),
            ],
        )?;
        Ok(url.into())
    }

    /// Ends a sign-in with what the browser brought; `came_to` is the path and query that it asked for.
    ///
    /// # Errors
    /// What the server refused, or what was wrong with its answers.
    pub async fn finish(&self, pending: Pending, callback: Callback, came_to: &str) -> anyhow::Result<Session> {
        let Pending { nonce, verifier, metadata, authorization_url, mut hops, .. } = pending;
        // RFC 9207 §2.4
        if metadata.authorization_response_iss_parameter_supported || callback.iss.is_some() {
            let iss = callback.iss.as_deref().unwrap_or("none");
            ensure!(iss == self.issuer, "expected an answer of {}, got one of {}", self.issuer, shown(iss));
        }
        if let Some(error) = callback.error {
            bail!("{}: {}", shown(&error), callback.error_description.unwrap_or_default());
        }
        let code = callback.code.context("expected a code in the answer, got none")?;
        hops.push(DemoHop {
            title: "The browser goes to sign in, and comes back".to_owned(),
            explanation: "State, nonce and code_challenge tie the answer to this browser and this sign-in. The code \
                          that comes back is worth nothing without the verifier and the application's secret."
                .to_owned(),
            request: format!("GET {}", split_query(&authorization_url)),
            response: format!(
                "303 See Other, after the sign-in and the consent page, to\n{}",
                split_query(&self.url(came_to))
            ),
        });

        let exchange = self
            .token_request(
                &metadata,
                &[
                    ("grant_type", "authorization_code"),
                    ("code", &code),
                    ("redirect_uri", &self.url(paths::CALLBACK)),
                    ("code_verifier", &verifier),
                ],
            )
            .await?;
        hops.push(exchange.hop(
            "The code becomes tokens",
            "From server to server: the application proves who it is by its secret, and that it began this sign-in by \
             the code_verifier.",
        ));
        let tokens = tokens(exchange.json()?)?;
        let id_token = tokens.id_token.clone().context("expected an ID token, got none")?;
        let claims = self.verify(&metadata, &tokens, &id_token, Some(&nonce), &mut hops).await?;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        let userinfo = self.userinfo(&metadata, &tokens.access_token, &subject, &mut hops).await?;
        Ok(Session {
            display_name: display_name(&userinfo, &subject),
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            id_token,
            userinfo,
            hops,
            subject,
            metadata,
        })
    }

    /// The session with new tokens (RFC 6749 §6).
    ///
    /// # Errors
    /// What the server refused, or what was wrong with its answers.
    pub async fn refresh(&self, session: Session) -> anyhow::Result<Session> {
        let mut session = session;
        let refresh_token = session.refresh_token.clone().context("there is no refresh token")?;
        let exchange = self
            .token_request(&session.metadata, &[("grant_type", "refresh_token"), ("refresh_token", &refresh_token)])
            .await?;
        session.hops.push(exchange.hop(
            "The tokens are refreshed",
            "Without the person. A refresh token works once; its successor comes along.",
        ));
        let tokens = tokens(exchange.json()?)?;
        if let Some(id_token) = tokens.id_token.clone() {
            let claims = self.verify(&session.metadata, &tokens, &id_token, None, &mut session.hops).await?;
            // OpenID Connect Core §12.2
            let same = claims.get("sub").and_then(Value::as_str) == Some(&session.subject);
            ensure!(same, "the refreshed ID token is about somebody else");
            session.id_token = id_token;
        }
        session.userinfo =
            self.userinfo(&session.metadata, &tokens.access_token, &session.subject, &mut session.hops).await?;
        session.display_name = display_name(&session.userinfo, &session.subject);
        session.access_token = tokens.access_token;
        session.refresh_token = tokens.refresh_token.or(Some(refresh_token));
        let surplus = session.hops.len().saturating_sub(MOST_HOPS);
        session.hops.drain(..surplus);
        Ok(session)
    }

    /// Where to send the browser to sign out of the server as well (RP-Initiated Logout §2).
    ///
    /// # Errors
    /// If the server's metadata name no address.
    pub fn sign_out_url(&self, session: &Session) -> anyhow::Result<String> {
        let url = Url::parse_with_params(
            &session.metadata.end_session_endpoint,
            [
                ("id_token_hint", session.id_token.as_str()),
                ("client_id", APPLICATION),
                ("post_logout_redirect_uri", &self.url(paths::HOME)),
            ],
        )?;
        Ok(url.into())
    }

    async fn token_request(&self, metadata: &Metadata, form: &[(&str, &str)]) -> anyhow::Result<super::wire::Exchange> {
        let secret = self.seeded.application_secret.reveal();
        let request = self.wire.request(Method::POST, &metadata.token_endpoint);
        self.wire.send(request.basic_auth(APPLICATION, Some(secret)).form(form)).await
    }

    async fn verify(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        id_token: &str,
        nonce: Option<&str>,
        hops: &mut Vec<DemoHop>,
    ) -> anyhow::Result<Map<String, Value>> {
        let exchange = self.wire.send(self.wire.request(Method::GET, &metadata.jwks_uri)).await?;
        hops.push(exchange.hop(
            "The ID token is verified",
            "With the server's public keys: the signature, then issuer, audience, expiry, nonce, and that the access \
             token is the one that came along.",
        ));
        let expected = id_token::Expected {
            issuer: &self.issuer,
            client_id: APPLICATION,
            nonce,
            access_token: &tokens.access_token,
            now: self.clock.now(),
        };
        id_token::verify(id_token, &exchange.json()?, expected)
    }

    async fn userinfo(
        &self,
        metadata: &Metadata,
        access_token: &str,
        subject: &str,
        hops: &mut Vec<DemoHop>,
    ) -> anyhow::Result<Value> {
        let request = self.wire.request(Method::GET, &metadata.userinfo_endpoint).bearer_auth(access_token);
        let exchange = self.wire.send(request).await?;
        hops.push(exchange.hop(
            "Who is it?",
            "The access token opens the claims that the person agreed to. They count only if they are about the \
             person whom the ID token names.",
        ));
        let userinfo = exchange.json()?;
        // OpenID Connect Core §5.3.2
        ensure!(userinfo["sub"] == subject, "the userinfo endpoint speaks of somebody else");
        Ok(userinfo)
    }
}

impl Session {
    /// The tokens, to be shown.
    pub fn tokens(&self) -> Vec<DemoToken> {
        let mut tokens = vec![shown_token("ID token", &self.id_token), shown_token("Access token", &self.access_token)];
        tokens.extend(self.refresh_token.as_deref().map(|token| shown_token("Refresh token", token)));
        tokens
    }
}

/// The `S256` challenge of a verifier (RFC 7636 §4.2).
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

fn tokens(answer: Value) -> anyhow::Result<Tokens> {
    let tokens: Tokens = serde_json::from_value(answer).context("the token endpoint's answer")?;
    ensure!(tokens.token_type.eq_ignore_ascii_case("Bearer"), "expected a Bearer token, got {}", tokens.token_type);
    Ok(tokens)
}

fn display_name(userinfo: &Value, subject: &str) -> String {
    let claim = |name: &str| userinfo.get(name).and_then(Value::as_str);
    claim("name").or_else(|| claim("email")).unwrap_or(subject).to_owned()
}

/// A token with what can be read in it without any key.
fn shown_token(name: &str, raw: &str) -> DemoToken {
    let mut parts = raw.split('.').map(decoded);
    let (header_json, claims_json) = match (parts.next(), parts.next(), parts.count()) {
        (Some(Ok(header)), Some(Ok(claims)), 1) => (pretty(&header), pretty(&claims)),
        _ => (String::new(), String::new()),
    };
    DemoToken { name: name.to_owned(), raw: raw.to_owned(), header_json, claims_json }
}

fn decoded(part: &str) -> anyhow::Result<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part)?;
    serde_json::from_slice(&bytes).map_err(|error| anyhow!(error))
}

#[cfg(test)]
impl Pending {
    /// A sign-in with this `state`.
    pub fn for_tests(state: &str) -> Pending {
        Pending {
            state: state.to_owned(),
            nonce: "n".to_owned(),
            verifier: "v".repeat(43),
            metadata: Metadata::default(),
            authorization_url: String::new(),
            hops: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::tests::demo;

    #[test]
    fn the_challenge_fits_the_verifier() {
        let verifier = random_text::<32>();
        assert!(pkce::verify(&challenge(&verifier), &verifier));
        // RFC 7636 appendix B
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn the_authorization_request_carries_what_it_must() {
        let mut pending = Pending::for_tests("s");
        pending.metadata.authorization_endpoint = "http://localhost:8080/oauth/authorize".to_owned();
        assert_eq!(
            demo().authorization_url(&pending).unwrap(),
            format!(
                "http://localhost:8080/oauth/authorize?response_type=code&client_id=demo-app\
                 &redirect_uri=http%3A%2F%2Flocalhost%3A8080%2Fdemo%2Fcallback\
                 &scope=openid+profile+email+offline_access&state=s&nonce=n&code_challenge={}\
                 &code_challenge_method=S256",
                challenge(&pending.verifier)
            )
        );
    }

    #[tokio::test]
    async fn an_answer_of_another_issuer_or_with_an_error_ends_the_sign_in() {
        let demo = demo();
        let callback = Callback { code: Some("c".to_owned()), ..Callback::default() };
        let foreign = Callback { iss: Some("http://localhost:9999".to_owned()), ..callback.clone() };
        let error = demo.finish(Pending::for_tests("s"), foreign, "/").await.unwrap_err();
        assert!(error.to_string().contains("http://localhost:9999"), "{error}");
        let mut pending = Pending::for_tests("s");
        pending.metadata.authorization_response_iss_parameter_supported = true;
        assert!(demo.finish(pending, callback, "/").await.unwrap_err().to_string().contains("got one of none"));
        let denied = Callback { error: Some("access_denied".to_owned()), ..Callback::default() };
        let error = demo.finish(Pending::for_tests("s"), denied, "/").await.unwrap_err();
        assert!(error.to_string().starts_with("access_denied"), "{error}");
    }

    #[test]
    fn tokens_are_shown_decoded_where_they_can_be() {
        let jwt = shown_token("x", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2ln");
        assert_eq!(jwt.header_json, "{\n  \"alg\": \"none\"\n}");
        assert_eq!(jwt.claims_json, "{\n  \"sub\": \"ada\"\n}");
        for opaque in ["kwrt_abc", "", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ"] {
            assert_eq!(shown_token("x", opaque).claims_json, "", "{opaque}");
        }
    }
}
