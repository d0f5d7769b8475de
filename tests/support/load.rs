//! A gateway's process under numbered mail, with a ledger of what was answered: for kills (`crash.rs`) and for disks that
//! fail (`power.rs`). All of its world but the process and its disk stays whatever happens to them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpSocket;
use waypost::demo::dns::Dns;
use waypost::demo::inbox::{Behaviour, Inbox, Rule, Stage};
use waypost::demo::sender::{Answers, Sender};

/// Senders at the same time.
const SENDERS: u32 = 4;
/// The longest that a test waits for something to become true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// A letter tells its number within so many octets.
const NUMBERED_WITHIN: usize = 4096;
pub(crate) const ANN: &str = "ann@sender.example";

/// A gateway's world.
pub(crate) struct Bench {
    dns: Dns,
    pub(crate) inbox: Inbox,
    /// The data folder.
    pub(crate) data: PathBuf,
    _folder: tempfile::TempDir,
    pub(crate) smtp: SocketAddr,
    /// The gateway's own, also while it is dead: bound and never listening here, so that nothing else gets it.
    _port: TcpSocket,
}

/// What was answered, by number.
#[derive(Default)]
pub(crate) struct Ledger {
    /// With 250, for an inbox that takes it in the end.
    pub(crate) accepted: Mutex<BTreeSet<u32>>,
    /// With 250, for one that does not: there was no time to ask it before.
    pub(crate) unwelcome: Mutex<BTreeSet<u32>>,
    /// With 4yz or 5yz.
    pub(crate) refused: Mutex<BTreeSet<u32>>,
    /// How many answers were not heard.
    pub(crate) unheard: AtomicU32,
    next: AtomicU32,
    done: AtomicBool,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let (dns, inbox) = (Dns::start().await.unwrap(), Inbox::start().await.unwrap());
        inbox.keep_at_most(NUMBERED_WITHIN);
        dns.mx("inbox.example", 10, "mx.inbox.example");
        dns.a("mx.inbox.example", [127, 0, 0, 1].into());
        dns.txt("sender.example", "v=spf1 ip4:127.0.0.1 -all");
        dns.mx("sender.example", 10, "mx.inbox.example");
        inbox.script(Rule::at(Stage::Rcpt, Behaviour::reply("450 4.2.0 busy")).to("busy@inbox.example"));
        inbox.script(Rule::at(Stage::Dot, Behaviour::reply("550 5.6.0 not this")).to("picky@inbox.example"));
        inbox.script(Rule::at(Stage::Dot, Behaviour::reply("451 4.3.2 not now")).to("tired@inbox.example"));
        let (port, folder) = (TcpSocket::new_v4().unwrap(), tempfile::tempdir().unwrap());
        port.set_reuseaddr(true).unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let (data, smtp) = (folder.path().to_owned(), port.local_addr().unwrap());
        Self { dns, inbox, data, _folder: folder, smtp, _port: port }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
        command.args(arguments).stderr(Stdio::null()).stdout(Stdio::null());
        let environment = [
            ("DATA_DIR", self.data.to_str().unwrap().to_owned()),
            ("HOSTNAME", "gw.example".to_owned()),
            ("SMTP__LISTEN", self.smtp.to_string()),
            ("HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("DNS__SERVERS", self.dns.address().to_string()),
            ("DELIVERY__PORT", self.inbox.address().port().to_string()),
            ("DELIVERY__ALLOW_PRIVATE", "true".to_owned()),
            ("DELIVERY__RETRY", "1s".to_owned()),
        ];
        command.envs(environment.map(|(key, value)| (format!("WAYPOST_{key}"), value)));
        command
    }

    /// Commands wait themselves; a file system of a test answers on a thread of its own.
    pub(crate) fn run(&self, arguments: &[&str]) {
        assert!(self.command(arguments).status().unwrap().success(), "waypost {arguments:?}");
    }

    /// Rules that lead to an inbox that takes all, and to those that defer, refuse, and hand back.
    pub(crate) fn furnish(&self) {
        self.run(&["domain", "add", "my.example"]);
        self.run(&["destination", "add", "@inbox.example", "--verified"]);
        self.run(&["alias", "add", "shop@my.example", "--to", "anna@inbox.example"]);
        self.run(&["alias", "add", "later@my.example", "--to", "busy@inbox.example"]);
        self.run(&["alias", "add", "picky@my.example", "--to", "picky@inbox.example"]);
        self.run(&["alias", "add", "tired@my.example", "--to", "tired@inbox.example"]);
    }

