//! What rows add to the counters, summed in memory and written by one statement for each table.
//!
//! A row that changes its status is taken from the old one and added to the new, so that at every instant the counts of
//! the statuses add up to the messages accepted. One for several inboxes has a row for each: that it came in once, and was
//! checked once, is counted beside them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::Serialize;
use uuid::Uuid;

use super::inboxes::{self, Fared, Inboxes};
use super::{BOUNCED, Row, stats};
use crate::mail::Moment;
use crate::policy::ids::{AliasId, DomainId};
use crate::policy::status::Status;
use crate::store::columns::{json, signed};
use crate::store::statement::Statement;

pub(super) const HOUR_MILLIS: i64 = 3_600_000;
const DAY_MILLIS: i64 = 86_400_000;

/// Adds to counters, those of months, counts of aliases, hours of aliases, states of destinations; and says up to which row.
pub(in crate::store) const ADD: &str = concat!(
    "insert into counters (kind, scope, span, start, status, n) select value ->> 0, value ->> 1, value ->> 2, \
     value ->> 3, value ->> 4, value ->> 5 from json_each(?) where true \
     on conflict (kind, scope, span, start, status) do update set n = n + excluded.n; ",
    "insert into counters_by_month (kind, scope, start, status, n) select value ->> 0, value ->> 1, ",
    stats::month_of!("value ->> 3"),
    ", value ->> 4, value ->> 5 from json_each(?) where value ->> 2 = 'day' \
     on conflict (kind, scope, start, status) do update set n = n + excluded.n; ",
    "insert into alias_counts (alias_id, messages, forwarded, refused, dropped, failed, bounced, last_mail_at) \
     select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7 \
     from json_each(?) where true on conflict (alias_id) do update set messages = messages + excluded.messages, \
     forwarded = forwarded + excluded.forwarded, refused = refused + excluded.refused, \
     dropped = dropped + excluded.dropped, failed = failed + excluded.failed, bounced = bounced + excluded.bounced, \
     last_mail_at = coalesce(max(last_mail_at, excluded.last_mail_at), last_mail_at, excluded.last_mail_at); ",
    "insert into alias_hours (start, alias_id, messages) select value ->> 0, value ->> 1, value ->> 2 \
     from json_each(?) where true on conflict (start, alias_id) do update set messages = messages + excluded.messages; ",
    inboxes::add!(),
    "update tallied set seq = ? where id = 1"
);
/// Up to which row the counters have been written.
pub(in crate::store) const TALLIED: &str = "select seq from tallied where id = 1";

/// Counts refusals on the rows that they share.
pub(in crate::store) const SHARE: &str = "update activity set count = count + d.n from \
    (select value ->> 0 as seq, value ->> 1 as n from json_each(?1)) as d where activity.seq = d.seq";

/// Sums of one alias.
#[derive(Debug, Clone, Default)]
pub(super) struct AliasSums {
    messages: i64,
    pub(super) forwarded: i64,
    pub(super) refused: i64,
    pub(super) dropped: i64,
    pub(super) failed: i64,
    pub(super) bounced: i64,
    last_mail_at: Option<i64>,
}

impl AliasSums {
    /// What became of so much mail.
    pub(super) fn note(&mut self, status: &str, n: i64) {
        match status {
            "forwarded" => self.forwarded += n,
            "refused" | "refused_temporarily" => self.refused += n,
            "dropped" => self.dropped += n,
            "failed" | "expired" => self.failed += n,
            BOUNCED => self.bounced += n,
            _ => {}
        }
    }
}

/// What a row is counted by.
#[derive(Debug, Clone)]
pub(super) struct Counted<'r> {
    pub(super) at: Moment,
    pub(super) domain: Option<DomainId>,
    pub(super) alias: Option<AliasId>,
    pub(super) destination: Option<&'r str>,
    pub(super) count: i64,
    /// The gateway itself wrote it: it is no mail that came.
    pub(super) is_own: bool,
}

impl<'r> Counted<'r> {
    pub(super) fn of(row: &'r Row) -> Self {
        Self {
            at: row.received_at,
            domain: row.domain,
            alias: row.alias,
            destination: row.destination.as_deref(),
            count: signed(row.count.max(1)),
            is_own: row.own.is_some(),
        }
    }

    fn site(&self) -> Option<&'r str> {
        self.destination.and_then(|address| address.rsplit_once('@')).map(|(_, host)| host)
    }
}

/// The sums of some rows.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: usize,
    counters: HashMap<(&'static str, String, i64, &'static str), i64>,
    verdicts: HashMap<(&'static str, i64, i64, String), i64>,
    aliases: BTreeMap<i64, AliasSums>,
    alias_hours: BTreeMap<(i64, i64), i64>,
    messages: HashSet<(Uuid, i64)>,
    /// The messages and their recipients, by a hash of these.
    received: HashSet<(Uuid, u64)>,
    inboxes: Inboxes,
    shared: BTreeMap<i64, i64>,
}

