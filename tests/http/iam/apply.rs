//! `/resources/iam/apply`

use serde_json::{Value, json};

use crate::support::{TestApp, api::Api};

const APPLY: &str = "/resources/iam/apply";
const ADA: &str = "0199c0de-0000-7000-8000-00000000ada0";
const BOB: &str = "0199c0de-0000-7000-8000-000000000b0b";

fn role(key: &str, permission: &str) -> Value {
    let (resource, action) = permission.rsplit_once(':').unwrap();
    json!({"key": key, "acl": {"entries": [{"resource": [resource], "permission": [action]}]}})
}

fn file() -> Value {
    json!({
        "roles": [role("support:agent", "iam/principals:read")],
        "clients": [{"id": "jobs", "name": "Jobs", "roles": ["support:agent"]}, {"id": "old", "suspended": true}],
        "principals": [
            {"id": ADA, "email": "ada@example.org", "roles": ["support:agent"],
             "properties": {"email_verified": true, "tier": {"level": 3}}},
            {"email": "by.email@example.org", "name": "By email", "systemUser": true},
        ],
    })
}

fn counts(applied: &Value) -> [u64; 4] {
    ["created", "changed", "deleted", "unchanged"].map(|name| applied[name].as_u64().unwrap())
}

/// All that there is, with its versions.
async fn everything(owner: &Api) -> Vec<Value> {
    let mut all = Vec::new();
    for path in ["roles", "clients?includeSuspended=true", "principals?includeSuspended=true"] {
        all.push(owner.get(&format!("/resources/iam/{path}")).await.object(200));
    }
    for page in &mut all {
        // sealed anew each time
        page.as_object_mut().unwrap().retain(|name, _| !name.ends_with("Cursor"));
        for row in page.as_object_mut().unwrap().values_mut().filter_map(Value::as_array_mut).flatten() {
            row.as_object_mut().unwrap().remove("lastActiveAt");
        }
    }
    all
}

#[tokio::test]
async fn what_a_file_says_is_made_and_applied_again_changes_nothing() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let before = everything(&owner).await;
    let dry = owner.post(&format!("{APPLY}?dryRun=true"), file()).await.object(200);
    assert_eq!((counts(&dry), &dry["dryRun"]), ([5, 0, 0, 0], &json!(true)));
    assert_eq!(everything(&owner).await, before, "a dry run writes nothing");

    let made = owner.post(APPLY, file()).await.object(200);
    assert_eq!((counts(&made), &made["dryRun"]), ([5, 0, 0, 0], &json!(false)));
    let ada = owner.get(&format!("/resources/iam/principals/{ADA}")).await.object(200);
    assert_eq!((&ada["roles"], &ada["properties"]["email_verified"]), (&json!(["support:agent"]), &json!(true)));
    assert!(owner.get("/resources/iam/clients/old").await.object(200)["suspendedAt"].is_string());

    let (state, events) =
        (everything(&owner).await, owner.get("/resources/iam/audit").await.json()["totalCount"].clone());
    assert_eq!(counts(&owner.post(APPLY, file()).await.object(200)), [0, 0, 0, 5]);
    // said in another way, it is the same
    let mut another = file();
    another["roles"][0]["acl"]["entries"][0]["resource"] = json!("iam/principals");
    another["principals"][0]["roles"] = json!(["support:agent", "support:agent"]);
    assert_eq!(counts(&owner.post(APPLY, another).await.object(200)), [0, 0, 0, 5]);
    assert_eq!(everything(&owner).await, state, "versions stay");
    assert_eq!(owner.get("/resources/iam/audit").await.json()["totalCount"], events, "nothing is noted");

    let mut changed = file();
    changed["clients"][1]["suspended"] = json!(false);
    changed["principals"][0]["email"] = json!("ada@example.com");
    let applied = owner.post(APPLY, changed.clone()).await.object(200);
    assert_eq!(counts(&applied), [0, 2, 0, 3]);
    let paths: Vec<&Value> = applied["changes"][1]["members"].as_array().unwrap().iter().map(|m| &m["path"]).collect();
    assert_eq!((&applied["changes"][1]["id"], paths), (&json!(ADA), vec![&json!("/email")]));
    assert_eq!(counts(&owner.post(APPLY, changed).await.object(200)), [0, 0, 0, 5]);
}

