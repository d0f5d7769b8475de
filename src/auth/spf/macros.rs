//! Macros in names (RFC 7208 §7): taken apart once, with the record, and filled in for each check.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::record::Malformed;

/// Octets that a name may have in a question; longer ones lose labels on the left (§7.3).
const MAX_NAME_OCTETS: usize = 253;

/// Text with places to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MacroString(Box<[Part]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Expand(Expand),
}

/// One place: which value, and what is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expand {
    letter: Letter,
    /// Labels from the right that are kept; all where nothing is said.
    keep: usize,
    is_reversed: bool,
    is_escaped: bool,
    delimiters: Box<str>,
}

/// The values that names are made of. Those which only explanations may have are known to be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    Sender,
    LocalPart,
    SenderDomain,
    Domain,
    Ip,
    Validated,
    Version,
    Helo,
    Explanatory,
}

/// What the places are filled with.
#[derive(Debug)]
pub(super) struct Values<'a> {
    pub(super) peer: IpAddr,
    pub(super) local_part: &'a str,
    pub(super) sender_domain: &'a str,
    pub(super) helo: &'a str,
    /// The domain that is being checked.
    pub(super) domain: &'a str,
    /// The name of the client that its address confirms, where something asks for it.
    pub(super) validated: &'a str,
}

impl MacroString {
    /// Any text with well-formed macros, as modifiers that nobody knows have it.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(Malformed);
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            literal.push_str(before);
            let (sign, behind) = behind.split_at_checked(1).ok_or(Malformed)?;
            rest = behind;
            match sign {
                "%" => literal.push('%'),
                "_" => literal.push(' '),
                "-" => literal.push_str("%20"),
                "{" => {
                    let (expand, behind) = rest.split_once('}').ok_or(Malformed)?;
                    parts.extend(Some(std::mem::take(&mut literal)).filter(|l| !l.is_empty()).map(Part::literal));
                    parts.push(Part::Expand(Expand::parse(expand)?));
                    rest = behind;
                }
                _ => return Err(Malformed),
            }
        }
        literal.push_str(rest);
        parts.extend(Some(literal).filter(|literal| !literal.is_empty()).map(Part::literal));
        Ok(Self(parts.into()))
    }

    /// `domain-spec`: it ends in a macro or in a dot and a top label, and has no macros of explanations (§7.1).
    pub(super) fn parse_domain(text: &str) -> Result<Self, Malformed> {
        let parsed = Self::parse(text)?;
        let explains = |part: &Part| matches!(part, Part::Expand(expand) if expand.letter == Letter::Explanatory);
        let ends_in_expand = matches!(parsed.0.last(), Some(Part::Expand(_)));
        // What stands behind the last macro is as it was written.
        let name = text.strip_suffix('.').unwrap_or(text);
        let ends_in_label = || name.rsplit_once('.').is_some_and(|(_, label)| is_top_label(label));
        let ends_well = ends_in_expand || ends_in_sign(text) || ends_in_label();
        if ends_well && !parsed.0.iter().any(explains) { Ok(parsed) } else { Err(Malformed) }
    }

    /// Whether the name of the client is asked for, which costs questions.
    pub(super) fn wants_validated(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Expand(expand) if expand.letter == Letter::Validated))
    }

    /// The name, without a final dot, and cut on the left to what fits into a question.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => name.push_str(literal),
                Part::Expand(expand) => expand.write(values, &mut name),
            }
        }
        if name.ends_with('.') {
            name.pop();
        }
        if let Some(excess) = name.len().checked_sub(MAX_NAME_OCTETS + 1) {
            let dot = name.as_bytes()[excess..].iter().position(|octet| *octet == b'.');
            name.drain(..dot.map_or(0, |dot| excess + dot + 1));
        }
        name
    }
}

impl Part {
    fn literal(text: String) -> Self {
        Self::Literal(text.into())
    }
}

/// `%%`, `%_` and `%-` are macros too; a percent sign before them may be the second half of one.
fn ends_in_sign(text: &str) -> bool {
    let signs = text.strip_suffix(['%', '_', '-']).unwrap_or_default().bytes().rev().take_while(|sign| *sign == b'%');
    signs.count() % 2 == 1
}

/// Letters, digits and hyphens, the latter inside only, and not digits alone.
fn is_top_label(label: &str) -> bool {
    let inner = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    !label.is_empty()
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
        && !label.bytes().all(|octet| octet.is_ascii_digit())
}

