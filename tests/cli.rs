//! The command line as people and scripts meet it: the real binary against a control socket whose answers are written here,
//! so that each test says what is asked of the API, what is printed, and with which exit code.

#![expect(clippy::unwrap_used, reason = "a test ends where something is wrong")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A request as it came: method and path, then the body.
type Asked = (String, String);
type Answers = BTreeMap<String, (StatusCode, Vec<&'static str>)>;

/// A data folder whose lock is held, with a socket that answers as it is told.
struct Gateway {
    folder: TempDir,
    _lock: File,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone)]
struct Script {
    answers: Arc<Answers>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Gateway {
    /// Answers each `METHOD /path` with a status and a body that comes in these pieces.
    fn answering(answers: &[(&str, StatusCode, &[&'static str])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join("lock")).unwrap();
        lock.lock().unwrap();
        fs::write(folder.path().join("lock"), "gateway (process 1)\n").unwrap();
        let all =
            answers.iter().map(|(call, status, pieces)| ((*call).to_owned(), (*status, pieces.to_vec()))).collect();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script = Script { answers: Arc::new(all), asked: asked.clone() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            tokio::net::UnixListener::bind(folder.path().join("control.sock")).unwrap()
        };
        runtime.spawn(async move { axum::serve(listener, Router::new().fallback(play).with_state(script)).await });
        Self { folder, _lock: lock, asked, _runtime: runtime }
    }

    fn one(call: &str, answer: &'static str) -> Self {
        Self::answering(&[(call, StatusCode::OK, &[answer])])
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(waypost(self.folder.path()).args(arguments).output().unwrap())
    }

    fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn play(State(script): State<Script>, method: Method, uri: Uri, body: Bytes) -> Response {
    let call = format!("{method} {uri}");
    script.asked.lock().unwrap().push((call.clone(), String::from_utf8(body.to_vec()).unwrap()));
    match script.answers.get(&call) {
        Some((status, pieces)) if pieces.last() == Some(&BROKEN) => {
            let pieces = pieces.clone().into_iter();
            let sent = futures_util::stream::unfold(pieces, |mut pieces| async move {
                // What came before goes out before it breaks off.
                tokio::task::yield_now().await;
                let piece = pieces.next()?;
                let piece = if piece == BROKEN { Err(std::io::Error::other("cut")) } else { Ok(piece) };
                Some((piece, pieces))
            });
            (*status, Body::from_stream(sent)).into_response()
        }
        Some((status, pieces)) => {
            let pieces = pieces.clone().into_iter().map(Ok::<_, std::io::Error>);
            (*status, Body::from_stream(futures_util::stream::iter(pieces))).into_response()
        }
        None => (StatusCode::NOT_FOUND, json!({"detail": format!("There is no {call}.")}).to_string()).into_response(),
    }
}

/// A last piece that breaks the answer off.
const BROKEN: &str = "\0broken";

/// The binary with nothing of our environment that it would read.
fn waypost(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypost"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WAYPOST_")) {
        command.env_remove(name);
    }
    command.env("WAYPOST_DATA_DIR", data).current_dir(data).stdin(Stdio::null());
    command
}

#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |octets| String::from_utf8(octets).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The columns without the blanks that align them.
    fn cells(&self) -> Vec<Vec<String>> {
        let cells =
            |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
        self.out.lines().map(cells).collect()
    }
}

#[test]
fn a_list_is_aligned_columns_or_exactly_what_the_api_says() {
    let answer = r#"{"items":[{"name":"xn--bcher-kva.example","unicode":"bücher.example","verified_at":"2026-11-22T18:56:24.120Z","catch_all":"off","subaddressing":true,"contact":null,"dns":"ok"}],"next_cursor":null}"#;
    let gateway = Gateway::one("GET /v1/domains?limit=500", answer);
    let plain = gateway.run(&["domain", "list"]);
    assert_eq!(plain.code, 0, "{plain:?}");
    assert_eq!(plain.cells()[0], ["NAME", "VERIFIED", "CATCH-ALL", "SUB-ADDRESSES", "CONTACT", "DNS"]);
    assert_eq!(plain.cells()[1], ["bücher.example", "2026-11-22 18:56:24", "off", "yes", "-", "ok"]);
    assert_eq!(gateway.run(&["--json", "domain", "list"]).out, format!("{answer}\n"));
}

#[test]
fn of_a_mirror_the_catch_all_that_holds_is_shown() {
    let mirror = r#"{"unicode":"m.example","catch_all":"off","mirror_of":"my.example"}"#;
    let list = r#"{"items":[{"unicode":"m.example","catch_all":"off","mirror_of":"my.example"}],"next_cursor":null}"#;
    let gateway = Gateway::one("GET /v1/domains?limit=500", list);
    assert_eq!(gateway.run(&["domain", "list"]).cells()[1][2], "as my.example");
    assert_eq!(gateway.run(&["domain", "list", "--json"]).out, format!("{list}\n"));
    let shown = Gateway::one("GET /v1/domains/m.example", mirror).run(&["domain", "show", "m.example"]);
    assert!(shown.out.contains("catch-all      as my.example\n"), "{shown:?}");
}

#[test]
fn an_empty_list_prints_nothing_on_stdout() {
    let ran = Gateway::one("GET /v1/queue?limit=500", r#"{"items":[],"next_cursor":null}"#).run(&["queue", "list"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", "There are none.\n"));
}

#[test]
fn what_is_in_the_queue_is_told_in_words() {
    let answer = r#"{"items":[
        {"id":"1","state":"due","next_attempt_at":"2026-11-22T18:56:24.120Z"},
        {"id":"2","state":"leased","next_attempt_at":"2026-11-22T18:58:24.120Z"},
        {"id":"3","state":"held"},{"id":"4","state":"kept"}],"next_cursor":null}"#;
    let gateway = Gateway::one("GET /v1/queue?limit=500", answer);
    let cells = gateway.run(&["queue", "list"]).cells();
    let told: Vec<_> = cells[1..].iter().map(|row| (row[1].as_str(), row.last().unwrap().as_str())).collect();
    let words = [("waiting", "2026-11-22 18:56:24"), ("being tried", "now"), ("held", "-"), ("failed, kept", "-")];
    assert_eq!(told, words);
    assert_eq!(gateway.run(&["queue", "list", "--json"]).out, format!("{answer}\n"));
}

#[test]
fn an_owner_whom_nobody_has_set_up_is_named_so() {
    let owner =
        r#"{"email":null,"name":"","role":"owner","has_password":false,"created_at":"2026-11-22T18:56:24.120Z"}"#;
    for (email, told) in [("null", "(not set up)"), (r#""me@inbox.example""#, "me@inbox.example")] {
        let answer = format!(r#"{{"items":[{}],"next_cursor":null}}"#, owner.replacen("null", email, 1));
        let row = Gateway::one("GET /v1/users?limit=500", answer.leak()).run(&["user", "list"]).cells().remove(1);
        let made = "2026-11-22 18:56:24";
        assert_eq!((row[0].as_str(), row[2].as_str(), row.last().unwrap().as_str()), (told, "owner", made));
    }
}

#[test]
fn an_inbox_is_told_as_it_fares() {
    let told = |fares: &str, uses: &str| {
        let answer = format!(r#"{{"address":"a@x.example",{fares},"uses":{{"aliases":{uses}}}}}"#);
        let gateway = Gateway::one("GET /v1/destinations/a%40x.example", answer.leak());
        gateway.run(&["destination", "show", "a@x.example"]).out
    };
    let refusing = r#""verified_at":"2026-11-22T18:00:00.000Z","failing_since":"2026-11-22T18:56:24.120Z",
        "failing_reply":"552 5.2.2 full","last_delivered_at":"2026-11-22T19:00:00.000Z""#;
    let since = ": 552 5.2.2 full\nMail was taken there all the same, last at 22 Nov 2026, 19:00:00 UTC.\nOne alias leads to it.";
    assert!(told(refusing, "1").contains(since), "{}", told(refusing, "1"));
    let remembered = &format!(r#"{refusing},"not_asked_until":"2026-11-22T19:06:24.120Z""#);
    let until = "\nNew mail of aliases that lead to it alone is refused, and for that it is not asked again until 22 Nov 2026, \
        19:06:24 UTC. If it is mended: waypost destination retry a@x.example\n";
    assert!(told(remembered, "1").contains(until), "{}", told(remembered, "1"));
    let asked = r#""verified_at":null,"last_delivered_at":"2026-11-22T19:00:00.000Z",
        "verification":{"sent_at":"2026-11-22T18:59:00.000Z","status":"forwarded","reply":"250 ok"}"#;
    let waits = r#""verified_at":"2026-11-22T18:00:00.000Z","waiting":{"messages":2,"more":false,"since":"2026-11-22T18:56:24.120Z",
        "reply":"451 4.3.2 not now"}"#;
    let waiting =
        "2 messages wait for it, the oldest since 22 Nov 2026, 18:56:24 UTC; its last try: 451 4.3.2 not now\n";
    assert!(told(waits, "1").contains(waiting), "{}", told(waits, "1"));
    let told = told(asked, "2");
    assert!(told.contains("The mail with a link that verifies it has arrived there.\nMail last reached it"), "{told}");
    assert!(told.contains("\n2 aliases lead to it.") && !told.contains("on its way"), "{told}");
}

#[test]
fn what_a_domain_sets_for_itself_is_shown_as_it_is_set() {
    let answer = r#"{"unicode":"my.example","policy":{"dmarc":"observe","unauthenticated":"reject"}}"#;
    let shown = Gateway::one("GET /v1/domains/my.example", answer).run(&["domain", "show", "my.example"]);
    assert!(shown.out.contains("policy         dmarc=observe, unauthenticated=reject\n"), "{shown:?}");
}

#[test]
fn a_long_list_is_fetched_page_by_page() {
    let gateway = Gateway::answering(&[
        ("GET /v1/aliases?limit=500", StatusCode::OK, &[r#"{"items":[{"address":"a@x"}],"next_cursor":"c/1"}"#]),
        (
            "GET /v1/aliases?limit=500&cursor=c%2F1",
            StatusCode::OK,
            &[r#"{"items":[{"address":"b@x"}],"next_cursor":null}"#],
        ),
    ]);
    let ran = gateway.run(&["alias", "list", "--limit", "600", "--json"]);
    let list: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(list, json!({"items": [{"address": "a@x"}, {"address": "b@x"}], "next_cursor": null}));
    let first = gateway.run(&["alias", "list"]);
    assert!(first.err.contains("There are more"), "{first:?}");
}

#[test]
fn what_is_said_of_an_alias_is_what_the_api_is_asked() {
    let gateway = Gateway::one(
        "POST /v1/aliases",
        r#"{"address":"shop@my.example","action":"forward","enabled":true,"destinations":["me@inbox.example"]}"#,
    );
    let ran = gateway.run(&[
        "alias",
        "add",
        "shop@my.example",
        "--to",
        "me@inbox.example",
        "--note",
        "the shop",
        "--expires-after",
        "30d",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "shop@my.example forwards to me@inbox.example.\n"));
    let body: Value = serde_json::from_str(&gateway.asked()[0].1).unwrap();
    let expected = json!({"address": "shop@my.example", "action": "forward", "destinations": ["me@inbox.example"],
        "description": "the shop", "expires_after": "30d"});
    assert_eq!(body, expected);
}

#[test]
fn an_alias_that_has_ended_is_not_called_on() {
    let alias = r#"{"address":"a@x","action":"forward","enabled":true,"destinations":["me@y"],"ended":"ended after one message"}"#;
    let list: &'static str = format!(r#"{{"items":[{alias}],"next_cursor":null}}"#).leak();
    let gateway = Gateway::answering(&[
        ("GET /v1/aliases?limit=500", StatusCode::OK, &[list]),
        ("GET /v1/aliases/a%40x", StatusCode::OK, &[alias]),
        ("PATCH /v1/aliases/a%40x", StatusCode::OK, &[alias]),
    ]);
    for command in ["list", "show", "enable"] {
        let arguments = if command == "list" { vec!["alias", "list"] } else { vec!["alias", command, "a@x"] };
        let ran = gateway.run(&arguments);
        assert!(ran.out.contains("ended after one message") && !ran.out.contains("yes"), "{ran:?}");
        assert!(!ran.out.contains("forwards to"), "{ran:?}");
    }
}

#[test]
fn a_pattern_goes_whole_into_the_path() {
    let gateway = Gateway::one(
        "PATCH /v1/aliases/%2F%5En%28%5B0-9%5D%2B%29%24%2F%40my.example",
        r#"{"address":"/^n([0-9]+)$/@my.example","action":"drop","enabled":false}"#,
    );
    let ran = gateway.run(&["alias", "disable", "/^n([0-9]+)$/@my.example"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "/^n([0-9]+)$/@my.example is switched off.\n"));
    assert_eq!(gateway.asked()[0].1, r#"{"enabled":false}"#);
}

#[test]
fn every_client_command_asks_its_own_path() {
    let cases: [(&[&str], &str); 18] = [
        (&["domain", "add", "my.example"], "POST /v1/domains"),
        (&["domain", "show", "my.example"], "GET /v1/domains/my.example"),
        (&["domain", "set", "my.example", "--catch-all", "off"], "PATCH /v1/domains/my.example"),
        (&["domain", "verify", "my.example"], "POST /v1/domains/my.example/verify"),
        (&["domain", "remove", "my.example"], "DELETE /v1/domains/my.example"),
        (&["destination", "add", "@inbox.example"], "POST /v1/destinations"),
        (&["destination", "verify", "a@b.example"], "POST /v1/destinations/a%40b.example/verify"),
        (&["destination", "default", "a@b.example"], "POST /v1/destinations/a%40b.example/default"),
        (&["destination", "remove", "a@b.example"], "DELETE /v1/destinations/a%40b.example"),
        (&["alias", "random", "--domain", "my.example"], "POST /v1/aliases/random"),
        (&["route", "shop@my.example", "--ip", "192.0.2.1"], "POST /v1/route"),
        (&["show", "7"], "GET /v1/activity/7"),
        (&["queue", "hold", "7"], "POST /v1/queue/7/hold"),
        (&["queue", "resend", "7", "--to", "a@b.example"], "POST /v1/queue/7/resend"),
        (&["srs", "forward", "a@b.example"], "GET /control/srs/forward?address=a%40b.example"),
        (
            &["user", "remove", "bob@x.example", "--hand-over-to", "carl@x.example"],
            "DELETE /v1/users/bob%40x.example?hand_over_to=carl%40x.example",
        ),
        (&["token", "revoke", "phone"], "DELETE /v1/tokens/phone"),
        (&["panel-link"], "POST /control/panel-link"),
    ];
    let looked_at_before = ("GET /v1/aliases?domain=my.example&limit=500", StatusCode::OK, ["{}"].as_slice());
    let answers = cases.iter().map(|(_, call)| (*call, StatusCode::OK, ["{}"].as_slice()));
    let answers: Vec<_> = answers.chain([looked_at_before]).collect();
    let gateway = Gateway::answering(&answers);
    for (arguments, call) in cases {
        let ran = gateway.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        assert_eq!(gateway.asked().last().unwrap().0, call);
    }
}

#[test]
fn what_went_with_a_domain_is_said() {
    let many: &'static str = Box::leak(
        format!("{{\"items\":[{}],\"next_cursor\":null}}", [r#"{"address":"a@my.example"}"#; 7].join(",")).into(),
    );
    let cases = [
        (r#"{"items":[],"next_cursor":null}"#, "It had no aliases."),
        (r#"{"items":[{"address":"a@my.example"}],"next_cursor":null}"#, "Its alias went with it: a@my.example."),
        (
            r#"{"items":[{"address":"/^n$/@my.example"},{"address":"*@my.example"}],"next_cursor":null}"#,
            "Its 2 aliases went with it: /^n$/@my.example, *@my.example.",
        ),
        (
            many,
            "Its 7 aliases went with it, a@my.example, a@my.example, a@my.example, a@my.example, a@my.example among them.",
        ),
    ];
    for (aliases, told) in cases {
        let gateway = Gateway::answering(&[
            ("GET /v1/aliases?domain=my.example&limit=500", StatusCode::OK, &[aliases]),
            ("DELETE /v1/domains/my.example", StatusCode::NO_CONTENT, &[]),
        ]);
        let ran = gateway.run(&["domain", "remove", "my.example"]);
        assert_eq!((ran.code, ran.out), (0, format!("my.example is not hosted here any more. {told}\n")));
        let silent = gateway.run(&["domain", "remove", "my.example", "--json"]);
        assert_eq!((silent.code, silent.out.as_str()), (0, ""));
    }
}

/// Runs with a terminal as standard input, at which somebody types.
fn at_a_terminal(gateway: &Gateway, arguments: &[&str], typed: &str) -> Ran {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut master = File::from(master);
    master.write_all(typed.as_bytes()).unwrap();
    Ran::of(waypost(gateway.folder.path()).args(arguments).stdin(Stdio::from(terminal)).output().unwrap())
}

#[test]
fn before_a_domain_goes_with_its_aliases_a_person_is_asked_and_a_script_is_not() {
    let list = "GET /v1/aliases?domain=my.example&limit=500";
    let aliases = r#"{"items":[{"address":"a@my.example"},{"address":"b@my.example"}],"next_cursor":null}"#;
    let gateway = Gateway::answering(&[
        (list, StatusCode::OK, &[aliases]),
        ("DELETE /v1/domains/my.example", StatusCode::NO_CONTENT, &[]),
    ]);
    let remove = ["domain", "remove", "my.example"];
    let deletions = || gateway.asked().iter().filter(|(call, _)| call.starts_with("DELETE")).count();
    for (typed, code, gone) in [("no\n", 1, 0), ("\n", 1, 0), ("\u{4}", 1, 0), ("yes\n", 0, 1), ("Y\n", 0, 2)] {
        let ran = at_a_terminal(&gateway, &remove, typed);
        let question =
            "my.example goes with its 2 aliases: a@my.example, b@my.example. There is no undo. Go on? [no]: ";
        assert!(ran.err.starts_with(question), "{ran:?}");
        assert_eq!((ran.code, deletions()), (code, gone), "{typed:?}: {ran:?}");
        assert_eq!(ran.err.contains("nothing was removed"), code == 1, "{ran:?}");
    }
    let sure = at_a_terminal(&gateway, &["domain", "remove", "my.example", "--yes"], "");
    assert_eq!((sure.code, sure.err.as_str(), deletions()), (0, "", 3));
    let script = gateway.run(&remove);
    assert_eq!((script.code, script.err.as_str(), deletions()), (0, "", 4), "nobody is there to be asked");
    let help = gateway.run(&["domain", "remove", "--help"]);
    assert!(help.out.contains("no undo") && help.out.contains("--yes"), "{help:?}");
}

#[test]
fn the_help_of_a_command_says_what_it_keeps_and_what_it_deletes() {
    let gateway = Gateway::answering(&[]);
    for (command, words) in [
        (&["domain", "add", "--help"][..], "settings of its own"),
        (&["domain", "set", "--help"], "settings of its own"),
        (&["queue", "resend", "--help"], "a cancelled one is deleted"),
        (&["queue", "cancel", "--help"], "cannot be sent again"),
        (&["log", "--help"], "an address, a domain or an id"),
        (&["route", "--help"], "asks no mail server"),
        (&["token", "create", "--help"], "admin:read"),
    ] {
        let help = gateway.run(command).out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(words), "{command:?}: {help}");
    }
}

#[test]
fn what_the_panel_has_set_is_checked_with_the_rest() {
    let settings = r#"{"items":[{"key":"log.retention","value":"40d","place":"panel"},{"key":"hostname","value":"x.example","place":"file"}]}"#;
    let gateway = Gateway::one("GET /v1/settings", settings);
    gateway.file("waypost.db", "");
    let ran = gateway.run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let row = ran.cells().into_iter().find(|cells| cells[0] == "log.retention").unwrap();
    assert_eq!(row[1..], ["\"40d\"", "panel"]);
    let place_of = |key: &str| ran.cells().into_iter().find(|cells| cells[0] == key).unwrap().pop().unwrap();
    assert_eq!(place_of("http.compat"), "default, not acted on in this version");
    assert_eq!(place_of("policy.arc"), "default");
}

#[test]
fn without_a_gateway_the_check_says_what_it_does_not_see() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("waypost.db"), "").unwrap();
    let ran = Ran::of(waypost(folder.path()).arg("check").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("warning: what the panel has set is not shown: no gateway runs"), "{}", ran.err);
}

#[test]
fn a_damaged_database_is_told_with_what_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("waypost.db"), [b'x'; 8192]).unwrap();
    let ran = Ran::of(waypost(folder.path()).args(["domain", "list"]).output().unwrap());
    assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:?}");
    assert!(ran.err.ends_with("put a backup in their place: waypost restore FILE --replace\n"), "{}", ran.err);
}

#[test]
fn an_answer_without_a_body_is_success() {
    let gateway = Gateway::answering(&[("DELETE /v1/aliases/a%40b.example", StatusCode::NO_CONTENT, &[])]);
    let ran = gateway.run(&["alias", "remove", "a@b.example"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "a@b.example is removed.\n"));
}

#[test]
fn a_refusal_is_one_line_and_exit_1() {
    let problem = r#"{"title":"Invalid","status":422,"detail":"The alias is not valid.","errors":[{"field":"address","detail":"no such \u001b[2Jdomain"}]}"#;
    let gateway = Gateway::answering(&[("POST /v1/aliases", StatusCode::UNPROCESSABLE_ENTITY, &[problem])]);
    let ran = gateway.run(&["alias", "add", "shop@nowhere.example", "--drop"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(ran.err, "waypost: The alias is not valid (address: no such \\u{1b}[2Jdomain)\n");
}

#[test]
fn wrong_usage_is_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["alias", "add"][..], &["fly"], &[], &["alias", "add", "a@b", "--drop", "--to", "c@d"]] {
        let ran = Ran::of(waypost(folder.path()).args(arguments).output().unwrap());
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.out.is_empty());
    }
}

#[test]
fn an_import_is_streamed_and_ends_with_its_result() {
    let call = "POST /v1/aliases/import";
    let answer: &[&str] = &["{\"done\":1", "}\n{\"done\":2}\n", "{\"imported\":2,\"dry_run\":false}\n"];
    let gateway = Gateway::answering(&[(call, StatusCode::OK, answer)]);
    let lines = "a@my.example\tme@inbox.example\nb@my.example\tme@inbox.example\n";
    let file = gateway.file("aliases.tsv", lines);
    let ran = gateway.run(&["alias", "import", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "2 aliases were imported.\n", ""));
    assert_eq!(gateway.asked(), [(call.to_owned(), lines.to_owned())]);
}

#[test]
fn an_import_says_what_was_there_already() {
    for (answer, told) in [
        (r#"{"imported":0,"known":60,"dry_run":false}"#, "No alias was imported: 60 were there already.\n"),
        (r#"{"imported":0,"known":1,"dry_run":false}"#, "No alias was imported: one was there already.\n"),
        (r#"{"imported":2,"known":1,"dry_run":false}"#, "2 aliases were imported; one was there already.\n"),
        (r#"{"imported":1,"known":60,"dry_run":false}"#, "1 alias was imported; 60 were there already.\n"),
        (r#"{"imported":1,"known":0,"dry_run":false}"#, "1 alias was imported.\n"),
    ] {
        let gateway = Gateway::one("POST /v1/aliases/import", answer);
        let file = gateway.file("aliases.tsv", "a@my.example\tme@inbox.example\n");
        let ran = gateway.run(&["alias", "import", file.to_str().unwrap()]);
        assert_eq!((ran.code, ran.out.as_str()), (0, told), "{ran:?}");
    }
}

#[test]
fn an_import_says_which_inboxes_get_no_mail_yet() {
    for (more, query, said) in [
        (&[][..], "", "1 alias was imported."),
        (&["--dry-run"][..], "?dry_run=true", "1 alias could be imported; nothing was changed."),
    ] {
        let call = format!("POST /v1/aliases/import{query}");
        let answer = "{\"imported\":1,\"dry_run\":false,\"unverified\":[\"new@inbox.example\"]}\n";
        let gateway = Gateway::answering(&[(&call, StatusCode::OK, &[answer])]);
        let file = gateway.file("aliases.tsv", "a@my.example\tnew@inbox.example\n");
        let ran = gateway.run(&[&["alias", "import", file.to_str().unwrap()], more].concat());
        let warned = "new@inbox.example is not verified and gets no mail; if it is yours: waypost destination verify \
                      new@inbox.example";
        assert_eq!((ran.code, ran.out), (0, format!("{said}\n{warned}\n")));
    }
}

#[test]
fn a_new_alias_says_whether_its_inbox_was_asked() {
    let alias = r#"{"address":"a@my.example","action":"forward","enabled":true,"destinations":["new@inbox.example"],"unverified":["new@inbox.example"]}"#;
    for (inbox, said) in [
        (
            r#"{"address":"new@inbox.example","verified_at":null,"verification":{"status":"queued"}}"#,
            "A mail with a link that verifies it is on its way there.",
        ),
        (
            r#"{"address":"new@inbox.example","verified_at":null,"verification":{"status":null,"reply":"Nobody asked it: no link could lead here."}}"#,
            "Nobody asked it: no link could lead here.",
        ),
    ] {
        let gateway = Gateway::answering(&[
            ("POST /v1/aliases", StatusCode::CREATED, &[alias]),
            ("GET /v1/destinations/new%40inbox.example", StatusCode::OK, &[inbox]),
        ]);
        let ran = gateway.run(&["alias", "add", "a@my.example", "--to", "new@inbox.example"]);
        let told = format!(
            "a@my.example forwards to new@inbox.example.\nnew@inbox.example gets no mail before it is verified. {said} If it \
             is yours, your word verifies it too: waypost destination verify new@inbox.example\n"
        );
        assert_eq!((ran.code, ran.out), (0, told));
        let json = gateway.run(&["alias", "add", "a@my.example", "--to", "new@inbox.example", "--json"]);
        assert_eq!((json.code, json.out.trim()), (0, alias), "programs get the answer as it came");
    }
}

#[test]
fn an_import_reads_standard_input_too() {
    let gateway = Gateway::answering(&[(
        "POST /v1/aliases/import?dry_run=true",
        StatusCode::OK,
        &["{\"imported\":1,\"dry_run\":true}"],
    )]);
    let mut child = waypost(gateway.folder.path())
        .args(["alias", "import", "-", "--dry-run", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a@my.example\tme@inbox.example\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"imported\":1,\"dry_run\":true}\n");
    assert_eq!(gateway.asked()[0].1, "a@my.example\tme@inbox.example\n");
}

#[test]
fn an_import_names_each_bad_line() {
    let problem = r#"{"status":422,"detail":"Two lines are wrong.","errors":[{"field":"line 2","detail":"no tab"},{"field":"line 9","detail":"no domain"}]}"#;
    for (status, pieces) in
        [(StatusCode::OK, vec!["{\"done\":0}\n", problem]), (StatusCode::UNPROCESSABLE_ENTITY, vec![problem])]
    {
        let gateway = Gateway::answering(&[("POST /v1/aliases/import", status, &pieces)]);
        let file = gateway.file("aliases.tsv", "x\n");
        let ran = gateway.run(&["alias", "import", file.to_str().unwrap()]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        let last = format!("waypost: {} is not sound; nothing was imported", file.display());
        assert_eq!(ran.err, format!("line 2: no tab\nline 9: no domain\n{last}\n"));
    }
}

#[test]
fn an_import_that_breaks_off_is_no_success() {
    let gateway = Gateway::answering(&[("POST /v1/aliases/import", StatusCode::OK, &["{\"done\":1}\n", BROKEN])]);
    let file = gateway.file("aliases.tsv", "x\n");
    let ran = gateway.run(&["alias", "import", file.to_str().unwrap()]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("waypost: the answer broke off"), "{ran:?}");
}

#[test]
fn a_backup_is_for_its_owner_only_and_whole_or_not_there() {
    let gateway = Gateway::answering(&[
        ("GET /control/backup?queue=true", StatusCode::OK, &["first ", "second"]),
        ("GET /control/backup", StatusCode::OK, &["first ", BROKEN]),
    ]);
    let file = gateway.folder.path().join("waypost.tar");
    let ran = gateway.run(&["backup", file.to_str().unwrap(), "--queue"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "first second");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&file, "the backup of yesterday").unwrap();
    let refused = gateway.run(&["backup", file.to_str().unwrap(), "--queue"]);
    assert!(refused.code == 1 && refused.err.contains("is there already; --replace"), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "the backup of yesterday");
    assert_eq!(gateway.run(&["backup", file.to_str().unwrap(), "--queue", "--replace"]).code, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "first second");
    let other = gateway.folder.path().join("other.tar");
    let broken = gateway.run(&["backup", other.to_str().unwrap()]);
    assert!(broken.code == 1 && broken.err.contains("broke off"), "{broken:?}");
    let left = || {
        fs::read_dir(gateway.folder.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".partial"))
    };
    assert!(!other.exists() && left().count() == 0);
    fs::create_dir(&other).unwrap();
    let folder = gateway.run(&["backup", other.to_str().unwrap(), "--queue", "--replace"]);
    assert!(folder.code == 1 && left().count() == 0, "{folder:?}");
    assert_eq!(gateway.run(&["backup", "-", "--queue"]).out, "first second");

    let victim = gateway.file("victim", "precious");
    std::os::unix::fs::symlink(&victim, gateway.folder.path().join("third.tar.partial")).unwrap();
    let third = gateway.folder.path().join("third.tar");
    assert_eq!(gateway.run(&["backup", third.to_str().unwrap(), "--queue"]).code, 0);
    assert!(!third.is_symlink() && fs::read_to_string(&third).unwrap() == "first second");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

/// What a command writes where its output is a terminal.
fn told_at_a_terminal(folder: &Path, arguments: &[&str]) -> String {
    let command = [&[env!("CARGO_BIN_EXE_waypost")], arguments].concat().join(" ");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).current_dir(folder);
    let ran = script.env("WAYPOST_DATA_DIR", folder).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}");
    said
}

#[test]
fn what_takes_long_shows_at_a_terminal_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["domain", "add", "my.example"]);
    let backup = told_at_a_terminal(folder.path(), &["backup", "waypost.tar"]);
    assert!(backup.contains("the databases are copied") && backup.contains("octets are in waypost.tar"), "{backup:?}");
    let restore = told_at_a_terminal(folder.path(), &["restore", "waypost.tar", "--replace"]);
    assert!(restore.contains("unpacking") && restore.contains("the databases are opened and checked"), "{restore:?}");
    assert!(restore.contains("is restored from waypost.tar"), "{restore:?}");
}

#[test]
fn the_log_is_followed_until_the_gateway_stops() {
    let event = "data: {\"id\":\"7\",\"received_at\":\"2026-11-22T18:56:24.120Z\",\"status\":\"forwarded\",\"sender\":\"a@b.example\",\"recipient\":\"shop@my.example\",\"destination\":\"me@inbox.example\",\"reason\":\"\"}\n\n";
    let other = "data: {\"id\":\"8\",\"status\":\"refused\"}\n\n";
    let call = "GET /v1/activity/stream?status=forwarded";
    let gateway = Gateway::answering(&[(call, StatusCode::OK, &[": hello\n\n", other, event])]);
    let ran = gateway.run(&["log", "--follow", "--status", "forwarded"]);
    assert_eq!(ran.out, "2026-11-22 18:56:24  forwarded   a@b.example -> shop@my.example -> me@inbox.example\n");
    assert_eq!((ran.code, ran.err.as_str()), (1, "waypost: the gateway stopped\n"));
}

#[test]
fn a_token_is_shown_alone_on_stdout() {
    let gateway = Gateway::one("POST /v1/tokens", r#"{"name":"phone","token":"wp_secret"}"#);
    let ran = gateway.run(&["token", "create", "phone", "--scope", "aliases:create", "--domain", "my.example"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "wp_secret\n"));
    let body: Value = serde_json::from_str(&gateway.asked()[0].1).unwrap();
    assert_eq!(body, json!({"name": "phone", "scopes": ["aliases:create"], "domains": ["my.example"]}));
}

#[test]
fn check_shows_each_value_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waypost.toml");
    fs::write(
        &file,
        "[smtp]\nlisten = [\"127.0.0.1:0\"]\n[http]\nlisten = [\"127.0.0.1:0\"]\n[policy]\narc = \"seal\"\n",
    )
    .unwrap();
    let ran = Ran::of(waypost(folder.path()).args(["check", "--config"]).arg(&file).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let row = |key: &str| ran.cells().into_iter().find(|cells| cells[0] == key).unwrap();
    assert_eq!(row("smtp.listen"), ["smtp.listen", "[\"127.0.0.1:0\"]", &format!("{}:2", file.display())]);
    assert_eq!(row("data_dir")[2], "WAYPOST_DATA_DIR");
    assert_eq!(row("srs.hash_length"), ["srs.hash_length", "8", "default"]);
    assert_eq!(
        ran.err,
        format!("warning: {}:6: policy.arc is read but not acted on in this version\n", file.display())
    );
    assert!(fs::read_dir(folder.path()).unwrap().count() == 1, "a check leaves nothing behind");
}

#[test]
fn check_takes_an_address_of_no_machine_of_ours_for_the_one_that_it_is_known_by() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = waypost(folder.path());
    command.env("WAYPOST_DELIVERY__SOURCE_ADDRESSES", "127.0.0.1,192.0.2.1").env("WAYPOST_SMTP__LISTEN", "127.0.0.1:0");
    command.env("WAYPOST_HTTP__LISTEN", "127.0.0.1:0");
    let ran = Ran::of(command.arg("check").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let said =
        "warning: delivery.source_addresses: 192.0.2.1 is not an address of this machine: mail does not leave by it";
    assert!(ran.err.starts_with(said) && ran.err.lines().count() == 1, "{ran:?}");
}

#[test]
fn check_finds_ports_that_are_taken_and_files_that_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = Ran::of(
        waypost(folder.path())
            .args(["check", "--json"])
            .env("WAYPOST_SMTP__LISTEN", &address)
            .env("WAYPOST_HTTP__LISTEN", "127.0.0.1:0")
            .env("WAYPOST_SMTP__TLS_CERTIFICATE", "/nowhere/cert.pem")
            .env("WAYPOST_SMTP__TLS_KEY", "/nowhere/key.pem")
            .env("WAYPOST_HOSTNAME", "gw.example")
            .output()
            .unwrap(),
    );
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    let expected = json!([
        "smtp.tls_certificate: /nowhere/cert.pem cannot be read: No such file or directory (os error 2)",
        "smtp.tls_key: /nowhere/key.pem cannot be read: No such file or directory (os error 2)",
        format!("smtp.listen: {address} is taken by another program"),
    ]);
    assert_eq!(found["faults"], expected);
    let values = found["values"].as_array().unwrap();
    let value = |key: &str| &values.iter().find(|value| value["key"] == key).unwrap()["value"];
    for (key, wanted) in [
        ("smtp.listen", json!([address])),
        ("smtp.max_recipients", json!(100)),
        ("smtp.answer_within", json!("10s")),
        ("delivery.allow_private", json!(false)),
        ("delivery.routes", json!({})),
        ("hostname", json!("gw.example")),
    ] {
        assert_eq!(value(key), &wanted, "{key}: as the API has it, not as TOML writes it");
    }
    assert_eq!((ran.code, ran.err.as_str()), (1, "waypost: there are 3 faults in the configuration\n"));
}

#[test]
fn a_mistake_in_the_configuration_is_one_line_and_no_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("waypost.toml"), "hostname = \"mx.example\"\n[smtp]\nlisen = []\n").unwrap();
    for command in ["serve", "check", "panel-link"] {
        let ran = Ran::of(waypost(folder.path()).arg(command).output().unwrap());
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert_eq!(ran.err, "waypost: waypost.toml:3: there is no key smtp.lisen; did you mean smtp.listen?\n");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn restore_refuses_what_is_no_backup_and_data_that_are_in_use() {
    let gateway = Gateway::answering(&[]);
    let file = gateway.file("backup.tar", "this is no archive");
    let free = tempfile::tempdir().unwrap();
    let ran = Ran::of(waypost(free.path()).arg("restore").arg(&file).output().unwrap());
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("backup.tar cannot be restored: it is nothing that waypost backup wrote"), "{ran:?}");
    fs::write(free.path().join("waypost.db"), "data").unwrap();
    let refused = Ran::of(waypost(free.path()).arg("restore").arg(&file).output().unwrap());
    assert!(refused.code == 1 && refused.err.contains("is there already; --replace"), "{refused:?}");
    assert_eq!(fs::read_to_string(free.path().join("waypost.db")).unwrap(), "data");
}

#[test]
fn completions_and_manual_cover_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| Ran::of(waypost(folder.path()).args(arguments).output().unwrap());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("panel-link"), "{shell}");
    }
    let manual = run(&["man"]);
    for page in ["waypost 1", "waypost-serve 1", "waypost-alias 1", "waypost-alias-import 1", "waypost-panel-link 1"] {
        assert!(manual.out.contains(&format!(".TH {page}")), "{page} is missing");
    }
}

#[test]
fn the_description_of_the_api_is_printed_whoever_owns_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let described = Ran::of(waypost(folder.path()).arg("openapi").output().unwrap());
    assert_eq!((described.code, described.out.as_str()), (0, include_str!("openapi.json")));
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = waypost(folder.path()).arg("man").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
}

// With the real data, and with the real gateway.

/// Runs a command in-process on a data folder of its own, as happens while no gateway runs.
fn alone(data: &Path, arguments: &[&str]) -> Ran {
    Ran::of(waypost(data).args(arguments).output().unwrap())
}

fn made(data: &Path, arguments: &[&str]) -> String {
    let ran = alone(data, arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran.out
}

/// A folder in which nobody has configured anything.
fn unconfigured(folder: &Path, arguments: &[&str]) -> Ran {
    Ran::of(waypost(folder).env_remove("WAYPOST_DATA_DIR").args(arguments).output().unwrap())
}

#[test]
fn where_no_gateway_is_meant_nothing_is_answered_and_nothing_made() {
    let folder = tempfile::tempdir().unwrap();
    for question in [&["alias", "list"][..], &["show", "7"], &["domain", "remove", "my.example"], &["backup", "f"]] {
        let ran = unconfigured(folder.path(), question);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.lines().count()), (1, "", 1), "{ran:?}");
        let sought = format!("no database is at {}/data/waypost.db (the default, as", folder.path().display());
        assert!(ran.err.contains(&sought) && ran.err.contains("--config"), "{ran:?}");
    }
    let doctor = unconfigured(folder.path(), &["doctor", "--json"]);
    assert!(doctor.out.contains("not_running") && doctor.err.contains("no gateway runs"), "{doctor:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn where_one_is_meant_a_question_is_answered_as_by_a_new_one_and_nothing_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("waypost.toml"), "data_dir = \"there\"\n").unwrap();
    let list = unconfigured(folder.path(), &["alias", "list", "--json"]);
    assert_eq!((list.code, list.out.as_str()), (0, "{\"items\":[],\"next_cursor\":null}\n"));
    let sought = format!("no database is at {}/there/waypost.db (as waypost.toml:1 says)", folder.path().display());
    assert!(list.err.contains(&sought), "{list:?}");
    let missing = unconfigured(folder.path(), &["show", "7"]);
    assert_eq!((missing.code, missing.err.lines().count()), (1, 1), "{missing:?}");
    assert_eq!(unconfigured(folder.path(), &["backup", "f"]).code, 1, "a backup of nothing is none");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");

    let added = unconfigured(folder.path(), &["domain", "add", "my.example"]);
    let made = format!("waypost: a new database was made at {}/there/waypost.db", folder.path().display());
    assert!(added.code == 0 && added.err.starts_with(&made), "{added:?}");
    let again = unconfigured(folder.path(), &["domain", "list"]);
    assert_eq!((again.cells()[1][0].as_str(), again.err.as_str()), ("my.example", ""));
}

#[test]
fn srs_secrets_that_are_gone_are_missed() {
    let data = tempfile::tempdir().unwrap();
    made(data.path(), &["domain", "add", "my.example"]);
    fs::remove_file(data.path().join("srs.secrets")).unwrap();
    let mut serve = waypost(data.path());
    serve.args(["serve"]).env("WAYPOST_SMTP__LISTEN", "127.0.0.1:0").env("WAYPOST_HTTP__LISTEN", "127.0.0.1:0");
    let mut gateway = serve.stderr(Stdio::piped()).spawn().unwrap();
    let said: Vec<String> = BufReader::new(gateway.stderr.take().unwrap())
        .lines()
        .map(|line| line.unwrap())
        .take_while(|line| !line.contains("waypost is up"))
        .collect();
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    assert!(said.iter().any(|line| line.contains("the SRS secrets are gone")), "{said:?}");
}

#[test]
fn rules_are_made_without_a_gateway_and_survive_a_backup() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(old.path(), &["domain", "add", "my.example"]);
    made(old.path(), &["destination", "add", "@inbox.example", "--verified"]);
    made(old.path(), &["alias", "add", "shop@my.example", "--to", "me@inbox.example", "--quota", "5"]);
    let list = old.path().join("aliases.tsv");
    fs::write(&list, "a@my.example\tme@inbox.example\nb@my.example\tme@inbox.example\n").unwrap();
    assert_eq!(made(old.path(), &["alias", "import", list.to_str().unwrap()]), "2 aliases were imported.\n");
    let route = made(old.path(), &["route", "a@my.example", "--from", "x@elsewhere.example"]);
    assert!(route.starts_with("forward: 250 ") && route.contains(" -> me@inbox.example"), "{route}");
    let secret = fs::read(old.path().join("srs.secrets")).unwrap();
    let file = old.path().join("backup.tar");
    made(old.path(), &["backup", file.to_str().unwrap()]);
    made(new.path(), &["restore", file.to_str().unwrap()]);
    assert_eq!(made(new.path(), &["alias", "list", "--json"]), made(old.path(), &["alias", "list", "--json"]));
    assert_eq!(fs::read(new.path().join("srs.secrets")).unwrap(), secret);
}

