//! SIGKILL at many moments under load, with a ledger: every 250 is at the inbox or in the queue, and every reported outcome,
//! be it a 250, a 4yz or a 5yz, has its row. `KILLS` says how many kills (5; `tests/long` makes it 100).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "support/load.rs"]
mod load;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use waypost::demo::sender::{Sender, stuffed};

use load::{ANN, Bench, Envelope, Ledger, Load, PATIENCE, Serving, welcome};

/// Whom nobody could tell of a failure later: a message of hers that is deferred is handed back.
const EVE: &str = "eve@elsewhere.example";

/// A third is refused: what is for nobody, what its inbox refuses, and what it defers and is handed back. Little is for nobody:
/// who names many unknown recipients is answered slowly.
fn mixed(number: u32) -> Envelope {
    let (from, to) = match number % 9 {
        0 if number.is_multiple_of(4) => (ANN, unknown(number)),
        0 | 3 => (ANN, "picky@my.example".to_owned()),
        6 => (EVE, "tired@my.example".to_owned()),
        _ => return welcome(number),
    };
    Envelope { from, to, is_welcome: false }
}

fn unknown(number: u32) -> String {
    format!("nobody-{number}@my.example")
}

/// What a command prints.
fn json(bench: &Bench, arguments: &[&str]) -> Value {
    let output = bench.command(arguments).stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "waypost {arguments:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Lives of which each takes some mail, on however slow a machine.
async fn kill_and_restart(bench: &Bench, load: &Load, kills: u64) -> Serving {
    let mut gateway = bench.serve().await;
    for kill in 0..kills {
        load.until_accepted(5).await;
        // Spread over the life of a message: from a few milliseconds to half a second.
        tokio::time::sleep(Duration::from_millis(20 + kill * 97 % 500)).await;
        gateway.kill().unwrap();
        gateway.wait().unwrap();
        gateway = bench.serve().await;
    }
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_in_a_kill() {
    let kills = std::env::var("KILLS").map_or(5, |kills| kills.parse().unwrap());
    let bench = Bench::new().await;
    bench.furnish();
    let load = Load::of(&bench, mixed);
    let mut gateway = kill_and_restart(&bench, &load, kills).await;
    let ledger = load.end().await;
    let accepted = bench.expect_all(&ledger).await;
    assert!(accepted.len() > 20, "too little load to prove anything: {}", accepted.len());
    let shown = rows(&bench);
    let unwelcome = ledger.unwelcome.lock().unwrap().clone();
    let unlogged: Vec<_> = accepted.union(&unwelcome).filter(|number| !shown.contains(number)).collect();
    assert!(unlogged.is_empty(), "answered 250 and not in the log: {unlogged:?}");
    expect_refusals(&bench, &ledger);
    println!("{kills} kills, {} accepted, {} arrived, none lost", accepted.len(), bench.inbox.received().len());
    let is_to_be_sent = |item: &Value| item["state"] != "kept";
    let emptied = async {
        while json(&bench, &["queue", "list", "--json"])["items"].as_array().unwrap().iter().any(is_to_be_sent) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, emptied).await.expect("what arrived leaves the queue");
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    bench.run(&["domain", "list"]);
    let left = std::fs::read_dir(bench.data.join("spool")).unwrap().count();
    assert_eq!(left, 0, "files that no message names are removed at the next start");
}

/// The duplicate ledger: what was delivered and logged, and whose answer the kill took, is not delivered to its repeat.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_kill_is_known() {
    let bench = Bench::new().await;
    bench.furnish();
    let octets = b"Subject: number 1\r\nMessage-ID: <1@sender.example>\r\n\r\nOnce.\r\n";

    let mut gateway = bench.serve().await;
    let mut sender = Sender::connect(bench.smtp, "mail.sender.example").await.unwrap();
    for line in ["MAIL FROM:<ann@sender.example>", "RCPT TO:<shop@my.example>", "DATA"] {
        sender.command(line).await.unwrap();
    }
    sender.write(&stuffed(octets)).await.unwrap();
    let logged = async {
        while !statuses(&bench).contains(&"forwarded".to_owned()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, logged).await.expect("it must be delivered and logged");
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    let mut gateway = bench.serve().await;
    let mut sender = Sender::connect(bench.smtp, "mail.sender.example").await.unwrap();
    assert!(sender.send(ANN, &["shop@my.example"], octets).await.unwrap().is_accepted());
    assert_eq!(bench.inbox.received().len(), 1);
    assert_eq!(statuses(&bench), ["duplicate", "forwarded"]);
    gateway.kill().unwrap();
    gateway.wait().unwrap();
}

/// What became of everything, newest first.
fn statuses(bench: &Bench) -> Vec<String> {
    let log = json(bench, &["log", "--json"]);
    log["items"].as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect()
}

/// The numbers of all messages that the log has as taken: forwarded, waiting, or refused by their inbox since.
fn rows(bench: &Bench) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    let log = json(bench, &["log", "--json", "--limit", "1000000"]);
    for row in log["items"].as_array().unwrap() {
        let taken = ["forwarded", "queued", "deferred", "failed"].contains(&row["status"].as_str().unwrap());
        if let Some(number) = row["subject"].as_str().and_then(|subject| subject.strip_prefix("number "))
            && taken
        {
            numbers.insert(number.parse().unwrap());
        }
    }
    numbers
}

/// What a client heard refused was committed before, so no kill takes it: each refusal has a row, but that those of one
/// network beyond fifty an hour are counted on one, exactly (promise 3). What the client did not hear may have been
/// counted or not.
fn expect_refusals(bench: &Bench, ledger: &Ledger) {
    let log = json(bench, &["log", "--json", "--limit", "1000000"]);
    let is_refusal = |row: &&Value| row["status"].as_str().unwrap().starts_with("refused");
    let rows: Vec<_> = log["items"].as_array().unwrap().iter().filter(is_refusal).collect();
    let counted: u64 = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    let heard = ledger.refused.lock().unwrap().clone();
    let possible = heard.len() + ledger.unheard.load(Ordering::Relaxed) as usize;
    println!("{} refusals were heard, {counted} counted on {} rows", heard.len(), rows.len());
    assert!(heard.len() > 10, "too little load to prove anything: {}", heard.len());
    assert!((heard.len() as u64..=possible as u64).contains(&counted), "{counted} of {} to {possible}", heard.len());
    let of = |recipient: &str| rows.iter().filter(|row| row["recipient"] == recipient).count();
    let alone = heard.iter().filter(|number| of(&unknown(**number)) == 1).count();
    let named = heard.iter().filter(|number| number.is_multiple_of(36)).count();
    assert!((named - alone) as u64 <= counted - rows.len() as u64, "{alone} of {named} unknown recipients have a row");
    for (recipient, status) in [("picky@my.example", "refused"), ("tired@my.example", "refused_temporarily")] {
        let found = rows.iter().find(|row| row["recipient"] == recipient).expect(recipient);
        assert_eq!(found["status"], status);
    }
}

/// Kibibytes of memory that a process has.
fn memory(process: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn octets_of(data: &Path, file: &str) -> u64 {
    std::fs::metadata(data.join(file)).map_or(0, |file| file.len())
}

/// A long load (`ENDURANCE` seconds) leaves memory, journals and the queue's file bounded, and loses nothing. The first
/// tenth of it is for caches to fill.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as it is told to: tests/long runs it"]
async fn a_long_load_leaves_everything_bounded() {
    /// Memory may grow by so much after the first tenth, in KiB: what is learnt about sites and senders.
    const GROWTH: u64 = 64 * 1024;
    const JOURNAL: u64 = 64 << 20;
    let seconds: u64 = std::env::var("ENDURANCE").map_or(30, |seconds| seconds.parse().unwrap());
    let bench = Bench::new().await;
    bench.furnish();
    bench.inbox.behave();
    let mut gateway = bench.serve().await;
    let load = Load::start(&bench);
    let (mut settled, mut most) = (0, 0);
    for tenth in 1..=10 {
        tokio::time::sleep(Duration::from_millis(seconds * 100)).await;
        let memory = memory(&gateway);
        let journals = ["waypost.db-wal", "activity.db-wal"].map(|file| octets_of(&bench.data, file));
        println!(
            "{} s: {} accepted, {memory} KiB, journals {journals:?}, queue's file {}, log {}",
            seconds * tenth / 10,
            load.ledger.count(),
            octets_of(&bench.data, "waypost.db"),
            octets_of(&bench.data, "activity.db"),
        );
        assert!(journals.iter().all(|octets| *octets < JOURNAL), "{journals:?}");
        if tenth == 1 {
            settled = memory;
        }
        most = most.max(memory);
    }
    assert!(most < settled + GROWTH, "{settled} KiB became {most}");
    let ledger = load.end().await;
    let accepted = bench.expect_all(&ledger).await;
    println!("endurance: {seconds} s, {} accepted, none lost, {settled} KiB became {most}", accepted.len());
    gateway.kill().unwrap();
    gateway.wait().unwrap();
}
