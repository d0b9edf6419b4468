//! What the graph says of its indexes is true, and what it answers costs as many statements for many nodes as for one.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use diesel::{Connection, QueryableByName, RunQueryDsl, connection::InstrumentationEvent, sql_query, sql_types::Text};
use keyward::{
    model::graph::{Condition, Node, Operator, Test, Value, request::Query},
    store::{
        self, Conn, Error,
        graph::{Ask, Sight},
    },
};

use super::population::{WIDE, place, query, sendings, some_test};
use crate::support::{START, TestApp, api::Api};

/// The statements that a query takes, as the database gets them.
async fn statements(app: &TestApp, query: &Query) -> Vec<String> {
    let asks = vec![Ask { query: query.clone(), position: None }];
    let run = move |conn: &mut Conn| -> Result<Vec<String>, Error> {
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let writes = log.clone();
        let note = move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                writes.lock().unwrap().push(query.to_string());
            }
        };
        match conn {
            Conn::Sqlite(conn) => conn.set_instrumentation(note),
            Conn::Postgres(conn) => conn.set_instrumentation(note),
        }
        let done = store::graph::run(conn, &asks, &Sight::all(), START, WIDE);
        let silent = |_: InstrumentationEvent<'_>| {};
        match conn {
            Conn::Sqlite(conn) => conn.set_instrumentation(silent),
            Conn::Postgres(conn) => conn.set_instrumentation(silent),
        }
        done?;
        let log = log.lock().unwrap();
        Ok(log.iter().filter(|text| text.starts_with("SELECT")).cloned().collect())
    };
    app.app.store.list(run).await.unwrap()
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// What the embedded database would do.
async fn plan(app: &TestApp, statement: &str) -> Vec<String> {
    let text = statement.split(" -- binds").next().unwrap();
    let explain = format!("EXPLAIN QUERY PLAN {text}");
    let run = move |conn: &mut Conn| -> Result<Vec<String>, Error> {
        let Conn::Sqlite(conn) = conn else { return Ok(Vec::new()) };
        let steps: Vec<Step> = sql_query(explain).load(conn)?;
        Ok(steps.into_iter().map(|step| step.detail).collect())
    };
    app.app.store.list(run).await.unwrap()
}

