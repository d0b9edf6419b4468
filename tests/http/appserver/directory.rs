//! Accounts of a directory: a real one, one that is not there, and one that says nothing.

use std::{net::TcpListener, time::Duration};

use keyward::config::Config;
use serde_json::json;

use super::{
    ADA, Program, ROLE, by, shown,
    slapd::{DIRECTORY_PASSWORD, Slapd},
    stage_with, told,
};
use crate::{
    stage::suspend,
    support::{TestApp, api::Api},
};

/// What differs from the usual configuration.
type Change = fn(&mut Config, &Slapd);
type Fault = Box<dyn FnOnce(&mut Config)>;

fn account(user: &str, password: &str) -> String {
    by("RoleBasedManualADS", &[("User", user), ("Password", password)])
}

async fn login(app: &TestApp, user: &str, password: &str) -> String {
    told(&Program::new(app).login(&account(user, password)).await)
}

#[tokio::test]
async fn an_entry_names_the_principal_whose_email_it_has() {
    let slapd = Slapd::start();
    let app = stage_with(|config| slapd.configure(config)).await;
    let bob = app.principal("bob@example.com", &[ROLE], |bob| bob.password_hash = None).await;
    app.principal("eve@example.com", &[], |_| {}).await;
    for (user, expected) in [
        ("ada", ADA),
        ("ADA", ADA),
        (" ada ", ADA),
        ("bob", "bob@example.com"),
        ("nomail", "401 1101"),
        ("stranger", "401 1101"),
        // two principals, or two entries: nobody
        ("two", "401 1101"),
        ("twin", "401 1101"),
        ("nobody", "401 1101"),
        // what would be more than a name in a filter (RFC 4515)
        ("*", "401 1101"),
        ("a*", "401 1101"),
        ("ada)(uid=*", "401 1101"),
        ("*)(objectClass=*", "401 1101"),
        ("\\61da", "401 1101"),
        // or in a distinguished name
        ("uid=ada,ou=people,dc=example,dc=org", "401 1101"),
    ] {
        assert_eq!(login(&app, user, DIRECTORY_PASSWORD).await, expected, "{user}");
        app.advance(Duration::from_secs(3600));
    }
    assert_eq!(login(&app, "ada", "wrong").await, "401 1101");
    assert_eq!(login(&app, "ada", crate::support::PASSWORD).await, "401 1101", "Keyward's own password is another");

    let program = Program::new(&app);
    assert_eq!(told(&program.login(&account("bob", DIRECTORY_PASSWORD)).await), "bob@example.com");
    let list = Api::owner(&app).await.get(&format!("/resources/iam/principals/{}/sessions", bob.id)).await.object(200);
    assert_eq!(list["sessions"][0]["authenticationMethods"], json!(["pwd"]));
    assert_eq!(program.who().await, "bob@example.com");
    suspend(&app, &bob.id).await;
    assert_eq!(program.who().await, "401 1103");
    assert_eq!(login(&app, "bob", DIRECTORY_PASSWORD).await, "401 1101");
}

#[tokio::test]
async fn who_has_no_access_is_told_so_after_the_right_password() {
    let slapd = Slapd::start();
    let app = stage_with(|config| slapd.configure(config)).await;
    app.principal("bob@example.com", &[], |_| {}).await;
    assert_eq!(login(&app, "bob", DIRECTORY_PASSWORD).await, "401 1104");
    assert_eq!(login(&app, "bob", "wrong").await, "401 1101");
}

/// RFC 4513 §5.1.2: a bind without a password succeeds, and proves nothing.
#[tokio::test]
async fn an_empty_password_never_signs_in() {
    let slapd = Slapd::start();
    let app = stage_with(|config| slapd.configure(config)).await;
    for auth in [
        "Module=RoleBasedManualADS;User=ada",
        "Module=RoleBasedManualADS;User=ada;Password=",
        "Module=RoleBasedManualADS;User=ada;Password=''",
        "Module=RoleBasedManualADS;User=;Password=x",
    ] {
        assert_eq!(told(&Program::new(&app).login(auth).await), "400 1003", "{auth}");
    }
    for password in ["' '", "\"\t\""] {
        let auth = format!("Module=RoleBasedManualADS;User=ada;Password={password}");
        assert_eq!(told(&Program::new(&app).login(&auth).await), "401 1101", "{auth}");
    }
    let ldap = app.app.ldap.clone().unwrap();
    let bind = async |user: &str, password: &str| {
        let named = ldap.find(user).await.unwrap();
        ldap.bind(named, password.into()).await.unwrap()
    };
    assert_eq!(bind("ada", "").await, None, "not even from inside");
    assert_eq!(bind("", DIRECTORY_PASSWORD).await, None);
    assert!(bind("ada", DIRECTORY_PASSWORD).await.is_some());
}

