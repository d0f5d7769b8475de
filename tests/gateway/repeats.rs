//! The duplicate ledger of DESIGN section 4: what is repeated because its 250 went astray is answered 250 and not sent again;
//! what is sent twice on purpose is sent twice.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use waypost::demo::inbox::{Behaviour, Rule, Stage};
use waypost::demo::sender::{Sender, stuffed};

use crate::support::{LETTER, PATIENCE, World};

const COMMANDS: [&str; 3] = ["MAIL FROM:<ann@sender.example>", "RCPT TO:<shop@my.example>", "DATA"];

/// Sends the letter and does not read the answer to its dot.
async fn unread(world: &World, octets: &[u8]) -> Sender {
    let mut sender = world.sender().await;
    for line in COMMANDS {
        sender.command(line).await.unwrap();
    }
    sender.write(&stuffed(octets)).await.unwrap();
    sender
}

impl World {
    /// How often each status stands in the log, newest first.
    async fn statuses(&self) -> Vec<String> {
        self.rows().await.iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until so many messages are in doubt: the ledger is written when a connection has ended.
    async fn until_in_doubt(&self, messages: i64) {
        let look = async {
            while self.count("activity.db", "select count(*) from duplicates").await != messages {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the ledger must be written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_lost_answer_is_one_copy_and_a_row_that_says_so() {
    let world = World::start().await;
    let sender = unread(&world, LETTER).await;
    world.until("shop@my.example", "forwarded").await;
    // What lies unread in the socket makes its end a reset.
    sender.into_stream().readable().await.unwrap();
    world.until_in_doubt(1).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.received().len(), 1);
    assert_eq!(world.statuses().await, ["duplicate", "forwarded"]);
    let rows = world.rows().await;
    let reason = rows[0]["reason"].as_str().unwrap();
    assert!(reason.contains(rows[1]["transaction_id"].as_str().unwrap()), "{reason}");
    world.until_in_doubt(0).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.received().len(), 2, "whoever heard the answer to its repeat means the next one");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_left_while_its_message_was_delivered_repeats_it_in_vain() {
    let world = World::start().await;
    let pause = Behaviour::SlowBytes(std::time::Duration::from_millis(20));
    world.inbox.script(Rule::at(Stage::Dot, pause).times(1));
    let sender = unread(&world, LETTER).await;
    world.inbox.wait_for(1).await;
    drop(sender);
    world.until("shop@my.example", "forwarded").await;
    world.until_in_doubt(1).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.received().len(), 1);
    assert_eq!(world.statuses().await, ["duplicate", "forwarded"]);
    world.stop().await;
}

/// Who leaves and comes back before it is known what became of the first, waits for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_while_the_first_is_still_on_its_way_is_one_copy() {
    let world = World::start().await;
    let late = Behaviour::Late(std::time::Duration::from_secs(2), "250 2.0.0 ok".to_owned());
    world.inbox.script(Rule::at(Stage::Dot, late).times(1));
    let sender = unread(&world, LETTER).await;
    world.until_inbox_hears("DATA").await;
    drop(sender);
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.received().len(), 1);
    assert_eq!(world.statuses().await, ["duplicate", "forwarded"]);
    world.stop().await;
}

/// The end of what a client says is not the end of what it hears (RFC 9293 §3.6).
#[tokio::test(flavor = "multi_thread")]
async fn who_only_ends_their_own_side_hears_what_became_of_it() {
    let world = World::start().await;
    let late = Behaviour::Late(std::time::Duration::from_millis(500), "250 2.0.0 ok".to_owned());
    world.inbox.script(Rule::at(Stage::Dot, late).times(1));
    let mut stream = unread(&world, LETTER).await.into_stream();
    world.inbox.wait_for(1).await;
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("250 2.0.0"), "{answer}");
    assert_eq!(world.statuses().await, ["forwarded"]);
    world.stop().await;
}