/// The data of the first release, which `tests/upgrade/make` made: two messages wait in it.
fn data_of_the_first_release() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    for file in ["waypost.db", "activity.db", "srs.secrets"] {
        let of_before = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/first").join(file);
        fs::copy(of_before, data.path().join(file)).unwrap();
    }
    data
}

fn change(database: &Path, statement: &'static str) {
    use sqlx::{Connection as _, Executor as _};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let path = format!("sqlite:{}", database.display());
        let mut connection = sqlx::SqliteConnection::connect(&path).await.unwrap();
        connection.execute(statement).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// The folders in which a restore has kept what it replaced.
fn kept(data: &Path) -> Vec<PathBuf> {
    let is_kept = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("before-restore-20");
    fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).filter(is_kept).collect()
}

#[test]
fn a_restore_that_was_cut_short_is_finished_by_whatever_comes_next() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(old.path(), &["domain", "add", "restored.example"]);
    let file = old.path().join("backup.tar");
    made(old.path(), &["backup", file.to_str().unwrap()]);
    for next in [&["domain", "list"][..], &["restore", file.to_str().unwrap(), "--replace"]] {
        made(new.path(), &["restore", file.to_str().unwrap(), "--replace"]);
        // As a power cut leaves it while the new data enter.
        fs::create_dir(new.path().join("restore.before")).unwrap();
        fs::write(new.path().join("restore.before/waypost.db"), "of before").unwrap();
        fs::create_dir(new.path().join("restore.entering")).unwrap();
        fs::rename(new.path().join("waypost.db"), new.path().join("restore.entering/waypost.db")).unwrap();
        let ran = alone(new.path(), next);
        assert!(ran.code == 0 && ran.err.contains("before-restore-"), "{ran:?}");
        assert!(made(new.path(), &["domain", "list"]).contains("restored.example"));
        assert!(!new.path().join("restore.entering").exists() && !new.path().join("restore.before").exists());
        let of_before = |folder: &PathBuf| fs::read(folder.join("waypost.db")).unwrap() == b"of before";
        assert!(kept(new.path()).iter().any(of_before));
        kept(new.path()).iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());
    }
    fs::create_dir(new.path().join("restore.unfinished")).unwrap();
    made(new.path(), &["domain", "list"]);
    assert!(!new.path().join("restore.unfinished").exists(), "half a backup is swept away");
}

