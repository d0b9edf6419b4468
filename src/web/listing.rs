//! What lists are asked with, and how they are answered: parameters, cursors, the envelope.
//!
//! A cursor is a row's position in an order, sealed for one list: it opens only with the same resource, filters and
//! order, and tells nobody what is in it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::{IntoParams, ToSchema};

use crate::{
    keys::Sealer,
    model::{
        id::shown,
        permission::Visibility,
        problem::{Code, Problem},
    },
    store::listing::{
        ClientFilter, Direction, Key, Listed, MAX_LIMIT, Order, Page, PrincipalFilter, Side, Total, clients,
        principals, roles,
    },
};

/// Rows of a page that names no limit.
const DEFAULT_LIMIT: usize = 50;
/// Characters of a filter.
const MAX_TEXT: usize = 200;
/// Longer than any cursor made here.
const MAX_CURSOR: usize = 4096;
/// Roles that can be asked for at once.
const MAX_ROLES: usize = 50;
/// More parameters than any list has.
const MAX_PARAMETERS: usize = 128;

/// A resource that is listed.
#[derive(Debug)]
pub struct Kind {
    /// Its name, which is the name of the array in answers.
    pub resource: &'static str,
    /// Parameters that are texts.
    pub texts: &'static [&'static str],
    /// Parameters that are true or false.
    pub flags: &'static [&'static str],
    /// Parameters that may be repeated or hold several texts between commas.
    pub many: &'static [&'static str],
    /// What it can be ordered by; the first is the default.
    pub orders: &'static [Order],
    /// Which way the default runs.
    pub direction: Direction,
}

/// Principals.
pub const PRINCIPALS: Kind = Kind {
    resource: "principals",
    texts: &["name", "email", "q", "role", "rolePrefix"],
    flags: &["includeSuspended"],
    many: &["roles"],
    orders: &principals::ORDERS,
    direction: Direction::Ascending,
};

/// Clients.
pub const CLIENTS: Kind = Kind {
    resource: "clients",
    texts: &["name", "q", "role", "rolePrefix"],
    flags: &["includeSuspended", "includeSystem"],
    many: &["roles"],
    orders: &clients::ORDERS,
    direction: Direction::Ascending,
};

/// Roles.
pub const ROLES: Kind = Kind {
    resource: "roles",
    texts: &["prefix"],
    flags: &[],
    many: &[],
    orders: &roles::ORDERS,
    direction: Direction::Ascending,
};

/// Events of the audit log.
pub const EVENTS: Kind = Kind {
    resource: "events",
    texts: &["actor", "action", "client", "target", "targetType", "outcome", "since", "until"],
    flags: &[],
    many: &[],
    orders: &[Order::At],
    // the newest first
    direction: Direction::Descending,
};

/// A list as it was asked for.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Which page.
    pub page: Page,
    resource: &'static str,
    texts: BTreeMap<&'static str, String>,
    flags: BTreeMap<&'static str, bool>,
    many: BTreeMap<&'static str, Vec<String>>,
}

