//! Words of authors, subjects and replies: as the search index is asked for them, and as a row is looked at for them.

use std::borrow::Cow;

use serde::Deserialize;
use sqlx::SqlitePool;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::Query;
use super::ways::Last;
use crate::mail::Author;
use crate::store::Result;
use crate::store::columns::{Columns, json};

/// Whether all of a row is told to whoever asks: an account, and the domains of others whose subjects and authors
/// it is not told.
macro_rules! told {
    ($asker:literal, $blind:literal) => {
        concat!("(account_id = ", $asker, " or domain_id not in (select value from json_each(", $blind, ")))")
    };
}
pub(super) use told;
/// Whether whoever asks may see a row: of an account, or of these domains beside; nothing where it is all of them.
macro_rules! seen {
    ($account:literal, $beside:literal) => {
        concat!(
            "(",
            $account,
            " is null or account_id = ",
            $account,
            " or domain_id in (select value from json_each(",
            $beside,
            ")))"
        )
    };
}
pub(super) use seen;
/// Whether the Message-ID of a row is told to whoever asks: with the author, or where the sender's domain is the author's.
macro_rules! id_told {
    ($asker:literal, $blind:literal) => {
        concat!(
            "(",
            told!($asker, $blind),
            " or author is null or sender <> '' \
             and substr(lower(rtrim(author, '>')), instr(sender, '@') - length(sender) - 1) \
             = lower(substr(sender, instr(sender, '@'))))"
        )
    };
}
pub(super) use id_told;
/// What of a row is not told to everybody who sees it.
macro_rules! withheld {
    () => {
        "coalesce(subject, '') || char(10) || coalesce(author, '')"
    };
}
/// What the words of rows are made of, for whoever asks (`?3`, `?4`) and may see them (`?5`, `?6`), with the author where that is
/// not told; without the rows that do not have a word (`?2`), as far as that is quickly seen.
pub(in crate::store) const TEXTS: &str = concat!(
    "select seq, iif(",
    told!("?3", "?4"),
    ", ",
    withheld!(),
    ", '') || char(10) || reason, attempts, iif(",
    told!("?3", "?4"),
    ", null, author) from activity where seq in (select value from json_each(?1)) and ",
    seen!("?5", "?6"),
    " and (?2 is null or instr(lower(",
    withheld!(),
    " || ' ' || reason || ' ' || attempts), ?2) > 0 or octet_length(",
    withheld!(),
    ") > length(",
    withheld!(),
    ") or octet_length(attempts) > length(attempts)) order by seq desc"
);

/// One of these words that nothing has.
pub(in crate::store) const UNKNOWN: &str = "select value from json_each(?1) as w \
    where not exists (select 1 from word_list as l where l.term = w.value) limit 1";

/// Words that must all be there, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words(Vec<String>);

/// What an attempt was told.
#[derive(Debug, Deserialize)]
struct Said {
    reply: String,
}

impl Words {
    /// Nothing where there are none.
    pub(super) fn of(text: &str) -> Option<Self> {
        let words: Vec<_> = words_of(text).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// As FTS5 is asked; quoted, so that none is an operator.
    pub(super) fn asked(&self, last: Last) -> String {
        let quoted: Vec<_> = self.0.iter().map(|word| format!("\"{word}\"")).collect();
        let end = if last == Last::Beginning { "*" } else { "" };
        format!("{}{end}", quoted.join(" "))
    }

    /// All but the last; nothing where there is no other.
    pub(super) fn without_last(&self) -> Option<Self> {
        let (_, others) = self.0.split_last()?;
        (!others.is_empty()).then(|| Self(others.to_vec()))
    }

    /// Whether there may be anything that has them all. The last may be the beginning of a word, which the index would have
    /// to be walked for.
    pub(super) async fn may_be(&self, readers: &SqlitePool) -> Result<bool> {
        let Some(Self(whole)) = self.without_last() else { return Ok(true) };
        let unknown: Option<String> = sqlx::query_scalar(UNKNOWN).bind(json(&whole)).fetch_optional(readers).await?;
        Ok(unknown.is_none())
    }

    /// Which of these places have them, in what is told to whoever asks.
    pub(super) async fn among(
        &self,
        places: &[i64],
        (query, last): (&Query, Last),
        readers: &SqlitePool,
    ) -> Result<Vec<i64>> {
        let plain = self.0.iter().filter(|word| word.is_ascii()).max_by_key(|word| word.len());
        let ask = sqlx::query(TEXTS).bind(json(places)).bind(plain.cloned());
        let ask = ask.bind(query.asker.map(|asker| asker.0)).bind(json(&query.blind));
        let ask = ask.bind(query.account.map(|account| account.0)).bind(json(&query.beside));
        let rows = ask.fetch_all(readers).await?;
        let mut found = Vec::new();
        for row in &rows {
            let mut columns = Columns::of(row);
            let (seq, text): (i64, &str) = (columns.take()?, columns.take()?);
            let said: Vec<Said> = columns.json("the attempts of a row")?;
            let untold = columns.take::<Option<&str>>()?.map(Author::read);
            let texts = std::iter::once(text).chain(said.iter().map(|said| said.reply.as_str()));
            let told = |text| untold.as_ref().map_or(Cow::Borrowed(text), |author| author.hidden_in(text).into());
            let text: Vec<_> = texts.flat_map(|text| words_of(&told(text)).collect::<Vec<_>>()).collect();
            if self.are_in(&text, last) {
                found.push(seq);
            }
        }
        Ok(found)
    }

    fn are_in(&self, text: &[String], last: Last) -> bool {
        let end = self.0.len() - 1;
        self.0.iter().enumerate().all(|(index, word)| {
            let begins = index == end && last == Last::Beginning;
            text.iter().any(|other| if begins { other.starts_with(word) } else { other == word })
        })
    }
}

/// The words of a text as the search index has them: folded, without their marks.
fn words_of(text: &str) -> impl Iterator<Item = String> + use<'_> {
    let words = text.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c)).filter(|word| !word.is_empty());
    words.map(|word| match word.is_ascii() {
        true => word.to_ascii_lowercase(),
        false => word.nfd().filter(|c| !is_combining_mark(*c)).collect::<String>().to_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_and_the_last_by_its_beginning() {
        let text = || words_of("Ihre Überweisung, Nr. 77-12 <ok>").collect::<Vec<_>>();
        for (sought, whole, beginning) in [
            ("uberweisung", true, true),
            ("Überw", false, true),
            ("ihre nr 77", true, true),
            ("ihr nr", false, false),
            ("weisung", false, false),
        ] {
            let words = Words::of(sought).unwrap();
            assert_eq!(words.are_in(&text(), Last::Whole), whole, "{sought}");
            assert_eq!(words.are_in(&text(), Last::Beginning), beginning, "{sought}");
        }
        assert_eq!(Words::of("a \"b\" or").unwrap().asked(Last::Beginning), "\"a\" \"b\" \"or\"*");
        assert_eq!(Words::of(" -- "), None);
    }
}
