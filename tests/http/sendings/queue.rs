//! Nothing is lost and nothing is sent twice, whatever happens on the way.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::{eventually, mail, path, send, sending_by, sending_with, status, until_it_is, until_retry};
use crate::support::smtp::Smtp;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_by(&smtp).await;
    for (stage, reply) in [("mail", "550 not you"), ("rcpt", "550 5.1.1 nobody"), ("data", "554 not that")] {
        smtp.rule(stage, reply);
        let id = send(&api, mail("ada@example.org")).await;
        let record = until_it_is(&app, &api, &id, "failed").await;
        assert_eq!((&record["retryCount"], &record["sentAt"]), (&json!(0), &json!(null)));
        let (error, code) = (record["errorMessage"].as_str().unwrap(), &reply[..3]);
        assert!(error.contains(code), "{error}");
        assert_eq!(api.delete(&path(&id)).await.said(), "409 SENDING_NOT_PENDING");
        smtp.forget(stage);
    }
    app.advance(24 * 60 * MINUTE);
    let api = crate::support::api::Api::holding(&app, "later", &["sendings:*"]).await;
    let id = send(&api, mail("ada@example.org")).await;
    until_it_is(&app, &api, &id, "sent").await;
    assert_eq!(smtp.received().len(), 1);
}

#[tokio::test]
async fn of_several_recipients_all_get_it_or_none() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_by(&smtp).await;
    smtp.rule_about("grace@example.org", "450 mailbox busy");
    let all = json!({ "to": ["ada@example.org", "grace@example.org"], "subject": "x", "body": { "html": "x" } });
    let id = send(&api, all).await;
    let record = until_retry(&app, &api, &id, 1).await;
    assert!(record["errorMessage"].as_str().unwrap().starts_with("grace@example.org: "), "{record}");
    assert!(smtp.received().is_empty());
    smtp.forget("rcpt");
    app.advance(2 * MINUTE);
    until_it_is(&app, &api, &id, "sent").await;
    assert_eq!(smtp.received().iter().map(|mail| mail.to.len()).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_later_and_later() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_by(&smtp).await;
    smtp.rule_for(1, "data", "451 greylisted");
    let id = send(&api, mail("ada@example.org")).await;
    let record = until_retry(&app, &api, &id, 1).await;
    assert_eq!(record["status"], "pending");
    assert!(record["errorMessage"].as_str().unwrap().contains("greylisted"), "{record}");
    // before its time nothing is tried
    app.advance(MINUTE - Duration::from_secs(1));
    let other = send(&api, mail("other@example.org")).await;
    until_it_is(&app, &api, &other, "sent").await;
    assert_eq!(status(&api, &id).await["status"], "pending");
    app.advance(MINUTE / 4 + Duration::from_secs(1));
    let record = until_it_is(&app, &api, &id, "sent").await;
    assert_eq!((&record["retryCount"], &record["errorMessage"]), (&json!(1), &json!(null)));

    smtp.rule("rcpt", "452 full");
    let id = send(&api, mail("ada@example.org")).await;
    let begun = smtp.count("rcpt");
    for (retry, minutes) in [(1, 2), (2, 19), (3, 300)] {
        // the token before has ended meanwhile
        let api = crate::support::api::Api::holding(&app, &format!("at{retry}"), &["sendings:read"]).await;
        until_retry(&app, &api, &id, retry).await;
        app.advance(minutes * MINUTE);
    }
    let api = crate::support::api::Api::holding(&app, "last", &["sendings:*"]).await;
    let record = until_it_is(&app, &api, &id, "failed").await;
    assert_eq!(record["retryCount"], 3);
    assert_eq!(smtp.count("rcpt") - begun, 4, "one attempt and three retries");
    assert_eq!(smtp.received().len(), 2);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_with(&smtp, |config| config.mail.timeout = Duration::from_millis(500)).await;
    for (at, stage) in ["connect", "mail", "rcpt"].into_iter().enumerate() {
        smtp.rule(stage, "silence");
        let id = send(&api, mail("ada@example.org")).await;
        let record = until_retry(&app, &api, &id, 1).await;
        assert!(record["errorMessage"].as_str().unwrap().contains("500ms"), "{record}");
        smtp.forget(stage);
        app.advance(2 * MINUTE);
        until_it_is(&app, &api, &id, "sent").await;
        assert_eq!(smtp.received().len(), at + 1);
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_makes_the_same_mail_go_again_under_the_same_message_id() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_with(&smtp, |config| config.mail.acceptance_timeout = Duration::from_millis(500)).await;
    // it has accepted the mail, and cannot say so
    smtp.rule("data", "hold");
    let id = send(&api, mail("ada@example.org")).await;
    until_retry(&app, &api, &id, 1).await;
    smtp.forget("data");
    app.advance(2 * MINUTE);
    until_it_is(&app, &api, &id, "sent").await;
    let ids: Vec<_> = smtp.received().iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
    assert_eq!(ids, vec![format!("<{id}@keyward.example>"); 2]);
}

#[tokio::test]
async fn while_the_server_is_gone_mails_wait_even_over_a_restart() {
    let Some(smtp) = Smtp::start() else { return };
    let (app, api) = sending_by(&smtp).await;
    let port = smtp.stop();
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(send(&api, mail(&format!("a{n}@example.org"))).await);
    }
    for id in &ids {
        until_retry(&app, &api, id, 1).await;
    }
    let app = app.restart().await;
    for id in &ids {
        assert_eq!(status(&api, id).await["status"], "pending");
    }
    let Some(mut smtp) = Smtp::start_with(port, None, None) else { return };
    app.advance(2 * MINUTE);
    for id in &ids {
        until_it_is(&app, &api, id, "sent").await;
    }
    let mut to: Vec<_> = smtp.received().into_iter().flat_map(|mail| mail.to).collect();
    to.sort();
    assert_eq!(to, ["a0@example.org", "a1@example.org", "a2@example.org"]);
}

