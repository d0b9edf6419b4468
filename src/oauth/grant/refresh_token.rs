//! refresh_token (RFC 6749 §6, RFC 9700 §4.14).

use std::sync::Arc;

use super::{TokenResponse, lifetimes, prepare, reject, reveal, scope_parameter, tokens};
use crate::{
    app::App,
    model::time::Timestamp,
    oauth::{error::OAuthError, flow, params::Params, resource},
    store::KnownClient,
};

pub(super) async fn redeem(
    app: &App,
    client: Arc<KnownClient>,
    params: &Params,
    now: Timestamp,
) -> Result<TokenResponse, OAuthError> {
    let presented = params.required("refresh_token")?.to_owned();
    let scope = scope_parameter(params)?;
    let lifetimes = lifetimes(app, &client);
    let (successor, prepared) = prepare(app, Some(&presented));
    let known = flow::Beforehand::read(app, &client, &presented, now).await?;
    let refreshing = flow::Refreshing { token: presented.clone(), scope, known };
    let for_flow = client.clone();
    let (asked, issuer) = (params.clone(), app.config.issuer().to_owned());
    let outcome = app
        .store
        .write(move |tx| {
            let issued = flow::refresh_token(tx, &for_flow, &refreshing, prepared.clone(), lifetimes, now)?;
            let openid = issued.scope.contains("openid");
            let resources = resource::audience(&issued.grant.details.resources, openid, &asked, &issuer)?;
            Ok((issued, resources))
        })
        .await;
    let (issued, resources) = match outcome {
        Ok(granted) => granted,
        Err(rejection) => return Err(reject(app, rejection, now).await),
    };
    let refresh_token = reveal(app, &issued.refresh, &successor, &presented)?;
    tokens(app, &client, &issued, refresh_token, &resources, true, now)
}
