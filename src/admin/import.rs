//! Bringing in many aliases at once: lines of `alias<TAB>destination`, all or nothing, each bad line named.
//!
//! An [`Importer`] takes the octets as they come, so that a file of any size needs the memory of its meaning only.

use std::collections::{BTreeSet, HashMap};

use tokio::sync::watch;

use crate::mail::{Domain, Mailbox};
use crate::policy::deeds::Deed;
use crate::policy::ids::DomainId;
use crate::policy::roles::Role;
use crate::policy::rule::Kind;
use crate::store::StoreError;
use crate::store::rules::{DomainRow, ImportLine, ListQuery};

use super::domains::reach_of;
use super::name::AliasName;
use super::{Access, Actor, Admin, AdminError, Area, Fault, MAX_LIMIT, Reach, Result};

/// Lines of one import.
pub const MAX_IMPORT_LINES: usize = 5_000_000;
/// Octets of one line.
const MAX_LINE_OCTETS: usize = 1024;
/// Bad lines that are named; the rest are counted.
const MAX_NAMED: usize = 100;
/// Inboxes that are looked at for whether they get mail.
const MAX_LOOKED_AT: usize = 10_000;

/// What is done with other tables.
const TABLES: &str = "a table with other columns (CSV) is read in the panel, under Aliases, Import";

/// Lines being read.
#[derive(Debug)]
pub struct Importer {
    domains: HashMap<Domain, DomainId>,
    rest: Vec<u8>,
    number: usize,
    lines: Vec<ImportLine>,
    numbers: Vec<usize>,
    faults: Vec<(usize, String)>,
    bad: usize,
    last: Option<(String, Mailbox)>,
}

/// Lines that are all sound, and their numbers in the file.
#[derive(Debug)]
pub struct ImportPlan {
    lines: Vec<ImportLine>,
    numbers: Vec<usize>,
    /// Where they lead to, as far as that is looked at.
    inboxes: Vec<Mailbox>,
}

