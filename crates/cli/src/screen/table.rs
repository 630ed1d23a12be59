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
        self.rows.push(cells.into_iter().map(|cell| harmless(&cell).replace(['\n', '\t'], " ")).collect());
    }

    /// The whole table, lines at most `width` characters long; the widest column gives way first.
    #[must_use]
    pub fn print(&self, width: usize, screen: &Screen) -> String {
        let used: Vec<usize> = (0..self.head.len())
            .filter(|column| *column == 0 || self.rows.iter().any(|row| !cell(row, *column).is_empty()))
            .collect();
        let widest = |column: &usize| {
            let cells = self.rows.iter().map(|row| cell(row, *column));
            cells
                .chain([cell(&self.head, *column)])
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let mut widths: Vec<usize> = used.iter().map(widest).collect();
        let between = GAP.len() * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + between > width {
            let Some(most) = widths.iter_mut().max().filter(|most| **most > NARROWEST) else { break };
            *most -= 1;
        }
        let line = |cells: &[String]| {
            let cells = used.iter().zip(&widths).map(|(column, width)| fitted(cell(cells, *column), *width));
            cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        let head = screen.heading(&line(&self.head));
        let rows = self.rows.iter().map(|row| line(row));
        std::iter::once(head).chain(rows).map(|line| line + "\n").collect()
    }
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
