//! The secrets of a ring: hashing and verifying with one, and the file that lists them.

use data_encoding::BASE64_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::Ring;

/// Characters of a whole hash: 20 octets in base64.
const MAX_HASH_LENGTH: usize = 27;
/// The shortest hash that anybody makes (the default of postsrsd and Mail::SRS).
const MIN_HASH_LENGTH: usize = 4;

/// One secret of the ring.
#[derive(Clone)]
pub struct Secret {
    /// The key octets.
    pub key: Vec<u8>,
    /// The shortest hash that verifies under it (`min=4` for moving from postsrsd; else `hash_length`).
    pub min_hash: usize,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a file of secrets cannot be used. Never tells a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// Only blank lines and comments.
    #[error("there is no secret in the file")]
    Empty,
    /// `min=` is no number, or out of bounds.
    #[error("line {line}: min= must be a number from {MIN_HASH_LENGTH} to {MAX_HASH_LENGTH}")]
    BadMinimum {
        /// The line, from 1.
        line: usize,
    },
    /// Nothing before `min=`.
    #[error("line {line}: there is no secret before min=")]
    NoSecret {
        /// The line, from 1.
        line: usize,
    },
}

impl Secret {
    /// The whole hash of `parts`, lower-cased and one behind the other.
    pub(super) fn hash(&self, parts: &[&str]) -> String {
        // A key of any length is taken, so this never fails.
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&self.key) else { return String::new() };
        for part in parts {
            mac.update(part.to_ascii_lowercase().as_bytes());
        }
        BASE64_NOPAD.encode(&mac.finalize().into_bytes())
    }

    /// Compares without case, since remotes fold it, and in constant time.
    pub(super) fn verifies(&self, hash: &str, parts: &[&str]) -> bool {
        if hash.len() < self.min_hash.max(1) {
            return false;
        }
        let right = self.hash(parts).to_ascii_lowercase();
        let Some(right) = right.as_bytes().get(..hash.len()) else { return false };
        hash.to_ascii_lowercase().as_bytes().ct_eq(right).into()
    }
}

impl Ring {
    /// Reads the secrets file: one secret a line, the first signs, all verify. `secret min=4` lets hashes of four
    /// characters verify under that secret; others want `hash_length`. Blank lines and lines with `#` in front do not
    /// count.
    pub fn parse_secrets(text: &str, hash_length: usize) -> Result<Vec<Secret>, SecretsError> {
        let lines = text.lines().map(str::trim).enumerate();
        let secrets: Vec<Secret> = lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(at, line)| parse_secret(line, at + 1, hash_length))
            .collect::<Result<_, _>>()?;
        if secrets.is_empty() { Err(SecretsError::Empty) } else { Ok(secrets) }
    }
}

fn parse_secret(text: &str, line: usize, hash_length: usize) -> Result<Secret, SecretsError> {
    let marked = text.rsplit_once("min=").filter(|(before, _)| before.is_empty() || before.ends_with([' ', '\t']));
    let Some((secret, min)) = marked else {
        return Ok(Secret { key: text.into(), min_hash: hash_length });
    };
    let secret = secret.trim_end();
    if secret.is_empty() {
        return Err(SecretsError::NoSecret { line });
    }
    match min.parse() {
        Ok(min_hash) if (MIN_HASH_LENGTH..=MAX_HASH_LENGTH).contains(&min_hash) => {
            Ok(Secret { key: secret.into(), min_hash })
        }
        _ => Err(SecretsError::BadMinimum { line }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, usize)>, SecretsError> {
        let secrets = Ring::parse_secrets(text, 8)?;
        Ok(secrets.into_iter().map(|s| (String::from_utf8(s.key).unwrap(), s.min_hash)).collect())
    }

    #[test]
    fn reads_one_secret_a_line() {
        let text = "# ours\r\nfirst\r\n\n  of postsrsd min=4  \nadmin=4\n";
        let wanted = [("first", 8), ("of postsrsd", 4), ("admin=4", 8)];
        assert_eq!(parse(text).unwrap(), wanted.map(|(key, min)| (key.to_owned(), min)));
    }

    #[test]
    fn says_which_line_is_wrong() {
        assert_eq!(parse("\n# nothing\n"), Err(SecretsError::Empty));
        for min in ["3", "28", "x", "", "-4"] {
            assert_eq!(parse(&format!("a\nb min={min}")), Err(SecretsError::BadMinimum { line: 2 }), "{min}");
        }
        assert_eq!(parse("min=4"), Err(SecretsError::NoSecret { line: 1 }));
    }
}