#[tokio::test]
async fn a_fault_undoes_everything_and_all_faults_are_told() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.principal("taken@example.org", &[], |_| {}).await;
    let before = everything(&owner).await;
    let mut wrong = file();
    wrong["clients"][0]["clientSecret"] = json!("0123456789abcdef0123456789abcdef");
    wrong["principals"][0]["password"] = json!("Correct-horse-42-battery");
    wrong["principals"][1]["roles"] = json!(["no:role"]);
    wrong["principals"].as_array_mut().unwrap().push(json!({"id": BOB, "email": "TAKEN@example.org"}));
    let refused = owner.post(APPLY, wrong).await;
    assert_eq!(refused.said(), "400 UNKNOWN_FIELD");
    let told = refused.json();
    let told: Vec<(&str, &str)> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["code"].as_str().unwrap(), fault["pointer"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("UNKNOWN_FIELD", "/clients/0/clientSecret"),
            ("UNKNOWN_FIELD", "/principals/0/password"),
            ("UNKNOWN_ROLE", "/principals/1/roles/0"),
            ("EMAIL_IN_USE", "/principals/2/email"),
        ]
    );
    assert!(!refused.body.contains("0123456789abcdef") && !refused.body.contains("Correct-horse"));
    assert_eq!(everything(&owner).await, before);

    for (body, said) in [
        (json!({"principal": []}), "400 UNKNOWN_FIELD"),
        (json!({"roles": {}}), "400 FIELD_MALFORMED"),
        (json!({"roles": [{"key": "system:new"}]}), "403 SYSTEM_ROLE_PROTECTED"),
        (json!({"clients": [{"id": keyward::store::system_client::DOCS, "name": "x"}]}), "403 SYSTEM_CLIENT_PROTECTED"),
        (json!([]), "400 BODY_MALFORMED"),
        (json!({"roles": vec![json!({"key": "a:b"}); 5_001]}), "422 TOO_MANY"),
    ] {
        let told = owner.post(APPLY, body.clone()).await.said();
        assert_eq!(told, said, "{}", body.to_string().chars().take(80).collect::<String>());
    }
    assert_eq!(owner.post(&format!("{APPLY}?prun=true"), json!({})).await.said(), "400 UNKNOWN_PARAMETER");
}

#[tokio::test]
async fn pruning_deletes_what_is_not_in_the_sections_of_the_file() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let person = app.principal("owner@example.org", &["system:owner"], |_| {}).await;
    owner.post(APPLY, file()).await.object(200);
    let prune = format!("{APPLY}?prune=true");

    // held by somebody who stays
    let held = owner.post(&prune, json!({"roles": []})).await;
    assert_eq!(held.said(), "409 ROLE_IN_USE");
    assert!(!held.body.contains("force") && held.body.contains("the file has to take it from them"), "{}", held.body);
    // the last owner stays, and with them everybody
    assert_eq!(owner.post(&prune, json!({"principals": []})).await.said(), "409 LAST_OWNER");
    assert_eq!(owner.get(&format!("/resources/iam/principals/{ADA}")).await.said(), "200");

    // an email that goes with the pruned one is free for the new one
    let next = json!({
        "roles": [role("other:one", "x:read")],
        "clients": [{"id": "jobs", "roles": ["other:one"]}],
        "principals": [{"id": person.id, "roles": ["system:owner"]}, {"id": BOB, "email": "ada@example.org"}],
    });
    let dry = owner.post(&format!("{prune}&dryRun=true"), next.clone()).await.object(200);
    assert_eq!(counts(&dry), [2, 1, 4, 1]);
    assert_eq!(counts(&owner.post(&prune, next.clone()).await.object(200)), [2, 1, 4, 1]);
    for gone in [&format!("principals/{ADA}") as &str, "clients/old", "roles/support:agent"] {
        assert_eq!(owner.get(&format!("/resources/iam/{gone}")).await.said(), "404 NOT_FOUND");
    }
    // the caller and what is built in are still there
    assert_eq!(owner.get("/resources/iam/clients/owner-service").await.said(), "200");
    assert_eq!(owner.get("/resources/iam/roles/system:owner").await.said(), "200");
    assert_eq!(counts(&owner.post(&prune, next).await.object(200)), [0, 0, 0, 4]);
}

