//! What is on the screen, and which keys change it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use cli::screen::Screen;
use ipmi::{Measured, SensorStatus};

use super::super::named::{Titles, number};

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct View {
    every: Duration,
    controllers: Vec<Controller>,
    /// How many lines are above the first that is shown.
    offset: usize,
    shows: Shows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    All,
    /// What somebody should look at.
    Bad,
}

#[derive(Debug)]
struct Controller {
    name: String,
    outcome: Option<Result<Vec<Measured>, String>>,
    /// What each sensor has measured before, oldest first.
    history: HashMap<(u8, u8, u8), VecDeque<f64>>,
}

/// What somebody has typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Up,
    Down,
    PageUp,
    PageDown,
    /// Only what is bad, or everything again.
    Bad,
}

impl Key {
    /// As a terminal sends it.
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
        let controller = |name| Controller { name, outcome: None, history: HashMap::new() };
        Self { every, controllers: names.into_iter().map(controller).collect(), offset: 0, shows: Shows::All }
    }

    /// What a controller has answered, or why it has not.
    pub(super) fn take(&mut self, number: usize, outcome: Result<Vec<Measured>, String>) {
        let Some(controller) = self.controllers.get_mut(number) else { return };
        for measured in outcome.iter().flatten() {
            let Some(quantity) = measured.quantity() else { continue };
            let history = controller.history.entry(place(measured)).or_default();
            if history.len() == LONGEST_HISTORY {
                history.pop_front();
            }
            history.push_back(quantity.to_f64());
        }
        controller.outcome = Some(outcome);
    }

    /// Does what a key means; whether that is to end.
    pub(super) fn press(&mut self, key: Key) -> bool {
        match key {
            Key::Quit => return true,
            Key::Up => self.offset = self.offset.saturating_sub(1),
            Key::Down => self.offset += 1,
            Key::PageUp => self.offset = self.offset.saturating_sub(PAGE),
            Key::PageDown => self.offset += PAGE,
            Key::Bad => {
                self.shows = if self.shows == Shows::All { Shows::Bad } else { Shows::All };
                self.offset = 0;
            }
        }
        // Nobody can scroll to where nothing is.
        let lines: usize = self.controllers.iter().map(|controller| self.count(controller)).sum();
        self.offset = self.offset.min(lines.saturating_sub(1));
        false
    }

    /// The whole screen.
    pub(super) fn drawn(&self, columns: usize, lines: usize, screen: &Screen) -> String {
        let answered =
            self.controllers.iter().filter(|controller| matches!(controller.outcome, Some(Ok(_)))).count();
        let title = format!(
            "{answered} of {} controllers, every {} s   q ends, b shows {}, arrows move",
            self.controllers.len(),
            self.every.as_secs(),
            if self.shows == Shows::All { "what is bad" } else { "everything" },
        );
        let body = self.body(columns, lines.saturating_sub(2), screen);
        let title: String = title.chars().take(columns).collect();
        std::iter::once(screen.rendered(1, &title)).chain(body).map(|line| line + "\n").collect()
    }

    /// The lines that there is room for; of a thousand controllers few are on the screen, and only those are written.
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
        if lines.is_empty() && self.shows == Shows::Bad {
            lines.push("nothing is bad".to_owned());
        }
        lines
    }

    /// How many lines one has; where only what is bad is shown, and nothing of it is, none.
    fn count(&self, controller: &Controller) -> usize {
        let own = match &controller.outcome {
            Some(Ok(all)) => all.iter().filter(|measured| self.is_shown(measured)).count(),
            None | Some(Err(_)) => 1,
        };
        let is_named = self.controllers.len() > 1 && (own > 0 || self.shows == Shows::All);
        own + usize::from(is_named)
    }

    fn is_shown(&self, measured: &Measured) -> bool {
        self.shows == Shows::All || !matches!(measured.status(), SensorStatus::Ok | SensorStatus::Unavailable)
    }

    fn lines(&self, controller: &Controller, columns: usize, screen: &Screen) -> Vec<String> {
        let mut lines = Vec::new();
        match &controller.outcome {
            None => lines.push("asking …".to_owned()),
            Some(Err(error)) => {
                // What to do about it would be lines that nobody has counted.
                let error = error.lines().next().unwrap_or_default();
                let error: String = error.chars().take(columns).collect();
                lines.push(screen.rendered(31, &error));
            }
            Some(Ok(all)) => {
                let titles = Titles::of(all.iter().map(|measured| &measured.sensor));
                // None is wider than half of the screen.
                let width = all.iter().map(|measured| titles.title(&measured.sensor).chars().count());
                let width = width.max().unwrap_or_default().min(columns / 2).max(USUAL_TITLE);
                lines.extend(all.iter().filter(|measured| self.is_shown(measured)).map(|measured| {
                    let title = fitted(&titles.title(&measured.sensor), width);
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
        let text = format!("{title} {number} {} {word:<8} ", fitted(&value, 20));
        let room = columns.saturating_sub(text.chars().count());
        let line =
            self.history.get(&place(measured)).map(|history| sparkline(history, room)).unwrap_or_default();
        let text: String = text.chars().take(columns).collect();
        format!("{}{line}", screen.rendered(rendition, &text))
    }
}

/// So wide; of what is too long the end stays, which is what tells sensors of one name apart.
fn fitted(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text:<width$}");
    }
    let kept = width.saturating_sub(1);
    let begin = kept.div_ceil(2);
    let begun = text.chars().take(begin);
    let ended = text.chars().skip(length - (kept - begin));
    begun.chain(['…']).chain(ended).collect()
}

/// Which sensor it is on its controller.
fn place(measured: &Measured) -> (u8, u8, u8) {
    (measured.sensor.owner, measured.sensor.unit, measured.sensor.number)
}

/// The last values as bars, from the least to the most of them.
fn sparkline(history: &VecDeque<f64>, room: usize) -> String {
    let shown: Vec<f64> = history.iter().skip(history.len().saturating_sub(room)).copied().collect();
    let least = shown.iter().copied().fold(f64::INFINITY, f64::min);
    let span = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
    let bar = |value: &f64| {
        // The first step that it does not exceed.
        let step = BARS.iter().zip(1_u8..).find(|(_, step)| (value - least) * 8.0 <= span * f64::from(*step));
        step.map_or('█', |(bar, _)| *bar)
    };
    shown.iter().map(bar).collect()
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const USUAL_TITLE: usize = 16;
const LONGEST_HISTORY: usize = 120;
const PAGE: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_go_from_the_least_to_the_most() {
        let history = VecDeque::from([0.0, 1.0, 4.0, 8.0]);
        assert_eq!(sparkline(&history, 10), "▁▁▄█");
        assert_eq!(sparkline(&history, 2), "▁█");
        assert_eq!(sparkline(&VecDeque::from([5.0, 5.0]), 10), "▁▁");
        assert_eq!(sparkline(&VecDeque::new(), 10), "");
    }

    #[test]
    fn what_is_too_long_keeps_its_end() {
        assert_eq!(fitted("VBAT", 6), "VBAT  ");
        assert_eq!(fitted("Temp (processor 1)", 18), "Temp (processor 1)");
        assert_eq!(fitted("Temp (processor 1)", 12), "Temp (…or 1)");
        assert_eq!(fitted("ab", 1), "…");
    }

    #[test]
    fn one_that_does_not_answer_leaves_the_others_where_they_are() {
        let mut view = View::new(vec!["one".to_owned(), "two".to_owned()], Duration::from_secs(2));
        view.take(0, Err("no answer\n  is it there?".to_owned()));
        view.take(1, Ok(Vec::new()));
        view.take(7, Ok(Vec::new()));
        let drawn = view.drawn(40, 10, &Screen::none());
        assert_eq!(drawn, "1 of 2 controllers, every 2 s   q ends, \none\nno answer\ntwo\n");
        assert!(!view.press(Key::Down) && !view.press(Key::PageDown) && !view.press(Key::Bad));
        let drawn = view.drawn(40, 10, &Screen::none());
        assert!(
            drawn.ends_with("\none\nno answer\n"),
            "it begins at the top again, without those that are well: {drawn}"
        );
        view.take(0, Ok(Vec::new()));
        assert!(view.drawn(40, 10, &Screen::none()).ends_with("\nnothing is bad\n"));
        assert!(!view.press(Key::Bad) && !view.press(Key::Down));
        let drawn = view.drawn(40, 10, &Screen::none());
        assert!(drawn.ends_with("\ntwo\n") && !drawn.contains("one\n"), "one line is above: {drawn}");
        assert!(view.press(Key::Quit));
        assert_eq!((Key::parse(b"\x1b[B"), Key::parse(b"x")), (Some(Key::Down), None));
    }
}
