//! A table of aliases as people have one, read row by row: CSV with or without a first row that names its columns, lines of
//! `alias<TAB>destination`, or addresses one a line. Each row is what is written of an alias, or what is wrong with it. What
//! [`several`] wrote and the export of the panel saved is read as it was.

use serde_json::{Map, Value, json};

/// The columns, in the order of a table that does not name them.
pub const ALIAS_COLUMNS: [&str; 6] = ["alias", "destination", "action", "enabled", "description", "labels"];
/// Other names for them, as tables from elsewhere have.
const ALSO: [(&str, &str); 17] = [
    ("address", "alias"),
    ("email", "alias"),
    ("destinations", "destination"),
    ("to", "destination"),
    ("recipient", "destination"),
    ("recipients", "destination"),
    ("mailbox", "destination"),
    ("mailboxes", "destination"),
    ("active", "enabled"),
    ("status", "enabled"),
    ("state", "enabled"),
    ("note", "description"),
    ("notes", "description"),
    ("comment", "description"),
    ("label", "labels"),
    ("tags", "labels"),
    ("deleted_at", DELETED),
];
/// When an alias was deleted elsewhere: it is not brought in.
const DELETED: &str = "deleted";
/// What addy.io calls whether an alias is on. Where it saves what there is, a cell that would say no is left empty.
const ADDY_ACTIVE: &str = "active";
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

/// A table as it was read.
pub(super) struct Table {
    /// Its rows.
    pub(super) rows: Vec<Row>,
    /// Columns that say something and are not read, as the table names them.
    pub(super) unread: Vec<String>,
}

/// Reads a table. Empty lines say nothing, nor do those that begin with # where no first row names the columns.
pub(super) fn read(text: &str) -> Table {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut rows = Cells::of(&text).rows();
    rows.retain(|row| row.cells.iter().any(|cell| !cell.is_empty()));
    let is_comment = |row: &Read| row.cells[0].starts_with('#');
    let first = rows.iter().position(|row| !is_comment(row)).unwrap_or(rows.len());
    rows.drain(..first);
    let named = rows.first().and_then(|row| Columns::named(&row.cells));
    match named {
        Some(_) => drop(rows.remove(0)),
        None => rows.retain(|row| !is_comment(row)),
    }
    let columns = named.unwrap_or_else(Columns::unnamed);
    let unread = columns.unread(&rows);
    Table { rows: rows.into_iter().map(|row| (row.line, row.written(&columns))).collect(), unread }
}

/// A row as it stands.
#[derive(Default)]
struct Read {
    /// Its first line.
    line: usize,
    cells: Vec<String>,
    /// A quote of it is not closed.
    is_open: bool,
}

impl Read {
    fn written(&self, columns: &Columns) -> Result<Map<String, Value>, String> {
        if self.is_open {
            return Err("a quote is opened here and not closed: close it, or put two where one is meant".to_owned());
        }
        written(columns, &self.cells)
    }
}

/// The first line that parts cells.
fn first_of(text: &str) -> &str {
    text.lines().find(|line| !line.starts_with('#') && line.contains(SEPARATORS)).unwrap_or_default()
}

/// What parts cells, as the first line shows that has any: a tab, else what stands first.
fn between(first: &str) -> char {
    if first.contains('\t') { '\t' } else { first.chars().find(|c| SEPARATORS.contains(c)).unwrap_or(',') }
}

/// Text that is read cell by cell (RFC 4180).
struct Cells<'t> {
    rest: &'t str,
    between: char,
    /// How many signs part the cells of the first row.
    parted: usize,
}

impl<'t> Cells<'t> {
    fn of(text: &'t str) -> Self {
        let first = first_of(text);
        let between = between(first);
        Self { rest: text, between, parted: first.matches(between).count() }
    }

