//! A table of aliases as people have one, read row by row: CSV with or without a first row that names its columns, lines of
//! `alias<TAB>destination`, or addresses one a line. Each row is what is written of an alias, or what is wrong with it. What
//! [`several`] wrote and the export of the panel saved is read as it was.

use serde_json::{Map, Value, json};

/// The columns, in the order of a table that does not name them.
pub const ALIAS_COLUMNS: [&str; 6] = ["alias", "destination", "action", "enabled", "description", "labels"];
/// Other names for them, as tables from elsewhere have.
const ALSO: [(&str, &str); 6] = [
    ("address", "alias"),
    ("email", "alias"),
    ("destinations", "destination"),
    ("to", "destination"),
    ("note", "description"),
    ("label", "labels"),
];
/// What may part the cells of a row.
const SEPARATORS: [char; 3] = ['\t', ';', ','];
/// What programs take for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A row by the number of its first line.
pub(super) type Row = (usize, Result<Map<String, Value>, String>);

/// Labels in one cell. The comma of a label has a backslash before it.
#[must_use]
pub fn labels_in_a_cell(labels: &[String]) -> String {
    let label = |label: &String| label.replace('\\', "\\\\").replace(',', "\\,");
    labels.iter().map(label).collect::<Vec<_>>().join(", ")
}

/// Whether a cell would be taken for a formula; so would one that only looks as if it were kept from that.
#[must_use]
pub fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(FORMULA)
}

/// Reads a table. Empty lines say nothing, nor do those that begin with # where no first row names the columns.
pub(super) fn read(text: &str) -> Vec<Row> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut rows = Cells::of(&text).rows();
    rows.retain(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
    let is_comment = |(_, cells): &(usize, Vec<String>)| cells[0].starts_with('#');
    let first = rows.iter().position(|row| !is_comment(row)).unwrap_or(rows.len());
    rows.drain(..first);
    let named = rows.first().and_then(|(_, cells)| columns(cells));
    match named {
        Some(_) => drop(rows.remove(0)),
        None => rows.retain(|row| !is_comment(row)),
    }
    let columns = named.unwrap_or_else(|| ALIAS_COLUMNS.map(Some).to_vec());
    rows.into_iter().map(|(line, cells)| (line, written(&columns, &cells))).collect()
}

/// What parts cells, as the first line shows that has any: a tab, else what stands first.
fn between(text: &str) -> char {
    let first = text.lines().find(|line| !line.starts_with('#') && line.contains(SEPARATORS)).unwrap_or_default();
    if first.contains('\t') { '\t' } else { first.chars().find(|c| SEPARATORS.contains(c)).unwrap_or(',') }
}

/// Text that is read cell by cell (RFC 4180).
struct Cells<'t> {
    rest: &'t str,
    between: char,
}

impl<'t> Cells<'t> {
    fn of(text: &'t str) -> Self {
        Self { rest: text, between: between(text) }
    }

    /// The cells of each row, and the line on which it begins.
    fn rows(mut self) -> Vec<(usize, Vec<String>)> {
        let (mut found, mut row, mut line, mut began) = (Vec::new(), Vec::new(), 1, 1);
        while !self.rest.is_empty() {
            let before = self.rest;
            let (cell, is_last) = self.cell();
            row.push(cell);
            line += before[..before.len() - self.rest.len()].matches('\n').count();
            if is_last {
                found.push((std::mem::replace(&mut began, line), std::mem::take(&mut row)));
            }
        }
        found
    }

    /// The next cell, and whether its row ends with it.
    fn cell(&mut self) -> (String, bool) {
        let (cell, rest) = quoted(self.rest, self.between).unwrap_or_else(|| {
            let end = self.rest.find(['\n', self.between]).unwrap_or(self.rest.len());
            (self.rest[..end].to_owned(), &self.rest[end..])
        });
        let is_last = !rest.starts_with(self.between);
        self.rest = rest.strip_prefix(['\n', self.between]).unwrap_or_default();
        // A separator at the very end has one more cell after it, which is empty: it says nothing.
        (plain(&cell), is_last || self.rest.is_empty())
    }
}

/// A cell in quotes, and what follows it. A quote that none closes at the end of a cell is a sign like others: else one that
/// is forgotten would take in all the rows after it.
fn quoted(text: &str, between: char) -> Option<(String, &str)> {
    let inner = text.trim_start_matches(' ').strip_prefix('"')?;
    let mut from = 0;
    loop {
        let at = from + inner[from..].find('"')?;
        let after = &inner[at + 1..];
        if after.starts_with('"') {
            from = at + 2;
            continue;
        }
        let after = after.trim_start_matches(' ');
        let is_end = after.is_empty() || after.starts_with(['\n', between]);
        return is_end.then(|| (inner[..at].replace("\"\"", "\""), after));
    }
}

/// A cell without what keeps programs from reading it as a formula.
fn plain(cell: &str) -> String {
    let cell = cell.trim();
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell).to_owned()
}

/// What the first row calls the columns, where it does; none for a column that is not ours.
fn columns(cells: &[String]) -> Option<Vec<Option<&'static str>>> {
    let known = |cell: &String| {
        let name = cell.to_lowercase();
        let also = ALSO.iter().find(|(word, _)| *word == name).map(|(_, column)| *column);
        ALIAS_COLUMNS.into_iter().find(|column| *column == name).or(also)
    };
    let named: Vec<_> = cells.iter().map(known).collect();
    named.contains(&Some("alias")).then_some(named)
}

