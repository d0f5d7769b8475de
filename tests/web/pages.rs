//! Every page of the panel, once. Whatever must hold on each of them (that it is inert, that everybody can use it, that it is
//! lean) is shown by walking over this table; a route of the panel that is missing from it stops the walk.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use waypost::mail::{Author, Mailbox};
use waypost::policy::ids::OWNER;
use waypost::policy::rule::Kind;
use waypost::policy::status::{RuleRef, Status, TraceStep};
use waypost::store::accounts::LinkPurpose;
use waypost::store::activity::Row;
use waypost::store::queue::Entry;

use super::House;
use super::rows::{attempt, came_at, ended, forwarded, mailbox, queued, sent_by};

/// Markup, a terminal's command, a turn of direction, quotes and a new line: what mail can bring.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[2J\u{202e}\"'&\r\nX: y";
/// The same as far as it may stand in a query.
const IN_QUERY: &str = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%1B%5B2J%E2%80%AE%22%27%26";
/// The same as far as it may stand where people write.
const WRITTEN: &str = "<script>alert(1)</script>\"'&<b onclick=x>";
/// What people are written to about, and by whom.
const LETTERS: [(&str, &str); 5] = [
    ("orders@shop.example", "Your order"),
    ("news@letter.example", "What is new this week"),
    ("anna@friends.example", "Dinner on Friday?"),
    ("billing@hosting.example", "Invoice of November"),
    ("bounces+4711@lists.example", "[users] How do I move a domain?"),
];
const PASSWORD: &str = "correct horse battery";

/// Who gets a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    /// Somebody who is signed in.
    Inside,
    /// Everybody.
    Outside,
    /// It is no page, for this reason.
    Nobody(&'static str),
}

/// A route of the panel, and the places that show it in its states. A place begins with the status of its answer where that
/// is not 200; names in braces are planted.
pub(crate) struct Page {
    pub(crate) route: &'static str,
    pub(crate) whose: Whose,
    pub(crate) places: &'static [&'static str],
}

