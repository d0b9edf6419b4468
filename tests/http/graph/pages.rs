//! Pages are what sorting and filtering everything would give, whatever comes and goes in between.

use std::{collections::BTreeSet, time::Duration};

use keyward::{
    model::{
        graph::{Condition, Node, Operator, Value},
        permission::Visibility,
    },
    store::{
        Error, Tx,
        graph::{Bounds, Sight},
        listing::{BOUND, Side, Total},
    },
};

use super::population::{
    WIDE, add, expected, identity, ids, place, query, remove, run, sendings, some_condition, some_test, walk,
};
use crate::{listing::Dice, support::TestApp};

fn some_visibility(dice: &mut Dice) -> Visibility {
    let value = |dice: &mut Dice| vec![dice.any(&["eu", "us"]).to_owned(), "asia".to_owned()];
    let mut alternatives = vec![vec![("region".to_owned(), value(dice))]];
    if dice.one_in(2) {
        alternatives[0].push(("team".to_owned(), value(dice)));
    }
    if dice.one_in(2) {
        alternatives.push(vec![("team".to_owned(), vec!["us".to_owned()])]);
    }
    if dice.one_in(2) { Visibility::All } else { Visibility::Matching(alternatives) }
}

/// The order in which a query without one answers.
fn usual(condition: &Condition, node: Node) -> Option<(&'static keyward::model::graph::Field, bool)> {
    fn is_about_creation(condition: &Condition) -> bool {
        match condition {
            Condition::All(parts) => parts.iter().any(is_about_creation),
            Condition::Test(test) => {
                test.field.name == "createdAt" && test.operator != Operator::NotEqual && test.values[0] != Value::Null
            }
            _ => false,
        }
    }
    is_about_creation(condition).then(|| (node.field("createdAt").unwrap(), false))
}

/// Whether a count says that there are so many: exactly, or where it stopped.
fn tells(total: Option<Total>, rows: usize) -> bool {
    let stopped = rows > BOUND && total == Some(Total::AtLeast(BOUND as u64));
    stopped || total == Some(Total::Exact(rows as u64))
}

#[actix_web::test]
async fn every_comparison_of_identities_finds_what_it_says() {
    let (app, known, mut dice) = place(160).await;
    for field in Node::Identity.fields() {
        for &operator in field.kind.operators() {
            for _ in 0..3 {
                let test = some_test(&mut dice, &known, field, operator);
                let condition = Condition::Test(test);
                let mut asked = query(Node::Identity, condition.clone());
                asked.count = true;
                let wanted = expected(&known, &condition, &Visibility::All, usual(&condition, Node::Identity));
                let found = walk(&app, &asked, Side::After, None, &Sight::all(), WIDE).await;
                assert_eq!(found, wanted, "{condition:?}");
                let first = run(&app, &asked, None, &Sight::all(), WIDE).await;
                assert!(tells(first.total, wanted.len()), "{:?} of {}: {condition:?}", first.total, wanted.len());
            }
        }
    }
}

#[actix_web::test]
async fn pages_forward_and_backward_are_the_whole_answer_in_order() {
    let (app, known, mut dice) = place(160).await;
    for case in 0..150 {
        let condition = some_condition(&mut dice, &known, Node::Identity, 3);
        let visibility = some_visibility(&mut dice);
        let sight = Sight::new([(Node::Identity, visibility.clone())]);
        let mut asked = query(Node::Identity, condition.clone());
        asked.limit = [1, 3, 17, 100][dice.below(4)].max(if case % 10 == 0 { 1 } else { 3 });
        asked.count = dice.one_in(2);
        let ordered: Vec<_> = Node::Identity.fields().iter().filter(|field| field.ordered).collect();
        asked.order = dice.one_in(2).then(|| (ordered[dice.below(ordered.len())], dice.one_in(2)));
        let order = asked.order.or_else(|| usual(&condition, Node::Identity));
        let whole = expected(&known, &condition, &visibility, order);
        // bounds that end each request early change nothing but the number of requests
        let bounds = if dice.one_in(3) { Bounds { rows: 40, time: Duration::from_secs(600) } } else { WIDE };
        let context = format!("case {case}: {asked:?} {visibility:?} {bounds:?}");
        assert_eq!(walk(&app, &asked, Side::After, None, &sight, bounds).await, whole, "{context}");
        let mut end = asked.clone();
        (end.limit, end.order) = (1, order.map_or(end.order, |(field, descends)| Some((field, !descends))));
        if let (Some(_), Some(last)) = (order, run(&app, &end, None, &sight, WIDE).await.first) {
            let before = walk(&app, &asked, Side::Before, Some(last), &sight, bounds).await;
            assert_eq!(before, whole[..whole.len() - 1], "{context}");
        }
        let first = run(&app, &asked, None, &sight, WIDE).await;
        assert_eq!(first.total.is_some(), asked.count, "{context}");
        assert!(!asked.count || tells(first.total, whole.len()), "{:?} of {}: {context}", first.total, whole.len());
        if let Some(last) = first.last.clone() {
            let seen = ids(&asked, &first);
            let next = run(&app, &asked, Some((Side::After, last.clone())), &sight, WIDE).await;
            let from = next.first.unwrap_or(last);
            let back = walk(&app, &asked, Side::Before, Some(from), &sight, WIDE).await;
            let known = if next.nodes.is_empty() { &seen[..seen.len() - 1] } else { &seen[..] };
            assert_eq!(back, known, "{context}");
        }
    }
}

