//! The gateway as a process of its machine: what it tells a service manager, when it says that it lives, the listeners that it
//! is handed, and the root certificates by which it judges the relay that it signs in at.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;
use waypost::demo::dns::Dns;
use waypost::demo::inbox::{Delivery, Extensions, Inbox, StartTls};
use waypost::demo::sender::Sender;

const PATIENCE: Duration = Duration::from_secs(30);

/// A service manager with a data folder for its service.
struct Manager {
    socket: UnixDatagram,
    name: String,
    data: TempDir,
}

/// The service; killed when dropped.
struct Service(Child);

impl Manager {
    fn new() -> Self {
        let data = TempDir::new().unwrap();
        let path = data.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, name: path.to_str().unwrap().to_owned(), data }
    }

    fn command(&self, program: &[&str]) -> Command {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        command.env("NOTIFY_SOCKET", &self.name).env("WAYPOST_DATA_DIR", self.data.path());
        command.env("WAYPOST_HTTP__LISTEN", "127.0.0.1:0").env("WAYPOST_SMTP__LISTEN", "127.0.0.1:0");
        command.env("WAYPOST_HOSTNAME", "gw.example");
        command
    }

    fn serve(&self, environment: &[(&str, &str)]) -> Service {
        let mut command = self.command(&[env!("CARGO_BIN_EXE_waypost"), "serve"]);
        Service(command.envs(environment.iter().copied()).spawn().unwrap())
    }

    /// What is told next.
    fn hears(&self) -> Option<String> {
        let mut octets = [0; 4096];
        let len = self.socket.recv(&mut octets).ok()?;
        Some(String::from_utf8(octets[..len].to_vec()).unwrap())
    }

    /// Waits for what begins with `state`; what comes before it is passed over.
    fn until(&self, state: &str) -> String {
        loop {
            let told = self.hears().unwrap_or_else(|| panic!("{state} was never told"));
            if told.starts_with(state) {
                return told;
            }
        }
    }

    fn quietly(&self, span: Duration) {
        self.socket.set_read_timeout(Some(span)).unwrap();
        let heard = self.hears();
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(heard.is_none_or(|told| !told.contains("WATCHDOG=1")), "it cannot live");
    }
}

impl Service {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _over = self.0.kill();
        let _over = self.0.wait();
    }
}

#[test]
fn its_life_is_told() {
    let manager = Manager::new();
    let mut service = manager.serve(&[("WATCHDOG_USEC", "200000")]);
    let ready = manager.until("READY=1\n");
    assert!(ready.contains("STATUS=Taking mail on 127.0.0.1:"), "{ready}");
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    service.signal(Signal::HUP);
    let reloading = manager.until("RELOADING=1\n");
    let micros: u64 = reloading.split("MONOTONIC_USEC=").nth(1).unwrap().split('\n').next().unwrap().parse().unwrap();
    assert!(micros > 0);
    manager.until("READY=1\n");
    manager.until("WATCHDOG=1");
    service.signal(Signal::TERM);
    manager.until("STOPPING=1\n");
    assert!(service.0.wait().unwrap().success());
}

/// A writer that does not come back is no life: here, because somebody else has locked its file.
#[tokio::test]
async fn it_lives_only_while_its_writers_answer() {
    for file in ["waypost.db", "activity.db"] {
        let manager = Manager::new();
        let _service = manager.serve(&[("WATCHDOG_USEC", "400000")]);
        manager.until("READY=1\n");
        manager.until("WATCHDOG=1");
        let mut other = SqliteConnectOptions::new().filename(manager.data.path().join(file)).connect().await.unwrap();
        sqlx::query("begin immediate").execute(&mut other).await.unwrap();
        manager.until("STATUS=The gateway does not answer itself");
        manager.quietly(Duration::from_millis(150));
        sqlx::query("rollback").execute(&mut other).await.unwrap();
        manager.until("WATCHDOG=1");
    }
}