impl ImportPlan {
    /// How many aliases they make.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Importer {
    /// Takes the next octets of the file.
    pub fn push(&mut self, octets: &[u8]) {
        let mut pieces = octets.split(|octet| *octet == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            if self.rest.len() <= MAX_LINE_OCTETS {
                self.rest.extend_from_slice(piece);
            }
            if pieces.peek().is_some() {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.number += 1;
        let line = std::mem::take(&mut self.rest);
        match self.read_line(&line) {
            Ok(None) => {}
            Ok(Some(line)) => {
                self.lines.push(line);
                self.numbers.push(self.number);
            }
            Err(detail) => self.fault(self.number, detail),
        }
        self.rest = line;
        self.rest.clear();
    }

    fn fault(&mut self, line: usize, detail: String) {
        self.bad += 1;
        if self.faults.len() < MAX_NAMED {
            self.faults.push((line, detail));
        }
    }

    /// Empty lines and those that begin with # say nothing.
    fn read_line(&mut self, octets: &[u8]) -> std::result::Result<Option<ImportLine>, String> {
        if octets.len() > MAX_LINE_OCTETS {
            return Err(format!("this is longer than {MAX_LINE_OCTETS} octets"));
        }
        let text = std::str::from_utf8(octets).map_err(|_| "this is not UTF-8".to_owned())?.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        if self.lines.len() >= MAX_IMPORT_LINES {
            return Err(format!("an import has at most {MAX_IMPORT_LINES} lines"));
        }
        let (alias, destination) = text.split_once('\t').ok_or_else(|| no_tab(text))?;
        if destination.trim().contains('\t') {
            return Err(format!("there is more in this line than alias and destination: {TABLES}"));
        }
        let name = AliasName::parse(alias)?;
        if name.kind != Kind::Address {
            return Err(format!("{} is a pattern: patterns are added one by one", alias.trim()));
        }
        let unknown = || format!("{} is not one of your domains", name.domain);
        let domain = *self.domains.get(&name.domain).ok_or_else(unknown)?;
        let destination = self.destination(destination.trim())?;
        if destination.domain() == Some(&name.domain)
            && destination.local().as_str().eq_ignore_ascii_case(&name.pattern)
        {
            return Err("the destination is the alias itself".to_owned());
        }
        Ok(Some(ImportLine { domain, local: name.pattern, destination }))
    }

    /// Lines in a row mostly have one destination: it is parsed and kept once.
    fn destination(&mut self, text: &str) -> std::result::Result<Mailbox, String> {
        if let Some((_, mailbox)) = self.last.as_ref().filter(|(last, _)| last == text) {
            return Ok(mailbox.clone());
        }
        let mailbox = Mailbox::parse(text).map_err(|why| format!("“{text}” is not an address: {why}"))?;
        self.last = Some((text.to_owned(), mailbox.clone()));
        Ok(mailbox)
    }

    /// Names the lines that repeat an alias of an earlier line.
    fn find_repeats(&mut self) {
        let key =
            |line: &ImportLine| (line.domain, crate::mail::LocalPart::from_plain(&line.local).map(|l| l.key()).ok());
        let mut order: Vec<_> = (0..self.lines.len()).collect();
        order.sort_by_cached_key(|index| key(&self.lines[*index]));
        let repeats: Vec<_> = order
            .windows(2)
            .filter(|pair| key(&self.lines[pair[0]]) == key(&self.lines[pair[1]]))
            .map(|pair| (self.numbers[pair[1]], self.numbers[pair[0]]))
            .collect();
        for (line, earlier) in repeats {
            self.fault(line, format!("this alias stands in line {earlier} already"));
        }
    }

    /// The lines, or their faults: all or nothing. A million lines take a second: not for an async thread.
    pub fn finish(mut self) -> Result<ImportPlan> {
        if !self.rest.is_empty() {
            self.end_line();
        }
        self.find_repeats();
        if self.bad == 0 {
            let inboxes: BTreeSet<_> = self.lines.iter().map(|line| &line.destination).collect();
            let inboxes = inboxes.into_iter().take(MAX_LOOKED_AT).cloned().collect();
            return Ok(ImportPlan { lines: self.lines, numbers: self.numbers, inboxes });
        }
        self.faults.sort();
        let faults = self.faults.iter().map(|(line, detail)| line_fault(*line, detail));
        let mut faults: Vec<_> = faults.collect();
        if let Some(more) = self.bad.checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            faults.push(Fault::new("lines", format!("{more} more lines are wrong")));
        }
        Err(AdminError::Invalid(faults))
    }
}

impl Admin {
    /// Begins an import.
    pub async fn importer(&self, actor: &Actor) -> Result<Importer> {
        actor.must(Area::Aliases, Access::Write)?;
        let own = self.usable_domains(actor).await?.into_iter().filter(|row| row.account == actor.account);
        let domains = own.map(|row| (row.name, row.key)).collect();
        let (rest, lines, numbers, faults) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Importer { domains, rest, number: 0, lines, numbers, faults, bad: 0, last: None })
    }

