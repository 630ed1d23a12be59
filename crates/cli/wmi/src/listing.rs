//! What a query finds, printed as it comes: no more is held than decides how it looks.

use std::collections::BTreeSet;
use std::io::Write as _;

use cli::screen::{Columns, Table};
use serde_json::Value as Json;

use super::print::{Format, Printer, columns, list, value};
use super::row::{Row, cell};
use super::source::Source;
use super::watch::interrupted;
use cli_command::Failure;
use cli_command::format::csv_cell;
use cli_command::output;

/// What comes of a query.
#[derive(Debug)]
pub(super) enum Listed {
    /// The properties that were asked for, by name; none for all.
    Begun(Option<Vec<String>>),
    Row(Row),
}

/// How many rows decide which columns there are, and how wide.
const FIRST_ROWS: usize = 200;

/// Asks, and prints each row once it is there, until somebody ends it.
pub(super) fn run(source: &Source, query: &str, printer: Printer) -> Result<String, Failure> {
    let mut listing = printer.listing(None, FIRST_ROWS);
    let listed = source.list(query, interrupted(), &mut |listed| match listed {
        Listed::Begun(asked) => {
            listing = printer.listing(asked, FIRST_ROWS);
            Ok(())
        }
        Listed::Row(row) => output::out().write_all(listing.row(row).as_bytes()),
    });
    // What was printed stays one whole document.
    let late = match &listed {
        Err(_) if listing.is_empty() => BTreeSet::new(),
        _ => {
            let (rest, late) = listing.end();
            let mut out = output::out();
            out.write_all(rest.as_bytes()).and_then(|()| out.flush())?;
            late
        }
    };
    if !late.is_empty() {
        let names = late.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(
            output::errors(),
            "telarch: rows after the first {FIRST_ROWS} have more than there are columns for: {names}\n  \
             select them by name, or use --format json"
        )?;
    }
    listed.map(|()| String::new())
}

/// Why what somebody has ended is not whole.
pub(super) fn given_up() -> Failure {
    Failure::Failed("interrupted: there may be more".to_owned())
}

/// Rows that are printed as they come.
#[derive(Debug)]
pub(super) struct Listing {
    printer: Printer,
    format: Format,
    asked: Option<Vec<String>>,
    count: usize,
    /// The rows that decide about columns, and how many do.
    first: Vec<Row>,
    most: usize,
    layout: Option<Layout>,
    /// Properties for which there are no columns.
    late: BTreeSet<String>,
}

/// How rows are printed for which that was decided.
#[derive(Debug)]
enum Layout {
    Csv(Vec<String>),
    Table(Vec<String>, Columns),
}

impl Listing {
    pub(super) fn new(printer: Printer, format: Format, asked: Option<Vec<String>>, most: usize) -> Self {
        let (first, late) = (Vec::new(), BTreeSet::new());
        Self { printer, format, asked, count: 0, first, most, layout: None, late }
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What can be printed now that there is one more row.
    pub(super) fn row(&mut self, row: Row) -> String {
        let is_first = self.is_empty();
        self.count += 1;
        match self.format {
            Format::Json => {
                let members =
                    row.iter().map(|(name, value)| format!("{}: {value}", Json::String(name.clone())));
                let object = format!("  {{{}}}", members.collect::<Vec<_>>().join(", "));
                let text = (if is_first { "[\n" } else { ",\n" }).to_owned() + &object;
                self.printer.whole_of(self.format, text)
            }
            Format::List => (if is_first { "" } else { "\n" }).to_owned() + &list(&row),
            Format::Table | Format::Csv => match self.layout.take() {
                Some(layout) => {
                    if self.asked.is_none() {
                        let late = row.iter().filter(|(name, value)| !value.is_null() && !layout.has(name));
                        self.late.extend(late.map(|(name, _)| name.clone()));
                    }
                    let line = layout.line(&row);
                    self.layout = Some(layout);
                    self.printer.whole_of(self.format, line)
                }
                None => {
                    self.first.push(row);
                    // Programs know the names that they have asked for: nobody waits to learn them.
                    let is_known = self.format == Format::Csv && self.asked.is_some();
                    if is_known || self.first.len() >= self.most { self.begin() } else { String::new() }
                }
            },
        }
    }

    /// What remains to be printed, and the properties that have no column.
    pub(super) fn end(mut self) -> (String, BTreeSet<String>) {
        let rest = match (self.format, &self.layout) {
            (Format::Json, _) => if self.is_empty() { "[]\n" } else { "\n]\n" }.to_owned(),
            (Format::Csv, None) => self.begin(),
            // Somebody who looks would take silence for a failure.
            (Format::Table | Format::List, _) if self.is_empty() && self.printer.is_for_a_terminal() => {
                "there is none\n".to_owned()
            }
            (Format::Table, None) if !self.is_empty() => {
                let (names, (width, screen)) = (self.columns(), self.printer.paper());
                gathered(&names, &self.first).print(width, screen)
            }
            _ => String::new(),
        };
        (rest, self.late)
    }

    fn columns(&self) -> Vec<String> {
        columns(self.asked.as_deref(), &self.first)
    }

    /// Decides about the columns, and prints the rows until now.
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
                let (width, screen) = self.printer.paper();
                let (text, columns) = gathered(&names, &first).begin(width, screen);
                (text, Layout::Table(names, columns))
            }
        };
        self.layout = Some(layout);
        self.printer.whole_of(self.format, text)
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

