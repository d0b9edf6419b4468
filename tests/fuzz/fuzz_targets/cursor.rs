//! Cursors open only where they were made: with the same key, for the same list, with the same filters and order, and
//! unaltered. The first byte chooses the list; then come lines: a query string, a text that claims to be a cursor, a
//! position (JSON), and a filter of the graph.

#![no_main]

use std::sync::LazyLock;

use keyward::{
    graph::cursor,
    keys::{MasterKey, Sealer},
    model::{
        graph::request::{self, Query, QueryInput},
        problem::{Code, Problem},
    },
    store::{
        graph::Place,
        listing::{Key, Listed, MAX_LIMIT, Side, Total},
    },
    web::listing::{CLIENTS, EVENTS, Kind, ListQuery, PRINCIPALS, ROLES},
};
use libfuzzer_sys::fuzz_target;

const KINDS: [&Kind; 4] = [&PRINCIPALS, &CLIENTS, &ROLES, &EVENTS];

static OURS: LazyLock<Sealer> = LazyLock::new(|| sealer("a master secret for fuzzing, 0123456789"));
static ANOTHER: LazyLock<Sealer> = LazyLock::new(|| sealer("another master secret for it, 0123456789"));

fn sealer(secret: &str) -> Sealer {
    MasterKey::from_secret(secret).expect("32 characters").sealer("cursor")
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (query, claimed, position, filter) = (line(), line(), line(), line());

    let forged = form_urlencoded::byte_serialize(claimed.as_bytes()).collect::<String>();
    let kind = KINDS[usize::from(*first) % KINDS.len()];
    list(kind, query, &forged, position, usize::from(*first));
    graph(filter, claimed, position);
});

fn list(kind: &Kind, query: &str, forged: &str, position: &str, at: usize) {
    let parsed = match ListQuery::parse(query, kind, &OURS) {
        Ok(parsed) => parsed,
        Err(problem) => return small(&problem),
    };
    assert!((1..=MAX_LIMIT).contains(&parsed.page.limit));
    assert!(parsed.page.position.is_none(), "{query} opened");
    assert!(kind.orders.contains(&parsed.page.order));
    let names = |wanted: &str| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == wanted);
    // a list takes each once, and 128 parameters in all
    if names("after") || names("before") || query.split('&').count() > 120 {
        return;
    }
    let with = |query: &str, name: &str, cursor: &str| match query.is_empty() {
        true => format!("{name}={cursor}"),
        false => format!("{query}&{name}={cursor}"),
    };
    if !forged.is_empty() {
        let problem = ListQuery::parse(&with(query, "after", forged), kind, &OURS).expect_err("a forged cursor");
        assert!(matches!(problem.code, Code::CursorInvalid | Code::ParameterInvalid), "{problem}");
        small(&problem);
    }

    let Ok(key) = serde_json::from_str::<Key>(position) else { return };
    let listed = Listed { items: Vec::<()>::new(), total: Total::Exact(0), first: Some(key.clone()), last: None };
    let envelope = serde_json::to_value(parsed.answer(listed, &OURS)).expect("JSON");
    let cursor = envelope["firstCursor"].as_str().expect("a cursor");
    // names and keys of roles are shorter
    if position.len() > 2000 {
        return;
    }
    for (name, side) in [("after", Side::After), ("before", Side::Before)] {
        let asked = with(query, name, cursor);
        let again = ListQuery::parse(&asked, kind, &OURS).expect("our own cursor");
        assert_eq!(again.page.position, Some((side, key.clone())), "{asked}");
        assert_eq!((again.page.order, again.page.direction), (parsed.page.order, parsed.page.direction));

        refused(ListQuery::parse(&asked, kind, &ANOTHER));
        refused(ListQuery::parse(&with(query, name, &altered(cursor, at)), kind, &OURS));
        refused(ListQuery::parse(&format!("{asked}="), kind, &OURS));
        for other in KINDS.iter().filter(|other| other.resource != kind.resource) {
            if ListQuery::parse(query, other, &OURS).is_ok() {
                refused(ListQuery::parse(&asked, other, &OURS));
            }
        }
        // another filter, another list
        if let Some(free) = kind.texts.iter().find(|text| !names(text)) {
            refused(ListQuery::parse(&with(&asked, free, "other"), kind, &OURS));
        }
    }
}

fn graph(filter: &str, claimed: &str, position: &str) {
    let query = |edge: &str, filter: Option<&str>| -> Option<Query> {
        let input = QueryInput { edge: edge.to_owned(), filter: filter.map(str::to_owned), ..QueryInput::default() };
        request::nested(&[input]).ok()?.pop()
    };
    let Some(asked) = query("identities", Some(filter).filter(|filter| !filter.is_empty())) else { return };
    let opens = |query: &Query, cursor: &str, sealer: &Sealer| {
        let query = Query { after: Some(cursor.to_owned()), ..query.clone() };
        cursor::ask(query, "/0", sealer).ok().and_then(|ask| ask.position)
    };
    assert_eq!(opens(&asked, claimed, &OURS), None);

    let Ok(place) = serde_json::from_str::<Place>(position) else { return };
    let cursor = cursor::seal(&asked, Some(&place), &OURS).expect("a cursor");
    assert_eq!(opens(&asked, &cursor, &OURS), Some((Side::After, place)));
    assert_eq!(opens(&asked, &cursor, &ANOTHER), None);
    assert_eq!(opens(&asked, &altered(&cursor, position.len()), &OURS), None);
    for other in [query("sendings", None), query("identities", Some("name == 'somebody else'"))].into_iter().flatten() {
        if other.condition != asked.condition || other.node != asked.node {
            assert_eq!(opens(&other, &cursor, &OURS), None);
        }
    }
}

/// The same with another character at one place.
fn altered(cursor: &str, at: usize) -> String {
    let at = at % cursor.len();
    let other = if &cursor[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &cursor[..at], &cursor[at + 1..])
}

fn refused(parsed: Result<ListQuery, Problem>) {
    let problem = parsed.expect_err("a cursor that was not made for this");
    assert_eq!(problem.code, Code::CursorInvalid, "{problem}");
}

fn small(problem: &Problem) {
    assert_eq!(problem.code.status(), 400);
    assert!(problem.detail.len() <= 1000 && !problem.detail.contains(char::is_control), "{problem}");
}