impl AliasSums {
    fn absorb(&mut self, later: &Self) {
        self.messages += later.messages;
        self.forwarded += later.forwarded;
        self.refused += later.refused;
        self.dropped += later.dropped;
        self.failed += later.failed;
        self.bounced += later.bounced;
        self.last_mail_at = self.last_mail_at.max(later.last_mail_at);
    }
}

impl Tally {
    /// Counts a new row.
    pub(super) fn add(&mut self, row: &Row) {
        self.rows += 1;
        let counted = Counted::of(row);
        self.count(&counted, shown(row.status, row.bounced_at), 1);
        if self.is_copy(row) {
            self.note_copy(&counted);
        } else {
            self.note_verdicts(row, &counted);
        }
        for alias in row.alias.iter().chain(&row.passed) {
            self.note_message(row, *alias);
        }
        self.note_inbox(row.destination.as_deref(), Fared::of_row(row));
    }

    /// Counts on a row that refusals share.
    pub(super) fn share(&mut self, seq: i64, row: &Row) {
        *self.shared.entry(seq).or_default() += signed(row.count.max(1));
    }

    /// Moves a row from one status to another.
    pub(super) fn shift(&mut self, counted: &Counted<'_>, from: &'static str, to: &'static str) {
        if from != to {
            self.count(counted, from, -1);
            self.count(counted, to, 1);
        }
    }

    fn count(&mut self, counted: &Counted<'_>, status: &'static str, sign: i64) {
        if counted.is_own {
            return;
        }
        let n = sign * counted.count;
        let hour = hour_of(counted.at);
        *self.counters.entry(("instance", String::new(), hour, status)).or_default() += n;
        if let Some(domain) = counted.domain {
            *self.counters.entry(("domain", domain.0.to_string(), hour, status)).or_default() += n;
        }
        if let Some(site) = counted.site() {
            *self.counters.entry(("site", site.to_ascii_lowercase(), hour, status)).or_default() += n;
        }
        if let Some(alias) = counted.alias {
            self.aliases.entry(alias.0).or_default().note(status, n);
        }
    }

    /// Whether this recipient had this message before: for another inbox.
    fn is_copy(&mut self, row: &Row) -> bool {
        let mut hasher = DefaultHasher::new();
        row.recipient.to_ascii_lowercase().hash(&mut hasher);
        row.destination.is_some() && !self.received.insert((row.transaction, hasher.finish()))
    }

    /// It came in once.
    fn note_copy(&mut self, counted: &Counted<'_>) {
        if counted.is_own {
            return;
        }
        let hour = hour_of(counted.at);
        let domain = counted.domain.map(|domain| ("domain", domain.0.to_string()));
        for (kind, scope) in std::iter::once(("instance", String::new())).chain(domain) {
            *self.counters.entry((kind, scope, hour, stats::COPY)).or_default() -= counted.count;
        }
    }

    fn note_verdicts(&mut self, row: &Row, counted: &Counted<'_>) {
        let Some(domain) = counted.domain else { return };
        let hour = hour_of(counted.at);
        let mut note = |kind, verdict: Option<&str>| {
            if let Some(verdict) = verdict {
                let key = (kind, domain.0, hour, first_word(verdict).to_owned());
                *self.verdicts.entry(key).or_default() += counted.count;
            }
        };
        note("spf", row.auth.spf.as_deref());
        let passed = row.auth.dkim.iter().find(|verdict| first_word(verdict) == "pass");
        note("dkim", passed.or_else(|| row.auth.dkim.first()).map(String::as_str));
        note("dmarc", row.auth.dmarc.as_deref());
    }

    /// A message counts once for an alias, be it on its way to another and to however many destinations, and only if it was
    /// accepted.
    fn note_message(&mut self, row: &Row, alias: AliasId) {
        if !is_accepted(row.status) || !self.messages.insert((row.transaction, alias.0)) {
            return;
        }
        let sums = self.aliases.entry(alias.0).or_default();
        sums.messages += 1;
        sums.last_mail_at = sums.last_mail_at.max(Some(row.received_at.millis()));
        *self.alias_hours.entry((hour_of(row.received_at), alias.0)).or_default() += 1;
    }

    /// Notes what came of mail for an inbox.
    pub(super) fn note_inbox(&mut self, destination: Option<&str>, fared: Option<Fared>) {
        if let (Some(destination), Some(fared)) = (destination, fared) {
            self.inboxes.note(destination, fared);
        }
    }

