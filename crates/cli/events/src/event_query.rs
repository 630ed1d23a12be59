//! `telarch events query` and `telarch events tail`.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use cli_command::format::Format;
use cli_command::{Action, Arguments, Failure, Opt, Scope, Value, output};
use eventlog::Selection;
use tokio::time::timeout;
use winevent::{QueryList, WinEventError};

use crate::FORMAT;
use crate::event_reader::{EventReader, Explain, FoundEvent};
use crate::event_text;

/// The action `query`.
pub(crate) const QUERY_ACTION: Action = Action::new(
    "query",
    &[("", "print events of this machine, or of a file of forwarded events, that a query selects")],
);
/// The action `tail`.
pub(crate) const TAIL_ACTION: Action =
    Action::new("tail", &[("", "print events that a query selects as they arrive, until Ctrl-C")]);

const READERS: &[Scope] = &[Scope::Action("query"), Scope::Action("tail"), Scope::Action("replay")];
const PRINTERS: &[Scope] = &[Scope::Action("query"), Scope::Action("tail")];

pub(crate) static QUERY: Opt = Opt::new(
    "query",
    Value::Text("QUERY"),
    "XPath expression, such as '*[System[Level<=2]]', a QueryList, or @FILE (default: all events)",
)
.short('q')
.only_with(READERS);
pub(crate) static LOG: Opt = Opt::new(
    "log",
    Value::Text("LOG"),
    "channel or log of the expression, as wevtutil el lists them (default: all)",
)
.only_with(READERS);
pub(crate) static FILE: Opt = Opt::new(
    "file",
    Value::Path("PATH"),
    "file of forwarded events (JSON Lines or XML), or journal file (*.journal), in place of the logs of this machine",
)
.only_with(READERS);
pub(crate) static COUNT: Opt =
    Opt::new("count", Value::Text("N"), "stop after N events (default: no limit)").only_with(PRINTERS);
pub(crate) static LAST: Opt =
    Opt::new("last", Value::Text("N"), "only the last N events").only_with(&[Scope::Action("query")]);
pub(crate) static EXPLAIN: Opt =
    Opt::new("explain", Value::None, "print every event, and which parts of the query match it")
        .only_with(PRINTERS);

/// Maximum number for `--last`, whose events are kept in memory.
const MAX_LAST: u64 = 100_000;
/// Maximum size of a file with a query in bytes.
const MAX_QUERY_FILE: u64 = 1 << 20;

/// Runs `query` or `tail`.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let explain = if arguments.is_given(&EXPLAIN) { Explain::Yes } else { Explain::No };
    let mut reader = EventReader::open(arguments.path(&FILE).as_deref(), explain)?;
    let selection = selection(arguments, |name| reader.has_channel(name))?;
    let mut printer = Printer {
        write: match arguments.keyword(&FORMAT).unwrap_or_default() {
            Format::Json => event_text::json,
            Format::Prometheus => {
                return Err(arguments.usage_error("--format prometheus is only valid with sources"));
            }
            _ => event_text::text,
        },
        left: arguments.number(&COUNT, 1..=u64::MAX)?,
    };
    if arguments.action() == "tail" {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(tail(&mut reader, &selection, &mut printer));
    }
    match arguments.number(&LAST, 1..=MAX_LAST)? {
        Some(last) => print_last(&mut reader, &selection, printer.write, last)?,
        None => {
            printer.print_all(&mut reader, &selection)?;
        }
    }
    Ok(String::new())
}

/// Returns the selection of the options. `has_channel` returns whether there can be events of a channel or log.
pub(crate) fn selection(
    arguments: &Arguments,
    has_channel: impl Fn(&str) -> bool,
) -> Result<Selection, Failure> {
    let query = arguments.text(&QUERY)?.unwrap_or("*");
    let query = match query.strip_prefix('@') {
        Some(file) => read_query(Path::new(file))?,
        None => query.to_owned(),
    };
    let invalid = |error: WinEventError| arguments.usage_error(format!("the query is invalid: {error}"));
    let log = arguments.text(&LOG)?;
    if query.trim_start().starts_with('<') {
        if log.is_some() {
            return Err(
                arguments.usage_error("--log is only valid with an expression; a QueryList names its logs")
            );
        }
        let selection = Selection::of_list(QueryList::parse(&query).map_err(invalid)?);
        let unknown = selection.paths().iter().find(|path| !has_channel(path));
        return match unknown {
            Some(path) => Err(unknown_log(arguments, path)),
            None => Ok(selection),
        };
    }
    match log {
        None => Selection::of_any_channel(query.trim()).map_err(invalid),
        Some(log) if !has_channel(log) => Err(unknown_log(arguments, log)),
        Some(log) => Selection::of_channel(log, query.trim()).map_err(invalid),
    }
}

