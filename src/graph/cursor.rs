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
    let given = [(Side::After, "after", &query.after), (Side::Before, "before", &query.before)];
    let mut given = given.into_iter().filter_map(|(side, name, cursor)| Some((side, name, cursor.as_ref()?)));
    let position = match (given.next(), given.next()) {
        (None, _) => None,
        (Some((side, name, cursor)), None) => match open(&query, cursor, sealer) {
            Some(place) => Some((side, place)),
            None => {
                let expected = "expected a firstCursor or lastCursor of the same query";
                return Err(Refusal::at(Code::CursorInvalid, format!("{pointer}/{name}"), expected));
            }
        },
        (Some(_), Some(_)) => {
            return Err(Refusal::at(Code::CursorInvalid, pointer, "expected after or before, got both"));
        }
    };
    Ok(Ask { query, position })
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
