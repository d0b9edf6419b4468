//! What this face says about itself; [`crate::openapi`] makes one document of all faces.

use utoipa::OpenApi;

use super::{meta, query};

#[derive(OpenApi)]
#[openapi(paths(query::nested, query::structured, meta::get), tags((name = "graph", description = GRAPH)))]
struct Face;

const GRAPH: &str = "Questions across resources: identities (principals and clients) with their sessions, roles and \
                     events, mails and roles. Each kind of node has a permission of its own, `graph/<node>:read`, which a \
                     query needs for what it asks for and for what its navigations lead to. A search looks at a bounded \
                     number of rows: where `meta.complete` is false, `lastCursor` goes on from where it ended.";

/// The operations of this face and their schemas.
pub fn document() -> utoipa::openapi::OpenApi {
    Face::openapi()
}
