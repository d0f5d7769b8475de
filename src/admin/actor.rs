//! Who asks, and what they may: an account's rights as they are now, narrowed by the scopes and domains of a token.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use crate::mail::Domain;
use crate::policy::ids::{AccountId, DomainId, OWNER};
use crate::policy::roles::{DomainRole, Role};
use crate::store::accounts::{Grant, SessionRow, Standing, TokenRow};

use super::{AdminError, Result};

/// What a right is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Area {
    /// Domains.
    Domains,
    /// Aliases.
    Aliases,
    /// Destinations.
    Destinations,
    /// The log.
    Activity,
    /// The queue.
    Queue,
    /// The account itself: tokens, sessions.
    Account,
    /// Everything.
    Admin,
}

impl Area {
    /// Every area, as scopes write it.
    pub const ALL: [(Self, &str); 7] = [
        (Self::Domains, "domains"),
        (Self::Aliases, "aliases"),
        (Self::Destinations, "destinations"),
        (Self::Activity, "activity"),
        (Self::Queue, "queue"),
        (Self::Account, "account"),
        (Self::Admin, "admin"),
    ];

    /// As scopes write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(area, _)| *area == self).map_or("", |(_, word)| word)
    }
}

/// How far a right goes; the later includes the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// See it.
    Read,
    /// See and change it.
    Write,
}

/// One scope of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `aliases:read`, `aliases:write`; the bare `aliases` is the latter.
    Of(Area, Access),
    /// `aliases:create`: make aliases, and nothing else.
    CreateAliases,
}

impl Scope {
    /// Whether this scope lets do what `wanted` names.
    #[must_use]
    pub fn includes(self, wanted: Self) -> bool {
        match (self, wanted) {
            (Self::Of(Area::Admin, access), Self::Of(_, needed)) => access >= needed,
            (Self::Of(area, access), Self::Of(wanted, needed)) => area == wanted && access >= needed,
            (Self::Of(Area::Admin | Area::Aliases, Access::Write), Self::CreateAliases) => true,
            (Self::CreateAliases, wanted) => wanted == Self::CreateAliases,
            _ => false,
        }
    }
}

impl FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "aliases:create" {
            return Ok(Self::CreateAliases);
        }
        let (word, access) = match text.split_once(':') {
            None => (text, Some(Access::Write)),
            Some((word, "read")) => (word, Some(Access::Read)),
            Some((word, "write")) => (word, Some(Access::Write)),
            Some((word, _)) => (word, None),
        };
        let area = Area::ALL.iter().find(|(_, name)| *name == word).map(|(area, _)| *area);
        area.zip(access).map(|(area, access)| Self::Of(area, access)).ok_or_else(|| {
            format!(
                "“{text}” is no scope: write one of domains, aliases, destinations, activity, queue, account, admin, \
                 each alone or with :read or :write, or aliases:create"
            )
        })
    }
}

/// The bare name means both; what a token was made with is shown as it was written.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(area, Access::Read) => write!(f, "{}:read", area.as_str()),
            Self::Of(area, Access::Write) => f.write_str(area.as_str()),
            Self::CreateAliases => f.write_str("aliases:create"),
        }
    }
}

/// By what name a change stands in the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorName {
    /// Whoever reaches the control socket.
    Operator,
    /// A token, by its name.
    Token(String),
    /// A person in the panel.
    Session,
    /// The gateway itself, by the clock.
    Upkeep,
    /// Whoever reads an inbox, by the link that was sent there.
    Inbox,
    /// Somebody before the door.
    Visitor,
}

impl fmt::Display for ActorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Token(name) => write!(f, "token {name}"),
            Self::Session => f.write_str("session"),
            Self::Upkeep => f.write_str("upkeep"),
            Self::Inbox => f.write_str("verification link"),
            Self::Visitor => f.write_str("visitor"),
        }
    }
}

/// What a token brings along for requests that leave it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The domain of new aliases.
    pub domain: Option<String>,
    /// The format of random aliases.
    pub alias_format: Option<String>,
    /// Where new aliases send mail.
    pub destination: Option<String>,
}

/// How far an actor's rights on one domain go; the later includes the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// See it, its aliases, and its log without subjects.
    Look,
    /// Change it and its aliases, see its log whole, work its queue.
    Manage,
    /// Remove it.
    Own,
}

/// What lets somebody in, by its id: whoever holds on to an answer for long is looked up by it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// None that could end: the operator, and the gateway itself.
    Inherent,
    /// A session of the panel.
    Session(Uuid),
    /// A token of the API.
    Token(Uuid),
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inherent => f.write_str("inherent"),
            Self::Session(id) => write!(f, "session {id}"),
            Self::Token(id) => write!(f, "token {id}"),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// On whose behalf.
    pub account: AccountId,
    /// What this account is, now: a token made in better days goes no further.
    pub role: Role,
    /// Its roles on domains of others.
    pub grants: Arc<[Grant]>,
    /// The mirrors of these, with the same roles. They open the mail that came by them, for their aliases are those of the
    /// original, and nothing else.
    pub mirrors: Arc<[Grant]>,
    /// The session or token by which it asks.
    pub by: Credential,
    /// By what name.
    pub name: ActorName,
    /// What for.
    pub scopes: Vec<Scope>,
    /// Only these domains (empty: all of the account).
    pub domains: Vec<String>,
    /// What it brings along.
    pub defaults: Defaults,
    /// Whether it takes back what was done, and so may say again what nobody may say anew: a time that is over.
    pub restores: bool,
}

