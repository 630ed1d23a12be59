//! Measures two sides in alternating turns.

use crate::Result;

/// Runs `rounds` turns of each side after one turn that does not count.
pub(crate) fn by_turns<T>(
    rounds: usize,
    mut ours: impl FnMut() -> Result<T>,
    mut theirs: impl FnMut() -> Result<T>,
) -> Result<Vec<Turn<T>>> {
    ours()?;
    theirs()?;
    (0..rounds).map(|_| Ok(Turn { ours: ours()?, theirs: theirs()? })).collect()
}

/// Results of both sides under the same conditions.
pub(crate) struct Turn<T> {
    pub(crate) ours: T,
    pub(crate) theirs: T,
}

/// Returns the median of a value over all turns.
pub(crate) fn median_of<T>(turns: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    median(turns.iter().map(figure).collect())
}

/// Returns the median, or zero of an empty list.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
