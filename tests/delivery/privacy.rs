//! Promise 4 on the way by the queue: however a delivery ends, and whatever a next hop says meanwhile, what its sender is told
//! names the alias and nothing of the destination.

use std::net::Ipv4Addr;
use std::time::Duration;

use waypost::clock::Clock;
use waypost::delivery::NextHop;
use waypost::demo::dns::Failure;
use waypost::demo::inbox::{Behaviour, Extensions, Inbox, MAX_WAIT, Rule, Stage, StartTls};
use waypost::mail::wishes::Notify;
use waypost::mail::{Host, Moment};
use waypost::policy::settings::TlsPolicy;
use waypost::store::queue::{Entry, NewDelivery};

use crate::ways::WAYS;
use crate::world::{World, delivery, domain, message};

/// The real inbox, and all by which it could be known.
const ANNA: &str = "anna@inbox.example";
const TELLING: [&str; 4] = ["anna", "inbox.example", "nowhere", "127.0.0"];
/// A try follows the one before within a moment; time passes by so much between two looks.
const RETRY: Duration = Duration::from_millis(10);
const STEP: Duration = Duration::from_secs(100);
/// Enough for eight tries, and too short for more.
const SHORT: Duration = Duration::from_secs(1);
/// Longer than a sender who asks for it waits to hear of delay.
const LONG: Duration = Duration::from_secs(5 * 86_400);

/// One way to a report: what the world does, and what of the delivery is unusual.
struct Way {
    name: String,
    to: &'static str,
    action: &'static str,
    lifetime: Duration,
    verified: bool,
    set: fn(&World),
    said: Option<(Stage, &'static str)>,
    change: fn(&mut NewDelivery),
}

impl Way {
    fn new(name: impl Into<String>, set: fn(&World)) -> Self {
        Self {
            name: name.into(),
            to: ANNA,
            action: "failed",
            lifetime: SHORT,
            verified: true,
            set,
            said: None,
            change: |_| {},
        }
    }

    fn to(name: &'static str, to: &'static str, set: fn(&World)) -> Self {
        Self { to, ..Self::new(name, set) }
    }

    fn said(stage: Stage, said: &'static str) -> Self {
        Self { said: Some((stage, said)), ..Self::new(format!("{stage:?}: {said}"), |_| {}) }
    }

    /// What is told is what was asked for.
    fn asking(name: &'static str, action: &'static str, said: (Stage, &'static str)) -> Self {
        let change = |delivery: &mut NewDelivery| {
            delivery.wishes.recipient.notify = Some(Notify::Of { success: true, failure: true, delay: true });
        };
        Self { action, lifetime: LONG, said: Some(said), change, ..Self::new(name, |_| {}) }
    }

    /// The way that the report takes to its sender is one of its own, whatever is wrong with that of the message.
    async fn world(&self, clock: &Clock) -> (World, Inbox) {
        let lifetime = self.lifetime;
        let world = World::with(|wishes| {
            let port = wishes.settings.port;
            let host = Host::parse("[127.0.0.2]").unwrap();
            wishes.settings.routes = [(domain("from.example"), NextHop { host, port, implicit_tls: false })].into();
            (wishes.clock, wishes.dns_timeout) = (clock.clone(), Duration::from_millis(50));
            (wishes.instance.retry, wishes.instance.lifetime) = (vec![RETRY], lifetime);
        })
        .await;
        let sender = world.inbox_at(2).await;
        (world, sender)
    }

    /// What the sender is told.
    async fn report(&self) -> String {
        let clock = Clock::manual(Moment::from_millis(1_795_373_784_120));
        let (world, sender) = self.world(&clock).await;
        (self.set)(&world);
        if let Some((stage, said)) = self.said {
            world.inbox.script(Rule::at(stage, Behaviour::reply(said)));
        }
        if self.verified {
            world.verify(self.to).await;
        }
        let mut one = delivery(self.to, Entry::Due(clock.now()));
        (self.change)(&mut one);
        world.accept(message(clock.now(), "author@from.example"), vec![one]).await;
        world.work();
        let told = async {
            while sender.received().is_empty() {
                clock.advance(STEP);
                world.courier.wake();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(tokio::time::timeout(MAX_WAIT, told).await.is_ok(), "{}: its sender was not told", self.name);
        world.stop();
        let [report] = sender.received().try_into().unwrap();
        assert_eq!((report.from.as_str(), report.to), ("", vec!["author@from.example".to_owned()]), "{}", self.name);
        String::from_utf8(report.octets).unwrap()
    }
}

fn ways() -> Vec<Way> {
    let mut ways = WAYS.iter().map(|(stage, said)| Way::said(*stage, said)).collect::<Vec<_>>();
    ways.extend([
        Way::to("no such domain", "anna@nowhere.example", |_| {}),
        Way::to("a domain that takes no mail", "anna@nowhere.example", |world| world.dns.null_mx("nowhere.example")),
        Way::to("a domain whose mail would come back here", "anna@nowhere.example", |world| {
            world.dns.mx("nowhere.example", 10, "gw.example");
        }),
        Way::to("a domain whose DNS fails", "anna@nowhere.example", |world| {
            world.dns.fail("nowhere.example", Failure::ServFail);
        }),
        Way::to("a host without an address", "anna@nowhere.example", |world| {
            world.dns.mx("nowhere.example", 10, "mx.nowhere.example");
        }),
        Way::to("a host that nobody answers at", "anna@nowhere.example", |world| {
            world.dns.a("nowhere.example", Ipv4Addr::new(127, 0, 0, 77));
        }),
        Way::new("a connection that breaks", |world| world.inbox.script(Rule::at(Stage::Data, Behaviour::Drop))),
        Way::new("no SMTP", |world| {
            let garbage = Behaviour::Garbage(b"inbox.example is no SMTP server, anna\r\n".to_vec());
            world.inbox.script(Rule::at(Stage::Greeting, garbage));
        }),
        Way::new("a dot without an answer", |world| {
            world.inbox.script(Rule::at(Stage::Dot, Behaviour::DropAfterReading));
        }),
        Way::new("a message larger than is taken", |world| {
            world.inbox.offer(Extensions { size: Some(20), ..Extensions::default() });
        }),
        Way {
            change: |delivery| delivery.tls = TlsPolicy::Require,
            ..Way::new("TLS that fails", |world| {
                world.inbox.offer(Extensions { starttls: StartTls::BrokenHandshake, ..Extensions::default() });
            })
        },
        Way { verified: false, ..Way::new("a destination that is not verified any more", |_| {}) },
        Way::asking("success that was asked for", "relayed", (Stage::Dot, "250 2.0.0 stored for anna@inbox.example")),
        Way::asking("delay that was asked for", "delayed", (Stage::Rcpt, "450 4.2.1 anna@inbox.example is busy")),
    ]);
    ways
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_out_of_the_queue_names_the_destination() {
    let ways = ways();
    assert!(ways.len() >= 20, "{}", ways.len());
    for way in ways {
        let text = way.report().await;
        let of_alias = format!("Final-Recipient: rfc822; shop@my.example\r\nAction: {}\r\n", way.action);
        assert!(text.contains(&of_alias), "{}: {text}", way.name);
        let told = TELLING.iter().find(|word| text.to_ascii_lowercase().contains(**word));
        assert_eq!(told, None, "{}: {text}", way.name);
    }
}
