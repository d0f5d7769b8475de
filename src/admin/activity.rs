//! The log as people read it: lists with filters, one row or transaction, and the live stream.

use tokio::sync::broadcast;
use utoipa::IntoParams;
use uuid::Uuid;

use std::sync::Arc;

use crate::mail::Moment;
use crate::policy::status::Status;
use crate::store::StoreError;
use crate::store::activity::{DsnNote, Page, Query, Row};
use crate::store::queue::{Waiting, WaitingQuery};

use super::queue::mail_reach;
use super::shapes::{ActivityDetail, ActivityShape, ListShape};
use super::{Access, Actor, Admin, AdminError, Area, Fault, Paging, Reach, Result};

/// Which rows to list, as written.
#[derive(Debug, Clone, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActivityFilter {
    /// Only what has come to this; several parted by commas. What was forwarded and came back is `bounced`, and only that.
    #[param(value_type = Option<String>)]
    pub status: Vec<String>,
    /// Only this alias, by its id or as it is written.
    pub alias: Option<String>,
    /// Only this domain.
    pub domain: Option<String>,
    /// Only from this sender of the envelope.
    pub sender: Option<String>,
    /// Only for this address.
    pub recipient: Option<String>,
    /// Only to this inbox.
    pub destination: Option<String>,
    /// From this time on (RFC 3339, or a date alone).
    pub since: Option<String>,
    /// Before this time.
    pub until: Option<String>,
    /// `true`: only what the gateway itself wrote; `false`: only the rest.
    #[param(value_type = Option<bool>)]
    pub own: Option<bool>,
    /// An address, domain or id, or its beginning; else words of author, subject and reply, or a status. `q` means the same.
    pub search: Option<String>,
    /// Which page.
    #[param(ignore)]
    pub paging: Paging,
}

impl Admin {
    /// Lists rows, newest first.
    pub async fn activity(&self, actor: &Actor, filter: &ActivityFilter) -> Result<ListShape<ActivityShape>> {
        let page = self.activity_rows(actor, filter).await?;
        Ok(ListShape { items: page.rows.iter().map(ActivityShape::new).collect(), next_cursor: page.next_cursor })
    }

    /// The rows themselves, for the panel.
    pub async fn activity_rows(&self, actor: &Actor, filter: &ActivityFilter) -> Result<Page> {
        actor.must(Area::Activity, Access::Read)?;
        let query = self.activity_query(actor, filter).await?;
        let mut page = self.store.activity.list(query).await?;
        page.rows.retain_mut(|row| shows(actor, row));
        self.tell_next_tries(&mut page.rows).await?;
        Ok(page)
    }

    /// The log has the next try as it was when the last one ended; the queue knows of what delays it, and whether it runs.
    async fn tell_next_tries(&self, rows: &mut [Row]) -> Result<()> {
        let waiting: Vec<_> = rows.iter().filter(|row| row.status.waits()).map(|row| row.id).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let (next, now) = (self.store.queue.next_tries(&waiting).await?, self.clock.now());
        for row in rows.iter_mut().filter(|row| row.status.waits()) {
            row.next_attempt_at = match next.get(&row.id) {
                Some(Some(at)) => Some(*at),
                // What a try came to is in the log before the queue lets go of it.
                Some(None) => row.next_attempt_at.filter(|at| *at > now),
                None => row.next_attempt_at,
            };
        }
        Ok(())
    }

    async fn activity_query(&self, actor: &Actor, filter: &ActivityFilter) -> Result<Query> {
        let (account, beside) = self.seen_by(actor).await?;
        let mut query = Query {
            account,
            beside,
            asker: Some(actor.account),
            blind: actor.blind(),
            search: filter.search.clone().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
            own: filter.own,
            cursor: filter.paging.cursor.clone(),
            limit: filter.paging.rows(),
            ..Query::default()
        };
        read_statuses(&filter.status, &mut query)?;
        ask_by_status(&mut query);
        query.since = read_moment("since", filter.since.as_deref())?;
        query.until = read_moment("until", filter.until.as_deref())?;
        let folded = |text: &Option<String>| text.as_deref().map(str::trim).map(str::to_lowercase);
        query.sender = folded(&filter.sender);
        query.recipient = folded(&filter.recipient);
        query.destination = folded(&filter.destination);
        query.domain = self.one_domain(actor, filter.domain.as_deref()).await?.map(|row| row.key);
        if let Some(alias) = filter.alias.as_deref().filter(|text| !text.is_empty()) {
            query.alias = Some(self.alias_of_mail(actor, alias).await?.key);
        }
        if !actor.is_limited() && (query.domain.is_some() || query.alias.is_some()) {
            // Whose it is was found out with the domain or the alias itself.
            (query.account, query.beside) = (None, Vec::new());
        }
        Ok(query)
    }