/// A row in columns of these names.
fn cells<'r>(names: &'r [String], row: &'r Row) -> impl Iterator<Item = String> + 'r {
    names.iter().map(|name| value(row, name).map(cell).unwrap_or_default())
}

fn csv_line(cells: impl Iterator<Item = String>) -> String {
    cells.map(|cell| csv_cell(&cell)).collect::<Vec<_>>().join(",") + "\n"
}

fn gathered(names: &[String], rows: &[Row]) -> Table {
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

    /// What is printed of rows, of which so many decide about columns; after each, and at the end.
    fn printed(
        format: Format,
        asked: Option<&[&str]>,
        most: usize,
        rows: &[Row],
    ) -> (Vec<String>, Vec<String>) {
        let asked = asked.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let mut listing = Printer::on(Screen::none(), format).listing(asked, most);
        let mut pieces: Vec<String> = rows.iter().map(|row| listing.row(row.clone())).collect();
        let (rest, late) = listing.end();
        pieces.push(rest);
        (pieces, late.into_iter().collect())
    }

    #[test]
    fn rows_are_printed_before_all_are_there_and_the_whole_is_the_same() {
        let rows = [row("a", 1.into()), row("b, c", Json::Null), row("d", 3.into())];
        for format in [Format::Json, Format::Csv, Format::List, Format::Table] {
            for asked in [None, Some(&["name", "Size"][..])] {
                let (at_once, _) = printed(format, asked, usize::MAX, &rows);
                let (one_by_one, late) = printed(format, asked, 1, &rows);
                assert_eq!(one_by_one.concat(), at_once.concat(), "{format:?}");
                assert!(
                    one_by_one.iter().take(3).all(|piece| !piece.is_empty()),
                    "{format:?}: {one_by_one:?}"
                );
                assert!(late.is_empty());
                let waits = matches!((format, asked), (Format::Table, _) | (Format::Csv, None));
                assert_eq!(at_once.first().is_some_and(String::is_empty), waits, "{format:?}: {at_once:?}");
            }
        }
        assert_eq!(printed(Format::Json, None, 1, &[]).0.concat(), "[]\n");
        assert_eq!(printed(Format::Csv, Some(&["A"]), 1, &[]).0.concat(), "A\n");
        assert_eq!(printed(Format::Table, Some(&["A"]), 1, &[]).0.concat(), "");
    }

    #[test]
    fn properties_that_come_when_columns_are_decided_are_told() {
        let mut other = row("b", 2.into());
        other.push(("More".to_owned(), "x".into()));
        other.push(("Nothing".to_owned(), Json::Null));
        for (format, late) in [(Format::Csv, &["More"][..]), (Format::Table, &["More"]), (Format::Json, &[])]
        {
            assert_eq!(printed(format, None, 1, &[row("a", 1.into()), other.clone()]).1, late, "{format:?}");
        }
    }
}