#[test]
fn an_earlier_release_s_data_are_all_there_and_what_waits_comes_back_held_from_a_backup() {
    let (old, new, bare) = (data_of_the_first_release(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let list = |data: &Path, arguments: &[&str]| -> Value { serde_json::from_str(&made(data, arguments)).unwrap() };
    let items = |data: &Path, arguments: &[&str]| list(data, arguments)["items"].as_array().unwrap().clone();
    let mut aliases: Vec<_> =
        items(old.path(), &["alias", "list", "--json"]).iter().map(|alias| alias["address"].to_string()).collect();
    aliases.sort();
    assert_eq!(aliases, [r#""gone@my.example""#, r#""list-*@my.example""#, r#""shop@my.example""#]);
    assert_eq!(items(old.path(), &["token", "list", "--json"])[0]["name"], "keeper");
    assert!(items(old.path(), &["destination", "list", "--json"])[0]["verified_at"].is_string());
    let statuses = |data: &Path| -> Vec<Value> {
        items(data, &["log", "--json"]).iter().map(|row| row["status"].clone()).collect()
    };
    let before = statuses(old.path());
    assert!(before.len() == 3 && before.contains(&Value::from("refused")), "{before:?}");
    assert!(old.path().join("waypost.db.before-upgrade-3").exists());
    let spooled = |data: &Path| -> Vec<Vec<u8>> {
        let files = fs::read_dir(data.join("spool")).unwrap();
        files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    };
    let letters = spooled(old.path());
    assert_eq!(letters.len(), 1, "the large one lies in a file now");

    // One is being delivered while the backup is made.
    change(
        &old.path().join("waypost.db"),
        "update deliveries set state = 'leased' where id in (select min(id) from deliveries)",
    );
    let file = old.path().join("backup.tar");
    made(old.path(), &["backup", file.to_str().unwrap(), "--queue"]);
    made(new.path(), &["restore", file.to_str().unwrap()]);
    let waiting = items(new.path(), &["queue", "list", "--json"]);
    assert_eq!(waiting.iter().map(|one| one["state"].as_str().unwrap()).collect::<Vec<_>>(), ["held", "held"]);
    assert_eq!(statuses(new.path()).iter().filter(|status| *status == "held").count(), 2);
    assert!(made(new.path(), &["queue", "release", "--all"]).contains("2 messages go on."));
    let waiting = items(new.path(), &["queue", "list", "--json"]);
    assert!(waiting.iter().all(|one| one["state"] == "due"), "{waiting:?}");
    assert!(made(new.path(), &["queue", "release", "--all"]).contains("Nothing was held."));
    assert_eq!(spooled(new.path()), letters);
    let replaced = alone(new.path(), &["restore", file.to_str().unwrap(), "--replace"]);
    assert_eq!(spooled(new.path()), letters, "those of before are gone with their rows");
    let before = kept(new.path());
    assert!(before.len() == 1 && replaced.err.contains(before[0].to_str().unwrap()), "{before:?} {replaced:?}");
    assert_eq!(items(&before[0], &["queue", "list", "--json"]).len(), 2, "mail that waited is there");
    assert_eq!(spooled(&before[0]), letters);

    let file = old.path().join("without-the-queue.tar");
    made(old.path(), &["backup", file.to_str().unwrap()]);
    let restored = alone(bare.path(), &["restore", file.to_str().unwrap()]);
    assert!(restored.err.contains("2 messages waited at the time of the backup and are not in it"), "{restored:?}");
    assert_eq!(statuses(bare.path()).iter().filter(|status| *status == "cancelled").count(), 2);
    assert!(items(bare.path(), &["queue", "list", "--json"]).is_empty() && spooled(bare.path()).is_empty());
    assert_eq!(items(bare.path(), &["alias", "list", "--json"]).len(), 3);
}

#[test]
fn check_finds_a_certificate_without_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: String| {
        let path = folder.path().join(name);
        fs::write(&path, pem).unwrap();
        path
    };
    let made = || rcgen::generate_simple_self_signed(vec!["mx.example".to_owned()]).unwrap();
    let (ours, other) = (made(), made());
    let certificate = write("cert.pem", ours.cert.pem());
    let check = |key: &Path| {
        let mut command = waypost(folder.path());
        command
            .args(["check", "--json"])
            .env("WAYPOST_SMTP__LISTEN", "127.0.0.1:0")
            .env("WAYPOST_HTTP__LISTEN", "127.0.0.1:0");
        command.env("WAYPOST_SMTP__TLS_CERTIFICATE", &certificate).env("WAYPOST_SMTP__TLS_KEY", key);
        Ran::of(command.output().unwrap())
    };
    assert_eq!(check(&write("key.pem", ours.signing_key.serialize_pem())).code, 0);
    let wrong = check(&write("other.pem", other.signing_key.serialize_pem()));
    let found: Value = serde_json::from_str(&wrong.out).unwrap();
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(found["faults"][0].as_str().unwrap().starts_with("smtp.tls_certificate: "), "{found}");
}

/// `waypost serve`, whose log is read as it is written.
struct Served {
    child: std::process::Child,
    log: std::io::Lines<std::io::BufReader<std::process::ChildStderr>>,
}

impl Served {
    fn start(data: &Path) -> Self {
        use std::io::BufRead as _;
        let mut child =
            waypost(data).args(["serve", "--config", "waypost.toml"]).stderr(Stdio::piped()).spawn().unwrap();
        let log = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
        let mut served = Self { child, log };
        served.hear("waypost is up");
        served
    }

    /// Reads on until the log says this.
    fn hear(&mut self, words: &str) {
        let found = self.log.by_ref().map(Result::unwrap).any(|line| line.contains(words));
        assert!(found, "the log ended without {words:?}");
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }
}

#[test]
fn a_gateway_serves_commands_takes_signals_and_names_itself_to_a_second_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let config = "[smtp]\nlisten = [\"127.0.0.1:0\"]\n[http]\nlisten = [\"127.0.0.1:0\"]\n";
    fs::write(data.join("waypost.toml"), config).unwrap();
    let mut served = Served::start(data);
    made(data, &["domain", "add", "my.example"]);
    assert_eq!(alone(data, &["domain", "list"]).cells()[1][0], "my.example");
    let second = alone(data, &["serve"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains(&format!("process {}", served.child.id())), "{second:?}");
    let file = data.join("backup.tar");
    made(data, &["backup", file.to_str().unwrap()]);
    let refused = alone(data, &["restore", file.to_str().unwrap(), "--replace"]);
    assert!(refused.code == 1 && refused.err.contains("in use by a running gateway (process "), "{refused:?}");
    fs::write(data.join("waypost.toml"), "hostnam = \"x\"\n").unwrap();
    served.signal(rustix::process::Signal::HUP);
    served.hear("not reloaded, the old configuration stays reason=\"waypost.toml:1: there is no key hostnam");
    fs::write(data.join("waypost.toml"), config).unwrap();
    served.signal(rustix::process::Signal::HUP);
    served.hear("read again");
    fs::write(data.join("waypost.toml"), format!("{config}[dns]\ntimeout = \"3s\"\n[delivery]\nport = 26\n")).unwrap();
    served.signal(rustix::process::Signal::HUP);
    served.hear("these settings have changed and count after a restart settings=dns.timeout");
    served.signal(rustix::process::Signal::TERM);
    served.hear("stopped");
    assert!(served.child.wait().unwrap().success());
    assert_eq!(made(data, &["domain", "list", "--json"]).matches("my.example").count(), 2);
}

const DEMO_LETTERS: [&str; 4] = [
    "A letter to an alias\n",
    "A letter to an address that only the catch-all knows\n",
    "A letter that the inbox refuses\n",
    "A letter that the inbox defers, and then takes\n",
];

/// The demo in a folder of its own for what it throws away.
fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = waypost(folder);
    command.arg("demo").args(arguments).env("TMPDIR", folder);
    command
}

/// The first minute of the README: four letters on loopback, each with its proof, and an exit code that says whether they
/// went as they should. What it made is gone afterwards.
#[test]
fn the_demo_proves_its_letters_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Ran::of(demo(folder.path(), &["--once"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("Waypost on loopback: gateway 127.0.0.1:"), "{}", ran.out);
    assert!(DEMO_LETTERS.iter().all(|title| ran.out.contains(title)), "{}", ran.out);
    assert_eq!(ran.out.matches("  identical octets, logged as forwarded: ").count(), 3, "{}", ran.out);
    assert_eq!(ran.out.matches("  as it should be, logged as refused: ").count(), 1, "{}", ran.out);
    assert!(ran.out.ends_with("\n4 of 4 letters went as they should.\n"), "no link where nothing runs on: {}", ran.out);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Its letters are for nobody: what the machine is configured for, a relay above all, is not for them.
#[test]
fn the_demo_heeds_no_configuration_that_lies_about() {
    let (folder, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let relay = "[delivery]\nrelay = \"smtp://127.0.0.1:9\"\n[policy]\ngreylist = true\n";
    fs::write(here.path().join("waypost.toml"), relay).unwrap();
    let ran = Ran::of(demo(folder.path(), &["--once"]).current_dir(here.path()).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.ends_with("\n4 of 4 letters went as they should.\n"), "{}", ran.out);
}

/// Without `--once` it runs on, with a link into its panel, until it is told to stop.
#[test]
fn the_demo_runs_on_with_a_link_into_its_panel() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path(), &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "4 of 4 letters went as they should."));
    let link = lines.find(|line| line.starts_with("  http://127.0.0.1:")).unwrap();
    assert!(lines.next().unwrap().starts_with("Still running;"));
    let (address, path) = link.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut panel = std::net::TcpStream::connect(address).unwrap();
    write!(panel, "GET /{path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let status = BufReader::new(panel).lines().next().unwrap().unwrap();
    assert!(["200", "303"].iter().any(|code| status.contains(code)), "{status}");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn who_gets_mail_for_postmaster_is_told_with_the_inbox_that_goes() {
    let answer = |after: &str| {
        let uses = r#""aliases":0,"contact_of":["b.example"],"default_contact_of":["my.example"]"#;
        &*format!(r#"{{"address":"a@x.example","uses":{{{uses},"contact_after":{after}}}}}"#).leak()
    };
    let shown = Gateway::one("GET /v1/destinations/a%40x.example", answer("null"));
    let shown = shown.run(&["destination", "show", "a@x.example"]).out;
    let here = "It is the contact of b.example.\nIt gets mail for postmaster and abuse of my.example, as no other inbox is \
        named for it.\n";
    assert!(shown.contains(here), "{shown}");
    for (after, goes) in [
        (r#""n@x.example""#, "goes to n@x.example from now on.\n"),
        ("null", "has nobody to go to from now on, and is held: waypost domain set NAME --contact ADDRESS\n"),
    ] {
        let gateway = Gateway::answering(&[
            ("GET /v1/destinations/a%40x.example", StatusCode::OK, &[answer(after)]),
            ("DELETE /v1/destinations/a%40x.example", StatusCode::NO_CONTENT, &[""]),
        ]);
        let told = gateway.run(&["destination", "remove", "a@x.example"]).out;
        let gone = "a@x.example is no destination any more.\nMail for postmaster and abuse of b.example, my.example ";
        assert_eq!(told, format!("{gone}{goes}"));
    }
    let replaced =
        r#"{"from":"a@x.example","to":"n@x.example","aliases":1,"default":true,"default_contact_of":["my.example"]}"#;
    let gateway = Gateway::one("POST /v1/destinations/a%40x.example/replace", replaced);
    let told = gateway.run(&["destination", "replace", "a@x.example", "n@x.example"]).out;
    assert!(told.contains("\nMail for postmaster and abuse of my.example goes to n@x.example.\n"), "{told}");
}
