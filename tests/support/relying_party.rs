//! An application: sends people to the server, redeems what comes back, and believes only what it has verified.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use josekit::{
    jwk::Jwk,
    jws::{self, JwsVerifier},
};
use keyward::model::client_auth::AuthMethod;
use reqwest::{
    RequestBuilder, StatusCode, Url,
    header::{self, HeaderMap},
};
use serde_json::{Map, Value};

use super::{
    TestApp, TestClient,
    browser::{Browser, Callback, http},
};

/// An application that is registered as a client.
#[derive(Clone)]
pub struct RelyingParty {
    /// Sends its requests.
    pub http: reqwest::Client,
    /// Who it asks.
    pub issuer: String,
    /// What is registered, and the secret.
    pub client: TestClient,
    /// Where answers go.
    pub redirect_uri: String,
}

/// An authorization request that was made, and what only the application knows of it.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// Where to send the person.
    pub url: String,
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
    /// PKCE's secret half.
    pub verifier: String,
    /// What the answer carries.
    pub state: String,
    /// What the ID token carries.
    pub nonce: String,
}

/// What an endpoint answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

/// What a good token response holds.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds.
    pub expires_in: u64,
    /// The refresh token; empty if there is none.
    #[serde(default)]
    pub refresh_token: String,
    /// The ID token; empty if there is none.
    #[serde(default)]
    pub id_token: String,
    /// What was granted.
    pub scope: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    /// A header's value; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `status error`, as `400 invalid_grant`; only the status where there is no error.
    pub fn outcome(&self) -> String {
        let json: Value = serde_json::from_str(&self.body).unwrap_or_default();
        match json["error"].as_str() {
            Some(error) => format!("{} {error}", self.status.as_u16()),
            None => self.status.as_u16().to_string(),
        }
    }

    /// The tokens of a good answer.
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        serde_json::from_value(self.json()).unwrap()
    }
}

impl RelyingParty {
    /// The application that is registered as this client.
    pub fn new(app: &TestApp, client: &TestClient) -> RelyingParty {
        RelyingParty {
            http: http().build().unwrap(),
            issuer: app.issuer.clone(),
            redirect_uri: client.client.redirect_uris.first().cloned().unwrap_or_default(),
            client: client.clone(),
        }
    }

    /// An authorization request for a code with PKCE. `parameters` replace or add to the usual ones; an empty value
    /// leaves the parameter out.
    pub fn authorization(&self, parameters: &[(&str, &str)]) -> Authorization {
        let verifier = random();
        let (state, nonce) = (random(), random());
        let usual = [
            ("response_type", "code"),
            ("client_id", &self.client.client.id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "openid"),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge(&verifier)),
            ("code_challenge_method", "S256"),
        ];
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in usual {
            if !parameters.iter().any(|(other, _)| *other == name) {
                all.push((name.to_owned(), value.to_owned()));
            }
        }
        let given = parameters.iter().filter(|(_, value)| !value.is_empty());
        all.extend(given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let url = Url::parse_with_params(&format!("{}/oauth/authorize", self.issuer), &all).unwrap();
        Authorization { url: url.into(), parameters: all, verifier, state, nonce }
    }

    /// Sends somebody through the pages; they sign in and agree wherever they are asked. The answer has been checked
    /// for `state` and `iss`.
    pub async fn authorize(
        &self,
        browser: &Browser,
        username: &str,
        parameters: &[(&str, &str)],
    ) -> (Authorization, Callback) {
        let authorization = self.authorization(parameters);
        let page = browser.open(&authorization.url).await;
        let callback = browser.agree(page, username).await.callback();
        self.check(&authorization, &callback);
        (authorization, callback)
    }

    /// Refuses an answer that is for another request or from another server (RFC 6749 §10.12, RFC 9207 §2.4).
    pub fn check(&self, authorization: &Authorization, callback: &Callback) {
        assert_eq!(callback.get("iss"), self.issuer);
        let state = authorization.parameters.iter().find(|(name, _)| name == "state");
        assert_eq!(callback.get("state"), state.map_or("", |(_, state)| state));
    }

    /// The whole way: tokens for a person, whose ID token was verified if there is one.
    pub async fn sign_in(&self, browser: &Browser, username: &str, scope: &str) -> Tokens {
        let (authorization, callback) = self.authorize(browser, username, &[("scope", scope)]).await;
        let tokens = self.redeem(&authorization, callback.code()).await.tokens();
        if !tokens.id_token.is_empty() {
            let claims = self.verify_id_token(&tokens.id_token).await;
            assert_eq!(claims["nonce"], authorization.nonce.as_str());
            assert_eq!(claims["at_hash"], at_hash(&tokens.access_token));
        }
        tokens
    }