impl Actor {
    /// The operator at the control socket: the owner, without limits.
    #[must_use]
    pub fn operator() -> Self {
        Self::whole(OWNER, ActorName::Operator)
    }

    /// The gateway itself, acting for the owner of what it changes.
    #[must_use]
    pub fn upkeep(account: AccountId) -> Self {
        Self::whole(account, ActorName::Upkeep)
    }

    /// Whoever reads an inbox that this account asked. No right comes with it.
    #[must_use]
    pub(super) fn inbox(account: AccountId) -> Self {
        Self { scopes: Vec::new(), ..Self::whole(account, ActorName::Inbox) }
    }

    /// A person in the panel.
    #[must_use]
    pub fn session(row: &SessionRow, standing: Standing) -> Self {
        let whole = Self::whole(row.account, ActorName::Session);
        let (grants, mirrors) = (standing.grants.into(), standing.mirrors.into());
        Self { role: standing.role, grants, mirrors, by: Credential::Session(row.id), ..whole }
    }

    /// The bearer of a token. A scope that this version does not know gives no right.
    #[must_use]
    pub fn token(row: &TokenRow, standing: Standing) -> Self {
        Self {
            account: row.account,
            role: standing.role,
            grants: standing.grants.into(),
            mirrors: standing.mirrors.into(),
            by: Credential::Token(row.id),
            name: ActorName::Token(row.name.clone()),
            scopes: row.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
            domains: row.domains.clone(),
            defaults: Defaults {
                domain: row.default_domain.clone(),
                alias_format: row.alias_format.clone(),
                destination: row.default_destination.clone(),
            },
            restores: false,
        }
    }

    /// The same, taking back what was done.
    #[must_use]
    pub(super) fn restoring(&self) -> Self {
        Self { restores: true, ..self.clone() }
    }

    /// The account itself without limits, as what it just did to sign in is told.
    pub(super) fn whole(account: AccountId, name: ActorName) -> Self {
        Self {
            account,
            role: Role::Owner,
            grants: Arc::default(),
            mirrors: Arc::default(),
            by: Credential::Inherent,
            name,
            scopes: vec![Scope::Of(Area::Admin, Access::Write)],
            domains: Vec::new(),
            defaults: Defaults::default(),
            restores: false,
        }
    }