impl Expand {
    /// `macro-letter *DIGIT ["r"] *delimiter`
    fn parse(text: &str) -> Result<Self, Malformed> {
        let mut letters = text.chars();
        let letter = letters.next().ok_or(Malformed)?;
        let rest = letters.as_str();
        let (digits, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        // More labels than a number can say is all of them; none at all is nothing to ask for.
        let keep = if digits.is_empty() { usize::MAX } else { digits.parse().unwrap_or(usize::MAX) };
        let delimiters = rest.strip_prefix(['r', 'R']).unwrap_or(rest);
        if keep == 0 || !delimiters.chars().all(|delimiter| ".-+,/_=".contains(delimiter)) {
            return Err(Malformed);
        }
        Ok(Self {
            letter: Letter::of(letter)?,
            keep,
            is_reversed: delimiters.len() < rest.len(),
            is_escaped: letter.is_ascii_uppercase(),
            delimiters: if delimiters.is_empty() { ".".into() } else { delimiters.into() },
        })
    }

    fn write(&self, values: &Values<'_>, out: &mut String) {
        let value = self.letter.value(values);
        let mut labels: Vec<_> = value.split(|c| self.delimiters.contains(c)).collect();
        if self.is_reversed {
            labels.reverse();
        }
        let kept = labels[labels.len().saturating_sub(self.keep)..].join(".");
        if self.is_escaped { escape(&kept, out) } else { out.push_str(&kept) }
    }
}

impl Letter {
    const fn of(letter: char) -> Result<Self, Malformed> {
        Ok(match letter.to_ascii_lowercase() {
            's' => Self::Sender,
            'l' => Self::LocalPart,
            'o' => Self::SenderDomain,
            'd' => Self::Domain,
            'i' => Self::Ip,
            'p' => Self::Validated,
            'v' => Self::Version,
            'h' => Self::Helo,
            'c' | 'r' | 't' => Self::Explanatory,
            _ => return Err(Malformed),
        })
    }

    fn value<'a>(self, values: &Values<'a>) -> Cow<'a, str> {
        match self {
            Self::Sender => format!("{}@{}", values.local_part, values.sender_domain).into(),
            Self::LocalPart => values.local_part.into(),
            Self::SenderDomain => values.sender_domain.into(),
            Self::Domain => values.domain.into(),
            Self::Ip => dotted(values.peer).into(),
            Self::Validated => values.validated.into(),
            Self::Version => (if values.peer.is_ipv4() { "in-addr" } else { "ip6" }).into(),
            Self::Helo => values.helo.into(),
            Self::Explanatory => Cow::default(),
        }
    }
}

/// An IPv6 address as its nibbles, with dots between (§7.3).
fn dotted(peer: IpAddr) -> String {
    let IpAddr::V6(peer) = peer else { return peer.to_string() };
    let nibbles = peer.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
    nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
}

/// What RFC 3986 does not leave unreserved becomes `%XX`.
fn escape(text: &str, out: &mut String) {
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str, peer: &str) -> String {
        let values = Values {
            peer: peer.parse().unwrap(),
            local_part: "strong-bad",
            sender_domain: "email.example.com",
            helo: "mx.example.org",
            domain: "email.example.com",
            validated: "mx.example.org",
        };
        MacroString::parse(text).unwrap().expand(&values)
    }

    /// RFC 7208 §7.4.
    #[test]
    fn the_examples_of_the_rfc() {
        for (text, wanted) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
            ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
            ("%{S}%%%_%-.x.", "strong-bad%40email.example.com% %20.x"),
        ] {
            assert_eq!(expanded(text, "192.0.2.3"), wanted, "{text}");
        }
        assert_eq!(
            expanded("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01"),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
    }

    #[test]
    fn long_names_lose_labels_on_the_left() {
        let long = expanded(&format!("{}.example.com", vec!["label"; 60].join(".")), "192.0.2.3");
        assert!((248..=MAX_NAME_OCTETS).contains(&long.len()), "{long}");
        assert!(long.starts_with("label.") && long.ends_with(".example.com"));
    }

    #[test]
    fn a_domain_ends_in_a_macro_or_a_top_label() {
        for (text, is) in [
            ("a.example", true),
            ("a.example.", true),
            ("%{d}", true),
            ("%{d}.example", true),
            ("x.%{h}", true),
            ("a%%", true),
            ("a.b-%-", true),
            ("a.%%-", false),
            ("a.b}", false),
            ("%{d}b}", false),
            ("%{d}com", false),
            ("museum.", false),
            ("a.xn--zckzah", true),
            ("a.b-", false),
            ("%{c}.example", false),
            ("%{d0}", false),
            ("%{x}", false),
            ("%{d", false),
            ("%", false),
            ("%(ir).example", false),
            ("", false),
        ] {
            assert_eq!(MacroString::parse_domain(text).is_ok(), is, "{text}");
        }
    }
}
