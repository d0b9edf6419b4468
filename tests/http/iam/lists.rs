//! The lists of principals, clients and roles as they are answered; how pages are found is tested in `listing`.

use serde_json::{Value, json};

use crate::{
    stage::suspend,
    support::{TestApp, api::Api, browser::http, relying_party::send},
};

fn names(list: &Value, array: &str, member: &str) -> Vec<String> {
    list[array].as_array().unwrap().iter().map(|row| row[member].as_str().unwrap_or("").to_owned()).collect()
}

async fn people(app: &TestApp) -> Vec<String> {
    for role in ["support:agent", "support:lead", "store:eu:clerk"] {
        app.role(role, &[]).await;
    }
    let mut ids = Vec::new();
    for (email, name, roles) in [
        ("zoe@example.com", "Zoe Agent", &["support:agent"][..]),
        ("Max@Example.com", "Max Lead", &["support:lead", "support:agent"]),
        ("bo@example.org", "Bo Clerk", &["store:eu:clerk"]),
        ("al@example.org", "Al Portal", &["system:portal:full"]),
    ] {
        ids.push(app.principal(email, roles, |person| person.name = Some(name.to_owned())).await.id);
    }
    ids
}

#[tokio::test]
async fn three_prefixes_are_three_categories() {
    let app = TestApp::spawn().await;
    people(&app).await;
    let owner = Api::owner(&app).await;
    for (query, expected) in [
        ("rolePrefix=system:portal:", &["Al Portal"][..]),
        ("rolePrefix=support:", &["Zoe Agent", "Max Lead"]),
        ("rolePrefix=store:", &["Bo Clerk"]),
        ("role=support:lead", &["Max Lead"]),
        ("roles=support:lead,store:eu:clerk", &["Max Lead", "Bo Clerk"]),
        ("roles=support:lead&roles=store:eu:clerk", &["Max Lead", "Bo Clerk"]),
        ("name=LEAD", &["Max Lead"]),
        ("email=max@", &["Max Lead"]),
        ("q=example.ORG", &["Bo Clerk", "Al Portal"]),
        ("q=example.org&rolePrefix=store:", &["Bo Clerk"]),
        ("orderBy=name", &["Al Portal", "Bo Clerk", "Max Lead", "Zoe Agent"]),
        ("orderBy=email%20desc&limit=2", &["Zoe Agent", "Max Lead"]),
        ("q=100%25", &[]),
    ] {
        let list = owner.get(&format!("/resources/iam/principals?{query}")).await.object(200);
        assert_eq!(names(&list, "principals", "name"), expected, "{query}");
    }
}

#[tokio::test]
async fn a_list_has_one_shape_and_walks_both_ways() {
    let app = TestApp::spawn().await;
    let ids = people(&app).await;
    let owner = Api::owner(&app).await;
    let first = owner.get("/resources/iam/principals?limit=2").await.object(200);
    assert_eq!(first["principals"][0], owner.get(&format!("/resources/iam/principals/{}", ids[0])).await.object(200));
    assert_eq!((&first["totalCount"], &first["totalCountRelation"]), (&json!(4), &json!("exact")));
    let (head, tail) = (first["firstCursor"].as_str().unwrap(), first["lastCursor"].as_str().unwrap());
    let second = owner.get(&format!("/resources/iam/principals?limit=2&after={tail}")).await.object(200);
    assert_eq!(names(&second, "principals", "name"), ["Bo Clerk", "Al Portal"]);
    let back = second["firstCursor"].as_str().unwrap();
    let again = owner.get(&format!("/resources/iam/principals?limit=2&before={back}")).await.object(200);
    assert_eq!(again["principals"], first["principals"]);
    for (query, said) in [
        ("limit=0".to_owned(), "400 LIMIT_OUT_OF_RANGE"),
        ("limit=101".to_owned(), "400 LIMIT_OUT_OF_RANGE"),
        ("limit=x".to_owned(), "400 LIMIT_OUT_OF_RANGE"),
        (format!("after={tail}&before={head}"), "400 CURSOR_INVALID"),
        (format!("after={tail}x"), "400 CURSOR_INVALID"),
        // a cursor is for its list alone: its filters, its order, its resource
        (format!("after={tail}&name=a"), "400 CURSOR_INVALID"),
        (format!("after={tail}&orderBy=name"), "400 CURSOR_INVALID"),
        ("orderBy=phone".to_owned(), "400 ORDER_BY_UNKNOWN"),
        ("orderBy=name%20up".to_owned(), "400 ORDER_BY_UNKNOWN"),
        ("page=2".to_owned(), "400 UNKNOWN_PARAMETER"),
        ("name=a&name=b".to_owned(), "400 PARAMETER_REPEATED"),
        ("name=%00".to_owned(), "400 PARAMETER_INVALID"),
        ("name=%FF".to_owned(), "400 PARAMETER_INVALID"),
        ("includeSuspended=maybe".to_owned(), "400 PARAMETER_INVALID"),
    ] {
        assert_eq!(owner.get(&format!("/resources/iam/principals?{query}")).await.said(), said, "{query}");
    }
    assert_eq!(owner.get(&format!("/resources/iam/clients?after={tail}")).await.said(), "400 CURSOR_INVALID");
}

