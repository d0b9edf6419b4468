//! `/resources/iam/apply`

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use crate::{
    app::App,
    directory::{
        apply::{self, Applied, ApplyInput, Options},
        client::Policy,
    },
    web::{
        answer,
        body::Body,
        caller::{Caller, need::RolesWrite},
        problem::Declined,
        query::Flags,
    },
};

/// The path, which takes larger bodies than others.
pub(super) const PATH: &str = "/resources/iam/apply";
/// The most bytes of a body.
pub(super) const MAX_BODY: usize = 16 << 20;

/// Makes roles, clients and principals as they are described: all of it in one transaction, or none
///
/// What is not there is made, what differs is changed, what is the same is left alone: applying the same again changes
/// nothing. Every act needs its own permission besides, and `iam/roles:read`, `iam/clients:read` and
/// `iam/principals:read` for the sections that there are. What is refused is told with its place, as
/// `/principals/3/email`, and then nothing is changed. An entry may say in `eTag` which version it was made of; where the
/// server takes changes only under a precondition (`iam.require_if_match`), each entry that changes something has to, and
/// nothing is pruned (428). At most 5,000 entries, and as many deletions.
#[utoipa::path(
    post, path = "/resources/iam/apply", tag = "roles", operation_id = "applyDocument",
    params(
        ("dryRun" = Option<bool>, Query, description = "Change nothing, only tell what would be changed"),
        ("prune" = Option<bool>, Query, description = "Delete what is not described of the sections that are there: \
            nothing that is built in, and not the caller; all is refused where no owner would remain, or where somebody \
            who stays has a role that goes")
    ),
    request_body = ApplyInput,
    responses((status = 200, body = Applied)),
    security(("oauth" = ["iam/roles:write"]))
)]
pub async fn apply(
    caller: Caller<RolesWrite>,
    req: HttpRequest,
    body: Body,
    app: web::Data<App>,
) -> Result<HttpResponse, Declined> {
    let flags = Flags::read(&req, &["dryRun", "prune"])?;
    let options = Options {
        dry_run: flags.is_set("dryRun"),
        prune: flags.is_set("prune"),
        policy: Policy::of(&app.config),
        now: app.clock.now(),
    };
    let applied = apply::run(&app.store, caller.actor, body.object()?, options, Arc::new(|_, _| {})).await?;
    Ok(answer::value(StatusCode::OK, &applied))
}
