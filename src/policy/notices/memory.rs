//! What is remembered of causes, and what is news. A cause that flickers is told seldom: the more often it has come again,
//! the longer it must be away before it is called over, up to a day. What nobody heard of is news again, until somebody has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Cause, HOUR, Kind, MINUTE};
use crate::mail::Moment;

/// A cause must be away so long to be over, the first time; each time that it came again doubles it.
const CALM: Duration = MINUTE.saturating_mul(15);
/// But no longer than this.
const LONGEST_CALM: Duration = HOUR.saturating_mul(24);
/// A cause that came again within this time has come again; after it, it is a new one.
const COMES_AGAIN: Duration = HOUR.saturating_mul(24 * 7);
/// Whom a notice was written to and who refused it is written to again of the same cause after so long, if it still stands
/// and nobody else has heard of it.
const REFUSED_FOR: Duration = HOUR.saturating_mul(6);
/// What is over is remembered so long.
const KEPT: Duration = HOUR.saturating_mul(24 * 30);
/// Causes that are remembered; of more, those that came first are told.
pub const MAX_REMEMBERED: usize = 2000;

/// How a cause stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Seen, and not yet told.
    Pending,
    /// Told, or to be told as soon as there is a way.
    Open,
    /// Told to be over.
    Over,
}

impl State {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Open => "open",
            Self::Over => "over",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Open, Self::Over].into_iter().find(|state| state.as_str() == word)
    }
}

/// A cause as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// As it was seen last.
    pub cause: Cause,
    /// How it stands.
    pub state: State,
    /// When it was seen first, this time.
    pub began_at: Moment,
    /// When it was told last.
    pub told_at: Option<Moment>,
    /// Since when it is away.
    pub gone_since: Option<Moment>,
    /// When it was over: since it is away, however much later that was told.
    pub ended_at: Option<Moment>,
    /// How often it has begun lately.
    pub turns: u32,
    /// Who was told by mail that it began, and when.
    pub told: BTreeMap<String, Moment>,
    /// Whose mail about it came to nothing, and when that was found.
    pub refused: BTreeMap<String, Moment>,
}

/// What an inbox did since it refused to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// It took other mail.
    TookMail,
    /// It was verified.
    Verified,
}

impl Remembered {
    /// Since when what was told of does not stand any more, be its end told yet or not.
    #[must_use]
    pub const fn away_since(&self) -> Option<Moment> {
        match self.state {
            State::Pending => None,
            State::Open => self.gone_since,
            State::Over => self.ended_at,
        }
    }

    /// Whether who refused to hear of it may be written to again, now that this has happened. Mail of another kind may well
    /// arrive where a notice does not: after it, as long as the notice was old when it was refused, so that a notice which is
    /// refused each time is sent ever more seldom.
    #[must_use]
    pub fn may_hear(&self, address: &str, since: Since, now: Moment) -> bool {
        let Some(refused_at) = self.refused.get(address) else { return true };
        let rest = refused_at.since(self.began_at).min(REFUSED_FOR);
        since == Since::Verified || now.since(*refused_at) >= rest
    }

    /// Whether those whose mail about it came to nothing may be written to again, where nobody else is left to tell.
    #[must_use]
    pub fn may_try_again(&self, now: Moment) -> bool {
        self.told_at.is_none_or(|told_at| now.since(told_at) >= REFUSED_FOR)
    }
}

/// What is seen now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The causes that stand.
    pub causes: Vec<Cause>,
    /// How many more were found and are not told, so many stand.
    pub more: usize,
    /// Kinds that could not be looked at: of them nothing is over.
    pub blind: BTreeSet<Kind>,
    /// Who is told first, refused to hear of some causes, and can hear of them by now; by what a cause is known again by.
    pub again: BTreeMap<(String, String), BTreeSet<String>>,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It has begun.
    Began,
    /// It stands, and nobody has heard of it; or not who is to hear of it first.
    Unheard,
    /// It is over.
    Ended,
}

/// A cause that changed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// As it is to be remembered.
    pub after: Remembered,
    /// What is to be told of it, if anything.
    pub news: Option<News>,
    /// Of those who refused to hear of it, who can by now.
    pub again: BTreeSet<String>,
}

impl Change {
    const fn new(after: Remembered, news: Option<News>) -> Self {
        Self { after, news, again: BTreeSet::new() }
    }