#[tokio::test]
async fn a_restart_gives_back_what_was_not_handed_over_and_waits_for_what_was() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_by(&smtp).await;
    smtp.rule("rcpt", "silence");
    let before = send(&api, mail("before@example.org")).await;
    eventually(|| smtp.count("rcpt") == 1).await;
    smtp.forget("rcpt");
    smtp.rule("data", "hold");
    let during = send(&api, mail("during@example.org")).await;
    eventually(|| smtp.count("held") == 1).await;
    assert_eq!(api.delete(&path(&during)).await.said(), "409 SENDING_NOT_PENDING", "it is on its way");

    let (app, ()) = tokio::join!(app.restart(), async {
        // the server is told to stop before the answer comes
        tokio::time::sleep(Duration::from_millis(100)).await;
        smtp.release();
    });
    assert_eq!(until_it_is(&app, &api, &during, "sent").await["retryCount"], 0);
    assert_eq!(until_it_is(&app, &api, &before, "sent").await["retryCount"], 0, "without waiting for a lease");
    let mut to: Vec<_> = smtp.received().into_iter().flat_map(|mail| mail.to).collect();
    to.sort();
    assert_eq!(to, ["before@example.org", "during@example.org"]);
}

#[tokio::test]
async fn a_mail_whose_worker_died_is_taken_by_another_one_when_its_lease_is_over() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_by(&smtp).await;
    smtp.rule("connect", "421 not now");
    let id = send(&api, mail("ada@example.org")).await;
    until_retry(&app, &api, &id, 1).await;
    smtp.forget("connect");
    app.advance(2 * MINUTE);
    // before anybody is told: a worker takes it and is never seen again
    let (taken, now) = (id.clone(), app.now());
    let claim = move |tx: &mut keyward::store::Tx<'_>| keyward::store::sending::claim(tx, &taken, 2 * MINUTE, now);
    let claimed = app.app.store.write(claim).await.unwrap();
    let Some(claimed) = claimed else {
        // the worker looked by itself in between
        return drop(until_it_is(&app, &api, &id, "sent").await);
    };
    let other = send(&api, mail("other@example.org")).await;
    until_it_is(&app, &api, &other, "sent").await;
    assert_eq!(status(&api, &id).await["status"], "pending", "somebody has it");
    app.advance(2 * MINUTE);
    until_it_is(&app, &api, &id, "sent").await;
    // and should the first one come back, its word does not count
    let (late, now) = (claimed.clone(), app.now());
    let renewed = app.app.store.write(move |tx| keyward::store::sending::renew(tx, &late, MINUTE, now)).await.unwrap();
    let finish =
        move |tx: &mut keyward::store::Tx<'_>| keyward::store::sending::finish(tx, &claimed, Some("lost"), MINUTE, now);
    let finished = app.app.store.write(finish).await.unwrap();
    assert_eq!((renewed, finished), (false, false));
    assert_eq!(status(&api, &id).await["status"], "sent");
    assert_eq!(smtp.received().len(), 2);
}

