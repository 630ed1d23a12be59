//! `telarch wmi plot`: numbers over time.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use cli::format::harmless;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use serde_json::Value as Json;

use super::arguments::Schedule;
use super::row::{QueryResult, cell};
use super::source::Source;
use cli_command::Failure;

/// Height of the plot in lines.
const HEIGHT: usize = 10;

/// Maximum number of rows, each of which has a plot of its own.
const MAX_PLOTS: usize = 4;

pub(super) fn run(source: &Source, query: &str, schedule: Schedule) -> Result<String, Failure> {
    let first = source.query(query)?;
    if series(&first).is_empty() {
        return Err(Failure::failed(
            "the query returned no number to plot",
            "select a numeric property, such as PercentProcessorTime, of an existing instance",
        ));
    }
    if io::stdout().is_terminal() && io::stdin().is_terminal() {
        on_terminal(source, query, schedule, first)?;
    } else {
        in_lines(source, query, schedule, first)?;
    }
    Ok(String::new())
}

/// Returns the first number of each row with its title.
fn series(found: &QueryResult) -> Vec<(String, f64)> {
    let mut all = Vec::new();
    for row in &found.rows {
        let Some((name, value)) = row.iter().find_map(|(name, value)| Some((name, number(value)?))) else {
            continue;
        };
        let instance =
            row.iter().find(|(own, value)| own == "Name" && value.is_string()).map(|(_, value)| cell(value));
        let title = instance.map_or_else(|| name.clone(), |instance| format!("{name} of {instance}"));
        // Names such as those of processes may contain control characters.
        all.push((harmless(&title).replace(['\n', '\t'], " "), value));
    }
    all
}

fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// Prints one line per interval: the elapsed seconds and the numbers.
fn in_lines(source: &Source, query: &str, schedule: Schedule, first: QueryResult) -> Result<(), Failure> {
    let begin = Instant::now();
    let mut found = first;
    for round in 1_u32.. {
        let numbers: Vec<String> = series(&found).iter().map(|(_, value)| value.to_string()).collect();
        let line = format!("{:.1} {}\n", begin.elapsed().as_secs_f64(), numbers.join(" "));
        let mut out = io::stdout();
        match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
        let next = schedule.interval * round;
        if schedule.duration.is_some_and(|duration| next >= duration) {
            return Ok(());
        }
        std::thread::sleep(next.saturating_sub(begin.elapsed()));
        found = source.query(query)?;
    }
    Ok(())
}

fn on_terminal(source: &Source, query: &str, schedule: Schedule, first: QueryResult) -> Result<(), Failure> {
    let keys = Keys::open()?;
    let begin = Instant::now();
    let mut lines: Vec<(String, VecDeque<f64>)> = Vec::new();
    let (mut found, mut drawn) = (first, 0);
    for round in 1_u32.. {
        let now: Vec<(String, f64)> = series(&found).into_iter().take(MAX_PLOTS).collect();
        lines.retain(|(name, _)| now.iter().any(|(own, _)| own == name));
        for (name, value) in now {
            let known = lines.iter_mut().find(|(own, _)| *own == name);
            let values = match known {
                Some((_, values)) => values,
                None => {
                    lines.push((name, VecDeque::new()));
                    let Some((_, values)) = lines.last_mut() else { continue };
                    values
                }
            };
            values.push_back(value);
            if values.len() > 1_000 {
                values.pop_front();
            }
        }
        let columns = tcgetwinsize(io::stdout()).map_or(80, |size| usize::from(size.ws_col)).max(30);
        let height = if lines.len() > 1 { HEIGHT / 2 } else { HEIGHT };
        let picture: String =
            lines.iter().map(|(name, values)| draw(name, values, columns, height)).collect();
        // The cursor moves up, so that the previous picture is overwritten.
        let back = if drawn == 0 { String::new() } else { format!("\x1b[{drawn}A\r\x1b[J") };
        let picture = format!("{picture}q quits\n");
        drawn = picture.lines().count();
        let mut out = io::stdout();
        out.write_all(format!("{back}{picture}").as_bytes())?;
        out.flush()?;
        let next = schedule.interval * round;
        if schedule.duration.is_some_and(|duration| next >= duration)
            || keys.quits_within(next.saturating_sub(begin.elapsed()))?
        {
            return Ok(());
        }
        found = source.query(query)?;
    }
    Ok(())
}

/// Draws one plot: a title, and bars with a resolution of eighths of a line.
fn draw(name: &str, values: &VecDeque<f64>, columns: usize, height: usize) -> String {
    let (least, most) = bounds(values);
    let labels = [label(most), label(least)];
    let margin = labels.iter().map(|label| label.chars().count()).max().unwrap_or_default();
    let room = columns.saturating_sub(margin + 3);
    let shown: Vec<f64> = values.iter().rev().take(room).rev().copied().collect();
    let last = values.back().copied().unwrap_or_default();
    let mut text = format!("{name}: {}\n", label(last));
    for line in (0..height).rev() {
        let side = match line {
            0 => labels.last(),
            line if line + 1 == height => labels.first(),
            _ => None,
        };
        let bars: String =
            shown.iter().map(|value| block(share(*value, least, most), line, height)).collect();
        text += &format!("{:>margin$} │{bars}\n", side.map_or("", String::as_str));
    }
    text
}