    /// These are written to now: whoever of them refused before is waited for again.
    pub fn tell(&mut self, told: impl IntoIterator<Item = String>, now: Moment) {
        for to in told {
            self.after.refused.remove(&to);
            self.after.told.insert(to, now);
            self.after.told_at = Some(now);
        }
    }
}

/// What a look changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// What is to be remembered anew.
    pub changed: Vec<Change>,
    /// What is to be forgotten.
    pub forgotten: Vec<(String, String)>,
}

/// Holds what is seen against what is remembered.
#[must_use]
pub fn look(remembered: Vec<Remembered>, seen: Seen, now: Moment) -> Changes {
    let mut changes = Changes::default();
    let mut new: BTreeMap<_, _> = seen.causes.into_iter().map(|cause| (cause.key(), cause)).collect();
    let room = MAX_REMEMBERED.saturating_sub(remembered.len());
    for before in remembered {
        let cause = new.remove(&before.cause.key());
        let is_blind = seen.blind.contains(&before.cause.kind);
        match cause {
            Some(cause) => {
                let again = seen.again.get(&cause.key());
                changes.note(&before, told_again(stands(before.clone(), cause, now), again));
            }
            None if is_blind => {}
            None => match is_away(before.clone(), now) {
                Some(after) => changes.note(&before, after),
                None => changes.forgotten.push(before.cause.key()),
            },
        }
    }
    changes.changed.extend(new.into_values().take(room).map(|cause| begins(cause, now)));
    changes
}

/// What is remembered as people are to see it, now and not as of the last look: what is gone is over for them at once, and
/// what is back stands again. Nothing of it is told by mail, which waits whether it stays so. With numbers, the newest first;
/// what is seen for the first time has numbers that nobody remembers yet.
#[must_use]
pub fn shown(remembered: Vec<(i64, Remembered)>, seen: Seen, now: Moment) -> Vec<(i64, Remembered)> {
    let mut new: BTreeMap<_, _> = seen.causes.into_iter().map(|cause| (cause.key(), cause)).collect();
    let next = remembered.iter().map(|(number, _)| number + 1).max().unwrap_or(1);
    let as_it_is = |(number, before): (i64, Remembered)| {
        let after = match new.remove(&before.cause.key()) {
            Some(cause) => Some(stands(before, cause, now).after),
            // Nobody looks yet; what was gone when somebody did is no less gone.
            None if seen.blind.contains(&before.cause.kind) && before.gone_since.is_none() => Some(before),
            None => gone(before, now),
        };
        after.map(|after| (number, after))
    };
    let mut all: Vec<_> = remembered.into_iter().filter_map(as_it_is).collect();
    all.extend((next..).zip(new.into_values().map(|cause| begins(cause, now).after)));
    all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    all
}

/// What nobody was told of, and is gone, was nothing.
fn gone(before: Remembered, now: Moment) -> Option<Remembered> {
    let at = before.gone_since.unwrap_or(now);
    match before.state {
        State::Over => Some(before),
        State::Pending if before.turns == 0 => None,
        State::Pending | State::Open => Some(over(before, at, None).after),
    }
}

impl Changes {
    fn note(&mut self, before: &Remembered, change: Change) {
        if change.after != *before || change.news.is_some() {
            self.changed.push(change);
        }
    }
}

fn begins(cause: Cause, now: Moment) -> Change {
    let state = State::Pending;
    let seen = Remembered {
        cause,
        state,
        began_at: now,
        told_at: None,
        gone_since: None,
        ended_at: None,
        turns: 0,
        told: BTreeMap::new(),
        refused: BTreeMap::new(),
    };
    ripened(seen, now)
}

fn stands(before: Remembered, cause: Cause, now: Moment) -> Change {
    let mut after = Remembered { cause, gone_since: None, ..before };
    if after.state == State::Over {
        let is_again = after.ended_at.is_some_and(|ended| now.since(ended) < COMES_AGAIN);
        after.turns = if is_again { after.turns } else { 0 };
        (after.state, after.began_at, after.told_at) = (State::Pending, now, None);
        (after.told, after.refused) = (BTreeMap::new(), BTreeMap::new());
    }
    ripened(after, now)
}

