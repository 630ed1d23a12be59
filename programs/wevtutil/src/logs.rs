//! Names, properties and status of logs.

use std::fmt::Write as _;
use std::path::Path;

use eventlog::channel;
use winevent::Timestamp;
use xml::Writer;

use crate::error::ToolError;
use crate::reading::{is_in, known_channel, open};

/// Returns the names of all logs, sorted, one per line.
pub(crate) fn names() -> String {
    let mut names = channel::names();
    names.sort();
    names.into_iter().map(|name| name + "\n").collect()
}

/// Returns the properties of a log in the layout of Windows.
pub(crate) fn properties(log: &str, is_xml: bool) -> Result<String, ToolError> {
    let name = known_channel(log)?;
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
    let (name, file) =
        if is_file { (String::new(), Some(Path::new(log))) } else { (known_channel(log)?, None) };
    let mut logs = open(file, false)?;
    let (mut count, mut oldest, mut first, mut last) = (0_u64, None, None, None);
    while let Some(event) = logs.next_event()? {
        if !is_file && !is_in(&event, &name) {
            continue;
        }
        count += 1;
        oldest = oldest.or(Some(event.record_id));
        first = first.or(Some(event.time));
        last = Some(event.time);
    }
    let size = file.and_then(|file| std::fs::metadata(file).ok()).map(|metadata| metadata.len());
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "creationTime: {}\nlastAccessTime: {}\nlastWriteTime: {}\n",
        shown(first),
        shown(last),
        shown(last)
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

fn shown(time: Option<u64>) -> String {
    time.map_or_else(|| "n/a".to_owned(), |time| timestamp(time).to_string())
}

fn timestamp(microseconds: u64) -> Timestamp {
    let seconds = i64::try_from(microseconds / 1_000_000).unwrap_or_default();
    Timestamp::new(seconds, u32::try_from(microseconds % 1_000_000).unwrap_or_default() * 1_000)
}
