//! authorization_code (RFC 6749 §4.1.3, RFC 7636 §4.5).

use std::sync::Arc;

use super::{TokenResponse, lifetimes, prepare, reject, reveal, tokens};
use crate::{
    app::App,
    model::time::Timestamp,
    oauth::{
        error::OAuthError,
        flow::{self, Redemption},
        params::Params,
        resource,
    },
    store::KnownClient,
};

pub(super) async fn redeem(
    app: &App,
    client: Arc<KnownClient>,
    params: &Params,
    now: Timestamp,
) -> Result<TokenResponse, OAuthError> {
    let redemption = Redemption {
        code: params.required("code")?.to_owned(),
        redirect_uri: params.get("redirect_uri").map(str::to_owned),
        verifier: params.get("code_verifier").map(str::to_owned),
    };
    let lifetimes = lifetimes(app, &client);
    let (refresh, prepared) = prepare(app, None);
    let (for_flow, asked, issuer) = (client.clone(), params.clone(), app.config.issuer().to_owned());
    let outcome = app
        .store
        .write(move |tx| {
            let issued = flow::authorization_code(tx, &for_flow, &redemption, prepared.clone(), lifetimes, now)?;
            let openid = issued.scope.contains("openid");
            let resources = resource::audience(&issued.grant.details.resources, openid, &asked, &issuer)?;
            Ok((issued, resources))
        })
        .await;
    let (issued, resources) = match outcome {
        Ok(granted) => granted,
        Err(rejection) => return Err(reject(app, rejection, now).await),
    };
    let refresh_token = reveal(app, &issued.refresh, &refresh, "")?;
    tokens(app, &client, &issued, refresh_token, &resources, false, now)
}