/// Who can hear of it by now hears of it, whoever has heard of it meanwhile.
fn told_again(mut change: Change, again: Option<&BTreeSet<String>>) -> Change {
    if let Some(again) = again.filter(|_| change.after.state == State::Open) {
        change.again.clone_from(again);
        change.news = change.news.or(Some(News::Unheard));
    }
    change
}

/// What has stood long enough is told.
fn ripened(mut after: Remembered, now: Moment) -> Change {
    let is_ripe = after.state == State::Pending && now.since(after.began_at) >= after.cause.kind.patience();
    if !is_ripe {
        let is_unheard = after.state == State::Open && after.told.is_empty();
        return Change::new(after, is_unheard.then_some(News::Unheard));
    }
    (after.state, after.ended_at) = (State::Open, None);
    after.turns = after.turns.saturating_add(1);
    Change::new(after, Some(News::Began))
}

fn is_away(before: Remembered, now: Moment) -> Option<Change> {
    let gone_since = before.gone_since.unwrap_or(now);
    let away = now.since(gone_since);
    let after = Remembered { gone_since: Some(gone_since), ..before };
    match after.state {
        State::Over if now.since(after.ended_at.unwrap_or(gone_since)) >= KEPT => None,
        State::Pending if away >= CALM => (after.turns > 0).then(|| over(after, gone_since, None)),
        State::Open if away >= calm(after.turns) => Some(over(after, gone_since, Some(News::Ended))),
        _ => Some(Change::new(after, None)),
    }
}

fn over(after: Remembered, at: Moment, news: Option<News>) -> Change {
    Change::new(Remembered { state: State::Over, ended_at: Some(at), ..after }, news)
}

