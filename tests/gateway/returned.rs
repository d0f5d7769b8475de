//! Mail to our SRS addresses, end to end: a report marks its delivery as bounced, with the remote's words for the owner, and
//! the sender gets one report of ours that names the alias. Everything else is kept and goes nowhere.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use waypost::demo::inbox::{Behaviour, Delivery, Rule, Stage};
use waypost::demo::sender::stuffed;

use crate::support::{LETTER, World};

/// The transaction that the files speak of.
const OF_FILES: &str = "019ab000-0000-7000-8000-000000000001";

fn file(name: &str) -> String {
    let path = format!("{}/tests/dsn/returned/{name}.eml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().replace('\n', "\r\n")
}

/// A report as Postfix writes it, of one recipient.
pub(crate) fn report(transaction: &str, to: &str) -> String {
    file("postfix").replace(OF_FILES, transaction).replace("anna@inbox.example", to)
}

/// A report that says nothing of the message but its Message-ID and the recipient.
fn bare_report(message_id: &str, to: &str) -> String {
    format!(
        "Subject: failure notice\r\n\r\nHi. This is the qmail-send program at mx.inbox.example.\r\n\r\n<{to}>:\r\n\
        Sorry, no mailbox here by that name. (#5.1.1)\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n\
        Message-ID: {message_id}\r\n\r\nHello.\r\n"
    )
}

impl World {
    /// A world in which senders can be told.
    async fn with_way_back() -> Self {
        let world = Self::start().await;
        world.dns.mx("sender.example", 10, "mx.inbox.example");
        world
    }

    /// Sends the letter on; gives its SRS address and its transaction.
    pub(crate) async fn forward(&self, from: &str, to: &str, octets: &[u8]) -> (String, String) {
        let before = self.inbox.received().len();
        assert!(self.send(from, &[to], octets).await.is_accepted());
        let arrived = self.inbox.received().into_iter().skip(before).find(|delivery| !delivery.from.is_empty());
        let transaction = self.rows().await[0]["transaction_id"].as_str().unwrap().to_owned();
        (arrived.expect("it must be forwarded").from, transaction)
    }

    /// The same with what the sender says of reports, behind MAIL and behind RCPT.
    async fn forward_asking(&self, of_message: &str, of_recipient: &str) -> (String, String) {
        let mut sender = self.sender().await;
        let mail = format!("MAIL FROM:<ann@sender.example>{of_message}");
        for line in [&mail, &format!("RCPT TO:<shop@my.example>{of_recipient}"), "DATA"] {
            assert!(sender.command(line).await.unwrap().starts_with(['2', '3']), "{line}");
        }
        sender.write(&stuffed(LETTER)).await.unwrap();
        assert!(sender.reply().await.unwrap().starts_with("250 "));
        let arrived = self.inbox.received().into_iter().rfind(|delivery| !delivery.from.is_empty());
        let transaction = self.rows().await[0]["transaction_id"].as_str().unwrap().to_owned();
        (arrived.expect("it must be forwarded").from, transaction)
    }

    pub(crate) async fn give_back(&self, srs: &str, report: &str) {
        let answers = self.send("", &[srs], report.as_bytes()).await;
        assert!(answers.is_accepted(), "{answers:?}");
    }

    /// The rows of a transaction, whole.
    async fn of(&self, transaction: &str) -> Vec<Value> {
        let rows = self.rows().await;
        let ids = rows.iter().filter(|row| row["transaction_id"] == transaction).map(|row| row["id"].as_str().unwrap());
        let mut whole = Vec::new();
        for id in ids {
            whole.push(self.get(&format!("/v1/activity/{id}")).await);
        }
        whole
    }

    /// What the inbox was sent by the null sender.
    fn reports(&self) -> Vec<Delivery> {
        self.inbox.received().into_iter().filter(|delivery| delivery.from.is_empty()).collect()
    }

    /// Waits until so many reports of ours have been delivered, and looks whether there are no more.
    async fn until_reported(&self, reports: usize) -> Vec<Delivery> {
        self.until_all_is_sent().await;
        let sent = self.reports();
        assert_eq!(sent.len(), reports, "{sent:#?}");
        sent
    }
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.octets).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_marks_its_delivery_and_the_sender_hears_of_the_alias_once() {
    let world = World::with_way_back().await;
    let (srs, transaction) = world.forward("ann@sender.example", "shop@my.example", LETTER).await;
    world.give_back(&srs, &report(&transaction, "anna@inbox.example")).await;
    let row = &world.of(&transaction).await[0];
    assert_eq!(row["status"], "bounced", "{row:#}");
    let words = "550 5.1.1 <anna@inbox.example> User doesn't exist: anna@inbox.example";
    assert_eq!((&row["bounce"]["reply"], &row["bounce"]["reporter"]), (&words.into(), &"mx.inbox.example".into()));
    assert_eq!(row["reason"], words, "what lists say of it");
    assert_eq!(row["attempts"][1]["outcome"], "bounced");
    assert_eq!(row["dsn"]["dsn"], "sent");
    let consumed = world.until(&srs, "consumed").await;
    assert!(consumed["reason"].as_str().unwrap().contains(row["id"].as_str().unwrap()), "{consumed:#}");

    let told = &world.until_reported(1).await[0];
    assert_eq!(told.to, ["ann@sender.example"]);
    let told = text(told);
    let known = "What is still known of its header is attached.";
    for part in ["shop@my.example", "Status: 5.2.1", "In-Reply-To: <1@sender.example>", "Subject: A letter", known] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("anna") && !told.contains("inbox.example"), "{told}");

    world.give_back(&srs, &report(&transaction, "anna@inbox.example")).await;
    world.until_reported(1).await;
    assert_eq!(world.of(&transaction).await[0]["attempts"].as_array().unwrap().len(), 2);
    let kept = world.get("/v1/queue").await;
    assert!(kept["items"].as_array().unwrap().iter().all(|item| item["state"] == "kept"), "{kept:#}");
    assert_eq!(kept["items"].as_array().unwrap().len(), 2, "both reports are kept for the owner");
    let counts = &world.get("/v1/aliases/shop@my.example").await["counts"];
    assert_eq!((&counts["forwarded"], &counts["bounced"]), (&0.into(), &1.into()));
    world.stop().await;
}