impl ListQuery {
    /// Reads a query string; a parameter without a value counts as not given.
    ///
    /// # Errors
    /// [`Code::UnknownParameter`], [`Code::ParameterRepeated`], [`Code::ParameterInvalid`], [`Code::LimitOutOfRange`],
    /// [`Code::OrderByUnknown`], [`Code::CursorInvalid`].
    pub fn parse(query: &str, kind: &Kind, sealer: &Sealer) -> Result<ListQuery, Problem> {
        let mut given: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for (n, (name, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
            let invalid = |what: &str| {
                Err(Problem::new(Code::ParameterInvalid, format!("expected {what} in parameter '{}'", shown(&name))))
            };
            let Some(known) = kind.parameters().find(|known| *known == name) else {
                let all: Vec<&str> = kind.parameters().collect();
                let detail = format!("expected {}, got '{}'", all.join(", "), shown(&name));
                return Err(Problem::new(Code::UnknownParameter, detail));
            };
            // U+FFFD stands where bytes were no UTF-8; nothing stored has control characters
            if n >= MAX_PARAMETERS || value.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
                return invalid("UTF-8 without control characters");
            }
            // cursors and what may be many are looked at below
            let measured = !matches!(known, "after" | "before") && !kind.many.contains(&known);
            if measured && value.chars().nth(MAX_TEXT).is_some() {
                return invalid(&format!("at most {MAX_TEXT} characters"));
            }
            let values = given.entry(known).or_default();
            if !values.is_empty() && !kind.many.contains(&known) {
                return Err(Problem::new(Code::ParameterRepeated, format!("expected {known} once")));
            }
            values.push(value.into_owned());
        }
        let one = |name: &str| given.get(name).and_then(|values| values.first()).filter(|value| !value.is_empty());

        let limit = match one("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => match text.parse() {
                Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => limit,
                _ => {
                    let detail = format!("expected a limit from 1 to {MAX_LIMIT}, got '{}'", shown(text));
                    return Err(Problem::new(Code::LimitOutOfRange, detail));
                }
            },
        };
        let (order, direction) = match one("orderBy") {
            None => (kind.orders.first().copied().unwrap_or(Order::CreatedAt), kind.direction),
            Some(text) => order_by(text, kind)?,
        };
        let texts = kind.texts.iter().filter_map(|name| Some((*name, one(name)?.clone()))).collect();
        let mut flags = BTreeMap::new();
        for name in kind.flags {
            match one(name).map(String::as_str) {
                None | Some("false") => {}
                Some("true") => {
                    flags.insert(*name, true);
                }
                Some(other) => {
                    let detail = format!("expected {name} to be true or false, got '{}'", shown(other));
                    return Err(Problem::new(Code::ParameterInvalid, detail));
                }
            }
        }
        let mut many = BTreeMap::new();
        for name in kind.many {
            let values = given.get(name).into_iter().flatten().flat_map(|value| value.split(','));
            let mut values: Vec<String> =
                values.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect();
            values.sort();
            values.dedup();
            if values.len() > MAX_ROLES || values.iter().any(|value| value.chars().nth(MAX_TEXT).is_some()) {
                let detail = format!("expected at most {MAX_ROLES} {name} of at most {MAX_TEXT} characters");
                return Err(Problem::new(Code::ParameterInvalid, detail));
            }
            if !values.is_empty() {
                many.insert(*name, values);
            }
        }
        let page = Page { limit, order, direction, position: None };
        let mut query = ListQuery { page, resource: kind.resource, texts, flags, many };
        query.page.position = match (one("after"), one("before")) {
            (None, None) => None,
            (Some(cursor), None) => Some((Side::After, query.open(cursor, "after", sealer)?)),
            (None, Some(cursor)) => Some((Side::Before, query.open(cursor, "before", sealer)?)),
            (Some(_), Some(_)) => {
                return Err(Problem::new(Code::CursorInvalid, "expected after or before, got both"));
            }
        };
        Ok(query)
    }

    fn open(&self, cursor: &str, name: &str, sealer: &Sealer) -> Result<Key, Problem> {
        let opened = if cursor.len() <= MAX_CURSOR { sealer.open_text(&self.context(), cursor) } else { None };
        opened.and_then(|plain| serde_json::from_slice(&plain).ok()).ok_or_else(|| {
            let detail = format!(
                "expected in {name} a firstCursor or lastCursor of the same list, with the same filters and orderBy"
            );
            Problem::new(Code::CursorInvalid, detail)
        })
    }

    fn seal(&self, key: &Key, sealer: &Sealer) -> Option<String> {
        Some(sealer.seal_text(&self.context(), &serde_json::to_vec(key).ok()?))
    }

    /// What a cursor is bound to. JSON, so that no two lists are written alike.
    fn context(&self) -> Vec<u8> {
        let descends = self.page.direction == Direction::Descending;
        let list = (self.resource, self.page.order.as_str(), descends, &self.texts, &self.flags, &self.many);
        serde_json::to_vec(&list).unwrap_or_default()
    }

    /// A parameter that is a text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.texts.get(name).cloned()
    }

    /// Whether a parameter is there and true.
    pub fn is_set(&self, name: &str) -> bool {
        self.flags.get(name).copied().unwrap_or(false)
    }

    fn roles(&self) -> Vec<String> {
        self.many.get("roles").cloned().unwrap_or_default()
    }

    /// The filter of a list of [`PRINCIPALS`].
    pub fn principals(&self, visibility: Visibility) -> PrincipalFilter {
        PrincipalFilter {
            name: self.text("name"),
            email: self.text("email"),
            q: self.text("q"),
            role: self.text("role"),
            roles: self.roles(),
            role_prefix: self.text("rolePrefix"),
            include_suspended: self.is_set("includeSuspended"),
            visibility,
        }
    }

    /// The filter of a list of [`CLIENTS`].
    pub fn clients(&self, visibility: Visibility) -> ClientFilter {
        ClientFilter {
            name: self.text("name"),
            q: self.text("q"),
            role: self.text("role"),
            roles: self.roles(),
            role_prefix: self.text("rolePrefix"),
            include_suspended: self.is_set("includeSuspended"),
            include_system: self.is_set("includeSystem"),
            visibility,
        }
    }

    /// The answer with this page.
    pub fn answer<T: Serialize>(&self, listed: Listed<T>, sealer: &Sealer) -> Envelope<T> {
        Envelope {
            resource: self.resource,
            first: listed.first.as_ref().and_then(|key| self.seal(key, sealer)),
            last: listed.last.as_ref().and_then(|key| self.seal(key, sealer)),
            total: listed.total,
            items: listed.items,
        }
    }
}

