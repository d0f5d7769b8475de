//! Storage that fails under the gateway: locked databases, no room, no spool; and who may read it.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use waypost::config::Config;
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::gateway::Gateway;
use waypost::policy::checkup::DiskFacts;

use crate::support::{LETTER, PATIENCE, World};

const ANN: &str = "ann@sender.example";

/// CONFORMANCE 16: what cannot be kept is not taken; and what was taken before is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_cannot_be_written_answers_4yz_and_loses_nothing() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    let lock = world.lock("waypost.db").await;
    let mut sender = world.sender().await;
    let dot = sender.send(ANN, &["shop@my.example"], LETTER).await.unwrap().dot.unwrap();
    assert!(dot.starts_with("451 4.3.0"), "{dot}");
    let mail = sender.command("MAIL FROM:<ann@sender.example>").await.unwrap();
    assert!(mail.starts_with("451 4.3.0"), "as early as it is known: {mail}");
    drop(lock);

    assert!(world.letter("shop@my.example").await.is_accepted(), "well again without a restart");
    world.inbox.behave();
    world.until("shop@my.example", "forwarded").await;
    assert_eq!(world.inbox.received().len(), 1);
    world.stop().await;
}

/// Mail that stays here has no other copy: without the queue it is not taken.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_is_to_be_held_is_not_taken_while_the_queue_cannot_be_written() {
    let world = World::bare(&[]).await;
    world.domain("lonely.example").await;
    let lock = world.lock("waypost.db").await;
    let last = world.letter("postmaster@lonely.example").await.last().to_owned();
    assert!(last.starts_with("451 4.3.0"), "{last}");
    drop(lock);
    assert!(world.letter("postmaster@lonely.example").await.is_accepted());
    assert_eq!(world.get("/v1/queue").await["items"].as_array().unwrap().len(), 1);
    world.stop().await;
}

/// What the next hop has is not refused, and its row is written as soon as that is possible again.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_costs_no_mail_and_no_second_copy() {
    let world = World::start().await;
    let lock = world.lock("activity.db").await;
    let answers = world.letter("shop@my.example").await;
    assert!(answers.is_accepted(), "{answers:?}");
    assert!(world.letter("nobody@my.example").await.last().starts_with("451 4.3.0"));
    drop(lock);
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.received().len(), 2);
    world.until_rows(|rows| rows.iter().filter(|row| row["status"] == "forwarded").count() == 2).await;
    world.stop().await;
}

/// What is left to do is done: the queue is settled, HTTP ends, the databases are closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_unwell_keeps_nothing_from_stopping() {
    let world = World::start().await;
    world.change("activity.db", "drop table answered").await;
    let panel = world.gateway.listening.http[0];
    let why = format!("{:#}", world.gateway.stop().await.unwrap_err());
    assert!(why.starts_with("the log was not told that all answers were heard: "), "{why}");
    assert!(TcpStream::connect(panel).await.is_err(), "nobody listens any more");
}

