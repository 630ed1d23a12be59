//! Rows in columns, as wide as a terminal allows.

use super::Screen;
use crate::format::harmless;

/// A table being gathered; columns without any value are left out.
#[derive(Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new<'h>(head: impl IntoIterator<Item = &'h str>) -> Self {
        Self { head: head.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    /// Adds a row; control characters in it do no harm.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    /// The whole table, lines at most `width` characters long; the widest column gives way first.
    #[must_use]
    pub fn print(&self, width: usize, screen: &Screen) -> String {
        let is_used =
            |column: &usize| *column == 0 || self.rows.iter().any(|row| !cell(row, *column).is_empty());
        let used = (0..self.head.len()).filter(is_used).collect();
        self.lines(&Columns::of(self, used, width), screen)
    }

    /// The beginning of a table to which more rows come one by one, as wide as those that are there need it. None of
    /// the columns is left out: it may get values yet.
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

/// The columns of a table that has begun.
#[derive(Debug)]
pub struct Columns {
    /// Which of a row, and how wide they are.
    widths: Vec<(usize, usize)>,
    /// What is wider is cut; it is not where lines may have any length.
    are_cut: bool,
}

impl Columns {
    fn of(table: &Table, used: Vec<usize>, width: usize) -> Self {
        let widest = |column: usize| {
            let cells = table.rows.iter().chain([&table.head]).map(|row| cell(row, column).chars().count());
            (column, cells.max().unwrap_or_default())
        };
        let mut widths: Vec<(usize, usize)> = used.into_iter().map(widest).collect();
        let between = GAP.len() * widths.len().saturating_sub(1);
        while widths.iter().map(|(_, width)| width).sum::<usize>() + between > width {
            let most = widths.iter_mut().map(|(_, width)| width).max().filter(|most| **most > NARROWEST);
            let Some(most) = most else { break };
            *most -= 1;
        }
        Self { widths, are_cut: width < usize::MAX }
    }

    /// The line of one more row; control characters in it do no harm.
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

fn plain(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

fn cell(row: &[String], column: usize) -> &str {
    row.get(column).map(String::as_str).unwrap_or_default()
}

/// The text in exactly so many characters.
fn fitted(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text}{}", " ".repeat(width - length));
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

const GAP: &str = "  ";
/// Narrower columns would tell nothing.
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
    fn columns_are_aligned_and_empty_ones_left_out() {
        assert_eq!(
            table().print(80, &Screen::none()),
            "Name    Address\nweb1    web1.example.com\ndb\u{FFFD}[2J  10.0.0.7\n"
        );
    }

    #[test]
    fn rows_that_come_later_stand_in_the_columns_of_those_before() {
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
    fn a_narrow_terminal_shortens_the_widest_column() {
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