#[actix_web::test]
async fn what_is_declared_as_indexed_is_found_by_searching_an_index() {
    let (app, known, mut dice) = place(60).await;
    if app.is_postgres() {
        return;
    }
    let mails = sendings(&app, &mut dice, 30).await;
    let mut tried = 0;
    for (node, known) in [(Node::Identity, &known), (Node::Sending, &mails)] {
        for field in node.fields() {
            for &operator in field.indexed {
                let mut test = some_test(&mut dice, known, field, operator);
                test.values.retain(|value| *value != Value::Null && *value != Value::Text(String::new()));
                if test.values.is_empty() {
                    continue;
                }
                let asked = query(node, Condition::Test(test.clone()));
                let answer = super::population::run(&app, &asked, None, &Sight::all(), WIDE).await;
                assert!(answer.scan.by_index, "{test:?}");
                if matches!(field.name, "type" | "systemClient") {
                    // they tell which table to walk
                    continue;
                }
                for statement in statements(&app, &asked).await {
                    let steps = plan(&app, &statement).await;
                    let scans = |step: &&String| {
                        ["p", "m", "principal", "client", "sending", "one"].iter().any(|table| {
                            **step == format!("SCAN {table}") || step.starts_with(&format!("SCAN {table} "))
                        })
                    };
                    let scan = steps.iter().find(scans);
                    assert!(scan.is_none(), "{test:?}: {statement}: {steps:#?}");
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

#[actix_web::test]
async fn what_no_index_knows_is_not_declared() {
    let (app, known, mut dice) = place(60).await;
    let mails = sendings(&app, &mut dice, 30).await;
    for (node, known) in [(Node::Identity, &known), (Node::Sending, &mails)] {
        for field in node.fields() {
            for &operator in field.kind.operators() {
                let declared: BTreeSet<Operator> = field.indexed.iter().copied().collect();
                let test = some_test(&mut dice, known, field, operator);
                if declared.contains(&operator) || test.values.contains(&Value::Null) {
                    continue;
                }
                // what only the other kind of identity has is known without looking
                let both = if node == Node::Identity { "type anyof ['principal', 'client']" } else { "" };
                let both = keyward::model::graph::filter::parse(node, both).unwrap();
                let test = Condition::Test(test);
                let asked = query(node, Condition::All(vec![both, test.clone()]));
                let answer = super::population::run(&app, &asked, None, &Sight::all(), WIDE).await;
                assert!(!answer.scan.by_index, "{test:?}");
            }
        }
    }
}

fn navigation(edge: &'static str, node: Node) -> Query {
    Query {
        name: format!("{edge}There"),
        edge,
        node,
        limit: 10,
        count: true,
        fields: node.fields().iter().collect(),
        ..query(Node::Role, Condition::All(Vec::new()))
    }
}

#[actix_web::test]
async fn navigations_take_as_many_statements_for_a_hundred_nodes_as_for_one() {
    let (app, known, _) = place(100).await;
    let mut asked = query(Node::Identity, Condition::All(Vec::new()));
    asked.fields = Node::Identity.fields().iter().collect();
    let field = Node::ActivityLog.field("action").unwrap();
    let filtered = Test { field, operator: Operator::Contains, values: vec![Value::Text("session".to_owned())] };
    asked.navigate = vec![
        navigation("sessions", Node::Session),
        navigation("roles", Node::Role),
        navigation("activityLogs", Node::ActivityLog),
        Query { condition: Condition::Test(filtered), ..navigation("activityLogs", Node::ActivityLog) },
    ];
    let principals = known.iter().filter(|known| known.registered.0 == 0).count();
    asked.limit = principals;
    let many = statements(&app, &asked).await;
    asked.limit = 1;
    let one = statements(&app, &asked).await;
    // a table without rows on the page is not read
    assert!(many.len() <= one.len() + 2 && many.len() < 20, "{}: {many:#?}", one.len());
}

#[tokio::test]
async fn a_request_as_large_as_it_may_be_is_answered() {
    let (app, _, _) = place(60).await;
    let api = Api::holding(&app, "asker", &["graph:*"]).await;
    let list = |n: usize| {
        let words: Vec<String> = (0..100).map(|word| format!("'{}'", (b'a' + (word + n) as u8 % 26) as char)).collect();
        words.join(",")
    };
    // texts are the most that one character can say: each is a value of the statement
    let filter = (0..6).map(|n| format!("action anyof [{}]", list(n))).collect::<Vec<_>>().join(" or ");
    let navigate: Vec<serde_json::Value> = (0..20)
        .map(|n| {
            serde_json::json!({ "edge": "activityLogs", "alias": format!("a{n}"), "filter": filter, "limit": 2,
                "count": true, "require": n == 0, "node": { "fields": ["at"] } })
        })
        .collect();
    let body = |require: bool| {
        let mut navigate = navigate.clone();
        navigate[0]["require"] = require.into();
        serde_json::json!([{ "edge": "identities", "limit": 100, "node": { "fields": ["name"], "navigate": navigate } }])
    };
    for require in [false, true] {
        let body = body(require);
        assert!((50_000..65_536).contains(&body.to_string().len()), "{}", body.to_string().len());
        let answer = api.post("/resources/graph", body).await.object(200);
        assert_eq!(answer[0]["nodes"].as_array().unwrap().is_empty(), require);
    }
    // comparisons that are slow, as many as a filter may have, on whatever there is
    let slow: Vec<String> = (0..90).map(|n| format!("description contains '{}b{n}'", "a".repeat(60))).collect();
    let filter = format!("not ({})", slow.join(" or "));
    let body = serde_json::json!([{ "edge": "identities", "limit": 100, "filter": filter, "count": true }]);
    let answer = api.post("/resources/graph", body).await.object(200);
    assert_eq!(answer[0]["nodes"].as_array().unwrap().len(), 61);
    let many: Vec<String> = (0..90).map(|n| format!("name contains '{n}x'")).collect();
    let body = serde_json::json!([{ "edge": "identities", "filter": many.join(" or ") }]);
    assert_eq!(api.post("/resources/graph", body).await.object(200)[0]["nodes"], serde_json::json!([]));
}
