//! Measuring two sides by turns.

use crate::Result;

/// Lets both sides have `rounds` turns each, after one that does not count.
pub(crate) fn by_turns<T>(
    rounds: usize,
    mut ours: impl FnMut() -> Result<T>,
    mut theirs: impl FnMut() -> Result<T>,
) -> Result<Vec<Turn<T>>> {
    ours()?;
    theirs()?;
    (0..rounds).map(|_| Ok(Turn { ours: ours()?, theirs: theirs()? })).collect()
}

/// What both sides reached under the same circumstances.
pub(crate) struct Turn<T> {
    pub(crate) ours: T,
    pub(crate) theirs: T,
}

/// The median of a figure of every turn.
pub(crate) fn median_of<T>(turns: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    median(turns.iter().map(figure).collect())
}

/// The middle one; zero of none.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