/// A refusal for good has its row before the client hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_not_refused_for_good_while_that_cannot_be_written_down() {
    let world = World::start().await;
    let faulty = b"Subject: x\r\n\r\nbare\nline\r\n";
    let lock = world.lock("activity.db").await;
    let dot = world.send(ANN, &["shop@my.example"], faulty).await.dot.unwrap();
    assert!(dot.starts_with("451 4.3.0"), "{dot}");
    drop(lock);
    world.until_rows(|rows| rows.is_empty()).await;
    let well = async {
        while !world.sender().await.command("MAIL FROM:<>").await.unwrap().starts_with("250") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, well).await.unwrap();
    let dot = world.send(ANN, &["shop@my.example"], faulty).await.dot.unwrap();
    assert!(dot.starts_with("550 5.6.0"), "{dot}");
    assert_eq!(world.row().await["status"], "refused");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_mail_for_want_of_room_is_not_ready() {
    let low = DiskFacts { free: 32 << 20, total: 16 << 30 };
    let world = World::bare_with(&[], |config, _| config.outside.probes.disk = Some(low)).await;
    assert_eq!(world.ask(Method::GET, "/readyz", Value::Null).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let again = DiskFacts { free: 8 << 30, ..low };
    let world = world.restart_with(|config| config.outside.probes.disk = Some(again)).await;
    assert_eq!(world.ask(Method::GET, "/readyz", Value::Null).await.0, StatusCode::OK);
    world.stop().await;
}

/// CONFORMANCE 28: a disk that cannot be asked has no room either.
#[tokio::test(flavor = "multi_thread")]
async fn no_room_is_said_at_mail_and_ends_by_itself() {
    let world = World::start().await;
    let (there, away) = (world.data.path().to_owned(), world.data.path().with_extension("away"));
    let mut sender = world.sender().await;
    std::fs::rename(&there, &away).unwrap();
    let mail = sender.command("MAIL FROM:<ann@sender.example>").await;
    std::fs::rename(&away, &there).unwrap();
    assert_eq!(mail.unwrap(), "452 4.3.1 Not enough room for mail now, try again later");
    let again = async {
        while !sender.command("MAIL FROM:<ann@sender.example>").await.unwrap().starts_with("250 ") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("room is looked for again");
    world.stop().await;
}

/// A large message that cannot be spooled is the client's still; the next one is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_spooled_is_not_taken() {
    let world = World::start().await;
    let spool = world.data.path().join("spool");
    let mut large = LETTER.to_vec();
    (0..40_000).for_each(|_| large.extend_from_slice(b"A line like any other, of some fifty octets in all.\r\n"));
    std::fs::remove_dir(&spool).unwrap();
    let dot = world.send(ANN, &["shop@my.example"], &large).await.dot.unwrap();
    assert!(dot.starts_with("451 4.3.0"), "{dot}");
    assert!(world.inbox.received().is_empty());
    std::fs::create_dir(&spool).unwrap();
    assert!(world.send(ANN, &["shop@my.example"], &large).await.is_accepted());
    assert_eq!(world.inbox.wait_for(1).await.len(), 1);
    world.stop().await;
}

/// One that fits into memory but not into a row gets its file when it is to be queued: without one it is not taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_spooled_for_the_queue_is_not_taken() {
    let world = World::start().await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    let spool = world.data.path().join("spool");
    let large = [LETTER, &b"A line of thirty octets or so.\r\n".repeat(16_000)].concat();
    std::fs::remove_dir(&spool).unwrap();
    let last = world.send(ANN, &["shop@my.example"], &large).await.last().to_owned();
    assert!(last.starts_with("451 4.3.0"), "{last}");
    assert!(world.get("/v1/queue").await["items"].as_array().unwrap().is_empty());
    std::fs::create_dir(&spool).unwrap();
    assert!(world.send(ANN, &["shop@my.example"], &large).await.is_accepted());
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 1);
    let world = world.restart().await;
    world.inbox.behave();
    world.until("shop@my.example", "forwarded").await;
    assert!(world.inbox.received().iter().all(|delivery| crate::support::without_prefix(delivery, &large) == large));
    world.until_queue_is_empty().await;
    world.stop().await;
}

/// Threat 23: nobody else on this machine reads keys, secrets, mail or the log, or asks the control socket.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_for_their_owner_only() {
    let world = World::start().await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    let large = [LETTER, &b"A line of thirty octets or so.\r\n".repeat(60_000)].concat();
    assert!(world.send(ANN, &["shop@my.example"], &large).await.is_accepted());
    let mut open = Vec::new();
    let mut names = Vec::new();
    assert_eq!(std::fs::read_dir(world.data.path().join("spool")).unwrap().count(), 1);
    let mut folders = vec![world.data.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (metadata, path) = (entry.metadata().unwrap(), entry.path());
            names.push(entry.file_name().into_string().unwrap());
            // The lock says who holds the data, to whoever asks.
            if metadata.permissions().mode() & 0o077 != 0 && entry.file_name() != "lock" {
                open.push(path.clone());
            }
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(
        ["waypost.db", "activity.db", "control.sock"].iter().all(|file| names.iter().any(|n| n == file)),
        "{names:?}"
    );
    world.stop().await;
}

/// Promise 3: what has really happened has its row, and so has the 451 that the queue is to blame for.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_has_its_row_although_the_rest_could_not_be_kept() {
    let world = World::start().await;
    world.alias("later@my.example", &["bob@inbox.example"]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")).to("bob@inbox.example"));
    let lock = world.lock("waypost.db").await;
    let last = world.send(ANN, &["shop@my.example", "later@my.example"], LETTER).await.last().to_owned();
    assert!(last.starts_with("451 4.3.0"), "{last}");
    let delivered = world.until("shop@my.example", "forwarded").await;
    let later = world.until("later@my.example", "refused_temporarily").await;
    assert_eq!(later["attempts"][0]["reply"], "450 4.2.0 not now", "{later:#}");
    assert_eq!(delivered["sha256_received"], delivered["sha256_sent"]);
    assert_eq!(world.rows().await.len(), 2);
    drop(lock);
    world.stop().await;
}

