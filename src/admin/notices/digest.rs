//! The digest: what the gateway did in a stretch of time, what stands, and what was over.

use crate::mail::Moment;
use crate::policy::notices::Cause;
use crate::policy::notices::causes;
use crate::policy::notices::words::{self, Digest, Writer};
use crate::store::notices::Noted;

use super::super::stats::{CAME_IN, StatsFilter};
use super::super::{Actor, Admin, Result};

/// The figures, and what is counted for each.
const FIGURES: [(&str, &[&str]); 4] = [
    ("forwarded", &["forwarded"]),
    ("refused", &["refused", "refused_temporarily"]),
    ("failed or returned", &["failed", "expired", "bounced"]),
    ("waiting or held", &["queued", "deferred", "held"]),
];

/// What is told where there is any.
const FURTHER: [(&str, &[&str]); 5] = [
    ("dropped", &["dropped"]),
    ("cancelled", &["cancelled"]),
    ("repeats, not sent twice", &["duplicate"]),
    ("abandoned by their sender", &["abandoned"]),
    ("reports that came back", &["consumed"]),
];

impl Admin {
    /// Sends it, if it is due. The first one comes a stretch after the start, so that it has something to tell.
    pub(super) async fn send_digest(&self) -> Result<()> {
        let (digests, now) = (self.settings.notify().digest, self.clock.now());
        let Some(last) = self.store.notices.last_digest().await? else {
            return self.send_noting(Vec::new(), noted(now)).await;
        };
        let Some(due) = digests.due(last, now) else { return Ok(()) };
        let told = self.recipients().await?.of(None, &[], &[]).into_iter().cloned().collect::<Vec<_>>();
        // From the last one, however late this one is: what lies between them is told too.
        let figures = self.figures(last).await?;
        let open = causes::seen(&self.facts_of_notices(&Actor::operator()).await?).causes;
        let over = self.over_since(last).await?;
        let digest = Digest { since: last, figures, open: open.iter().collect(), over: over.iter().collect() };
        let mut mails = Vec::with_capacity(told.len());
        for to in told {
            mails.push(self.mail_to(to, now, &|writer: &Writer<'_>| words::digest(writer, &digest)).await?);
        }
        self.send_noting(mails, noted(due)).await
    }

    async fn figures(&self, since: Moment) -> Result<Vec<(&'static str, i64)>> {
        let filter = StatsFilter { since: Some(since.rfc3339()), ..StatsFilter::default() };
        let counted = self.stats(&Actor::operator(), &filter).await?;
        let sum = |keys: &[&str]| -> i64 {
            counted.series.iter().filter(|one| keys.contains(&one.key.as_str())).map(|one| one.total).sum()
        };
        let mut figures = vec![(CAME_IN, counted.came_in())];
        figures.extend(FIGURES.iter().map(|(word, keys)| (*word, sum(keys))));
        figures.extend(FURTHER.iter().map(|(word, keys)| (*word, sum(keys))).filter(|(_, count)| *count > 0));
        if counted.copies > 0 {
            figures.push(("more than came in: copies for further inboxes", counted.copies));
        }
        Ok(figures)
    }

    async fn over_since(&self, since: Moment) -> Result<Vec<Cause>> {
        let remembered = self.store.notices.remembered().await?;
        let over = remembered.into_iter().filter(|one| one.away_since() >= Some(since));
        Ok(over.map(|one| one.cause).collect())
    }
}

fn noted(at: Moment) -> Noted {
    Noted { digest: Some(at), ..Noted::default() }
}
