//! Events of local logs, or of a file of forwarded events.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cli_command::Failure;
use eventing::ForwardedFile;
use eventlog::Selection;
use eventlog::local::LocalLogs;
use readiness::FileChanges;
use winevent::Timestamp;
use winevent::event::Record;
use winevent::query::Explanation;

use crate::failed;
use crate::forwarded_log::FORWARDED_EVENTS;
use crate::local_logs::LocalSources;

/// Event that was read.
pub(crate) struct FoundEvent<'s> {
    pub(crate) record: Record,
    /// The line of JSON in which the event was stored.
    pub(crate) line: Option<String>,
    /// Results of the parts of the query, if they were requested.
    pub(crate) explanation: Option<Explanation<'s>>,
}

/// Whether events that are not selected are returned as well, with an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Explain {
    No,
    Yes,
}

/// Reader of events.
pub(crate) struct EventReader {
    source: EventSource,
    explain: Explain,
}

enum EventSource {
    Local { logs: Box<LocalLogs>, sources: LocalSources },
    File { file: ForwardedFile, path: PathBuf },
}

impl EventReader {
    /// Opens the local logs, a journal file (`.journal`), or a file of forwarded events.
    pub(crate) fn open(file: Option<&Path>, explain: Explain) -> Result<Self, Failure> {
        let is_journal = |path: &Path| path.extension().is_some_and(|extension| extension == "journal");
        let source = match file.filter(|path| !is_journal(path)) {
            Some(path) => {
                let file = ForwardedFile::open(path).map_err(|error| Failure::Failed(error.to_string()))?;
                EventSource::File { file, path: path.to_owned() }
            }
            None => {
                let sources = LocalSources::of(file);
                let logs = Box::new(sources.open(true).map_err(unreadable)?);
                EventSource::Local { logs, sources }
            }
        };
        Ok(Self { source, explain })
    }

    /// Opens all files of a rotation, from the oldest on.
    pub(crate) fn open_oldest(path: PathBuf) -> Result<Self, Failure> {
        let file = ForwardedFile::open_oldest(&path).map_err(failed)?;
        Ok(Self { source: EventSource::File { file, path }, explain: Explain::No })
    }

    /// Returns whether there are events of a channel or log. Those of a file are not known before it is read.
    pub(crate) fn has_channel(&self, name: &str) -> bool {
        match &self.source {
            EventSource::Local { sources, .. } => sources.channel(name).is_some(),
            EventSource::File { .. } => true,
        }
    }

    /// Continues behind the last event.
    pub(crate) fn seek_end(&mut self) -> Result<(), Failure> {
        match &mut self.source {
            EventSource::Local { logs, .. } => logs.seek_end().map(drop).map_err(unreadable),
            EventSource::File { file, .. } => file.seek_end().map_err(failed),
        }
    }

    /// Starts to watch the files of the events.
    pub(crate) fn watch(&self) -> io::Result<FileChanges> {
        match &self.source {
            EventSource::Local { sources, .. } => FileChanges::of_contents(sources.folders()),
            EventSource::File { path, .. } => FileChanges::of_contents([files::folder(path)]),
        }
    }

    /// Finds events that were added since.
    pub(crate) fn refresh(&mut self) -> Result<(), Failure> {
        match &mut self.source {
            EventSource::Local { logs, .. } => logs.refresh().map_err(unreadable),
            EventSource::File { .. } => Ok(()),
        }
    }

    /// Returns the next event that the selection selects, or the next event with an explanation; `None` if all are read.
    /// Lines without an event are reported to `warn`.
    pub(crate) fn next_event<'s>(
        &mut self,
        selection: &'s Selection,
        mut warn: impl FnMut(&str),
    ) -> Result<Option<FoundEvent<'s>>, Failure> {
        loop {
            let now = Timestamp::from(SystemTime::now());
            match &mut self.source {
                EventSource::Local { logs, .. } => {
                    let Some(event) = logs.next_event().map_err(unreadable)? else { return Ok(None) };
                    if self.explain == Explain::No {
                        if let Some(record) = selection.select(&event, now) {
                            return Ok(Some(FoundEvent { record, line: None, explanation: None }));
                        }
                    } else if let Ok(record) = Record::parse(&event.event.to_xml()) {
                        let explanation = Some(selection.explain(&record, &event.names(), now));
                        return Ok(Some(FoundEvent { record, line: None, explanation }));
                    }
                }
                EventSource::File { file, path } => {
                    let Some(line) = file.next_event().map_err(failed)? else { return Ok(None) };
                    let record = match line.record {
                        Ok(record) => record,
                        Err(error) => {
                            warn(&format!("{}, line {}: {error}", path.display(), line.number));
                            continue;
                        }
                    };
                    let channel = record.channel().unwrap_or_default().into_owned();
                    let names = [channel.as_str(), FORWARDED_EVENTS];
                    let explanation =
                        (self.explain == Explain::Yes).then(|| selection.explain(&record, &names, now));
                    if explanation.is_some() || selection.is_selected(&record, &names, now) {
                        let line = line.text.starts_with('{').then_some(line.text);
                        return Ok(Some(FoundEvent { record, line, explanation }));
                    }
                }
            }
        }
    }
}

fn unreadable(error: eventlog::LogError) -> Failure {
    Failure::failed(
        error,
        "the journal needs membership in the group systemd-journal, and the audit log in adm",
    )
}