    /// Redeems a code.
    pub async fn redeem(&self, authorization: &Authorization, code: &str) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &authorization.verifier),
        ])
        .await
    }

    /// Refreshes.
    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Asks for a token of its own.
    pub async fn client_credentials(&self, scope: &str) -> Answer {
        self.token(&[("grant_type", "client_credentials"), ("scope", scope)]).await
    }

    /// Asks the token endpoint, authenticated as registered.
    pub async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.post("/oauth/token", fields).await
    }

    /// Introspects a token.
    pub async fn introspect(&self, token: &str) -> Answer {
        self.post("/oauth/introspect", &[("token", token)]).await
    }

    /// Whether introspection calls a token active.
    pub async fn is_active(&self, token: &str) -> bool {
        let answer = self.introspect(token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()["active"] == true
    }

    /// Revokes a token.
    pub async fn revoke(&self, token: &str) -> Answer {
        self.post("/oauth/revoke", &[("token", token)]).await
    }

    /// Asks userinfo.
    pub async fn userinfo(&self, access_token: &str) -> Answer {
        let request = self.http.get(format!("{}/oauth/userinfo", self.issuer)).bearer_auth(access_token);
        send(request).await
    }

    /// Posts a form, authenticated as registered: with the secret in the header or body, or with `client_id` alone.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        let request = self.http.post(format!("{}{path}", self.issuer));
        let client = &self.client.client;
        let request = match client.auth_method {
            AuthMethod::ClientSecretBasic => {
                request.header(header::AUTHORIZATION, basic(&client.id, &self.client.secret))
            }
            AuthMethod::ClientSecretPost => {
                fields.extend([("client_id", client.id.as_str()), ("client_secret", &self.client.secret)]);
                request
            }
            AuthMethod::None => {
                fields.push(("client_id", &client.id));
                request
            }
            AuthMethod::PrivateKeyJwt => request,
        };
        send(request.form(&fields)).await
    }

    /// The claims of an ID token: signed by a published key, for this client, not expired as far as `iat` tells.
    pub async fn verify_id_token(&self, token: &str) -> Map<String, Value> {
        let (header, claims) = self.verify(token).await;
        assert_eq!(header["typ"], "JWT");
        assert_eq!(claims["iss"], self.issuer.as_str());
        assert_eq!(claims["aud"], self.client.client.id.as_str());
        assert_eq!(claims["azp"], self.client.client.id.as_str());
        assert!(claims["exp"].as_i64() > claims["iat"].as_i64());
        claims
    }

    /// Header and claims of a JWT that a published key has signed.
    pub async fn verify(&self, token: &str) -> (Map<String, Value>, Map<String, Value>) {
        let jwks = send(self.http.get(format!("{}/oauth/jwks", self.issuer))).await.json();
        let header = header_of(token);
        let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]);
        let key = key.unwrap_or_else(|| panic!("no published key {} in {jwks}", header["kid"]));
        assert_eq!(key["alg"], header["alg"]);
        let jwk = Jwk::from_map(key.as_object().unwrap().clone()).unwrap();
        let verifier: Box<dyn JwsVerifier> = match header["alg"].as_str().unwrap() {
            "RS256" => Box::new(jws::RS256.verifier_from_jwk(&jwk).unwrap()),
            "ES256" => Box::new(jws::ES256.verifier_from_jwk(&jwk).unwrap()),
            "EdDSA" => Box::new(jws::EdDSA.verifier_from_jwk(&jwk).unwrap()),
            other => panic!("unexpected algorithm {other}"),
        };
        let (payload, _) = jws::deserialize_compact(token, &*verifier).expect("a good signature");
        (header, serde_json::from_slice(&payload).unwrap())
    }
}

/// Sends a request and reads the answer.
pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.text().await.unwrap() }
}

/// `Basic` with both halves form-encoded (RFC 6749 §2.3.1).
pub fn basic(user: &str, password: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(user), encoded(password))))
}

/// The claims of a JWT, unverified.
pub fn claims_of(token: &str) -> Map<String, Value> {
    part(token, 1)
}

/// The header of a JWT, unverified.
pub fn header_of(token: &str) -> Map<String, Value> {
    part(token, 0)
}

fn part(token: &str, n: usize) -> Map<String, Value> {
    let part = token.split('.').nth(n).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// PKCE's public half (RFC 7636 §4.2).
pub fn challenge(verifier: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode(hash)
}

/// OpenID Connect Core §3.1.3.6, for algorithms with SHA-256.
pub fn at_hash(token: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

/// 43 random characters.
pub fn random() -> String {
    keyward::model::secret::random_text::<32>()
}
