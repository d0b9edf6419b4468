//! People, applications and mails made up at random, and what a condition means, word by word.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use keyward::{
    model::{
        client_auth::AuthMethod,
        graph::{Condition, Field, Kind, Node, Operator, Test, Value, request::Query},
        id,
        permission::{Attributes, Visibility},
        time::Timestamp,
    },
    store::{
        self, Error, Tx,
        client::Client,
        graph::{Answer, Ask, Bounds, Place, Sight},
        listing::Side,
        principal::Principal,
        schema,
        sending::NewSending,
    },
};

use crate::{
    listing::Dice,
    support::{START, TestApp},
};

pub const ROLES: [&str; 5] = ["support:agent", "support:lead", "store:clerk", "store:lead", "portal:x"];
const NAMES: [&str; 8] = ["Ada", "ada lovelace", "Çelik Ömer", "ÖMER", "Bo%b_\\", "Anna-Maria Schmidt", "x", "ʻOkina"];
const TEXTS: [&str; 6] = ["The Shop", "the shop's till", "Über alles", "", "50% off_", "A?b{C}"];

/// More than any of these tests needs.
pub const WIDE: Bounds = Bounds { rows: 1_000_000, time: std::time::Duration::from_secs(600) };

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Is {
    Nothing,
    Text(String),
    Number(i64),
    Truth(bool),
    Set(BTreeSet<String>),
}

/// A node as it should be.
#[derive(Clone, Debug)]
pub struct Known {
    pub id: String,
    pub is: BTreeMap<&'static str, Is>,
    pub attributes: Attributes,
    /// First of its table (0 or 1), then of its registration.
    pub registered: (u8, usize),
}

fn text(value: Option<&str>) -> Is {
    value.map_or(Is::Nothing, |text| Is::Text(text.to_owned()))
}

fn time(value: Option<Timestamp>) -> Is {
    value.map_or(Is::Nothing, |at| Is::Number(at.millis()))
}

fn later(dice: &mut Dice, most: usize) -> Timestamp {
    Timestamp::from_millis(START.millis() + i64::try_from(dice.below(most)).unwrap() * 1000)
}

/// Somebody, with what they hold.
pub struct Made {
    pub known: Known,
    roles: Vec<String>,
    row: Row,
}

#[allow(clippy::large_enum_variant)]
enum Row {
    Principal(Principal),
    Client(Client),
}

/// Somebody made up.
pub fn identity(dice: &mut Dice, number: usize) -> Made {
    let roles: BTreeSet<&str> = (0..dice.below(3)).map(|_| dice.any(&ROLES)).collect();
    let mut attributes = Attributes::new();
    for key in ["region", "team"] {
        let values: BTreeSet<&str> = (0..dice.below(3)).map(|_| dice.any(&["eu", "us", "asia"])).collect();
        if !values.is_empty() {
            attributes.insert(key.to_owned(), values.into_iter().map(str::to_owned).collect());
        }
    }
    let name = dice.any(&NAMES).to_owned();
    let (created, updated) = (later(dice, 20), later(dice, 20));
    let suspended = dice.one_in(6).then(|| later(dice, 20));
    let mut is = BTreeMap::from([
        ("createdAt", time(Some(created))),
        ("lastModified", time(Some(updated))),
        ("suspendedAt", time(suspended)),
        ("roles", Is::Set(roles.iter().map(|role| (*role).to_owned()).collect())),
        ("systemClient", Is::Truth(false)),
    ]);
    let (id, table, row);
    if dice.one_in(3) {
        id = format!("{}-{number}", dice.any(&["Shop", "till", "bot.x"]));
        table = 1;
        let mut client = Client::new(id.clone(), name.clone(), AuthMethod::None, created);
        client.description = (!dice.one_in(3)).then(|| dice.any(&TEXTS).to_owned());
        client.suspended_at = suspended;
        client.updated_at = updated;
        client.access_attributes = attributes.clone();
        let described = text(client.description.as_deref());
        is.extend([("type", text(Some("client"))), ("description", described), ("name", text(Some(&name)))]);
        row = Row::Client(client);
    } else {
        id = uuid::Uuid::new_v4().to_string();
        table = 0;
        let address = format!("{}{number}@{}", dice.any(&["ada", "Bob"]), dice.any(&["example.org", "Mail.Example"]));
        let email = (!dice.one_in(6)).then(|| address.parse().unwrap());
        let mut person = Principal::new(id.clone(), email.as_ref(), created);
        person.name = (!dice.one_in(6)).then_some(name);
        person.phone = (!dice.one_in(3)).then(|| format!("+4917{}", dice.below(40)));
        person.suspended_at = suspended;
        person.updated_at = updated;
        person.last_active_at = (!dice.one_in(3)).then(|| later(dice, 5));
        person.access_attributes = attributes.clone();
        let active = time(person.last_active_at);
        is.extend([("type", text(Some("principal"))), ("lastActiveAt", active)]);
        is.extend([("name", text(person.name.as_deref())), ("email", text(person.email.as_deref()))]);
        is.insert("phone", text(person.phone.as_deref()));
        row = Row::Principal(person);
    }
    is.insert("identityId", text(Some(&id)));
    for (name, outer) in [("properties.name", "name"), ("properties.email", "email"), ("properties.phone", "phone")] {
        let value = is.get(outer).cloned().unwrap_or(Is::Nothing);
        is.insert(name, value);
    }
    let roles = roles.into_iter().map(str::to_owned).collect();
    Made { known: Known { id, is, attributes, registered: (table, number) }, roles, row }
}

