//! Output as a table, a list, JSON or CSV.

use cli::Screen;
use cli::format::harmless;
use serde_json::Value as Json;

use super::listing::Listing;
use super::row::{QueryResult, Row, cell};
use cli_command::format::{Format, csv_cell};

/// Formats of query results.
pub(super) const FORMATS: &[Format] = &[Format::Table, Format::List, Format::Json, Format::Csv];

/// Formats query results.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    format: Option<Format>,
    screen: Screen,
}

impl Printer {
    pub(super) fn new(format: Option<Format>) -> Self {
        Self { format, screen: Screen::of_this_process() }
    }

    /// A printer for tests.
    #[cfg(test)]
    pub(super) fn on(screen: Screen, format: Format) -> Self {
        Self { format: Some(format), screen }
    }

    /// Changes the format; `None` selects the default for each query.
    pub(super) fn with(self, format: Option<Format>) -> Self {
        Self { format, ..self }
    }

    pub(super) fn print(self, found: &QueryResult) -> String {
        let mut listing = self.listing(found.properties.clone(), usize::MAX);
        let text: String = found.rows.iter().map(|row| listing.row(row.clone())).collect();
        text + &listing.end().0
    }

    /// Starts the output of query results with the selected properties; at most `buffer_limit` rows determine the columns.
    pub(super) fn listing(self, selected: Option<Vec<String>>, buffer_limit: usize) -> Listing {
        Listing::new(self, self.format_for(selected.is_some()), selected, buffer_limit)
    }

    /// A table for selected properties; a list for all, which are too many for the columns of a table.
    fn format_for(self, has_selection: bool) -> Format {
        self.format.unwrap_or(if has_selection { Format::Table } else { Format::List })
    }

    /// Returns text for programs unchanged, but escapes control characters on a terminal.
    fn for_programs(self, text: String) -> String {
        if self.screen.table_width().is_some() { harmless(&text) } else { text }
    }

    /// Escapes JSON and CSV on a terminal; tables and lists are escaped cell by cell.
    pub(super) fn document(self, format: Format, text: String) -> String {
        if matches!(format, Format::Json | Format::Csv) { self.for_programs(text) } else { text }
    }

    pub(super) fn is_for_a_terminal(&self) -> bool {
        self.screen.table_width().is_some()
    }

    /// Maximum width of a table; unlimited if the output is not a terminal.
    pub(super) fn page(&self) -> (usize, &Screen) {
        (self.screen.table_width().unwrap_or(usize::MAX), &self.screen)
    }
}

/// The output of single rows, such as events.
#[derive(Debug)]
pub(super) struct Stream {
    printer: Printer,
    format: Format,
    /// Columns of the first row with their widths.
    columns: Vec<(String, usize)>,
}

impl Printer {
    /// Starts the output of single rows with the selected properties.
    pub(super) fn stream(self, selected: Option<&[String]>) -> Stream {
        Stream { printer: self, format: self.format_for(selected.is_some()), columns: Vec::new() }
    }
}

impl Stream {
    /// Returns the text of the next row, with the header before the first.
    pub(super) fn next(&mut self, row: Row) -> String {
        let flat = match self.format {
            Format::Json => {
                let members =
                    row.iter().map(|(name, value)| format!("{}: {value}", Json::String(name.clone())));
                return self
                    .printer
                    .for_programs(format!("{{{}}}\n", members.collect::<Vec<_>>().join(", ")));
            }
            Format::Table | Format::Csv => row,
            _ => return list(&flatten(row)) + "\n",
        };
        let is_first = self.columns.is_empty();
        if is_first {
            self.columns = flat.iter().map(|(name, _)| (name.clone(), name.chars().count())).collect();
        }
        let head = self.columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let cells: Vec<String> =
            head.iter().map(|name| value(&flat, name).map(cell).unwrap_or_default()).collect();
        let head = if is_first { self.line(&head) } else { String::new() };
        head + &self.line(&cells)
    }

    fn line(&mut self, cells: &[String]) -> String {
        if self.format == Format::Csv {
            let cells: Vec<_> = cells.iter().map(|cell| csv_cell(cell)).collect();
            return self.printer.for_programs(cells.join(",") + "\n");
        }
        let mut line = String::new();
        for (cell, (_, width)) in cells.iter().zip(&mut self.columns) {
            let cell = harmless(cell).replace('\n', " ");
            // One very long cell must not widen the column for all following rows.
            *width = (*width).max(cell.chars().count().min(MAX_COLUMN));
            line += &format!("{cell:<width$}  ", width = *width);
        }
        line.trim_end().to_owned() + "\n"
    }
}

/// Greatest width that a cell gives to its column.
const MAX_COLUMN: usize = 40;

