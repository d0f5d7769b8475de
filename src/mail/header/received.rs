//! Reads which host wrote a Received field: the word behind `by` (RFC 5321 §4.4).

use crate::mail::Domain;

/// Whether `by` names `host`.
pub(super) fn is_by(value: &[u8], host: &Domain) -> bool {
    let Some(name) = by(value) else { return false };
    let name = name.strip_suffix(b".").unwrap_or(name);
    name.eq_ignore_ascii_case(host.as_str().as_bytes())
}

/// The id that `host` gave the message, where it wrote this field.
pub(in crate::mail) fn id_by(value: &[u8], host: &Domain) -> Option<String> {
    if !is_by(value, host) {
        return None;
    }
    let mut words = Words(value);
    words.find(|word| word.eq_ignore_ascii_case(b"id"))?;
    words.next().map(|id| String::from_utf8_lossy(id).into_owned())
}

fn by(value: &[u8]) -> Option<&[u8]> {
    let mut words = Words(value);
    loop {
        let word = words.next()?;
        if word.eq_ignore_ascii_case(b"by") {
            return words.next();
        }
        // What a client called itself is no keyword.
        if word.eq_ignore_ascii_case(b"from") {
            words.next()?;
        }
    }
}

/// The words before the semicolon, comments left out, a quoted string being one word.
struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            self.0 = self.0.trim_ascii_start();
            let length = match self.0.first()? {
                b';' => return None,
                b'(' => {
                    self.0 = &self.0[comment(self.0)..];
                    continue;
                }
                b'"' => quoted(self.0),
                _ => self.0.iter().position(|octet| b" \t\r\n(;\"".contains(octet)).unwrap_or(self.0.len()),
            };
            let (word, rest) = self.0.split_at(length);
            self.0 = rest;
            return Some(word);
        }
    }
}

/// Octets of the comment at the front; comments nest (RFC 5322 §3.2.2).
fn comment(text: &[u8]) -> usize {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, octet) in text.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' if depth == 1 => return at + 1,
            b')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Octets of the quoted string at the front.
fn quoted(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, octet) in text.iter().enumerate().skip(1) {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
