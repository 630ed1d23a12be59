//! Description of a file or directory, the response to Get.

use wsman::Fault;
use xml::{Element, Writer};

use crate::RESOURCE;
use crate::fields::{invalid, missing, number, path, text};
use crate::path::encode_path;

/// File or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path.
    pub path: Vec<u8>,
    /// Kind of file.
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: u64,
}

/// Kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Device, FIFO, socket or symbolic link.
    Other,
}

impl EntryKind {
    const ALL: [(&str, Self); 3] =
        [("File", Self::File), ("Directory", Self::Directory), ("Other", Self::Other)];

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == word).map(|(_, kind)| kind)
    }

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, kind)| *kind == self).map_or("Other", |(word, _)| word)
    }
}

impl Entry {
    /// Parses the element.
    ///
    /// # Errors
    /// `w:SchemaValidationError`.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        let kind = text(body, "Kind").and_then(|word| EntryKind::parse(&word));
        Ok(Self {
            path: path(body, "Path")?.ok_or_else(|| missing("Path"))?,
            kind: kind.ok_or_else(|| invalid("Kind is not a kind of file"))?,
            size: number(body, "Size")?.ok_or_else(|| missing("Size"))?,
        })
    }

    /// Writes the element.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("f:Entry").namespace("f", RESOURCE);
        writer.element("f:Path", &encode_path(&self.path));
        writer.element("f:Kind", self.kind.word());
        writer.element("f:Size", &self.size.to_string());
        writer.end();
    }
}