#[tokio::test]
async fn an_owner_goes_where_another_comes_in_whatever_order_the_file_has() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let first = app.principal("first@example.org", &["system:owner"], |_| {}).await;
    let second = app.principal("second@example.org", &[], |_| {}).await;
    let swap = json!({"principals": [
        {"id": first.id, "roles": [], "email": "second@example.org"},
        {"id": second.id, "roles": ["system:owner"], "email": "third@example.org"},
    ]});
    assert_eq!(counts(&owner.post(APPLY, swap).await.object(200)), [0, 2, 0, 0]);
    let both = json!({"principals": [{"id": second.id, "roles": []}]});
    assert_eq!(owner.post(APPLY, both).await.said(), "409 LAST_OWNER");
}

#[tokio::test]
async fn emails_go_round_in_a_circle() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(app.principal(&format!("{name}@example.org"), &[], |_| {}).await.id);
    }
    let entry = |n: usize, email: &str| json!({"id": ids[n], "email": format!("{email}@example.org")});
    // somebody whom the file does not name keeps theirs, and then nothing is changed
    let before = everything(&owner).await;
    let taken = json!({"principals": [entry(0, "b"), entry(1, "c"), entry(2, "D")]});
    let refused = owner.post(APPLY, taken).await;
    assert_eq!(refused.said(), "409 EMAIL_IN_USE");
    assert_eq!(everything(&owner).await, before);
    let both = json!({"principals": [entry(0, "b"), entry(1, "B")]});
    assert_eq!(owner.post(APPLY, both).await.said(), "409 EMAIL_IN_USE");
    assert_eq!(everything(&owner).await, before);

    let mut circle = json!({"principals": [entry(0, "b"), entry(1, "C"), entry(2, "a"), entry(3, "e")]});
    // and one that is new waits for one of them
    circle["principals"].as_array_mut().unwrap().push(json!({"id": ADA, "email": "d@example.org"}));
    let dry = owner.post(&format!("{APPLY}?dryRun=true"), circle.clone()).await.object(200);
    assert_eq!(counts(&dry), [1, 4, 0, 0]);
    assert_eq!(everything(&owner).await, before, "a dry run writes nothing");
    assert_eq!(counts(&owner.post(APPLY, circle.clone()).await.object(200)), [1, 4, 0, 0]);
    assert_eq!(counts(&owner.post(APPLY, circle).await.object(200)), [0, 0, 0, 5]);
    for (id, email) in ids.iter().zip(["b", "C", "a", "e"]) {
        let found = owner.get(&format!("/resources/iam/principals/{id}")).await.object(200);
        assert_eq!(found["email"], format!("{email}@example.org"));
        let noted = owner.get(&format!("/resources/iam/audit?target={id}&action=principal.update")).await.object(200);
        assert_eq!(noted["events"][0]["changes"][0]["path"], "/email");
    }
    // and each is held by one again
    let other = json!({"email": "C@EXAMPLE.org"});
    assert_eq!(owner.put(&format!("/resources/iam/principals/{ADA}"), other).await.said(), "409 EMAIL_IN_USE");
}