    /// All rows.
    fn rows(mut self) -> Vec<Read> {
        let (mut found, mut line) = (Vec::new(), 1);
        let mut row = Read { line, ..Read::default() };
        while !self.rest.is_empty() {
            let before = self.rest;
            let is_last = self.cell(&mut row);
            line += before[..before.len() - self.rest.len()].matches('\n').count();
            if is_last {
                found.push(std::mem::replace(&mut row, Read { line, ..Read::default() }));
            }
        }
        found
    }

    /// Reads the next cell of a row; whether the row ends with it.
    fn cell(&mut self, row: &mut Read) -> bool {
        let (cell, rest) = self.quoted().unwrap_or_else(|| {
            let end = self.rest.find(['\n', self.between]).unwrap_or(self.rest.len());
            let cell = &self.rest[..end];
            row.is_open |= cell.trim_start_matches(' ').starts_with('"') && cell.matches('"').count() % 2 == 1;
            (cell.to_owned(), &self.rest[end..])
        });
        let is_last = !rest.starts_with(self.between);
        self.rest = rest.strip_prefix(['\n', self.between]).unwrap_or_default();
        row.cells.push(plain(&cell));
        // A separator at the very end has one more cell after it, which is empty: it says nothing.
        is_last || self.rest.is_empty()
    }

    /// A cell in quotes, and what follows it. A quote that none closes at the end of a cell is a sign like others, as is one
    /// that would take in whole rows: else one that is forgotten would take in all the rows after it.
    fn quoted(&self) -> Option<(String, &'t str)> {
        let inner = self.rest.trim_start_matches(' ').strip_prefix('"')?;
        let mut from = 0;
        loop {
            let at = from + inner[from..].find('"')?;
            let after = &inner[at + 1..];
            if after.starts_with('"') {
                from = at + 2;
                continue;
            }
            let after = after.trim_start_matches(' ');
            let is_end = after.is_empty() || after.starts_with(['\n', self.between]);
            let takes_rows = inner[..at].lines().skip(1).any(|line| self.is_row(line));
            return (is_end && !takes_rows).then(|| (inner[..at].replace("\"\"", "\""), after));
        }
    }

    /// Whether a line reads like one more row: parted as the first is, with an address in its first cell.
    fn is_row(&self, line: &str) -> bool {
        let first = line.split(self.between).next().unwrap_or_default().trim();
        let is_address = first.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'));
        is_address && !first.contains(char::is_whitespace) && line.matches(self.between).count() >= self.parted
    }
}

/// A cell without what keeps programs from reading it as a formula.
fn plain(cell: &str) -> String {
    let cell = cell.trim();
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell).to_owned()
}

/// The columns of a table.
struct Columns {
    /// What each is to us; none for one that is not read.
    known: Vec<Option<&'static str>>,
    /// What the table calls them, where it does.
    names: Vec<String>,
    /// An empty cell says that an alias is off.
    empty_is_off: bool,
}

impl Columns {
    /// Of a table that does not name them.
    fn unnamed() -> Self {
        Self { known: ALIAS_COLUMNS.map(Some).to_vec(), names: Vec::new(), empty_is_off: false }
    }

    /// What the first row calls them, where it does. Of several that say the same, the one of our own name is read, else the
    /// first.
    fn named(cells: &[String]) -> Option<Self> {
        let names: Vec<String> = cells.iter().map(|cell| cell.to_lowercase()).collect();
        let place = |column: &str| {
            let also = |name: &String| ALSO.iter().any(|(word, is)| word == name && *is == column);
            names.iter().position(|name| name == column).or_else(|| names.iter().position(also))
        };
        let mut known = vec![None; names.len()];
        for column in ALIAS_COLUMNS.into_iter().chain([DELETED]) {
            if let Some(at) = place(column) {
                known[at] = Some(column);
            }
        }
        let has = |column| known.contains(&Some(column));
        let empty_is_off = has(DELETED) && names.iter().any(|name| name == ADDY_ACTIVE);
        has("alias").then(|| Self { names: cells.to_vec(), known, empty_is_off })
    }

