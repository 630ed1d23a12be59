//! The contents of the screen, and the keys that change it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use cli::screen::Screen;
use ipmi::{Measured, SensorStatus};

use super::super::sensor_names::{Titles, number};

/// The contents of the screen.
#[derive(Debug)]
pub(super) struct View {
    every: Duration,
    controllers: Vec<Controller>,
    /// Number of lines above the first visible line.
    offset: usize,
    filter: Filter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    All,
    /// Sensors beyond a threshold or in a bad state.
    Bad,
}

#[derive(Debug)]
struct Controller {
    name: String,
    outcome: Option<Result<Vec<Measured>, String>>,
    /// Previous readings of each sensor, oldest first.
    history: HashMap<(u8, u8, u8), VecDeque<f64>>,
}

/// A key with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Up,
    Down,
    PageUp,
    PageDown,
    /// Toggles the filter.
    Bad,
}

impl Key {
    /// Parses the bytes that a terminal sends for a key.
    pub(super) fn parse(typed: &[u8]) -> Option<Self> {
        match typed {
            // Ctrl-C and Ctrl-D.
            b"q" | b"Q" | [3] | [4] => Some(Self::Quit),
            b"k" | b"\x1b[A" | b"\x1bOA" => Some(Self::Up),
            b"j" | b"\x1b[B" | b"\x1bOB" => Some(Self::Down),
            b"\x1b[5~" => Some(Self::PageUp),
            b" " | b"\x1b[6~" => Some(Self::PageDown),
            b"b" => Some(Self::Bad),
            _ => None,
        }
    }
}

impl View {
    pub(super) fn new(names: Vec<String>, every: Duration) -> Self {
        let controllers = names
            .into_iter()
            .map(|name| Controller { name, outcome: None, history: HashMap::new() })
            .collect();
        Self { every, controllers, offset: 0, filter: Filter::All }
    }

    /// Stores the readings of a controller, or its error.
    pub(super) fn take(&mut self, number: usize, outcome: Result<Vec<Measured>, String>) {
        let Some(controller) = self.controllers.get_mut(number) else { return };
        for measured in outcome.iter().flatten() {
            let Some(quantity) = measured.quantity() else { continue };
            let history = controller.history.entry(sensor_id(measured)).or_default();
            if history.len() == MAX_HISTORY {
                history.pop_front();
            }
            history.push_back(quantity.to_f64());
        }
        controller.outcome = Some(outcome);
    }

    /// Handles a key; returns whether the program is to end.
    pub(super) fn press(&mut self, key: Key) -> bool {
        match key {
            Key::Quit => return true,
            Key::Up => self.offset = self.offset.saturating_sub(1),
            Key::Down => self.offset += 1,
            Key::PageUp => self.offset = self.offset.saturating_sub(PAGE),
            Key::PageDown => self.offset += PAGE,
            Key::Bad => {
                self.filter = if self.filter == Filter::All { Filter::Bad } else { Filter::All };
                self.offset = 0;
            }
        }
        // Scrolling stops at the last line.
        let lines: usize = self.controllers.iter().map(|controller| self.count(controller)).sum();
        self.offset = self.offset.min(lines.saturating_sub(1));
        false
    }

    /// Returns the text of the whole screen.
    pub(super) fn draw(&self, columns: usize, lines: usize, screen: &Screen) -> String {
        let answered =
            self.controllers.iter().filter(|controller| matches!(controller.outcome, Some(Ok(_)))).count();
        let title = format!(
            "{answered} of {} controllers, every {} s   q quits, b shows {}, arrows scroll",
            self.controllers.len(),
            self.every.as_secs(),
            if self.filter == Filter::All { "problems" } else { "everything" },
        );
        let body = self.body(columns, lines.saturating_sub(2), screen);
        let title: String = title.chars().take(columns).collect();
        std::iter::once(screen.rendered(1, &title)).chain(body).map(|line| line + "\n").collect()
    }

    /// Returns the visible lines. Only visible controllers are formatted, because there may be thousands.
    fn body(&self, columns: usize, room: usize, screen: &Screen) -> Vec<String> {
        let (mut above, mut lines) = (self.offset, Vec::new());
        for controller in &self.controllers {
            if lines.len() >= room {
                break;
            }
            let count = self.count(controller);
            if above < count {
                lines.extend(self.lines(controller, columns, screen).into_iter().skip(above));
            }
            above = above.saturating_sub(count);
        }
        lines.truncate(room);
        if lines.is_empty() && self.filter == Filter::Bad {
            lines.push("no problems".to_owned());
        }
        lines
    }

    /// Number of lines of a controller; none if the filter hides all its sensors.
    fn count(&self, controller: &Controller) -> usize {
        let own = match &controller.outcome {
            Some(Ok(all)) => all.iter().filter(|measured| self.is_shown(measured)).count(),
            None | Some(Err(_)) => 1,
        };
        let is_named = self.controllers.len() > 1 && (own > 0 || self.filter == Filter::All);
        own + usize::from(is_named)
    }

    fn is_shown(&self, measured: &Measured) -> bool {
        self.filter == Filter::All
            || !matches!(measured.status(), SensorStatus::Ok | SensorStatus::Unavailable)
    }

