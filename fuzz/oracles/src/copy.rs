//! Messages of the file resource.

use copy_proto::{
    Entry, Finish, Finished, OpenTransfer, Opened, Pack, RelativePath, TreeEntry, Unpack, Unpacked,
    decode_path, encode_path,
};
use wsman::Fault;
use xml::{Bounds, Document, Element, Writer};

/// Checks any text as a message.
///
/// A message that can be parsed is the same when it is written and parsed again. Relative paths do not lead out of their
/// directory.
///
/// # Panics
/// If one of these properties does not hold.
pub fn message(data: &[u8]) {
    if let Some(path) = RelativePath::new(data) {
        assert!(path.as_bytes().split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b"..")));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(path) = decode_path(text) {
        assert_eq!(decode_path(&encode_path(&path)), Some(path));
    }
    let Ok(document) = Document::parse(text, &Bounds::default()) else { return };
    let root = document.root();
    repeat(root, OpenTransfer::parse, OpenTransfer::write);
    repeat(root, Opened::parse, Opened::write);
    repeat(root, Finish::parse, Finish::write);
    repeat(root, Finished::parse, Finished::write);
    repeat(root, Entry::parse, Entry::write);
    repeat(root, TreeEntry::parse, TreeEntry::write);
    repeat(root, Pack::parse, Pack::write);
    repeat(root, Unpack::parse, Unpack::write);
    repeat(root, Unpacked::parse, Unpacked::write);
}

fn repeat<T: PartialEq + std::fmt::Debug>(
    element: Element<'_>,
    parse: impl Fn(Element<'_>) -> Result<T, Fault>,
    write: impl Fn(&T, &mut Writer),
) {
    let Ok(message) = parse(element) else { return };
    let mut writer = Writer::new();
    write(&message, &mut writer);
    let written = Document::parse(writer.finish(), &Bounds::default()).unwrap();
    assert_eq!(parse(written.root()).ok(), Some(message));
}