/// Writes somebody down.
pub fn add(tx: &mut Tx<'_>, made: &Made) -> Result<(), Error> {
    match &made.row {
        Row::Principal(row) => store::principal::insert(tx, row)?,
        Row::Client(row) => store::client::insert(tx, row)?,
    }
    assert!(store::identity::set_roles(tx, &made.known.id, &made.roles)?.is_ok());
    Ok(())
}

/// Takes somebody away.
pub fn remove(tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    use schema::{client, identity_role, principal};
    diesel::delete(identity_role::table.filter(identity_role::identity_id.eq(id))).execute(&mut **tx)?;
    diesel::delete(principal::table.find(id)).execute(&mut **tx)?;
    diesel::delete(client::table.find(id)).execute(&mut **tx)?;
    Ok(())
}

/// A server with so many identities; the docs' client and its like are the system's, and not shown.
pub async fn place(many: usize) -> (TestApp, Vec<Known>, Dice) {
    let app = TestApp::spawn().await;
    for role in ROLES {
        app.role(role, &[]).await;
    }
    let mut dice = Dice(7);
    let made: Vec<Made> = (0..many).map(|number| identity(&mut dice, number)).collect();
    let known = made.iter().map(|made| made.known.clone()).collect();
    let write = move |tx: &mut Tx<'_>| made.iter().try_for_each(|made| add(tx, made));
    app.app.store.write::<(), Error, _>(write).await.unwrap();
    (app, known, dice)
}

/// So many mails.
pub async fn sendings(app: &TestApp, dice: &mut Dice, many: usize) -> Vec<Known> {
    let mut known = Vec::new();
    for number in 0..many {
        let created = Timestamp::from_millis(START.millis() + i64::try_from(number / 3).unwrap() * 1000);
        let id = id::generate(created);
        let category = (!dice.one_in(4)).then(|| dice.any(&["welcome", "invoice", "Reminder"]).to_owned());
        let recipient = dice.any(&["ada@example.org", "Bob@Example.org", "a@b.example, c@d.example"]).to_owned();
        let new = NewSending {
            id: id.clone(),
            category: category.clone(),
            created_at: created,
            recipient: recipient.clone(),
            transport: "smtp",
            dynamic: None,
            sealed_content: String::new(),
            created_by: None,
        };
        let status = dice.any(&["pending", "sent", "failed", "cancelled"]).to_owned();
        let (sent, tried, modified) = (dice.one_in(2), dice.one_in(2), later(dice, 9));
        let (sent, tried) = (sent.then(|| later(dice, 9)), tried.then(|| later(dice, 9)));
        let retries = i64::try_from(dice.below(4)).unwrap();
        let message = dice.one_in(3).then(|| dice.any(&["No such host", "550 no such USER", ""]).to_owned());
        known.push(Known {
            id: id.clone(),
            is: BTreeMap::from([
                ("sendingId", text(Some(&id))),
                ("category", text(category.as_deref())),
                ("createdAt", time(Some(created))),
                ("recipient", text(Some(&recipient))),
                ("status", text(Some(&status))),
                ("retryCount", Is::Number(retries)),
                ("errorMessage", text(message.as_deref())),
                ("processedAt", time(tried)),
                ("sentAt", time(sent)),
                ("transport", text(Some("smtp"))),
                ("lastModified", time(Some(modified))),
            ]),
            attributes: Attributes::new(),
            registered: (0, number),
        });
        let write = move |tx: &mut Tx<'_>| -> Result<(), Error> {
            use schema::sending;
            store::sending::insert(tx, &new)?;
            diesel::update(sending::table.find(&new.id))
                .set((
                    sending::status.eq(&status),
                    sending::retry_count.eq(retries),
                    sending::error_message.eq(&message),
                    sending::processed_at.eq(tried.map(Timestamp::millis)),
                    sending::sent_at.eq(sent.map(Timestamp::millis)),
                    sending::last_modified.eq(modified.millis()),
                    // no worker takes what is not there
                    sending::due_at.eq(None::<i64>),
                ))
                .execute(&mut **tx)?;
            Ok(())
        };
        app.app.store.write(write).await.unwrap();
    }
    // those of one millisecond lie in the order of their ids
    known.sort_by(|a, b| a.id.cmp(&b.id));
    for (number, one) in known.iter_mut().enumerate() {
        one.registered.1 = number;
    }
    known
}