    /// One row by its id; or, by the id of a transaction, its first row with all of them in `items`.
    pub async fn activity_detail(&self, actor: &Actor, id: &str) -> Result<ActivityDetail> {
        let rows = self.activity_of(actor, id).await?;
        let mut details: Vec<_> = rows.iter().map(ActivityDetail::new).collect();
        let mut first = details.first().cloned().ok_or_else(|| AdminError::missing("message", id))?;
        if details.len() > 1 {
            first.items = std::mem::take(&mut details);
        }
        Ok(first)
    }

    /// The row of this id, or the rows of the transaction of this id; of a report of ours that waits, the row that it is about.
    pub async fn activity_of(&self, actor: &Actor, id: &str) -> Result<Vec<Row>> {
        actor.must(Area::Activity, Access::Read)?;
        let missing = || AdminError::missing("message", id);
        let uuid = Uuid::try_parse(id).map_err(|_| missing())?;
        let mut rows = match self.store.activity.get(uuid).await {
            Ok(row) => vec![row],
            Err(StoreError::NotFound) => self.rows_beside(uuid).await?,
            Err(other) => return Err(other.into()),
        };
        rows.retain_mut(|row| shows(actor, row));
        self.tell_next_tries(&mut rows).await?;
        self.tell_reports(&mut rows).await?;
        if rows.is_empty() { Err(missing()) } else { Ok(rows) }
    }

    /// Those of some rows that the actor may see.
    pub async fn activity_of_each(&self, actor: &Actor, ids: &[Uuid]) -> Result<Vec<Row>> {
        actor.must(Area::Activity, Access::Read)?;
        let mut rows = self.store.activity.those(ids).await?;
        rows.retain_mut(|row| shows(actor, row));
        Ok(rows)
    }

    /// The log has that a report went into the queue, and how it ended; the queue knows how it fares until then.
    async fn tell_reports(&self, rows: &mut [Row]) -> Result<()> {
        let report = |row: &Row| row.dsn.as_ref().and_then(DsnNote::in_queue);
        let reports: Vec<_> = rows.iter().filter_map(report).collect();
        if reports.is_empty() {
            return Ok(());
        }
        let waiting = self.store.queue.listed(&WaitingQuery::default(), &reports).await?;
        for row in rows.iter_mut() {
            let found = report(row).and_then(|id| waiting.iter().find(|one| one.id == id));
            if let Some(found) = found {
                row.dsn = Some(DsnNote::waiting(&fares(found)));
            }
        }
        Ok(())
    }

    async fn rows_beside(&self, id: Uuid) -> Result<Vec<Row>> {
        let rows = self.transaction_rows(id).await?;
        if !rows.is_empty() {
            return Ok(rows);
        }
        match self.store.queue.get(id).await {
            Ok(claim) => Ok(self.store.activity.those(claim.delivery.about.as_slice()).await?),
            Err(StoreError::NotFound) => Ok(Vec::new()),
            Err(other) => Err(other.into()),
        }
    }

    async fn transaction_rows(&self, id: Uuid) -> Result<Vec<Row>> {
        match self.store.activity.transaction(id).await {
            Err(StoreError::NotFound) => Ok(Vec::new()),
            other => Ok(other?),
        }
    }

    /// Hears of every row written or changed; what the actor may see of it is for [`Admin::shown`].
    pub fn live(&self, actor: &Actor) -> Result<broadcast::Receiver<Arc<Row>>> {
        actor.must(Area::Activity, Access::Read)?;
        Ok(self.store.activity.subscribe())
    }

