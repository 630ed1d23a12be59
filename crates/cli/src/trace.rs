//! Message trace (`-trace:FILE`), with secrets removed.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use client::{Direction, Trace, TracedMessage};
use files::TrustedFile;
use locks::Mutex;
use xml::{Bounds, Document, Element, Writer};

use crate::failure::{Failure, Kind};
use crate::format::{Format, harmless};
use crate::markup::{attributes, has_children, is_mixed, open};

/// Trace file, accessible only to its owner.
struct TraceFile {
    begun: Instant,
    file: Mutex<File>,
}

/// Opens a trace file for appending. Messages may contain secrets that cannot be recognised by name, so the file must
/// be accessible only to its owner.
///
/// # Errors
/// A [`Failure`] if the file cannot be written, or if it is accessible to or controlled by another user.
pub(crate) fn to(path: &Path) -> Result<Arc<dyn Trace>, Failure> {
    let file = TrustedFile::private(path).append().map_err(|error| {
        let failure = Failure::here(Kind::Usage, format!("cannot write the trace file: {error}"));
        match error.advice() {
            Some(advice) => failure.advise(advice),
            None => failure,
        }
    })?;
    Ok(Arc::new(TraceFile { begun: Instant::now(), file: Mutex::new(file) }))
}

impl Trace for TraceFile {
    fn record(&self, TracedMessage { direction, peer, text }: TracedMessage<'_>) {
        let elapsed = self.begun.elapsed();
        let headline = match direction {
            Direction::Sent => format!(">>> to {peer}"),
            Direction::Received(status) => format!("<<< from {peer}, HTTP {status}"),
        };
        let (seconds, millis) = (elapsed.as_secs(), elapsed.subsec_millis());
        let entry = format!("{headline}, after {seconds}.{millis:03} s\n{}\n\n", redacted(text));
        let mut file = self.file.lock();
        // An error while writing the trace does not stop the traced operation.
        let _ = file.write_all(entry.as_bytes());
    }
}

/// Formats a message with secrets removed. Text that is not XML is replaced by its length, because it may contain secrets.
fn redacted(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let bounds = Bounds { octets: usize::MAX, ..Bounds::default() };
    let Ok(document) = Document::parse(text, &bounds) else {
        return format!("({} bytes that are not XML)", text.len());
    };
    let mut writer = Writer::new();
    write(&mut writer, document.root());
    match Document::parse(writer.finish(), &bounds) {
        Ok(document) => harmless(Format::Pretty.print(document.root()).trim_end()),
        Err(_) => format!("({} bytes omitted)", text.len()),
    }
}

fn write(writer: &mut Writer, element: Element<'_>) {
    open(writer, element);
    attributes(writer, element, |_, name| is_secret(name));
    if is_secret(element.name()) || names_a_secret(element) || (is_mixed(element) && holds_a_secret(element))
    {
        writer.text(REMOVED);
    } else if is_mixed(element) {
        writer.text(&element.text());
        element.children().for_each(|child| write(writer, child));
    } else if has_children(element) {
        element.children().for_each(|child| write(writer, child));
    } else {
        writer.text(&element.text());
    }
    writer.end();
}

/// Returns whether an element or attribute with this name contains a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passwd", "secret", "credential", "privatekey", "token"]
        .iter()
        .any(|word| name.contains(word))
}

/// Returns whether an element contains input of a command, a variable, or an option or selector named like a secret.
fn names_a_secret(element: Element<'_>) -> bool {
    let name = element.attribute("", "Name").unwrap_or_default();
    match element.name() {
        "Variable" => true,
        "Stream" => name == "stdin",
        "Option" | "Selector" => is_secret(&name),
        _ => false,
    }
}

fn holds_a_secret(element: Element<'_>) -> bool {
    element.children().any(|child| is_secret(child.name()) || names_a_secret(child) || holds_a_secret(child))
}

const REMOVED: &str = "(removed)";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_removed_and_other_content_is_kept() {
        let message = "<s:E xmlns:s=\"urn:s\" xmlns:r=\"urn:r\"><r:Password>hunter2</r:Password>\
            <r:RunAsPassword a=\"1\"><r:Deep>hunter2</r:Deep></r:RunAsPassword><r:User Password=\"hunter2\">ann</r:User>\
            <r:Variable Name=\"PATH\">hunter2</r:Variable><r:Stream Name=\"stdin\">aHVudGVyMg==</r:Stream>\
            <r:Stream Name=\"stdout\">b3V0</r:Stream><r:Option Name=\"ApiSecret\">hunter2</r:Option>\
            <r:Mixed>text<r:Token>hunter2</r:Token></r:Mixed><r:Port>5985</r:Port></s:E>";
        let shown = redacted(message);
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        for part in [
            "<r:Port>5985</r:Port>",
            "b3V0",
            "<r:User>ann</r:User>",
            "<r:Password>(removed)</r:Password>",
            "Name=\"PATH\"",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
    }

    #[test]
    fn text_that_is_not_xml_is_replaced_by_its_length() {
        assert_eq!(redacted(""), "(empty)");
        assert_eq!(redacted("password=hunter2"), "(16 bytes that are not XML)");
    }

    #[test]
    fn the_trace_file_is_accessible_only_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        to(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(to(&path).is_err());
        assert!(to(Path::new("/dev/null")).is_ok());
    }
}