/// One letter that is too large comes back: the inbox takes mail as ever. One that finds nobody there is the inbox's.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_for_what_it_is_does_not_mark_the_inbox() {
    let world = World::with_way_back().await;
    let too_large = |report: String| report.replace("Status: 5.1.1", "Status: 5.3.4").replace("550 5.1.1", "552 5.3.4");
    for (shaped, is_failing) in [(too_large as fn(String) -> String, false), (|report| report, true)] {
        let (srs, transaction) = world.forward("ann@sender.example", "shop@my.example", LETTER).await;
        world.give_back(&srs, &shaped(report(&transaction, "anna@inbox.example"))).await;
        let row = &world.of(&transaction).await[0];
        assert_eq!(row["status"], "bounced", "{row:#}");
        let inbox = world.get("/v1/destinations/anna@inbox.example").await;
        assert_eq!(inbox["failing_since"].is_string(), is_failing, "{inbox:#}");
    }
    world.stop().await;
}

/// RFC 3464 §2.2.1 and §2.3.1: by these the sender knows its message again, days later as in the session. More of the
/// message than the log knows is not given back, whatever RET asks for.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_report_names_what_the_sender_named() {
    let world = World::with_way_back().await;
    let asked = (" RET=FULL ENVID=QQ+2B1", " ORCPT=rfc822;first+2Balias@my.example NOTIFY=SUCCESS,FAILURE");
    let (srs, transaction) = world.forward_asking(asked.0, asked.1).await;
    world.give_back(&srs, &report(&transaction, "anna@inbox.example")).await;
    for (told, action) in world.until_reported(2).await.iter().zip(["relayed", "failed"]) {
        let told = text(told);
        let action = format!("Action: {action}");
        for part in ["Original-Envelope-Id: QQ+1", "Original-Recipient: rfc822; first+alias@my.example", &action] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("Your message is attached"), "{told}");
    }
    world.stop().await;
}

/// Privacy `envelope`: the sender's own names of its message are not kept, as little as its Message-ID; its wish is.
#[tokio::test(flavor = "multi_thread")]
async fn what_names_a_private_message_is_not_kept_for_later() {
    let world = World::with_way_back().await;
    world.patch("/v1/aliases/shop@my.example", json!({"privacy": "envelope"})).await;
    let (srs, transaction) = world.forward_asking(" ENVID=QQ+2B1", " ORCPT=rfc822;first@my.example").await;
    world.give_back(&srs, &report(&transaction, "anna@inbox.example")).await;
    let told = text(&world.until_reported(1).await[0]);
    assert!(told.contains("shop@my.example") && !told.contains("QQ+1") && !told.contains("first@"), "{told}");
    let (srs, transaction) = world.forward_asking(" ENVID=QQ+2B1", " NOTIFY=NEVER").await;
    world.give_back(&srs, &report(&transaction, "anna@inbox.example")).await;
    world.until_reported(1).await;
    world.stop().await;
}