#[actix_web::test]
async fn mails_are_found_by_whatever_is_known_of_them() {
    let app = TestApp::spawn().await;
    let mut dice = Dice(5);
    let known = sendings(&app, &mut dice, 70).await;
    for field in Node::Sending.fields() {
        for &operator in field.kind.operators() {
            for _ in 0..3 {
                let condition = Condition::Test(some_test(&mut dice, &known, field, operator));
                let asked = query(Node::Sending, condition.clone());
                let wanted = expected(&known, &condition, &Visibility::All, None);
                let found = walk(&app, &asked, Side::After, None, &Sight::all(), WIDE).await;
                assert_eq!(found, wanted, "{condition:?}");
            }
        }
    }
    for case in 0..60 {
        let condition = some_condition(&mut dice, &known, Node::Sending, 3);
        let mut asked = query(Node::Sending, condition.clone());
        let descends = dice.one_in(2);
        asked.order = descends.then(|| (Node::Sending.field("createdAt").unwrap(), true));
        let mut wanted = expected(&known, &condition, &Visibility::All, None);
        if descends {
            wanted.reverse();
        }
        let bounds = Bounds { rows: 1 + dice.below(60), time: Duration::from_secs(600) };
        let found = walk(&app, &asked, Side::After, None, &Sight::all(), bounds).await;
        assert_eq!(found, wanted, "case {case}: {condition:?}");
    }
    let hidden = Sight::new([(Node::Sending, Visibility::Matching(vec![vec![("a".into(), vec!["b".into()])]]))]);
    let all = query(Node::Sending, Condition::All(Vec::new()));
    assert!(run(&app, &all, None, &hidden, WIDE).await.nodes.is_empty());
}

#[actix_web::test]
async fn identities_that_stay_are_seen_once_while_others_come_and_go() {
    let (app, mut known, mut dice) = place(160).await;
    let mut number = known.len();
    for case in 0..25 {
        let condition =
            if case < 5 { Condition::All(Vec::new()) } else { some_condition(&mut dice, &known, Node::Identity, 2) };
        let mut asked = query(Node::Identity, condition.clone());
        asked.limit = 5;
        let ordered: Vec<_> = Node::Identity.fields().iter().filter(|field| field.ordered).collect();
        asked.order = dice.one_in(2).then(|| (ordered[dice.below(ordered.len())], dice.one_in(2)));
        let order = asked.order.or_else(|| usual(&condition, Node::Identity));
        let before = expected(&known, &condition, &Visibility::All, order);
        let bounds = if dice.one_in(2) { Bounds { rows: 30, time: Duration::from_secs(600) } } else { WIDE };
        let (mut seen, mut position) = (Vec::new(), None);
        for _ in 0..300 {
            let answer = run(&app, &asked, position, &Sight::all(), bounds).await;
            let found = ids(&asked, &answer);
            let ends = found.len() < asked.limit && answer.scan.complete;
            seen.extend(found);
            let Some(last) = answer.last.filter(|_| !ends) else { break };
            position = Some((Side::After, last));
            let gone = known.remove(dice.below(known.len())).id;
            let come = identity(&mut dice, number);
            number += 1;
            known.push(come.known.clone());
            let write = move |tx: &mut Tx<'_>| -> Result<(), Error> {
                remove(tx, &gone)?;
                add(tx, &come)
            };
            app.app.store.write(write).await.unwrap();
        }
        let after: BTreeSet<String> = expected(&known, &condition, &Visibility::All, order).into_iter().collect();
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "case {case}: twice: {asked:?}");
        let stayed: Vec<&String> = before.iter().filter(|id| after.contains(*id)).collect();
        let of_those: Vec<&String> = seen.iter().filter(|id| stayed.contains(id)).collect();
        assert_eq!(of_those, stayed, "case {case}: {asked:?}");
    }
}

#[actix_web::test]
async fn a_search_that_ends_early_says_so_and_goes_on_from_there() {
    let (app, known, _) = place(120).await;
    // an index of neither database knows of this
    let field = Node::Identity.field("lastModified").unwrap();
    let test = keyward::model::graph::Test { field, operator: Operator::Equal, values: vec![Value::Number(1)] };
    let nobody = query(Node::Identity, Condition::Test(test));
    let bounds = Bounds { rows: 10, time: Duration::from_secs(600) };
    let (mut requests, mut position) = (0, None);
    loop {
        let answer = run(&app, &nobody, position, &Sight::all(), bounds).await;
        assert!(answer.nodes.is_empty() && !answer.scan.by_index);
        requests += 1;
        if answer.scan.complete {
            assert!(answer.last.is_none());
            break;
        }
        position = Some((Side::After, answer.last.expect("where to go on")));
        assert!(answer.scan.examined.is_some_and(|rows| rows <= 80), "{:?}", answer.scan);
    }
    assert!(requests > 2 && requests < known.len(), "{requests}");
    let mut counted = query(Node::Identity, Condition::All(Vec::new()));
    counted.count = true;
    let all = run(&app, &counted, None, &Sight::all(), bounds).await;
    assert_eq!(all.total, Some(Total::Exact(known.len() as u64)), "what is kept need not be counted");
    assert!(all.scan.by_index && all.scan.complete);
}

#[actix_web::test]
async fn system_clients_are_never_there() {
    let app = TestApp::spawn().await;
    let condition = |text: &str| keyward::model::graph::filter::parse(Node::Identity, text).unwrap();
    for text in ["", "type == 'client'", "identityId == 'keyward-docs'", "name contains 'e'", "systemClient == true"] {
        let mut asked = query(Node::Identity, condition(text));
        asked.count = true;
        let answer = run(&app, &asked, None, &Sight::all(), WIDE).await;
        assert_eq!((answer.nodes.len(), answer.total), (0, Some(Total::Exact(0))), "{text}");
    }
}