#[tokio::test]
async fn guesses_are_counted_and_the_answers_are_one() {
    let slapd = Slapd::start();
    let app = stage_with(|config| slapd.configure(config)).await;
    let wrong = shown(&app, &Program::new(&app).login(&account("ada", "wrong")).await);
    let unknown = shown(&app, &Program::new(&app).login(&account("nobody", "wrong")).await);
    assert_eq!(wrong, unknown);
    for _ in 0..5 {
        assert_eq!(shown(&app, &Program::new(&app).login(&account("ada", "wrong")).await), wrong);
    }
    let locked = shown(&app, &Program::new(&app).login(&account("ada", DIRECTORY_PASSWORD)).await);
    assert_eq!(locked, wrong, "the directory is not asked any more");
    // the directory takes another spelling for the same person
    for spelling in ["ａda", "ⓐda", "ADA"] {
        let answer = shown(&app, &Program::new(&app).login(&account(spelling, DIRECTORY_PASSWORD)).await);
        assert_eq!(answer, wrong, "{spelling}");
    }
    app.advance(Duration::from_secs(3600));
    assert_eq!(login(&app, "ada", DIRECTORY_PASSWORD).await, ADA);
    assert_eq!(login(&app, "ａda", DIRECTORY_PASSWORD).await, ADA);
}

#[tokio::test]
async fn the_connection_is_encrypted_and_the_certificate_is_compared() {
    let slapd = Slapd::start();
    let ways: [(&str, Change); 5] = [
        (ADA, |config, slapd| config.ldap.url = Some(format!("ldaps://localhost:{}", slapd.tls_port))),
        (ADA, |config, slapd| config.ldap.url = Some(format!("ldaps://127.0.0.1:{}", slapd.tls_port))),
        (ADA, |config, _| config.ldap.starttls = false),
        // nobody vouches for it
        ("503 1401", |config, _| config.ldap.ca_certificates = None),
        ("503 1401", |config, slapd| {
            config.ldap.url = Some(format!("ldaps://localhost:{}", slapd.tls_port));
            config.ldap.ca_certificates = None;
        }),
    ];
    for (expected, change) in ways {
        let app = stage_with(|config| {
            slapd.configure(config);
            change(config, &slapd);
        })
        .await;
        assert_eq!(login(&app, "ada", DIRECTORY_PASSWORD).await, expected, "{:?}", app.app.config.ldap.url);
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_asked_is_no_wrong_password() {
    let slapd = Slapd::start();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // accepts and says nothing: only the deadline ends it
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let ways: Vec<(&str, Fault)> = vec![
        ("not there", Box::new(move |config| config.ldap.url = Some(format!("ldap://localhost:{unused}")))),
        ("silent", {
            let port = silent.local_addr().unwrap().port();
            Box::new(move |config| {
                config.ldap.url = Some(format!("ldap://localhost:{port}"));
                config.ldap.timeout = Duration::from_millis(200);
            })
        }),
        ("silent, in the clear", {
            let port = silent.local_addr().unwrap().port();
            Box::new(move |config| {
                config.ldap.url = Some(format!("ldap://localhost:{port}"));
                config.ldap.starttls = false;
                config.ldap.timeout = Duration::from_millis(200);
            })
        }),
        ("another account", Box::new(|config| config.ldap.bind_password = Some("wrong".into()))),
        ("another base", Box::new(|config| config.ldap.base_dn = Some("dc=nothing".to_owned()))),
    ];
    for (what, change) in ways {
        let app = stage_with(|config| {
            slapd.configure(config);
            change(config);
        })
        .await;
        for _ in 0..7 {
            let answer = Program::new(&app).login(&account("ada", DIRECTORY_PASSWORD)).await;
            assert_eq!(told(&answer), "503 1401", "{what}");
            assert_eq!(answer.header("retry-after"), "5", "{what}");
            assert!(!answer.body.contains("ldap"), "{}", answer.body);
        }
        // and the others are served
        assert_eq!(told(&Program::new(&app).by_password(ADA).await), ADA, "{what}");
    }
}

/// What speaks something else does not bring anything down.
#[tokio::test]
async fn a_server_that_is_no_directory_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        // a message without a message id, text, and an answer to nothing
        let says: [&[u8]; 4] =
            [&[0x30, 0x00], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0x30, 0x02, 0x05, 0x00], &[0x30, 0x80]];
        for (connection, answer) in listener.incoming().zip(says) {
            let _ = std::io::Write::write_all(&mut connection.unwrap(), answer);
        }
    });
    let app = stage_with(|config| {
        config.ldap.url = Some(format!("ldap://127.0.0.1:{port}"));
        config.ldap.starttls = false;
        config.ldap.base_dn = Some("dc=example,dc=org".to_owned());
        config.ldap.timeout = Duration::from_millis(500);
    })
    .await;
    for _ in 0..4 {
        assert_eq!(login(&app, "ada", DIRECTORY_PASSWORD).await, "503 1401");
    }
    assert_eq!(told(&Program::new(&app).by_password(ADA).await), ADA);
}
