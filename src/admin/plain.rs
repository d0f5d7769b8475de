//! Names as plain letters: what an alias that everybody can write to is made of. Letters of other alphabets have none.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Letters of several, as those write them who lack their keys.
const WRITTEN_AS: [(char, &str); 12] = [
    ('ä', "ae"),
    ('ö', "oe"),
    ('ü', "ue"),
    ('ß', "ss"),
    ('æ', "ae"),
    ('œ', "oe"),
    ('ø', "o"),
    ('ł', "l"),
    ('đ', "d"),
    ('ð', "d"),
    ('þ', "th"),
    ('ı', "i"),
];

/// Lower-case ASCII letters, digits and hyphens: `größe é` is `groesse-e`.
pub(super) fn plain(text: &str) -> String {
    let letters = text.nfc().flat_map(char::to_lowercase).map(written);
    letters.collect::<String>().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

fn written(letter: char) -> String {
    match WRITTEN_AS.iter().find(|(known, _)| *known == letter) {
        Some((_, written)) => (*written).to_owned(),
        None if letter.is_whitespace() => "-".to_owned(),
        None => std::iter::once(letter).nfkd().filter(|c| !is_combining_mark(*c)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_are_written_out_or_left_off() {
        for (text, wanted) in [
            ("Größe Shop", "groesse-shop"),
            ("Gro\u{308}ße", "groesse"),
            ("café", "cafe"),
            ("Łódź", "lodz"),
            ("smørrebrød", "smorrebrod"),
            ("xn--bcher-kva", "xn--bcher-kva"),
            ("日本", ""),
        ] {
            assert_eq!(plain(text), wanted, "{text}");
        }
    }
}
