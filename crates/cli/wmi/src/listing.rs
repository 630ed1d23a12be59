//! Output of query results as they arrive. Only the rows that determine the layout are buffered.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use cli::screen::{Columns, Table};
use serde_json::Value as Json;

use super::print::{Printer, columns, list, value};
use super::row::{Row, cell};
use super::source::Source;
use super::watch::interrupted;
use cli_command::Failure;
use cli_command::format::Format;
use cli_command::format::csv_cell;
use cli_command::output;

/// An item of the result of a query.
#[derive(Debug)]
pub(super) enum QueryItem {
    /// Names of the selected properties; `None` for all. Always the first item.
    Properties(Option<Vec<String>>),
    Row(Row),
    /// Message about a class that is missing in the result.
    Omitted(String),
}

/// Number of rows that determine the columns and their widths.
pub(super) const FIRST_ROWS: usize = 200;

/// Runs a query and prints each row as it arrives, until interrupted.
pub(super) fn run(source: &Source, query: &str, printer: Printer) -> Result<String, Failure> {
    let mut listing = printer.listing(None, FIRST_ROWS);
    let (mut is_empty, mut is_complete) = (true, true);
    let listed = source.list(query, interrupted(), &mut |item| match item {
        QueryItem::Properties(selected) => {
            listing = printer.listing(selected, FIRST_ROWS);
            Ok(())
        }
        QueryItem::Row(row) => {
            is_empty = false;
            output::out().write_all(listing.row(row).as_bytes())
        }
        QueryItem::Omitted(message) => {
            is_complete = false;
            writeln!(output::errors(), "telarch: {message}")
        }
    });
    // The document is completed even after a failure.
    let late = match &listed {
        Err(_) if listing.is_empty() => BTreeSet::new(),
        _ => {
            let (rest, late) = listing.end();
            let mut out = output::out();
            out.write_all(rest.as_bytes()).and_then(|()| out.flush())?;
            late
        }
    };
    warn_of_late(&late, &mut output::errors())?;
    if is_empty
        && is_complete
        && listed.is_ok()
        && let Some(note) = source.missing_source_note(query)
    {
        writeln!(output::errors(), "telarch: {note}")?;
    }
    listed.map(|()| String::new())
}

/// Names the properties without a column, if there are any.
pub(super) fn warn_of_late(late: &BTreeSet<String>, errors: &mut dyn io::Write) -> io::Result<()> {
    if late.is_empty() {
        return Ok(());
    }
    let names = late.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    writeln!(
        errors,
        "telarch: rows after the first {FIRST_ROWS} have properties without a column: {names}\n  \
         select them by name, or use --format json"
    )
}

/// The failure for a query that was interrupted.
pub(super) fn interrupted_failure() -> Failure {
    Failure::Failed("interrupted; the results may be incomplete".to_owned())
}

/// The output of rows in progress.
#[derive(Debug)]
pub(super) struct Listing {
    printer: Printer,
    format: Format,
    /// Names of the selected properties; `None` for all.
    selected: Option<Vec<String>>,
    count: usize,
    /// Buffered rows that determine the columns.
    first: Vec<Row>,
    /// Maximum length of `first`.
    buffer_limit: usize,
    layout: Option<Layout>,
    /// Properties without a column.
    late: BTreeSet<String>,
}

/// The layout of rows after the columns are determined.
#[derive(Debug)]
enum Layout {
    Csv(Vec<String>),
    Table(Vec<String>, Columns),
}

