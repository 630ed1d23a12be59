//! What was found, as a table, a list, JSON or CSV.

use cli::Screen;
use cli::format::harmless;
use serde_json::Value as Json;

use super::listing::Listing;
use super::row::{Found, Row, cell};
use cli_command::Keyword;
use cli_command::format::csv_cell;

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    List,
    Json,
    Csv,
}

impl Keyword for Format {
    const WORDS: &'static [(&'static str, Self)] =
        &[("table", Self::Table), ("list", Self::List), ("json", Self::Json), ("csv", Self::Csv)];
}

/// Prints what was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    format: Option<Format>,
    screen: Screen,
}

impl Printer {
    pub(super) fn new(format: Option<Format>) -> Self {
        Self { format, screen: Screen::of_this_process() }
    }

    /// One for a test.
    #[cfg(test)]
    pub(super) fn on(screen: Screen, format: Format) -> Self {
        Self { format: Some(format), screen }
    }

    /// The same with another format; none is that which fits what was asked.
    pub(super) fn with(self, format: Option<Format>) -> Self {
        Self { format, ..self }
    }

    pub(super) fn print(self, found: &Found) -> String {
        let mut listing = self.listing(found.asked.clone(), usize::MAX);
        let text: String = found.rows.iter().map(|row| listing.row(row.clone())).collect();
        text + &listing.end().0
    }

    /// Begins to print what a query finds, of which these properties were asked for; so many rows decide about columns.
    pub(super) fn listing(self, asked: Option<Vec<String>>, most: usize) -> Listing {
        // Whoever asks for everything gets more columns than a line can hold.
        let usual = if asked.is_some() { Format::Table } else { Format::List };
        Listing::new(self, self.format.unwrap_or(usual), asked, most)
    }

    /// What programs read is handed on as it is, except to a terminal, which would obey it.
    fn whole(self, text: String) -> String {
        if self.screen.table_width().is_some() { harmless(&text) } else { text }
    }

    /// The same for what is in this format.
    pub(super) fn whole_of(self, format: Format, text: String) -> String {
        if matches!(format, Format::Json | Format::Csv) { self.whole(text) } else { text }
    }

    pub(super) fn is_for_a_terminal(&self) -> bool {
        self.screen.table_width().is_some()
    }

    /// How wide a table may be; in a pipe nothing is shortened.
    pub(super) fn paper(&self) -> (usize, &Screen) {
        (self.screen.table_width().unwrap_or(usize::MAX), &self.screen)
    }
}

/// Prints rows one by one, as they come.
#[derive(Debug)]
pub(super) struct Stream {
    printer: Printer,
    format: Format,
    /// Those of the first row, with how wide they have become.
    columns: Vec<(String, usize)>,
}

impl Printer {
    /// Begins to print rows that come one by one, of which these properties were asked for.
    pub(super) fn stream(self, asked: Option<&[String]>) -> Stream {
        let usual = if asked.is_some() { Format::Table } else { Format::List };
        Stream { printer: self, format: self.format.unwrap_or(usual), columns: Vec::new() }
    }
}

impl Stream {
    /// One more row, with what has to stand before it.
    pub(super) fn next(&mut self, row: Row) -> String {
        let flat = match self.format {
            Format::Json => {
                let members =
                    row.iter().map(|(name, value)| format!("{}: {value}", Json::String(name.clone())));
                return self.printer.whole(format!("{{{}}}\n", members.collect::<Vec<_>>().join(", ")));
            }
            Format::List => flattened(row),
            Format::Table | Format::Csv => row,
        };
        if self.format == Format::List {
            return list(&flat) + "\n";
        }
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
            return self.printer.whole(cells.join(",") + "\n");
        }
        let mut line = String::new();
        for (cell, (_, width)) in cells.iter().zip(&mut self.columns) {
            let cell = harmless(cell).replace('\n', " ");
            // One that is much longer than all others does not push what stands behind it off the screen for ever.
            *width = (*width).max(cell.chars().count().min(WIDEST));
            line += &format!("{cell:<width$}  ", width = *width);
        }
        line.trim_end().to_owned() + "\n"
    }
}

/// How wide a column becomes.
const WIDEST: usize = 40;

/// What embedded instances have, each property under its whole name.
fn flattened(row: Row) -> Row {
    let mut flat = Row::new();
    for (name, value) in row {
        match value {
            Json::Object(members) => {
                let inner = members.into_iter().collect::<Row>();
                flat.extend(
                    flattened(inner).into_iter().map(|(own, value)| (format!("{name}.{own}"), value)),
                );
            }
            value => flat.push((name, value)),
        }
    }
    flat
}

/// All columns, those of the first row first.
pub(super) fn columns(asked: Option<&[String]>, rows: &[Row]) -> Vec<String> {
    if let Some(asked) = asked {
        // As the class spells them.
        let spelled = |name: &String| {
            let own = rows.first().and_then(|row| row.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)));
            own.map_or_else(|| name.clone(), |(own, _)| own.clone())
        };
        return asked.iter().map(spelled).collect();
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

/// A line for each property that has a value.
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

    fn found() -> Found {
        let row =
            |name: &str, size: Json| vec![("Name".to_owned(), Json::from(name)), ("Size".to_owned(), size)];
        let rows = vec![row("a\x1b, \"b\"", 18_446_744_073_709_551_615_u64.into()), row("c", Json::Null)];
        Found { rows, asked: Some(vec!["size".to_owned(), "name".to_owned()]) }
    }

    fn printed(format: Format) -> String {
        Printer { format: Some(format), screen: Screen::none() }.print(&found())
    }

    #[test]
    fn rows_that_come_one_by_one_have_one_head_and_json_one_line_each() {
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
    fn a_row_that_is_very_long_does_not_make_those_behind_it_so() {
        let mut stream = Printer { format: Some(Format::Table), screen: Screen::none() }.stream(None);
        let row = |text: &str| vec![("A".to_owned(), text.into()), ("B".to_owned(), "x".into())];
        assert!(stream.next(row(&"a".repeat(50_000))).len() > 50_000);
        assert_eq!(stream.next(row("b")).len(), WIDEST + "  x\n".len());
    }

    #[test]
    fn each_format_has_what_was_found() {
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
