//! The header that a report returns: cut to size, and made fit for any way back.

/// Octets in a line with its CRLF (RFC 5321 §4.5.3.1.6).
const MAX_LINE_OCTETS: usize = 1000;
/// Octets in a line of quoted-printable, without its CRLF and the soft line end (RFC 2045 §6.7).
const MAX_QUOTED_OCTETS: usize = 75;

/// As many whole lines of the header as fit, without the empty line that ends it.
pub(super) fn cut(header: &[u8], limit: usize) -> &[u8] {
    let header = header.strip_suffix(b"\r\n\r\n").map_or(header, |body| &header[..body.len() + 2]);
    if header.len() <= limit {
        return header;
    }
    let end = memchr::memrchr(b'\n', &header[..limit]).map_or(0, |at| at + 1);
    &header[..end]
}

/// Whether it can stand as it is: ASCII, whole lines, none too long.
pub(super) fn is_seven_bit(header: &[u8]) -> bool {
    let fits = |line: &[u8]| line.len() <= MAX_LINE_OCTETS && line.ends_with(b"\r\n") && !line.contains(&0);
    header.is_ascii() && header.split_inclusive(|octet| *octet == b'\n').all(fits)
}

/// Encodes text line by line (RFC 2045 §6.7).
pub(super) fn quote_printable(text: &[u8], encoded: &mut Vec<u8>) {
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        let content = line.strip_suffix(b"\r\n").unwrap_or(line);
        let mut column = 0;
        for (at, octet) in content.iter().enumerate() {
            let last = at + 1 == content.len();
            let plain = matches!(octet, b'!'..=b'<' | b'>'..=b'~') || (!last && matches!(octet, b' ' | b'\t'));
            if column + if plain { 1 } else { 3 } > MAX_QUOTED_OCTETS {
                encoded.extend_from_slice(b"=\r\n");
                column = 0;
            }
            if plain {
                encoded.push(*octet);
                column += 1;
            } else {
                encoded.extend_from_slice(format!("={octet:02X}").as_bytes());
                column += 3;
            }
        }
        encoded.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_a_line_end() {
        assert_eq!(cut(b"A: 1\r\nB: 2\r\n\r\n", 100), b"A: 1\r\nB: 2\r\n");
        assert_eq!(cut(b"A: 1\r\nB: 2\r\n", 8), b"A: 1\r\n");
        assert_eq!(cut(b"A: 1\r\n", 3), b"");
        assert_eq!(cut(b"\r\n\r\n", 100), b"\r\n");
    }

    #[test]
    fn quoted_printable_wraps_and_hides_what_is_not_seven_bit() {
        let mut encoded = Vec::new();
        quote_printable(format!("S: é=\t \r\nL: {}\r\n", "x".repeat(100)).as_bytes(), &mut encoded);
        let wanted = format!("S: =C3=A9=3D\t=20\r\nL: {}=\r\n{}\r\n", "x".repeat(72), "x".repeat(28));
        assert_eq!(String::from_utf8(encoded).unwrap(), wanted);
    }

    #[test]
    fn long_lines_and_bare_ends_want_encoding() {
        assert!(is_seven_bit(b"A: 1\r\n") && is_seven_bit(b""));
        for header in [&b"A: 1\n"[..], b"A: 1", b"A: \xc3\xa9\r\n", b"A: \0\r\n", &[b'x'; 1001]] {
            assert!(!is_seven_bit(header));
        }
    }
}
