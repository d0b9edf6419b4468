//! Administrators' acts from the command line: straight on the embedded database beside a running server, and over HTTP
//! with a token.

use std::{
    path::Path,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    program::{PATIENCE, Served, program, text},
    support::{
        TestApp,
        api::Api,
        browser::http,
        relying_party::{basic, send},
    },
};

/// What a command printed, as JSON.
fn printed(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

/// Exit status, and what was said.
fn said(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), text(output))
}

/// A command that goes to a server with a token.
fn over(server: &str, token: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [arguments, &["--server", server]].concat();
    let mut command = program(directory.path(), &arguments);
    command.env("KEYWARD_TOKEN", token).stdin(Stdio::null()).output().unwrap()
}

/// The same from within the test's own server, whose worker must not be waited for on this thread.
async fn over_http(app: &TestApp, api: &Api, arguments: &[&str]) -> Output {
    let (server, token) = (app.issuer.clone(), api.token.clone());
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let run = move || over(&server, &token, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// The data of a first start in a directory of its own.
async fn new_data() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut config = keyward::config::Config::defaults();
    config.data_dir = directory.path().join("keyward-data");
    drop(keyward::cli::data_dir::open(config).await.unwrap());
    directory
}

/// A command on the database in this directory.
fn on(directory: &Path, arguments: &[&str]) -> Output {
    program(directory, arguments).stdin(Stdio::null()).output().unwrap()
}

#[tokio::test]
async fn a_principal_is_created_listed_shown_changed_and_deleted() {
    let data = new_data().await;
    let run = |arguments: &[&str]| on(data.path(), arguments);
    let made = printed(&run(&["principal", "create", "--email", "ada@example.org", "--name", "Ada", "--json"]));
    let id = made["id"].as_str().unwrap();
    printed(&run(&["principal", "create", "--email", "bada@example.org", "--field", "properties.tier=3", "--json"]));

    let all = printed(&run(&["principal", "list", "--json"]));
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!((&all[0]["email"], &all[1]["properties"]["tier"]), (&json!("ada@example.org"), &json!(3)));
    assert_eq!(printed(&run(&["principal", "list", "--limit", "1", "--json"])).as_array().unwrap().len(), 1);
    assert_eq!(printed(&run(&["principal", "list", "--email", "nobody", "--json"])), json!([]));
    let table = said(&run(&["principal", "list"]));
    assert!(table.0 == 0 && table.1.contains("EMAIL") && table.1.contains(id), "{}", table.1);

    // the email is matched as a whole, in whatever case
    let shown = printed(&run(&["principal", "show", "ADA@example.org", "--json"]));
    assert_eq!((shown["id"].as_str(), shown["name"].as_str()), (Some(id), Some("Ada")));
    let update = ["principal", "update", "ada@example.org", "--name", "Ada L", "--field", "phone=+44 20", "--json"];
    let changed = printed(&run(&update));
    assert_eq!((changed["name"].as_str(), changed["phone"].as_str()), (Some("Ada L"), Some("+44 20")));
    let stale = shown["eTag"].as_str().unwrap();
    let refused = said(&run(&["principal", "update", id, "--name", "X", "--if-match", stale]));
    assert!(refused.0 == 1 && refused.1.contains("ETAG_MISMATCH"), "{}", refused.1);
    // a version may begin like an option
    let refused = said(&run(&["principal", "update", id, "--name", "X", "--if-match", "-Ix"]));
    assert!(refused.0 == 1 && refused.1.contains("ETAG_MISMATCH"), "{}", refused.1);
    for (flag, is) in [("--system-user", true), ("--system-user=false", false), ("--system-user=true", true)] {
        assert_eq!(printed(&run(&["principal", "update", id, flag, "--json"]))["systemUser"], is, "{flag}");
    }
    let made = printed(&run(&["principal", "create", "--email", "sys@example.org", "--system-user", "--json"]));
    let system = printed(&run(&["principal", "show", made["id"].as_str().unwrap(), "--json"]));
    assert_eq!(system["systemUser"], true);
    let suspended = printed(&run(&["principal", "update", id, "--suspend", "--json"]));
    assert!(suspended["suspendedAt"].is_string());
    assert!(printed(&run(&["principal", "update", id, "--unsuspend", "--json"]))["suspendedAt"].is_null());

    let reset = printed(&run(&["principal", "reset-password", id, "--json"]));
    assert!(reset["temporaryPassword"].as_str().unwrap().len() > 15);
    assert_eq!(printed(&run(&["principal", "show", id, "--json"]))["passwordLogin"], true);

    let unasked = said(&run(&["principal", "delete", id]));
    assert!(unasked.0 == 2 && unasked.1.contains("--yes"), "{}", unasked.1);
    assert_eq!(said(&run(&["principal", "delete", id, "--yes"])).0, 0);
    let gone = said(&run(&["principal", "show", id]));
    assert!(gone.0 == 1 && gone.1.contains("NOT_FOUND"), "{}", gone.1);
}

#[tokio::test]
async fn a_client_that_is_made_is_printed_as_the_api_gives_it_with_its_secret() {
    let data = new_data().await;
    let run = |arguments: &[&str]| on(data.path(), arguments);
    for extra in [&[][..], &["--auth-method", "none", "--redirect-uri", "http://localhost:3000/cb"][..]] {
        let id = if extra.is_empty() { "jobs" } else { "page" };
        let mut made = printed(&run(&[&["client", "create", "--id", id, "--name", "Jobs", "--json"], extra].concat()));
        assert_eq!(made.as_object_mut().unwrap().remove("secret").is_some(), extra.is_empty());
        assert_eq!(made, printed(&run(&["client", "show", id, "--json"])));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_command_is_told_and_is_exit_status_2() {
    let data = new_data().await;
    for (arguments, part) in [
        (&["principal", "create", "--email", "a@example.org", "--role", "no:role"][..], "--role: there is no role"),
        (&["principal", "create", "--email", "a@example.org", "--field", "password=x"], "UNKNOWN_FIELD"),
        (&["role", "create", "agent"], "ID_INVALID"),
        (&["role", "create", "a:b", "--permission", "x"], "FIELD_INVALID"),
        (&["role", "list", "--server", "http://id.example.org"], "expected https"),
        (&["role", "list", "--server", "http://localhost:1"], "KEYWARD_TOKEN"),
        (&["role", "list", "--token", "x"], "unexpected argument"),
    ] {
        let (status, told) = said(&on(data.path(), arguments));
        assert!(status == 2 && told.contains(part), "{arguments:?}: {status} {told}");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let nothing = said(&on(elsewhere.path(), &["role", "list"]));
    assert!(nothing.0 == 1 && nothing.1.contains("there is no Keyward data"), "{}", nothing.1);
}

#[tokio::test]
async fn a_role_is_created_changed_and_deleted() {
    let data = new_data().await;
    let run = |arguments: &[&str]| on(data.path(), arguments);
    let create = ["role", "create", "support:agent", "--permission", "iam/principals:read", "--json"];
    assert_eq!(printed(&run(&create))["acl"]["entries"][0]["resource"], json!(["iam/principals"]));
    let again = said(&run(&create));
    assert!(again.0 == 1 && again.1.contains("ALREADY_EXISTS"), "{}", again.1);
    printed(&run(&["principal", "create", "--email", "a@example.org", "--role", "support:agent", "--json"]));
    let updated = printed(&run(&["role", "update", "support:agent", "--description", "Agents", "--json"]));
    assert_eq!(
        (updated["description"].as_str(), updated["acl"]["entries"].as_array().unwrap().len()),
        (Some("Agents"), 1)
    );
    let listed = printed(&run(&["role", "list", "--prefix", "support:", "--json"]));
    assert_eq!(listed, json!([updated]));
    assert!(said(&run(&["role", "list"])).1.contains("iam/principals:read"));
    let held = said(&run(&["role", "delete", "support:agent", "--yes"]));
    assert!(held.0 == 1 && held.1.contains("ROLE_IN_USE"), "{}", held.1);
    assert_eq!(said(&run(&["role", "delete", "support:agent", "--yes", "--force"])).0, 0);
    let system = said(&run(&["role", "delete", "system:owner", "--yes", "--force"]));
    assert!(system.0 == 1 && system.1.contains("SYSTEM_ROLE_PROTECTED"), "{}", system.1);
}

#[tokio::test]
async fn a_running_server_notices_at_once_what_was_done_on_its_database() {
    let served = Served::start("http", &[]).await;
    let made = printed(&served.run(&["client", "create", "--id", "jobs", "--name", "Jobs", "--json"]));
    let second = printed(&served.run(&["client", "secret", "create", "jobs", "--description", "next", "--json"]));
    let token = async |secret: &str| {
        let request = http().build().unwrap().post(served.url("/oauth/token"));
        let request = request.header("authorization", basic("jobs", secret));
        send(request.form(&[("grant_type", "client_credentials")])).await
    };
    let (first, second) = (made["secret"].as_str().unwrap(), second["secret"].as_str().unwrap());
    assert_eq!(token(first).await.outcome(), "200");
    let access = token(second).await.tokens().access_token;

    // a role that the client gets is a permission of the token that it has
    assert_eq!(over(&served.issuer, &access, &["role", "list"]).status.code(), Some(1));
    printed(&served.run(&["role", "create", "ops:roles", "--permission", "iam/roles:*", "--json"]));
    let updated = printed(&served.run(&["client", "update", "jobs", "--role", "ops:roles", "--json"]));
    assert_eq!(updated["roles"], json!(["ops:roles"]));
    let begun = Instant::now();
    while !over(&served.issuer, &access, &["role", "list"]).status.success() {
        assert!(begun.elapsed() < PATIENCE, "the role is not noticed");
    }

    let secrets = printed(&served.run(&["client", "secret", "list", "jobs", "--json"]));
    assert_eq!(secrets.as_array().unwrap().len(), 2);
    let oldest = secrets[0]["id"].as_str().unwrap();
    assert_eq!(said(&served.run(&["client", "secret", "delete", "jobs", oldest, "--yes"])).0, 0);
    let until = async |wanted: &str, secret: &str| {
        let begun = Instant::now();
        while token(secret).await.outcome() != wanted {
            assert!(begun.elapsed() < PATIENCE, "{wanted} is not noticed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    until("401 invalid_client", first).await;
    printed(&served.run(&["client", "update", "jobs", "--suspend", "--json"]));
    until("401 invalid_client", second).await;
    printed(&served.run(&["client", "update", "jobs", "--unsuspend", "--json"]));
    until("200", second).await;
    assert!(said(&served.run(&["client", "list"])).1.contains("jobs"));
    assert_eq!(said(&served.run(&["client", "delete", "jobs", "--yes"])).0, 0);
    until("401 invalid_client", second).await;
}

#[tokio::test]
async fn the_same_commands_go_over_http_with_a_token() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let run = async |arguments: &[&str]| over_http(&app, &owner, arguments).await;
    printed(&run(&["role", "create", "support:agent", "--permission", "iam/principals:read", "--json"]).await);
    let create = ["principal", "create", "--email", "ada@example.org", "--temporary-password", "--json"];
    let made = printed(&run(&create).await);
    assert!(made["temporaryPassword"].is_string());
    let id = made["id"].as_str().unwrap();
    let mut document = made.clone();
    document.as_object_mut().unwrap().remove("temporaryPassword");
    assert_eq!(document, owner.get(&format!("/resources/iam/principals/{id}")).await.object(200));
    let update = ["principal", "update", "ada@example.org", "--role", "support:agent", "--json"];
    assert_eq!(printed(&run(&update).await)["roles"], json!(["support:agent"]));
    let read = owner.get(&format!("/resources/iam/principals/{id}")).await.object(200);
    assert_eq!(printed(&run(&["principal", "show", id, "--json"]).await), read);
    let client = printed(&run(&["client", "create", "--id", "jobs", "--name", "Jobs", "--json"]).await);
    assert!(client["secret"].is_string());
    let mut document = client.clone();
    document.as_object_mut().unwrap().remove("secret");
    assert_eq!(document, owner.get("/resources/iam/clients/jobs").await.object(200));
    // ids that parsers of addresses take for places, or take something out of
    for kind in ["principal", "client", "role"] {
        for id in [".", "..", "", ".\t", "jo\nbs"] {
            let shown = said(&run(&[kind, "show", id, "--json"]).await);
            assert!(shown.0 == 1 && shown.1.contains("NOT_FOUND"), "{kind} {id:?}: {}", shown.1);
            let deleted = said(&run(&[kind, "delete", id, "--yes"]).await);
            assert!(deleted.0 == 1 && deleted.1.contains("NOT_FOUND"), "{kind} {id:?}: {}", deleted.1);
        }
    }
    let made = said(&run(&["role", "create", ".."]).await);
    assert!(made.0 == 2 && made.1.contains("ID_INVALID"), "{}", made.1);
    let secret = printed(&run(&["client", "secret", "create", "jobs", "--json"]).await);
    assert_eq!(said(&run(&["client", "secret", "delete", "jobs", secret["id"].as_str().unwrap(), "--yes"]).await).0, 0);
    assert_eq!(said(&run(&["client", "delete", "jobs", "--yes"]).await).0, 0);

    // more than a page
    for n in 0..105 {
        app.principal(&format!("p{n}@example.org"), &[], |_| {}).await;
    }
    assert_eq!(printed(&run(&["principal", "list", "--json"]).await).as_array().unwrap().len(), 106);
    assert_eq!(printed(&run(&["principal", "list", "--limit", "103", "--json"]).await).as_array().unwrap().len(), 103);

    // a problem is told with its code and the id of the request
    let refused = said(&run(&["principal", "show", "0199c0de-0000-7000-8000-000000000000"]).await);
    assert!(refused.0 == 1 && refused.1.contains("(NOT_FOUND, request "), "{}", refused.1);
    let reader = Api::holding(&app, "reader", &["iam/principals:read"]).await;
    let refused = said(&over_http(&app, &reader, &["principal", "delete", id, "--yes"]).await);
    assert!(refused.0 == 1 && refused.1.contains("PERMISSION_MISSING"), "{}", refused.1);
    let nobody = Api::new(&app, "wrong", "");
    let refused = said(&over_http(&app, &nobody, &["role", "list"]).await);
    assert!(refused.0 == 1 && refused.1.contains("TOKEN_INVALID"), "{}", refused.1);
}

/// A file with everything that a section can hold, as a person writes it.
const FILE: &str = r#"
[[roles]]
key = "support:agent"
description = "Agents"
acl.entries = [{ resource = "iam/principals", permission = ["read", "write"] }]

[[clients]]
id = "shop"
name = "The Shop"
redirectUris = ["https://shop.example/callback"]
roles = ["support:agent"]

[[principals]]
id = "0199c0de-0000-7000-8000-00000000ada0"
email = "ada@example.org"
name = "Ada"
roles = ["support:agent"]
suspended = true
properties = { email_verified = true, locale = "en", tier = { level = 3 } }
settings = { theme = "dark", last = { "$json" = "18446744073709551615" }, list = [1, { "$json" = "null" }] }
"#;

#[tokio::test]
async fn what_is_exported_and_applied_elsewhere_is_exported_as_the_same() {
    let (first, second) = (new_data().await, new_data().await);
    std::fs::write(first.path().join("house.toml"), FILE).unwrap();
    let dry = said(&on(first.path(), &["apply", "house.toml", "--dry-run"]));
    assert!(dry.0 == 0 && dry.1.contains("+ role support:agent") && dry.1.contains("3 created"), "{}", dry.1);
    assert!(!said(&on(first.path(), &["export"])).1.contains("shop"));
    let applied = printed(&on(first.path(), &["apply", "house.toml", "--json"]));
    assert_eq!((&applied["created"], &applied["dryRun"]), (&json!(3), &json!(false)));
    let ada = printed(&on(first.path(), &["principal", "show", "ada@example.org", "--json"]));
    assert_eq!(ada["settings"], json!({"theme": "dark", "last": u64::MAX, "list": [1, null]}), "what TOML cannot say");
    let version = || printed(&on(first.path(), &["client", "show", "shop", "--json"]))["eTag"].clone();
    let etag = version();
    let again = said(&on(first.path(), &["apply", "house.toml"]));
    assert_eq!(again, (0, "0 created, 0 changed, 0 deleted, 3 unchanged\n".to_owned()));
    assert_eq!(version(), etag);

    for format in ["toml", "json"] {
        let export = |data: &Path| said(&on(data, &["export", "--format", format]));
        let file = export(first.path());
        assert!(file.0 == 0 && file.1.contains("suspended") && !file.1.contains("eTag"), "{}", file.1);
        std::fs::write(second.path().join("export"), &file.1).unwrap();
        assert_eq!(said(&on(second.path(), &["apply", "export"])).0, 0);
        assert_eq!(export(second.path()), file);
    }
    let output = ["export", "--output", "out.toml", "--only", "roles"];
    assert_eq!(said(&on(first.path(), &output)), (0, String::new()));
    assert_eq!(said(&on(first.path(), &output)).0, 1, "nothing is overwritten");
}

#[tokio::test]
async fn a_file_is_applied_as_a_whole_and_pruning_asks_first() {
    let data = new_data().await;
    let run = |arguments: &[&str]| on(data.path(), arguments);
    let write = |text: &str| std::fs::write(data.path().join("house.toml"), text).unwrap();
    write(FILE);
    assert_eq!(said(&run(&["apply", "house.toml"])).0, 0);
    write("[[roles]]\nkey = 'a:b'\n[[clients]]\nid = 'x'\nclientSecret = 'y'\n[[principals]]\nemail = 'no'\n");
    let refused = said(&run(&["apply", "house.toml"]));
    assert!(refused.0 == 2 && refused.1.contains("/clients/0/clientSecret"), "{}", refused.1);
    assert!(refused.1.contains("/principals/0/email"), "{}", refused.1);
    assert_eq!(said(&run(&["role", "show", "a:b"])).0, 1);
    write("[[role]]\nkey = 'a:b'\n");
    let refused = said(&run(&["apply", "house.toml"]));
    assert!(refused.0 == 2 && refused.1.contains("did you mean roles?"), "{}", refused.1);

    write("principals = []\n");
    let unasked = said(&run(&["apply", "house.toml", "--prune"]));
    assert!(unasked.0 == 2 && unasked.1.contains("ada@example.org") && unasked.1.contains("--yes"), "{}", unasked.1);
    assert_eq!(said(&run(&["principal", "show", "ada@example.org"])).0, 0);
    assert_eq!(said(&run(&["apply", "house.toml", "--prune", "--yes"])).0, 0);
    assert_eq!(said(&run(&["principal", "show", "ada@example.org"])).0, 1);
    // the last owner is not pruned: nothing is, and what helps is told
    printed(&run(&["principal", "create", "--email", "owner@example.org", "--role", "system:owner", "--json"]));
    printed(&run(&["principal", "create", "--email", "other@example.org", "--json"]));
    let refused = said(&run(&["apply", "house.toml", "--prune", "--yes"]));
    assert!(refused.0 == 1 && refused.1.contains("the file has to name one (LAST_OWNER)"), "{}", refused.1);
    assert_eq!(said(&run(&["principal", "show", "other@example.org"])).0, 0);
    assert_eq!(said(&run(&["client", "show", "shop"])).0, 0, "only sections of the file");
}

#[tokio::test]
async fn files_are_exported_and_applied_over_http_as_well() {
    let app = TestApp::spawn().await;
    let owner = Api::owner(&app).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("house.toml");
    std::fs::write(&path, FILE).unwrap();
    let path = path.to_str().unwrap();
    let applied = printed(&over_http(&app, &owner, &["apply", path, "--json"]).await);
    assert_eq!(applied["created"], json!(3));
    let again = said(&over_http(&app, &owner, &["apply", path]).await);
    assert_eq!(again, (0, "0 created, 0 changed, 0 deleted, 3 unchanged\n".to_owned()));
    let file = said(&over_http(&app, &owner, &["export", "--only", "clients"]).await);
    assert!(file.0 == 0 && file.1.contains("id = \"shop\"") && file.1.contains("owner-service"), "{}", file.1);
    // who may not read all of it gets nothing, not the beginning
    let some = Api::holding(&app, "some", &["iam/roles:read"]).await;
    for format in ["toml", "json"] {
        let whole = over_http(&app, &some, &["export", "--format", format]).await;
        assert_eq!((whole.status.code(), text(&whole).contains("PERMISSION_MISSING")), (Some(1), true));
        assert!(whole.stdout.is_empty(), "{}", text(&whole));
    }
    let output = directory.path().join("out.toml");
    let to_file = over_http(&app, &some, &["export", "--output", output.to_str().unwrap()]).await;
    assert!(to_file.status.code() == Some(1) && !output.exists());
    let weak = Api::holding(&app, "weak", &["iam/roles:*", "iam/principals:*", "iam/clients:*"]).await;
    std::fs::write(path, "[[clients]]\nid = 'weak'\nroles = ['system:owner']\n").unwrap();
    let refused = said(&over_http(&app, &weak, &["apply", path]).await);
    assert!(refused.0 == 1 && refused.1.contains("PRIVILEGE_ESCALATION"), "{}", refused.1);
}
