//! Output of results while other controllers are still being contacted.

use std::io;
use std::rc::Rc;
use std::time::Instant;

use super::super::hosts::Host;
use super::buffered_output::{BufferedOutput, MAX_DELAY};
use super::{Answer, Answers, failure, format_all, json_rows, metrics, text_lines};
use cli::screen::Progress;
use cli_command::Failure;
use cli_command::format::Format;

/// The report of one run.
///
/// Text and JSON are printed in the order of the command line, each controller as soon as those before it are done, so
/// that the output does not depend on the speed of controllers. In the other formats, columns or metrics may depend on
/// the last result; they are printed at the end.
pub(in super::super) struct Report {
    hosts: Vec<Host>,
    format: Format,
    /// Collector of `ipmi_exporter` to which the metrics belong.
    collector: &'static str,
    /// Lines of text begin with their host.
    names_hosts: bool,
    /// No further controller is contacted once the reader of the output has closed it.
    ends_unread: bool,
    /// Results, by their indexes in `hosts`.
    results: Vec<HostResult>,
    /// Index of the first result that is not printed yet.
    next: usize,
    has_begun: bool,
    /// Time of the first result. Results within [`MAX_DELAY`] are printed together, so that printing does not delay quick
    /// controllers.
    first_at: Option<Instant>,
    /// [`MAX_DELAY`] has passed; results are printed as they come.
    is_streaming: bool,
    out: BufferedOutput,
}

enum HostResult {
    Pending,
    /// Not part of the output.
    Omitted,
    /// Text and rows are removed after they are printed.
    Answer(Result<Answer, String>),
}

impl Report {
    pub(in super::super) fn new(hosts: Vec<Host>, format: Format) -> Self {
        Self {
            names_hosts: hosts.len() > 1,
            ends_unread: false,
            results: hosts.iter().map(|_| HostResult::Pending).collect(),
            hosts,
            format,
            collector: "ipmi",
            next: 0,
            has_begun: false,
            first_at: None,
            is_streaming: false,
            out: BufferedOutput::default(),
        }
    }

    /// Prefixes each line of text with its host, even for a single host.
    pub(in super::super) fn naming_hosts(self) -> Self {
        Self { names_hosts: true, ..self }
    }

    /// Sets the collector of `ipmi_exporter` to which the metrics belong.
    pub(in super::super) fn of_collector(self, collector: &'static str) -> Self {
        Self { collector, ..self }
    }

    /// Stops contacting controllers once the reader of the output, such as `head`, has closed it. Only for operations that
    /// change nothing.
    pub(in super::super) fn ending_unread(self) -> Self {
        Self { ends_unread: true, ..self }
    }

    /// Clears a progress line before each output.
    pub(in super::super) fn show_after(&mut self, progress: Rc<Progress>) {
        self.out.show_after(progress);
    }

    /// Returns whether further controllers are to be contacted.
    pub(in super::super) fn wants_more(&self) -> bool {
        !(self.ends_unread && self.out.is_unread())
    }

    /// Adds the result of the host with this index.
    pub(in super::super) fn add(&mut self, index: usize, answer: Result<Answer, String>) {
        self.set(index, HostResult::Answer(answer));
    }

    /// Omits the host with this index from the output.
    pub(in super::super) fn leave_out(&mut self, index: usize) {
        self.set(index, HostResult::Omitted);
    }

    /// Time at which [`Self::flush`] must be called at the latest.
    pub(in super::super) fn flush_at(&self) -> Option<Instant> {
        if self.is_streaming {
            self.out.flush_at()
        } else {
            self.first_at.map(|first_at| first_at + MAX_DELAY)
        }
    }

    /// Prints the available results.
    pub(in super::super) fn flush(&mut self) {
        self.is_streaming = true;
        self.print_available();
        self.out.flush();
    }

    /// Prints the remaining results after all controllers were contacted; returns the failures.
    pub(in super::super) fn finish(mut self) -> io::Result<Option<Failure>> {
        for result in &mut self.results {
            if matches!(result, HostResult::Pending) {
                let message = "internal error: the task for this controller failed; please report it";
                *result = HostResult::Answer(Err(message.to_owned()));
            }
        }
        self.out.end();
        self.print_available();
        let answers: Answers = (self.hosts.into_iter().zip(self.results))
            .filter_map(|(host, result)| match result {
                HostResult::Answer(answer) => Some((host, answer)),
                HostResult::Pending | HostResult::Omitted => None,
            })
            .collect();
        match (self.format, self.has_begun) {
            (Format::Text, _) => {}
            (Format::Json, true) => self.out.add(|out| out.extend_from_slice(b"\n]\n")),
            (Format::Json, false) => self.out.add(|out| out.extend_from_slice(b"[]\n")),
            (Format::Prometheus, _) => {
                let text = metrics(&answers, self.collector);
                self.out.add(|out| out.extend_from_slice(text.as_bytes()));
            }
            (format, _) => self.out.add(|out| out.extend_from_slice(format_all(&answers, format).as_bytes())),
        }
        self.out.finish()?;
        Ok(failure(&answers))
    }

    fn set(&mut self, index: usize, result: HostResult) {
        if let Some(slot) = self.results.get_mut(index) {
            *slot = result;
        }
        self.is_streaming |= self.first_at.get_or_insert_with(Instant::now).elapsed() >= MAX_DELAY;
        if self.is_streaming {
            self.print_available();
        }
    }

    fn print_available(&mut self) {
        let Self { hosts, format, names_hosts, results, next, has_begun, out, .. } = self;
        if !matches!(format, Format::Text | Format::Json) {
            return;
        }
        while let Some((host, result)) = hosts.get(*next).zip(results.get_mut(*next)) {
            match (result, *format) {
                (HostResult::Pending, _) => return,
                (HostResult::Answer(Ok(answer)), Format::Text) => {
                    let text = std::mem::take(&mut answer.text);
                    out.add(|out| text_lines(names_hosts.then_some(host), &text, out));
                }
                (HostResult::Answer(answer), Format::Json) => {
                    out.add(|out| *has_begun |= json_rows(host, answer, *has_begun, out));
                    if let Ok(answer) = answer {
                        answer.rows = Vec::new();
                    }
                }
                (HostResult::Omitted | HostResult::Answer(_), _) => {}
            }
            *next += 1;
        }
    }
}