    fn unread(&self, rows: &[Read]) -> Vec<String> {
        let says = |at: usize| rows.iter().any(|row| row.cells.get(at).is_some_and(|cell| !cell.is_empty()));
        let unread = self.names.iter().enumerate().filter(|(at, _)| self.known[*at].is_none() && says(*at));
        unread.map(|(_, name)| if name.is_empty() { "one without a name".to_owned() } else { name.clone() }).collect()
    }
}

fn written(columns: &Columns, cells: &[String]) -> Result<Map<String, Value>, String> {
    if cells.iter().skip(columns.known.len()).any(|cell| !cell.is_empty()) {
        return Err("there are more cells than columns: put what has such a sign in it in quotes".to_owned());
    }
    let mut written = Map::new();
    for (at, column) in columns.known.iter().enumerate() {
        let (Some(column), cell) = (column, cells.get(at).map_or("", String::as_str)) else { continue };
        if cell.is_empty() && !(columns.empty_is_off && *column == "enabled") {
            continue;
        }
        let (key, value) = match *column {
            DELETED if switch(cell) == Ok(false) => continue,
            DELETED => return Err("it was deleted where this table comes from".to_owned()),
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
        "true" | "yes" | "on" | "1" | "enabled" | "active" => Ok(true),
        "false" | "no" | "off" | "0" | "disabled" | "inactive" | "" => Ok(false),
        _ => Err(format!("“{cell}” does not say whether it is on: write true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Value {
        json!(read(text).rows.into_iter().map(|(line, row)| json!([line, row.unwrap_or_default()])).collect::<Vec<_>>())
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
        let text = "alias,enabled\n,\n,true\na@x.example,maybe\n\"b@x.example,no\n#c@x.example,no\nd@x.example,,e\n\"\"@x.example,no";
        let rows = read(text).rows;
        let wrong: Vec<_> = rows.iter().filter_map(|(line, row)| Some((*line, row.as_ref().err()?.as_str()))).collect();
        let maybe = "“maybe” does not say whether it is on: write true or false";
        let more = "there are more cells than columns: put what has such a sign in it in quotes";
        let open = "a quote is opened here and not closed: close it, or put two where one is meant";
        assert_eq!(wrong, [(3, "there is no alias in this row"), (4, maybe), (5, open), (7, more)]);
        let read: Vec<_> =
            rows.iter().filter_map(|(line, row)| Some((*line, row.as_ref().ok()?["address"].clone()))).collect();
        assert_eq!(read, [(6, json!("#c@x.example")), (8, json!("\"\"@x.example"))]);
    }

    /// Two that are forgotten may look like one that is closed, lines later.
    #[test]
    fn a_quote_takes_in_lines_of_a_note_and_no_rows() {
        let lines = |text: &str| -> Vec<(usize, bool)> {
            read(text).rows.into_iter().map(|(line, row)| (line, row.is_ok())).collect()
        };
        let head = "alias,description\n";
        assert_eq!(
            lines(&format!("{head}a@x.example,\"one\ntwo, with b@x.example\"\nc@x.example,")),
            [(2, true), (4, true)]
        );
        let two = format!("{head}a@x.example,\"one\nb@x.example,two\nc@x.example,three\"\nd@x.example,four");
        assert_eq!(lines(&two), [(2, false), (3, true), (4, true), (5, true)]);
        assert_eq!(lines("\"a@x.example\nb@x.example\nc@x.example"), [(1, false), (2, true), (3, true)]);
        assert_eq!(
            lines("a@x.example\n\"b@x.example\nc@x.example\"\nd@x.example"),
            [(1, true), (2, false), (3, true), (4, true)]
        );
    }

    #[test]
    fn of_columns_that_say_the_same_ours_is_read_and_the_others_are_named() {
        let table = read("Email,Alias,expires,,note\nme@y.example,a@x.example,,7,hi\n");
        let row = json!({ "address": "a@x.example", "description": "hi" });
        assert_eq!(json!(table.rows[0].1), json!({ "Ok": row }));
        assert_eq!(table.unread, ["Email", "one without a name"]);
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
