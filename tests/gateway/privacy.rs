//! Promise 4: nothing that travels towards a sender names the destination, whatever a next hop says.

use waypost::demo::inbox::{Behaviour, Rule, Stage};

use crate::support::{LETTER, World};
use crate::ways::WAYS;

#[tokio::test(flavor = "multi_thread")]
async fn no_reply_names_the_destination() {
    assert!(WAYS.len() >= 20);
    for (stage, said) in WAYS {
        let world = World::start_with(&[("DELIVERY__RETRY", "1h")]).await;
        world.inbox.script(Rule::at(*stage, Behaviour::reply(said)));
        let answers = world.letter("shop@my.example").await;
        let heard = format!("{answers:?}");
        assert!(!heard.contains("anna") && !heard.contains("inbox.example"), "{stage:?} {said}: {heard}");
        world.stop().await;
    }
}

/// Written while the sender waits, since another recipient has the message; those out of the queue are in `tests/delivery`.
#[tokio::test(flavor = "multi_thread")]
async fn no_dsn_names_the_destination() {
    let of_recipient = |stage: &Stage| matches!(stage, Stage::Rcpt | Stage::Data | Stage::Dot);
    for (stage, said) in WAYS.iter().filter(|(stage, said)| of_recipient(stage) && said.starts_with('5')) {
        let world = World::start().await;
        world.dns.mx("sender.example", 10, "mx.inbox.example");
        world.alias("fine@my.example", &["bob@inbox.example"]).await;
        world.inbox.script(Rule::at(*stage, Behaviour::reply(said)).to("anna@inbox.example"));
        let answers = world.send("ann@sender.example", &["fine@my.example", "shop@my.example"], LETTER).await;
        assert!(answers.is_accepted(), "{answers:?}");
        let arrived = world.inbox.wait_for(2).await;
        let report = arrived.iter().find(|delivery| delivery.from.is_empty()).expect("a DSN");
        let text = String::from_utf8_lossy(&report.octets);
        assert!(!text.contains("anna") && !text.contains("inbox.example"), "{said}: {text}");
        world.stop().await;
    }
}
