//! Reads what stands in a command line, and writes the answer to EHLO.

use super::{Extensions, StartTls};

/// The text between the angle brackets, and the parameters behind them.
pub(super) fn path(line: &str) -> Option<(String, String)> {
    let (open, close) = (line.find('<')?, line.rfind('>')?);
    Some((line.get(open + 1..close)?.to_owned(), line[close + 1..].trim().to_owned()))
}

pub(super) fn declared_size(params: &str) -> Option<u64> {
    params.split_ascii_whitespace().find_map(|param| param.to_ascii_uppercase().strip_prefix("SIZE=")?.parse().ok())
}

pub(super) fn offer(extensions: &Extensions, tls: bool) -> String {
    let mut lines = vec!["inbox.example".to_owned(), "ENHANCEDSTATUSCODES".to_owned()];
    let size = extensions.size.map(|size| format!("SIZE {size}"));
    let flags = [
        (extensions.pipelining, "PIPELINING"),
        (extensions.eight_bit_mime, "8BITMIME"),
        (extensions.smtp_utf8, "SMTPUTF8"),
        (extensions.starttls != StartTls::None && !tls, "STARTTLS"),
    ];
    lines.extend(flags.into_iter().filter(|(offered, _)| *offered).map(|(_, name)| name.to_owned()));
    lines.extend(size);
    lines.extend(extensions.others.iter().cloned());
    let last = lines.len() - 1;
    let line = |(at, text): (usize, &String)| format!("250{}{text}", if at == last { ' ' } else { '-' });
    lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
}