fn written(columns: &[Option<&'static str>], cells: &[String]) -> Result<Map<String, Value>, String> {
    if cells.iter().skip(columns.len()).any(|cell| !cell.is_empty()) {
        return Err("there are more cells than columns: put what has such a sign in it in quotes".to_owned());
    }
    let mut written = Map::new();
    for (column, cell) in columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
        let Some(column) = column else { continue };
        let (key, value) = match *column {
            "alias" => ("address", json!(cell)),
            "destination" => ("destinations", json!(addresses(cell))),
            "labels" => ("labels", json!(labels(cell))),
            "enabled" => ("enabled", json!(switch(cell)?)),
            "action" => ("action", json!(cell.to_lowercase())),
            other => (other, json!(cell)),
        };
        written.insert(key.to_owned(), value);
    }
    if written.contains_key("address") { Ok(written) } else { Err("there is no alias in this row".to_owned()) }
}

/// Addresses in one cell. A local part in quotes stays whole.
fn addresses(cell: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let ends = |c: char| {
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        !is_quoted && (c.is_whitespace() || matches!(c, ',' | ';'))
    };
    cell.split(ends).filter(|part| !part.is_empty()).collect()
}

/// What [`labels_in_a_cell`] wrote.
fn labels(cell: &str) -> Vec<String> {
    let mut is_escaped = false;
    let ends = |c: char| {
        let is_end = c == ',' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    };
    let labels = cell.split(ends).map(str::trim).filter(|label| !label.is_empty());
    labels.map(|label| label.replace("\\,", ",").replace("\\\\", "\\")).collect()
}

fn switch(cell: &str) -> Result<bool, String> {
    match cell.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("“{cell}” does not say whether it is on: write true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Value {
        json!(read(text).into_iter().map(|(line, row)| json!([line, row.unwrap_or_default()])).collect::<Vec<_>>())
    }

    #[test]
    fn tables_of_every_make_are_read() {
        let (a, b) = (json!({ "address": "a@x.example" }), json!({ "address": "b@x.example" }));
        assert_eq!(all("a@x.example\n\n# mine\r\n b@x.example \n"), json!([[1, a], [4, b]]));
        let to = json!({ "address": "a@x.example", "destinations": ["c@d.example", "e@d.example"] });
        for text in [
            "a@x.example\tc@d.example e@d.example",
            "a@x.example,\"c@d.example, e@d.example\"",
            "a@x.example;c@d.example e@d.example",
        ] {
            assert_eq!(all(text), json!([[1, to]]), "{text}");
        }
        let text =
            "\u{feff}Note,Count,Address,Enabled,Labels\r\n\"say \"\"hi\"\",\n=2\",7,'+a@x.example,no,\"one, two\"\r\n";
        let row = json!({ "description": "say \"hi\",\n=2", "address": "+a@x.example", "enabled": false, "labels": ["one", "two"] });
        assert_eq!(all(text), json!([[2, row]]));
    }

    #[test]
    fn a_row_that_is_wrong_says_why_and_where_and_keeps_no_other_out() {
        let text = "alias,enabled\n,\n,true\na@x.example,maybe\n\"b@x.example\n#c@x.example,no\nd@x.example,,e";
        let rows = read(text);
        let wrong: Vec<_> = rows.iter().filter_map(|(line, row)| Some((*line, row.as_ref().err()?.as_str()))).collect();
        let maybe = "“maybe” does not say whether it is on: write true or false";
        let more = "there are more cells than columns: put what has such a sign in it in quotes";
        assert_eq!(wrong, [(3, "there is no alias in this row"), (4, maybe), (7, more)]);
        let read: Vec<_> =
            rows.iter().filter_map(|(line, row)| Some((*line, row.as_ref().ok()?["address"].clone()))).collect();
        assert_eq!(read, [(5, json!("\"b@x.example")), (6, json!("#c@x.example"))]);
    }

    #[test]
    fn quotes_that_are_of_an_address_stay() {
        assert_eq!(all("\"*\"@x.example\n"), json!([[1, { "address": "\"*\"@x.example" }]]));
        let row =
            json!([[2, { "address": "\"*\"@x.example", "destinations": ["\"a, \\\" b\"@y.example", "c@y.example"] }]]);
        assert_eq!(all("# mine; yours\n\"\"\"*\"\"@x.example\",\"\"\"a, \\\"\" b\"\"@y.example c@y.example\""), row);
    }

    #[test]
    fn labels_are_read_as_they_were_written() {
        let all = ["a, b", "c\\", "d\\,e", "f;g", "h\\i"].map(str::to_owned);
        for few in 1..=all.len() {
            assert_eq!(labels(&labels_in_a_cell(&all[..few])), all[..few]);
        }
        assert_eq!(labels("a,b ,, c\\d"), ["a", "b", "c\\d"]);
    }

    #[test]
    fn what_is_kept_from_being_a_formula_is_read_as_it_was() {
        for (cell, said) in [("'+a", "+a"), ("''+a", "'+a"), ("+a", "+a"), ("'a", "'a"), ("''", "''")] {
            assert_eq!(plain(cell), said);
        }
    }
}
