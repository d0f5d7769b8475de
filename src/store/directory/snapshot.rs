//! What is read whole: hosted domains, their patterns and catch-alls, the instance's blocks. A pattern that was compiled for
//! the snapshot before is not compiled again.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;

use crate::mail::{Domain, Mailbox};
use crate::policy::facts::Pattern;
use crate::policy::ids::{AccountId, DestinationId, DomainId};
use crate::policy::rule::{Destination, HostedDomain, Kind, Rule, SenderLists, SenderPattern};
use crate::store::Result;
use crate::store::columns::{Columns, broken};
use crate::store::matchers::Matchers;
use crate::store::rules::loaded::{self, Loaded};

/// Domains, each with the contact that it names.
const DOMAINS: &str = "select d.id, d.uuid, d.account_id, d.name, d.verified_at is not null, d.subaddressing, d.keep_tag, d.srs_domain, \
    (select m.name from domains as m where m.id = d.mirror_of and m.removed_at is null), \
    d.overrides, (select json_group_array(json_array(s.verdict, s.pattern) order by s.position) \
        from sender_lists as s where s.level = 'domain' and s.scope_id = d.id), \
    c.id, c.address, coalesce(c.verified_at, \
        (select w.verified_at from destinations as w where w.account_id = c.account_id and w.key = c.host)), \
    c.created_at \
    from domains as d left join destinations as c on c.account_id = d.account_id and c.key = lower(d.contact) \
    where d.removed_at is null";
/// Of each account, who gets mail that no other inbox is named for: its default, else the one that was added first; and who
/// would if that one went. They get mail: they are verified themselves, or (of the first five hundred by address) lie in a
/// trusted domain. An account may have a million, none of them verified.
macro_rules! contacts {
    ($of:literal) => {
        concat!(
            "select c.account_id, c.id, c.address, coalesce(c.verified_at, \
                (select w.verified_at from destinations as w where w.account_id = c.account_id and w.key = c.host)) as verified, \
            c.created_at from accounts as o cross join destinations as c on c.id in ( \
                select x.id from destinations as x where x.account_id = o.id and x.is_default = 1 \
                union select * from (select x.id from destinations as x indexed by destinations_verified \
                    where x.account_id = o.id and x.verified_at is not null and x.key not like '@%' order by x.id limit 2) as f \
                union select * from (select some.id from (select * from destinations where account_id = o.id limit 500) as some \
                    where some.key not like '@%' and exists (select 1 from destinations as w \
                        where w.account_id = o.id and w.key = some.host and w.verified_at is not null) order by some.id limit 2) as f) \
            where ",
            $of,
            "verified is not null order by c.account_id, c.is_default = 0, c.id"
        )
    };
}
const CONTACTS: &str = contacts!("");
/// Those of one account.
pub(in crate::store) const CONTACTS_OF: &str = contacts!("o.id = ?1 and ");
const PATTERNS: &str = concat!(
    "select ",
    loaded::columns!(),
    " where a.kind <> 'address' and d.removed_at is null and ",
    loaded::counts!(),
    " order by a.domain_id, a.priority, a.id"
);
const INSTANCE: &str = "select json_group_array(json_array(verdict, pattern) order by position) from sender_lists \
    where level = 'instance' and scope_id = 0";

/// For the test that prepares them.
#[cfg(test)]
pub(in crate::store) const fn statements() -> [&'static str; 7] {
    [DOMAINS, CONTACTS, CONTACTS_OF, PATTERNS, INSTANCE, super::lookup::BY_KEY, super::lookup::BY_KEYS]
}

/// A hosted domain with what is matched in it.
#[derive(Debug, Clone)]
pub(super) struct Hosted {
    pub(super) domain: Arc<HostedDomain>,
    pub(super) patterns: Arc<[Pattern]>,
    pub(super) catch_all: Option<Arc<Rule>>,
}

#[derive(Debug)]
pub(super) struct Snapshot {
    domains: HashMap<Domain, Hosted>,
    /// Of each account who gets mail that no other inbox is named for, and who would next.
    contacts: HashMap<AccountId, Vec<Destination>>,
    instance_senders: Arc<SenderLists>,
}

