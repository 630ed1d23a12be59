//! Measures two sides in alternating turns.

use crate::Result;
use crate::table::Row;

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

/// Compares the times that both sides needed for this number of units, with the smallest ratio as the goal.
pub(crate) fn compare_times<T>(
    what: &str,
    goal: f64,
    turns: &[Turn<T>],
    units: f64,
    unit: &str,
    time: fn(&T) -> f64,
) -> Row {
    let ratio = median_of(turns, |turn| time(&turn.theirs) / time(&turn.ours));
    let ours = median_of(turns, |turn| units / time(&turn.ours));
    let theirs = median_of(turns, |turn| units / time(&turn.theirs));
    Row::at_least(what, goal, ratio, format!("{ratio:.1} ({theirs:.1} to {ours:.1} {unit} per second)"))
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
