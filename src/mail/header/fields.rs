//! Parts a header into its fields.

/// The fields of a header in order: name, and value with its folding. Blanks before the colon are let through
/// (RFC 5322 §4.5); what is no field has a name that nobody asks for, or is passed over.
pub(in crate::mail) fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = head;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let (field, behind) = rest.split_at(end_of_field(rest));
            rest = behind;
            if let Some(colon) = memchr::memchr(b':', field) {
                return Some((field[..colon].trim_ascii_end(), &field[colon + 1..]));
            }
        }
    })
}

/// A field ends with the first line that is not followed by a blank (RFC 5322 §2.2.3).
fn end_of_field(rest: &[u8]) -> usize {
    let ends = memchr::memchr_iter(b'\n', rest).map(|at| at + 1);
    let mut ends = ends.filter(|end| !matches!(rest.get(*end), Some(b' ' | b'\t')));
    ends.next().unwrap_or(rest.len())
}