/// Row 43 of the list of attacks.
#[tokio::test]
async fn nobody_rises_by_applying_a_file() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    app.principal("owner@example.org", &["system:owner"], |_| {}).await;
    let may = ["iam/roles:*", "iam/clients:*", "iam/principals:*"];
    let agent = Api::holding(&app, "agent", &may).await;
    let before = everything(&owner).await;
    for body in [
        json!({"roles": [role("a:b", "iam/audit:read")]}),
        json!({"roles": [role("test:agent", "*:*")]}),
        json!({"clients": [{"id": "agent", "roles": ["system:owner"]}]}),
        json!({"clients": [{"id": "new", "acl": {"entries": [{"resource": ["*"], "permission": ["*"]}]}}]}),
        json!({"clients": [{"id": "owner-service", "redirectUris": ["https://evil.example/cb"]}]}),
        json!({"principals": [{"id": ADA, "email": "x@example.org", "roles": ["system:owner"]}]}),
        json!({"principals": [{"email": "owner@example.org", "name": "Mallory"}]}),
    ] {
        for query in ["", "?dryRun=true"] {
            let refused = agent.post(&format!("{APPLY}{query}"), body.clone()).await;
            assert_eq!(refused.said(), "403 PRIVILEGE_ESCALATION", "{body}");
        }
    }
    assert_eq!(
        agent.post(&format!("{APPLY}?prune=true"), json!({"principals": []})).await.said(),
        "403 PRIVILEGE_ESCALATION"
    );
    // each act needs its own permission
    let roles = Api::holding(&app, "roles", &["iam/roles:*"]).await;
    assert_eq!(roles.post(APPLY, json!({"principals": [{"id": ADA}]})).await.said(), "403 PERMISSION_MISSING");
    assert_eq!(roles.post(APPLY, json!({"clients": [{"id": "new"}]})).await.said(), "403 PERMISSION_MISSING");
    let mut after = everything(&owner).await;
    let mut known = before;
    // the test made a role and a client of its own meanwhile
    for state in [&mut after, &mut known] {
        state.remove(1);
        state.remove(0);
    }
    assert_eq!(after, known);
}

/// What somebody is told who may not read a kind of object does not depend on what there is of it.
#[tokio::test]
async fn who_may_not_read_learns_nothing_about_who_is_there() {
    let app = TestApp::spawn().await;
    let ada = app.principal("ada@example.org", &["system:owner"], |_| {}).await;
    app.client("admin", &[], |_| {}).await;
    let roles = Api::holding(&app, "roles", &["iam/roles:write"]).await;
    let told = async |api: &Api, body: Value| {
        let answer = api.post(APPLY, body).await;
        let mut told = answer.json();
        told.as_object_mut().unwrap().remove("request_id");
        (answer.said(), told)
    };
    let blind = Api::holding(&app, "blind", &["iam/roles:write", "iam/clients:write", "iam/principals:write"]).await;
    for api in [&roles, &blind] {
        for (there, other) in [
            (
                json!({"principals": [{"email": "ada@example.org"}]}),
                json!({"principals": [{"email": "no@example.org"}]}),
            ),
            (json!({"principals": [{"id": ada.id}]}), json!({"principals": [{"id": ADA}]})),
            (json!({"clients": [{"id": "admin"}]}), json!({"clients": [{"id": "nobody"}]})),
            (json!({"roles": [{"key": "system:owner"}]}), json!({"roles": [{"key": "system:other"}]})),
        ] {
            let (said, there) = told(api, there).await;
            assert_eq!((&said as &str, &there), ("403 PERMISSION_MISSING", &told(api, other).await.1));
            assert!(!there.to_string().contains(&ada.id), "{there}");
        }
        let all = json!({"principals": [], "clients": [], "roles": []});
        assert_eq!(api.post(&format!("{APPLY}?prune=true&dryRun=true"), all).await.said(), "403 PERMISSION_MISSING");
    }
    // nor somebody who may see others, and write none
    let region = |value: &str| [("region".to_owned(), [value.to_owned()].into())].into();
    let seeing = Api::service(&app, "seeing", &[], |client| {
        client.acl = serde_json::from_value(json!({"entries": [
            {"resource": ["iam/principals", "iam/clients"], "permission": ["read"], "attributeKeys": ["region"]},
            {"resource": ["iam/roles"], "permission": ["write"]},
        ]}))
        .unwrap();
        client.access_attributes = region("eu");
    })
    .await;
    let near = app.principal("near@example.org", &[], |person| person.access_attributes = region("eu")).await;
    let near = json!({"principals": [{"email": "near@example.org", "accessAttributes": near.access_attributes}]});
    assert_eq!(counts(&seeing.post(APPLY, near).await.object(200)), [0, 0, 0, 1]);
    for (there, other) in [
        (json!({"email": "ada@example.org"}), json!({"email": "ada@example.com"})),
        (json!({"id": ada.id}), json!({"id": ADA})),
    ] {
        let (there, other) = (json!({"principals": [there]}), json!({"principals": [other]}));
        let ((said, there), (_, other)) = (told(&seeing, there).await, told(&seeing, other).await);
        assert_eq!(said, "403 PERMISSION_MISSING");
        let plain = |told: &Value| told.to_string().replace(&ada.id, ADA).replace("example.org", "example.com");
        assert_eq!(plain(&there), plain(&other));
    }
}

