//! Directories: the entries of a list, and small files of which many travel in one message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wsman::Fault;
use xml::{Element, Writer};

use crate::RESOURCE;
use crate::content::ContentDigest;
use crate::entry::EntryKind;
use crate::fields::{digest, invalid, missing, mode, number, path, text};
use crate::path::{RelativePath, encode_path};

/// Entry below a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Path below the directory.
    pub path: RelativePath,
    /// Kind of file; symbolic links are [`EntryKind::Other`].
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: u64,
}

/// Small file, or a directory, as part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedEntry {
    /// Path below the directory.
    pub path: RelativePath,
    /// Permissions.
    pub mode: u32,
    /// Time of modification in seconds since 1970.
    pub modified: u64,
    /// Content of a file; `None` for a directory.
    pub content: Option<Vec<u8>>,
}

/// Body of the method Unpack: entries to write below a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpack {
    /// Path of the directory, which is created if it does not exist.
    pub root: Vec<u8>,
    /// Whether the files get exactly these permissions and times.
    pub is_exact: bool,
    /// Entries.
    pub entries: Vec<PackedEntry>,
}

/// Body of the method Pack: small files that the client requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Path of the directory.
    pub root: Vec<u8>,
    /// Paths below the directory.
    pub paths: Vec<RelativePath>,
}

/// Response to Pack and Unpack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Files, in the order of the request. Files that do not fit are missing at the end; the client requests them again.
    pub entries: Vec<PackedEntry>,
    /// Entries that could not be copied, with the reasons.
    pub failed: Vec<(RelativePath, String)>,
}

impl TreeEntry {
    /// Parses the element.
    ///
    /// # Errors
    /// `w:SchemaValidationError`, in particular for a path that leads out of its directory.
    pub fn parse(element: Element<'_>) -> Result<Self, Fault> {
        let kind = text(element, "Kind").and_then(|word| EntryKind::parse(&word));
        Ok(Self {
            path: relative_path(element)?,
            kind: kind.ok_or_else(|| invalid("Kind is not a kind of file"))?,
            size: number(element, "Size")?.ok_or_else(|| missing("Size"))?,
        })
    }

    /// Writes the element.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("f:TreeEntry").namespace("f", RESOURCE);
        writer.element("f:Path", &encode_path(self.path.as_bytes()));
        writer.element("f:Kind", self.kind.word());
        writer.element("f:Size", &self.size.to_string());
        writer.end();
    }
}

impl PackedEntry {
    /// Upper bound of the length of the element, in bytes.
    #[must_use]
    pub fn written_len(path: &RelativePath, content: usize) -> usize {
        OVERHEAD + 3 * path.as_bytes().len() + content.div_ceil(3) * 4
    }

    fn parse(element: Element<'_>) -> Result<Self, Fault> {
        let data = element.children().find(|child| child.name() == "Data");
        let content = data.map(|data| STANDARD.decode(data.text().trim()));
        let content = content.transpose().map_err(|_| invalid("Data is not Base64"))?;
        if let Some(content) = &content {
            let expected = digest(element)?.ok_or_else(|| missing("SHA256"))?;
            if ContentDigest::of_bytes(content) != expected {
                return Err(invalid("the SHA-256 of a file does not match"));
            }
        }
        Ok(Self {
            path: relative_path(element)?,
            mode: mode(element)?.ok_or_else(|| missing("Mode"))?,
            modified: number(element, "Modified")?.unwrap_or_default(),
            content,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.start("f:Packed").element("f:Path", &encode_path(self.path.as_bytes()));
        writer.element("f:Mode", &format!("{:o}", self.mode));
        writer.element("f:Modified", &self.modified.to_string());
        if let Some(content) = &self.content {
            writer.element("f:SHA256", ContentDigest::of_bytes(content).as_str());
            writer.start("f:Data").plain(|out| STANDARD.encode_string(content, out)).end();
        }
        writer.end();
    }
}

impl Unpack {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError`.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        Ok(Self {
            root: path(body, "Root")?.ok_or_else(|| missing("Root"))?,
            is_exact: text(body, "Exact").is_some_and(|text| text == "true"),
            entries: packed(body)?,
        })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("f:Unpack").namespace("f", RESOURCE).element("f:Root", &encode_path(&self.root));
        writer.element("f:Exact", if self.is_exact { "true" } else { "false" });
        self.entries.iter().for_each(|entry| entry.write(writer));
        writer.end();
    }
}

impl Pack {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError`.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        let paths = body.children().filter(|child| child.name() == "Path").take(MOST_ENTRIES + 1);
        let paths = paths.map(|child| RelativePath::parse(child.text().trim()));
        let paths: Option<Vec<_>> = paths.collect();
        let paths = paths.filter(|paths| paths.len() <= MOST_ENTRIES);
        Ok(Self {
            root: path(body, "Root")?.ok_or_else(|| missing("Root"))?,
            paths: paths
                .ok_or_else(|| invalid("a Path leads out of its directory, or there are too many"))?,
        })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("f:Pack").namespace("f", RESOURCE).element("f:Root", &encode_path(&self.root));
        for path in &self.paths {
            writer.element("f:Path", &encode_path(path.as_bytes()));
        }
        writer.end();
    }
}

impl Unpacked {
    /// Parses the body of the response.
    ///
    /// # Errors
    /// `w:SchemaValidationError`.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        let failed = body.children().filter(|child| child.name() == "Failed").take(MOST_ENTRIES);
        let failed =
            failed.map(|child| Ok((relative_path(child)?, text(child, "Reason").unwrap_or_default())));
        Ok(Self { entries: packed(body)?, failed: failed.collect::<Result<_, Fault>>()? })
    }

