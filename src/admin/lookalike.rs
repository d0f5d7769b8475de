//! Look-alikes: a local part with letters from elsewhere that reads like an ASCII one (`аdmin` with a Cyrillic а) must not
//! stand beside it. Asked when an alias is made; matching mail never folds this way (CONFORMANCE, threat 20).

use unicode_normalization::UnicodeNormalization;

/// Letters of Cyrillic, Greek and Armenian that are drawn like an ASCII letter, and that letter.
const DRAWN_ALIKE: [(char, char); 44] = [
    ('а', 'a'),
    ('в', 'b'),
    ('с', 'c'),
    ('ԁ', 'd'),
    ('е', 'e'),
    ('һ', 'h'),
    ('і', 'i'),
    ('ї', 'i'),
    ('ј', 'j'),
    ('к', 'k'),
    ('ӏ', 'l'),
    ('м', 'm'),
    ('п', 'n'),
    ('о', 'o'),
    ('р', 'p'),
    ('ԛ', 'q'),
    ('г', 'r'),
    ('ѕ', 's'),
    ('т', 't'),
    ('ц', 'u'),
    ('ѵ', 'v'),
    ('ԝ', 'w'),
    ('х', 'x'),
    ('у', 'y'),
    ('α', 'a'),
    ('β', 'b'),
    ('ϲ', 'c'),
    ('ε', 'e'),
    ('η', 'n'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('ν', 'v'),
    ('ο', 'o'),
    ('ρ', 'p'),
    ('τ', 't'),
    ('υ', 'u'),
    ('χ', 'x'),
    ('γ', 'y'),
    ('ω', 'w'),
    ('օ', 'o'),
    ('ս', 'u'),
    ('հ', 'h'),
    ('ı', 'i'),
    ('ɡ', 'g'),
];

/// Whether a character shows nothing, or changes the direction of what surrounds it.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The ASCII local part that `local` reads like, where it is not that itself.
#[must_use]
pub(super) fn reads_like(local: &str) -> Option<String> {
    if local.is_ascii() {
        return None;
    }
    let folded: String = local.nfkc().flat_map(char::to_lowercase).map(plain_letter).collect();
    folded.is_ascii().then_some(folded)
}

fn plain_letter(c: char) -> char {
    DRAWN_ALIKE.iter().find(|(foreign, _)| *foreign == c).map_or(c, |(_, ascii)| *ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_letters_fold_to_what_they_read_like() {
        assert_eq!(reads_like("аdmin").as_deref(), Some("admin"));
        assert_eq!(reads_like("ａｄｍｉｎ").as_deref(), Some("admin"));
        assert_eq!(reads_like("\u{212a}im").as_deref(), Some("kim"));
        assert_eq!(reads_like("admin"), None);
        assert_eq!(reads_like("grüße"), None);
        assert_eq!(reads_like("почта"), None);
    }

    #[test]
    fn what_nobody_sees_is_known() {
        assert!(['\u{200b}', '\u{202e}', '\u{feff}', '\u{ad}'].into_iter().all(is_invisible));
        assert!(!['a', 'é', 'я', '漢'].into_iter().any(is_invisible));
    }
}
