//! Pages of lists are what sorting and filtering everything would give, whatever comes and goes in between.

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl, connection::SimpleConnection};
use keyward::{
    model::{
        client_auth::AuthMethod,
        email,
        permission::{Acl, Attributes, Visibility},
        time::Timestamp,
    },
    store::{
        self, Conn, Error, Tx,
        client::Client,
        listing::{
            ClientFilter, Direction, Key, Listed, Order, Page, PrincipalFilter, Side, Total, clients, principals, roles,
        },
        principal::Principal,
        role::Role,
        schema,
    },
};

use crate::support::{START, TestApp};

/// Numbers that look random (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn any<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const NAMES: [&str; 8] = ["Ada", "ada lovelace", "Çelik Ömer", "ÖMER", "Bo%b_\\", "Anna-Maria Schmidt", "x", "ʻOkina"];
const DOMAINS: [&str; 2] = ["example.org", "Mail.Example"];
const ROLES: [&str; 5] = ["support:agent", "support:lead", "store:clerk", "store:lead", "portal:x"];
const NEEDLES: [&str; 20] = [
    "a",
    "AD",
    "ada",
    "Lovelace",
    "ömer",
    "%",
    "_",
    "\\",
    "b_\\",
    "example",
    "EXAMPLE.ORG",
    "@mail.example",
    "maria schmi",
    "+4917",
    "nobody at all",
    "ʻo",
    "7@",
    "\"",
    "l\0",
    "ada lovelace",
];

#[derive(Clone)]
struct Row {
    principal: Principal,
    roles: Vec<String>,
    number: usize,
}

fn made_up(dice: &mut Dice, number: usize) -> Row {
    let id = uuid::Uuid::new_v4().to_string();
    let address = format!("{}{number}@{}", dice.any(&["ada", "Bob", "anna.maria"]), dice.any(&DOMAINS));
    let email = (!dice.one_in(6)).then(|| address.parse().unwrap());
    let mut principal = Principal::new(id, email.as_ref(), START);
    principal.name = (!dice.one_in(6)).then(|| dice.any(&NAMES).to_owned());
    principal.phone = (!dice.one_in(3)).then(|| format!("+4917{}", dice.below(1000)));
    principal.suspended_at = dice.one_in(5).then_some(START);
    principal.last_active_at =
        (!dice.one_in(3)).then(|| Timestamp::from_millis(1_000 + i64::try_from(dice.below(5)).unwrap()));
    for key in ["region", "team"] {
        let values: BTreeSet<&str> = (0..dice.below(3)).map(|_| dice.any(&["eu", "us", "asia"])).collect();
        if !values.is_empty() {
            principal.access_attributes.insert(key.to_owned(), values.into_iter().map(str::to_owned).collect());
        }
    }
    let roles: BTreeSet<&str> = (0..dice.below(3)).map(|_| dice.any(&ROLES)).collect();
    Row { principal, roles: roles.into_iter().map(str::to_owned).collect(), number }
}

fn some_filter(dice: &mut Dice) -> PrincipalFilter {
    let mut filter = PrincipalFilter::new(Visibility::All);
    let needle = |dice: &mut Dice, n: usize| dice.one_in(n).then(|| dice.any(&NEEDLES).to_owned());
    filter.name = needle(dice, 4);
    filter.email = needle(dice, 6);
    filter.q = needle(dice, 4);
    filter.role = dice.one_in(5).then(|| dice.any(&ROLES).to_owned());
    if dice.one_in(5) {
        filter.roles = (0..1 + dice.below(3)).map(|_| dice.any(&ROLES).to_owned()).collect();
    }
    filter.role_prefix = dice.one_in(5).then(|| dice.any(&["support:", "s", "store:lead", "none:"]).to_owned());
    filter.include_suspended = dice.one_in(2);
    if dice.one_in(4) {
        let value = |dice: &mut Dice| vec![dice.any(&["eu", "us"]).to_owned(), "asia".to_owned()];
        let mut alternatives = vec![vec![("region".to_owned(), value(dice))]];
        if dice.one_in(2) {
            alternatives[0].push(("team".to_owned(), value(dice)));
        }
        if dice.one_in(2) {
            alternatives.push(vec![("team".to_owned(), vec!["us".to_owned()])]);
        }
        filter.visibility = Visibility::Matching(alternatives);
    }
    filter
}

