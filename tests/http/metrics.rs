//! What an operator sees: numbers on an address of their own, and that dashboard, alerts and their description fit them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use reqwest::{Method, StatusCode};

use crate::{
    stage::{ADA, Stage, stage_with},
    support::{
        TestApp,
        browser::{Browser, http},
        relying_party::{Answer, basic, send},
    },
};

async fn watched() -> Stage {
    stage_with(|config| config.metrics.listen = Some("127.0.0.1:0".parse().unwrap()), |_| {}).await
}

async fn get(app: &TestApp, accept: &str) -> Answer {
    send(http().build().unwrap().get(app.metrics_url()).header("accept", accept)).await
}

/// The numbers by their names and labels, as they are written.
async fn numbers(app: &TestApp) -> BTreeMap<String, f64> {
    let answer = get(app, "*/*").await;
    let samples = answer.body.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, n)| (name.to_owned(), n.parse().unwrap())).collect()
}

/// By how much a number has grown.
fn grown(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>, name: &str) -> f64 {
    after.get(name).unwrap_or_else(|| panic!("{name} is not there: {after:#?}")) - before.get(name).unwrap_or(&0.0)
}

#[tokio::test]
async fn numbers_are_told_at_an_address_of_their_own_only() {
    let Stage { app, .. } = watched().await;
    assert_eq!(send(http().build().unwrap().get(app.url("/metrics"))).await.status, StatusCode::NOT_FOUND);
    let answer = get(&app, "text/plain").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(!answer.body.contains("# EOF"));
    let asked = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    let open = get(&app, asked).await;
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.body.ends_with("\n# EOF\n"));
    let request = |method: Method, url: String| send(http().build().unwrap().request(method, url));
    assert_eq!(request(Method::POST, app.metrics_url()).await.status, StatusCode::METHOD_NOT_ALLOWED);
    for path in ["", "/login", "/oauth/token", "/health/ready"] {
        let elsewhere = app.metrics_url().replace("/metrics", path);
        assert_eq!(request(Method::GET, elsewhere).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn nothing_listens_unless_that_is_wanted() {
    let app = TestApp::spawn().await;
    assert_eq!(app.metrics_url(), "");
}

#[tokio::test]
async fn what_happens_is_counted_by_route_and_outcome() {
    let stage = watched().await;
    let Stage { app, rp, .. } = &stage;
    let http = http().build().unwrap();
    let before = numbers(app).await;

    stage.tokens("openid offline_access").await;
    let token = |secret: &str| http.post(app.url("/oauth/token")).header("authorization", basic("app", secret));
    let wrong = send(token("wrong").form(&[("grant_type", "client_credentials")])).await;
    assert_eq!(wrong.outcome(), "401 invalid_client");
    let unknown = send(token(&rp.client.secret).form(&[("grant_type", "made_up")])).await;
    assert_eq!(unknown.outcome(), "400 unsupported_grant_type");
    let granted = send(token(&rp.client.secret).form(&[("grant_type", "client_credentials")])).await;
    assert_eq!(granted.outcome(), "200");
    // an error that goes back by redirect is one all the same
    let silent = rp.authorization(&[("prompt", "none")]);
    assert_eq!(send(http.get(&silent.url)).await.status, StatusCode::SEE_OTHER);
    for path in ["/nope", "/resources/nope/ada@example.com", "/oauth/token/secret"] {
        assert_eq!(send(http.get(app.url(path))).await.status, StatusCode::NOT_FOUND);
    }
    for id in ["0", "1"] {
        let path = format!("/resources/iam/principals/{id}");
        assert_eq!(send(http.get(app.url(&path))).await.status, StatusCode::UNAUTHORIZED);
    }
    for method in ["TRACE", "BREW", "GET"] {
        let request = http.request(method.parse().unwrap(), app.url("/oauth/token"));
        assert_eq!(send(request).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    let stranger = Browser::new();
    let page = stranger.open(&app.url("/login")).await;
    stranger.press(&page, "sign-in", &[("username", ADA), ("password", "not hers")]).await;

    let after = numbers(app).await;
    let grown = |name: &str| grown(&before, &after, name);
    let requests = |method: &str, endpoint: &str, outcome: &str| {
        let labels = format!("method=\"{method}\",endpoint=\"{endpoint}\",outcome=\"{outcome}\"");
        grown(&format!("keyward_http_requests_total{{{labels}}}"))
    };
    assert_eq!(requests("POST", "/oauth/token", "2xx"), 2.0);
    assert_eq!(requests("POST", "/oauth/token", "invalid_client"), 1.0);
    assert_eq!(requests("POST", "/oauth/token", "unsupported_grant_type"), 1.0);
    assert_eq!(requests("other", "/oauth/token", "invalid_request"), 3.0);
    assert_eq!(requests("GET", "/oauth/authorize", "login_required"), 1.0);
    assert_eq!(requests("GET", "unmatched", "4xx"), 3.0);
    assert_eq!(requests("GET", "/resources/iam/principals/{id}", "4xx"), 2.0);
    let took = "keyward_http_request_duration_seconds_count{method=\"POST\",endpoint=\"/oauth/token\"}";
    assert_eq!(grown(took), 4.0);
    assert_eq!(grown("keyward_tokens_issued_total{grant_type=\"authorization_code\"}"), 1.0);
    assert_eq!(grown("keyward_tokens_issued_total{grant_type=\"client_credentials\"}"), 1.0);
    assert_eq!(grown("keyward_token_refusals_total{error=\"invalid_client\"}"), 1.0);
    assert_eq!(grown("keyward_token_refusals_total{error=\"unsupported_grant_type\"}"), 1.0);
    assert_eq!(grown("keyward_sign_ins_total{place=\"page\",outcome=\"signed_in\"}"), 1.0);
    assert_eq!(grown("keyward_sign_ins_total{place=\"page\",outcome=\"refused\"}"), 1.0);
    assert_eq!(grown("keyward_password_hash_seconds_count"), 2.0);
    assert_eq!(grown("keyward_password_hash_wait_seconds_count"), 2.0);
    match app.is_postgres() {
        true => assert!(grown("keyward_postgres_transactions_total") >= 1.0),
        false => {
            assert!(grown("keyward_sqlite_commit_seconds_count") >= 1.0);
            assert!(grown("keyward_sqlite_group_size_sum") >= grown("keyward_sqlite_group_size_count"));
        }
    }
    // paths, ids and methods that somebody made up are nowhere
    let text = get(app, "*/*").await.body;
    for made_up in ["nope", "ada@", "secret", "BREW", "principals/0"] {
        assert!(!text.contains(made_up), "{made_up}\n{text}");
    }
}

#[tokio::test]
async fn endpoints_are_called_the_same_below_any_issuer() {
    let app = TestApp::spawn_with(|config| {
        config.issuer = Some("path:/x".to_owned());
        config.metrics.listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let http = http().build().unwrap();
    send(http.get(app.url("/oauth/jwks"))).await;
    send(http.get(app.issuer.replace("/x", "/health/live"))).await;
    let numbers = numbers(&app).await;
    for endpoint in ["/oauth/jwks", "/health/live"] {
        let name = format!("keyward_http_requests_total{{method=\"GET\",endpoint=\"{endpoint}\",outcome=\"2xx\"}}");
        assert_eq!(numbers.get(&name), Some(&1.0), "{numbers:#?}");
    }
}

#[tokio::test]
async fn sessions_keys_and_the_database_are_measured_when_somebody_reads() {
    let stage = watched().await;
    let app = &stage.app;
    assert_eq!(numbers(app).await["keyward_sessions_live"], 0.0);
    stage.tokens("openid").await;
    assert_eq!(numbers(app).await["keyward_sessions_live"], 0.0, "counted a moment ago");
    app.advance(Duration::from_secs(60));
    let now = numbers(app).await;
    assert_eq!((now["keyward_sessions_live"], now["keyward_database_up"]), (1.0, 1.0));
    assert_eq!((now["keyward_mails_pending"], now["keyward_mail_overdue_seconds"]), (0.0, 0.0));
    // the server seals what happened, within about a second
    while numbers(app).await["keyward_audit_unsealed_seconds"] > 0.0 {
        app.advance(Duration::from_secs(15));
    }
    let ages: Vec<f64> = now
        .iter()
        .filter(|(name, _)| name.starts_with("keyward_signing_key_age_seconds"))
        .map(|(_, age)| *age)
        .collect();
    assert_eq!(ages, [60.0, 60.0]);
    // idle for long enough that the session is over, though its row is there
    app.advance(Duration::from_secs(13 * 3600));
    assert_eq!(numbers(app).await["keyward_sessions_live"], 0.0);
}

#[tokio::test]
async fn what_is_over_does_not_stay_in_memory() {
    let stage = watched().await;
    let app = &stage.app;
    let tokens = stage.tokens("openid").await;
    let ask = http().build().unwrap().get(app.url("/oauth/userinfo")).bearer_auth(&tokens.access_token);
    assert_eq!(send(ask).await.status, 200);
    let kept = async || {
        let now = numbers(app).await;
        ["grants", "sessions", "unrevoked_tokens", "tokens"]
            .map(|cache| now[&format!("keyward_cache_entries{{cache=\"{cache}\"}}")])
    };
    let forget = || {
        app.app.store.forget_expired(app.now());
        app.app.tokens.forget_expired(app.now());
    };
    forget();
    assert!(kept().await.into_iter().any(|entries| entries > 0.0), "what goes on stays");
    app.advance(Duration::from_secs(500 * 24 * 3600));
    forget();
    assert_eq!(kept().await, [0.0; 4]);
}

/// What a file of the repository says.
fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The rows of the table that describes these numbers.
fn table(classic: &str) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    let mut help = "";
    for line in classic.lines() {
        if let Some(about) = line.strip_prefix("# HELP ") {
            help = about.split_once(' ').unwrap().1;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|about| about.split_once(' ')) {
            let of_name = |line: &&str| ["", "_bucket"].iter().any(|end| line.starts_with(&format!("{name}{end}{{")));
            let sample = classic.lines().find(of_name).unwrap_or_default();
            let labels = sample.split_once('{').map_or("", |(_, rest)| rest);
            let labels: Vec<String> = labels
                .split("\",")
                .filter_map(|label| Some(label.split_once("=\"")?.0))
                .filter(|label| *label != "le")
                .map(|label| format!("`{label}`"))
                .collect();
            rows.insert(format!("| `{name}` | {kind} | {} | {help} |", labels.join(", ")));
        }
    }
    rows
}

#[tokio::test]
async fn every_number_is_described_and_everything_described_is_there() {
    let stage = watched().await;
    stage.tokens("openid").await;
    let told = table(&get(&stage.app, "*/*").await.body);
    let other = if stage.app.is_postgres() { "| `keyward_sqlite_" } else { "| `keyward_postgres_" };
    let text = file("deploy/README.md");
    let (_, rest) = text.split_once("<!-- metrics:begin -->\n").unwrap();
    let (block, _) = rest.split_once("<!-- metrics:end -->").unwrap();
    let described: BTreeSet<String> =
        block.lines().filter(|line| line.starts_with("| `") && !line.starts_with(other)).map(str::to_owned).collect();
    let lines: Vec<&str> = told.iter().map(String::as_str).collect();
    assert_eq!(told, described, "put between the markers of deploy/README.md:\n{}", lines.join("\n"));
}

#[test]
fn dashboard_and_alerts_use_numbers_that_are_described() {
    let described = file("deploy/README.md");
    let dashboard = file("deploy/grafana/keyward.json");
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    for (name, text) in [("dashboard", dashboard), ("alerts", file("deploy/prometheus/alerts.yml"))] {
        let words: BTreeSet<&str> = text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("keyward_") || word.starts_with("process_"))
            .collect();
        assert!(words.len() > 10, "{words:?}");
        for word in words {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            let is_there = [word, base].iter().any(|name| described.contains(&format!("| `{name}` |")));
            assert!(is_there, "the {name} uses {word}, which no server tells");
        }
    }
}
