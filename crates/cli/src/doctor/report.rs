//! How findings are printed.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Audience, Finding, Verdict};
use crate::failure::Kind;
use crate::format::{Format, harmless};
use crate::screen::Screen;

/// Prints findings, and counts them.
pub(super) struct Report<'o> {
    out: &'o mut dyn Write,
    format: Format,
    screen: Screen,
    title: String,
    /// Those of the document that is printed at the end.
    gathered: Vec<Value>,
    /// What was skipped for one reason, and is told in one line.
    skipped: Option<(Vec<&'static str>, String)>,
    counts: Counts,
    first_failure: Option<(&'static str, Kind)>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    passed: usize,
    warned: usize,
    failed: usize,
    skipped: usize,
}

impl<'o> Report<'o> {
    pub(super) fn new(format: Format, screen: Screen, out: &'o mut dyn Write) -> Self {
        Self {
            out,
            format,
            screen,
            title: String::new(),
            gathered: Vec::new(),
            skipped: None,
            counts: Counts::default(),
            first_failure: None,
        }
    }

    /// Says what is examined.
    pub(super) fn begin(&mut self, title: &str) -> io::Result<()> {
        self.title = harmless(title);
        if self.format == Format::Text {
            writeln!(self.out, "{}", self.title)?;
        }
        self.out.flush()
    }

    /// Says how it stands as a whole; the kind of the first failure, if there was one.
    pub(super) fn end(mut self) -> io::Result<Option<Kind>> {
        self.tell_skipped()?;
        let Counts { passed, warned, failed, skipped } = self.counts;
        let first = self.first_failure.map(|(check, _)| check);
        match self.format {
            Format::Text => {
                let counted = format!("{passed} passed, {warned} warned, {failed} failed, {skipped} skipped");
                match first {
                    Some(check) => writeln!(self.out, "{counted}; begin with {check}")?,
                    None => writeln!(self.out, "{counted}")?,
                }
            }
            format => {
                let summary = json!({
                    "target": self.title, "passed": passed, "warned": warned, "failed": failed,
                    "skipped": skipped, "first_failure": first,
                });
                if format == Format::Ndjson {
                    writeln!(self.out, "{summary}")?;
                } else {
                    let mut document = summary;
                    if let Some(members) = document.as_object_mut() {
                        members.insert("findings".to_owned(), Value::Array(self.gathered));
                    }
                    writeln!(self.out, "{document:#}")?;
                }
            }
        }
        self.out.flush()?;
        Ok(self.first_failure.map(|(_, kind)| kind))
    }

    fn tell_in_text(&mut self, finding: &Finding) -> io::Result<()> {
        let seen = one_line(&finding.seen);
        if finding.verdict == Verdict::Skipped {
            match &mut self.skipped {
                Some((names, why)) if *why == seen => names.push(finding.check.name()),
                _ => {
                    self.tell_skipped()?;
                    self.skipped = Some((vec![finding.check.name()], seen));
                }
            }
            return Ok(());
        }
        self.tell_skipped()?;
        self.line(finding.verdict, finding.check.name(), &seen)?;
        for fix in &finding.fixes {
            writeln!(self.out, "{:INDENT$}-> {}", "", one_line(fix))?;
        }
        self.out.flush()
    }

    /// What was skipped for one reason stands in one line, if it is much with its first and last name.
    fn tell_skipped(&mut self) -> io::Result<()> {
        let Some((names, why)) = self.skipped.take() else { return Ok(()) };
        let names = match names.as_slice() {
            [first, .., last] if names.len() > 2 => format!("{first} … {last}"),
            few => few.join(", "),
        };
        self.line(Verdict::Skipped, &names, &why)
    }

    fn line(&mut self, verdict: Verdict, name: &str, seen: &str) -> io::Result<()> {
        let word = self.painted(verdict);
        writeln!(self.out, "  {word}  {name:NAME$}  {seen}")
    }

    fn painted(&self, verdict: Verdict) -> String {
        let rendition = match verdict {
            Verdict::Pass => GREEN,
            Verdict::Warn => YELLOW,
            Verdict::Fail => RED,
            Verdict::Skipped => FAINT,
        };
        self.screen.rendered(rendition, verdict.name())
    }

    fn count(&mut self, finding: &Finding) {
        match finding.verdict {
            Verdict::Pass => self.counts.passed += 1,
            Verdict::Warn => self.counts.warned += 1,
            Verdict::Skipped => self.counts.skipped += 1,
            Verdict::Fail => {
                self.counts.failed += 1;
                let kind = finding.kind.unwrap_or(Kind::Fault);
                self.first_failure.get_or_insert((finding.check.name(), kind));
            }
        }
    }
}

impl Audience for Report<'_> {
    fn hear(&mut self, finding: Finding) -> io::Result<()> {
        self.count(&finding);
        match self.format {
            Format::Text => self.tell_in_text(&finding),
            Format::Ndjson => {
                writeln!(self.out, "{}", as_json(&finding))?;
                self.out.flush()
            }
            _ => {
                self.gathered.push(as_json(&finding));
                Ok(())
            }
        }
    }
}

fn as_json(finding: &Finding) -> Value {
    let elapsed = u64::try_from(finding.elapsed.as_millis()).unwrap_or(u64::MAX);
    json!({
        "check": finding.check.name(), "verdict": finding.verdict.name(), "seen": finding.seen,
        "fix": finding.fixes, "elapsed_ms": elapsed,
    })
}

/// What comes from elsewhere cannot break a line, nor play tricks with the terminal.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    harmless(&words.join(" "))
}

/// The longest name of a check.
const NAME: usize = 13;
/// Where fixes stand: below what was seen.
const INDENT: usize = 2 + 4 + 2 + NAME + 2;

/// Renditions of a terminal (ECMA-48 8.3.117).
const FAINT: u8 = 2;
const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