/// The same page again and again, whatever changed in between: each row is what its own address answers.
#[tokio::test]
async fn a_list_shows_everybody_as_they_are_now() {
    let app = TestApp::spawn_with(|config| config.metrics.listen = Some("127.0.0.1:0".parse().unwrap())).await;
    let ids = people(&app).await;
    app.role("self:service", &["me:*"]).await;
    let ada = Api::person(&app, "ada@example.com", &["support:agent", "self:service"], "me:*").await;
    let owner = Api::owner(&app).await;
    let path = |id: &str| format!("/resources/iam/principals/{id}");
    let shown = async |after: &str| {
        let mut rows = Vec::new();
        for _ in 0..2 {
            let list = owner.get("/resources/iam/principals?includeSuspended=true").await.object(200);
            rows = list["principals"].as_array().unwrap().clone();
            for row in &rows {
                let own = owner.get(&path(row["id"].as_str().unwrap())).await.object(200);
                assert_eq!(*row, own, "{after}");
            }
        }
        rows
    };
    let mut before = shown("nothing").await;
    assert_eq!(before.len(), 5);
    let acts = ["name", "roles", "suspended", "unsuspended", "reset", "role deleted", "settings", "active", "deleted"];
    for act in acts {
        match act {
            "name" => drop(owner.put(&path(&ids[0]), json!({"name": "Zoé"})).await.object(200)),
            "roles" => {
                let roles = json!({"roles": ["support:lead"]});
                owner.put(&format!("{}/roles", path(&ids[0])), roles).await.object(200);
            }
            "suspended" => drop(owner.post(&format!("{}/suspend", path(&ids[1])), Value::Null).await.object(200)),
            "unsuspended" => drop(owner.post(&format!("{}/unsuspend", path(&ids[1])), Value::Null).await.object(200)),
            "reset" => {
                owner.post(&format!("{}/password/reset", path(&ids[1])), Value::Null).await.object(200);
            }
            "role deleted" => {
                assert_eq!(owner.delete("/resources/iam/roles/support:agent?force=true").await.said(), "204");
            }
            "settings" => drop(ada.put("/resources/me/settings", json!({"theme": "dark"})).await.object(200)),
            "active" => {
                app.advance(std::time::Duration::from_secs(300));
                let own = path(&ada.subject);
                let active = async || owner.get(&own).await.object(200)["lastActiveAt"].clone();
                let then = active().await;
                ada.get("/resources/me/profile").await.object(200);
                // noted behind the request's back
                while active().await == then {
                    tokio::task::yield_now().await;
                }
            }
            _ => assert_eq!(owner.delete(&path(&ids[2])).await.said(), "204"),
        }
        let after = shown(act).await;
        assert_ne!(after, before, "{act}");
        before = after;
    }
    assert_eq!(before.len(), 4);
    let counted = send(http().build().unwrap().get(app.metrics_url())).await.body;
    let hits = counted.lines().find_map(|line| line.strip_prefix("keyward_cache_hits_total{cache=\"documents\"} "));
    // all but what had changed; the second time all
    assert!(hits.unwrap().parse::<f64>().unwrap() > 80.0, "{counted}");
}

#[tokio::test]
async fn the_suspended_and_the_built_in_are_hidden_unless_asked_for() {
    let app = TestApp::spawn().await;
    let ids = people(&app).await;
    let owner = Api::owner(&app).await;
    suspend(&app, &ids[0]).await;
    let list = owner.get("/resources/iam/principals").await.object(200);
    assert_eq!((list["principals"].as_array().unwrap().len(), &list["totalCount"]), (3, &json!(3)));
    let empty = owner.get("/resources/iam/principals?includeSuspended=&name=").await.object(200);
    assert_eq!(empty["principals"], list["principals"], "an empty parameter is none");
    let list = owner.get("/resources/iam/principals?includeSuspended=true").await.object(200);
    assert_eq!((list["principals"].as_array().unwrap().len(), &list["totalCount"]), (4, &json!(4)));
    let clients = owner.get("/resources/iam/clients").await.object(200);
    assert_eq!(names(&clients, "clients", "id"), ["owner-service"]);
    let clients = owner.get("/resources/iam/clients?includeSystem=true").await.object(200);
    assert!(names(&clients, "clients", "id").contains(&"keyward-docs".to_owned()));
    let roles = owner.get("/resources/iam/roles?prefix=support:").await.object(200);
    assert_eq!(names(&roles, "roles", "key"), ["support:agent", "support:lead"]);
    assert_eq!(roles["totalCount"], 2);
}

#[tokio::test]
async fn a_list_shows_and_counts_what_the_caller_may_see() {
    let app = TestApp::spawn().await;
    for (email, region) in [("a@example.com", "eu"), ("b@example.com", "us"), ("c@example.com", "eu")] {
        let region = vec![region.to_owned()];
        app.principal(email, &[], |person| {
            person.access_attributes.insert("region".to_owned(), region);
        })
        .await;
    }
    app.principal("d@example.com", &[], |_| {}).await;
    let entry =
        json!({"entries": [{"resource": ["iam/principals"], "permission": ["read"], "attributeKeys": ["region"]}]});
    let eu = Api::service(&app, "eu", &[], |client| {
        client.acl = serde_json::from_value(entry.clone()).unwrap();
        client.access_attributes.insert("region".to_owned(), vec!["eu".to_owned()]);
    })
    .await;
    let list = eu.get("/resources/iam/principals").await.object(200);
    assert_eq!(names(&list, "principals", "email"), ["a@example.com", "c@example.com"]);
    assert_eq!(list["totalCount"], 2);
    let found = eu.get("/resources/iam/principals?q=example&limit=1").await.object(200);
    assert_eq!((names(&found, "principals", "email").len(), &found["totalCount"]), (1, &json!(2)));
    // lacking the key, nothing is allowed at all
    let keyless =
        Api::service(&app, "keyless", &[], |client| client.acl = serde_json::from_value(entry).unwrap()).await;
    assert_eq!(keyless.get("/resources/iam/principals").await.said(), "403 PERMISSION_MISSING");
}
