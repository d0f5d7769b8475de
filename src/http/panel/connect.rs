//! `/connect`: programs that work with this gateway, each with the token that it needs and the fields as it calls them. What
//! there is to connect stands in one table; a program that speaks to an endpoint which is not there yet does not.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::uri::Authority;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::admin::shapes::TokenShape;
use crate::admin::{Actor, AdminError};
use crate::http::api::{Ask, Caller};
use crate::http::{Site, shield};
use crate::mail::Moment;

use super::forms::{self, Filled};
use super::frame::{self, Frame};
use super::session::Channel;
use super::text::{self, When};

/// Names that are tried for a token before a person has to find one.
const MAX_NAMES: usize = 20;

/// A program to connect.
struct Client {
    /// The last part of its address, and what its token is called at first.
    name: &'static str,
    title: &'static str,
    about: &'static str,
    /// What its token may do, and why that is enough.
    scopes: &'static [&'static str],
    why: &'static str,
    /// What it asks for, in its own words.
    fields: &'static [(&'static str, Part)],
    /// What to run, with `{url}` and `{token}` where these belong.
    example: &'static str,
    /// A piece of the example, and the same where the program has to be told which certificate to trust.
    trusting: (&'static str, &'static str),
    /// What then happens.
    then: &'static str,
}

impl Client {
    fn makes_aliases(&self) -> bool {
        self.scopes.contains(&"aliases:create")
    }
}

/// What belongs into a field.
#[derive(Clone, Copy)]
enum Part {
    Url,
    Token,
}

/// All of them.
const CLIENTS: &[Client] = &[
    Client {
        name: "curl",
        title: "curl",
        about: "One command makes a random alias: for a terminal, a shortcut, a launcher.",
        scopes: &["aliases:create"],
        why: "It can make aliases and do nothing else: whoever finds it reads nothing and changes nothing.",
        fields: &[("URL", Part::Url), ("Authorization: Bearer", Part::Token)],
        example: "curl -sS '{url}/v1/aliases/random' \\\n  -H 'Authorization: Bearer {token}' \\\n  \
                  -H 'Content-Type: application/json' \\\n  -d '{\"for\":\"shop.example\"}'",
        trusting: ("curl -sS ", "curl -sS --cacert waypost.pem "),
        then: "It answers with the new alias as JSON; its mail goes to your default destination.",
    },
    Client {
        name: "script",
        title: "A script",
        about: "Python that needs nothing else: it lists what became of the mail of the last day, alias by alias.",
        scopes: &["activity:read"],
        why: "It can read the log and change nothing.",
        fields: &[("WAYPOST_URL", Part::Url), ("WAYPOST_TOKEN", Part::Token)],
        example: include_str!("../../../web/connect/script.txt"),
        trusting: ("WAYPOST_URL=", "SSL_CERT_FILE=waypost.pem WAYPOST_URL="),
        then: "It prints a line for each alias, and for each address without one: how many messages came, and what became of them.",
    },
];

/// A program in the list.
struct Entry {
    name: &'static str,
    title: &'static str,
    about: &'static str,
}

#[derive(Template)]
#[template(path = "connect.html", config = "web/askama.toml")]
struct ListPage {
    frame: Frame,
    /// Why no alias could be made.
    nowhere: Option<String>,
    clients: Vec<Entry>,
}

/// Something to copy.
struct Copied {
    id: String,
    label: &'static str,
    value: String,
}

/// A certificate that no program trusts by itself.
struct Untrusted {
    /// The names that it is for.
    names: String,
    /// The host that the examples ask, where it is for another.
    other: Option<String>,
    pem: String,
}

/// How far a token has come.
struct Waiting {
    id: String,
    name: String,
    /// When and from where the first call came.
    first: Option<(When, String)>,
}

#[derive(Template)]
#[template(path = "connect_client.html", config = "web/askama.toml")]
struct ClientPage {
    frame: Frame,
    name: &'static str,
    title: &'static str,
    about: &'static str,
    scopes: String,
    why: &'static str,
    then: &'static str,
    wrong: Vec<String>,
    /// Why its token would be good for nothing.
    nowhere: Option<String>,
    /// Its certificate is refused by programs.
    untrusted: Option<Untrusted>,
    /// What the token is to be called.
    called: String,
    domains: Vec<String>,
    domain: String,
    /// It makes aliases, and on which domain has to be said.
    makes_aliases: bool,
    default_domain: String,
    /// What to copy, with the token in it: in the one answer that shows it.
    copied: Vec<Copied>,
    waiting: Option<Waiting>,
}

