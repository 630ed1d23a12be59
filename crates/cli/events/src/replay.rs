//! `telarch events replay`.

use std::path::{Path, PathBuf};

use cli_command::paths::{self, IfMissing};
use cli_command::{Action, Arguments, Failure};
use eventing::{CollectorError, DestinationSettings, Replay, Replayed};
use eventlog::Selection;
use files::TrustedFile;

use crate::event_query::{FILE, selection, warn};
use crate::event_reader::{EventReader, Explain};
use crate::forwarded_log::files_of_sources;
use crate::{STATE, failed};

/// The action `replay`.
pub(crate) const REPLAY_ACTION: Action = Action::new(
    "replay",
    &[(
        "OUTPUT",
        "send stored events to an output once more; OUTPUT is its name, or its settings file *.toml",
    )],
)
.takes(1, 1);

/// Maximum size of the settings of an output in bytes.
const MAX_SETTINGS: usize = 4 << 20;

/// Runs `replay`.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let settings = read_settings(&settings_path(&arguments.words().concat())?)?;
    let files = match arguments.path(&FILE) {
        Some(file) => EventFiles::One(file),
        None => EventFiles::OfSources(sources(arguments)?),
    };
    let mut replay = Replay::new(&settings);
    match files {
        EventFiles::One(path) => {
            let mut reader = EventReader::open(Some(&path), Explain::No)?;
            let selection = selection(arguments, |name| reader.has_channel(name))?;
            send(&mut reader, &selection, &path, &mut replay)?;
        }
        EventFiles::OfSources(files) => {
            let selection = selection(arguments, |_| true)?;
            for path in files {
                send(&mut EventReader::open_oldest(path.clone())?, &selection, &path, &mut replay)?;
            }
        }
    }
    replay.finish().map(report).map_err(refused)
}

/// Files whose events are sent.
enum EventFiles {
    /// The file of the command line.
    One(PathBuf),
    /// The newest file of each source.
    OfSources(Vec<PathBuf>),
}

/// Returns the file with the settings of an output.
fn settings_path(output: &str) -> Result<PathBuf, Failure> {
    if output.ends_with(".toml") {
        return Ok(PathBuf::from(output));
    }
    Ok(paths::settings_directory(IfMissing::Leave)?.join("event-outputs").join(format!("{output}.toml")))
}

fn read_settings(path: &Path) -> Result<DestinationSettings, Failure> {
    let content =
        TrustedFile::private(path).read(MAX_SETTINGS).map_err(CollectorError::from).map_err(failed)?;
    let Some(content) = content else {
        return Err(Failure::failed(
            format!("there is no output {}", path.display()),
            "name an output of the folder event-outputs next to the settings, or its file *.toml",
        ));
    };
    DestinationSettings::parse(path, &content).map_err(|error| Failure::Failed(error.to_string()))
}

/// Returns the newest file of each source of the collector.
fn sources(arguments: &Arguments) -> Result<Vec<PathBuf>, Failure> {
    let state = arguments.path(&STATE).map_or_else(paths::state_directory, Ok)?;
    files_of_sources(&state).map_err(|error| {
        Failure::failed(
            error,
            "run this as the user of the service, or select its state directory with --state, or a file with --file",
        )
    })
}

/// Sends the selected events of a file.
fn send(
    reader: &mut EventReader,
    selection: &Selection,
    path: &Path,
    replay: &mut Replay<'_>,
) -> Result<(), Failure> {
    while let Some(found) = reader.next_event(selection, warn)? {
        let Some(line) = found.line else {
            return Err(Failure::failed(
                format!("{} has events that no collector has written as JSON", path.display()),
                "name a file *.jsonl of a collector",
            ));
        };
        replay.push(line, &found.record).map_err(refused)?;
    }
    Ok(())
}

fn refused(error: CollectorError) -> Failure {
    Failure::failed(
        error,
        "check the output, and run the command again; events that arrive twice have the same Collector.EventId",
    )
}

fn report(replayed: Replayed) -> String {
    let Replayed { sent, not_selected, too_large } = replayed;
    let mut text = format!("sent {sent} events\n");
    if not_selected > 0 {
        text += &format!("{not_selected} events are not selected by the output\n");
    }
    if too_large > 0 {
        text += &format!("{too_large} events are larger than the output permits\n");
    }
    text
}
