//! Searching aliases: by any part of address, note, label or destination. Texts of one or two characters mean how the
//! address begins.
//!
//! The index knows pieces of three characters, so it finds whatever has all the pieces of a text; what it finds is
//! compared before it is shown.

use sqlx::SqlitePool;

use super::alias::key_of;
use super::{AliasRow, Rules};
use crate::policy::rule::Kind;
use crate::store::Result;
use crate::store::columns::json;

/// Which of these aliases may have a text, as far as that is quickly seen.
pub(in crate::store) const MAY_HAVE: &str = "select a.id from aliases as a cross join domains as d on d.id = a.domain_id \
    where a.id in (select value from json_each(?1)) and (instr(lower(a.key || '@' || d.name || char(10) || a.description), ?2) > 0 \
        or octet_length(a.key || a.description) > length(a.key || a.description) \
        or exists (select 1 from alias_labels as l where l.alias_id = a.id) \
        or exists (select 1 from alias_destinations as t left join destinations as x on x.id = t.destination_id \
            where t.alias_id = a.id and instr(lower(coalesce(t.template, x.address)), ?2) > 0)) order by a.id desc";
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
            || row.spec.destinations.iter().any(|destination| has(destination))
    }

    /// Which of these aliases may be what was searched for.
    pub(super) async fn among(&self, places: &[i64], readers: &SqlitePool) -> Result<Vec<i64>> {
        Ok(sqlx::query_scalar(MAY_HAVE).bind(json(places)).bind(self.text.clone()).fetch_all(readers).await?)
    }

    /// What the index is asked.
    pub(super) fn matching(&self, domain: Option<i64>) -> Option<String> {
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
    pub(super) fn domain_part(&self) -> Option<&str> {
        let part = self.text.strip_prefix('@').unwrap_or(&self.text);
        (!self.begins && !part.is_empty() && !part.contains('@')).then_some(part)
    }

    /// The part of a label's name, or of a destination, that the text may be.
    pub(super) fn label_part(&self) -> Option<&str> {
        (!self.begins).then_some(&*self.text)
    }
}

/// The pieces of a text, one beside the other: of those that overlap the index would be asked for nothing new.
fn all_of(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let last = characters.len().saturating_sub(PIECE);
    let places = (0..last).step_by(PIECE).take(MAX_PIECES).chain([last]);
    let pieces = places.map(|place| quoted(&characters[place..place + PIECE].iter().collect::<String>()));
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
    /// The last alias that the search index has.
    pub(super) async fn fed_upto(&self) -> Result<i64> {
        Ok(sqlx::query_scalar(FED_UPTO).fetch_one(&self.readers).await?)
    }
}
