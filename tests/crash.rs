//! SIGKILL at many moments under load, with a ledger: every 250 is at the inbox or in the queue, and every reported outcome
//! has its row. `KILLS` says how many kills (5; `tests/long` makes it 100).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpSocket;
use waypost::demo::dns::Dns;
use waypost::demo::inbox::{Behaviour, Inbox, Rule, Stage};
use waypost::demo::sender::{Sender, stuffed};

/// Senders at the same time.
const SENDERS: u32 = 4;
/// All accepted mail arrives within this time after the last start.
const PATIENCE: Duration = Duration::from_secs(90);

struct Bench {
    environment: BTreeMap<String, String>,
    smtp: SocketAddr,
    _port: TcpSocket,
}

/// Answers by message number: accepted (250) and refused for good.
#[derive(Default)]
struct Ledger {
    accepted: Mutex<BTreeSet<u32>>,
    next: AtomicU32,
    done: AtomicBool,
}

impl Bench {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
        command.args(arguments).envs(&self.environment).stderr(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) {
        assert!(self.command(arguments).status().unwrap().success(), "waypost {arguments:?}");
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "waypost {arguments:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn serve(&self) -> Child {
        let child = self.command(&["serve"]).spawn().unwrap();
        let up = async {
            while Sender::connect(self.smtp, "probe.example").await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), up).await.expect("the gateway must greet");
        child
    }
}

/// A port of the gateway's own, also while it is dead: bound and never listening here, so that nothing else gets it.
fn keep_port() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

fn bench(data: &Path, dns: &Dns, inbox: &Inbox) -> Bench {
    let port = keep_port();
    let smtp = port.local_addr().unwrap();
    let environment = [
        ("DATA_DIR", data.to_str().unwrap().to_owned()),
        ("HOSTNAME", "gw.example".to_owned()),
        ("SMTP__LISTEN", smtp.to_string()),
        ("HTTP__LISTEN", "127.0.0.1:0".to_owned()),
        ("DNS__SERVERS", dns.address().to_string()),
        ("DELIVERY__PORT", inbox.address().port().to_string()),
        ("DELIVERY__ALLOW_PRIVATE", "true".to_owned()),
        ("DELIVERY__RETRY", "1s".to_owned()),
    ];
    let environment = environment.map(|(key, value)| (format!("WAYPOST_{key}"), value));
    Bench { environment: BTreeMap::from(environment), smtp, _port: port }
}

/// With rules that lead to an inbox that takes all, and to one that defers.
fn furnished(data: &Path, dns: &Dns, inbox: &Inbox) -> Bench {
    dns.mx("inbox.example", 10, "mx.inbox.example");
    dns.a("mx.inbox.example", [127, 0, 0, 1].into());
    dns.txt("sender.example", "v=spf1 ip4:127.0.0.1 -all");
    inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 busy")).to("busy@inbox.example"));
    let bench = bench(data, dns, inbox);
    bench.run(&["domain", "add", "my.example"]);
    bench.run(&["destination", "add", "@inbox.example", "--verified"]);
    bench.run(&["alias", "add", "shop@my.example", "--to", "anna@inbox.example"]);
    bench.run(&["alias", "add", "later@my.example", "--to", "busy@inbox.example"]);
    bench
}