/// Returns the range of the vertical axis, which includes zero.
fn bounds(values: &VecDeque<f64>) -> (f64, f64) {
    let most = values.iter().copied().fold(f64::MIN, f64::max);
    let least = values.iter().copied().fold(f64::MAX, f64::min).min(0.0);
    if most > least { (least, most) } else { (least, least + 1.0) }
}

fn share(value: f64, least: f64, most: f64) -> f64 {
    ((value - least) / (most - least)).clamp(0.0, 1.0)
}

/// Returns the block character in one line of a bar that fills a fraction of the height.
fn block(share: f64, line: usize, height: usize) -> char {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let filled = share * f64::from(u32::try_from(height * 8).unwrap_or(u32::MAX));
    let above = filled - f64::from(u32::try_from(line * 8).unwrap_or(u32::MAX));
    // Even nothing is seen, as a line at the bottom.
    let eighths = if line == 0 { above.clamp(1.0, 8.0) } else { above.clamp(0.0, 8.0) };
    let wanted = eighths.round();
    let index = (0_u8..=8).find(|eighth| f64::from(*eighth) >= wanted).unwrap_or(8);
    EIGHTHS.get(usize::from(index)).copied().unwrap_or(' ')
}

fn label(value: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")];
    match units.into_iter().find(|(unit, _)| value.abs() >= *unit) {
        Some((1e4, sign)) => format!("{:.1}{sign}", value / 1e3),
        Some((unit, sign)) => format!("{:.1}{sign}", value / unit),
        None if value.fract() == 0.0 => format!("{value:.0}"),
        None => format!("{value:.2}"),
    }
}

/// Reads single keys from the terminal, whose mode is restored when this is dropped.
struct Keys {
    original: Termios,
}

impl Keys {
    fn open() -> Result<Self, Failure> {
        let original = tcgetattr(io::stdin()).map_err(key_failure)?;
        let mut mode = original.clone();
        // Ctrl-C is read as a key, so that it does not end the program in the middle of a picture.
        mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Now, &mode).map_err(key_failure)?;
        Ok(Self { original })
    }

    /// Waits for the duration; returns whether the user pressed a key that quits.
    fn quits_within(&self, limit: Duration) -> Result<bool, Failure> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let stdin = io::stdin();
            let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
            let wait = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            match poll(&mut ready, Some(&wait)) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(key_failure(error)),
            }
            let mut keys = [0_u8; 64];
            let read = rustix::io::read(&stdin, &mut keys).unwrap_or(0);
            let pressed = keys.get(..read).unwrap_or_default();
            // End of input, q, Escape alone, Ctrl-C or Ctrl-D.
            if pressed.is_empty()
                || pressed == b"\x1b"
                || pressed.iter().any(|key| b"qQ\x03\x04".contains(key))
            {
                return Ok(true);
            }
        }
    }
}

fn key_failure(error: rustix::io::Errno) -> Failure {
    Failure::Failed(format!("cannot read keys: {error}"))
}

impl Drop for Keys {
    fn drop(&mut self) {
        // Restoring fails only if the terminal was closed.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.original);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_height_of_a_bar_is_its_share() {
        let column = |share: f64| (0..2).map(|line| block(share, line, 2)).collect::<String>();
        assert_eq!(
            [column(0.0), column(0.25), column(0.5), column(0.75), column(1.0)],
            ["▁ ", "▄ ", "█ ", "█▄", "██"]
        );
    }

    #[test]
    fn a_plot_fits_its_columns_and_shows_the_last_values() {
        let values: VecDeque<f64> = (0..200).map(f64::from).collect();
        let text = draw("x", &values, 40, 4);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.starts_with("x: 199\n199 │"), "{text}");
        assert_eq!(label(1_500_000.0), "1.5M");
        assert_eq!(label(20_000.0), "20.0k");
        assert_eq!(label(0.125), "0.12");
    }

    #[test]
    fn control_characters_in_names_are_escaped() {
        let row = vec![("Name".to_owned(), "a\x1b]0;b\nc".into()), ("N".to_owned(), 1.into())];
        let found = QueryResult { rows: vec![row], properties: None };
        assert_eq!(series(&found), [("N of a\u{FFFD}]0;b c".to_owned(), 1.0)]);
    }

    #[test]
    fn the_first_number_of_each_row_is_drawn() {
        let row = |name: &str, value: Json| vec![("Name".to_owned(), name.into()), ("N".to_owned(), value)];
        let found = QueryResult {
            rows: vec![row("a", 5.into()), row("b", "7".into()), row("c", Json::Null)],
            properties: None,
        };
        assert_eq!(series(&found), [("N of a".to_owned(), 5.0), ("N of b".to_owned(), 7.0)]);
    }
}