fn calm(turns: u32) -> Duration {
    CALM.saturating_mul(1 << turns.saturating_sub(1).min(16)).min(LONGEST_CALM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::checkup::Severity;

    const START: i64 = 1_795_373_784_000;

    fn cause(kind: Kind) -> Cause {
        Cause {
            id: kind.as_str().to_owned(),
            kind,
            subject: "inbox.example".to_owned(),
            severity: Severity::Fault,
            since: None,
            what: "It refuses.".to_owned(),
            remedy: "Wait.".to_owned(),
        }
    }

    /// Plays minutes: in which of them the cause stands; gives the minutes of news.
    struct Play {
        now: u64,
        remembered: Vec<Remembered>,
        news: Vec<(u64, News)>,
        kind: Kind,
        /// There is nobody to hear.
        is_deaf: bool,
    }

    impl Play {
        fn of(kind: Kind) -> Self {
            Self { now: 0, remembered: Vec::new(), news: Vec::new(), kind, is_deaf: false }
        }

        fn pass(&mut self, minutes: u64, stands: bool) -> &mut Self {
            for _ in 0..minutes {
                let causes = if stands { vec![cause(self.kind)] } else { Vec::new() };
                self.look(Seen { causes, ..Seen::default() });
                self.now += 1;
            }
            self
        }

        fn look(&mut self, seen: Seen) {
            let now = Moment::from_millis(START).after(MINUTE * u32::try_from(self.now).unwrap());
            let changes = look(self.remembered.clone(), seen, now);
            self.remembered.retain(|old| {
                let is_old = |change: &Change| change.after.cause.key() == old.cause.key();
                !changes.changed.iter().any(is_old) && !changes.forgotten.contains(&old.cause.key())
            });
            for mut change in changes.changed {
                if change.news.is_some_and(|news| news != News::Ended) && !self.is_deaf {
                    change.tell(["boss@office.example".to_owned()], now);
                }
                self.news.extend(change.news.map(|news| (self.now, news)));
                self.remembered.push(change.after);
            }
        }
    }

    #[test]
    fn one_word_when_it_begins_one_when_it_is_over_and_quiet_in_between() {
        let mut play = Play::of(Kind::Untold);
        play.pass(10, false).pass(600, true).pass(600, false);
        assert_eq!(play.news, [(10, News::Began), (625, News::Ended)]);
        assert_eq!(play.remembered[0].state, State::Over);
    }

    #[test]
    fn a_kind_with_patience_waits_and_what_passes_meanwhile_is_never_told() {
        let mut play = Play::of(Kind::Drift);
        play.pass(59, true).pass(30, false);
        assert_eq!((play.news.len(), play.remembered.len()), (0, 0), "{:?}", play.news);
        play.pass(61, true);
        assert_eq!(play.news, [(149, News::Began)]);
    }

    #[test]
    fn a_gap_that_is_short_is_no_end() {
        let mut play = Play::of(Kind::Untold);
        for _ in 0..20 {
            play.pass(50, true).pass(14, false);
        }
        assert_eq!(play.news, [(0, News::Began)]);
    }

    #[test]
    fn what_comes_again_and_again_is_told_ever_more_seldom() {
        let mut play = Play::of(Kind::Untold);
        for _ in 0..7 * 24 {
            play.pass(30, true).pass(30, false);
        }
        assert!(play.news.len() <= 4, "a week of flapping: {:?}", play.news);
        let open = play.remembered[0].state;
        play.pass(25 * 60, false);
        assert_eq!((open, play.remembered[0].state), (State::Open, State::Over));
        assert_eq!(play.news.last().unwrap().1, News::Ended);
    }

    #[test]
    fn after_a_quiet_week_it_is_new_again_and_after_a_month_forgotten() {
        let mut play = Play::of(Kind::Untold);
        play.pass(5, true).pass(20, false).pass(5, true).pass(60, false);
        assert_eq!(play.remembered[0].turns, 2);
        play.now += 8 * 24 * 60;
        play.pass(1, true);
        assert_eq!((play.remembered[0].turns, play.news.len()), (1, 5));
        play.pass(20, false);
        play.now += 31 * 24 * 60;
        play.pass(1, false);
        assert!(play.remembered.is_empty());
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_over() {
        let mut play = Play::of(Kind::Untold);
        play.pass(1, true);
        for _ in 0..100 {
            play.look(Seen { blind: BTreeSet::from([Kind::Untold]), ..Seen::default() });
            play.now += 1;
        }
        assert_eq!(play.news, [(0, News::Began)]);
    }

    #[test]
    fn what_is_shown_is_what_stands_now_while_mail_waits_whether_it_stays_so() {
        let mut play = Play::of(Kind::Untold);
        play.pass(10, true).pass(3, false);
        let now = Moment::from_millis(START).after(MINUTE * 13);
        let remembered = vec![(7, play.remembered[0].clone())];
        let seen = |subjects: &[&str]| Seen {
            causes: subjects.iter().map(|name| Cause { subject: (*name).to_owned(), ..cause(Kind::Untold) }).collect(),
            ..Seen::default()
        };
        let states = |seen: Seen| -> Vec<(i64, State, Option<Moment>)> {
            let all = shown(remembered.clone(), seen, now);
            all.into_iter().map(|(number, one)| (number, one.state, one.ended_at)).collect()
        };
        let gone_at = Moment::from_millis(START).after(MINUTE * 10);
        assert_eq!(states(seen(&[])), [(7, State::Over, Some(gone_at))]);
        assert_eq!(states(seen(&["inbox.example"])), [(7, State::Open, None)]);
        let both = states(seen(&["inbox.example", "other.example"]));
        assert_eq!(both, [(8, State::Open, None), (7, State::Open, None)]);
        let blind = Seen { blind: BTreeSet::from([Kind::Untold]), ..Seen::default() };
        assert_eq!(states(blind), [(7, State::Over, Some(gone_at))], "it was gone when somebody looked last");
        play.pass(20, true).pass(40, false);
        assert_eq!(play.news, [(0, News::Began), (48, News::Ended)], "a gap of three minutes was told to nobody");
    }

    /// Before the doctor's first look nobody knows of what he finds more than when he looked last.
    #[test]
    fn what_was_gone_when_somebody_looked_last_is_shown_to_be_over_while_nobody_looks() {
        let mut play = Play::of(Kind::Gateway);
        play.pass(5, true).pass(3, false);
        let now = Moment::from_millis(START).after(MINUTE * 20);
        let blind = Seen { blind: BTreeSet::from([Kind::Gateway]), ..Seen::default() };
        let all = shown(vec![(1, play.remembered[0].clone())], blind.clone(), now);
        let gone_at = Moment::from_millis(START).after(MINUTE * 5);
        assert_eq!((all[0].1.state, all[0].1.ended_at), (State::Over, Some(gone_at)));
        assert_eq!(look(play.remembered.clone(), blind, now), Changes::default(), "its end is not told unseen");
        play.pass(20, false);
        assert_eq!((play.remembered[0].state, play.remembered[0].ended_at), (State::Over, Some(gone_at)));
    }

    #[test]
    fn what_nobody_was_told_of_is_not_shown_once_it_is_gone() {
        let mut play = Play::of(Kind::Drift);
        play.pass(5, true);
        let remembered = vec![(1, play.remembered[0].clone())];
        let all = |seen: Seen| shown(remembered.clone(), seen, Moment::from_millis(START).after(MINUTE * 6));
        assert_eq!(all(Seen::default()), []);
        assert_eq!(all(Seen { causes: vec![cause(Kind::Drift)], ..Seen::default() })[0].1.state, State::Pending);
    }

    #[test]
    fn what_has_not_changed_is_not_written_again() {
        let now = Moment::from_millis(START);
        let seen = || Seen { causes: vec![cause(Kind::Disk)], ..Seen::default() };
        let mut first = look(Vec::new(), seen(), now.before(Kind::Disk.patience())).changed.remove(0).after;
        assert_eq!(look(vec![first.clone()], seen(), now.before(MINUTE)), Changes::default());
        first = look(vec![first], seen(), now).changed.remove(0).after;
        first.told = BTreeMap::from([("boss@office.example".to_owned(), now)]);
        assert_eq!(look(vec![first], seen(), now.after(MINUTE)), Changes::default());
    }

    #[test]
    fn what_nobody_heard_of_is_news_until_somebody_has_or_it_is_over() {
        let mut play = Play::of(Kind::Untold);
        play.is_deaf = true;
        play.pass(3, true);
        assert_eq!(play.news, [(0, News::Began), (1, News::Unheard), (2, News::Unheard)]);
        play.is_deaf = false;
        play.pass(30, true).pass(60, false);
        assert_eq!(play.news[3..], [(3, News::Unheard), (48, News::Ended)]);
    }

    #[test]
    fn who_refused_the_mail_about_it_is_left_alone_for_hours() {
        let now = Moment::from_millis(START);
        let told = Remembered { told_at: Some(now), ..begins(cause(Kind::Untold), now).after };
        assert!(!told.may_try_again(now.after(HOUR * 5)) && told.may_try_again(now.after(HOUR * 6)));
    }

    /// Once more as soon as it takes mail, and then ever more seldom; at once where its owner has verified it.
    #[test]
    fn who_takes_mail_since_is_told_again_and_who_refuses_each_time_ever_more_seldom() {
        let (began, kim) = (Moment::from_millis(START), "kim@office.example");
        let refused_at = |minutes: u32| {
            let at = began.after(MINUTE * minutes);
            let refused = BTreeMap::from([(kim.to_owned(), at)]);
            Remembered { told_at: Some(at), refused, ..begins(cause(Kind::Untold), began).after }
        };
        let may = |refused: u32, since, now: u32| refused_at(refused).may_hear(kim, since, began.after(MINUTE * now));
        assert!(may(0, Since::TookMail, 1) && !may(10, Since::TookMail, 19) && may(10, Since::TookMail, 20));
        assert!(may(10_000, Since::TookMail, 10_360), "after six hours in any case");
        assert!(may(10, Since::Verified, 11));

        let spare = BTreeMap::from([("me@spare.example".to_owned(), began)]);
        let told = Remembered { told: spare, ..refused_at(10) };
        let again = BTreeSet::from([kim.to_owned()]);
        let by_cause = BTreeMap::from([(told.cause.key(), again.clone())]);
        let seen = Seen { causes: vec![cause(Kind::Untold)], again: by_cause, ..Seen::default() };
        let now = began.after(MINUTE * 30);
        let mut change = look(vec![told.clone()], seen, now).changed.remove(0);
        assert_eq!(change, Change { after: told, news: Some(News::Unheard), again }, "nobody is written to yet");
        change.tell([kim.to_owned()], now);
        assert_eq!((change.after.refused.len(), change.after.told.len()), (0, 2));
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let many = (0..MAX_REMEMBERED + 10).map(|n| Cause { subject: format!("d{n}.example"), ..cause(Kind::Untold) });
        let seen = Seen { causes: many.collect(), ..Seen::default() };
        assert_eq!(look(Vec::new(), seen, Moment::from_millis(START)).changed.len(), MAX_REMEMBERED);
    }
}