    /// Adds what came after.
    pub(super) fn absorb(&mut self, later: &Self) {
        self.rows += later.rows;
        for (key, n) in &later.counters {
            *self.counters.entry(key.clone()).or_default() += n;
        }
        for (key, n) in &later.verdicts {
            *self.verdicts.entry(key.clone()).or_default() += n;
        }
        for (alias, sums) in &later.aliases {
            self.aliases.entry(*alias).or_default().absorb(sums);
        }
        for (key, n) in &later.alias_hours {
            *self.alias_hours.entry(*key).or_default() += n;
        }
        self.inboxes.absorb(&later.inboxes);
        for (seq, n) in &later.shared {
            *self.shared.entry(*seq).or_default() += n;
        }
    }

    /// Rows that were added.
    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// Whether rows that refusals share are to be counted on.
    pub(super) fn shares(&self) -> bool {
        !self.shared.is_empty()
    }

    /// The aliases that got mail. A refusal changes nothing of what rules count by.
    pub(super) fn aliases(&self) -> impl Iterator<Item = AliasId> {
        self.aliases.iter().filter(|(_, sums)| sums.messages != 0).map(|(key, _)| AliasId(*key))
    }

    /// Binds the values of [`ADD`]; the last row that is counted is `seq`.
    pub(super) fn bind(&self, add: Statement, seq: i64) -> Statement {
        let counters = self.counters();
        let add = add.bind(counters.clone()).bind(counters).bind(self.alias_counts()).bind(self.alias_hours());
        add.bind(self.inboxes()).bind(seq)
    }

    /// Rows for `counters`.
    fn counters(&self) -> String {
        let plain = self.counters.iter().filter(|(_, n)| **n != 0).flat_map(|((kind, scope, hour, status), n)| {
            spans(*hour).map(|(span, start)| (*kind, scope.clone(), span, start, (*status).to_owned(), *n))
        });
        let of_domains = self.verdicts.iter().map(|((kind, domain, hour, verdict), n)| {
            let key = (*kind, domain.to_string(), *hour, verdict.as_str());
            (key, *n)
        });
        let verdicts = of_domains.chain(self.verdicts_of_all()).flat_map(|((kind, scope, hour, verdict), n)| {
            spans(hour).map(|(span, start)| (kind, scope.clone(), span, start, verdict.to_owned(), n))
        });
        list(plain.chain(verdicts))
    }

    /// The verdicts of all domains together.
    fn verdicts_of_all(&self) -> HashMap<(&'static str, String, i64, &str), i64> {
        let mut all = HashMap::new();
        for ((kind, _, hour, verdict), n) in &self.verdicts {
            *all.entry((*kind, String::new(), *hour, verdict.as_str())).or_default() += n;
        }
        all
    }

    /// Rows for `alias_counts`.
    fn alias_counts(&self) -> String {
        list(self.aliases.iter().map(|(alias, s)| {
            (*alias, s.messages, s.forwarded, s.refused, s.dropped, s.failed, s.bounced, s.last_mail_at)
        }))
    }

    /// Rows for `alias_hours`.
    fn alias_hours(&self) -> String {
        list(self.alias_hours.iter().map(|((hour, alias), n)| (*hour, *alias, *n)))
    }

    /// Rows for `destination_state`.
    fn inboxes(&self) -> String {
        list(self.inboxes.rows())
    }

    /// Counts to add to shared rows, if any.
    pub(super) fn shared(&self) -> Option<String> {
        (!self.shared.is_empty()).then(|| list(self.shared.iter().map(|(seq, n)| (*seq, *n))))
    }
}

/// The status that a row is counted and shown under.
pub(super) const fn shown(status: Status, bounced_at: Option<Moment>) -> &'static str {
    match (status, bounced_at) {
        (Status::Forwarded, Some(_)) => BOUNCED,
        (status, _) => status.as_str(),
    }
}

/// Whether the client was told 250 (a drop is a 250 too).
pub(super) const fn is_accepted(status: Status) -> bool {
    !matches!(status, Status::Refused | Status::RefusedTemporarily | Status::Abandoned | Status::Duplicate)
}

/// The first millisecond of the hour.
pub(super) const fn hour_of(at: Moment) -> i64 {
    at.millis() - at.millis().rem_euclid(HOUR_MILLIS)
}

/// The first milliseconds of the hours that begin after `since`, up to `until`.
pub(super) fn hours_between(since: Moment, until: Moment) -> Vec<i64> {
    let hour = usize::try_from(HOUR_MILLIS).unwrap_or(1);
    (hour_of(since) + HOUR_MILLIS..=hour_of(until)).step_by(hour).collect()
}

fn spans(hour: i64) -> [(&'static str, i64); 2] {
    [("hour", hour), ("day", hour - hour.rem_euclid(DAY_MILLIS))]
}

/// `pass d=example.org s=mail` is counted as `pass`.
fn first_word(verdict: &str) -> &str {
    verdict.split([' ', ';', '(']).next().unwrap_or(verdict)
}

fn list<T: Serialize>(rows: impl Iterator<Item = T>) -> String {
    json(&rows.collect::<Vec<_>>())
}