/// Which fields have which case folded away.
fn folded(field: &Field, value: &str) -> String {
    match (field.kind, field.name) {
        (Kind::Caseless, "name" | "email" | "properties.name" | "properties.email") => value.to_lowercase(),
        (Kind::Caseless, _) => value.to_ascii_lowercase(),
        _ => value.to_owned(),
    }
}

/// Whether a node meets a test.
fn passes(test: &Test, known: &Known) -> bool {
    let fold = |text: &str| folded(test.field, text);
    let is = known.is.get(test.field.name).cloned().unwrap_or(Is::Nothing);
    let is = if let Is::Text(text) = is { Is::Text(fold(&text)) } else { is };
    let given = |value: &Value| match value {
        Value::Null => Is::Nothing,
        Value::Text(text) => Is::Text(fold(text)),
        Value::Number(number) => Is::Number(*number),
        Value::Bool(truth) => Is::Truth(*truth),
        Value::Time(at) => Is::Number(at.millis()),
        Value::Now(by) => Is::Number(START.millis() + by),
    };
    let values: Vec<Is> = test.values.iter().map(given).collect();
    let order = match (&is, &values[0]) {
        (Is::Text(a), Is::Text(b)) => Some(a.cmp(b)),
        (Is::Number(a), Is::Number(b)) => Some(a.cmp(b)),
        _ => None,
    };
    let texts: Vec<&String> =
        values.iter().filter_map(|value| if let Is::Text(text) = value { Some(text) } else { None }).collect();
    match (test.operator, &is) {
        (Operator::Equal, _) => is == values[0],
        (Operator::NotEqual, _) => is != values[0],
        (Operator::Less, _) => order.is_some_and(|order| order.is_lt()),
        (Operator::LessOrEqual, _) => order.is_some_and(|order| order.is_le()),
        (Operator::Greater, _) => order.is_some_and(|order| order.is_gt()),
        (Operator::GreaterOrEqual, _) => order.is_some_and(|order| order.is_ge()),
        (Operator::AnyOf, Is::Set(set)) => texts.iter().any(|text| set.contains(*text)),
        (Operator::AnyOf, _) => values.contains(&is),
        (Operator::AllOf, Is::Set(set)) => texts.iter().all(|text| set.contains(*text)),
        (Operator::Contains, Is::Set(set)) => set.contains(texts[0]),
        (Operator::Contains, Is::Text(text)) => text.contains(texts[0].as_str()),
        (Operator::StartsWith, Is::Set(set)) => set.iter().any(|text| text.starts_with(texts[0].as_str())),
        (Operator::StartsWith, Is::Text(text)) => text.starts_with(texts[0].as_str()),
        _ => false,
    }
}

/// Whether a node meets a condition.
pub fn meets(condition: &Condition, known: &Known) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| meets(part, known)),
        Condition::Any(parts) => parts.iter().any(|part| meets(part, known)),
        Condition::Not(part) => !meets(part, known),
        Condition::Test(test) => passes(test, known),
    }
}