/// What a page shows beside its program.
#[derive(Default)]
struct Shown<'a> {
    filled: Option<&'a Filled>,
    error: Option<AdminError>,
    made: Option<TokenShape>,
    /// Where the program reaches this gateway.
    url: String,
}

/// `GET /connect`.
pub(super) async fn list(State(site): State<Site>, Caller(actor): Caller) -> Response {
    let clients = CLIENTS.iter().map(|client| Entry { name: client.name, title: client.title, about: client.about });
    let (frame, clients) = (Frame::inside(&site, "Connect", "connect"), clients.collect());
    let nowhere = match CLIENTS.iter().find(|client| client.makes_aliases()) {
        Some(client) => nowhere(&site, &actor, client).await,
        None => Ok(None),
    };
    frame::answer(None, nowhere.map(|nowhere| ListPage { frame, nowhere, clients }))
}

/// `GET /connect/{client}?token=`: how to connect it; with the id of a token, whether its first call has come.
pub(super) async fn page(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    ask: Ask,
    request: Request,
) -> Response {
    let Some(client) = find(&name) else { return frame::failed(&AdminError::missing("client", &name)) };
    let shown = Shown { url: address(&site, &request), ..Shown::default() };
    show(&site, &actor, (client, ask.get("token")), shown).await
}

/// `POST /connect/{client}`: makes its token, which the answer alone shows.
pub(super) async fn connect(
    State(site): State<Site>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let Some(client) = find(&name) else { return frame::failed(&AdminError::missing("client", &name)) };
    let url = address(&site, &request);
    let Some(filled) = Filled::of(request).await else { return forms::unreadable() };
    let shown = match make(&site, &actor, (client, &filled)).await {
        Ok(made) => Shown { made: Some(made), url, ..Shown::default() },
        Err(error) => Shown { filled: Some(&filled), error: Some(error), url, ..Shown::default() },
    };
    show(&site, &actor, (client, None), shown).await
}

async fn make(site: &Site, actor: &Actor, (client, filled): (&Client, &Filled)) -> Result<TokenShape, AdminError> {
    let wanted = wanted(client, filled);
    if let Some(why) = nowhere(site, actor, client).await? {
        return Err(AdminError::Conflict(why));
    }
    let is_settled = !client.makes_aliases() || wanted.contains_key("default_domain");
    if !is_settled && site.admin.domain_names(actor).await?.len() > 1 {
        return Err(AdminError::field("default_domain", "say on which of your domains new aliases are made"));
    }
    site.admin.add_token(actor, &wanted).await
}

/// Why what a program makes could stand nowhere, and who can change that.
async fn nowhere(site: &Site, actor: &Actor, client: &Client) -> Result<Option<String>, AdminError> {
    if !client.makes_aliases() || !site.admin.domains_for_aliases(actor).await?.is_empty() {
        return Ok(None);
    }
    let seen = site.admin.domain_names(actor).await?;
    let or_ask = match seen.as_slice() {
        _ if actor.only_account().is_none() => String::new(),
        [] => ", or ask the owner of this gateway to make you a manager of one".to_owned(),
        seen => format!(", or ask the owner of {} to make you a manager there", text::all_ours(seen)),
    };
    Ok(Some(format!(
        "There is no domain on which you may make aliases, so a program could make none. Add one{or_ask}."
    )))
}

fn find(name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.name == name)
}

/// Where programs reach this gateway: the address that was set, else the one that the page was reached by.
fn address(site: &Site, request: &Request) -> String {
    if let Some(url) = &site.settings.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let scheme = if Channel::of(&site.settings, request) == Channel::Secure { "https" } else { "http" };
    shield::host(request).map_or_else(|| site.url(""), |host| format!("{scheme}://{host}"))
}

/// The certificate that a program meets at this address, where it is the gateway's own and nobody else vouches for it. In front
/// of a proxy it is that one's.
fn untrusted(site: &Site, url: &str) -> Option<Untrusted> {
    let is_ours = site.settings.serves_https && site.settings.trusted_proxies.is_empty();
    let host = url.strip_prefix("https://").filter(|_| is_ours)?.parse::<Authority>().ok()?.host().to_ascii_lowercase();
    let certificate = site.admin.certificates.self_signed_for(&host)?;
    let is_for_it = certificate.names.iter().any(|name| name.eq_ignore_ascii_case(&host));
    Some(Untrusted {
        names: text::all_ours(&certificate.names),
        other: (!is_for_it).then(|| text::ours(&host)),
        pem: certificate.pem,
    })
}

/// The token that a program needs, as the change that it means.
fn wanted(client: &Client, filled: &Filled) -> Map<String, Value> {
    let mut change = filled.change(&["name", "default_domain"]);
    change.insert("scopes".to_owned(), json!(client.scopes));
    if !filled.get("domain").is_empty() {
        change.insert("domains".to_owned(), json!([filled.get("domain")]));
        change.insert("default_domain".to_owned(), json!(filled.get("domain")));
    }
    change
}