/// Of such a sender only a token fits beside the hash, and of its domain only the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_too_long_for_an_srs_address_is_told_all_the_same() {
    let world = World::with_way_back().await;
    let domain = "em1234.mail.of-a-large-provider.example";
    world.dns.txt(domain, "v=spf1 ip4:127.0.0.1 -all");
    world.dns.mx(domain, 10, "mx.inbox.example");
    let sender = format!("bounces+12345678-0a1b-ben=friends.example@{domain}");
    let (srs, transaction) = world.forward(&sender, "shop@my.example", LETTER).await;
    assert!(srs.contains("=of-a-large-provider.example=~") && srs.find('@') <= Some(64), "{srs}");
    world.give_back(&srs, &report(&transaction, "anna@inbox.example")).await;
    assert_eq!(world.until_reported(1).await[0].to, [sender]);
    world.stop().await;
}

/// Every shape in `tests/dsn/returned` that reports a failure, each of a letter of its own.
#[tokio::test(flavor = "multi_thread")]
async fn reports_of_every_shape_find_their_delivery() {
    let world = World::with_way_back().await;
    world.destination("anna@yahoo.example").await;
    world.dns.mx("yahoo.example", 10, "mx.inbox.example");
    let shapes = [
        "gmail",
        "exchange-online",
        "exchange",
        "postfix",
        "exim",
        "exim-prose",
        "sendmail",
        "sendmail-prose",
        "qmail",
        "yahoo",
        "opensmtpd",
    ];
    for shape in shapes {
        let to = if shape == "yahoo" { "anna@yahoo.example" } else { "anna@inbox.example" };
        world.alias(&format!("{shape}@my.example"), &[to]).await;
        let (from, alias) = (format!("{shape}@sender.example"), format!("{shape}@my.example"));
        let (srs, transaction) = world.forward(&from, &alias, LETTER).await;
        let report = file(shape).replace(OF_FILES, &transaction).replace("shop@my.example", &alias);
        world.give_back(&srs, &report).await;
        let row = &world.of(&transaction).await[0];
        assert_eq!((&row["status"], &row["dsn"]["dsn"]), (&"bounced".into(), &"sent".into()), "{shape}: {row:#}");
    }
    let all = world.until_reported(shapes.len()).await.iter().map(text).collect::<Vec<_>>();
    let of_prose = all.iter().find(|told| told.contains("opensmtpd@my.example")).unwrap();
    assert!(of_prose.contains("Status: 5.2.1"), "its status part says 5.0.0: {of_prose}");
    for told in all {
        assert!(!told.contains("anna") && !told.contains("inbox.example") && !told.contains("yahoo.example"), "{told}");
    }
    world.stop().await;
}

