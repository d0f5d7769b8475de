//! Whom the queue tells of a failure, and how often.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::policy::status::Status;
use waypost::store::queue::Entry;

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