impl Kind {
    fn parameters(&self) -> impl Iterator<Item = &'static str> {
        let always = ["limit", "after", "before", "orderBy"];
        self.texts.iter().chain(self.flags).chain(self.many).copied().chain(always)
    }
}

/// `field`, `field asc` or `field desc`.
fn order_by(text: &str, kind: &Kind) -> Result<(Order, Direction), Problem> {
    let mut words = text.split_whitespace();
    let order = words.next().and_then(|field| kind.orders.iter().find(|order| order.as_str() == field));
    let direction = match words.next() {
        None | Some("asc") => Some(Direction::Ascending),
        Some("desc") => Some(Direction::Descending),
        Some(_) => None,
    };
    match (order, direction, words.next()) {
        (Some(order), Some(direction), None) => Ok((*order, direction)),
        _ => {
            let fields: Vec<&str> = kind.orders.iter().map(|order| order.as_str()).collect();
            let detail = format!("expected {} with or without asc or desc, got '{}'", fields.join(" or "), shown(text));
            Err(Problem::new(Code::OrderByUnknown, detail))
        }
    }
}

/// What every list is asked with, for the API's description.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code)] // read by `ListQuery`
pub struct PageParameters {
    /// Rows of the page
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// The lastCursor of the page before this one
    #[param(max_length = 4096)]
    after: Option<String>,
    /// The firstCursor of the page after this one
    #[param(max_length = 4096)]
    before: Option<String>,
    /// A field, with or without `asc` or `desc`
    #[param(max_length = 200)]
    order_by: Option<String>,
}

/// What every page says besides its rows, for the API's description.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)] // written by `Envelope`
pub struct PageOf {
    /// How many rows all pages have together, or at least have
    total_count: u64,
    /// Whether that is exact; where it is not, counting stopped
    total_count_relation: Relation,
    /// For `before`; null where the page is empty
    first_cursor: Option<String>,
    /// For `after`; null where the page is empty
    last_cursor: Option<String>,
}

/// Whether a count is exact.
#[derive(Debug, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TotalCountRelation)]
#[allow(dead_code)]
pub enum Relation {
    /// It is.
    Exact,
    /// Counting stopped there.
    AtLeast,
}

/// A page as it is answered: the array under the resource's name, `totalCount`, `totalCountRelation` (`exact`, or
/// `atLeast` where counting stopped), `firstCursor` and `lastCursor` (null where the page is empty).
#[derive(Debug)]
pub struct Envelope<T> {
    resource: &'static str,
    items: Vec<T>,
    total: Total,
    first: Option<String>,
    last: Option<String>,
}

