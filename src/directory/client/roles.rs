//! Which roles a client has.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{ClientDocument, Policy, document, find, holdings, may_touch, note, permit, rules, save};
use crate::{
    directory::{
        Actor, Precondition, Refusal,
        document::{kind, read, take_etag},
        guard,
    },
    model::{problem::Code, time::Timestamp},
    store::{self, Tx},
};

/// All roles that a client is to have; the array alone means the same
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientRolesInput {
    /// Their keys
    #[schema(max_items = 100, example = json!(["support:agent"]))]
    pub roles: Vec<String>,
    /// The version that is to be replaced, as in If-Match
    #[serde(default)]
    #[allow(dead_code)] // taken out before, here for the description
    etag: Option<String>,
}

/// Gives a client exactly the roles of `body`, which is `{"roles": […]}` or the array alone.
///
/// # Errors
/// [`Code::NotFound`], [`Code::SystemClientProtected`], the body's, the precondition's, [`Code::UnknownRole`],
/// [`Code::PrivilegeEscalation`].
pub fn set_roles(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &str,
    body: Value,
    precondition: &Precondition,
    policy: &Policy,
    now: Timestamp,
) -> Result<ClientDocument, Refusal> {
    tx.raise()?;
    let stored = find(tx, id)?.ok_or_else(|| Refusal::not_found("client", id))?;
    permit(actor, &stored, "write")?;
    let (mut roles, etag) = keys(body)?;
    let precondition = precondition.clone().and_body(etag.as_deref())?;
    precondition.check(Some(&stored.client.etag), policy.require_precondition)?;
    let held = may_touch(tx, actor, &stored)?;

    if roles.len() > rules::MAX_MEMBERS {
        let message = format!("expected at most {}, got {}", rules::MAX_MEMBERS, roles.len());
        return Err(Refusal::at(Code::FieldInvalid, "/roles", message));
    }
    roles.sort();
    roles.dedup();
    let mut after = stored.clone();
    after.roles = roles;
    guard::may_give(actor, id, &held, &holdings(tx, &after)?)?;
    if after.roles == stored.roles {
        return Ok(document::document(&stored));
    }
    save(tx, &mut after.client, &stored.client, now)?;
    store::identity::set_roles(tx, id, &after.roles)?.map_err(|key| guard::unknown_role(0, &key))?;
    note(tx, actor, "client.roles", Some(&stored), Some(&after), now)?;
    Ok(document::document(&after))
}

fn keys(body: Value) -> Result<(Vec<String>, Option<String>), Refusal> {
    match body {
        Value::Array(_) => Ok((read(body)?, None)),
        Value::Object(mut members) => {
            let etag = take_etag(&mut members)?;
            Ok((read::<ClientRolesInput>(Value::Object(members))?.roles, etag))
        }
        other => Err(Refusal::new(
            Code::BodyMalformed,
            format!("expected {{\"roles\": […]}} or an array, got {}", kind(&other)),
        )),
    }
}
