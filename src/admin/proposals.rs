//! What a form proposes before anybody has chosen: on which domain a new alias stands.

use std::collections::HashSet;

use crate::mail::Domain;
use crate::policy::ids::AccountId;
use crate::policy::records::Standing;
use crate::store::rules::ListQuery;

use super::{Actor, Admin, MAX_LIMIT, Reach, Result};

/// How good a domain is as a proposal; the smaller is the better.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    OwnAndArriving,
    Own,
    OwnUnproved,
    OfOthers,
}

impl Admin {
    /// The domain that is proposed for a new alias, of those on which the actor may make one: that of the newest alias of
    /// the own account, if it is proved; else the account's first at which mail arrives, its first that is proved, or its
    /// first; else the first proved one of others. What somebody else has merely claimed is proposed to nobody.
    pub async fn proposed_domain(&self, actor: &Actor) -> Result<Option<String>> {
        let open = self.domains_open_to(actor).await?;
        if let Some(last) = self.domain_used_last(actor).await?
            && open.iter().any(|(account, name)| (*account, name) == (actor.account, &last) && self.is_proved(name))
        {
            return Ok(Some(last.to_string()));
        }
        let arriving = self.arriving(actor).await?;
        let better = |fit: Fit, name: &Domain| {
            if fit == Fit::Own && arriving.contains(name) { Fit::OwnAndArriving } else { fit }
        };
        let fits =
            open.iter().filter_map(|(account, name)| Some((better(self.fit(actor, *account, name)?, name), name)));
        Ok(fits.min_by(|a, b| a.0.cmp(&b.0)).map(|(_, name)| name.to_string()))
    }

    /// The names of the domains on which the actor may make aliases: a mirror has those of another domain.
    pub async fn domains_for_aliases(&self, actor: &Actor) -> Result<Vec<String>> {
        Ok(self.domains_open_to(actor).await?.into_iter().map(|(_, name)| name.to_string()).collect())
    }

    /// The names of the domains that the actor may make others like.
    pub async fn domains_to_copy(&self, actor: &Actor) -> Result<Vec<String>> {
        let all = self.names_within(actor, Reach::Manage, |_| true).await?;
        Ok(all.into_iter().map(|(_, name)| name.to_string()).collect())
    }

    async fn domains_open_to(&self, actor: &Actor) -> Result<Vec<(AccountId, Domain)>> {
        let is_mirror =
            |name: &Domain| self.store.directory.domain(name).is_some_and(|hosted| hosted.mirror_of.is_some());
        self.names_within(actor, Reach::Manage, |name| !is_mirror(name)).await
    }

    async fn domain_used_last(&self, actor: &Actor) -> Result<Option<Domain>> {
        let query = ListQuery { account: Some(actor.account), limit: 1, ..ListQuery::default() };
        let newest = self.store.rules.aliases(query).await?.items;
        Ok(newest.into_iter().next().map(|alias| alias.domain_name))
    }

    /// The own domains whose records were as they must be when DNS was asked last.
    async fn arriving(&self, actor: &Actor) -> Result<HashSet<Domain>> {
        let query = ListQuery { account: Some(actor.account), limit: MAX_LIMIT, ..ListQuery::default() };
        let rows = self.store.rules.domains(query).await?.items.into_iter();
        Ok(rows.filter(|row| row.dns == Standing::Ok.as_str()).map(|row| row.name).collect())
    }

    fn fit(&self, actor: &Actor, account: AccountId, name: &Domain) -> Option<Fit> {
        match (account == actor.account, self.is_proved(name)) {
            (true, true) => Some(Fit::Own),
            (true, false) => Some(Fit::OwnUnproved),
            (false, true) => Some(Fit::OfOthers),
            (false, false) => None,
        }
    }

    /// Whether a domain's zone, or an admin's word, says whose it is: until then it gets no mail.
    #[must_use]
    pub fn is_proved(&self, name: &Domain) -> bool {
        !self.facts.is_claimed(name, &self.facts.instance.load())
    }
}