/// It hears 250 for all of it: what is held of it is kept, too.
#[tokio::test(flavor = "multi_thread")]
async fn who_only_ends_their_own_side_loses_nothing_of_what_is_held() {
    let world = World::start().await;
    world.alias("other@my.example", &["bob@inbox.example"]).await;
    world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 no such mailbox")).times(1));
    assert!(world.letter("shop@my.example").await.last().starts_with("550 5.2.1"));
    let late = Behaviour::Late(std::time::Duration::from_millis(500), "250 2.0.0 ok".to_owned());
    world.inbox.script(Rule::at(Stage::Dot, late).times(1));
    let mut sender = world.sender().await;
    for line in [COMMANDS[0], "RCPT TO:<postmaster@my.example>", "RCPT TO:<other@my.example>", "DATA"] {
        sender.command(line).await.unwrap();
    }
    sender.write(&stuffed(LETTER)).await.unwrap();
    let mut stream = sender.into_stream();
    world.inbox.wait_for(1).await;
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("250 2.0.0"), "{answer}");
    world.until("postmaster@my.example", "held").await;
    world.until("other@my.example", "forwarded").await;
    assert_eq!(world.get("/v1/queue").await["items"].as_array().unwrap().len(), 1, "what is held is kept");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_heard_its_answer_may_say_the_same_again() {
    let world = World::start().await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    let mut sloppy = world.sender().await;
    assert!(sloppy.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap().is_accepted());
    drop(sloppy);
    let mut twice = world.sender().await;
    for _ in 0..2 {
        assert!(twice.send("ann@sender.example", &["shop@my.example"], LETTER).await.unwrap().is_accepted());
    }
    twice.quit().await.unwrap();
    let world = world.restart().await;
    world.until_in_doubt(0).await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.received().len(), 5);
    assert_eq!(world.statuses().await, ["forwarded"; 5]);
    world.stop().await;
}

/// Other octets, another sender, another recipient: another message. And words without a Message-ID may be meant each time.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_very_same_message_is_a_repeat() {
    let world = World::start().await;
    world.alias("other@my.example", &["bob@inbox.example"]).await;
    drop(unread(&world, LETTER).await.into_stream().readable().await);
    let bare = b"Subject: The tank is empty\r\n\r\nFill it.\r\n";
    drop(unread(&world, bare).await.into_stream().readable().await);
    world.until_in_doubt(2).await;
    let longer = [LETTER, b"One line more.\r\n"].concat();
    assert!(world.send("ann@sender.example", &["shop@my.example"], &longer).await.is_accepted());
    assert!(world.send("bob@sender.example", &["shop@my.example"], LETTER).await.is_accepted());
    assert!(world.send("ann@sender.example", &["shop@my.example"], bare).await.is_accepted());
    // Of two recipients, the one that has it does not get it again.
    assert!(world.send("ann@sender.example", &["shop@my.example", "other@my.example"], LETTER).await.is_accepted());
    let to = world.inbox.received().into_iter().map(|delivery| delivery.to.concat()).collect::<Vec<_>>();
    assert_eq!(to.iter().filter(|to| *to == "anna@inbox.example").count(), 5, "{to:?}");
    assert_eq!(to.iter().filter(|to| *to == "bob@inbox.example").count(), 1, "{to:?}");
    assert_eq!(world.statuses().await.iter().filter(|status| *status == "duplicate").count(), 1);
    world.stop().await;
}

/// The ledger outlives a restart, and a day ends it.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_a_repeat_is_known_and_after_a_day_it_is_sent_again() {
    let world = World::start().await;
    drop(unread(&world, LETTER).await.into_stream().readable().await);
    world.until_in_doubt(1).await;
    let world = world.restart().await;
    drop(unread(&world, LETTER).await.into_stream().readable().await);
    world.until("shop@my.example", "duplicate").await;
    world.until_in_doubt(1).await;
    world.change("activity.db", "update duplicates set expires_at = expires_at - 86400000").await;
    let world = world.restart().await;
    assert!(world.letter("shop@my.example").await.is_accepted());
    assert_eq!(world.inbox.received().len(), 2);
    assert_eq!(world.statuses().await, ["forwarded", "duplicate", "forwarded"]);
    world.stop().await;
}
