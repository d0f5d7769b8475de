//! Random aliases: two words and a number, letters and digits, or a UUID.

use serde_json::{Map, Value};

use crate::chance::Chance;
use crate::mail::Domain;
use crate::policy::rule::Kind;
use crate::store::rules::AliasRow;

use super::form::Read;
use super::name::{AliasName, read_domain, unfinished};
use super::{Actor, Admin, AdminError, Form, Result, fields};

/// How often a name that is taken is drawn anew.
const MAX_DRAWS: usize = 8;
/// Characters of a random name of letters and digits.
const RANDOM_CHARS: usize = 10;
/// Letters and digits that are not taken for each other.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

const FIRST: [&str; 32] = [
    "amber", "brisk", "calm", "clear", "dapper", "early", "fair", "fleet", "gentle", "glad", "golden", "green",
    "hazel", "honest", "keen", "lively", "lucky", "merry", "mild", "noble", "plain", "proud", "quick", "quiet",
    "rapid", "ready", "silver", "steady", "sunny", "tidy", "vivid", "warm",
];
const SECOND: [&str; 32] = [
    "acorn", "badger", "beacon", "birch", "brook", "cedar", "comet", "coral", "falcon", "fern", "harbor", "heron",
    "island", "juniper", "lantern", "linden", "maple", "meadow", "orchard", "otter", "pebble", "pine", "plover",
    "river", "robin", "sparrow", "spruce", "thicket", "valley", "walnut", "willow", "wren",
];

/// How a random name looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Words,
    Characters,
    Uuid,
}

impl Format {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "words" => Some(Self::Words),
            "characters" => Some(Self::Characters),
            "uuid" => Some(Self::Uuid),
            _ => None,
        }
    }
}

/// The name of a format, as a token keeps it.
pub(super) fn format_name(value: &Value) -> Read<String> {
    let text = fields::text(value)?;
    let known = Format::parse(text).map(|_| text.to_owned());
    known.ok_or_else(|| "write one of words, characters, uuid".into())
}

impl Admin {
    /// Makes an alias of a random name: `domain` and `format` may be left to the token's defaults.
    pub async fn add_random_alias(&self, actor: &Actor, written: &Map<String, Value>) -> Result<AliasRow> {
        actor.must_create_aliases()?;
        for _ in 0..MAX_DRAWS {
            match self.draw_alias(actor, written).await {
                Err(AdminError::Conflict(_)) => {}
                other => return other,
            }
        }
        Err(AdminError::Conflict("No free random name was found. Try another format.".to_owned()))
    }

    async fn draw_alias(&self, actor: &Actor, written: &Map<String, Value>) -> Result<AliasRow> {
        let mut form = Form::new(written);
        let format = form.optional("format", format_name).or_else(|| actor.defaults.alias_format.clone());
        let format = format.as_deref().and_then(Format::parse).unwrap_or(Format::Words);
        let domain = if form.given("domain").is_none() && actor.defaults.domain.is_none() {
            self.only_domain(actor).await?
        } else {
            let Some(domain) = read_domain(&mut form, actor) else { return Err(unfinished(form)) };
            domain
        };
        let local = draw(&self.chance, format);
        self.add_named(actor, AliasName::new(Kind::Address, local, domain), form).await
    }
}

impl Admin {
    /// The actor's domain, where there is exactly one.
    async fn only_domain(&self, actor: &Actor) -> Result<Domain> {
        let mut seen = self.usable_domains(actor).await?.into_iter().map(|row| row.name);
        match (seen.next(), seen.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(AdminError::field("domain", "there is no domain yet: add one first")),
            _ => Err(AdminError::field("domain", "say which of your domains it belongs to")),
        }
    }
}

fn draw(chance: &Chance, format: Format) -> String {
    let bits = chance.token();
    let pick = |index: usize| usize::from(bits[index]) % 32;
    match format {
        Format::Uuid => random_uuid(&bits),
        Format::Characters => (0..RANDOM_CHARS).map(|index| char::from(ALPHABET[pick(index)])).collect(),
        Format::Words => {
            let number = u32::from(bits[2]) << 8 | u32::from(bits[3]);
            format!("{}-{}-{}", FIRST[pick(0)], SECOND[pick(1)], 1000 + number % 9000)
        }
    }
}

/// Of version 4: one of version 7 would tell senders when the alias was made.
fn random_uuid(bits: &[u8; crate::chance::TOKEN_OCTETS]) -> String {
    let mut octets = [0; 16];
    octets.copy_from_slice(&bits[..16]);
    uuid::Builder::from_random_bytes(octets).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::LocalPart;

    #[test]
    fn every_format_gives_a_plain_local_part_and_not_the_same_twice() {
        let chance = Chance::seeded(7);
        for format in [Format::Words, Format::Characters, Format::Uuid] {
            let names: Vec<_> = (0..20).map(|_| draw(&chance, format)).collect();
            assert!(names.iter().all(|name| LocalPart::parse(name).is_ok_and(|local| local.key() == *name)));
            assert_ne!(names[0], names[1], "{format:?}");
        }
    }
}