impl<T: Serialize> Serialize for Envelope<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (count, relation) = match self.total {
            Total::Exact(count) => (count, "exact"),
            Total::AtLeast(count) => (count, "atLeast"),
        };
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry(self.resource, &self.items)?;
        map.serialize_entry("totalCount", &count)?;
        map.serialize_entry("totalCountRelation", relation)?;
        map.serialize_entry("firstCursor", &self.first)?;
        map.serialize_entry("lastCursor", &self.last)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::MasterKey, store::listing::Sort};

    fn sealer() -> Sealer {
        MasterKey::from_secret("a master secret for tests, 0123456789").unwrap().sealer("cursor")
    }

    fn parse(query: &str) -> Result<ListQuery, Problem> {
        ListQuery::parse(query, &PRINCIPALS, &sealer())
    }

    fn code(query: &str) -> &'static str {
        parse(query).unwrap_err().code.as_str()
    }

    #[test]
    fn the_defaults_are_fifty_in_the_order_of_registration() {
        let query = parse("name=&after=&q=").unwrap();
        assert_eq!((query.page.limit, query.page.order), (50, Order::CreatedAt));
        assert!(query.page.position.is_none() && query.text("name").is_none());
        let query =
            parse("orderBy=name+desc&limit=100&roles=a:b,c:d&roles=e:f&includeSuspended=true&q=%C3%B6").unwrap();
        assert_eq!((query.page.limit, query.page.order), (100, Order::Name));
        assert_eq!(query.page.direction, Direction::Descending);
        let filter = query.principals(Visibility::All);
        assert_eq!((filter.roles.len(), filter.include_suspended, filter.q.as_deref()), (3, true, Some("ö")));
        assert!(ListQuery::parse("prefix=a:&orderBy=key", &ROLES, &sealer()).is_ok());
        assert!(
            ListQuery::parse("includeSystem=true&orderBy=id", &CLIENTS, &sealer()).unwrap().is_set("includeSystem")
        );
        for empty in ["includeSystem=", "includeSystem", "includeSystem=false", "q="] {
            let query = ListQuery::parse(empty, &CLIENTS, &sealer()).unwrap();
            assert!(!query.is_set("includeSystem"), "{empty}");
        }
    }

    #[test]
    fn what_a_list_does_not_know_is_refused_by_name() {
        for limit in ["0", "101", "-1", "1.5", "a", "99999999999999999999"] {
            assert_eq!(code(&format!("limit={limit}")), "LIMIT_OUT_OF_RANGE", "{limit}");
        }
        for order in ["phone", "name+sideways", "name+asc+desc", "NAME", "id"] {
            assert_eq!(code(&format!("orderBy={order}")), "ORDER_BY_UNKNOWN", "{order}");
        }
        assert_eq!(code("nme=x"), "UNKNOWN_PARAMETER");
        assert_eq!(code("includeSystem=true"), "UNKNOWN_PARAMETER");
        assert_eq!(code("name=a&name=b"), "PARAMETER_REPEATED");
        assert_eq!(code("includeSuspended=maybe"), "PARAMETER_INVALID");
        assert_eq!(code("name=a%00b"), "PARAMETER_INVALID");
        assert_eq!(code("name=%ff"), "PARAMETER_INVALID");
        assert_eq!(code(&format!("q={}", "a".repeat(201))), "PARAMETER_INVALID");
        let many: Vec<String> = (0..51).map(|n| format!("a:{n}")).collect();
        assert_eq!(code(&format!("roles={}", many.join(","))), "PARAMETER_INVALID");
        for cursor in ["x", "eyJrIjpudWxsLCJzIjoxfQ", &"a".repeat(5000)] {
            assert_eq!(code(&format!("after={cursor}")), "CURSOR_INVALID");
        }
        assert_eq!(code("after=x&before=x"), "CURSOR_INVALID");
    }

    #[test]
    fn a_cursor_works_only_with_the_list_that_gave_it() {
        let query = parse("q=ada&orderBy=name").unwrap();
        let key = |seq| Key { sort: Sort::Text("ada".to_owned()), seq };
        let listed = Listed { items: vec![1, 2], total: Total::AtLeast(200), first: Some(key(1)), last: Some(key(2)) };
        let answer = serde_json::to_value(query.answer(listed, &sealer())).unwrap();
        assert_eq!(answer["principals"], serde_json::json!([1, 2]));
        assert_eq!((&answer["totalCount"], &answer["totalCountRelation"]), (&200.into(), &"atLeast".into()));
        let cursor = answer["lastCursor"].as_str().unwrap();
        assert!(!cursor.contains("ada"));
        let again = parse(&format!("q=ada&orderBy=name&limit=3&after={cursor}")).unwrap();
        assert_eq!(again.page.position, Some((Side::After, key(2))));
        for other in [
            "q=ada",
            "q=ada&orderBy=name+desc",
            "q=adb&orderBy=name",
            "name=ada&orderBy=name",
            "orderBy=name",
            "q=ada&orderBy=name&includeSuspended=true",
            "q=ada&orderBy=name&roles=a:b",
        ] {
            assert_eq!(code(&format!("{other}&before={cursor}")), "CURSOR_INVALID", "{other}");
        }
        let clients = ListQuery::parse(&format!("q=ada&orderBy=name&after={cursor}"), &CLIENTS, &sealer());
        assert_eq!(clients.unwrap_err().code, Code::CursorInvalid);
    }

    #[test]
    fn an_empty_page_has_no_cursors() {
        let listed: Listed<u8> = Listed { items: vec![], total: Total::Exact(0), first: None, last: None };
        let answer = serde_json::to_value(parse("").unwrap().answer(listed, &sealer())).unwrap();
        let expected = serde_json::json!({
            "principals": [], "totalCount": 0, "totalCountRelation": "exact", "firstCursor": null, "lastCursor": null
        });
        assert_eq!(answer, expected);
    }

    proptest::proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "[a-zA-Z&=%+,:0-9]{0,80}") {
            let _ = parse(&query);
        }
    }
}