/// A dry run on one node holds up no write on another one (the embedded database has one writer, and one node).
#[tokio::test]
async fn nobody_waits_for_a_dry_run() {
    let app = TestApp::spawn().await;
    if !app.is_postgres() {
        return;
    }
    let owner = Api::owner(&app).await;
    owner.put("/resources/iam/roles/a:old", json!({})).await.object(201);
    let wanted = json!({
        "roles": [role("a:new", "shop/orders:read"), {"key": "a:old", "description": "x"}],
        "principals": [{"id": ADA, "email": "ada@example.org", "roles": ["a:new"]}],
    });
    // what a dry run does, held open while somebody else writes
    let (reached, go_on) =
        (std::sync::Arc::new(std::sync::Barrier::new(2)), std::sync::Arc::new(std::sync::Barrier::new(2)));
    let (arrived, resumed) = (reached.clone(), go_on.clone());
    let waits: keyward::directory::apply::Progress = std::sync::Arc::new(move |done, of| {
        if done == of {
            arrived.wait();
            resumed.wait();
        }
    });
    let options = keyward::directory::apply::Options {
        dry_run: true,
        prune: false,
        policy: keyward::directory::client::Policy::of(&app.app.config),
        now: app.now(),
    };
    let (store, file) = (app.app.store.clone(), wanted.as_object().unwrap().clone());
    let actor = keyward::directory::Actor::command_line();
    let dry = tokio::spawn(async move { keyward::directory::apply::run(&store, actor, file, options, waits).await });
    tokio::task::spawn_blocking(move || reached.wait()).await.unwrap();
    for n in 0..20 {
        let other = format!("/resources/iam/roles/b:r{n}");
        assert_eq!(owner.put(&other, json!({})).await.said(), "201");
        assert_eq!(owner.put(&other, json!({"description": "x"})).await.said(), "200");
    }
    assert_eq!(owner.post(APPLY, json!({"principals": [{"id": BOB, "email": "bob@example.org"}]})).await.said(), "200");
    tokio::task::spawn_blocking(move || go_on.wait()).await.unwrap();
    let told = dry.await.unwrap().unwrap();
    assert_eq!((told.created, told.changed, told.dry_run), (2, 1, true));
    assert_eq!(owner.get("/resources/iam/roles/a:new").await.said(), "404 NOT_FOUND");
    let all = owner.get("/resources/iam/roles?limit=100").await.json();
    assert_eq!(all["totalCount"], json!(all["roles"].as_array().unwrap().len()), "counts are right");
}

#[tokio::test]
async fn versions_in_a_file_are_kept_and_may_be_required() {
    let app = TestApp::spawn_with(|config| config.iam.require_if_match = true).await;
    let owner = Api::owner(&app).await;
    assert_eq!(counts(&owner.post(APPLY, file()).await.object(200)), [5, 0, 0, 0], "what is new has no version");
    assert_eq!(counts(&owner.post(APPLY, file()).await.object(200)), [0, 0, 0, 5], "nor what stays");
    let paths = ["roles/support:agent".to_owned(), "clients/jobs".to_owned(), format!("principals/{ADA}")];
    for (path, section, key, member) in [
        (&paths[0], "roles", "key", "description"),
        (&paths[1], "clients", "id", "description"),
        (&paths[2], "principals", "id", "name"),
    ] {
        let read = owner.get(&format!("/resources/iam/{path}")).await.object(200);
        let entry = |version: Value| {
            let mut entry = json!({key: read[key], member: "changed"});
            entry["eTag"] = version;
            json!({section: [entry]})
        };
        for query in ["", "?dryRun=true"] {
            let bare = owner.post(&format!("{APPLY}{query}"), entry(json!(null))).await;
            assert_eq!(bare.said(), "428 PRECONDITION_REQUIRED", "{section}");
            assert_eq!(bare.json()["errors"][0]["pointer"], format!("/{section}/0"));
            let stale = owner.post(&format!("{APPLY}{query}"), entry(json!("stale"))).await;
            assert_eq!(stale.said(), "409 ETAG_MISMATCH", "{section}");
        }
        assert_eq!(
            counts(&owner.post(APPLY, entry(read["eTag"].clone())).await.object(200)),
            [0, 1, 0, 0],
            "{section}"
        );
        // the version has passed, even where nothing is left to do
        assert_eq!(owner.post(APPLY, entry(read["eTag"].clone())).await.said(), "409 ETAG_MISMATCH");
    }
    assert_eq!(
        owner.post(&format!("{APPLY}?prune=true"), json!({"clients": []})).await.said(),
        "428 PRECONDITION_REQUIRED"
    );
    assert_eq!(owner.get("/resources/iam/clients/old").await.said(), "200");
}