const fn inside(route: &'static str, places: &'static [&'static str]) -> Page {
    Page { route, whose: Whose::Inside, places }
}

const fn outside(route: &'static str, places: &'static [&'static str]) -> Page {
    Page { route, whose: Whose::Outside, places }
}

const fn nobody(route: &'static str, why: &'static str) -> Page {
    Page { route, whose: Whose::Nobody(why), places: &[] }
}

/// All of them.
pub(crate) const PAGES: &[Page] = &[
    inside("/", &["/", "/?range=2y&domain=my.example"]),
    inside(
        "/activity",
        &[
            "/activity",
            "/activity#more",
            "/activity?q={hostile}&status=held",
            "/activity?status={hostile}",
            "/activity?time=7d&domain=my.example",
            "/activity?status=failed,expired,bounced&since=2026-11-21T18:00:00Z",
            "/activity?alias={alias}",
        ],
    ),
    nobody("/activity/stream", "events"),
    nobody("/activity/export", "a file"),
    nobody("/activity/{id}/message", "a file"),
    inside(
        "/activity/{id}",
        &["/activity/{message}", "/activity/{held}", "/activity/{kept}", "/activity/{refused}", "404 /activity/none"],
    ),
    inside(
        "/aliases",
        &[
            "/aliases",
            "/aliases?new=1",
            "/aliases?q={hostile}",
            "/aliases?label=shopping&kind=glob&undone=2&left=1",
            "/aliases?to={hostile}&mail=never",
        ],
    ),
    nobody("/aliases/export", "a file"),
    inside("/aliases/import", &["/aliases/import"]),
    inside(
        "/aliases/{id}",
        &["/aliases/{alias}", "/aliases/shop-*@my.example", "/aliases/*@my.example", "404 /aliases/none"],
    ),
    inside("/domains", &["/domains"]),
    inside("/domains/{name}", &["/domains/my.example", "/domains/xn--mller-kva.example"]),
    nobody("/domains/{name}/zone", "a file"),
    inside("/destinations", &["/destinations", "/destinations?q={hostile}"]),
    inside(
        "/destinations/{id}",
        &[
            "/destinations/owner@inbox.example",
            "/destinations/new@inbox.example",
            "/destinations/@whole.example",
            "404 /destinations/{hostile}",
        ],
    ),
    inside(
        "/destinations/{id}/{action}",
        &[
            "/destinations/owner@inbox.example/replace?to=spare@inbox.example",
            "422 /destinations/owner@inbox.example/replace?to={hostile}",
            "404 /destinations/owner@inbox.example/verify",
        ],
    ),
    inside("/queue", &["/queue", "/queue?domain=my.example", "/queue?domain=xn--mller-kva.example"]),
    inside(
        "/simulator",
        &[
            "/simulator",
            "/simulator?to=shop@my.example&from=a@b.example",
            "422 /simulator?to=shop@my.example&from={hostile}",
            "422 /simulator?to={hostile}&ip={hostile}",
        ],
    ),
    inside("/connect", &["/connect"]),
    inside(
        "/connect/{client}",
        &["/connect/curl", "/connect/script", "/connect/curl?token={token}", "404 /connect/none"],
    ),
    nobody("/settings", "leads to the first of the settings"),
    inside("/settings/account", &["/settings/account"]),
    inside("/settings/people", &["/settings/people"]),
    inside(
        "/settings/people/{id}",
        &[
            "/settings/people/anna@my.example",
            "404 /settings/people/{hostile}",
            "409 /settings/people/owner@my.example",
        ],
    ),
    inside("/settings/tokens", &["/settings/tokens"]),
    inside("/settings/sessions", &["/settings/sessions"]),
    inside("/settings/notices", &["/settings/notices"]),
    inside("/settings/server", &["/settings/server"]),
    inside("/settings/audit", &["/settings/audit", "/settings/audit?q={hostile}"]),
    outside("/sign-in", &["/sign-in?to={hostile}"]),
    outside("/sign-in/{link}", &["/sign-in/{link}", "410 /sign-in/none"]),
    inside(
        "/setup/{link}",
        &[
            "/setup/on?at=account",
            "/setup/on?at=host",
            "/setup/on?at=way-out",
            "/setup/on?at=limits",
            "/setup/on?at=domain",
            "/setup/on?at=records&domain=my.example",
            "/setup/on?at=inbox",
            "/setup/on?at=inbox&inbox=new@inbox.example",
            "/setup/on?at=alias&domain=my.example",
            "/setup/on?at=test&domain=my.example",
        ],
    ),
    outside("/setup/{link}", &["410 /setup/{setup}", "410 /setup/none"]),
    outside("/reset", &["/reset"]),
    outside("/reset/{link}", &["/reset/{reset}", "410 /reset/none"]),
    outside("/verify/{link}", &["/verify/{verify}", "404 /verify/none"]),
    outside("/help", &["/help"]),
    outside(
        "/help/{page}",
        &[
            "/help/go-live",
            "/help/answer-as-your-alias",
            "/help/did-not-arrive",
            "/help/waits",
            "/help/refused",
            "/help/notices",
            "/help/port-25",
            "/help/backup",
            "/help/move",
            "/help/come",
            "/help/leave",
            "/help/security",
            "/help/not-for",
            "404 /help/none",
        ],
    ),
    outside("/docs/api", &["/docs/api"]),
    outside("/docs/api/{part}", &["/docs/api/aliases", "/docs/api/activity", "404 /docs/api/none"]),
    nobody("/openapi.json", "for programs"),
    nobody("/static/{file}", "files"),
];

/// What the places name.
pub(crate) struct Planted(Vec<(&'static str, String)>);

/// A place to look at.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) whose: Whose,
    pub(crate) status: u16,
    pub(crate) path: String,
    /// As the table writes it.
    pub(crate) written: &'static str,
}

impl Planted {
    /// Every place of the table, those for people who are not signed in last.
    pub(crate) fn places(&self) -> Vec<Place> {
        assert_eq!(missing(), BTreeSet::new(), "every route of the panel stands in the table of pages");
        let all = PAGES.iter().flat_map(|page| page.places.iter().map(|place| self.place(page.whose, place)));
        let mut all: Vec<_> = all.collect();
        all.push(self.place(Whose::Outside, "404 /nothing"));
        all.sort_by_key(|place| place.whose != Whose::Inside);
        all
    }

    fn place(&self, whose: Whose, written: &'static str) -> Place {
        let (status, path) = written.split_once(' ').map_or((200, written), |(s, path)| (s.parse().unwrap(), path));
        Place { whose, status, path: self.filled(path), written: path }
    }

    /// A path with what is planted in place of its names in braces.
    pub(crate) fn filled(&self, path: &str) -> String {
        let filled =
            self.0.iter().fold(path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        assert!(!filled.contains('{'), "{filled} names what is not planted");
        filled
    }
}

/// Routes that the panel answers to GET, and the table does not know; and those of the table that are no more.
pub(crate) fn missing() -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    routes_below(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/panel")), &mut routes);
    let known: BTreeSet<_> = PAGES.iter().map(|page| page.route.to_owned()).collect();
    routes.symmetric_difference(&known).cloned().collect()
}

fn routes_below(directory: &Path, routes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes_below(&path, routes);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let written = text.split(".route(").skip(1).filter_map(|rest| {
                let (route, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
                argument(rest).contains("get(").then(|| route.to_owned())
            });
            routes.extend(written);
        }
    }
}

/// What stands before the parenthesis that ends a call.
fn argument(text: &str) -> &str {
    let mut depth = 0;
    let end = text.char_indices().find(|(_, c)| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        depth < 0
    });
    end.map_or(text, |(at, _)| &text[..at])
}

impl House {
    /// A house whose every page has something to show, and the worst that mail can bring on it.
    pub(crate) async fn planted() -> (Self, Planted) {
        let house = Self::linked().await;
        let mut planted = vec![("hostile", IN_QUERY.to_owned())];
        house.plant_rules(&mut planted).await;
        house.plant_mail(&mut planted).await;
        house.plant_people(&mut planted).await;
        (house, Planted(planted))
    }

    async fn plant_rules(&self, planted: &mut Vec<(&'static str, String)>) {
        for name in ["müller.example", &format!("{}example", "long-label.".repeat(16))] {
            self.operator("POST", "/v1/domains", json!({ "name": name })).await.expect(201);
        }
        let aliases = [
            "shop@my.example".to_owned(),
            "shop-*@my.example".to_owned(),
            "/^a-rather-long-expression-([0-9]+)-with-a-capture$/@my.example".to_owned(),
            format!("{}@my.example", "x".repeat(64)),
            "*@my.example".to_owned(),
        ];
        for address in aliases {
            let body = json!({ "address": address, "description": WRITTEN, "labels": ["shopping"] });
            let made = self.operator("POST", "/v1/aliases", body).await.expect(201).json();
            if address == "shop@my.example" {
                planted.push(("alias", made["id"].as_str().unwrap().to_owned()));
            }
        }
        for n in 0..46 {
            let body = json!({ "address": format!("a{n}@my.example"), "enabled": n % 3 > 0, "description": "a note" });
            self.operator("POST", "/v1/aliases", body).await.expect(201);
        }
        let trusted = json!({ "address": "@whole.example", "verified": true });
        self.operator("POST", "/v1/destinations", trusted).await.expect(201);
        let spare = json!({ "address": "spare@inbox.example", "verified": true });
        self.operator("POST", "/v1/destinations", spare).await.expect(201);
        let waits =
            self.operator("POST", "/v1/destinations", json!({ "address": "new@inbox.example" })).await.expect(201);
        planted.push(("verify", self.verification_link(&waits.json()).await));
    }

    /// The secret of the link in the mail that asks this destination.
    async fn verification_link(&self, destination: &Value) -> String {
        let id = destination["verification"]["activity_id"].as_str().unwrap().parse().unwrap();
        let octets = self.admin.store.queue.get(id).await.unwrap().message.octets.read(0).await.unwrap();
        let text = String::from_utf8(octets.to_vec()).unwrap();
        text.lines().find_map(|line| line.strip_prefix("https://gw.example/verify/")).unwrap().to_owned()
    }

    /// Mail in every state, and one message that is as bad as mail can be.
    async fn plant_mail(&self, planted: &mut Vec<(&'static str, String)>) {
        let mut rows = Vec::new();
        for (index, status) in Status::ALL.into_iter().chain([Status::Forwarded; 30]).enumerate() {
            let at = self.clock.now().before(Duration::from_secs(index as u64 * 1800));
            let row = came_at(forwarded(self, &format!("a{index}@my.example")), at);
            let (sender, subject) = LETTERS[index % LETTERS.len()];
            rows.push(Row { subject: Some(subject.to_owned()), ..ended(sent_by(row, sender), status) });
        }
        rows.extend(self.letters().await);
        let refused = rows.iter().find(|row| row.status == Status::Refused).unwrap().id;
        let worst = worst(self);
        planted.push(("message", worst.id.to_string()));
        planted.push(("refused", refused.to_string()));
        rows.push(worst);
        // What came first is written first.
        rows.sort_by_key(|row| row.received_at);
        self.admin.store.activity.record(rows).await.unwrap();
        self.plant_caught().await;
        let later = self.clock.now().after(Duration::from_secs(3600));
        queued(self, "shop@my.example", Entry::Due(later)).await;
        planted.push(("held", queued(self, "shop@my.example", Entry::Held).await.id.to_string()));
        planted.push(("kept", queued(self, "shop@my.example", Entry::Kept(later)).await.id.to_string()));
    }

    /// Three weeks of mail to one alias.
    async fn letters(&self) -> Vec<Row> {
        let shop = self.admin.alias(&waypost::admin::Actor::operator(), "shop@my.example").await.unwrap();
        let letter = |index: usize| {
            let (sender, subject) = LETTERS[index * index % LETTERS.len()];
            let row = forwarded(self, "shop@my.example");
            let rule = row.rule.clone().map(|rule| RuleRef { id: shop.id, ..rule });
            let received_at = self.clock.now().before(Duration::from_secs(index as u64 * 131_000));
            let row = came_at(sent_by(row, sender), received_at);
            Row { alias: Some(shop.key), rule, subject: Some(subject.to_owned()), ..row }
        };
        (1..14).map(letter).collect()
    }

    /// Mail for addresses that only the catch-all takes, from and for the worst of them.
    async fn plant_caught(&self) {
        let found = self.admin.alias(&waypost::admin::Actor::operator(), "*@my.example").await.unwrap();
        let long = format!("{}@{}example", "z".repeat(64), "long-label.".repeat(16));
        for (sender, local) in [(HOSTILE, "books".to_owned()), (&long, "y".repeat(64)), ("", HOSTILE.to_owned())] {
            let recipient = format!("{local}@my.example");
            let row = forwarded(self, "any@my.example");
            let rule = row.rule.clone().map(|rule| RuleRef { id: found.id, kind: Kind::CatchAll, ..rule });
            let mut caught = Row { alias: Some(found.key), recipient, rule, ..sent_by(row, sender) };
            if let Ok(to) = Mailbox::parse(&caught.recipient) {
                caught.envelope.before.to = vec![to];
            }
            self.admin.store.activity.record(vec![caught]).await.unwrap();
        }
    }

    async fn plant_people(&self, planted: &mut Vec<(&'static str, String)>) {
        let owner = json!({ "email": "owner@my.example", "password": PASSWORD, "name": WRITTEN });
        self.operator("PATCH", "/v1/users/owner", owner).await.expect(200);
        let anna = json!({ "email": "anna@my.example", "password": PASSWORD, "name": WRITTEN });
        self.operator("POST", "/v1/users", anna).await.expect(201);
        let roles = json!({ "domains": [{ "domain": "my.example", "role": "viewer" }] });
        self.operator("PATCH", "/v1/users/anna@my.example", roles).await.expect(200);
        let token = json!({ "name": WRITTEN, "scopes": ["aliases"] });
        let token = self.operator("POST", "/v1/tokens", token).await.expect(201).json();
        planted.push(("token", token["id"].as_str().unwrap().to_owned()));
        let (now, hash) = (self.clock.now(), |text: &str| Sha256::digest(text.as_bytes()).into());
        let until = now.after(Duration::from_secs(3600));
        for (name, purpose) in
            [("link", LinkPurpose::SignIn), ("reset", LinkPurpose::Reset), ("setup", LinkPurpose::Setup)]
        {
            self.admin.store.accounts.add_link(hash(name), purpose, OWNER, (now, until)).await.unwrap();
            planted.push((name, name.to_owned()));
        }
        let fields = [
            ("host", "localhost:8080"),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("user-agent", WRITTEN),
        ];
        let form = format!("email=owner%40my.example&password={}", PASSWORD.replace(' ', "+"));
        self.visitor("POST", "/sign-in", &fields, &form).await.expect(303);
    }
}

/// A row of which every word is somebody else's.
fn worst(house: &House) -> Row {
    let (now, row) = (house.clock.now(), forwarded(house, "shop@my.example"));
    let (came, long) =
        (now.before(Duration::from_secs(300)), format!("{}@{}example", "y".repeat(64), "long-label.".repeat(16)));
    let mut envelope = row.envelope.clone();
    envelope.after.as_mut().unwrap().to = vec![mailbox(&long)];
    let client = waypost::store::activity::Client {
        helo: HOSTILE.to_owned(),
        name: Some(HOSTILE.to_owned()),
        ..row.client.clone()
    };
    Row {
        sender: format!("{HOSTILE}@{}.example", "x".repeat(10_000)),
        author: Some(Author::read(&format!("{HOSTILE} <{HOSTILE}@author.test>"))),
        subject: Some(format!("\u{5e9}\u{5dc}\u{5d5}\u{5dd} {HOSTILE}{}", "unbroken".repeat(30))),
        received_at: came,
        destination: Some(long),
        envelope,
        reason: HOSTILE.to_owned(),
        message_id: Some(HOSTILE.to_owned()),
        rule: Some(RuleRef { id: uuid::Uuid::nil(), kind: Kind::Address, pattern: HOSTILE.to_owned() }),
        trace: vec![TraceStep::new("alias", HOSTILE, HOSTILE.to_owned())],
        attempts: vec![
            attempt(came, "deferred", &format!("450 4.7.0 {HOSTILE} {}", "busy-".repeat(60))),
            attempt(now, "delivered", "250 ok"),
        ],
        client,
        ..row
    }
}
