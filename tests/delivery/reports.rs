//! Whom the queue tells of a failure, and how often.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::policy::status::Status;
use waypost::store::queue::Entry;

use crate::queue::until;
use crate::world::{World, delivery, message};

/// Messages that fail at the same instant: enough that some of them do so within one commit of the log.
const MESSAGES: usize = 30;

/// Neither destination leaves the telling to the other, and not both tell.
#[tokio::test(flavor = "multi_thread")]
async fn two_destinations_that_fail_at_the_same_instant_make_one_report() {
    let world = World::new().await;
    let other = world.inbox_at(2).await;
    world.dns.a("other.example", Ipv4Addr::new(127, 0, 0, 2));
    world.dns.mx("from.example", 10, "mx.inbox.example");
    for (inbox, to) in [(&world.inbox, "a@inbox.example"), (&other, "b@other.example")] {
        inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 gone")).to(to));
        world.verify(to).await;
    }
    let mut ids = Vec::new();
    for number in 0..MESSAGES {
        let both = ["a@inbox.example", "b@other.example"].map(|to| delivery(to, Entry::Due(world.clock.now())));
        ids.extend(both.iter().map(|delivery| delivery.id));
        world.accept(message(world.clock.now(), &format!("s{number}@from.example")), both.to_vec()).await;
    }
    world.work();
    let mut told = 0;
    for id in ids {
        told += usize::from(world.wait_for(id, Status::Failed).await.dsn.unwrap().dsn == "sent");
    }
    assert_eq!(told, MESSAGES);
    let reports = world.inbox.wait_for(MESSAGES).await;
    let senders = reports.iter().flat_map(|report| report.to.clone()).collect::<BTreeSet<_>>();
    assert_eq!((reports.len(), senders.len()), (MESSAGES, MESSAGES));
}

/// A report has no row of its own: while it waits the queue has its last answer, and its end is on the row it is about.
#[tokio::test]
async fn what_becomes_of_a_report_is_told_by_the_queue_and_then_by_the_row_that_it_is_about() {
    let short = vec![Duration::from_millis(50)];
    for (reply, times, end) in [("450 4.7.1 Greylisted", 2, "sent"), ("550 5.1.1 Nobody here", 1, "suppressed")] {
        let world = World::with(|wishes| wishes.instance.retry = short.clone()).await;
        world.dns.mx("from.example", 10, "mx.inbox.example");
        world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 gone")).to("me@inbox.example"));
        world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply(reply)).to("author@from.example").times(times));
        let id = world.queue_one("me@inbox.example").await;
        world.work();
        let is_ended = async || {
            let note = world.store.activity.get(id).await.unwrap().dsn;
            note.is_some_and(|note| note.is_taken() || note.dsn == "suppressed")
        };
        let answers = Mutex::new(Vec::new());
        until("the report ends", async || {
            let waiting = world.store.queue.list(None, None, 100).await.unwrap();
            let reports = waiting.into_iter().filter(|one| one.about == Some(id));
            answers.lock().unwrap().extend(reports.filter_map(|report| report.answer).map(|answer| answer.reply));
            is_ended().await
        })
        .await;
        let note = world.store.activity.get(id).await.unwrap().dsn.unwrap();
        assert_eq!((note.dsn.as_str(), note.is_taken()), (end, end == "sent"), "{note:?}");
        assert!(end == "sent" || note.why.contains("550 5.1.1 Nobody here"), "{note:?}");
        let answers = answers.into_inner().unwrap();
        assert!(answers.iter().all(|answer| answer == reply), "{answers:?}");
        assert_eq!(answers.is_empty(), end != "sent", "a report that was put off has an answer");
        until("the queue is empty", async || world.left().await.is_empty()).await;
    }
}
