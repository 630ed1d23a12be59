//! Output of findings.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Finding, FindingSink, Verdict};
use crate::failure::Kind;
use crate::format::{Format, harmless};
use crate::screen::Screen;

/// Prints and counts findings.
pub(super) struct Report<'o> {
    out: &'o mut dyn Write,
    format: Format,
    screen: Screen,
    title: String,
    /// Findings of the JSON document that is printed at the end.
    findings: Vec<Value>,
    /// Consecutive skipped checks with the same reason, which are printed in one line.
    skipped: Option<SkippedChecks>,
    counts: Counts,
    first_failure: Option<(&'static str, Kind)>,
}

struct SkippedChecks {
    names: Vec<&'static str>,
    reason: String,
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
            findings: Vec::new(),
            skipped: None,
            counts: Counts::default(),
            first_failure: None,
        }
    }

    /// Prints the title.
    pub(super) fn begin(&mut self, title: &str) -> io::Result<()> {
        self.title = harmless(title);
        if self.format == Format::Text {
            writeln!(self.out, "{}", self.title)?;
        }
        self.out.flush()
    }

    /// Prints the summary and returns the kind of the first failure, if any.
    pub(super) fn end(mut self) -> io::Result<Option<Kind>> {
        self.print_skipped()?;
        let Counts { passed, warned, failed, skipped } = self.counts;
        let first = self.first_failure.map(|(check, _)| check);
        match self.format {
            Format::Text => {
                let counted =
                    format!("{passed} passed, {warned} warnings, {failed} failed, {skipped} skipped");
                match first {
                    Some(check) => writeln!(self.out, "{counted}; fix {check} first")?,
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
                        members.insert("findings".to_owned(), Value::Array(self.findings));
                    }
                    writeln!(self.out, "{document:#}")?;
                }
            }
        }
        self.out.flush()?;
        Ok(self.first_failure.map(|(_, kind)| kind))
    }

    fn print_text(&mut self, finding: &Finding) -> io::Result<()> {
        let seen = one_line(&finding.seen);
        if finding.verdict == Verdict::Skipped {
            match &mut self.skipped {
                Some(skipped) if skipped.reason == seen => skipped.names.push(finding.check.name()),
                _ => {
                    self.print_skipped()?;
                    self.skipped = Some(SkippedChecks { names: vec![finding.check.name()], reason: seen });
                }
            }
            return Ok(());
        }
        self.print_skipped()?;
        self.line(finding.verdict, finding.check.name(), &seen)?;
        for fix in &finding.fixes {
            writeln!(self.out, "{:INDENT$}-> {}", "", one_line(fix))?;
        }
        self.out.flush()
    }

    /// Prints the skipped checks in one line; more than two checks are abbreviated to the first and last name.
    fn print_skipped(&mut self) -> io::Result<()> {
        let Some(SkippedChecks { names, reason }) = self.skipped.take() else { return Ok(()) };
        let names = match names.as_slice() {
            [first, .., last] if names.len() > 2 => format!("{first} … {last}"),
            few => few.join(", "),
        };
        self.line(Verdict::Skipped, &names, &reason)
    }

    fn line(&mut self, verdict: Verdict, name: &str, seen: &str) -> io::Result<()> {
        let word = self.coloured(verdict);
        writeln!(self.out, "  {word}  {name:NAME$}  {seen}")
    }

    fn coloured(&self, verdict: Verdict) -> String {
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

impl FindingSink for Report<'_> {
    fn add(&mut self, finding: Finding) -> io::Result<()> {
        self.count(&finding);
        match self.format {
            Format::Text => self.print_text(&finding),
            Format::Ndjson => {
                writeln!(self.out, "{}", as_json(&finding))?;
                self.out.flush()
            }
            _ => {
                self.findings.push(as_json(&finding));
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

/// Joins text from a remote machine into one line and removes control characters.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    harmless(&words.join(" "))
}

/// Width of the column of check names; the length of the longest name.
const NAME: usize = 13;
/// Indentation of fixes, which aligns them with the observation.
const INDENT: usize = 2 + 4 + 2 + NAME + 2;

/// Graphic renditions (ECMA-48 8.3.117).
const FAINT: u8 = 2;
const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
