//! `waypost domain`: the domains whose mail comes here.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::alias;
use super::api::{Api, escaped};
use super::listing::{self, Paging};
use super::output::{Column, Output, cell};
use super::policy::{self, Setting};
use super::sure;
use crate::mail::in_unicode;

const COLUMNS: [Column; 6] = [
    ("NAME", "/unicode"),
    ("VERIFIED", "/verified_at"),
    ("CATCH-ALL", "/catch_all"),
    ("SUB-ADDRESSES", "/subaddressing"),
    ("CONTACT", "/contact"),
    ("DNS", "/dns"),
];

/// Aliases of a removed domain that are counted.
const MAX_COUNTED: usize = 500;
/// And named.
const MAX_NAMED: usize = 5;

#[derive(Debug, Subcommand)]
pub(super) enum Domain {
    /// Host one domain, or many: all of them, or none
    Add(Add),
    /// All domains
    List(Paging),
    /// One domain
    Show {
        /// The domain name
        name: String,
    },
    /// Change a domain
    Set(Box<Set>),
    /// Look again whether the domain is proven
    Verify {
        /// The domain name
        name: String,
    },
    /// Stop hosting a domain: its settings and all its aliases go, and there is no undo; its log stays. At a terminal you are
    /// asked before
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The domain name
    name: String,
    /// Ask nothing at a terminal; where there is none, nothing is asked
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The domain names
    #[arg(required = true)]
    names: Vec<String>,
    /// With the settings and aliases of this domain; of a mirror, with its settings
    #[arg(long, value_name = "DOMAIN")]
    like: Option<String>,
    /// With the aliases of this domain for ever, and what is set at each: a mirror. It has settings of its own: policy,
    /// senders let in and kept out, tags, contact
    #[arg(long, value_name = "DOMAIN")]
    mirror_of: Option<String>,
}

/// What mail to unknown addresses gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CatchAll {
    /// Sent on
    Forward,
    /// The first mail makes an alias
    Create,
    /// Taken and thrown away
    Drop,
    /// Refused with a text of its own
    Reject,
    /// Refused as unknown
    Off,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The domain name
    name: String,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// What becomes of mail to addresses that are no alias
    #[arg(long, value_name = "MODE")]
    catch_all: Option<CatchAll>,
    /// Where the catch-all sends mail
    #[arg(long, value_name = "ADDRESS", requires = "catch_all")]
    to: Vec<String>,
    /// Whether shop+tag@ finds shop@
    #[arg(long, value_name = "true|false")]
    subaddressing: Option<bool>,
    /// Whether the tag is passed on to the destination
    #[arg(long, value_name = "true|false")]
    keep_tag: Option<bool>,
    /// The domain of rewritten senders; "" for its own
    #[arg(long, value_name = "DOMAIN")]
    srs_domain: Option<String>,
    /// Who gets mail to postmaster and abuse; "" for the default destination
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,
    /// The domain whose aliases are this one's too, with what is set at each; it keeps settings of its own; "" to end it
    #[arg(long, value_name = "DOMAIN")]
    mirror_of: Option<String>,
    /// A sender that may write: an address, @domain or a glob; no policy refuses it where SPF or DKIM proves it.
    /// 'authenticated:@domain' means only who is proved; "" for none
    #[arg(long, value_name = "SENDER")]
    allow: Vec<String>,
    /// A sender that is refused, of the envelope or as the author (From): an address, @domain or a glob;
    /// 'authenticated:@domain' means only who is proved; "" for none
    #[arg(long, value_name = "SENDER")]
    block: Vec<String>,
    /// A policy of its own: spf, dkim, dmarc (off, observe, enforce), unauthenticated (accept, reject), tls (opportunistic,
    /// require); inherit takes the server's again
    #[arg(long, value_name = "NAME=VALUE", value_parser = policy::setting)]
    policy: Vec<Setting>,
}

pub(super) async fn run(command: Domain, api: &Api, out: Output) -> anyhow::Result<()> {
    match command {
        Domain::Add(add) => self::add(&add, api, out).await,
        Domain::List(paging) => {
            let mut answer = listing::fetch(api, "/v1/domains", &[], paging).await?;
            answer.value["items"].as_array_mut().into_iter().flatten().for_each(as_it_holds);
            out.list(&answer, &COLUMNS)
        }
        Domain::Show { name } => out.object(&api.get(&path(&name)).await?, show),
        Domain::Set(set) => {
            let answer = api.patch(&path(&set.name), &Value::Object(fields(&set.changes))).await?;
            let unverified = unverified(&set, api).await?;
            out.object(&answer, |domain| format!("{}{unverified}", show(domain)))
        }
        Domain::Verify { name } => {
            let answer = api.post(&format!("{}/verify", path(&name)), &json!({})).await?;
            out.object(&answer, show)
        }
        Domain::Remove(remove) => self::remove(&remove, api, out).await,
    }
}

async fn remove(remove: &Remove, api: &Api, out: Output) -> anyhow::Result<()> {
    let (name, asks) = (&remove.name, !remove.yes && sure::is_attended());
    let going = if asks || !out.is_json() { Going::of(name, api).await? } else { Going::default() };
    if asks {
        sure::ask(&format!("{name} {}. There is no undo.", going.goes()))?;
    }
    let answer = api.delete(&path(name)).await?;
    out.object(&answer, |_| format!("{name} is not hosted here any more. {}", going.went()))
}

