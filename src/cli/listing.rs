//! Lists of the API, page by page until as many rows are there as were asked for; and single objects as a sheet of labels.

use clap::Args;
use serde_json::{Value, json};

use super::api::{Answer, Api, with_query};
use super::output::{Column, cell};

/// Rows of one page, at most.
const PAGE_ROWS: u32 = 500;

/// How many rows.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Paging {
    /// At most so many rows
    #[arg(long, value_name = "N", default_value_t = PAGE_ROWS, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
}

/// Fetches a list. What fits into one page is handed on exactly as it came.
pub(super) async fn fetch(
    api: &Api,
    path: &str,
    filters: &[(&str, Option<String>)],
    paging: Paging,
) -> anyhow::Result<Answer> {
    let mut rows: Vec<Value> = Vec::new();
    let mut cursor = None;
    loop {
        let wanted = (paging.limit - count(&rows)).min(PAGE_ROWS);
        let mut query = filters.to_vec();
        query.extend([("limit", Some(wanted.to_string())), ("cursor", cursor)]);
        let mut page = api.get(&with_query(path, &query)).await?;
        let next = page.value["next_cursor"].as_str().map(str::to_owned);
        if rows.is_empty() && (next.is_none() || paging.limit <= PAGE_ROWS) {
            return Ok(page);
        }
        if let Value::Array(items) = page.value["items"].take() {
            rows.extend(items);
        }
        if next.is_none() || count(&rows) >= paging.limit {
            let value = json!({"items": rows, "next_cursor": next});
            return Ok(Answer { text: value.to_string(), value });
        }
        cursor = next;
    }
}

fn count(rows: &[Value]) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}

/// One object, a line for each label.
pub(super) fn sheet(object: &Value, labels: &[Column]) -> String {
    let width = labels.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let line = |(label, pointer): &Column| format!("{label:width$}  {}", cell(object, pointer));
    labels.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_aligned() {
        let object = json!({"a": "x", "b": {"c": 5}});
        assert_eq!(
            sheet(&object, &[("short", "/a"), ("longer", "/b/c"), ("no", "/d")]),
            "short   x\nlonger  5\nno      -"
        );
    }
}