    /// Whether a scope is among this actor's rights.
    #[must_use]
    pub fn has(&self, wanted: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.includes(wanted))
    }

    /// The session, where it is one.
    #[must_use]
    pub const fn session_id(&self) -> Option<Uuid> {
        match self.by {
            Credential::Session(id) => Some(id),
            Credential::Inherent | Credential::Token(_) => None,
        }
    }

    /// Whether this is a token that is for some domains only.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !self.domains.is_empty()
    }

    /// Whether what is for these domains only (none: for all) goes no further than this actor.
    #[must_use]
    pub fn covers(&self, domains: &[String]) -> bool {
        !self.is_limited() || !domains.is_empty() && domains.iter().all(|domain| self.domains.contains(domain))
    }

    /// Whether this actor may act for the whole instance: the owner or an admin, with the scope `admin`.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.oversees(Access::Write)
    }

    /// Whether the instance itself is this actor's to see, or to change: what is limited to domains is not for the instance,
    /// whatever its scopes.
    #[must_use]
    pub fn oversees(&self, access: Access) -> bool {
        self.sees_all() && !self.is_limited() && self.has(Scope::Of(Area::Admin, access))
    }

    /// Whether this actor's account sees what belongs to others, as far as its scopes go.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.role >= Role::Admin
    }

    /// How far this actor's rights go on a domain of `owner`; none where it may not know of it.
    #[must_use]
    pub fn reach(&self, owner: AccountId, domain: Option<DomainId>, name: &Domain) -> Option<Reach> {
        if !self.sees_domain(name) {
            return None;
        }
        if self.sees_all() || owner == self.account {
            return Some(Reach::Own);
        }
        role_on(domain, &self.grants)
    }

    /// How far they go on mail that came for it: whoever sees the aliases of a domain sees what comes to them by a mirror of it.
    #[must_use]
    pub fn reach_of_mail(&self, owner: AccountId, domain: Option<DomainId>, name: &Domain) -> Option<Reach> {
        let by_original = || role_on(domain, &self.mirrors).filter(|_| self.sees_domain(name));
        self.reach(owner, domain, name).or_else(by_original)
    }

    /// The domains of others on which this actor has a role.
    #[must_use]
    pub fn granted(&self) -> Vec<DomainId> {
        self.grants.iter().map(|grant| grant.domain).collect()
    }

    /// Those of which it sees the mail.
    #[must_use]
    pub fn granted_mail(&self) -> Vec<DomainId> {
        self.grants.iter().chain(&*self.mirrors).map(|grant| grant.domain).collect()
    }

    /// Those of them of whose mail it is not told the subjects.
    #[must_use]
    pub fn blind(&self) -> Vec<DomainId> {
        let all = self.grants.iter().chain(&*self.mirrors);
        let viewed = all.filter(|grant| grant.role == DomainRole::Viewer && !self.sees_all());
        viewed.map(|grant| grant.domain).collect()
    }

    /// The account that lists are of; none where they are of all.
    #[must_use]
    pub fn only_account(&self) -> Option<AccountId> {
        (!self.sees_all()).then_some(self.account)
    }

    /// The account whose destinations are seen; none where those of all are. What a token of some domains is not about, it
    /// does not see.
    #[must_use]
    pub fn only_inboxes_of(&self) -> Option<AccountId> {
        if self.domains.is_empty() { self.only_account() } else { Some(self.account) }
    }

    /// Refuses what no scope allows, naming the scope that would.
    pub fn must(&self, area: Area, access: Access) -> Result<()> {
        self.must_have(Scope::Of(area, access))
    }

    /// Refuses whoever cannot make aliases.
    pub fn must_create_aliases(&self) -> Result<()> {
        self.must_have(Scope::CreateAliases)
    }

    fn must_have(&self, wanted: Scope) -> Result<()> {
        if self.has(wanted) {
            return Ok(());
        }
        Err(AdminError::Forbidden(format!("This token has no right to this: it needs the scope {wanted}.")))
    }

    /// Refuses to change how somebody signs in, which is to all domains, by what is for some of them.
    pub fn must_be_unlimited(&self) -> Result<()> {
        if !self.is_limited() {
            return Ok(());
        }
        let detail = "This token is limited to some domains: how its account signs in is not for it to change.";
        Err(AdminError::Forbidden(detail.to_owned()))
    }

    /// Refuses what only the instance's owner and its admins decide.
    pub fn must_be_admin(&self, what: &str) -> Result<()> {
        self.must_be_admin_with(Access::Write, what)
    }

    /// Refuses what only the instance's owner and its admins see.
    pub fn must_see_all(&self, what: &str) -> Result<()> {
        self.must_be_admin_with(Access::Read, what)
    }

    fn must_be_admin_with(&self, access: Access, what: &str) -> Result<()> {
        if self.oversees(access) {
            return Ok(());
        }
        let who = "Only the owner of this gateway and its admins may";
        let how = match self.by {
            Credential::Session(_) => "",
            _ if self.is_limited() => "; a token needs the scope admin without a limit to domains",
            _ => "; a token needs the scope admin",
        };
        Err(AdminError::Forbidden(format!("{who} {what}{how}.")))
    }

    /// Whether this actor may see the domain.
    #[must_use]
    pub fn sees_domain(&self, name: &Domain) -> bool {
        !self.is_limited() || self.domains.iter().any(|domain| domain == name.as_str())
    }
}

fn role_on(domain: Option<DomainId>, grants: &[Grant]) -> Option<Reach> {
    let grant = grants.iter().find(|grant| Some(grant.domain) == domain)?;
    Some(match grant.role {
        DomainRole::Viewer => Reach::Look,
        DomainRole::Manager => Reach::Manage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn a_bare_name_means_both_and_write_includes_read() {
        assert_eq!(scope("domains"), scope("domains:write"));
        for text in ["domains", "domains:read", "aliases:create"] {
            assert_eq!(scope(text).to_string(), text);
        }
        assert!(scope("domains").includes(scope("domains:read")));
        assert!(!scope("domains:read").includes(scope("domains:write")));
        assert!(!scope("domains").includes(scope("aliases:read")));
    }

    #[test]
    fn creating_aliases_is_a_right_of_its_own() {
        assert!(scope("aliases").includes(Scope::CreateAliases));
        assert!(!scope("aliases:read").includes(Scope::CreateAliases));
        assert!(!Scope::CreateAliases.includes(scope("aliases:read")));
    }

    #[test]
    fn admin_includes_all_others_as_far_as_it_goes() {
        for (_, word) in Area::ALL {
            assert!(scope("admin").includes(scope(word)), "{word}");
            assert!(!scope("admin:read").includes(scope(word)), "{word}");
            assert!(scope("admin:read").includes(scope(&format!("{word}:read"))), "{word}");
        }
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for text in ["", "alias", "aliases:delete", "aliases:", ":read", "Domains"] {
            assert!(text.parse::<Scope>().is_err(), "{text:?}");
        }
    }
}