/// Clients that say nothing leave files for what is to be done with the mail of others.
#[test]
fn clients_do_not_take_the_last_files() {
    let manager = Manager::new();
    let mut command =
        manager.command(&["sh", "-c", "ulimit -n 256 && exec \"$0\" serve", env!("CARGO_BIN_EXE_waypost")]);
    let _service = Service(command.env("WAYPOST_SMTP__MAX_CONNECTIONS_PER_IP", "1000").spawn().unwrap());
    let ready = manager.until("READY=1\n");
    let address = ready.split("Taking mail on ").nth(1).unwrap().split_whitespace().next().unwrap();
    let clients: Vec<_> = (0..250).map(|_| TcpStream::connect(address).unwrap()).collect();
    let codes: Vec<_> = clients.iter().map(code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "220").count(), 144, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| *code == "421").count(), 250 - 144, "{codes:?}");
    let mut other = manager.command(&[env!("CARGO_BIN_EXE_waypost"), "domain", "add", "my.example"]);
    assert!(other.status().unwrap().success(), "and the rest goes on");
}

/// A file that may grow no further (`ulimit -f`) is told by a signal that ends who does not expect it.
#[test]
fn a_file_that_may_grow_no_further_ends_nobody() {
    let manager = Manager::new();
    let service = manager.serve(&[]);
    let ready = manager.until("READY=1\n");
    let address = ready.split("Taking mail on ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    service.signal(Signal::XFSZ);
    for _ in 0..3 {
        assert_eq!(code(&TcpStream::connect(&address).unwrap()), "220");
    }
}

/// The code of the first reply.
fn code(mut client: &TcpStream) -> String {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut octets = [0; 3];
    client.read_exact(&mut octets).unwrap();
    String::from_utf8(octets.to_vec()).unwrap()
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let manager = Manager::new();
    let service = manager.serve(&[("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")]);
    manager.until("READY=1\n");
    service.signal(Signal::TERM);
    assert_eq!(manager.hears().unwrap().lines().next(), Some("STOPPING=1"));
}

#[test]
fn a_name_that_is_not_of_the_file_system_is_told_too() {
    let mut manager = Manager::new();
    // A port that nobody else has makes a name that nobody else has.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let name = format!("waypost-test-{}-{port}", std::process::id());
    manager.socket = UnixDatagram::bind_addr(&UnixAddress::from_abstract_name(&name).unwrap()).unwrap();
    manager.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    manager.name = format!("@{name}");
    let _service = manager.serve(&[]);
    manager.until("READY=1\n");
}

/// A shell stands for the manager: it has the listener where sd_listen_fds(3) says, and its own id is the gateway's.
fn serve_on(manager: &Manager, listener: TcpListener, name: &str) -> Service {
    let script = r#"exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" serve"#;
    let mut command = manager.command(&["sh", "-c", script, env!("CARGO_BIN_EXE_waypost")]);
    command.env("LISTEN_FDNAMES", name).stdin(OwnedFd::from(listener));
    Service(command.spawn().unwrap())
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn a_listener_that_is_handed_over_takes_mail() {
    for name in ["smtp", "waypost.socket"] {
        let manager = Manager::new();
        let (listener, address) = listener();
        // Who connects before the gateway runs waits, and is not refused.
        let waiting = tokio::spawn(Sender::connect(address, "mail.sender.example"));
        let _service = serve_on(&manager, listener, name);
        let ready = manager.until("READY=1\n");
        assert!(ready.ends_with(&format!("Taking mail on {address}")), "{ready}");
        let mut sender = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
        assert!(sender.command("NOOP").await.unwrap().starts_with("250"));
    }
}

#[tokio::test]
async fn a_listener_for_http_serves_the_panel() {
    let manager = Manager::new();
    let (listener, address) = listener();
    let _service = serve_on(&manager, listener, "http");
    manager.until("READY=1\n");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, ask).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_socket_of_an_unknown_name_is_refused() {
    let manager = Manager::new();
    let mut service = serve_on(&manager, listener().0, "imap");
    assert_eq!(service.0.wait().unwrap().code(), Some(1));
}

/// A relay that asks for a name and a password, and presents a certificate of a root that only this machine knows.
struct Relay {
    manager: Manager,
    dns: Dns,
    inbox: Inbox,
}

impl Relay {
    async fn offering(starttls: StartTls, others: &[&str]) -> Self {
        let (dns, inbox) = (Dns::start().await.unwrap(), Inbox::start().await.unwrap());
        dns.a("inbox.example", [127, 0, 0, 1].into());
        dns.txt("sender.example", "v=spf1 ip4:127.0.0.1 -all");
        let others = others.iter().map(|other| (*other).to_owned()).collect();
        inbox.offer(Extensions { starttls, others, ..Extensions::default() });
        let manager = Manager::new();
        let file = |name: &str, text: &str| std::fs::write(manager.data.path().join(name), text).unwrap();
        file("root.pem", inbox.certificate());
        file("password", "p\u{e4}ss word\n");
        Self { manager, dns, inbox }
    }

    fn path(&self, name: &str) -> String {
        self.manager.data.path().join(name).to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let program = [&[env!("CARGO_BIN_EXE_waypost")], arguments].concat();
        let output = self.manager.command(&program).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "waypost {arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Serves with these settings beside those of the relay, takes one letter for an alias, and gives what the relay has of it
    /// and what the log says of the attempt.
    async fn carries(&self, scheme: &str, more: &[(&str, &str)]) -> (Delivery, String) {
        let dns = self.dns.address().to_string();
        let hop = format!("{scheme}://inbox.example:{}", self.inbox.address().port());
        let root = self.path("root.pem");
        let settings =
            [("WAYPOST_DNS__SERVERS", dns.as_str()), ("WAYPOST_DELIVERY__RELAY", &hop), ("SSL_CERT_FILE", &root)];
        let _service = self.manager.serve(&[&settings, more].concat());
        let ready = self.manager.until("READY=1\n");
        let address = ready.split("Taking mail on ").nth(1).unwrap().split_whitespace().next().unwrap();
        self.run(&["domain", "add", "my.example"]);
        self.run(&["destination", "add", "me@home.example", "--verified"]);
        self.run(&["alias", "add", "shop@my.example", "--to", "me@home.example"]);
        let mut sender = Sender::connect(address.parse().unwrap(), "mail.sender.example").await.unwrap();
        let answers =
            sender.send("ann@sender.example", &["shop@my.example"], b"Subject: x\r\n\r\nx\r\n").await.unwrap();
        assert!(answers.is_accepted(), "{answers:?}");
        let [got] = self.inbox.wait_for(1).await.try_into().unwrap();
        assert_eq!(self.inbox.violations(), Vec::<String>::new());
        let log: serde_json::Value = serde_json::from_str(&self.run(&["log", "--json"])).unwrap();
        let row = self.run(&["show", "--json", log["items"][0]["id"].as_str().unwrap()]);
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        (got, row["attempts"][0]["tls"]["verified"].to_string())
    }

    fn heard(&self, verb: &str) -> Vec<String> {
        let commands = self.inbox.commands().into_iter().map(|(_, line)| line);
        commands.filter(|line| line.starts_with(verb)).collect()
    }
}

/// PLAIN where it is offered, else LOGIN, and each only inside TLS that verifies.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_signed_in_at_inside_tls_that_verifies() {
    for (starttls, scheme, offered, said) in [
        (StartTls::SelfSigned, "smtp", "AUTH LOGIN PLAIN", "AUTH PLAIN AG1lAHDDpHNzIHdvcmQ="),
        (StartTls::SelfSigned, "smtp", "AUTH LOGIN", "AUTH LOGIN"),
        (StartTls::Implicit, "smtps", "AUTH PLAIN", "AUTH PLAIN AG1lAHDDpHNzIHdvcmQ="),
    ] {
        let relay = Relay::offering(starttls, &[offered]).await;
        relay.inbox.ask_to_sign_in("me", "p\u{e4}ss word");
        let password = relay.path("password");
        let sign_in =
            [("WAYPOST_DELIVERY__RELAY_USERNAME", "me"), ("WAYPOST_DELIVERY__RELAY_PASSWORD_FILE", password.as_str())];
        let (got, verified) = relay.carries(scheme, &sign_in).await;
        assert_eq!((got.tls, got.to, verified.as_str()), (true, vec!["me@home.example".to_owned()], "true"));
        assert_eq!(relay.heard("AUTH"), [said]);
        assert_eq!(relay.heard("STARTTLS").len(), usize::from(scheme == "smtp"));
    }
}

/// TLS from the first octet, where nobody has to sign in.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_inside_tls_from_the_first_octet_takes_mail() {
    let relay = Relay::offering(StartTls::Implicit, &[]).await;
    let (got, verified) = relay.carries("smtps", &[]).await;
    assert_eq!((got.tls, got.to, verified.as_str()), (true, vec!["me@home.example".to_owned()], "true"));
    assert!(relay.heard("STARTTLS").is_empty() && relay.heard("AUTH").is_empty());
}

/// The unit says what the program does, and asks for nothing that it does not need.
#[test]
fn the_unit_is_hardened_and_fits() {
    let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/waypost.service")).unwrap();
    for line in [
        "Type=notify",
        "WatchdogSec=60s",
        "NoNewPrivileges=true",
        "ProtectSystem=strict",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "SystemCallFilter=@system-service",
        "MemoryDenyWriteExecute=true",
        "PrivateDevices=true",
    ] {
        assert!(unit.lines().any(|have| have == line), "{line}");
    }
    assert!(!unit.lines().any(|line| line == "User=root"));
}

/// Port 25 without root, by one capability (threat: a gateway that is taken over is not root).
#[tokio::test]
#[ignore = "gives up root: tests/long runs it"]
async fn it_runs_with_one_capability_and_not_as_root() {
    const NOBODY: &str = "65534";
    let manager = Manager::new();
    for path in [manager.data.path().to_owned(), manager.data.path().join("notify")] {
        assert!(Command::new("chown").arg(format!("{NOBODY}:{NOBODY}")).arg(path).status().unwrap().success());
    }
    // The tests' own folder may be closed to others.
    let binary = manager.data.path().join("waypost");
    std::fs::copy(env!("CARGO_BIN_EXE_waypost"), &binary).unwrap();
    let drop = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--no-new-privs"];
    let keep = "+net_bind_service";
    let caps = ["--inh-caps", keep, "--ambient-caps", keep, "--bounding-set", "-all,+net_bind_service"];
    let program = [&["setpriv"], &drop[..], &caps[..], &[binary.to_str().unwrap(), "serve"]].concat();
    let mut command = manager.command(&program);
    let _service = Service(command.env("WAYPOST_SMTP__LISTEN", "127.0.0.1:25").spawn().unwrap());
    assert!(manager.until("READY=1\n").ends_with("127.0.0.1:25"));
    let mut sender = Sender::connect("127.0.0.1:25".parse().unwrap(), "mail.sender.example").await.unwrap();
    assert!(sender.command("NOOP").await.unwrap().starts_with("250"));
}

/// `waypost setup` as root on a bare server: a user, a configuration, a unit and a service that takes mail on port 25.
#[test]
#[ignore = "makes namespaces, as root: tests/long runs it"]
fn a_bare_server_becomes_a_live_one() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/bare-server");
    let namespaces = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let program = [script, env!("CARGO_BIN_EXE_waypost")];
    let output = Command::new("unshare").args(namespaces).args(program).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