    pub(crate) async fn serve(&self) -> Serving {
        let child = Serving(self.command(&["serve"]).spawn().unwrap());
        let up = async {
            while Sender::connect(self.smtp, "probe.example").await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("the gateway must greet");
        child
    }

    /// Waits until all that was accepted is at the inbox, which takes everything from now on; gives it.
    pub(crate) async fn expect_all(&self, ledger: &Ledger) -> BTreeSet<u32> {
        self.inbox.behave();
        let accepted = ledger.accepted.lock().unwrap().clone();
        let missing = || {
            let received = self.inbox.received();
            // The null sender brings what a sender is told of mail that was refused.
            let mail = received.iter().filter(|one| !one.from.is_empty());
            let arrived: BTreeSet<_> = mail.map(|one| number_of(&one.octets)).collect();
            accepted.difference(&arrived).copied().collect::<Vec<_>>()
        };
        let all_there = async {
            while !missing().is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, all_there).await;
        assert!(in_time.is_ok(), "answered 250 and lost: {:?}", missing());
        accepted
    }
}

/// A gateway that does not outlive its test.
pub(crate) struct Serving(Child);

impl Deref for Serving {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Serving {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Serving {
    /// One that has ended already is not there to be killed.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Numbered mail that is sent until it is ended.
pub(crate) struct Load {
    pub(crate) ledger: Arc<Ledger>,
    senders: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// Half of it is for an inbox that defers.
    pub(crate) fn start(bench: &Bench) -> Self {
        Self::of(bench, welcome)
    }

    /// Each message by its number.
    pub(crate) fn of(bench: &Bench, envelope: fn(u32) -> Envelope) -> Self {
        let ledger = Arc::new(Ledger::default());
        let senders = (0..SENDERS).map(|_| tokio::spawn(send_on(bench.smtp, Arc::clone(&ledger), envelope)));
        Self { senders: senders.collect(), ledger }
    }

    /// Waits until so many more were accepted.
    pub(crate) async fn until_accepted(&self, more: usize) {
        let wanted = self.ledger.count() + more;
        let enough = async {
            while self.ledger.count() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.expect("mail must be taken");
    }

    pub(crate) async fn end(self) -> Arc<Ledger> {
        self.ledger.done.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.unwrap();
        }
        self.ledger
    }
}

impl Ledger {
    pub(crate) fn count(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    fn note(&self, number: u32, is_welcome: bool, answers: &Answers) {
        let list = match (answers.is_accepted(), is_welcome) {
            (true, true) => &self.accepted,
            (true, false) => &self.unwelcome,
            (false, _) => &self.refused,
        };
        // Whoever is refused at MAIL has named nobody yet.
        if answers.mail.starts_with('2') {
            list.lock().unwrap().insert(number);
        }
    }
}

/// From whom a message is, and to whom.
pub(crate) struct Envelope {
    pub(crate) from: &'static str,
    pub(crate) to: String,
    /// Whether its inbox takes it in the end.
    pub(crate) is_welcome: bool,
}

pub(crate) fn welcome(number: u32) -> Envelope {
    let to = if number.is_multiple_of(2) { "shop@my.example" } else { "later@my.example" };
    Envelope { from: ANN, to: to.to_owned(), is_welcome: true }
}

/// Sends numbered messages until the ledger is closed. Now and then one is so large that it is kept in a file, be it that it was
/// in memory before or that it arrived in one.
async fn send_on(gateway: SocketAddr, ledger: Arc<Ledger>, envelope: fn(u32) -> Envelope) {
    while !ledger.done.load(Ordering::Relaxed) {
        let Ok(mut sender) = Sender::connect(gateway, "mail.sender.example").await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        while !ledger.done.load(Ordering::Relaxed) {
            let number = ledger.next.fetch_add(1, Ordering::Relaxed);
            let Envelope { from, to, is_welcome } = envelope(number);
            let lines = match number % 32 {
                3 if is_welcome => 6_000,
                17 if is_welcome => 30_000,
                _ => 1,
            };
            let Ok(answers) = sender.send(from, &[&to], &letter(number, lines)).await else {
                ledger.unheard.fetch_add(1, Ordering::Relaxed);
                break;
            };
            ledger.note(number, is_welcome, &answers);
        }
    }
}

pub(crate) fn letter(number: u32, lines: usize) -> Vec<u8> {
    let head = format!("From: <{ANN}>\r\nSubject: number {number}\r\n\r\nThe letter {number}.\r\n");
    [head.into_bytes(), b"A line like any other, of some fifty octets in all.\r\n".repeat(lines)].concat()
}

fn number_of(octets: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(&octets[..octets.len().min(NUMBERED_WITHIN)]);
    text.split("Subject: number ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap()
}