/// The sender of a name too long for SRS needs a token, which is kept in the queue's file.
#[tokio::test(flavor = "multi_thread")]
async fn a_451_before_any_delivery_has_its_rows_too() {
    let world = World::start().await;
    let lock = world.lock("waypost.db").await;
    let long = format!("{}@sender.example", "a".repeat(60));
    let last = world.send(&long, &["shop@my.example"], LETTER).await.last().to_owned();
    assert!(last.starts_with("451 4.3.0"), "{last}");
    assert_eq!(world.row().await["status"], "refused_temporarily");
    drop(lock);
    std::fs::remove_dir(world.data.path().join("spool")).unwrap();
    let large = [LETTER, &b"A line of thirty octets or so.\r\n".repeat(60_000)].concat();
    assert!(world.send(ANN, &["shop@my.example"], &large).await.last().starts_with("451 4.3.0"));
    assert_eq!(world.rows().await.iter().filter(|row| row["status"] == "refused_temporarily").count(), 2);
    world.stop().await;
}

/// The report and what it speaks of are kept together or not at all: else each repeat of the client's makes another.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_not_sent_on_a_message_that_was_not_taken() {
    let world = World::start().await;
    world.dns.mx("sender.example", 10, "mx.inbox.example");
    world.alias("gone@my.example", &["gone@inbox.example"]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 no")).to("gone@inbox.example"));
    let both = ["shop@my.example", "gone@my.example"];
    let fails = "create trigger full before insert on deliveries begin select raise(abort, 'no room'); end";
    world.change("waypost.db", fails).await;
    assert!(world.send(ANN, &both, LETTER).await.last().starts_with("451 4.3.0"));
    world.change("waypost.db", "drop trigger full").await;
    assert!(world.send(ANN, &both, LETTER).await.is_accepted());
    world.until("gone@my.example", "failed").await;
    world.until_all_is_sent().await;
    let reports = world.inbox.received().iter().filter(|delivery| delivery.from.is_empty()).count();
    assert_eq!(reports, 1);
    world.stop().await;
}

/// Whoever starts the gateway hears which file it is, and what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_opened_is_named_with_what_helps() {
    let refused = async |file: &str| {
        let data = tempfile::tempdir().unwrap();
        let settings =
            [("DATA_DIR", data.path().to_str().unwrap()), ("SMTP__LISTEN", "127.0.0.1:0"), ("HTTP__LISTEN", "")];
        let environment = settings.map(|(key, value)| (format!("WAYPOST_{key}"), value.to_owned())).into();
        let start = || Gateway::start(Config::load(None, &environment).unwrap().config);
        start().await.unwrap().stop().await.unwrap();
        let mut other = SqliteConnectOptions::new().filename(data.path().join(file)).connect().await.unwrap();
        sqlx::query("begin immediate").execute(&mut other).await.unwrap();
        let refusal = format!("{:#}", start().await.unwrap_err());
        assert!(refusal.contains(&format!("{}: ", data.path().join(file).display())), "{refusal}");
        assert!(refusal.ends_with("another program has it open: end that one, and start again"), "{refusal}");
    };
    tokio::join!(refused("waypost.db"), refused("activity.db"));
}

/// A browser drops its request where another page is wanted meanwhile: what that began is finished all the same, and told
/// to the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_asker_has_left_is_finished() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1h")]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 not now")));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let id = world.row().await["id"].as_str().unwrap().to_owned();
    let token = world.post("/v1/tokens", json!({ "name": "queue", "scopes": ["queue:write"] })).await;
    let bearer = token["token"].as_str().unwrap();
    let lock = world.lock("waypost.db").await;
    let mut browser = TcpStream::connect(world.gateway.listening.http[0]).await.unwrap();
    let ask = format!(
        "POST /v1/queue/{id}/cancel HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\nContent-Length: 0\r\n\r\n"
    );
    browser.write_all(ask.as_bytes()).await.unwrap();
    let unanswered = timeout(Duration::from_millis(300), browser.read_u8()).await;
    assert!(unanswered.is_err(), "it waits for the queue");
    browser.shutdown().await.unwrap();
    assert!(matches!(timeout(Duration::from_millis(300), browser.read_u8()).await, Err(_) | Ok(Err(_))));
    drop((browser, lock));
    world.until_queue_is_empty().await;
    world.until("shop@my.example", "cancelled").await;
    world.stop().await;
}