    /// The domains on which an actor is at home: its account's, and those where it is a manager.
    pub(super) async fn usable_domains(&self, actor: &Actor) -> Result<Vec<DomainRow>> {
        let member = Actor { role: Role::Member, ..actor.clone() };
        let mut domains = Vec::new();
        let mut cursor = None;
        loop {
            let query = ListQuery { account: Some(actor.account), cursor, limit: MAX_LIMIT, ..ListQuery::default() };
            let page = self.store.rules.domains(query).await?;
            let may = |row: &DomainRow| reach_of(&member, row) >= Some(Reach::Manage) && row.mirror_of.is_none();
            domains.extend(page.items.into_iter().filter(may));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(domains);
            }
        }
    }

    /// Inboxes that a plan leads to and that get no mail yet, as far as they are looked at and named.
    pub async fn unverified_in(&self, actor: &Actor, plan: &ImportPlan) -> Result<Vec<String>> {
        let outside = plan.inboxes.iter().filter(|to| !self.is_hosted(actor.account, &to.to_string()));
        let asked: Vec<_> = outside.map(|to| (actor.account, to.clone())).collect();
        let heard = self.have_said_yes(actor, &asked).await?;
        let unheard = asked.iter().zip(heard).filter(|(_, is_heard)| !is_heard);
        Ok(unheard.map(|((_, to), _)| to.to_string()).take(MAX_NAMED).collect())
    }

    /// Makes the aliases: all count from one moment on. Progress is told in lines. Returns how many were made.
    pub async fn import(&self, actor: &Actor, plan: ImportPlan, progress: watch::Sender<u64>) -> Result<u64> {
        actor.must(Area::Aliases, Access::Write)?;
        let last = self.store.rules.last_destination().await?;
        let audit = self.audit_plain(actor, Deed::AliasImport, &format!("{} aliases", plan.len()));
        let imported = self.store.rules.import(actor.account, plan.lines, progress, audit).await;
        let imported = imported.map_err(|error| match error {
            StoreError::Invalid(told) => {
                AdminError::Invalid(told.lines().map(|line| in_file(line, &plan.numbers)).collect())
            }
            other => other.into(),
        })?;
        // Here it costs the one who waits for the import; what is left of it would cost those whose mail comes next.
        if let Err(error) = self.index_aliases().await {
            tracing::warn!(%error, "the imported aliases are not in the search index yet");
        }
        self.hear_inboxes_since(actor, last).await;
        Ok(imported)
    }
}

fn no_tab(text: &str) -> String {
    let told = "there is no tab between alias and destination";
    if text.contains([',', ';']) { format!("{told}: {TABLES}") } else { told.to_owned() }
}

/// A fault that storage found, `line 7: …`: it counts the lines that say something, people count all of them.
fn in_file(told: &str, numbers: &[usize]) -> Fault {
    let parts = told.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    let place =
        parts.and_then(|(number, why)| Some((*numbers.get(number.parse::<usize>().ok()?.checked_sub(1)?)?, why)));
    match place {
        Some((number, why)) => line_fault(number, why),
        None => Fault::new("lines", told),
    }
}

fn line_fault(line: usize, detail: &str) -> Fault {
    Fault { field: format!("line {line}"), pointer: String::new(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn importer() -> Importer {
        let domains = HashMap::from([(Domain::parse("my.example").unwrap(), DomainId(1))]);
        let (rest, lines, numbers, faults) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Importer { domains, rest, number: 0, lines, numbers, faults, bad: 0, last: None }
    }

    #[test]
    fn lines_are_read_in_any_split() {
        let text = b"# mine\r\n\r\na@my.example\tx@inbox.example\r\nb@my.example\tx@inbox.example";
        for split in 0..text.len() {
            let mut importer = importer();
            importer.push(&text[..split]);
            importer.push(&text[split..]);
            let plan = importer.finish().unwrap();
            assert_eq!(plan.lines.iter().map(|line| line.local.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        }
    }

    #[test]
    fn each_bad_line_is_named() {
        let mut importer = importer();
        importer.push(b"a@my.example\tx@inbox.example\nno tab\n*@my.example\tx@inbox.example\n");
        importer.push(b"a@other.example\tx@inbox.example\nb@my.example\tnowhere\nA@my.example\ty@inbox.example\n");
        importer.push(b"c@my.example\tC@my.example\n\xff\tx@inbox.example\n");
        importer.push(b"d@my.example\tx@inbox.example\tfalse\nalias,active\n");
        let Err(AdminError::Invalid(faults)) = importer.finish() else { panic!("faults expected") };
        let places: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(places, ["line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 8", "line 9", "line 10"]);
        assert!(faults[4].detail.contains("line 1"), "{}", faults[4].detail);
        assert!(faults[7..].iter().all(|fault| fault.detail.ends_with(TABLES)), "{faults:?}");
        assert!(!faults[0].detail.contains(TABLES), "{faults:?}");
    }
}