/// Without an id of ours, Message-ID and recipient together do, whether the search index has the message yet or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_report_is_tied_by_message_id_and_recipient() {
    let world = World::with_way_back().await;
    let (srs, transaction) = world.forward("ann@sender.example", "shop@my.example", LETTER).await;
    world.give_back(&srs, &bare_report("<2@sender.example>", "anna@inbox.example")).await;
    world.give_back(&srs, &bare_report("<1@sender.example>", "somebody@inbox.example")).await;
    assert_eq!(world.of(&transaction).await[0]["status"], "forwarded");
    world.give_back(&srs, &bare_report("<1@sender.example>", "Anna@Inbox.Example")).await;
    assert_eq!(world.of(&transaction).await[0]["status"], "bounced");
    world.until_reported(1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reports_no_failure_is_kept_and_goes_nowhere() {
    let world = World::with_way_back().await;
    let (srs, transaction) = world.forward("ann@sender.example", "shop@my.example", LETTER).await;
    let others =
        ["postfix-delayed", "postfix-success", "relayed", "exim-warning", "holiday", "read-receipt", "report-within"];
    for other in others {
        world.give_back(&srs, &file(other).replace(OF_FILES, &transaction)).await;
    }
    let row = &world.of(&transaction).await[0];
    assert_eq!((&row["status"], &row["dsn"]), (&"forwarded".into(), &Value::Null), "{row:#}");
    let is_answer = |row: &Value| row["reason"].as_str().unwrap().starts_with("An automatic answer, not a report");
    let answers = world.rows().await.into_iter().filter(is_answer).count();
    assert_eq!(answers, ["exim-warning", "holiday"].len(), "the others are made as reports, or by hand");
    world.until_reported(0).await;
    assert_eq!(world.get("/v1/queue").await["items"].as_array().unwrap().len(), others.len());
    world.stop().await;
}

/// Promise 4: it names the inbox. Not even a sender whose address is an inbox of ours gets it, unless somebody says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_report_goes_to_nobody_by_itself() {
    let world = World::with_way_back().await;
    world.destination("ann@sender.example").await;
    let (srs, transaction) = world.forward("ann@sender.example", "shop@my.example", LETTER).await;
    world.give_back(&srs, &file("holiday").replace(OF_FILES, &transaction)).await;
    let kept = world.get("/v1/queue").await["items"][0].clone();
    assert_eq!((&kept["purpose"], &kept["state"]), (&"returned".into(), &"kept".into()));
    let path = |action: &str| format!("/v1/queue/{}/{action}", kept["id"].as_str().unwrap());
    for action in ["retry", "resend"] {
        let (status, why) = world.ask(Method::POST, &path(action), json!({})).await;
        assert_eq!(status, StatusCode::CONFLICT, "{action}: {why}");
    }
    let to = json!({ "destination": "anna@inbox.example" });
    assert!(world.ask(Method::POST, &path("resend"), to).await.0.is_success());
    let arrived = world.inbox.wait_for(2).await;
    assert_eq!(arrived[1].to, ["anna@inbox.example"], "as somebody said");
    world.stop().await;
}

/// A report to the SRS address of one sender says nothing of another's mail, however well it knows its ids.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_report_ties_to_nothing() {
    let world = World::with_way_back().await;
    let (_, transaction) = world.forward("ann@sender.example", "shop@my.example", LETTER).await;
    let (srs, _) =
        world.forward("eve@sender.example", "shop@my.example", b"From: <eve@sender.example>\r\n\r\nHers.\r\n").await;
    world.give_back(&srs, &report(&transaction, "anna@inbox.example")).await;
    world.give_back(&srs, &bare_report("<1@sender.example>", "anna@inbox.example")).await;
    assert_eq!(world.of(&transaction).await[0]["status"], "forwarded");
    world.until_reported(0).await;
    world.stop().await;
}

/// Promise 5: who was not proved when it wrote, or wants to hear nothing, is told nothing; the owner sees all.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_proved_sender_is_told() {
    let world = World::with_way_back().await;
    world.dns.mx("unproved.example", 10, "mx.inbox.example");
    let (srs, transaction) = world.forward("ann@unproved.example", "shop@my.example", LETTER).await;
    world.give_back(&srs, &report(&transaction, "anna@inbox.example")).await;
    let row = &world.of(&transaction).await[0];
    assert_eq!((&row["status"], &row["dsn"]["dsn"]), (&"bounced".into(), &"suppressed".into()), "{row:#}");
    assert_eq!(row["dsn"]["why"], "the sender was not authenticated when the message came");
    for quiet in ["NEVER", "DELAY"] {
        let (srs, transaction) = world.forward_asking("", &format!(" NOTIFY={quiet}")).await;
        world.give_back(&srs, &report(&transaction, "anna@inbox.example")).await;
        let dsn = &world.of(&transaction).await[0]["dsn"];
        let why = "the sender asked for no report of failure";
        assert_eq!((&dsn["dsn"], &dsn["why"]), (&"suppressed".into(), &why.into()), "{quiet}");
    }
    world.until_reported(0).await;
    world.stop().await;
}

/// The sender wrote to an alias: as long as one of its destinations has the message, nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_lost_with_its_last_destination() {
    let world = World::with_way_back().await;
    world.alias("team@my.example", &["a@inbox.example", "b@inbox.example"]).await;
    let (srs, transaction) = world.forward("ann@sender.example", "team@my.example", LETTER).await;
    world.give_back(&srs, &report(&transaction, "a@inbox.example")).await;
    world.until_reported(0).await;
    let rows = world.of(&transaction).await;
    let of = |to: &str| rows.iter().find(|row| row["destination"] == to).unwrap().clone();
    let (a, b) = (of("a@inbox.example"), of("b@inbox.example"));
    assert_eq!(
        (&a["status"], &a["dsn"]["dsn"], &b["status"]),
        (&"bounced".into(), &"suppressed".into(), &"forwarded".into())
    );
    world.give_back(&srs, &report(&transaction, "b@inbox.example")).await;
    assert!(text(&world.until_reported(1).await[0]).contains("team@my.example"));
    world.stop().await;
}