fn meets(filter: &PrincipalFilter, row: &Row) -> bool {
    let principal = &row.principal;
    let within = |text: Option<&str>, needle: &str| {
        text.is_some_and(|text| text.to_lowercase().contains(&needle.to_lowercase()))
    };
    let (name, email, phone) = (principal.name.as_deref(), principal.email.as_deref(), principal.phone.as_deref());
    filter.name.as_ref().is_none_or(|needle| within(name, needle))
        && filter.email.as_ref().is_none_or(|needle| within(email, needle))
        && filter.q.as_ref().is_none_or(|needle| [name, email, phone].into_iter().any(|text| within(text, needle)))
        && filter.role.as_ref().is_none_or(|role| row.roles.contains(role))
        && (filter.roles.is_empty() || filter.roles.iter().any(|role| row.roles.contains(role)))
        && filter.role_prefix.as_ref().is_none_or(|prefix| row.roles.iter().any(|role| role.starts_with(prefix)))
        && (filter.include_suspended || principal.suspended_at.is_none())
        && filter.visibility.shows(&principal.access_attributes)
}

/// What the whole list should be: the ids, in order.
fn expected(rows: &[Row], filter: &PrincipalFilter, order: Order, direction: Direction) -> Vec<String> {
    let mut met: Vec<&Row> = rows.iter().filter(|row| meets(filter, row)).collect();
    met.sort_by_key(|row| {
        let principal = &row.principal;
        let text = match order {
            Order::Name => principal.name.as_deref().map(str::to_lowercase).unwrap_or_default(),
            Order::Email => principal.email.as_deref().map(email::key).unwrap_or_default(),
            _ => String::new(),
        };
        let active = principal.last_active_at.filter(|_| order == Order::LastActiveAt).map_or(0, Timestamp::millis);
        (text, active, row.number)
    });
    if direction == Direction::Descending {
        met.reverse();
    }
    met.iter().map(|row| row.principal.id.clone()).collect()
}

fn add(tx: &mut Tx<'_>, row: &Row) -> Result<(), Error> {
    store::principal::insert(tx, &row.principal)?;
    assert!(store::identity::set_roles(tx, &row.principal.id, &row.roles)?.is_ok());
    Ok(())
}

fn remove(tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    use schema::{identity_role, principal};
    tx.changes_known();
    diesel::delete(identity_role::table.filter(identity_role::identity_id.eq(id))).execute(&mut **tx)?;
    diesel::delete(principal::table.find(id)).execute(&mut **tx)?;
    Ok(())
}

/// The next number of registration, so that what is added lies in other blocks of the index of texts.
fn skip_to(tx: &mut Tx<'_>, seq: i64) -> Result<(), Error> {
    match &mut **tx {
        Conn::Sqlite(conn) => {
            conn.batch_execute(&format!("UPDATE tally SET value = {seq} WHERE name = 'principal.seq'"))?
        }
        Conn::Postgres(conn) => conn.batch_execute(&format!("SELECT setval('principal_seq', {seq})"))?,
    }
    Ok(())
}