impl Snapshot {
    pub(super) async fn read(rules: &SqlitePool, matchers: &Matchers) -> Result<Self> {
        let mut reading = rules.begin().await?;
        let domains = sqlx::query(DOMAINS).fetch_all(&mut *reading).await?;
        let contacts = sqlx::query(CONTACTS).fetch_all(&mut *reading).await?;
        let patterns = sqlx::query(PATTERNS).fetch_all(&mut *reading).await?;
        let instance = sqlx::query(INSTANCE).fetch_one(&mut *reading).await?;
        reading.rollback().await?;
        let mut matched = matched(&patterns, matchers).await?;
        let mut hosted = HashMap::with_capacity(domains.len());
        for row in &domains {
            let domain = hosted_domain(row)?;
            let (patterns, catch_all) = matched.remove(&domain.id).unwrap_or_default();
            let entry = Hosted { domain: Arc::new(domain), patterns: patterns.into(), catch_all };
            hosted.insert(entry.domain.name.clone(), entry);
        }
        let instance_senders = Arc::new(senders(Columns::of(&instance).json("the instance's blocks")?));
        Ok(Self { domains: hosted, contacts: by_account(&contacts)?, instance_senders })
    }

    pub(super) fn get(&self, name: &Domain) -> Option<&Hosted> {
        self.domains.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.domains.len()
    }

    /// Who gets mail of an account that no other inbox is named for, and who would next.
    pub(super) fn contacts(&self, account: AccountId) -> &[Destination] {
        self.contacts.get(&account).map_or(&[], Vec::as_slice)
    }

    /// The domains of an account that name no contact which gets mail.
    pub(super) fn without_contact(&self, account: AccountId) -> impl Iterator<Item = &Domain> {
        let all = self.domains.values().map(|hosted| &hosted.domain);
        all.filter(move |domain| domain.account == account && domain.contact.is_none()).map(|domain| &domain.name)
    }

    pub(super) const fn instance_senders(&self) -> &Arc<SenderLists> {
        &self.instance_senders
    }
}

type Matched = HashMap<DomainId, (Vec<Pattern>, Option<Arc<Rule>>)>;

/// Patterns and catch-all of each domain, in the order that they are read in.
async fn matched(rows: &[SqliteRow], matchers: &Matchers) -> Result<Matched> {
    let mut all = Matched::new();
    for row in rows {
        let rule = Arc::new(Loaded::read(&mut Columns::of(row))?.into_rule());
        let (patterns, catch_all) = all.entry(rule.domain).or_default();
        if rule.kind == Kind::CatchAll {
            *catch_all = Some(rule);
            continue;
        }
        match matchers.compile(rule.kind, &rule.pattern).await {
            Ok(matcher) => patterns.push(Pattern { rule, matcher }),
            // It was checked when it was written down; a newer release may read patterns more strictly.
            Err(error) => {
                tracing::warn!(pattern = %rule.pattern, %error, "a pattern cannot be read and is passed over")
            }
        }
    }
    Ok(all)
}

fn hosted_domain(row: &SqliteRow) -> Result<HostedDomain> {
    let mut columns = Columns::of(row);
    Ok(HostedDomain {
        id: DomainId(columns.take()?),
        uuid: columns.uuid()?,
        account: AccountId(columns.take()?),
        name: columns.parsed("a domain", |text| Domain::parse(text).ok())?,
        verified: columns.flag()?,
        subaddressing: columns.flag()?,
        keep_tag: columns.flag()?,
        srs_domain: loaded::maybe_domain(columns.take()?)?,
        mirror_of: loaded::maybe_domain(columns.take()?)?,
        overrides: columns.json("the settings of a domain")?,
        senders: senders(columns.json("the senders of a domain")?),
        contact: contact(&mut columns)?.filter(|contact| contact.verified_at.is_some()),
    })
}

fn by_account(rows: &[SqliteRow]) -> Result<HashMap<AccountId, Vec<Destination>>> {
    let mut all = HashMap::<_, Vec<_>>::new();
    for row in rows {
        let mut columns = Columns::of(row);
        let account = AccountId(columns.take()?);
        all.entry(account).or_default().extend(contact(&mut columns)?);
    }
    Ok(all)
}

fn contact(columns: &mut Columns<'_>) -> Result<Option<Destination>> {
    let (id, address) = (columns.take::<Option<i64>>()?, columns.take::<Option<&str>>()?);
    let (verified_at, added_at) = (columns.maybe_moment()?, columns.maybe_moment()?);
    let (Some(id), Some(address), Some(added_at)) = (id, address, added_at) else { return Ok(None) };
    let address = Mailbox::parse(address).map_err(|_| broken("a destination"))?;
    Ok(Some(Destination { id: DestinationId(id), address, verified_at, added_at }))
}

/// Entries with their verdicts, parted.
pub(in crate::store) fn senders(entries: Vec<(String, String)>) -> SenderLists {
    let (allow, block): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(verdict, _)| verdict == "allow");
    let patterns = |entries: Vec<(String, String)>| entries.into_iter().map(|(_, p)| SenderPattern(p)).collect();
    SenderLists { allow: patterns(allow), block: patterns(block) }
}