/// Replaces embedded instances by their properties with qualified names.
fn flatten(row: Row) -> Row {
    let mut flat = Row::new();
    for (name, value) in row {
        match value {
            Json::Object(members) => {
                let inner = members.into_iter().collect::<Row>();
                flat.extend(flatten(inner).into_iter().map(|(own, value)| (format!("{name}.{own}"), value)));
            }
            value => flat.push((name, value)),
        }
    }
    flat
}

/// Returns the columns of rows: the selected properties as the class spells them, or else all properties in the order in
/// which they first occur.
pub(super) fn columns(selected: Option<&[String]>, rows: &[Row]) -> Vec<String> {
    if let Some(selected) = selected {
        let spelled = selected.iter().map(|name| {
            let own = rows.first().and_then(|row| row.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)));
            own.map_or_else(|| name.clone(), |(own, _)| own.clone())
        });
        return spelled.collect();
    }
    let mut columns: Vec<String> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for (name, _) in rows.iter().flatten() {
        if known.insert(name.as_str()) {
            columns.push(name.clone());
        }
    }
    columns
}

pub(super) fn value<'r>(row: &'r Row, column: &str) -> Option<&'r Json> {
    row.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, value)| value)
}

/// Formats a row as a list of the properties that have a value.
pub(super) fn list(row: &Row) -> String {
    let mut text = String::new();
    let shown: Vec<_> = row.iter().filter(|(_, value)| !value.is_null()).collect();
    let width = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in shown {
        let value = harmless(&cell(value)).replace('\n', " ");
        text += format!("{name:<width$} = {value}").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> QueryResult {
        let row =
            |name: &str, size: Json| vec![("Name".to_owned(), Json::from(name)), ("Size".to_owned(), size)];
        let rows = vec![row("a\x1b, \"b\"", 18_446_744_073_709_551_615_u64.into()), row("c", Json::Null)];
        QueryResult { rows, properties: Some(vec!["size".to_owned(), "name".to_owned()]) }
    }

    fn printed(format: Format) -> String {
        Printer { format: Some(format), screen: Screen::none() }.print(&found())
    }

    #[test]
    fn single_rows_have_one_header_and_one_line_of_json_each() {
        let streamed = |format| {
            let mut stream = Printer { format: Some(format), screen: Screen::none() }.stream(None);
            let object = Json::from_iter([("Name", Json::from("b\x1b")), ("State", Json::Null)]);
            let row =
                |time: u64| vec![("Time".to_owned(), time.into()), ("Target".to_owned(), object.clone())];
            stream.next(row(1)) + &stream.next(row(20_000))
        };
        assert_eq!(
            streamed(Format::List),
            "Time        = 1\nTarget.Name = b\u{FFFD}\n\nTime        = 20000\nTarget.Name = b\u{FFFD}\n\n"
        );
        let json = streamed(Format::Json);
        assert_eq!(json.lines().count(), 2, "{json}");
        for line in json.lines() {
            let read: Json = serde_json::from_str(line).expect("JSON");
            assert!(read.pointer("/Target/Name").is_some_and(Json::is_string), "{line}");
        }
        let csv = streamed(Format::Csv);
        assert_eq!(csv.lines().next(), Some("Time,Target"), "{csv}");
        assert_eq!((csv.lines().count(), streamed(Format::Table).lines().count()), (3, 3));
    }

    #[test]
    fn a_long_cell_does_not_widen_the_following_rows() {
        let mut stream = Printer { format: Some(Format::Table), screen: Screen::none() }.stream(None);
        let row = |text: &str| vec![("A".to_owned(), text.into()), ("B".to_owned(), "x".into())];
        assert!(stream.next(row(&"a".repeat(50_000))).len() > 50_000);
        assert_eq!(stream.next(row("b")).len(), MAX_COLUMN + "  x\n".len());
    }

    #[test]
    fn each_format_contains_the_results() {
        assert_eq!(
            printed(Format::Table),
            "Size                  Name\n18446744073709551615  a\u{FFFD}, \"b\"\n                      c\n"
        );
        assert_eq!(printed(Format::Csv), "Size,Name\n18446744073709551615,\"a\x1b, \"\"b\"\"\"\n,c\n");
        assert_eq!(
            printed(Format::List),
            "Name = a\u{FFFD}, \"b\"\nSize = 18446744073709551615\n\nName = c\n"
        );
        let json: Json = serde_json::from_str(&printed(Format::Json)).expect("JSON");
        assert_eq!(json.pointer("/0/Size"), Some(&u64::MAX.into()));
        assert_eq!(json.pointer("/1/Size"), Some(&Json::Null));
    }
}
