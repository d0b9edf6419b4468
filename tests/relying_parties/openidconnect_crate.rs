//! The crate `openidconnect`, as its documentation uses it.

use openidconnect::{
    AccessTokenHash, AdditionalProviderMetadata, AuthType, AuthenticationFlow, AuthorizationCode, ClientId,
    ClientSecret, CsrfToken, HttpRequest, HttpResponse, IntrospectionUrl, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, ProviderMetadata, RedirectUrl, RequestTokenError, RevocationUrl, Scope,
    TokenIntrospectionResponse, TokenResponse,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreErrorResponseType,
        CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
        CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType, CoreUserInfoClaims,
    },
};
use serde::{Deserialize, Serialize};

use crate::{EMAIL, REDIRECT_URI, Scene, act, support::browser};

/// What the library's own metadata leaves out.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Endpoints {
    introspection_endpoint: String,
    revocation_endpoint: String,
}

impl AdditionalProviderMetadata for Endpoints {}

type Metadata = ProviderMetadata<
    Endpoints,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Sends a request without TLS: the library revokes at https addresses only, on loopback too.
async fn send(http: &reqwest::Client, mut request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let plain = request.uri().to_string().replacen("https://", "http://", 1);
    *request.uri_mut() = plain.parse().unwrap();
    let response = http.execute(request.try_into()?).await?;
    let mut answer = HttpResponse::new(Vec::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    *answer.body_mut() = response.bytes().await?.to_vec();
    Ok(answer)
}

#[tokio::test]
async fn the_openidconnect_crate_works() {
    let scene = Scene::set().await;
    let http = browser::http().build().unwrap();
    let http = |request: HttpRequest| {
        let http = http.clone();
        Box::pin(async move { send(&http, request).await })
    };

    // Discovery
    let issuer = IssuerUrl::new(scene.app.issuer.clone()).unwrap();
    let metadata = Metadata::discover_async(issuer.clone(), &http).await.unwrap();
    let introspection = IntrospectionUrl::new(metadata.additional_metadata().introspection_endpoint.clone()).unwrap();
    let revocation = metadata.additional_metadata().revocation_endpoint.replacen("http://", "https://", 1);
    let client = |registered: &crate::TestClient, auth_type| {
        CoreClient::from_provider_metadata(
            metadata.clone(),
            ClientId::new(registered.client.id.clone()),
            (!registered.client.is_public()).then(|| ClientSecret::new(registered.secret.clone())),
        )
        .set_auth_type(auth_type)
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).unwrap())
        .set_introspection_url(introspection.clone())
        .set_revocation_url(RevocationUrl::new(revocation.clone()).unwrap())
    };

    for (registered, auth_type) in [
        (&scene.basic, AuthType::BasicAuth),
        (&scene.post, AuthType::RequestBody),
        (&scene.public, AuthType::RequestBody),
    ] {
        let client = client(registered, auth_type);

        // The code flow
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let mut request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        for scope in ["profile", "email", "offline_access"] {
            request = request.add_scope(Scope::new(scope.to_owned()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        let callback = act(url.as_str()).await;
        assert_eq!(callback.get("state"), state.secret());
        assert_eq!(callback.get("iss"), scene.app.issuer);
        let code = AuthorizationCode::new(callback.code().to_owned());
        let tokens =
            client.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&http).await.unwrap();

        // The ID token: signature, iss, aud, exp and nonce, then at_hash
        let id_token = tokens.id_token().expect("an ID token");
        let verifier = client.id_token_verifier();
        let claims = id_token.claims(&verifier, &nonce).unwrap();
        let (algorithm, key) = (id_token.signing_alg().unwrap(), id_token.signing_key(&verifier).unwrap());
        let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key).unwrap();
        assert_eq!(claims.access_token_hash(), Some(&hash));
        assert!(id_token.claims(&verifier, &Nonce::new("another".to_owned())).is_err());

        // Userinfo, which the library compares with the ID token's subject
        let about = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())).unwrap();
        let about: CoreUserInfoClaims = about.request_async(&http).await.unwrap();
        assert_eq!(about.email().unwrap().as_str(), EMAIL);

        // Refresh
        let first = tokens.refresh_token().expect("a refresh token");
        let refreshed = client.exchange_refresh_token(first).unwrap().request_async(&http).await.unwrap();
        let second = refreshed.refresh_token().expect("another refresh token");
        assert_ne!(first.secret(), second.secret());
        // OpenID Connect Core §12.2: the refreshed ID token has no nonce
        let again = refreshed.id_token().expect("an ID token").claims(&verifier, |nonce: Option<&Nonce>| match nonce {
            None => Ok(()),
            Some(_) => Err("unexpected nonce".to_owned()),
        });
        assert_eq!(again.unwrap().subject(), claims.subject());

        // Introspection is not for public clients (RFC 7662 §2.1)
        let confidential = !registered.client.is_public();
        let introspected = client.introspect(refreshed.access_token()).request_async(&http).await;
        match introspected {
            Ok(answer) => {
                assert!(confidential && answer.active());
                assert_eq!(answer.sub(), Some(claims.subject().as_str()));
                assert_eq!(answer.client_id(), Some(&ClientId::new(registered.client.id.clone())));
            }
            Err(RequestTokenError::ServerResponse(error)) => {
                assert!(!confidential);
                assert_eq!(error.error(), &CoreErrorResponseType::InvalidClient);
            }
            Err(other) => panic!("{other}"),
        }

        // Revocation takes the whole grant along
        client.revoke_token(second.clone().into()).unwrap().request_async(&http).await.unwrap();
        let ended = client.exchange_refresh_token(second).unwrap().request_async(&http).await.unwrap_err();
        let RequestTokenError::ServerResponse(error) = ended else { panic!("{ended}") };
        assert_eq!(error.error(), &CoreErrorResponseType::InvalidGrant);

        if confidential {
            let answer = client.introspect(refreshed.access_token()).request_async(&http).await.unwrap();
            assert!(!answer.active());

            // A token of its own
            let own = client.exchange_client_credentials().unwrap().request_async(&http).await.unwrap();
            assert!(own.refresh_token().is_none() && own.id_token().is_none());
            let answer = client.introspect(own.access_token()).request_async(&http).await.unwrap();
            assert_eq!(answer.sub(), Some(registered.client.id.as_str()));
        }
    }
}
