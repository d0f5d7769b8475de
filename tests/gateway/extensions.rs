//! Chunks and the wishes of senders, end to end.

use sha2::{Digest as _, Sha256};
use waypost::demo::inbox::{Behaviour, Extensions, Rule, Stage};
use waypost::demo::sender::Sender;

use crate::support::{LETTER, World, prefix, without_prefix};

fn offering(others: &[&str]) -> Extensions {
    Extensions { others: others.iter().map(|&other| other.to_owned()).collect(), ..Extensions::default() }
}

/// Sends a message in chunks, all of it without waiting; the last reply counts.
async fn in_chunks(sender: &mut Sender, chunks: &[&[u8]]) -> String {
    let mut wire = b"MAIL FROM:<ann@sender.example>\r\nRCPT TO:<shop@my.example>\r\n".to_vec();
    for (number, chunk) in chunks.iter().enumerate() {
        let last = if number + 1 == chunks.len() { " LAST" } else { "" };
        wire.extend_from_slice(format!("BDAT {}{last}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
    }
    sender.write(&wire).await.unwrap();
    for _ in 0..chunks.len() + 1 {
        sender.reply().await.unwrap();
    }
    sender.reply().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_reach_the_inbox_octet_by_octet() {
    let unfinished = &LETTER[..LETTER.len() - 2];
    for (others, sent, arrives) in [
        (&["CHUNKING"][..], LETTER, LETTER),
        (&["CHUNKING"], unfinished, unfinished),
        (&[], LETTER, LETTER),
        (&[], unfinished, LETTER),
    ] {
        let world = World::start().await;
        world.inbox.offer(offering(others));
        let mut sender = world.sender().await;
        let (front, rest) = sent.split_at(40);
        let reply = in_chunks(&mut sender, &[front, b"", rest]).await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
        let arrived = &world.inbox.wait_for(1).await[0];
        assert_eq!(without_prefix(arrived, arrives), arrives);
        assert!(prefix(arrived, arrives).contains(" with ESMTP id "), "{}", prefix(arrived, arrives));
        let row = world.row().await;
        let hash = |octets: &[u8]| data_encoding::HEXLOWER.encode(&Sha256::digest(octets));
        assert_eq!(row["sha256_received"], hash(sent));
        assert_eq!(row["sha256_sent"], hash(arrives));
        assert_eq!(row["trace"].to_string().contains("CRLF added"), sent != arrives, "{row:#}");
        assert_eq!(world.inbox.violations(), Vec::<String>::new());
        world.stop().await;
    }
}

/// Every refusal is on its row before the client hears of it, and the session goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_chunk_is_written_down_and_the_next_message_arrives() {
    let world = World::start_with(&[("SMTP__MAX_MESSAGE_BYTES", "1000")]).await;
    let mut sender = world.sender().await;
    let faulty = in_chunks(&mut sender, &[b"Subject: x\r\n", b"\r\nbare\n"]).await;
    assert!(faulty.starts_with("550 5.6.0"), "{faulty}");
    let large = in_chunks(&mut sender, &[LETTER, &[b'x'; 1000]]).await;
    assert!(large.starts_with("552 5.3.4"), "{large}");
    assert!(in_chunks(&mut sender, &[LETTER]).await.starts_with("250 "));
    let rows = world.rows().await;
    let told = rows.iter().map(|row| (row["status"].as_str().unwrap(), row["reason"].as_str().unwrap()));
    let told = told.map(|(status, reason)| format!("{status}: {reason}")).collect::<Vec<_>>();
    assert!(told[0].starts_with("forwarded"), "{told:#?}");
    let too_big = "refused: Larger than what is taken: at most 1000 octets are taken (smtp.max_message_bytes)";
    assert_eq!(told[1], too_big);
    let large = world.get(&format!("/v1/activity/{}", rows[1]["id"].as_str().unwrap())).await;
    assert!(large["trace"].to_string().contains("too big"), "{large:#}");
    assert!(told[2].starts_with("refused: Bare LF in the message"), "{told:#?}");
    assert_eq!(world.inbox.received().len(), 1);
    world.stop().await;
}

/// RFC 3030 §2: whether a chunk was kept is said to that chunk.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_cannot_be_spooled_is_refused_itself() {
    let world = World::start().await;
    let spool = world.data.path().join("spool");
    std::fs::remove_dir(&spool).unwrap();
    let mut sender = world.sender().await;
    let large = b"A line like any other, of some fifty octets in all.\r\n".repeat(40_000);
    for command in ["MAIL FROM:<ann@sender.example>", "RCPT TO:<shop@my.example>"] {
        assert!(sender.command(command).await.unwrap().starts_with("250"));
    }
    sender.write(&[format!("BDAT {}\r\n", large.len()).as_bytes(), &large].concat()).await.unwrap();
    let reply = sender.reply().await.unwrap();
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
    std::fs::create_dir(&spool).unwrap();
    let over = sender.command("BDAT 0 LAST").await.unwrap();
    assert!(over.starts_with("503 5.5.1"), "the transaction has ended: {over}");
    assert!(in_chunks(&mut sender, &[LETTER, &large]).await.starts_with("250 "));
    assert_eq!(world.inbox.wait_for(1).await.len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_three_mebibytes_in_one_chunk_goes_through_unchanged() {
    let world = World::start().await;
    world.inbox.offer(offering(&["CHUNKING"]));
    let large = [LETTER, &b".0123456789 \x00 abcdef\r\n".repeat(130_000)].concat();
    let mut sender = world.sender().await;
    assert!(in_chunks(&mut sender, &[&large]).await.starts_with("250 "));
    let arrived = &world.inbox.wait_for(1).await[0];
    assert!(without_prefix(arrived, &large) == large);
    world.stop().await;
}

async fn ask(sender: &mut Sender, (gone, notify): (&str, &str)) {
    for command in [
        "MAIL FROM:<ann@sender.example> RET=FULL ENVID=QQ+2B1".to_owned(),
        format!("RCPT TO:<{gone}@my.example> ORCPT=rfc822;old+2B{gone}@my.example{notify}"),
        "RCPT TO:<shop@my.example>".to_owned(),
    ] {
        let reply = sender.command(&command).await.unwrap();
        assert!(reply.starts_with("250"), "{command}: {reply}");
    }
    sender.write(format!("BDAT {} LAST\r\n", LETTER.len()).as_bytes()).await.unwrap();
    sender.write(LETTER).await.unwrap();
    let reply = sender.reply().await.unwrap();
    assert!(reply.starts_with("250"), "{reply}");
}

/// RFC 3461: who asks hears once for each recipient that its message was handed on, directly or out of the queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_sender_who_asks_hears_of_success_once() {
    for deferred in [false, true] {
        let world = World::start().await;
        world.dns.mx("sender.example", 10, "mx.inbox.example");
        world.alias("pair@my.example", &["anna@inbox.example", "bert@inbox.example"]).await;
        if deferred {
            world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 later")).times(2));
        }
        let mut sender = world.sender().await;
        for (command, code) in [
            ("MAIL FROM:<ann@sender.example> ENVID=x1", "250"),
            ("RCPT TO:<pair@my.example> NOTIFY=SUCCESS", "250"),
            ("DATA", "354"),
        ] {
            assert!(sender.command(command).await.unwrap().starts_with(code), "{command}");
        }
        sender.write(&waypost::demo::sender::stuffed(LETTER)).await.unwrap();
        assert!(sender.reply().await.unwrap().starts_with("250"));
        world.until_rows(|rows| rows.len() == 2 && rows.iter().all(|row| row["status"] == "forwarded")).await;
        world.until_queue_is_empty().await;
        let reports = world.inbox.received().into_iter().filter(|got| got.from.is_empty()).collect::<Vec<_>>();
        let [report] = reports.try_into().unwrap();
        let text = String::from_utf8(report.octets).unwrap();
        assert_eq!(report.to, ["ann@sender.example"]);
        for wanted in
            ["Action: relayed\r\n", "Original-Envelope-Id: x1\r\n", "Final-Recipient: rfc822; pair@my.example\r\n"]
        {
            assert!(text.contains(wanted), "{text}");
        }
        assert!(!text.contains("inbox.example"), "{text}");
        world.stop().await;
    }
}

/// DESIGN section 6: the sender's words return in our own report, and go nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn the_wishes_of_a_sender_count_in_our_own_reports_only() {
    let world = World::start().await;
    world.inbox.offer(offering(&["DSN", "CHUNKING"]));
    world.dns.mx("sender.example", 10, "mx.inbox.example");
    for gone in ["gone", "left"] {
        let inbox = format!("{gone}@inbox.example");
        world.alias(&format!("{gone}@my.example"), &[&inbox]).await;
        world.inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("550 5.1.1 no")).to(&inbox));
    }
    let mut sender = world.sender().await;
    ask(&mut sender, ("gone", "")).await;
    let arrived = world.inbox.wait_for(2).await;
    let row = world.until("shop@my.example", "forwarded").await;
    let transaction = row["transaction_id"].as_str().unwrap();
    assert!(arrived[0].mail_params.ends_with(&format!(" RET=HDRS ENVID={transaction}")), "{}", arrived[0].mail_params);
    assert_eq!(arrived[0].rcpt_params, ["NOTIFY=FAILURE ORCPT=rfc822;shop@my.example"]);
    let report = String::from_utf8(arrived[1].octets.clone()).unwrap();
    assert_eq!((arrived[1].to.as_slice(), arrived[1].from.as_str()), (&["ann@sender.example".to_owned()][..], ""));
    assert_eq!(arrived[1].rcpt_params, ["NOTIFY=NEVER"]);
    for wanted in ["Original-Envelope-Id: QQ+1\r\n", "Original-Recipient: rfc822; old+gone@my.example\r\n"] {
        assert!(report.contains(wanted), "{report}");
    }
    assert!(report.contains(str::from_utf8(LETTER).unwrap()) && !report.contains("gone@inbox.example"), "{report}");
    assert_eq!(world.inbox.violations(), Vec::<String>::new());

    ask(&mut sender, ("left", " NOTIFY=NEVER")).await;
    let row = world.until("left@my.example", "failed").await;
    let row = world.get(&format!("/v1/activity/{}", row["id"].as_str().unwrap())).await;
    assert_eq!(row["dsn"]["dsn"], "suppressed", "{row:#}");
    world.stop().await;
}