/// A letter that one destination of an alias has, and that the other will refuse: its return address, its transaction, and
/// which delivery waits.
async fn half_delivered(world: &World) -> (String, String, String) {
    world.dns.mx("sender.example", 10, "mx.inbox.example");
    world.alias("team@my.example", &["a@inbox.example", "b@inbox.example"]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.1 later")).to("b@inbox.example").times(1));
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 gone")).to("b@inbox.example"));
    let (srs, transaction) = world.forward("ann@sender.example", "team@my.example", LETTER).await;
    let rows = world.of(&transaction).await;
    let waits = rows.iter().find(|row| row["destination"] == "b@inbox.example").unwrap();
    (srs, transaction, waits["id"].as_str().unwrap().to_owned())
}

/// What came back from one destination is with nobody when the other refuses it.
#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_lost_when_one_destination_gives_back_and_the_other_refuses() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1h")]).await;
    let (srs, transaction, waits) = half_delivered(&world).await;
    world.give_back(&srs, &report(&transaction, "a@inbox.example")).await;
    world.post(&format!("/v1/queue/{waits}/retry"), Value::Null).await;
    assert!(text(&world.until_reported(1).await[0]).contains("team@my.example"));
    world.stop().await;
}

/// The report and the refusal at the same instant: neither leaves the telling to the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_and_a_refusal_that_meet_tell_the_sender_once() {
    let world = World::start_with(&[("DELIVERY__RETRY", "1h")]).await;
    let (srs, transaction, waits) = half_delivered(&world).await;
    world.inbox.script(Rule::at(Stage::Mail, Behaviour::SlowBytes(Duration::from_millis(50))));
    world.post(&format!("/v1/queue/{waits}/retry"), Value::Null).await;
    let lock = world.lock("activity.db").await;
    world.until_inbox_hears_times("RCPT TO:<b@inbox.example>", 2).await;
    let report = report(&transaction, "a@inbox.example");
    let mut returning = Box::pin(world.give_back(&srs, &report));
    assert!(timeout(Duration::from_millis(300), &mut returning).await.is_err(), "it waits for the log");
    drop(lock);
    returning.await;
    world.until_reported(1).await;
    world.stop().await;
}

/// Two reports about one delivery at the same instant.
#[tokio::test(flavor = "multi_thread")]
async fn reports_that_meet_tell_the_sender_once() {
    let world = World::with_way_back().await;
    let (srs, transaction) = world.forward("ann@sender.example", "shop@my.example", LETTER).await;
    let reports = [1, 2, 3, 4].map(|n| format!("X-Number: {n}\r\n{}", report(&transaction, "anna@inbox.example")));
    futures_util::future::join_all(reports.iter().map(|report| world.give_back(&srs, report))).await;
    world.until_reported(1).await;
    assert_eq!(world.of(&transaction).await[0]["attempts"].as_array().unwrap().len(), 2);
    world.stop().await;
}

/// The hash is ours, the domain is not: that is mail for somebody else, and no further twenty messages.
#[tokio::test(flavor = "multi_thread")]
async fn a_return_address_at_a_domain_of_others_is_none_of_ours() {
    let world = World::start().await;
    let (srs, _) = world.forward("ann@sender.example", "shop@my.example", LETTER).await;
    let local = srs.rsplit_once('@').unwrap().0.to_owned();
    let mut reporter = world.sender().await;
    reporter.command("MAIL FROM:<>").await.unwrap();
    for elsewhere in ["nowhere.example", "[192.0.2.1]"] {
        let answer = reporter.command(&format!("RCPT TO:<{local}@{elsewhere}>")).await.unwrap();
        assert!(answer.starts_with("550 5.7.1") || answer.starts_with("550 5.1."), "{elsewhere}: {answer}");
    }
    assert!(reporter.command(&format!("RCPT TO:<{srs}>")).await.unwrap().starts_with("250 "));
    world.stop().await;
}
