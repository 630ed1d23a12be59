//! Names, properties and status of logs.

use std::fmt::Write as _;
use std::path::Path;

use cli_events::forwarded_log::{FORWARDED_EVENTS, ForwardedLog};
use cli_events::local_logs::LocalSources;
use eventlog::Selection;
use winevent::Timestamp;
use xml::Writer;

use crate::error::ToolError;
use crate::reading::{Logs, is_in, time_of};

/// Returns the names of all logs, sorted, one per line.
pub(crate) fn names() -> String {
    let mut names = LocalSources::of(None).channels();
    names.push(FORWARDED_EVENTS.to_owned());
    names.sort();
    names.into_iter().map(|name| name + "\n").collect()
}

/// Returns the properties of a log in the layout of Windows.
pub(crate) fn properties(log: &str, is_xml: bool) -> Result<String, ToolError> {
    let (_, name) = Logs::with_channel(log)?;
    let is_classic = !name.contains('/');
    let (kind, isolation) = (if is_classic { "Admin" } else { "Operational" }, "System");
    if is_xml {
        let mut writer = Writer::new();
        writer.start("channel").namespace("", "http://schemas.microsoft.com/win/2004/08/events");
        writer.attribute("name", &name).attribute("isolation", isolation).attribute("enabled", "true");
        writer
            .attribute("type", kind)
            .attribute("owningPublisher", "")
            .attribute("classic", &is_classic.to_string());
        writer.start("logging").element("retention", "false").element("autoBackup", "false").end();
        return Ok(writer.finish() + "\n");
    }
    Ok(format!(
        "name: {name}\nenabled: true\ntype: {kind}\nowningPublisher: \nisolation: {isolation}\nchannelAccess: \n\
         logging:\n  logFileName: \n  retention: false\n  autoBackup: false\n  maxSize: 0\npublishing:\n  fileMax: 1\n"
    ))
}

/// Returns number and age of the events of a log in the layout of Windows.
pub(crate) fn status(log: &str, is_file: bool) -> Result<String, ToolError> {
    let file = is_file.then(|| Path::new(log));
    let counts = match file {
        Some(file) => count(&LocalSources::of(Some(file)), None)?,
        None => match Logs::with_channel(log)? {
            (Logs::Local(sources), name) => count(&sources, Some(&name))?,
            (Logs::Forwarded, _) => count_forwarded()?,
        },
    };
    let Counts { count, oldest, first, last } = counts;
    let size = file.and_then(|file| std::fs::metadata(file).ok()).map(|metadata| metadata.len());
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "creationTime: {}\nlastAccessTime: {}\nlastWriteTime: {}\n",
        shown(first.as_ref()),
        shown(last.as_ref()),
        shown(last.as_ref())
    );
    if let Some(size) = size {
        let _ = writeln!(out, "fileSize: {size}");
    }
    let _ = writeln!(out, "attributes: 32\nnumberOfLogRecords: {count}");
    if let Some(oldest) = oldest {
        let _ = writeln!(out, "oldestRecordNumber: {oldest}");
    }
    Ok(out)
}

/// Number and age of the events of a log.
#[derive(Default)]
struct Counts {
    count: u64,
    /// Number of the oldest event.
    oldest: Option<u64>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// Counts the events of local logs, or those of one channel or log.
fn count(sources: &LocalSources, name: Option<&str>) -> Result<Counts, ToolError> {
    let mut logs = sources.open(false)?;
    let mut counts = Counts::default();
    while let Some(event) = logs.next_event()? {
        if name.is_some_and(|name| !is_in(&event, name)) {
            continue;
        }
        counts.count += 1;
        counts.oldest = counts.oldest.or(Some(event.record_id));
        counts.first = counts.first.or_else(|| Some(timestamp(event.time)));
        counts.last = Some(timestamp(event.time));
    }
    Ok(counts)
}

/// Counts the stored events of the collector. Each source has numbers of its own, so that there is no oldest one.
fn count_forwarded() -> Result<Counts, ToolError> {
    let (mut log, all) = (ForwardedLog::open()?, Selection::of_any_channel("*")?);
    let mut counts = Counts::default();
    while let Some(record) = log.next_event(&all)? {
        counts.count += 1;
        let Some(time) = time_of(&record) else { continue };
        counts.first = counts.first.map_or(Some(time), |first| Some(first.min(time)));
        counts.last = counts.last.max(Some(time));
    }
    Ok(counts)
}

fn shown(time: Option<&Timestamp>) -> String {
    time.map_or_else(|| "n/a".to_owned(), ToString::to_string)
}

fn timestamp(microseconds: u64) -> Timestamp {
    let seconds = i64::try_from(microseconds / 1_000_000).unwrap_or_default();
    Timestamp::new(seconds, u32::try_from(microseconds % 1_000_000).unwrap_or_default() * 1_000)
}
