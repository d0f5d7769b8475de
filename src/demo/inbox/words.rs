//! Reads what stands in a command line.

/// The text between the angle brackets, and the parameters behind them.
pub(super) fn path(line: &str) -> Option<(String, String)> {
    let (open, close) = (line.find('<')?, line.rfind('>')?);
    Some((line.get(open + 1..close)?.to_owned(), line[close + 1..].trim().to_owned()))
}

pub(super) fn declared_size(params: &str) -> Option<u64> {
    params.split_ascii_whitespace().find_map(|param| param.to_ascii_uppercase().strip_prefix("SIZE=")?.parse().ok())
}