    /// A row as an actor may see it, if at all.
    #[must_use]
    pub fn shown(&self, actor: &Actor, row: &Arc<Row>) -> Option<Arc<Row>> {
        match row_reach(actor, row)? {
            Reach::Look => Some(Arc::new(without_author(Row::clone(row)))),
            Reach::Manage | Reach::Own => Some(Arc::clone(row)),
        }
    }

    /// Whether a row is told to an actor without its subject.
    #[must_use]
    pub fn reads_no_subject(&self, actor: &Actor, row: &Row) -> bool {
        row_reach(actor, row) == Some(Reach::Look)
    }
}

/// How a report fares in the queue: its state, its tries, and what it was answered last.
fn fares(report: &Waiting) -> String {
    let state = match report.state {
        "held" => "held until somebody releases it",
        "leased" => "being tried now",
        _ => "waiting",
    };
    let tries = match report.tries {
        0 => "not tried yet".to_owned(),
        1 => "tried once".to_owned(),
        tries => format!("tried {tries} times"),
    };
    let said = report.answer.as_ref().map(|answer| format!(": {}", answer.reply)).unwrap_or_default();
    format!("{state}, {tries}{said}")
}

fn row_reach(actor: &Actor, row: &Row) -> Option<Reach> {
    mail_reach(actor, (row.account, row.domain), &row.recipient)
}

/// Whether an actor may see a row; a viewer sees neither subject nor author.
pub(super) fn shows(actor: &Actor, row: &mut Row) -> bool {
    let reach = row_reach(actor, row);
    if reach == Some(Reach::Look) {
        *row = without_author(row.clone());
    }
    reach.is_some()
}

/// Without subject and author; nor does anything name the author's domain, unless the sender's is the same: no verdict, no
/// reply, no name of the client, and no Message-ID, which ends with it as a rule.
fn without_author(row: Row) -> Row {
    let mut row = Row { subject: None, ..row };
    let Some(author) = row.author.take() else { return row };
    if author.is_of(&row.sender) {
        return row;
    }
    row.message_id = None;
    let client = row.client.name.iter_mut().chain([&mut row.client.helo]);
    let verdicts = row.auth.dkim.iter_mut().chain(&mut row.auth.dmarc).chain(&mut row.auth.arc);
    let replies = row.attempts.iter_mut().map(|attempt| &mut attempt.reply);
    let steps = row.trace.iter_mut().map(|step| &mut step.detail);
    let texts = std::iter::once(&mut row.reason).chain(client).chain(verdicts).chain(replies).chain(steps);
    texts.for_each(|text| *text = author.hidden_in(text));
    row
}

fn read_statuses(words: &[String], query: &mut Query) -> Result<()> {
    for word in words.iter().flat_map(|words| words.split(',')).map(str::trim).filter(|word| !word.is_empty()) {
        match Status::parse(word) {
            Some(status) => query.statuses.push(status),
            None if word == "bounced" => query.bounced = true,
            None => {
                let known: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
                let detail = format!("“{word}” is no status: write one of {}, bounced", known.join(", "));
                return Err(AdminError::Invalid(vec![Fault::new("status", detail)]));
            }
        }
    }
    Ok(())
}

/// What people call mail that has not gone yet, tried or not.
const WAITING: &str = "waiting";

/// A search of one word that names a status asks for what has come to it, where no filter does.
fn ask_by_status(query: &mut Query) {
    let word = query.search.as_deref().unwrap_or_default().to_lowercase().replace(' ', "_");
    let named = match word.as_str() {
        WAITING => vec![Status::Queued, Status::Deferred],
        word => Status::parse(word).into_iter().collect(),
    };
    let is_bounced = word == "bounced";
    if !query.statuses.is_empty() || query.bounced || (named.is_empty() && !is_bounced) {
        return;
    }
    query.search = None;
    query.bounced = is_bounced;
    query.statuses = named;
}

pub(super) fn read_moment(field: &str, text: Option<&str>) -> Result<Option<Moment>> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let moment = Moment::parse_rfc3339(text).or_else(|| Moment::parse_rfc3339(&format!("{text}T00:00:00Z")));
    let wrong = || AdminError::field(field, "write a time as 2027-01-31 or 2027-01-31T12:00:00Z");
    moment.map(Some).ok_or_else(wrong)
}