/// Waits until all that was accepted is at the inbox, and gives it.
async fn all_arrive(ledger: &Ledger, inbox: &Inbox) -> BTreeSet<u32> {
    let accepted = ledger.accepted.lock().unwrap().clone();
    assert!(accepted.len() > 20, "too little load to prove anything: {}", accepted.len());
    let all_there = async {
        loop {
            let arrived: BTreeSet<_> = inbox.received().iter().map(|delivery| number_of(&delivery.octets)).collect();
            let missing: Vec<_> = accepted.difference(&arrived).copied().collect();
            if missing.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_there).await.expect("every message answered 250 must arrive");
    accepted
}

/// Sends numbered messages, half of them to an alias whose inbox defers, until the ledger is closed. Now and then one is so
/// large that it is kept in a file, be it that it was in memory before or that it arrived in one.
async fn send_on(gateway: SocketAddr, ledger: Arc<Ledger>) {
    while !ledger.done.load(Ordering::Relaxed) {
        let Ok(mut sender) = Sender::connect(gateway, "mail.sender.example").await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        while !ledger.done.load(Ordering::Relaxed) {
            let number = ledger.next.fetch_add(1, Ordering::Relaxed);
            let to = if number.is_multiple_of(2) { "shop@my.example" } else { "later@my.example" };
            let lines = match number % 32 {
                3 => 6_000,
                17 => 30_000,
                _ => 1,
            };
            match sender.send("ann@sender.example", &[to], &letter(number, lines)).await {
                Ok(answers) if answers.is_accepted() => {
                    ledger.accepted.lock().unwrap().insert(number);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}

fn letter(number: u32, lines: usize) -> Vec<u8> {
    let head = format!("From: <ann@sender.example>\r\nSubject: number {number}\r\n\r\nThe letter {number}.\r\n");
    [head.into_bytes(), b"A line like any other, of some fifty octets in all.\r\n".repeat(lines)].concat()
}

fn number_of(octets: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(&octets[..octets.len().min(4096)]);
    text.split("Subject: number ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap()
}

async fn kill_and_restart(bench: &Bench, kills: u64) -> Child {
    let mut gateway = bench.serve().await;
    for kill in 0..kills {
        // Spread over the life of a message: from a few milliseconds after the greeting to half a second.
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
    let data = tempfile::tempdir().unwrap();
    let (dns, inbox) = (Dns::start().await.unwrap(), Inbox::start().await.unwrap());
    let bench = furnished(data.path(), &dns, &inbox);
    let ledger = Arc::new(Ledger::default());
    let senders: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(send_on(bench.smtp, Arc::clone(&ledger)))).collect();
    let mut gateway = kill_and_restart(&bench, kills).await;
    ledger.done.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    inbox.behave();

    let accepted = all_arrive(&ledger, &inbox).await;
    let shown = rows(&bench);
    let unlogged: Vec<_> = accepted.iter().filter(|number| !shown.contains(number)).collect();
    assert!(unlogged.is_empty(), "answered 250 and not in the log: {unlogged:?}");
    println!("{kills} kills, {} accepted, {} arrived, none lost", accepted.len(), inbox.received().len());
    let emptied = async {
        while !bench.json(&["queue", "list", "--json"])["items"].as_array().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, emptied).await.expect("what arrived leaves the queue");
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    bench.run(&["domain", "list"]);
    let left = std::fs::read_dir(data.path().join("spool")).unwrap().count();
    assert_eq!(left, 0, "files that no message names are removed at the next start");
}

/// The duplicate ledger: what was delivered and logged, and whose answer the kill took, is not delivered to its repeat.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_kill_is_known() {
    let data = tempfile::tempdir().unwrap();
    let (dns, inbox) = (Dns::start().await.unwrap(), Inbox::start().await.unwrap());
    dns.mx("inbox.example", 10, "mx.inbox.example");
    dns.a("mx.inbox.example", [127, 0, 0, 1].into());
    let bench = bench(data.path(), &dns, &inbox);
    bench.run(&["domain", "add", "my.example"]);
    bench.run(&["destination", "add", "@inbox.example", "--verified"]);
    bench.run(&["alias", "add", "shop@my.example", "--to", "anna@inbox.example"]);
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
    assert!(sender.send("ann@sender.example", &["shop@my.example"], octets).await.unwrap().is_accepted());
    assert_eq!(inbox.received().len(), 1);
    assert_eq!(statuses(&bench), ["duplicate", "forwarded"]);
    gateway.kill().unwrap();
    gateway.wait().unwrap();
}

/// What became of everything, newest first.
fn statuses(bench: &Bench) -> Vec<String> {
    let log = bench.json(&["log", "--json"]);
    log["items"].as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect()
}

/// The numbers of all messages that the log has taken as forwarded or waiting.
fn rows(bench: &Bench) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    let log = bench.json(&["log", "--json", "--limit", "1000000"]);
    for row in log["items"].as_array().unwrap() {
        let taken = ["forwarded", "queued", "deferred"].contains(&row["status"].as_str().unwrap());
        if let Some(number) = row["subject"].as_str().and_then(|subject| subject.strip_prefix("number "))
            && taken
        {
            numbers.insert(number.parse().unwrap());
        }
    }
    numbers
}

/// Kibibytes of memory that a process has.
fn memory(process: &Child) -> u64 {
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
    let data = tempfile::tempdir().unwrap();
    let (dns, inbox) = (Dns::start().await.unwrap(), Inbox::start().await.unwrap());
    let bench = furnished(data.path(), &dns, &inbox);
    inbox.behave();
    let mut gateway = bench.serve().await;
    let ledger = Arc::new(Ledger::default());
    let senders: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(send_on(bench.smtp, Arc::clone(&ledger)))).collect();
    let (mut settled, mut most) = (0, 0);
    for tenth in 1..=10 {
        tokio::time::sleep(Duration::from_millis(seconds * 100)).await;
        let memory = memory(&gateway);
        let journals = ["waypost.db-wal", "activity.db-wal"].map(|file| octets_of(data.path(), file));
        println!(
            "{} s: {} accepted, {memory} KiB, journals {journals:?}, queue's file {}, log {}",
            seconds * tenth / 10,
            ledger.accepted.lock().unwrap().len(),
            octets_of(data.path(), "waypost.db"),
            octets_of(data.path(), "activity.db"),
        );
        assert!(journals.iter().all(|octets| *octets < JOURNAL), "{journals:?}");
        if tenth == 1 {
            settled = memory;
        }
        most = most.max(memory);
    }
    ledger.done.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    assert!(most < settled + GROWTH, "{settled} KiB became {most}");
    let accepted = all_arrive(&ledger, &inbox).await;
    println!("endurance: {seconds} s, {} accepted, none lost, {settled} KiB became {most}", accepted.len());
    gateway.kill().unwrap();
    gateway.wait().unwrap();
}