#[tokio::test]
async fn two_servers_on_one_database_deliver_each_mail_once() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_with(&smtp, |config| config.mail.connections = 4).await;
    if !app.is_postgres() {
        return eprintln!("skipped: the embedded database is one server's");
    }
    let twin = app.twin().await;
    let mut ids = Vec::new();
    for n in 0..50 {
        ids.push(send(&api, mail(&format!("a{n}@example.org"))).await);
        twin.app.mail.wake();
    }
    for id in &ids {
        assert_eq!(until_it_is(&app, &api, id, "sent").await["retryCount"], 0);
    }
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for mail in smtp.received() {
        *times.entry(mail.header("Message-ID").unwrap()).or_default() += 1;
    }
    assert_eq!((times.len(), times.values().max()), (50, Some(&1)), "{times:?}");
}

#[tokio::test]
async fn taking_back_and_delivering_have_one_winner() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_by(&smtp).await;
    let (mut cancelled, mut sent) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let id = send(&api, mail(&format!("a{n}@example.org"))).await;
        match api.delete(&path(&id)).await.said().as_str() {
            "204" => {
                assert_eq!(status(&api, &id).await["status"], "cancelled");
                assert_eq!(api.delete(&path(&id)).await.said(), "409 SENDING_NOT_PENDING");
                cancelled.push(format!("<{id}@keyward.example>"));
            }
            "409 SENDING_NOT_PENDING" => {
                until_it_is(&app, &api, &id, "sent").await;
                sent.push(format!("<{id}@keyward.example>"));
            }
            other => panic!("{other}"),
        }
    }
    // whatever is still under way arrives before this one
    let last = send(&api, mail("last@example.org")).await;
    until_it_is(&app, &api, &last, "sent").await;
    sent.push(format!("<{last}@keyward.example>"));
    let mut received: Vec<_> = smtp.received().iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
    received.sort();
    sent.sort();
    assert_eq!(received, sent, "cancelled: {cancelled:?}");
}

#[tokio::test]
async fn mails_leave_no_faster_than_they_may() {
    let Some(mut smtp) = Smtp::start() else { return };
    let (app, api) = sending_with(&smtp, |config| config.mail.rate = 2).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(send(&api, mail(&format!("a{n}@example.org"))).await);
    }
    for id in &ids[..2] {
        until_it_is(&app, &api, id, "sent").await;
    }
    app.advance(Duration::from_secs(29));
    app.app.mail.wake();
    assert_eq!(status(&api, &ids[2]).await["status"], "pending");
    assert_eq!(smtp.received().len(), 2);
    app.advance(Duration::from_secs(1));
    until_it_is(&app, &api, &ids[2], "sent").await;
}
