//! Tables that fit the width of a terminal.

use super::Screen;
use crate::format::harmless;

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with these headings.
    pub fn new<'h>(head: impl IntoIterator<Item = &'h str>) -> Self {
        Self { head: head.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    /// Adds a row. Control characters are made harmless.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    /// Returns the table without its empty columns, in lines of at most `width` characters. The widest column is shortened first.
    #[must_use]
    pub fn print(&self, width: usize, screen: &Screen) -> String {
        let used = (0..self.head.len()).filter(|column| *column == 0 || self.has_values(*column)).collect();
        self.lines(&Columns::of(self, used, width), screen)
    }

    fn has_values(&self, column: usize) -> bool {
        self.rows.iter().any(|row| !cell(row, column).is_empty())
    }

    /// Returns the beginning of a table that is continued row by row, with the column widths of the rows so far. Empty
    /// columns are included, because later rows may have values.
    #[must_use]
    pub fn begin(&self, width: usize, screen: &Screen) -> (String, Columns) {
        let columns = Columns::of(self, (0..self.head.len()).collect(), width);
        (self.lines(&columns, screen), columns)
    }

    fn lines(&self, columns: &Columns, screen: &Screen) -> String {
        let head = screen.heading(&columns.fitted(&self.head));
        let rows = self.rows.iter().map(|row| columns.fitted(row));
        std::iter::once(head).chain(rows).map(|line| line + "\n").collect()
    }
}

/// Column layout of a table.
#[derive(Debug)]
pub struct Columns {
    /// Index and width of each column, in characters.
    widths: Vec<(usize, usize)>,
    /// Whether wider values are truncated; `false` if the line length is unlimited.
    are_cut: bool,
}

impl Columns {
    fn of(table: &Table, used: Vec<usize>, width: usize) -> Self {
        let mut widths: Vec<(usize, usize)> =
            used.into_iter().map(|column| (column, widest_cell(table, column))).collect();
        let between = GAP.len() * widths.len().saturating_sub(1);
        while widths.iter().map(|(_, width)| width).sum::<usize>() + between > width {
            let most = widths.iter_mut().map(|(_, width)| width).max().filter(|most| **most > NARROWEST);
            let Some(most) = most else { break };
            *most -= 1;
        }
        Self { widths, are_cut: width < usize::MAX }
    }

    /// Returns the line of another row. Control characters are made harmless.
    #[must_use]
    pub fn line(&self, cells: impl IntoIterator<Item = String>) -> String {
        let cells: Vec<String> = cells.into_iter().map(|cell| plain(&cell)).collect();
        self.fitted(&cells) + "\n"
    }

    fn fitted(&self, cells: &[String]) -> String {
        let cell = |(column, width): &(usize, usize)| {
            let text = cell(cells, *column);
            let width = if self.are_cut { *width } else { (*width).max(text.chars().count()) };
            fitted(text, width)
        };
        self.widths.iter().map(cell).collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    }
}

/// Returns the width of the widest cell of a column, including its heading, in characters.
fn widest_cell(table: &Table, column: usize) -> usize {
    let rows = table.rows.iter().chain([&table.head]);
    rows.map(|row| cell(row, column).chars().count()).max().unwrap_or_default()
}

fn plain(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

fn cell(row: &[String], column: usize) -> &str {
    row.get(column).map(String::as_str).unwrap_or_default()
}

/// Pads or truncates a text to `width` characters.
fn fitted(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text}{}", " ".repeat(width - length));
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

const GAP: &str = "  ";
/// Minimum column width in characters.
const NARROWEST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["Name", "Address", "Port"]);
        table.row(["web1".to_owned(), "web1.example.com".to_owned(), String::new()]);
        table.row(["db\x1b[2J".to_owned(), "10.0.0.7".to_owned(), String::new()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_empty_columns_omitted() {
        assert_eq!(
            table().print(80, &Screen::none()),
            "Name    Address\nweb1    web1.example.com\ndb\u{FFFD}[2J  10.0.0.7\n"
        );
    }

    #[test]
    fn later_rows_use_the_columns_of_earlier_rows() {
        let more = |columns: &Columns| {
            columns.line(["a-very-long-name".to_owned(), "x\x1b".to_owned(), "443".to_owned()])
        };
        let (begun, columns) = table().begin(usize::MAX, &Screen::none());
        assert_eq!(begun.lines().next(), Some("Name    Address           Port"));
        assert_eq!(more(&columns), "a-very-long-name  x\u{FFFD}                443\n");
        let (begun, columns) = table().begin(24, &Screen::none());
        assert_eq!(begun.lines().next(), Some("Name    Address     Port"));
        assert_eq!(more(&columns), "a-ver…  x\u{FFFD}          443\n");
    }

    #[test]
    fn the_widest_column_is_shortened_on_narrow_terminals() {
        assert_eq!(
            table().print(20, &Screen::none()),
            "Name    Address\nweb1    web1.exampl…\ndb\u{FFFD}[2J  10.0.0.7\n"
        );
        for width in 0..20 {
            assert!(
                table()
                    .print(width, &Screen::none())
                    .lines()
                    .all(|line| line.chars().count() <= width.max(14))
            );
        }
    }
}
