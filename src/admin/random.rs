//! Random aliases: two words and a number, letters and digits, hexadecimal digits, a UUID, or the name of the website that
//! the alias is for with a few letters that nobody guesses. So many a day, and no more.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::chance::Chance;
use crate::mail::Domain;
use crate::policy::deeds::Deed;
use crate::policy::rule::Kind;
use crate::store::rules::AliasRow;

use super::form::Read;
use super::name::{AliasName, read_domain, unfinished};
use super::plain::plain;
use super::{Actor, Admin, AdminError, Form, Result, fields};

/// How often a name that is taken is drawn anew.
const MAX_DRAWS: usize = 8;
/// Characters of a random name of letters and digits.
const RANDOM_CHARS: usize = 10;
/// Hexadecimal digits of a random name.
const HEX_OCTETS: usize = 8;
/// Characters behind the name of a website, and of that name at most.
const SUFFIX_CHARS: usize = 5;
const MAX_SITE_CHARS: usize = 40;
/// Aliases that an account makes within 24 hours at most before no more random ones are made for it.
pub(super) const MAX_ALIASES_A_DAY: u32 = 1000;
const DAY: Duration = Duration::from_secs(86_400);
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
    Hex,
    Uuid,
    Site,
}

impl Format {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "words" => Some(Self::Words),
            "characters" => Some(Self::Characters),
            "hex" => Some(Self::Hex),
            "uuid" => Some(Self::Uuid),
            "site" => Some(Self::Site),
            _ => None,
        }
    }
}

/// The name of a format, as a token keeps it.
pub(super) fn format_name(value: &Value) -> Read<String> {
    let text = fields::text(value)?;
    let known = Format::parse(text).map(|_| text.to_owned());
    known.ok_or_else(|| "write one of words, characters, hex, uuid, site".into())
}

impl Admin {
    /// Makes an alias of a random name: `domain` and `format` may be left to the token's defaults.
    pub async fn add_random_alias(&self, actor: &Actor, written: &Map<String, Value>) -> Result<AliasRow> {
        actor.must_create_aliases()?;
        let since = self.clock.now().before(DAY);
        if self.store.accounts.made_since(actor.account, Deed::AliasCreate.as_str(), (since, MAX_ALIASES_A_DAY)).await?
            >= MAX_ALIASES_A_DAY
        {
            let why = format!(
                "You made {MAX_ALIASES_A_DAY} aliases within a day. Go on tomorrow, or name the next one yourself."
            );
            return Err(AdminError::TooMany(why));
        }
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
        let wanted = form.optional("format", format_name);
        let site = form.optional("for", site);
        let domain = if form.given("domain").is_none() && actor.defaults.domain.is_none() {
            self.only_domain(actor).await?
        } else {
            let Some(domain) = read_domain(&mut form, actor) else { return Err(unfinished(form)) };
            domain
        };
        let format = self.random_format(actor, (wanted, site.is_some()), &domain).await?;
        if format == Format::Site && site.is_none() {
            form.fault("for", "name the website that it is for, such as shop.example");
        }
        let local = draw(&self.chance, (format, site.as_deref().unwrap_or_default()));
        self.add_named(actor, AliasName::new(Kind::Address, local, domain), form).await
    }

    /// What is asked for; else that of the token, of the domain; else by the website where one is named, else words.
    async fn random_format(
        &self,
        actor: &Actor,
        (wanted, has_site): (Option<String>, bool),
        domain: &Domain,
    ) -> Result<Format> {
        let known = |name: Option<&str>| name.and_then(Format::parse);
        let asked = known(wanted.as_deref()).or_else(|| known(actor.defaults.alias_format.as_deref()));
        if let Some(format) = asked {
            return Ok(format);
        }
        let row = self.find_domain(actor, domain.as_str()).await;
        let of_domain = row.ok().and_then(|row| known(row.alias_format.as_deref()));
        Ok(of_domain.unwrap_or(if has_site { Format::Site } else { Format::Words }))
    }
}

/// What a website is called: of `https://www.shop.example/cart` that is `shop`.
fn site(value: &Value) -> Read<String> {
    const HOW: &str = "write the name of a website, such as shop.example";
    let text = fields::text(value)?.trim().to_lowercase();
    let host = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host);
    let labels: Vec<_> = host.split('.').filter(|label| !label.is_empty()).collect();
    // What a registry sells names under has short labels (co.uk): the name stands before them.
    let name = match labels.as_slice() {
        [] => return Err(HOW.into()),
        [only] => only,
        [.., name, second, last] if second.len() <= 3 && last.len() == 2 => name,
        [.., name, _] => name,
    };
    let plain: String = plain(name).chars().take(MAX_SITE_CHARS).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { Err(HOW.into()) } else { Ok(plain.to_owned()) }
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

fn draw(chance: &Chance, (format, site): (Format, &str)) -> String {
    let bits = chance.token();
    let pick = |index: usize| usize::from(bits[index]) % 32;
    let characters = |count| (0..count).map(|index| char::from(ALPHABET[pick(index)])).collect::<String>();
    match format {
        Format::Uuid => random_uuid(&bits),
        Format::Hex => data_encoding::HEXLOWER.encode(&bits[..HEX_OCTETS]),
        Format::Characters => characters(RANDOM_CHARS),
        Format::Site => format!("{site}.{}", characters(SUFFIX_CHARS)),
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
    fn websites_have_a_name() {
        for (text, name) in [
            ("shop.example", "shop"),
            ("https://www.Shop.example/cart?x=1", "shop"),
            ("accounts.shop.example:8443", "shop"),
            ("www.shop.co.uk", "shop"),
            ("shop", "shop"),
            ("xn--bcher-kva.example", "xn--bcher-kva"),
            ("Größe Shop.example", "groesse-shop"),
            ("ü.example", "ue"),
        ] {
            assert_eq!(site(&Value::from(text)), Ok(name.to_owned()), "{text}");
        }
        for text in ["", "https://", "...", "--.example", "日本.example"] {
            assert!(site(&Value::from(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn every_format_gives_a_plain_local_part_and_not_the_same_twice() {
        let chance = Chance::seeded(7);
        for format in [Format::Words, Format::Characters, Format::Hex, Format::Uuid, Format::Site] {
            let names: Vec<_> = (0..20).map(|_| draw(&chance, (format, "shop"))).collect();
            assert!(names.iter().all(|name| LocalPart::parse(name).is_ok_and(|local| local.key() == *name)));
            assert_ne!(names[0], names[1], "{format:?}");
        }
    }
}