/// The records to publish are one command away.
async fn add(add: &Add, api: &Api, out: Output) -> anyhow::Result<()> {
    let [name] = add.names.as_slice() else {
        let answer = api.post("/v1/domains/batch", &new(add, "names", add.names.clone().into())).await?;
        return out.object(&answer, |added| {
            let names = added["items"].as_array().into_iter().flatten().map(|domain| cell(domain, "/unicode"));
            format!("{} are hosted here now.", names.collect::<Vec<_>>().join(", "))
        });
    };
    let answer = api.post("/v1/domains", &new(add, "name", name.clone().into())).await?;
    out.object(&answer, |domain| {
        let name = cell(domain, "/unicode");
        format!("{name} is hosted here now. What to publish for it: waypost dns {name}")
    })
}

fn new(add: &Add, field: &str, names: Value) -> Value {
    let given = [(field, Some(names)), ("like", add.like.clone().map(Value::from))];
    let given = given.into_iter().chain([("mirror_of", add.mirror_of.clone().map(Value::from))]);
    Value::Object(given.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

/// The aliases that go with a domain.
#[derive(Default)]
struct Going {
    count: usize,
    /// There are more than were counted.
    is_more: bool,
    /// The first of them.
    named: String,
}

impl Going {
    async fn of(name: &str, api: &Api) -> anyhow::Result<Self> {
        let there = api.get(&format!("/v1/aliases?domain={}&limit={MAX_COUNTED}", escaped(name))).await?;
        let named = there.items().iter().take(MAX_NAMED).map(|alias| cell(alias, "/address"));
        Ok(Self {
            count: there.items().len(),
            is_more: there.value["next_cursor"].is_string(),
            named: named.collect::<Vec<_>>().join(", "),
        })
    }

    /// How they are named behind their number.
    fn names(&self) -> String {
        match self.count {
            count if count <= MAX_NAMED => format!(": {}", self.named),
            _ => format!(", {} among them", self.named),
        }
    }

    /// Before, behind the name of the domain.
    fn goes(&self) -> String {
        match self.count {
            0 => "goes; it has no aliases".to_owned(),
            1 => format!("goes with its alias{}", self.names()),
            _ if self.is_more => format!("goes with more than {MAX_COUNTED} aliases{}", self.names()),
            count => format!("goes with its {count} aliases{}", self.names()),
        }
    }

    /// Afterwards.
    fn went(&self) -> String {
        match self.count {
            0 => "It had no aliases.".to_owned(),
            1 => format!("Its alias went with it{}.", self.names()),
            _ if self.is_more => format!("More than {MAX_COUNTED} aliases went with it{}.", self.names()),
            count => format!("Its {count} aliases went with it{}.", self.names()),
        }
    }
}

/// What keeps mail from the destinations of a catch-all that was just set.
async fn unverified(set: &Set, api: &Api) -> anyhow::Result<String> {
    match set.changes.catch_all {
        Some(CatchAll::Forward | CatchAll::Create) => {
            let alias = api.get(&format!("/v1/aliases/{}", escaped(&format!("*@{}", set.name)))).await?;
            Ok(alias::unverified(&alias.value))
        }
        _ => Ok(String::new()),
    }
}

fn path(name: &str) -> String {
    format!("/v1/domains/{}", escaped(name))
}

fn word(mode: CatchAll) -> &'static str {
    match mode {
        CatchAll::Forward => "forward",
        CatchAll::Create => "create",
        CatchAll::Drop => "drop",
        CatchAll::Reject => "reject",
        CatchAll::Off => "off",
    }
}

fn fields(changes: &Changes) -> Map<String, Value> {
    let entries = |entries: &Vec<String>| {
        let named: Vec<_> = entries.iter().filter(|entry| !entry.is_empty()).cloned().collect();
        (!entries.is_empty()).then(|| named.into())
    };
    let or_none = |text: &String| if text.is_empty() { Value::Null } else { text.clone().into() };
    let given = [
        ("catch_all", changes.catch_all.map(|mode| word(mode).into())),
        ("catch_all_destinations", Some(&changes.to).filter(|to| !to.is_empty()).map(|to| to.clone().into())),
        ("subaddressing", changes.subaddressing.map(Value::Bool)),
        ("keep_tag", changes.keep_tag.map(Value::Bool)),
        ("srs_domain", changes.srs_domain.as_ref().map(or_none)),
        ("contact", changes.contact.as_ref().map(or_none)),
        ("mirror_of", changes.mirror_of.as_ref().map(or_none)),
        ("allow", entries(&changes.allow)),
        ("block", entries(&changes.block)),
        ("policy", policy::field(&changes.policy)),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A mirror has the catch-all of another domain, and none of its own.
fn as_it_holds(domain: &mut Value) {
    if let Some(original) = domain["mirror_of"].as_str() {
        domain["catch_all"] = format!("as {}", in_unicode(original)).into();
    }
}

fn show(domain: &Value) -> String {
    let mut domain = domain.clone();
    as_it_holds(&mut domain);
    let labels = [
        ("name", "/unicode"),
        ("verified", "/verified_at"),
        ("catch-all", "/catch_all"),
        ("sub-addresses", "/subaddressing"),
        ("keep tag", "/keep_tag"),
        ("srs domain", "/srs_domain"),
        ("contact", "/contact"),
        ("mirror of", "/mirror_of"),
        ("allow", "/allow"),
        ("block", "/block"),
        ("policy", "/policy"),
        ("dns", "/dns"),
        ("since", "/created_at"),
    ];
    listing::sheet(&domain, &labels)
}