async fn place() -> (TestApp, Vec<Row>, Dice) {
    let app = TestApp::spawn().await;
    for role in ROLES {
        app.role(role, &[]).await;
    }
    let mut dice = Dice(11);
    let rows: Vec<Row> = (0..240).map(|number| made_up(&mut dice, number)).collect();
    let added = rows.clone();
    app.app
        .store
        .write(move |tx| {
            for (n, row) in added.iter().enumerate() {
                match n {
                    60 => skip_to(tx, 16_380)?,
                    120 => skip_to(tx, 16_384 * 5)?,
                    180 => skip_to(tx, 16_384 * 60)?,
                    _ => {}
                }
                add(tx, row)?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    (app, rows, dice)
}

async fn page(app: &TestApp, filter: &PrincipalFilter, page: &Page) -> Listed<principals::WithRoles> {
    let (filter, page) = (filter.clone(), page.clone());
    app.app.store.list(move |conn| principals::list(conn, &filter, &page)).await.unwrap()
}

fn ids(listed: &Listed<principals::WithRoles>) -> Vec<String> {
    listed.items.iter().map(|(row, _)| row.id.clone()).collect()
}

/// All pages, one after the other.
async fn walk(app: &TestApp, filter: &PrincipalFilter, mut ask: Page, side: Side, from: Option<Key>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    ask.position = from.map(|key| (side, key));
    for _ in 0..400 {
        let listed = page(app, filter, &ask).await;
        let found = ids(&listed);
        assert!(found.len() <= ask.limit);
        let Some((first, last)) = listed.first.zip(listed.last) else { return seen };
        match side {
            Side::After => {
                seen.extend(found);
                ask.position = Some((Side::After, last));
            }
            Side::Before => {
                seen.splice(0..0, found);
                ask.position = Some((Side::Before, first));
            }
        }
    }
    panic!("the pages never end");
}

#[actix_web::test]
async fn pages_forward_and_backward_are_the_whole_list_in_order() {
    let (app, rows, mut dice) = place().await;
    for case in 0..60 {
        let filter = some_filter(&mut dice);
        let order = principals::ORDERS[dice.below(4)];
        let direction = if dice.one_in(2) { Direction::Ascending } else { Direction::Descending };
        let ask = Page { limit: [1, 2, 7, 30, 100][1 + dice.below(4)], order, direction, position: None };
        let whole = expected(&rows, &filter, order, direction);
        let context = format!("case {case}: {filter:?} {ask:?}");
        let first = page(&app, &filter, &ask).await;
        assert_eq!(ids(&first), whole[..whole.len().min(ask.limit)], "{context}");
        let total = if whole.len() > 100 { Total::AtLeast(100) } else { Total::Exact(whole.len() as u64) };
        let plain = filter.visibility == Visibility::All
            && filter.roles.is_empty()
            && [&filter.name, &filter.email, &filter.q, &filter.role, &filter.role_prefix].iter().all(|f| f.is_none());
        let total = if plain { Total::Exact(whole.len() as u64) } else { total };
        assert_eq!(first.total, total, "{context}");
        assert_eq!(walk(&app, &filter, ask.clone(), Side::After, None).await, whole, "{context}");
        // backward from the last row: everything but that row
        let end = page(&app, &filter, &Page { limit: 100, direction: flipped(direction), ..ask.clone() }).await;
        if let Some(last) = end.first {
            let before = walk(&app, &filter, ask.clone(), Side::Before, Some(last.clone())).await;
            assert_eq!(before, whole[..whole.len() - 1], "{context}");
            let later = page(&app, &filter, &Page { position: Some((Side::Before, last)), ..ask.clone() }).await;
            assert_eq!(later.total, total, "{context}");
        }
        for (row, roles) in &first.items {
            let known = rows.iter().find(|known| known.principal.id == row.id).unwrap();
            assert_eq!((&known.roles, &known.principal.name), (roles, &row.name));
        }
    }
}

/// More people than are looked through at once, and texts that more and fewer of them have than a page of those has.
#[actix_web::test]
async fn texts_are_found_in_order_among_many_people() {
    let app = TestApp::spawn().await;
    let mut dice = Dice(5);
    let rows: Vec<Row> = (0..1_600)
        .map(|number| {
            let mut row = made_up(&mut dice, number);
            let name = match number {
                n if n % 13 == 3 => "Jo Thirteenth",
                n if n % 30 == 7 => "Al Thirtieth",
                n if n % 700 == 699 => "Seldom Seen",
                _ => "Kim",
            };
            row.principal.name = Some(name.to_owned());
            row.roles.clear();
            row
        })
        .collect();
    let added = rows.clone();
    app.app.store.write(move |tx| added.iter().try_for_each(|row| add(tx, row))).await.unwrap();
    for (needle, limit) in [("thirteenth", 100), ("thirteenth", 40), ("thirt", 100), ("thirtieth", 30), ("seldom", 2)] {
        for order in [Order::CreatedAt, Order::Email] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let mut filter = PrincipalFilter::new(Visibility::All);
                (filter.name, filter.include_suspended) = (Some(needle.to_owned()), limit != 40);
                let whole = expected(&rows, &filter, order, direction);
                let ask = Page { limit, order, direction, position: None };
                let context = format!("{needle}: {ask:?}");
                assert_eq!(walk(&app, &filter, ask.clone(), Side::After, None).await, whole, "{context}");
                let last = page(&app, &filter, &Page { direction: flipped(direction), ..ask.clone() }).await.first;
                let before = walk(&app, &filter, ask, Side::Before, last).await;
                assert_eq!(before, whole[..whole.len() - 1], "{context}");
            }
        }
    }
}

fn flipped(direction: Direction) -> Direction {
    match direction {
        Direction::Ascending => Direction::Descending,
        Direction::Descending => Direction::Ascending,
    }
}

#[actix_web::test]
async fn rows_that_stay_are_seen_once_while_others_come_and_go() {
    let (app, mut rows, mut dice) = place().await;
    let mut number = rows.len();
    for case in 0..20 {
        let filter = some_filter(&mut dice);
        let order = principals::ORDERS[dice.below(4)];
        let direction = if dice.one_in(2) { Direction::Ascending } else { Direction::Descending };
        let side = if dice.one_in(2) { Side::After } else { Side::Before };
        let mut ask = Page { limit: 5, order, direction, position: None };
        let before = expected(&rows, &filter, order, direction);
        let mut seen = Vec::new();
        if side == Side::Before {
            let end = page(&app, &filter, &Page { limit: 1, direction: flipped(direction), ..ask.clone() }).await;
            seen.extend(ids(&end));
            let Some(last) = end.first else { continue };
            ask.position = Some((Side::Before, last));
        }
        loop {
            let listed = page(&app, &filter, &ask).await;
            let Some((first, last)) = listed.first.clone().zip(listed.last.clone()) else { break };
            let found = ids(&listed);
            match side {
                Side::After => seen.extend(found),
                Side::Before => {
                    seen.splice(0..0, found);
                }
            }
            ask.position = Some(if side == Side::After { (side, last) } else { (side, first) });
            let gone = rows.remove(dice.below(rows.len())).principal.id;
            let come = made_up(&mut dice, number);
            number += 1;
            rows.push(come.clone());
            app.app
                .store
                .write(move |tx| {
                    remove(tx, &gone)?;
                    add(tx, &come)
                })
                .await
                .unwrap();
            if seen.len() > 400 {
                break;
            }
        }
        let after = expected(&rows, &filter, order, direction);
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "case {case}: twice: {filter:?} {ask:?}");
        let stayed: Vec<&String> = before.iter().filter(|id| after.contains(id)).collect();
        let of_those: Vec<&String> = seen.iter().filter(|id| stayed.contains(id)).collect();
        if seen.len() <= 400 {
            assert_eq!(of_those, stayed, "case {case}: {filter:?} {ask:?}");
        }
    }
}