async fn show(
    site: &Site,
    actor: &Actor,
    (client, token): (&'static Client, Option<&str>),
    shown: Shown<'_>,
) -> Response {
    frame::answer(shown.error.as_ref(), build(site, actor, (client, token), &shown).await)
}

async fn build(
    site: &Site,
    actor: &Actor,
    (client, token): (&'static Client, Option<&str>),
    shown: &Shown<'_>,
) -> Result<ClientPage, AdminError> {
    let tokens = site.admin.tokens(actor).await?.items;
    let wanted = shown.made.as_ref().map(|made| made.id.to_string()).or_else(|| token.map(str::to_owned));
    let waits = wanted.and_then(|id| tokens.iter().find(|token| token.id.to_string() == id));
    let domains = site.admin.domain_names(actor).await?;
    let written = |key| shown.filled.map_or("", |filled| filled.get(key)).to_owned();
    let called = written("name");
    let untrusted = untrusted(site, &shown.url);
    Ok(ClientPage {
        frame: Frame::inside(site, client.title, "connect"),
        name: client.name,
        title: client.title,
        about: client.about,
        scopes: client.scopes.join(", "),
        why: client.why,
        then: client.then,
        wrong: shown.error.as_ref().map(forms::faults).unwrap_or_default(),
        nowhere: nowhere(site, actor, client).await?,
        called: if called.is_empty() { free_name(client.name, &tokens) } else { called },
        domains,
        domain: written("domain"),
        makes_aliases: client.makes_aliases(),
        default_domain: proposed(site, actor, written("default_domain")).await?,
        copied: shown.made.as_ref().map(|made| copied(client, made, (shown, untrusted.as_ref()))).unwrap_or_default(),
        untrusted,
        waiting: waits.map(|token| waiting(token, site.admin.clock.now())),
    })
}

/// What was chosen, else what is proposed.
async fn proposed(site: &Site, actor: &Actor, chosen: String) -> Result<String, AdminError> {
    if chosen.is_empty() { Ok(site.admin.proposed_domain(actor).await?.unwrap_or_default()) } else { Ok(chosen) }
}

/// `curl`, or `curl 2` where that is taken.
fn free_name(name: &str, tokens: &[TokenShape]) -> String {
    let mut names = (1..=MAX_NAMES).map(|n| if n == 1 { name.to_owned() } else { format!("{name} {n}") });
    names.find(|name| tokens.iter().all(|token| token.name != *name)).unwrap_or_default()
}

fn copied(client: &Client, made: &TokenShape, (shown, untrusted): (&Shown<'_>, Option<&Untrusted>)) -> Vec<Copied> {
    let (token, url) = (made.token.as_deref().unwrap_or_default(), &shown.url);
    let value = |part| match part {
        Part::Url => url.clone(),
        Part::Token => token.to_owned(),
    };
    let fields = client.fields.iter().map(|(label, part)| (*label, value(*part)));
    let (plain, trusting) = client.trusting;
    let example =
        if untrusted.is_some() { client.example.replacen(plain, trusting, 1) } else { client.example.to_owned() };
    let run = ("Run this", example.replace("{url}", url).replace("{token}", token));
    let certificate = untrusted.map(|untrusted| ("waypost.pem", untrusted.pem.clone()));
    let all = fields.chain([run]).chain(certificate).enumerate();
    all.map(|(n, (label, value))| Copied { id: format!("copied-{n}"), label, value }).collect()
}

fn waiting(token: &TokenShape, now: Moment) -> Waiting {
    let from =
        || token.first_used_from.as_deref().map_or_else(|| "an address that was not noted".to_owned(), text::visible);
    let first = token.first_used_at.map(|at| (When::new(at, now), from()));
    Waiting { id: token.id.to_string(), name: text::short(&token.name, text::LINE), first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Scope;

    #[test]
    fn each_program_has_an_address_of_its_own_scopes_that_exist_and_an_example_with_both() {
        for (index, client) in CLIENTS.iter().enumerate() {
            assert!(CLIENTS[..index].iter().all(|other| other.name != client.name), "{}", client.name);
            assert!(client.scopes.iter().all(|scope| scope.parse::<Scope>().is_ok()), "{}", client.name);
            for part in ["{url}", "{token}"] {
                assert_eq!(client.example.matches(part).count(), 1, "{}: {part}", client.name);
            }
            assert_eq!(client.example.matches(client.trusting.0).count(), 1, "{}", client.name);
        }
    }
}