impl Listing {
    pub(super) fn new(
        printer: Printer,
        format: Format,
        selected: Option<Vec<String>>,
        buffer_limit: usize,
    ) -> Self {
        let (first, late) = (Vec::new(), BTreeSet::new());
        Self { printer, format, selected, count: 0, first, buffer_limit, layout: None, late }
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a row; returns the text that can be printed now.
    pub(super) fn row(&mut self, row: Row) -> String {
        let is_first = self.is_empty();
        self.count += 1;
        match self.format {
            Format::Json => {
                let members =
                    row.iter().map(|(name, value)| format!("{}: {value}", Json::String(name.clone())));
                let object = format!("  {{{}}}", members.collect::<Vec<_>>().join(", "));
                let text = (if is_first { "[\n" } else { ",\n" }).to_owned() + &object;
                self.printer.document(self.format, text)
            }
            Format::Table | Format::Csv => match self.layout.take() {
                Some(layout) => {
                    if self.selected.is_none() {
                        let late = row.iter().filter(|(name, value)| !value.is_null() && !layout.has(name));
                        self.late.extend(late.map(|(name, _)| name.clone()));
                    }
                    let line = layout.line(&row);
                    self.layout = Some(layout);
                    self.printer.document(self.format, line)
                }
                None => {
                    self.first.push(row);
                    // The columns of CSV are known in advance if properties are selected.
                    let is_known = self.format == Format::Csv && self.selected.is_some();
                    if is_known || self.first.len() >= self.buffer_limit {
                        self.begin()
                    } else {
                        String::new()
                    }
                }
            },
            _ => (if is_first { "" } else { "\n" }).to_owned() + &list(&row),
        }
    }

    /// Returns the rest of the text, and the properties without a column.
    pub(super) fn end(mut self) -> (String, BTreeSet<String>) {
        let rest = match (self.format, &self.layout) {
            (Format::Json, _) => if self.is_empty() { "[]\n" } else { "\n]\n" }.to_owned(),
            (Format::Csv, None) => self.begin(),
            // Empty output on a terminal would look like a failure.
            (Format::Table | Format::List, _) if self.is_empty() && self.printer.is_for_a_terminal() => {
                "no results\n".to_owned()
            }
            (Format::Table, None) if !self.is_empty() => {
                let (names, (width, screen)) = (self.columns(), self.printer.page());
                table_of(&names, &self.first).print(width, screen)
            }
            _ => String::new(),
        };
        (rest, self.late)
    }

    fn columns(&self) -> Vec<String> {
        columns(self.selected.as_deref(), &self.first)
    }

    /// Determines the columns and returns the buffered rows as text.
    fn begin(&mut self) -> String {
        let names = self.columns();
        let first = std::mem::take(&mut self.first);
        let (text, layout) = match self.format {
            Format::Csv => {
                let layout = Layout::Csv(names.clone());
                let lines = first.iter().map(|row| layout.line(row));
                (std::iter::once(csv_line(names.into_iter())).chain(lines).collect(), layout)
            }
            _ => {
                let (width, screen) = self.printer.page();
                let (text, columns) = table_of(&names, &first).begin(width, screen);
                (text, Layout::Table(names, columns))
            }
        };
        self.layout = Some(layout);
        self.printer.document(self.format, text)
    }
}

impl Layout {
    fn has(&self, name: &str) -> bool {
        let (Self::Csv(names) | Self::Table(names, _)) = self;
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn line(&self, row: &Row) -> String {
        match self {
            Self::Csv(names) => csv_line(cells(names, row)),
            Self::Table(names, columns) => columns.line(cells(names, row)),
        }
    }
}

/// Returns the cells of a row in the columns with these names.
fn cells<'r>(names: &'r [String], row: &'r Row) -> impl Iterator<Item = String> + 'r {
    names.iter().map(|name| value(row, name).map(cell).unwrap_or_default())
}

fn csv_line(cells: impl Iterator<Item = String>) -> String {
    cells.map(|cell| csv_cell(&cell)).collect::<Vec<_>>().join(",") + "\n"
}

fn table_of(names: &[String], rows: &[Row]) -> Table {
    let mut table = Table::new(names.iter().map(String::as_str));
    rows.iter().for_each(|row| table.row(cells(names, row)));
    table
}

#[cfg(test)]
mod tests {
    use cli::Screen;

    use super::*;

    fn row(name: &str, size: Json) -> Row {
        vec![("Name".to_owned(), Json::from(name)), ("Size".to_owned(), size)]
    }

    /// Returns the text after each row and at the end, and the properties without a column.
    fn printed(
        format: Format,
        selected: Option<&[&str]>,
        buffer_limit: usize,
        rows: &[Row],
    ) -> (Vec<String>, Vec<String>) {
        let selected = selected.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let mut listing = Printer::on(Screen::none(), format).listing(selected, buffer_limit);
        let mut pieces: Vec<String> = rows.iter().map(|row| listing.row(row.clone())).collect();
        let (rest, late) = listing.end();
        pieces.push(rest);
        (pieces, late.into_iter().collect())
    }

    #[test]
    fn rows_are_printed_as_they_arrive_with_the_same_result() {
        let rows = [row("a", 1.into()), row("b, c", Json::Null), row("d", 3.into())];
        for format in [Format::Json, Format::Csv, Format::List, Format::Table] {
            for selected in [None, Some(&["name", "Size"][..])] {
                let (at_once, _) = printed(format, selected, usize::MAX, &rows);
                let (one_by_one, late) = printed(format, selected, 1, &rows);
                assert_eq!(one_by_one.concat(), at_once.concat(), "{format:?}");
                assert!(
                    one_by_one.iter().take(3).all(|piece| !piece.is_empty()),
                    "{format:?}: {one_by_one:?}"
                );
                assert!(late.is_empty());
                let waits = matches!((format, selected), (Format::Table, _) | (Format::Csv, None));
                assert_eq!(at_once.first().is_some_and(String::is_empty), waits, "{format:?}: {at_once:?}");
            }
        }
        assert_eq!(printed(Format::Json, None, 1, &[]).0.concat(), "[]\n");
        assert_eq!(printed(Format::Csv, Some(&["A"]), 1, &[]).0.concat(), "A\n");
        assert_eq!(printed(Format::Table, Some(&["A"]), 1, &[]).0.concat(), "");
    }

    #[test]
    fn properties_without_a_column_are_reported() {
        let mut other = row("b", 2.into());
        other.push(("More".to_owned(), "x".into()));
        other.push(("Nothing".to_owned(), Json::Null));
        for (format, late) in [(Format::Csv, &["More"][..]), (Format::Table, &["More"]), (Format::Json, &[])]
        {
            assert_eq!(printed(format, None, 1, &[row("a", 1.into()), other.clone()]).1, late, "{format:?}");
        }
    }
}