#[actix_web::test]
async fn what_lists_know_follows_every_change() {
    let (app, rows, _) = place().await;
    let row = rows.iter().find(|row| row.principal.suspended_at.is_none() && row.principal.email.is_some()).unwrap();
    let id = row.principal.id.clone();
    let count = |filter: PrincipalFilter| {
        let app = &app;
        async move {
            match page(app, &filter, &Page::first(100, Order::CreatedAt)).await.total {
                Total::Exact(n) | Total::AtLeast(n) => n,
            }
        }
    };
    let everybody = PrincipalFilter::new(Visibility::All);
    let both = PrincipalFilter { include_suspended: true, ..everybody.clone() };
    let (active, all) = (count(everybody.clone()).await, count(both.clone()).await);
    assert_eq!(all, 240);
    let named = PrincipalFilter { name: Some("zebedee".to_owned()), ..both.clone() };
    let seen = Visibility::Matching(vec![vec![("planet".to_owned(), vec!["mars".to_owned(), "venus".to_owned()])]]);
    let on_mars = PrincipalFilter { visibility: seen, include_suspended: true, ..everybody.clone() };
    assert_eq!((count(named.clone()).await, count(on_mars.clone()).await), (0, 0));

    let changed = id.clone();
    app.app
        .store
        .write(move |tx| {
            use schema::principal;
            store::principal::set_suspended(tx, &changed, Some(START))?;
            let attributes = r#"{"planet":["mars","venus"],"odd":[]}"#;
            diesel::update(principal::table.find(&changed))
                .set((
                    principal::name.eq("Zebedee"),
                    principal::name_key.eq("zebedee"),
                    principal::access_attributes.eq(attributes),
                ))
                .execute(&mut **tx)?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!((count(everybody.clone()).await, count(both.clone()).await), (active - 1, all));
    assert_eq!((count(named.clone()).await, count(on_mars.clone()).await), (1, 1));

    app.app.store.write(move |tx| remove(tx, &id)).await.unwrap();
    assert_eq!((count(everybody).await, count(both).await), (active - 1, all - 1));
    assert_eq!((count(named).await, count(on_mars).await), (0, 0));
}

#[actix_web::test]
async fn clients_of_the_system_and_suspended_ones_are_hidden_unless_asked_for() {
    let app = TestApp::spawn_with(|config| config.iam.docs = false).await;
    app.role("support:bot", &[]).await;
    let now = app.now();
    app.app
        .store
        .write(move |tx| {
            for (n, (suspended, system)) in
                [(false, false), (true, false), (false, true), (true, true)].iter().enumerate()
            {
                let name = format!("{} {n}", ["Übersicht", "ÜBER", "Shop", "über"][n]);
                let mut client = Client::new(format!("client-{n}"), name, AuthMethod::None, now);
                client.suspended_at = suspended.then_some(now);
                client.system_client = *system;
                client.access_attributes = Attributes::from([("region".to_owned(), vec!["eu".to_owned()])]);
                store::client::insert(tx, &client)?;
                assert!(store::identity::set_roles(tx, &client.id, &["support:bot".to_owned()])?.is_ok());
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let mut cases = 0;
    for (include_suspended, include_system) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut filter = ClientFilter::new(Visibility::All);
        (filter.include_suspended, filter.include_system) = (include_suspended, include_system);
        let shown: Vec<String> = (0..4)
            .filter(|n| (include_suspended || n % 2 == 0) && (include_system || *n < 2))
            .map(|n| format!("client-{n}"))
            .collect();
        let narrowed = [
            filter.clone(),
            ClientFilter { role_prefix: Some("support:".to_owned()), ..filter.clone() },
            ClientFilter { q: Some("CLIENT-".to_owned()), ..filter.clone() },
            ClientFilter {
                visibility: Visibility::Matching(vec![vec![("region".to_owned(), vec!["eu".to_owned()])]]),
                ..filter.clone()
            },
        ];
        for filter in narrowed {
            for order in clients::ORDERS {
                let asked = filter.clone();
                let listed =
                    app.app.store.list(move |conn| clients::list(conn, &asked, &Page::first(50, order))).await.unwrap();
                assert_eq!(listed.total, Total::Exact(listed.items.len() as u64), "{filter:?} {order:?}");
                // the server has system clients of its own
                let ours = listed.items.into_iter().filter(|(row, _)| row.id.starts_with("client-"));
                let (mut found, roles): (Vec<String>, Vec<Vec<String>>) =
                    ours.map(|(row, roles)| (row.id, roles)).unzip();
                assert!(roles.iter().all(|roles| roles == &["support:bot"]));
                if order == Order::Name {
                    found.sort();
                }
                assert_eq!(found, shown, "{filter:?} {order:?}");
                cases += 1;
            }
        }
        let named = ClientFilter { name: Some("über".to_owned()), ..filter.clone() };
        let listed =
            app.app.store.list(move |conn| clients::list(conn, &named, &Page::first(50, Order::Name))).await.unwrap();
        assert!(listed.items.iter().all(|(row, _)| row.id != "client-2"));
        assert_eq!(listed.items.len(), shown.iter().filter(|id| *id != "client-2").count());
    }
    assert_eq!(cases, 48);
}

#[actix_web::test]
async fn roles_are_listed_by_key_and_prefix() {
    let app = TestApp::spawn().await;
    let now = app.now();
    app.app
        .store
        .write(move |tx| {
            for n in 0..30 {
                let key = format!("{}:r{n:02}", if n % 3 == 0 { "store" } else { "support" });
                let (description, acl, etag) = (None, Acl::default(), "e".to_owned());
                let role = Role { key, description, acl, system: false, created_at: now, updated_at: now, etag };
                store::role::insert(tx, &role)?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    for (prefix, n) in [("", 32), ("store:", 10), ("support:", 20), ("system:", 2), ("none:", 0), ("a\0", 0)] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut ask = Page { direction, ..Page::first(7, Order::Key) };
            let mut seen = Vec::new();
            loop {
                let asked = ask.clone();
                let listed = app.app.store.list(move |conn| roles::list(conn, prefix, &asked)).await.unwrap();
                assert_eq!(listed.total, Total::Exact(n), "{prefix}");
                let Some(last) = listed.last else { break };
                seen.extend(listed.items.into_iter().map(|role| role.key));
                ask.position = Some((Side::After, last));
            }
            let mut sorted = seen.clone();
            sorted.sort();
            if direction == Direction::Descending {
                sorted.reverse();
            }
            assert_eq!((seen.len() as u64, &seen), (n, &sorted), "{prefix}");
        }
    }
}
