//! Searching aliases: by any part of address, note or label. Texts of one or two characters mean how the address begins.
//!
//! The index knows pieces of three characters, so it finds whatever has all the pieces of a text; what it finds is
//! compared before it is shown.

use super::alias::key_of;
use super::alias_list::{Bounds, Stretch, filtered};
use super::loaded::{self, Loaded};
use super::{AliasRow, Rules};
use crate::policy::rule::Kind;
use crate::store::Result;
use crate::store::columns::Columns;

/// A list over `$from`, of what `$along` finds by `?1`. Then: domain, account, switched on, before which id, limit.
macro_rules! found {
    ($from:literal, $along:literal) => {
        concat!(
            "select ",
            loaded::selected!(),
            " from ",
            $from,
            " and d.removed_at is null and (?2 is null or a.domain_id = ?2) and (?3 is null or a.account_id = ?3) \
             and (?4 is null or a.enabled = ?4)",
            filtered!(),
            " and ",
            loaded::counts!(),
            $along
        )
    };
}
pub(in crate::store) const BY_WORDS: &str = found!(
    "alias_words as w cross join aliases as a on a.id = w.rowid cross join domains as d on d.id = a.domain_id \
     where w.alias_words match ?1 and w.rowid < ?5",
    " order by w.rowid desc limit ?6"
);
// Of each domain and label no more ids are read than a page has room for.
pub(in crate::store) const BY_DOMAIN_NAME: &str = found!(
    "aliases as a join domains as d on d.id = a.domain_id where a.id in (\
     select x.id from domains as n cross join aliases as x on x.id in (\
         select y.id from aliases as y indexed by aliases_by_domain where y.domain_id = n.id and y.id < ?5 \
         and (?3 is null or y.account_id = ?3) and (?4 is null or y.enabled = ?4) order by y.id desc limit ?6) \
     where instr(n.name, ?1) > 0 and n.removed_at is null and (?2 is null or n.id = ?2) order by x.id desc limit ?6)",
    " order by a.id desc limit ?6"
);
pub(in crate::store) const BY_LABEL: &str = found!(
    "aliases as a join domains as d on d.id = a.domain_id where a.id in (\
     select x.id from labels as l cross join aliases as x on x.id in (\
         select y.alias_id from alias_labels as y indexed by alias_labels_by_label where y.label_id = l.id \
         and y.alias_id < ?5 order by y.alias_id desc limit ?6) \
     where instr(lower(l.name), ?1) > 0 and (?2 is null or x.domain_id = ?2) order by x.id desc limit ?6)",
    " order by a.id desc limit ?6"
);
pub(in crate::store) const FED_UPTO: &str = "select upto from alias_feeder";

/// Characters of a piece.
const PIECE: usize = 3;
/// Pieces that are asked for at most; the rest of a text is compared.
const MAX_PIECES: usize = 64;
/// The first of the characters that a domain's piece is made of (a private plane of Unicode), and bits of each.
const PLACE: u32 = 0xF_0000;
const PLACE_BITS: u32 = 16;

/// What is searched for, folded.
#[derive(Debug)]
pub(super) struct Words {
    text: String,
    /// The text begins the address, rather than being anywhere in it.
    begins: bool,
}

impl Words {
    /// Nothing where there is nothing to search for.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let begins = text.chars().count() < PIECE && !text.contains('@');
        (!text.is_empty()).then_some(Self { text, begins })
    }

    /// Whether an alias that was found is what was searched for.
    pub(super) fn fit(&self, row: &AliasRow) -> bool {
        let key = key_of(row.spec.kind, &row.spec.pattern);
        if self.begins {
            return key.starts_with(&self.text);
        }
        let key = if row.spec.kind == Kind::Regex { key.to_lowercase() } else { key };
        let has = |text: &str| text.to_lowercase().contains(&self.text);
        format!("{key}@{}", row.domain_name).contains(&self.text)
            || has(&row.spec.description)
            || row.spec.labels.iter().any(|label| has(label))
    }

    /// What the index is asked.
    fn matching(&self, domain: Option<i64>) -> Option<String> {
        let mut ways = match self.text.rsplit_once('@') {
            _ if self.begins => vec![all_of(&format!("^^{}", self.text))],
            Some((local, _)) if !local.is_empty() => vec![all_of(&format!("{local}@@"))],
            _ => Vec::new(),
        };
        if self.text.chars().count() >= PIECE {
            ways.push(all_of(&self.text));
        }
        if ways.is_empty() || self.text.contains('\0') {
            return None;
        }
        let ways = format!("({})", ways.join(") OR ("));
        Some(domain.map_or(ways.clone(), |domain| format!("({ways}) AND {}", quoted(&place(domain)))))
    }

    /// The part of a domain's name that the text may be.
    fn domain_part(&self) -> Option<&str> {
        let part = self.text.strip_prefix('@').unwrap_or(&self.text);
        (!self.begins && !part.is_empty() && !part.contains('@')).then_some(part)
    }
}

/// All pieces of a text.
fn all_of(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let pieces = characters.windows(PIECE).take(MAX_PIECES).map(|piece| quoted(&piece.iter().collect::<String>()));
    pieces.collect::<Vec<_>>().join(" AND ")
}

fn quoted(piece: &str) -> String {
    format!("\"{}\"", piece.replace('"', "\"\""))
}

/// The piece that all aliases of a domain have (`alias_texts` makes it the same way).
fn place(domain: i64) -> String {
    let part = |shift: u32| u32::try_from(domain >> shift & ((1 << PLACE_BITS) - 1)).unwrap_or(0);
    let parts = [part(2 * PLACE_BITS), part(PLACE_BITS), part(0)];
    parts.into_iter().filter_map(|part| char::from_u32(PLACE + part)).collect()
}

impl Rules {
    /// What may be the rows of a page, newest first: of those that the index does not have yet, of the index, of domains
    /// and of labels.
    pub(super) async fn search_aliases(&self, words: &Words, bounds: &Bounds) -> Result<Vec<AliasRow>> {
        let fed: i64 = sqlx::query_scalar(FED_UPTO).fetch_one(&self.readers).await?;
        let newest = Stretch { from: fed + 1, before: bounds.before, text: Some(&words.text) };
        let mut rows = self.walk(bounds, newest).await?;
        if let Some(matching) = words.matching(bounds.domain) {
            rows.extend(self.found(BY_WORDS, &matching, (bounds, bounds.before)).await?);
        }
        if let Some(part) = words.domain_part() {
            rows.extend(self.found(BY_DOMAIN_NAME, part, (bounds, bounds.before.min(fed + 1))).await?);
        }
        if !words.begins {
            rows.extend(self.found(BY_LABEL, &words.text, (bounds, bounds.before)).await?);
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.key.0));
        rows.dedup_by_key(|row| row.key);
        Ok(rows)
    }

    async fn found(&self, list: &'static str, by: &str, (bounds, before): (&Bounds, i64)) -> Result<Vec<AliasRow>> {
        let ask = sqlx::query(list).bind(by.to_owned()).bind(bounds.domain).bind(bounds.account).bind(bounds.enabled);
        let ask = ask.bind(before).bind(i64::from(bounds.limit) + 1).bind(None::<i64>);
        let rows = bounds.filter.bind(ask).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok(Loaded::read(&mut Columns::of(row))?.row)).collect()
    }
}