fn unknown_log(arguments: &Arguments, name: &str) -> Failure {
    arguments.usage_error(format!("this machine has no log \"{name}\"; wevtutil el lists them"))
}

fn read_query(path: &Path) -> Result<String, Failure> {
    let failed =
        |error: io::Error| Failure::Failed(format!("cannot read the query {}: {error}", path.display()));
    let mut query = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    let length = file.take(MAX_QUERY_FILE + 1).read_to_string(&mut query).map_err(failed)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > MAX_QUERY_FILE {
        return Err(Failure::Failed(format!("the query {} is larger than 1 MiB", path.display())));
    }
    Ok(query)
}

/// Whether more events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    More,
    Enough,
}

/// Output of events, up to a number of them.
struct Printer {
    write: fn(&FoundEvent<'_>) -> String,
    /// Number of further events; `None` for no limit.
    left: Option<u64>,
}

impl Printer {
    /// Prints all events that can be read now.
    fn print_all(&mut self, reader: &mut EventReader, selection: &Selection) -> Result<Wanted, Failure> {
        let mut out = io::BufWriter::new(output::out());
        while self.left != Some(0) {
            let Some(found) = reader.next_event(selection, warn)? else { break };
            out.write_all((self.write)(&found).as_bytes())?;
            self.left = self.left.map(|left| left - 1);
        }
        out.flush()?;
        Ok(if self.left == Some(0) { Wanted::Enough } else { Wanted::More })
    }
}

fn print_last(
    reader: &mut EventReader,
    selection: &Selection,
    write: fn(&FoundEvent<'_>) -> String,
    last: u64,
) -> Result<(), Failure> {
    let last = usize::try_from(last).unwrap_or(usize::MAX);
    let mut lines: VecDeque<String> = VecDeque::new();
    while let Some(found) = reader.next_event(selection, warn)? {
        if lines.len() == last {
            lines.pop_front();
        }
        lines.push_back(write(&found));
    }
    let mut out = io::BufWriter::new(output::out());
    for line in &lines {
        out.write_all(line.as_bytes())?;
    }
    Ok(out.flush()?)
}

/// Prints events as they arrive, until the number of events is reached.
async fn tail(
    reader: &mut EventReader,
    selection: &Selection,
    printer: &mut Printer,
) -> Result<String, Failure> {
    let mut changes = reader.watch().map_err(unwatchable)?;
    reader.seek_end()?;
    let mut is_settled = false;
    loop {
        reader.refresh()?;
        if printer.print_all(reader, selection)? == Wanted::Enough {
            return Ok(String::new());
        }
        let changed = if is_settled {
            changes.next().await
        } else {
            match timeout(SETTLE_TIME, changes.next()).await {
                Ok(changed) => changed,
                Err(_) => {
                    is_settled = true;
                    continue;
                }
            }
        };
        is_settled = false;
        match changed {
            Ok(()) => {}
            // A folder was removed, such as that of a former journal.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                changes = reader.watch().map_err(unwatchable)?;
            }
            Err(error) => return Err(unwatchable(error)),
        }
    }
}

/// Time after the last change until the records of an audit event are complete.
const SETTLE_TIME: Duration = Duration::from_millis(2_100);

fn unwatchable(error: io::Error) -> Failure {
    Failure::failed(
        format!("cannot wait for events: {error}"),
        "check that the folder exists, and fs.inotify.max_user_watches and max_user_instances",
    )
}

/// Reports a line without an event.
pub(crate) fn warn(problem: &str) {
    // If standard error cannot be written, the event is missing nevertheless.
    let _ = writeln!(output::errors(), "telarch: {problem}");
}
