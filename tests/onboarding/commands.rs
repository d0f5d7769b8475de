//! `waypost setup`, `waypost dns` and `waypost doctor` as people run them: the real binary, with a local DNS.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use waypost::demo::dns::Dns;

/// What a command came to.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }
}

/// The binary, with nothing of our environment that it would read, and the local DNS.
fn waypost(data: &Path, dns: &Dns) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WAYPOST_")) {
        command.env_remove(name);
    }
    command.env("WAYPOST_DATA_DIR", data).env("WAYPOST_DNS__SERVERS", dns.address().to_string());
    command.env("WAYPOST_HOSTNAME", "localhost").env("WAYPOST_DELIVERY__ALLOW_PRIVATE", "true");
    command.env("WAYPOST_HTTP__LISTEN", "127.0.0.1:0").current_dir(data).stdin(Stdio::null());
    command
}

/// Runs it beside the DNS, which answers from this very process.
async fn run(mut command: Command) -> Ran {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

async fn setup(folder: &Path, dns: &Dns, arguments: &[&str]) -> Ran {
    let mut command = waypost(folder, dns);
    command.arg("setup").arg("--yes").args(arguments).arg("--root").arg(folder.join("root"));
    run(command).await
}

fn states(ran: &Ran) -> Vec<(String, String)> {
    let steps = ran.json()["steps"].as_array().unwrap().clone();
    let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    steps.iter().map(|step| (text(step, "what"), text(step, "state"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_writes_once_and_keeps_what_was_changed() {
    let (folder, dns) = (tempfile::tempdir().unwrap(), Dns::start().await.unwrap());
    let arguments = ["--json", "--hostname", "MX.example.org", "--email", "me@example.org", "--address", "192.0.2.1"];
    let planned = setup(folder.path(), &dns, &[&arguments[..], &["--dry-run"]].concat()).await;
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(states(&planned).iter().all(|(_, state)| state.starts_with("would_")), "{planned:?}");
    assert!(!folder.path().join("root").exists(), "a dry run writes nothing");

    let first = setup(folder.path(), &dns, &arguments).await;
    assert_eq!(first.code, 0, "{first:?}");
    let configuration = folder.path().join("root/etc/waypost/waypost.toml");
    let written = std::fs::read_to_string(&configuration).unwrap();
    for line in
        ["hostname = \"mx.example.org\"", "listen = [\"[::]:25\"]", "source_addresses = [\"192.0.2.1\"]", "[limits]"]
    {
        assert!(written.contains(line), "{line} is not in {written}");
    }
    let unit = std::fs::read_to_string(folder.path().join("root/etc/systemd/system/waypost.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/local/bin/waypost serve"));
    assert_eq!(first.json()["hostname"], "mx.example.org");
    let ptr = first.json()["host"].as_array().unwrap().iter().any(|record| record["cause"] == "ptr_missing");
    assert!(ptr, "what is missing in DNS is said: {first:?}");

    let again = setup(folder.path(), &dns, &arguments).await;
    let changed = states(&again).into_iter().filter(|(_, state)| !["unchanged", "would_run"].contains(&state.as_str()));
    assert_eq!(changed.collect::<Vec<_>>(), []);

    std::fs::write(&configuration, "hostname = \"mine.example.org\"\n").unwrap();
    let kept = setup(folder.path(), &dns, &arguments).await;
    assert!(states(&kept).contains(&(configuration.display().to_string(), "kept".to_owned())), "{kept:?}");
    assert_eq!(std::fs::read_to_string(&configuration).unwrap(), "hostname = \"mine.example.org\"\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_takes_the_name_that_the_address_has() {
    let (folder, dns) = (tempfile::tempdir().unwrap(), Dns::start().await.unwrap());
    let unnamed = setup(folder.path(), &dns, &["--address", "192.0.2.1"]).await;
    assert_eq!(unnamed.code, 1);
    assert!(unnamed.err.contains("which host name? Give --hostname mx.example.org"), "{unnamed:?}");

    let inner = setup(folder.path(), &dns, &["--address", "fd00::7", "--hostname", "mx.my.example", "--dry-run"]).await;
    assert!(inner.out.contains("public addresses  fd00::7 (not public: a private address)\n"), "{inner:?}");

    dns.ptr([192, 0, 2, 1].into(), "mx.hoster.example");
    dns.a("mx.hoster.example", [192, 0, 2, 1].into());
    let named = setup(folder.path(), &dns, &["--address", "192.0.2.1", "--json", "--no-acme", "--no-limits"]).await;
    assert_eq!(named.json()["hostname"], "mx.hoster.example");
    let written = std::fs::read_to_string(folder.path().join("root/etc/waypost/waypost.toml")).unwrap();
    assert!(!written.contains("acme") && !written.contains("[limits]"), "{written}");
}

/// Behind a translation of addresses, as in most clouds.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_machine_does_not_have_is_told_by_setup_and_at_the_start() {
    let (folder, dns) = (tempfile::tempdir().unwrap(), Dns::start().await.unwrap());
    let arguments = ["--address", "192.0.2.1", "--address", "127.0.0.1", "--hostname", "mx.my.example", "--dry-run"];
    let ran = setup(folder.path(), &dns, &arguments).await;
    assert!(ran.out.contains("\n! 192.0.2.1 (delivery.source_addresses) is not an address of this machine"), "{ran:?}");
    assert!(!ran.out.contains("127.0.0.1 (delivery.source_addresses)"), "{ran:?}");
    let mut serve = waypost(folder.path(), &dns);
    serve.env("WAYPOST_DELIVERY__SOURCE_ADDRESSES", "127.0.0.1,192.0.2.1").env("WAYPOST_SMTP__LISTEN", "127.0.0.1:0");
    let mut serving = Other(serve.arg("serve").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let log = std::io::BufReader::new(serving.0.stderr.take().unwrap());
    let warned = tokio::task::spawn_blocking(move || {
        std::io::BufRead::lines(log).map_while(Result::ok).find(|line| line.contains("192.0.2.1"))
    });
    let warned = tokio::time::timeout(crate::support::PATIENCE, warned).await;
    drop(serving);
    let line = warned.expect("nothing is said").unwrap().unwrap();
    assert!(line.contains("WARN") && line.contains("is not an address of this machine"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_says_which_name_counts_where_the_file_is_kept() {
    let (folder, dns) = (tempfile::tempdir().unwrap(), Dns::start().await.unwrap());
    let named = ["--address", "127.0.0.1", "--hostname", "mx.my.example"];
    assert_eq!(setup(folder.path(), &dns, &named).await.code, 0);
    let other = ["--address", "127.0.0.1", "--hostname", "mx2.my.example"];
    let ran = setup(folder.path(), &dns, &other).await;
    let file = folder.path().join("root/etc/waypost/waypost.toml");
    let said = format!("! The name stays mx.my.example: {} is kept and says so.", file.display());
    assert!(ran.out.contains(&said) && ran.out.contains("whether mx.my.example is well"), "{ran:?}");
    let answer = setup(folder.path(), &dns, &[&other[..], &["--json"]].concat()).await.json();
    assert_eq!(answer["hostname"], "mx.my.example");
    assert!(!answer["host"].to_string().contains("mx2"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_refuses_what_is_no_name() {
    let (folder, dns) = (tempfile::tempdir().unwrap(), Dns::start().await.unwrap());
    for name in ["localhost", "x..example", "a b.example"] {
        let refused = setup(folder.path(), &dns, &["--hostname", name]).await;
        assert!(refused.code == 1 && refused.err.contains("--hostname"), "{refused:?}");
    }
    assert!(!folder.path().join("root").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_prints_a_table_the_answer_and_a_fragment_of_a_zone() {
    let (folder, dns) = (tempfile::tempdir().unwrap(), Dns::start().await.unwrap());
    dns.a("gw.example", [127, 0, 0, 1].into());
    let command = |arguments: &[&str]| {
        let mut command = waypost(folder.path(), &dns);
        command.env("WAYPOST_DELIVERY__SOURCE_ADDRESSES", "127.0.0.1");
        command.env("WAYPOST_HOSTNAME", "gw.example").args(arguments);
        run(command)
    };
    assert_eq!(command(&["domain", "add", "my.example"]).await.code, 0);
    let table = command(&["dns", "my.example"]).await;
    assert!(table.out.contains("10 gw.example.") && table.out.contains("There is no MX record"), "{table:?}");
    let zone = command(&["dns", "my.example", "--zone"]).await;
    assert!(
        zone.out.starts_with("my.example.\tIN\tMX\t10 gw.example.\nmy.example.\tIN\tTXT\t\"v=spf1 mx -all\"\n"),
        "{zone:?}"
    );
    let (_, last) = table.out.trim_end().rsplit_once('\n').unwrap();
    assert!(last.starts_with("Missing: MX of my.example, TXT of my.example"), "what is left to do comes last: {last}");
    assert_eq!(table.code, 0, "it is an answer, and no failure");
    let spf = "\n; TXT my.example: There is no SPF record";
    assert!(zone.out.contains(spf) && zone.out.contains("\n; Missing: MX of my.example"), "{zone:?}");
    let answer = command(&["dns", "my.example", "--json"]).await;
    assert_eq!((&answer.json()["domain"], &answer.json()["dns"]), (&json!("my.example"), &json!("drift")));
    // What stays beside it takes mail away: that has to go, and the fragment says so.
    dns.mx("my.example", 10, "gw.example");
    dns.mx("my.example", 5, "mx.old.example");
    let zone = command(&["dns", "my.example", "--zone"]).await;
    assert!(zone.out.contains("\n; remove: my.example. IN MX 5 mx.old.example.\n"), "{zone:?}");
    assert!(zone.out.contains("Senders turn to mx.old.example before they turn to this gateway. Remove"), "{zone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_is_vouched_for_and_cannot_take_mail_is_added_with_a_warning() {
    let (folder, dns) = (tempfile::tempdir().unwrap(), Dns::start().await.unwrap());
    dns.mx("inbox.example", 10, "mx.inbox.example");
    let add = |address: &'static str| {
        let mut command = waypost(folder.path(), &dns);
        command.args(["destination", "add", address, "--verified"]);
        run(command)
    };
    add("me@inbox.example").await;
    for (address, why) in [
        ("me@gmailcom", "warning: “gmailcom” has no dot in it"),
        ("me@gmial.example", "warning: “gmial.example” is no domain that the DNS knows"),
        ("you@inbox.example", ""),
    ] {
        let ran = add(address).await;
        let told = format!("{address} is verified since ");
        assert!(ran.code == 0 && ran.out.starts_with(&told) && ran.err.starts_with(why), "{ran:?}");
        assert_eq!(ran.err.is_empty(), why.is_empty(), "{ran:?}");
    }
}

/// A gateway of its own, ended with the test.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_the_program_that_holds_the_port() {
    let (folder, dns) = (tempfile::tempdir().unwrap(), Dns::start().await.unwrap());
    let listen = free_port();
    let mut serve = waypost(&folder.path().join("."), &dns);
    serve.env("WAYPOST_DATA_DIR", folder.path().join("other")).env("WAYPOST_SMTP__LISTEN", listen.to_string());
    let other = Other(serve.arg("serve").stderr(Stdio::null()).spawn().unwrap());
    let answers = async {
        while tokio::net::TcpStream::connect(listen).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, answers).await.unwrap();

    let mut doctor = waypost(folder.path(), &dns);
    doctor.env("WAYPOST_DATA_DIR", folder.path().join("own")).env("WAYPOST_SMTP__LISTEN", listen.to_string());
    doctor.args(["doctor", "--json"]);
    let ran = run(doctor).await;
    let findings = ran.json()["findings"].as_array().unwrap().clone();
    let taken = findings.iter().find(|finding| finding["subject"] == listen.to_string()).unwrap();
    assert_eq!(taken["id"], "port_taken");
    let holder = format!("held by waypost (process {})", other.0.id());
    assert!(taken["what"].as_str().unwrap().contains(&holder), "{taken}");
    assert!(findings.iter().any(|finding| finding["id"] == "not_running"), "{findings:?}");
    assert_eq!(ran.code, 1, "faults are a failure for scripts");
}

/// At an address of its own, so that nobody else takes it meanwhile.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.99:0").unwrap().local_addr().unwrap()
}