/// Those that meet a condition and may be seen, in an order.
pub fn expected(
    all: &[Known],
    condition: &Condition,
    visibility: &Visibility,
    order: Option<(&'static Field, bool)>,
) -> Vec<String> {
    let mut met: Vec<&Known> =
        all.iter().filter(|known| meets(condition, known) && visibility.shows(&known.attributes)).collect();
    met.sort_by_key(|known| {
        let sort = order.map(|(field, _)| match known.is.get(field.name) {
            Some(Is::Text(text)) => (0, folded(field, text).chars().take(200).collect()),
            Some(Is::Number(number)) => (*number, String::new()),
            _ => (0, String::new()),
        });
        (sort, known.registered)
    });
    if order.is_some_and(|(_, descends)| descends) {
        met.reverse();
    }
    met.iter().map(|known| known.id.clone()).collect()
}

/// A test of a field with values that are there, or nearly.
pub fn some_test(dice: &mut Dice, all: &[Known], field: &'static Field, operator: Operator) -> Test {
    let count = match operator {
        Operator::AnyOf | Operator::AllOf => 1 + dice.below(3),
        _ => 1,
    };
    let is_exact = matches!(operator, Operator::Equal | Operator::NotEqual);
    let values = (0..count).map(|_| {
        if is_exact && dice.one_in(6) {
            return Value::Null;
        }
        let is = all[dice.below(all.len())].is.get(field.name).cloned().unwrap_or(Is::Nothing);
        match (is, field.kind) {
            (Is::Text(text), Kind::Word(_)) => Value::Text(text),
            (Is::Text(text), _) => Value::Text(changed(dice, &text, operator)),
            (Is::Set(set), _) => {
                let member = set.into_iter().next().unwrap_or_else(|| "none:such".to_owned());
                Value::Text(if operator == Operator::StartsWith { cut(dice, &member, 0) } else { member })
            }
            (Is::Number(number), Kind::Time) if dice.one_in(3) => Value::Now(number - START.millis()),
            (Is::Number(number), Kind::Time) => Value::Time(Timestamp::from_millis(number)),
            (Is::Number(number), _) => Value::Number(number),
            (Is::Truth(truth), _) => Value::Bool(truth != dice.one_in(2)),
            (Is::Nothing, Kind::Time) => Value::Time(START),
            (Is::Nothing, Kind::Number) => Value::Number(1),
            (Is::Nothing, Kind::Bool) => Value::Bool(true),
            (Is::Nothing, Kind::Word(words)) => Value::Text(words[0].to_owned()),
            (Is::Nothing, _) => Value::Text("none".to_owned()),
        }
    });
    Test { field, operator, values: values.collect() }
}

fn cut(dice: &mut Dice, text: &str, from: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    let from = from.min(chars.len());
    let rest = chars.len() - from;
    chars[from..from + if rest == 0 { 0 } else { 1 + dice.below(rest) }].iter().collect()
}

/// The text, perhaps in another case, or a part of it.
fn changed(dice: &mut Dice, text: &str, operator: Operator) -> String {
    let from = if operator == Operator::Contains { dice.below(4) } else { 0 };
    let text = match operator {
        Operator::Contains | Operator::StartsWith => cut(dice, text, from),
        _ => text.to_owned(),
    };
    match dice.below(4) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        _ => text,
    }
}

/// A condition on a node.
pub fn some_condition(dice: &mut Dice, all: &[Known], node: Node, depth: usize) -> Condition {
    let several =
        |dice: &mut Dice| (0..2 + dice.below(2)).map(|_| some_condition(dice, all, node, depth - 1)).collect();
    match if depth == 0 { 9 } else { dice.below(10) } {
        0..=2 => Condition::All(several(dice)),
        3 | 4 => Condition::Any(several(dice)),
        5 => Condition::Not(Box::new(some_condition(dice, all, node, depth - 1))),
        _ => loop {
            let field = &node.fields()[dice.below(node.fields().len())];
            let operators = field.kind.operators();
            if operators.is_empty() {
                continue;
            }
            let operator = operators[dice.below(operators.len())];
            return Condition::Test(some_test(dice, all, field, operator));
        },
    }
}

/// A query of the whole set of a node.
pub fn query(node: Node, condition: Condition) -> Query {
    Query {
        name: node.root().unwrap().to_owned(),
        edge: node.root().unwrap(),
        alias: None,
        node,
        condition,
        order: None,
        limit: 17,
        count: false,
        after: None,
        before: None,
        require: false,
        fields: vec![&node.fields()[0]],
        navigate: Vec::new(),
    }
}

/// Runs one query.
pub async fn run(
    app: &TestApp,
    query: &Query,
    position: Option<(Side, Place)>,
    sight: &Sight,
    bounds: Bounds,
) -> Answer {
    let (asks, sight) = (vec![Ask { query: query.clone(), position }], sight.clone());
    let now = START;
    let run = move |conn: &mut store::Conn| store::graph::run(conn, &asks, &sight, now, bounds);
    app.app.store.list::<_, Error, _>(run).await.unwrap().remove(0)
}

/// The identifiers of an answer.
pub fn ids(query: &Query, answer: &Answer) -> Vec<String> {
    let name = query.node.fields()[0].name;
    answer.nodes.iter().map(|found| found.fields[name].as_str().unwrap().to_owned()).collect()
}

/// All pages, one after the other.
pub async fn walk(
    app: &TestApp,
    query: &Query,
    side: Side,
    from: Option<Place>,
    sight: &Sight,
    bounds: Bounds,
) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    let mut position = from.map(|place| (side, place));
    for _ in 0..2000 {
        let answer = run(app, query, position, sight, bounds).await;
        let found = ids(query, &answer);
        assert!(found.len() <= query.limit);
        let (next, ends) = match side {
            Side::After => (answer.last, found.len() < query.limit && answer.scan.complete),
            Side::Before => (answer.first, found.len() < query.limit && answer.scan.complete),
        };
        match side {
            Side::After => seen.extend(found),
            Side::Before => {
                seen.splice(0..0, found);
            }
        }
        let Some(next) = next.filter(|_| !ends) else { return seen };
        position = Some((side, next));
    }
    panic!("the pages never end");
}
