//! The world of a table: the policies in effect, and a message by the words of a case.

use std::sync::Arc;
use std::time::Duration;

use waypost::mail::header::HeaderFacts;
use waypost::mail::{Author, Domain, Moment, ReversePath};
use waypost::policy::admission::AfterData;
use waypost::policy::facts::{
    AuthFacts, DkimFacts, DkimResult, DmarcFacts, DmarcPolicy, DmarcResult, MessageFacts, SpfFacts, SpfResult,
};
use waypost::policy::ids::OWNER;
use waypost::policy::rule::{SenderLists, SenderPattern};
use waypost::policy::senders::{Late, Levels};
use waypost::policy::settings::{Abuse, Custody, Effective, Enforcement, Instance, TlsPolicy, Unauthenticated};

#[derive(Default)]
pub(crate) struct World {
    settings: String,
}

/// The values of `name=` among words.
fn values<'a>(words: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    words.split_whitespace().filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
}

fn value<'a>(words: &'a str, name: &'a str) -> Option<&'a str> {
    values(words, name).next()
}

fn enforcement(words: &str, name: &str) -> Enforcement {
    match value(words, name) {
        None | Some("observe") => Enforcement::Observe,
        Some("off") => Enforcement::Off,
        Some("enforce") => Enforcement::Enforce,
        Some(other) => panic!("{name}={other}?"),
    }
}

impl World {
    /// The policies from here on; one that is not named observes.
    pub(crate) fn set(&mut self, settings: &str) {
        settings.clone_into(&mut self.settings);
    }

    pub(crate) fn after_data(&self) -> AfterData {
        let words = self.settings.as_str();
        let unauthenticated = if value(words, "unauthenticated") == Some("reject") {
            Unauthenticated::Reject
        } else {
            Unauthenticated::Accept
        };
        AfterData {
            account: OWNER,
            spf: enforcement(words, "spf"),
            dkim: enforcement(words, "dkim"),
            dmarc: enforcement(words, "dmarc"),
            unauthenticated,
            senders: self.senders(),
            inner: Vec::new(),
        }
    }

    /// `LEVEL-allow=` and `LEVEL-block=`, with commas.
    fn senders(&self) -> Option<Arc<Late>> {
        let entries = |name: &str| {
            let entries = values(&self.settings, name).flat_map(|words| words.split(','));
            entries.map(|entry| SenderPattern::parse(entry).unwrap()).collect()
        };
        let [instance, domain, alias] = ["instance", "domain", "alias"].map(|level| SenderLists {
            allow: entries(&format!("{level}-allow")),
            block: entries(&format!("{level}-block")),
        });
        let effective = Effective::of(None, None, &self.instance());
        Levels { instance: &instance, domain: &domain, alias: &alias }.late(&effective)
    }

    /// `from=`, `author=` (several with commas, or `none`), `writer=` (the author's address), `spf=RESULT[:DOMAIN]`, `dkim=RESULT:DOMAIN`,
    /// `dmarc=RESULT[:POLICY]`; all domains are under their last two labels.
    pub(crate) fn facts(&self, words: &str) -> MessageFacts {
        let reverse_path = ReversePath::parse(value(words, "from").unwrap_or("ann@sender.example")).unwrap();
        let envelope = reverse_path.domain().map_or("helo.example".to_owned(), ToString::to_string);
        let author = value(words, "author").unwrap_or("sender.example");
        let author_domains = (author != "none").then(|| author.split(',').map(domain).collect());
        let dmarc = value(words, "dmarc").map(|words| dmarc(words, author));
        let auth = AuthFacts {
            spf: value(words, "spf").map(|words| spf(words, &envelope)),
            dkim: values(words, "dkim").map(dkim).collect(),
            dmarc,
            ..AuthFacts::default()
        };
        let signers = auth.dkim.iter().map(|signature| signature.domain.clone());
        let names: Vec<_> = signers.chain([envelope]).chain(author.split(',').map(str::to_owned)).collect();
        MessageFacts {
            now: Moment::from_millis(0),
            header: HeaderFacts {
                author_domains,
                author: value(words, "writer").map(Author::read),
                from_fields: 1,
                ..HeaderFacts::default()
            },
            auth,
            sender_is_hosted: reverse_path.domain() == Some(&domain("hosted.example")),
            reverse_path,
            organisational: names.iter().map(|name| (domain(name), organisation(name))).collect(),
        }
    }

    pub(crate) fn instance(&self) -> Instance {
        Instance {
            hostname: domain("mx.waypost.example"),
            srs_domain: None,
            spf: Enforcement::Observe,
            dkim: Enforcement::Observe,
            dmarc: Enforcement::Enforce,
            unauthenticated: Unauthenticated::Accept,
            abuse: Abuse::default(),
            authentication_results: true,
            forwarded_headers: false,
            tls: TlsPolicy::Opportunistic,
            custody: Custody::Careful,
            retry: vec![Duration::from_secs(60)],
            lifetime: Duration::from_secs(3600),
            direct_max_bytes: 2 << 20,
            direct_per_site: 20,
            direct_total: 500,
            subjects: true,
        }
    }
}

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn organisation(name: &str) -> Domain {
    let labels: Vec<_> = name.rsplit('.').take(2).collect();
    domain(&labels.into_iter().rev().collect::<Vec<_>>().join("."))
}

fn spf(words: &str, envelope: &str) -> SpfFacts {
    let (result, name) = words.split_once(':').unwrap_or((words, envelope));
    let all = [
        SpfResult::None,
        SpfResult::Neutral,
        SpfResult::Pass,
        SpfResult::Fail,
        SpfResult::SoftFail,
        SpfResult::TempError,
        SpfResult::PermError,
    ];
    let (result, by_plus_all) = if result == "plusall" { ("pass", true) } else { (result, false) };
    let result = all.into_iter().find(|one| one.as_str() == result).unwrap();
    SpfFacts { result, domain: name.to_owned(), by_plus_all }
}

fn dkim(words: &str) -> DkimFacts {
    let (result, name) = words.split_once(':').unwrap();
    let all = [DkimResult::Pass, DkimResult::Fail, DkimResult::Neutral, DkimResult::TempError, DkimResult::PermError];
    let result = all.into_iter().find(|one| one.as_str() == result).unwrap();
    DkimFacts { result, domain: name.to_owned(), selector: "s".to_owned(), detail: String::new() }
}

fn dmarc(words: &str, author: &str) -> DmarcFacts {
    let (result, policy) = words.split_once(':').unwrap_or((words, "unknown"));
    let all = [DmarcResult::None, DmarcResult::Pass, DmarcResult::Fail, DmarcResult::TempError, DmarcResult::PermError];
    let policies = [DmarcPolicy::None, DmarcPolicy::Quarantine, DmarcPolicy::Reject];
    let one_author = author != "none" && !author.contains(',');
    DmarcFacts {
        result: all.into_iter().find(|one| one.as_str() == result).unwrap(),
        policy: policies.into_iter().find(|one| one.as_str() == policy),
        domain: if one_author { author.to_owned() } else { String::new() },
        detail: String::new(),
    }
}