    /// Writes the body of the response.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("f:Unpacked").namespace("f", RESOURCE);
        self.entries.iter().for_each(|entry| entry.write(writer));
        for (path, reason) in &self.failed {
            writer.start("f:Failed").element("f:Path", &encode_path(path.as_bytes()));
            writer.element("f:Reason", reason).end();
        }
        writer.end();
    }
}

fn relative_path(element: Element<'_>) -> Result<RelativePath, Fault> {
    let text = text(element, "Path").ok_or_else(|| missing("Path"))?;
    RelativePath::parse(&text).ok_or_else(|| invalid("Path leads out of its directory"))
}

fn packed(body: Element<'_>) -> Result<Vec<PackedEntry>, Fault> {
    let entries = body.children().filter(|child| child.name() == "Packed").take(MOST_ENTRIES + 1);
    let entries: Vec<_> = entries.map(PackedEntry::parse).collect::<Result<_, _>>()?;
    if entries.len() > MOST_ENTRIES {
        return Err(invalid("the message has too many files"));
    }
    Ok(entries)
}

/// Maximum number of entries in one message.
pub const MOST_ENTRIES: usize = 1_000;
/// Maximum size of a file that travels together with others, in bytes.
pub const LARGEST_PACKED: u64 = 64 * 1_024;
/// Upper bound of the length of the element of an entry without its path and content.
const OVERHEAD: usize = 320;

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    fn markup(write: impl FnOnce(&mut Writer)) -> Document {
        let mut writer = Writer::new();
        write(&mut writer);
        Document::parse(writer.finish(), &Bounds::default()).unwrap()
    }

    fn relative(path: &[u8]) -> RelativePath {
        RelativePath::new(path).unwrap()
    }

    #[test]
    fn paths_do_not_lead_out_of_their_directory() {
        for path in [&b"a"[..], b"a/b/c", b"...", b"a..", b" ", b"\xff\n", b"-x"] {
            assert!(RelativePath::new(path).is_some(), "{path:?}");
        }
        for path in [&b""[..], b".", b"..", b"/a", b"a/", b"a//b", b"a/../b", b"a/..", b"./a", b"a\0"] {
            assert!(RelativePath::new(path).is_none(), "{path:?}");
        }
        assert!(RelativePath::new("a/".repeat(200) + "a").is_none());
        let hostile = "<TreeEntry><Path>a/%2E%2E/%2e%2e/x</Path><Kind>File</Kind><Size>1</Size></TreeEntry>";
        let document = Document::parse(hostile, &Bounds::default()).unwrap();
        assert!(TreeEntry::parse(document.root()).is_err());
    }

    #[test]
    fn messages_are_read_as_written_and_fit_their_bound() {
        let path = relative(b"a b/\xff");
        let file =
            PackedEntry { path: path.clone(), mode: 0o640, modified: u64::MAX, content: Some(vec![7; 100]) };
        let empty = PackedEntry { content: Some(Vec::new()), ..file.clone() };
        let folder = PackedEntry { content: None, ..file.clone() };
        for (entry, content) in [(&file, 100), (&empty, 0), (&folder, 0)] {
            let mut writer = Writer::new();
            writer.start("x").namespace("f", RESOURCE);
            let before = writer.len();
            entry.write(&mut writer);
            assert!(writer.len() - before <= PackedEntry::written_len(&path, content));
        }
        let entries = vec![file, empty, folder];
        let unpack = Unpack { root: b"/r".to_vec(), is_exact: true, entries: entries.clone() };
        assert_eq!(Unpack::parse(markup(|writer| unpack.write(writer)).root()), Ok(unpack));
        let pack = Pack { root: b"/r".to_vec(), paths: vec![path.clone(), relative(b"x")] };
        assert_eq!(Pack::parse(markup(|writer| pack.write(writer)).root()), Ok(pack));
        let unpacked = Unpacked { entries, failed: vec![(path.clone(), "why".to_owned())] };
        assert_eq!(Unpacked::parse(markup(|writer| unpacked.write(writer)).root()), Ok(unpacked));
        let entry = TreeEntry { path, kind: EntryKind::File, size: 9 };
        assert_eq!(TreeEntry::parse(markup(|writer| entry.write(writer)).root()), Ok(entry));
    }

    #[test]
    fn a_changed_content_is_refused() {
        let body = "<Unpack><Root>r</Root><Packed><Path>a</Path><Mode>644</Mode><SHA256>00</SHA256>\
                    <Data>AAAA</Data></Packed></Unpack>";
        let body = body.replace("00<", &format!("{}<", "0".repeat(64)));
        let document = Document::parse(&body, &Bounds::default()).unwrap();
        assert!(Unpack::parse(document.root()).is_err());
    }
}
