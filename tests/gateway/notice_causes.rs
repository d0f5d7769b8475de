//! Each cause of a notice, made real: the mail arrives over real sockets when it begins and when it is over, and none in
//! between. That of a destination that refuses stands in [`crate::notices`].

use std::time::Duration;

use serde_json::{Value, json};
use waypost::clock::Clock;
use waypost::config::Config;
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::policy::checkup::DiskFacts;
use waypost::upkeep::Pace;

use crate::notices::{BOSS, MINUTES, PAUSE, hasten, mails, pass, subjects, told, world_with};
use crate::support::{PATIENCE, World};

const STEP: Duration = Duration::from_secs(600);
const FAST: Pace = Pace { first: PAUSE, every: PAUSE };

async fn world(clock: &Clock) -> World {
    world_with(clock, &[], |_| {}).await
}

/// Lets time pass until there is something to tell. The gateway is asked after each step, so that a slow machine's keeps up.
async fn opened(world: &World, clock: &Clock, step: Duration) {
    let open = async {
        while world.get("/v1/notices?state=open").await["items"].as_array().unwrap().is_empty() {
            pass(clock, (1, step)).await;
        }
    };
    tokio::time::timeout(PATIENCE, open).await.expect("there must be something to tell");
}

/// One mail that it began, none while it stands, and one when `mend` has ended it.
async fn begins_and_ends(world: &World, clock: &Clock, (subject, mend): (&str, impl Future<Output = ()>)) {
    assert_eq!(told(world, clock, (1, STEP)).await, [subject]);
    pass(clock, (12, STEP)).await;
    assert_eq!(subjects(&world.inbox.received()).len(), 1, "quiet in between");
    mend.await;
    assert_eq!(told(world, clock, (2, STEP)).await, [subject.to_owned(), format!("Over: {subject}")]);
    pass(clock, (12, STEP)).await;
    assert_eq!(subjects(&world.inbox.received()).len(), 2, "and quiet afterwards");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_mail_slowly() {
    let clock = Clock::hastened();
    let world = world(&clock).await;
    let slowly = Behaviour::reply("451 4.7.28 too fast for us");
    for inbox in ["a", "b", "c", "d"] {
        let address = format!("{inbox}@inbox.example");
        world.inbox.script(Rule::at(Stage::Rcpt, slowly.clone()).to(&address));
        world.alias(&format!("{inbox}@my.example"), &[&address]).await;
        assert!(world.letter(&format!("{inbox}@my.example")).await.is_accepted());
        world.until(&format!("{inbox}@my.example"), "deferred").await;
    }
    // Meanwhile others of the same host get theirs.
    let others = async {
        while subjects(&world.inbox.received()).is_empty() {
            assert!(world.letter("shop@my.example").await.is_accepted());
            pass(&clock, (1, STEP)).await;
        }
        assert_eq!(subjects(&world.inbox.received()), ["inbox.example takes mail slowly"]);
    };
    tokio::time::timeout(PATIENCE, others).await.unwrap();
    let words = "4 messages wait, the oldest for 1 h";
    assert!(mails(&world, BOSS)[0].contains(words), "{:?}", mails(&world, BOSS));
    let page = mails(&world, BOSS)[0].contains("What was said last: 451 4.7.28 too fast for us");
    assert!(page, "{:?}", mails(&world, BOSS));
    world.inbox.behave();
    let all = told(&world, &clock, (2, STEP)).await;
    assert_eq!(all[1], "Over: inbox.example takes mail slowly");
    world.stop().await;
}

/// Nobody is to blame but us: the inbox that it was accepted for is verified no more.
#[tokio::test(flavor = "multi_thread")]
async fn mail_that_waits_for_hours() {
    let clock = Clock::hastened();
    let world = world(&clock).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("451 4.2.1 not now")).times(1));
    assert!(world.letter("shop@my.example").await.is_accepted());
    let (status, _) = world.ask(axum::http::Method::DELETE, "/v1/destinations/@inbox.example", Value::Null).await;
    assert!(status.is_success(), "{status}");
    let mend = async {
        world.destination("@inbox.example").await;
        world.until("shop@my.example", "forwarded").await;
    };
    begins_and_ends(&world, &clock, ("Mail for inbox.example waits", mend)).await;
    assert!(mails(&world, BOSS)[0].contains("verify it again, and the mail goes on"), "{:?}", mails(&world, BOSS));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_whose_sender_could_not_be_told_and_mail_that_is_held() {
    let clock = Clock::hastened();
    let world = world(&clock).await;
    // The sender is nobody whom we know to have written it, and whoever it is has got a 250.
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 greylisted")).times(1));
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.2.2 full for ever")).times(1));
    assert!(world.send("x@forged.example", &["shop@my.example"], b"Subject: x\r\n\r\nx\r\n").await.is_accepted());
    let failed = world.until("shop@my.example", "failed").await;
    let mend = async {
        let cancel = format!("/v1/queue/{}/cancel", failed["id"].as_str().unwrap());
        world.post(&cancel, Value::Null).await;
    };
    let subject = "Mail for anna@inbox.example failed, and its sender was not told";
    // The inbox itself refuses too, which is told an hour later: it is well again before.
    world.alias("pair@my.example", &["anna@inbox.example", "ben@inbox.example"]).await;
    assert!(world.letter("pair@my.example").await.is_accepted());
    begins_and_ends(&world, &clock, (subject, mend)).await;

    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 greylisted")).to("ben@inbox.example"));
    world.alias("ben@my.example", &["ben@inbox.example"]).await;
    assert!(world.letter("ben@my.example").await.is_accepted());
    let held = world.until("ben@my.example", "deferred").await["id"].as_str().unwrap().to_owned();
    world.post(&format!("/v1/queue/{held}/hold"), Value::Null).await;
    assert_eq!(told(&world, &clock, (3, STEP)).await[2], "Mail is held until you release it");
    world.post(&format!("/v1/queue/{held}/cancel"), Value::Null).await;
    assert_eq!(told(&world, &clock, (4, STEP)).await[3], "Over: Mail is held until you release it");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends() {
    let files = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let write = |year| {
        let mut params = rcgen::CertificateParams::new(vec!["gw.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let chain = params.self_signed(&key).unwrap().pem();
        for (name, text) in [("chain.pem", chain), ("key.pem", key.serialize_pem())] {
            std::fs::write(files.path().join(name), text).unwrap();
        }
    };
    write(2021);
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (chain, key_file) = (path("chain.pem"), path("key.pem"));
    let settings = [("SMTP__TLS_CERTIFICATE", chain.as_str()), ("SMTP__TLS_KEY", key_file.as_str())];
    let clock = Clock::hastened();
    let world = world_with(&clock, &settings, |_| {}).await;
    let mend = async {
        write(2090);
        world.reload_with(&[("NOTIFY__TO", BOSS)]).await;
    };
    begins_and_ends(&world, &clock, ("The certificate of gw.example", mend)).await;
    assert!(mails(&world, BOSS)[0].contains("expired"), "{:?}", mails(&world, BOSS));
    world.stop().await;
}

/// A doctor who looks all the time, at what the world's DNS says.
fn with_doctor(config: &mut Config, dns_port: u16) {
    (config.doctor_pace, config.records_pace) = (FAST, FAST);
    let probes = &mut config.outside.probes;
    (probes.dns_port, probes.time_server) = (dns_port, ("127.0.0.1".to_owned(), 9));
    (probes.far_domains, probes.lists) = (vec!["inbox.example".to_owned()], vec!["list.example".to_owned()]);
}

/// A world in which all records are right, and which is looked at all the time.
async fn watched(clock: &Clock, mute: &str) -> World {
    let settings = [("NOTIFY__TO", BOSS), ("NOTIFY__MUTE", mute)];
    let world = World::bare_with(&settings, |config, dns| {
        hasten(config, clock);
        with_doctor(config, dns.address().port());
        dns.mx("office.example", 10, "mx.inbox.example");
        dns.a("gw.example", [192, 0, 2, 7].into());
        dns.ptr([192, 0, 2, 7].into(), "gw.example");
        right_records(dns);
    })
    .await;
    world.domain("my.example").await;
    world
}

fn right_records(dns: &waypost::demo::dns::Dns) {
    dns.clear("my.example");
    dns.mx("my.example", 10, "gw.example");
    dns.txt("my.example", "v=spf1 mx -all");
    dns.txt("_dmarc.my.example", "v=DMARC1; p=none");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_domain_that_drift() {
    let clock = Clock::hastened();
    let world = watched(&clock, "gateway,listed").await;
    pass(&clock, (20, STEP)).await;
    assert_eq!(subjects(&world.inbox.received()), Vec::<String>::new(), "they are right");
    world.dns.clear("my.example");
    world.dns.mx("my.example", 10, "mx.elsewhere.example");
    let mend = async { right_records(&world.dns) };
    begins_and_ends(&world, &clock, ("DNS records of my.example differ", mend)).await;
    let mail = &mails(&world, BOSS)[0];
    assert!(mail.contains("MX of my.example") && mail.contains("10 mx.elsewhere.example"), "{mail}");
    assert!(mail.contains("waypost dns my.example"), "{mail}");
    world.stop().await;
}

/// What any look at the DNS finds counts: the doctor's too.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_mended_are_told_of_no_more_once_the_doctor_has_looked() {
    let world = World::start().await;
    let drifts =
        async || world.get("/v1/notices").await["items"].as_array().unwrap().iter().any(|one| one["kind"] == "drift");
    world.dns.clear("my.example");
    world.dns.mx("my.example", 10, "mx.elsewhere.example");
    world.get("/v1/domains/my.example/dns").await;
    assert!(drifts().await);
    world.dns.clear("my.example");
    world.dns.mx("my.example", 10, "gw.example");
    world.dns.txt("my.example", "v=spf1 mx -all");
    world.dns.txt("_dmarc.my.example", "v=DMARC1; p=none");
    world.dns.a("gw.example", [192, 0, 2, 7].into());
    world.get("/v1/doctor?domain=my.example").await;
    assert!(!drifts().await);
    world.stop().await;
}

/// And what is chosen not to write does not: the gateway is not on port 25 in a test, which `gateway` would tell.
#[tokio::test(flavor = "multi_thread")]
async fn an_own_address_on_a_list() {
    let clock = Clock::hastened();
    let world = watched(&clock, "gateway,drift").await;
    world.dns.a("7.2.0.192.list.example", [127, 0, 0, 2].into());
    let mend = async { world.dns.clear("7.2.0.192.list.example") };
    begins_and_ends(&world, &clock, ("192.0.2.7 is on a list", mend)).await;
    let open = world.get("/v1/notices?state=open").await;
    let muted = open["items"].as_array().unwrap().iter().filter(|notice| notice["kind"] == "gateway");
    assert!(muted.clone().count() > 0 && muted.clone().all(|notice| notice["told"] == json!([])), "{open:#}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_the_doctor_finds_of_the_gateway() {
    let clock = Clock::hastened();
    let world = watched(&clock, "listed,drift").await;
    let about = |words: &str| mails(&world, BOSS).into_iter().filter(|mail| mail.contains(words)).count();
    let until = async |words: &str| {
        let look = async {
            while about(words) == 0 {
                pass(&clock, (1, MINUTES)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect(words);
    };
    world.dns.clear("7.2.0.192.in-addr.arpa");
    until("192.0.2.7 has no reverse name").await;
    pass(&clock, (20, STEP)).await;
    assert_eq!(about("192.0.2.7 has no reverse name"), 1);
    world.dns.ptr([192, 0, 2, 7].into(), "gw.example");
    until("this is over").await;
    pass(&clock, (20, STEP)).await;
    assert_eq!((about("192.0.2.7 has no reverse name"), about("this is over")), (2, 1));
    world.stop().await;
}

/// Its quotes are quotes, and what it says to try is what this gateway does.
#[tokio::test(flavor = "multi_thread")]
async fn advice_on_the_dns_is_read_as_it_is_meant() {
    let clock = Clock::hastened();
    let world = watched(&clock, "listed,drift").await;
    world.dns.fail("inbox.example", waypost::demo::dns::Failure::ServFail);
    let read = || {
        let plain = |mail: String| mail.replace("= ", "").replace("=E2=80=9C", "“").replace("=E2=80=9D", "”");
        mails(&world, BOSS).into_iter().map(plain).filter(|mail| mail.contains("gmail.com")).collect::<Vec<_>>()
    };
    let look = async {
        while read().is_empty() {
            pass(&clock, (1, MINUTES)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the owner must be told");
    let mail = &read()[0];
    let asked = format!("Try “dig @127.0.0.1 -p {} gmail.com MX” on this machine.", world.dns.address().port());
    assert!(
        mail.contains(&asked) && mail.contains("charset=utf-8 Content-Transfer-Encoding: quoted-printable"),
        "{mail}"
    );
    assert!(!mail.contains("?dig"), "{mail}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_disk_over_a_restart() {
    let clock = Clock::hastened();
    let low = DiskFacts { free: 100 << 20, total: 16 << 30 };
    let world = world_with(&clock, &[], |config| config.outside.probes.disk = Some(low)).await;
    assert_eq!(told(&world, &clock, (1, MINUTES)).await, ["The disk of the gateway is low"]);
    let world = world
        .restart_with(|config| {
            hasten(config, &clock);
            config.outside.probes.disk = Some(DiskFacts { free: 8 << 30, total: 16 << 30 });
        })
        .await;
    let all = told(&world, &clock, (2, MINUTES)).await;
    assert_eq!(all[1], "Over: The disk of the gateway is low");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_each_week() {
    let clock = Clock::hastened();
    let world = world(&clock).await;
    pass(&clock, (4, PAUSE)).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(told(&world, &clock, (1, 60 * MINUTES)).await, ["All is well at gw.example"]);
    assert!(mails(&world, BOSS)[0].contains("  1 came in, by recipient   1 forwarded "), "{:?}", mails(&world, BOSS));
    pass(&clock, (24, 60 * MINUTES)).await;
    assert_eq!(subjects(&world.inbox.received()).len(), 1, "once a week");
    world.stop().await;
}

/// What fails is no way to tell it by, and neither is an inbox that refused the telling: the owner's other one is.
#[tokio::test(flavor = "multi_thread")]
async fn never_through_what_fails() {
    let clock = Clock::hastened();
    let world = world(&clock).await;
    world.dns.mx("spare.example", 10, "mx.inbox.example");
    world.destination("me@spare.example").await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("451 4.3.0 not now")).to("anna@inbox.example"));
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.2.2 full")).to(BOSS));
    assert!(world.letter("shop@my.example").await.is_accepted());
    opened(&world, &clock, STEP).await;
    // What opened stays open: only the mail that tells of it is waited for, and the clock may stand.
    let look = async {
        while mails(&world, "me@spare.example").is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the other inbox must be told");
    assert!(mails(&world, "me@spare.example")[0].contains("Subject: inbox.example takes no mail"));
    let open = world.get("/v1/notices?state=open").await;
    assert_eq!(open["items"][0]["told"], json!(["me@spare.example"]), "{open:#}");
    pass(&clock, (12, STEP)).await;
    assert_eq!(mails(&world, "me@spare.example").len(), 1);
    world.stop().await;
}

/// Who refused it once is not given up: as soon as it takes other mail, or is verified, it hears of what still stands.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_mail_again_hears_of_what_still_stands() {
    let clock = Clock::hastened();
    let world = world_with(&clock, &[], |config| {
        config.outside.probes.disk = Some(DiskFacts { free: 100 << 20, total: 16 << 30 });
    })
    .await;
    world.dns.mx("spare.example", 10, "mx.inbox.example");
    world.destination("me@spare.example").await;
    world.destination(BOSS).await;
    world.alias("boss@my.example", &[BOSS]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 not you")).to(BOSS).times(1));
    let until = async |to: &str| {
        let look = async {
            while mails(&world, to).is_empty() {
                pass(&clock, (1, MINUTES)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{to} must be told"));
    };
    until("me@spare.example").await;
    let open = async || world.get("/v1/notices?state=open").await["items"][0].clone();
    let told = open().await;
    assert_eq!((&told["told"], &told["refused"]), (&json!(["me@spare.example"]), &json!([BOSS])), "{told:#}");
    pass(&clock, (2, STEP)).await;
    assert_eq!(mails(&world, BOSS).len(), 0, "nothing has changed");
    assert!(world.letter("boss@my.example").await.is_accepted());
    let hears = async {
        while subjects(&world.inbox.received()).len() < 2 {
            pass(&clock, (1, MINUTES)).await;
        }
    };
    tokio::time::timeout(PATIENCE, hears).await.expect("the owner must be told");
    assert_eq!(subjects(&world.inbox.received())[1], "The disk of the gateway is low");
    let told = open().await;
    assert_eq!((&told["told"], &told["refused"]), (&json!(["me@spare.example", BOSS]), &json!([])), "{told:#}");
    pass(&clock, (12, STEP)).await;
    assert_eq!((subjects(&world.inbox.received()).len(), mails(&world, "me@spare.example").len()), (2, 1));
    world.stop().await;
}

/// An inbox that takes the mail and sends it back later has not heard of it either.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_later_was_not_heard() {
    let clock = Clock::hastened();
    let world = world_with(&clock, &[], |config| {
        config.outside.probes.disk = Some(DiskFacts { free: 100 << 20, total: 16 << 30 });
    })
    .await;
    world.dns.mx("spare.example", 10, "mx.inbox.example");
    world.destination("me@spare.example").await;
    assert_eq!(told(&world, &clock, (1, MINUTES)).await, ["The disk of the gateway is low"]);
    pass(&clock, (48, STEP)).await;
    let mail = world.inbox.received().remove(0);
    let row = world.until(BOSS, "forwarded").await;
    let report = crate::returned::report(row["transaction_id"].as_str().unwrap(), BOSS);
    // Where that cannot be written, the report is not taken, and it is heard when it comes again.
    world
        .change("waypost.db", "create trigger full before update on notices begin select raise(abort, 'full'); end")
        .await;
    let answers = world.send("", &[&mail.from], report.as_bytes()).await;
    assert!(answers.last().starts_with("451 "), "{answers:?}");
    world.change("waypost.db", "drop trigger full").await;
    world.give_back(&mail.from, &report).await;
    assert_eq!(world.until(BOSS, "bounced").await["id"], row["id"]);
    let look = async {
        while mails(&world, "me@spare.example").is_empty() {
            pass(&clock, (1, STEP)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the other inbox must be told");
    pass(&clock, (12, STEP)).await;
    let open = world.get("/v1/notices?state=open").await;
    assert_eq!(open["items"][0]["told"], json!(["me@spare.example"]), "{open:#}");
    assert_eq!((mails(&world, BOSS).len(), mails(&world, "me@spare.example").len()), (1, 1));
    world.stop().await;
}

/// What begins while nobody can be told is told as soon as somebody can.
#[tokio::test(flavor = "multi_thread")]
async fn as_soon_as_there_is_a_way() {
    let clock = Clock::hastened();
    let world = world_with(&clock, &[("NOTIFY__TO", "")], |config| {
        config.outside.probes.disk = Some(DiskFacts { free: 100 << 20, total: 16 << 30 });
    })
    .await;
    opened(&world, &clock, MINUTES).await;
    let notice = world.get("/v1/notices").await;
    let notice = &notice["items"][0];
    assert_eq!((&notice["told"], &notice["told_at"]), (&json!([]), &Value::Null), "{notice:#}");
    pass(&clock, (12, STEP)).await;
    world.destination(BOSS).await;
    assert_eq!(told(&world, &clock, (1, MINUTES)).await, ["The disk of the gateway is low"]);
    pass(&clock, (12, STEP)).await;
    assert_eq!(subjects(&world.inbox.received()).len(), 1);
    world.stop().await;
}
