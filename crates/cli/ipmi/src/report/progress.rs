//! What many controllers answer, printed while others are still asked.

use std::io;
use std::time::Instant;

use super::super::hosts::Host;
use super::pieces::{LATEST, Pieces};
use super::{Answer, Answers, Format, failure, json_rows, text_lines, whole};
use cli_command::Failure;

/// The report of one run.
///
/// Text and JSON are printed in the order of the command line, each controller as soon as those before it are done: one
/// that is silent holds up those behind it, never those before it, and what a script reads does not depend on who was
/// quicker. The other formats have columns or families that the last answer may add to, and are printed at the end.
pub(in super::super) struct Report {
    hosts: Vec<Host>,
    format: Format,
    /// Whether lines of text begin with their host.
    names_hosts: bool,
    /// Whether nobody is asked any more once nobody reads it.
    ends_unread: bool,
    /// By their places in `hosts`.
    told: Vec<Told>,
    /// The first that is not printed yet.
    next: usize,
    has_begun: bool,
    /// When something was told first. All that comes within [`LATEST`] is printed together: where everybody answers
    /// quickly, nothing else is done before all have answered.
    told_at: Option<Instant>,
    is_late: bool,
    out: Pieces,
}

enum Told {
    NotYet,
    /// It is left out.
    Nothing,
    /// What was printed is taken out of it.
    Answer(Result<Answer, String>),
}

impl Report {
    pub(in super::super) fn new(hosts: Vec<Host>, format: Format) -> Self {
        Self {
            names_hosts: hosts.len() > 1,
            ends_unread: false,
            told: hosts.iter().map(|_| Told::NotYet).collect(),
            hosts,
            format,
            next: 0,
            has_begun: false,
            told_at: None,
            is_late: false,
            out: Pieces::default(),
        }
    }

    /// Each line of text begins with its host, even where only one is asked.
    pub(in super::super) fn naming_hosts(self) -> Self {
        Self { names_hosts: true, ..self }
    }

    /// Nobody is asked any more once nobody reads it, such as `head`: for what changes nothing.
    pub(in super::super) fn ending_unread(self) -> Self {
        Self { ends_unread: true, ..self }
    }

    /// Whether more are to be asked.
    pub(in super::super) fn wants_more(&self) -> bool {
        !(self.ends_unread && self.out.is_unread())
    }

    /// What has come of the host at this index.
    pub(in super::super) fn add(&mut self, index: usize, answer: Result<Answer, String>) {
        self.tell(index, Told::Answer(answer));
    }

    /// Nothing is said of the host at this index.
    pub(in super::super) fn leave_out(&mut self, index: usize) {
        self.tell(index, Told::Nothing);
    }

    /// When [`Self::flush`] is to be called, if nothing else happens before.
    pub(in super::super) fn flush_at(&self) -> Option<Instant> {
        if self.is_late { self.out.flush_at() } else { self.told_at.map(|told_at| told_at + LATEST) }
    }

    /// Gives away what there is.
    pub(in super::super) fn flush(&mut self) {
        self.is_late = true;
        self.print_those_whose_turn_it_is();
        self.out.flush();
    }

    /// Prints the rest, once all have been asked; what went wrong, if anything did.
    pub(in super::super) fn finish(mut self) -> io::Result<Option<Failure>> {
        for told in &mut self.told {
            if matches!(told, Told::NotYet) {
                *told = Told::Answer(Err("this program has failed; please report it".to_owned()));
            }
        }
        self.out.end();
        self.print_those_whose_turn_it_is();
        let answers: Answers = (self.hosts.into_iter().zip(self.told))
            .filter_map(|(host, told)| match told {
                Told::Answer(answer) => Some((host, answer)),
                Told::NotYet | Told::Nothing => None,
            })
            .collect();
        match (self.format, self.has_begun) {
            (Format::Text, _) => {}
            (Format::Json, true) => self.out.add(|out| out.extend_from_slice(b"\n]\n")),
            (Format::Json, false) => self.out.add(|out| out.extend_from_slice(b"[]\n")),
            (format, _) => self.out.add(|out| out.extend_from_slice(whole(&answers, format).as_bytes())),
        }
        self.out.finish()?;
        Ok(failure(&answers))
    }

    fn tell(&mut self, index: usize, told: Told) {
        if let Some(slot) = self.told.get_mut(index) {
            *slot = told;
        }
        self.is_late |= self.told_at.get_or_insert_with(Instant::now).elapsed() >= LATEST;
        if !self.is_late {
            return;
        }
        self.print_those_whose_turn_it_is();
    }

    fn print_those_whose_turn_it_is(&mut self) {
        let Self { hosts, format, names_hosts, told, next, has_begun, out, .. } = self;
        if !matches!(format, Format::Text | Format::Json) {
            return;
        }
        while let Some((host, told)) = hosts.get(*next).zip(told.get_mut(*next)) {
            match (told, *format) {
                (Told::NotYet, _) => return,
                (Told::Answer(Ok(answer)), Format::Text) => {
                    let text = std::mem::take(&mut answer.text);
                    out.add(|out| text_lines(names_hosts.then_some(host), &text, out));
                }
                (Told::Answer(answer), Format::Json) => {
                    out.add(|out| *has_begun |= json_rows(host, answer, *has_begun, out));
                    if let Ok(answer) = answer {
                        answer.rows = Vec::new();
                    }
                }
                (Told::Nothing | Told::Answer(_), _) => {}
            }
            *next += 1;
        }
    }
}
