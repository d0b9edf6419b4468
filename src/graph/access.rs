//! Who may ask for what: each kind of node has a permission, `graph/<node>:read`, which suffices by itself.

use crate::{
    directory::{Actor, actor},
    model::{
        graph::{Node, request::Query},
        permission::Visibility,
    },
    store::graph::Sight,
    web::problem::{Challenge, Declined},
};

/// The resource that permissions to read a node name.
pub const fn resource(node: Node) -> &'static str {
    match node {
        Node::Identity => "graph/identity",
        Node::Sending => "graph/sending",
        Node::Role => "graph/role",
        Node::Session => "graph/session",
        Node::ActivityLog => "graph/activityLog",
    }
}

/// What the caller may see of what these queries ask for.
///
/// # Errors
/// [`Code::PermissionMissing`](crate::model::problem::Code::PermissionMissing), which names the first permission that the
/// token lacks.
pub fn sight(actor: &Actor, queries: &[Query]) -> Result<Sight, Declined> {
    let mut seen: Vec<(Node, Visibility)> = Vec::new();
    let mut open: Vec<&Query> = queries.iter().rev().collect();
    while let Some(query) = open.pop() {
        if !seen.iter().any(|(node, _)| *node == query.node) {
            seen.push((query.node, visibility(actor, query.node)?));
        }
        open.extend(query.navigate.iter().rev());
    }
    Ok(Sight::new(seen))
}

fn visibility(actor: &Actor, node: Node) -> Result<Visibility, Declined> {
    let resource = resource(node);
    let visibility = actor.permissions.visibility(resource, "read");
    let suffices = match node {
        Node::Identity | Node::Session | Node::ActivityLog => visibility != Visibility::None,
        // these carry no attributes: a permission under a condition shows none of them
        Node::Sending | Node::Role => visibility == Visibility::All,
    };
    match suffices {
        true => Ok(visibility),
        false => {
            Err(Declined::from(actor::missing(resource, "read"))
                .challenge(Challenge::InsufficientScope(resource, "read")))
        }
    }
}