/// Many at once are made as each by itself would be, and the one that is refused is named.
#[tokio::test]
async fn large_files_are_made_in_few_steps() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let mut many = json!({
        "roles": (0..450).map(|n| role(&format!("bulk:r{n}"), "shop/orders:read")).collect::<Vec<_>>(),
        "principals": (0..450)
            .map(|n| json!({"email": format!("p{n}@example.org"), "roles": [format!("bulk:r{n}")]}))
            .collect::<Vec<_>>(),
    });
    assert_eq!(counts(&owner.post(APPLY, many.clone()).await.object(200)), [900, 0, 0, 0]);
    let page = owner.get("/resources/iam/roles?prefix=bulk:").await.json();
    let all = owner.get("/resources/iam/roles").await.json();
    assert!(page["roles"][0]["eTag"] != page["roles"][1]["eTag"]);
    assert_eq!(all["totalCount"], json!(452), "with the two that are built in");
    let one = &owner.get("/resources/iam/principals?email=p449@example.org").await.json()["principals"][0];
    assert_eq!(one["roles"], json!(["bulk:r449"]));
    let noted = owner.get(&format!("/resources/iam/audit?target={}", one["id"].as_str().unwrap())).await.json();
    assert_eq!((&noted["events"][0]["action"], &noted["totalCount"]), (&json!("principal.create"), &json!(1)));
    assert_eq!(owner.get("/resources/iam/audit?target=bulk:r449").await.json()["events"][0]["action"], "role.create");

    many["principals"][300]["roles"] = json!(["no:role"]);
    many["principals"][7]["name"] = json!("Seven");
    let refused = owner.post(APPLY, many).await;
    assert_eq!(refused.said(), "422 UNKNOWN_ROLE", "{}", refused.body);
    let faults = refused.json()["errors"].clone();
    assert_eq!((faults.as_array().unwrap().len(), &faults[0]["pointer"]), (1, &json!("/principals/300/roles/0")));
    let seven = owner.get("/resources/iam/principals?name=Seven").await.json();
    assert_eq!(seven["principals"], json!([]), "all or nothing");
}

/// Not a test: what a large file costs, for whoever changes how it is applied.
#[tokio::test]
#[ignore = "measures"]
async fn large_files_are_measured() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    for count in [1_500, 3_000] {
        let roles: Vec<Value> = (0..count).map(|n| role(&format!("bulk{count}:r{n}"), "shop/orders:read")).collect();
        let people: Vec<Value> = (0..count)
            .map(|n| json!({"email": format!("p{n}.{count}@example.org"), "roles": [format!("bulk{count}:r{n}")]}))
            .collect();
        for (what, body) in [("roles", json!({ "roles": roles })), ("principals", json!({ "principals": people }))] {
            for query in ["?dryRun=true", "", ""] {
                let begun = std::time::Instant::now();
                let answer = owner.post(&format!("{APPLY}{query}"), body.clone()).await.object(200);
                println!("{what} {count} {query} {:?}: {:?}", counts(&answer), begun.elapsed());
            }
        }
    }
}
