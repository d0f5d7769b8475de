//! Destinations computed from captures: `$1`, `${1}`, and `$$` for a dollar sign.

use crate::mail::{Mailbox, fold};

/// Why a text is not a template for a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `$` that is followed by neither a number, `{number}` nor `$`.
    #[error("a $ must be followed by a number, as in $1 or ${{1}}, or by another $")]
    BareDollar,
    /// A number that the pattern has no group for.
    #[error("the pattern has no group ${0}")]
    NoSuchGroup(usize),
    /// What it gives can never be an address.
    #[error("the computed destination is no address")]
    NoAddress,
}

/// Puts the captures in; `None` when the result is no address.
#[must_use]
pub fn expand(template: &str, captures: &[String]) -> Option<Mailbox> {
    let text = fill(template, |group| captures.get(group).map(String::as_str)).ok()?;
    Mailbox::parse(&text).ok()
}

/// Checks a template as it is saved, against the number of groups that its pattern has (`$0` not counted).
pub fn check_template(template: &str, groups: usize) -> Result<(), TemplateError> {
    let text = fill(template, |group| (group <= groups).then_some("x"))?;
    Mailbox::parse(&text).map(drop).map_err(|_| TemplateError::NoAddress)
}

/// Whether a template may give this address: what it says itself stands there, in its order.
#[must_use]
pub fn may_give(template: &str, mailbox: &Mailbox) -> bool {
    const CAPTURE: &str = "\0";
    let (Ok(text), address) = (fill(template, |_| Some(CAPTURE)), mailbox.key()) else { return false };
    let pieces: Vec<String> = text.split(CAPTURE).map(fold).collect();
    let [first, between @ .., last] = pieces.as_slice() else { return text == address };
    let Some(mut rest) = address.strip_prefix(first.as_str()) else { return false };
    for piece in between {
        let Some((_, behind)) = rest.split_once(piece.as_str()) else { return false };
        rest = behind;
    }
    rest.ends_with(last.as_str())
}

fn fill<'a>(template: &str, group: impl Fn(usize) -> Option<&'a str>) -> Result<String, TemplateError> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        rest = match after.strip_prefix('$') {
            Some(behind) => {
                text.push('$');
                behind
            }
            None => {
                let (number, behind) = reference(after).ok_or(TemplateError::BareDollar)?;
                text.push_str(group(number).ok_or(TemplateError::NoSuchGroup(number))?);
                behind
            }
        };
    }
    text.push_str(rest);
    Ok(text)
}

/// `1…` or `{1}…`: the number and what stands behind it.
fn reference(text: &str) -> Option<(usize, &str)> {
    if let Some(inner) = text.strip_prefix('{') {
        let (number, behind) = inner.split_once('}')?;
        return number_of(number).map(|number| (number, behind));
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    number_of(&text[..end]).map(|number| (number, &text[end..]))
}

fn number_of(digits: &str) -> Option<usize> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str) -> Option<String> {
        let captures = ["n42-Anna", "42", "Anna", ""].map(str::to_owned);
        expand(template, &captures).map(|mailbox| mailbox.to_string())
    }

    #[test]
    fn puts_captures_in() {
        for (template, expected) in [
            ("$2@inbox.example", Some("Anna@inbox.example")),
            ("${1}0@inbox.example", Some("420@inbox.example")),
            ("me+$1@inbox.example", Some("me+42@inbox.example")),
            ("a$$b@inbox.example", Some("a$b@inbox.example")),
            ("x@s$1.example", Some("x@s42.example")),
            ("$3@inbox.example", None),
            ("$9@inbox.example", None),
            ("$10@inbox.example", None),
            ("$x@inbox.example", None),
            ("${1@inbox.example", None),
        ] {
            assert_eq!(expanded(template).as_deref(), expected, "{template}");
        }
    }

    #[test]
    fn a_capture_cannot_move_the_domain() {
        let captures = ["x", "victim@elsewhere.example"].map(str::to_owned);
        assert_eq!(expand("$1@inbox.example", &captures), None);
    }

    #[test]
    fn says_what_is_wrong_when_it_is_saved() {
        assert_eq!(check_template("$1@inbox.example", 1), Ok(()));
        assert_eq!(check_template("$2@inbox.example", 1), Err(TemplateError::NoSuchGroup(2)));
        assert_eq!(check_template("$@inbox.example", 1), Err(TemplateError::BareDollar));
        assert_eq!(check_template("$1", 1), Err(TemplateError::NoAddress));
    }

    #[test]
    fn tells_what_a_template_may_give() {
        let anna = Mailbox::parse("Anna+42@inbox.example").unwrap();
        for template in ["$1@inbox.example", "anna+$1@INBOX.example", "$1+${2}@$3", "$1@$2.example"] {
            assert!(may_give(template, &anna), "{template}");
        }
        for template in ["$1@other.example", "ben+$1@inbox.example", "$1-$2@inbox.example", "$1@inbox.example.$2", "$"]
        {
            assert!(!may_give(template, &anna), "{template}");
        }
    }
}
