//! Cursors: a position in an order, sealed for one query.

use serde_json::to_vec;

use crate::{
    directory::Refusal,
    keys::Sealer,
    model::{graph::request::Query, problem::Code},
    store::{
        graph::{Ask, Place, order_of},
        listing::Side,
    },
};

/// A query with the position of its cursor.
///
/// # Errors
/// [`Code::CursorInvalid`] where the cursor is another query's or nobody's.
pub fn ask(query: Query, pointer: &str, sealer: &Sealer) -> Result<Ask, Refusal> {
    // the check of queries lets only one of them through
    let (side, name, cursor) = match (&query.after, &query.before) {
        (Some(cursor), _) => (Side::After, "after", cursor),
        (None, Some(cursor)) => (Side::Before, "before", cursor),
        (None, None) => return Ok(Ask { query, position: None }),
    };
    match open(&query, cursor, sealer) {
        Some(place) => Ok(Ask { query, position: Some((side, place)) }),
        None => {
            let expected = "expected a firstCursor or lastCursor of the same query";
            Err(Refusal::at(Code::CursorInvalid, format!("{pointer}/{name}"), expected))
        }
    }
}

fn open(query: &Query, cursor: &str, sealer: &Sealer) -> Option<Place> {
    serde_json::from_slice(&sealer.open_text(&context(query), cursor)?).ok()
}

/// The cursor of a position.
pub fn seal(query: &Query, place: Option<&Place>, sealer: &Sealer) -> Option<String> {
    Some(sealer.seal_text(&context(query), &to_vec(place?).ok()?))
}

/// What a cursor is bound to: whatever decides which nodes there are, and in which order.
fn context(query: &Query) -> Vec<u8> {
    let required = query.navigate.iter().filter(|led| led.require);
    let required: Vec<(&str, String)> = required.map(|led| (led.edge, format!("{:?}", led.condition))).collect();
    let bound = ("graph", query.node.name(), order_of(query), format!("{:?}", query.condition), required);
    to_vec(&bound).unwrap_or_default()
}