    fn lines(&self, controller: &Controller, columns: usize, screen: &Screen) -> Vec<String> {
        let mut lines = Vec::new();
        match &controller.outcome {
            None => lines.push("connecting …".to_owned()),
            Some(Err(error)) => {
                // Only the first line is shown; `count` assumes one line.
                let error = error.lines().next().unwrap_or_default();
                let error: String = error.chars().take(columns).collect();
                lines.push(screen.rendered(31, &error));
            }
            Some(Ok(all)) => {
                let titles = Titles::of(all.iter().map(|measured| &measured.sensor));
                // A title takes at most half of the screen.
                let width = all.iter().map(|measured| titles.title(&measured.sensor).chars().count());
                let width = width.max().unwrap_or_default().min(columns / 2).max(MIN_TITLE);
                lines.extend(all.iter().filter(|measured| self.is_shown(measured)).map(|measured| {
                    let title = fit(&titles.title(&measured.sensor), width);
                    controller.line(&title, measured, columns, screen)
                }));
            }
        }
        if self.count(controller) > lines.len() {
            lines.insert(0, screen.rendered(1, &controller.name));
        }
        lines
    }
}

impl Controller {
    fn line(&self, title: &str, measured: &Measured, columns: usize, screen: &Screen) -> String {
        let (word, rendition) = match measured.status() {
            SensorStatus::Unavailable => ("-", 2),
            SensorStatus::Ok => ("ok", 32),
            SensorStatus::NonCritical => ("warning", 33),
            SensorStatus::Critical => ("critical", 31),
            SensorStatus::NonRecoverable => ("failed", 31),
        };
        let value = match measured.quantity() {
            Some(quantity) => format!("{quantity} {}", measured.sensor.units.sign()),
            None if measured.reading.is_some() => measured.states().join(", "),
            None => String::new(),
        };
        let number = number(&measured.sensor);
        let text = format!("{title} {number} {} {word:<8} ", fit(&value, 20));
        let room = columns.saturating_sub(text.chars().count());
        let line = self
            .history
            .get(&sensor_id(measured))
            .map(|history| sparkline(history, room))
            .unwrap_or_default();
        let text: String = text.chars().take(columns).collect();
        format!("{}{line}", screen.rendered(rendition, &text))
    }
}

/// Pads or shortens text to a width. The end of long text is kept, because it distinguishes sensors of the same name.
fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text:<width$}");
    }
    let shown = width.saturating_sub(1);
    let begin = shown.div_ceil(2);
    let begun = text.chars().take(begin);
    let ended = text.chars().skip(length - (shown - begin));
    begun.chain(['…']).chain(ended).collect()
}

/// Identifies a sensor within its controller by owner, logical unit and number.
fn sensor_id(measured: &Measured) -> (u8, u8, u8) {
    (measured.sensor.owner, measured.sensor.unit, measured.sensor.number)
}

/// Draws the last values as bars, scaled from their minimum to their maximum.
fn sparkline(history: &VecDeque<f64>, room: usize) -> String {
    let shown: Vec<f64> = history.iter().skip(history.len().saturating_sub(room)).copied().collect();
    let least = shown.iter().copied().fold(f64::INFINITY, f64::min);
    let span = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
    let bars = shown.iter().map(|value| {
        // The first step that the value does not exceed.
        let step = BARS.iter().zip(1_u8..).find(|(_, step)| (value - least) * 8.0 <= span * f64::from(*step));
        step.map_or('█', |(bar, _)| *bar)
    });
    bars.collect()
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const MIN_TITLE: usize = 16;
const MAX_HISTORY: usize = 120;
const PAGE: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_scaled_from_minimum_to_maximum() {
        let history = VecDeque::from([0.0, 1.0, 4.0, 8.0]);
        assert_eq!(sparkline(&history, 10), "▁▁▄█");
        assert_eq!(sparkline(&history, 2), "▁█");
        assert_eq!(sparkline(&VecDeque::from([5.0, 5.0]), 10), "▁▁");
        assert_eq!(sparkline(&VecDeque::new(), 10), "");
    }

    #[test]
    fn long_text_keeps_its_end() {
        assert_eq!(fit("VBAT", 6), "VBAT  ");
        assert_eq!(fit("Temp (processor 1)", 18), "Temp (processor 1)");
        assert_eq!(fit("Temp (processor 1)", 12), "Temp (…or 1)");
        assert_eq!(fit("ab", 1), "…");
    }

    #[test]
    fn a_silent_controller_does_not_hide_the_others() {
        let mut view = View::new(vec!["one".to_owned(), "two".to_owned()], Duration::from_secs(2));
        view.take(0, Err("no answer\n  is it there?".to_owned()));
        view.take(1, Ok(Vec::new()));
        view.take(7, Ok(Vec::new()));
        let drawn = view.draw(40, 10, &Screen::none());
        assert_eq!(drawn, "1 of 2 controllers, every 2 s   q quits,\none\nno answer\ntwo\n");
        assert!(!view.press(Key::Down) && !view.press(Key::PageDown) && !view.press(Key::Bad));
        let drawn = view.draw(40, 10, &Screen::none());
        assert!(
            drawn.ends_with("\none\nno answer\n"),
            "the filter scrolls to the top and hides good controllers: {drawn}"
        );
        view.take(0, Ok(Vec::new()));
        assert!(view.draw(40, 10, &Screen::none()).ends_with("\nno problems\n"));
        assert!(!view.press(Key::Bad) && !view.press(Key::Down));
        let drawn = view.draw(40, 10, &Screen::none());
        assert!(drawn.ends_with("\ntwo\n") && !drawn.contains("one\n"), "one line is scrolled away: {drawn}");
        assert!(view.press(Key::Quit));
        assert_eq!((Key::parse(b"\x1b[B"), Key::parse(b"x")), (Some(Key::Down), None));
    }
}
