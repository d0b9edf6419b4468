//! Of many at the same moment as many win as may.

use std::{collections::BTreeSet, sync::Arc};

use reqwest::Method;
use serde_json::{Value, json};

use super::{ID, made, path};
use crate::{
    races::{at_once, several_workers},
    stage::{ADA, stage_with},
    support::{PASSWORD, TestApp, api::Api, browser::Browser},
};

const TASKS: usize = 20;

async fn racing() -> (TestApp, Arc<Api>) {
    let app = TestApp::spawn_with(several_workers).await;
    let owner = Arc::new(Api::owner(&app).await);
    (app, owner)
}

fn id(n: usize) -> String {
    format!("6ba7b810-9dad-41d1-80b4-{n:012}")
}

fn count(said: &[String], what: &str) -> usize {
    said.iter().filter(|said| *said == what).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_one_email_one_gets_it() {
    let (_app, owner) = racing().await;
    for round in 0..3 {
        let said = at_once(TASKS, |n| {
            let owner = owner.clone();
            let email = match n % 2 {
                0 => format!("ada{round}@example.org"),
                _ => format!("ADA{round}@Example.org"),
            };
            async move { owner.put(&path(&id(round * TASKS + n)), json!({"email": email})).await.said() }
        })
        .await;
        assert_eq!((count(&said, "201"), count(&said, "409 EMAIL_IN_USE")), (1, TASKS - 1), "{said:?}");
    }
    // and of many who change theirs to one
    for n in 0..TASKS {
        made(&owner, &id(100 + n), json!({})).await;
    }
    let said = at_once(TASKS, |n| {
        let owner = owner.clone();
        async move { owner.put(&path(&id(100 + n)), json!({"email": "king@example.org"})).await.said() }
    })
    .await;
    assert_eq!((count(&said, "200"), count(&said, "409 EMAIL_IN_USE")), (1, TASKS - 1), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_make_one_principal_one_does() {
    let (_app, owner) = racing().await;
    let said = at_once(TASKS, |n| {
        let owner = owner.clone();
        async move {
            let absent = [("if-none-match", "*")];
            owner.send(Method::PUT, &path(ID), &absent, json!({"name": n.to_string()})).await.said()
        }
    })
    .await;
    assert_eq!((count(&said, "201"), count(&said, "409 ALREADY_EXISTS")), (1, TASKS - 1), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_save_one_version_one_does_and_nothing_of_it_is_lost() {
    let (_app, owner) = racing().await;
    let mut etag = made(&owner, ID, json!({"email": "ada@example.org"})).await["eTag"].clone();
    for round in 0..3 {
        let saved = at_once(TASKS, |n| {
            let (owner, etag) = (owner.clone(), etag.as_str().unwrap().to_owned());
            async move {
                let body = json!({"name": format!("{round}.{n}"), "properties": {"by": n}, "settings": {"by": n}});
                owner.put_if(&path(ID), &etag, body).await
            }
        })
        .await;
        let said: Vec<String> = saved.iter().map(|answer| answer.said()).collect();
        assert_eq!((count(&said, "200"), count(&said, "409 ETAG_MISMATCH")), (1, TASKS - 1), "{said:?}");
        let winner = saved.iter().find(|answer| answer.status.is_success()).unwrap().json();
        assert_eq!(owner.get(&path(ID)).await.object(200), winner);
        etag = winner["eTag"].clone();
    }
    // without a version each is done after the other
    let said = at_once(TASKS, |n| {
        let owner = owner.clone();
        async move { owner.put(&path(ID), json!({"properties": {format!("k{n}"): n}})).await.said() }
    })
    .await;
    assert_eq!(count(&said, "200"), TASKS, "{said:?}");
    let properties = owner.get(&path(ID)).await.object(200)["properties"].clone();
    assert!((0..TASKS).all(|n| properties[format!("k{n}")] == n), "{properties}");
}

/// Takes from a principal what makes an owner, in one of four ways.
async fn dethrone(api: &Api, id: &str, how: usize) -> String {
    let path = path(id);
    match how % 4 {
        0 => api.delete(&path).await.said(),
        1 => api.post(&format!("{path}/suspend"), Value::Null).await.said(),
        2 => api.put(&format!("{path}/roles"), json!([])).await.said(),
        _ => api.put(&path, json!({"roles": []})).await.said(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_owners_who_are_removed_at_once_one_remains() {
    let (_app, owner) = racing().await;
    let mut last: Option<String> = None;
    for round in 0..20 {
        let ids = [id(2 * round), id(2 * round + 1)];
        for (n, id) in ids.iter().enumerate() {
            made(&owner, id, json!({"email": format!("o{round}-{n}@example.org"), "roles": ["system:owner"]})).await;
        }
        if let Some(last) = &last {
            assert_eq!(owner.put(&format!("{}/roles", path(last)), json!([])).await.said(), "200");
        }
        let said = at_once(2, |n| {
            let (owner, id) = (owner.clone(), ids[n].clone());
            async move { dethrone(&owner, &id, round + n * (1 + round / 4)).await }
        })
        .await;
        let refused = count(&said, "409 LAST_OWNER");
        assert_eq!(refused, 1, "{said:?}");
        last = ids.iter().zip(&said).find(|(_, said)| *said == "409 LAST_OWNER").map(|(id, _)| id.clone());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_who_remove_each_other_leave_one() {
    let (app, owner) = racing().await;
    let mut last: Option<String> = None;
    for round in 0..4 {
        let first = Api::person(&app, &format!("a{round}@example.org"), &["system:owner"], "*:*").await;
        let second = Api::person(&app, &format!("b{round}@example.org"), &["system:owner"], "*:*").await;
        if let Some(last) = &last {
            assert_eq!(owner.put(&format!("{}/roles", path(last)), json!([])).await.said(), "200");
        }
        let pair = [first.clone(), second.clone()];
        let said = at_once(2, |n| {
            let (by, whom) = (pair[n].clone(), pair[1 - n].subject.clone());
            async move { dethrone(&by, &whom, round).await }
        })
        .await;
        let mut remaining = Vec::new();
        for api in &pair {
            let is = owner.get(&path(&api.subject)).await;
            if is.status.is_success()
                && is.json()["suspendedAt"].is_null()
                && is.json()["roles"] == json!(["system:owner"])
            {
                remaining.push(api.subject.clone());
            }
        }
        assert_eq!(remaining.len(), 1, "{said:?}");
        last = remaining.pop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_that_began_during_a_suspension_comes_back_with_its_end() {
    let s = stage_with(several_workers, |_| {}).await;
    let owner = Arc::new(Api::owner(&s.app).await);
    let ada = path(&s.ada);
    for _ in 0..3 {
        let mut visitors = Vec::new();
        for _ in 0..10 {
            let browser = Browser::new();
            let page = browser.get(&s.app.url("/login")).await;
            visitors.push((browser, page));
        }
        let visitors = Arc::new(visitors);
        let statuses = at_once(visitors.len() + 1, |n| {
            let (visitors, owner, ada) = (visitors.clone(), owner.clone(), ada.clone());
            async move {
                let Some((browser, page)) = visitors.get(n) else {
                    return owner.post(&format!("{ada}/suspend"), Value::Null).await.status.as_u16();
                };
                browser.submit(page, "sign-in", &[("username", ADA), ("password", PASSWORD)]).await.status.as_u16()
            }
        })
        .await;
        let statuses: BTreeSet<u16> = statuses.into_iter().collect();
        assert!(statuses.iter().all(|status| [200, 303, 422, 429].contains(status)), "{statuses:?}");
        assert_eq!(owner.post(&format!("{ada}/unsuspend"), Value::Null).await.said(), "200");
        assert_eq!(owner.get(&format!("{ada}/sessions")).await.object(200)["totalCount"], 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_while_being_deleted_is_gone_without_a_trace() {
    let (app, owner) = racing().await;
    for round in 0..4 {
        let email = format!("ada{round}@example.org");
        let ada = app.principal(&email, &[], |_| {}).await;
        let mut visitors = Vec::new();
        for _ in 0..8 {
            let browser = Browser::new();
            let page = browser.get(&app.url("/login")).await;
            visitors.push((browser, page));
        }
        let visitors = Arc::new(visitors);
        let statuses = at_once(visitors.len() + 1, |n| {
            let (visitors, owner, ada, email) = (visitors.clone(), owner.clone(), path(&ada.id), email.clone());
            async move {
                let Some((browser, page)) = visitors.get(n) else { return owner.delete(&ada).await.status.as_u16() };
                browser.submit(page, "sign-in", &[("username", &email), ("password", PASSWORD)]).await.status.as_u16()
            }
        })
        .await;
        assert_eq!(statuses[8], 204);
        assert!(statuses[..8].iter().all(|status| [303, 422, 429].contains(status)), "{statuses:?}");
        assert_eq!(owner.get(&path(&ada.id)).await.said(), "404 NOT_FOUND");
    }
}
