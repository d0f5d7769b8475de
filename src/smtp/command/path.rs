//! Taking the argument of MAIL and RCPT apart: `FROM:<path>` and the parameters behind it (RFC 5321 §4.1.1.2, §4.1.1.11).

use super::Reply;
use super::replies;

/// One `esmtp-param`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    /// `esmtp-keyword`.
    pub(super) keyword: &'a str,
    /// `esmtp-value`, where there is one.
    pub(super) value: Option<&'a str>,
}

/// The text between the angle brackets behind `label`, and what follows them.
pub(super) fn after<'a>(label: &str, argument: &'a str) -> Option<(&'a str, &'a str)> {
    let (front, rest) = argument.split_at_checked(label.len())?;
    let inner = rest.trim_start_matches(' ').strip_prefix('<').filter(|_| front.eq_ignore_ascii_case(label))?;
    let (path, rest) = inner.split_at_checked(closing_bracket(inner)?)?;
    let rest = &rest[1..];
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some((path, rest))
}

/// The first `>` that is not within a Quoted-string.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The parameters, each checked for its form.
pub(super) fn parameters(text: &str) -> impl Iterator<Item = Result<Parameter<'_>, Reply>> {
    text.split([' ', '\t']).filter(|word| !word.is_empty()).map(parameter)
}

fn parameter(word: &str) -> Result<Parameter<'_>, Reply> {
    let (keyword, value) = word.split_once('=').map_or((word, None), |(keyword, value)| (keyword, Some(value)));
    let well_formed = is_keyword(keyword) && value.is_none_or(is_value);
    if well_formed { Ok(Parameter { keyword, value }) } else { Err(replies::bad_parameter()) }
}

/// `esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")`.
fn is_keyword(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'-')
}

/// `esmtp-value = 1*(%d33-60 / %d62-126)`, and UTF-8 (RFC 6531 §3.3).
fn is_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|o| (o.is_ascii_graphic() || !o.is_ascii()) && o != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bracket_within_quotes_ends_nothing() {
        assert_eq!(after("TO:", r#"TO:<"a> b\">"@c> X=1"#), Some((r#""a> b\">"@c"#, " X=1")));
        assert_eq!(after("TO:", r#"to: <a@b>"#), Some(("a@b", "")));
    }

    #[test]
    fn what_is_no_path_is_none() {
        for argument in ["", "TO", "TO:", "TO:a", "TO:<a", "TO:<\"a>", "TO:<a>b", "T\u{fc}:<a>"] {
            assert_eq!(after("TO:", argument), None, "{argument:?}");
        }
    }

    #[test]
    fn parameters_have_a_form() {
        let good: Vec<_> = parameters(" A=1\tB-2").collect();
        assert_eq!(good[0], Ok(Parameter { keyword: "A", value: Some("1") }));
        assert_eq!(good[1], Ok(Parameter { keyword: "B-2", value: None }));
        for bad in ["=", "A=", "-A", "A=b=c", "A_B", "\u{fc}=A", "A=\u{7f}"] {
            assert!(parameters(bad).any(|p| p.is_err()), "{bad}");
        }
    }
}
