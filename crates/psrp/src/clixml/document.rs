//! CLIXML documents with a root element: files, and output of `powershell.exe`.

use crate::error::PsrpError;

use super::reader::{Limits, NAMESPACE, Reader, text_of};
use super::value::Value;
use super::writer::{Attributes, Writer};

/// Document with the root element `Objs`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Objects in the order of the document. References may name objects of earlier items.
    pub items: Vec<Item>,
}

/// Object of a [`Document`].
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Name of the stream, such as `Error`; `None` in files.
    pub stream: Option<String>,
    /// Value.
    pub value: Value,
}

/// Line that `powershell.exe` writes before a document.
const PREFIX: &str = "#< CLIXML";

impl Document {
    /// Parses a file, or what `powershell.exe` writes to its standard error.
    ///
    /// # Errors
    /// [`PsrpError`] if the text is not XML or not CLIXML, or if a limit is exceeded.
    pub fn parse(data: &[u8], limits: &Limits) -> Result<Self, PsrpError> {
        let text = text_of(data)?;
        let text = text.strip_prefix(PREFIX).map_or(text, str::trim_start);
        let document = xml::Document::parse(text, &limits.bounds())?;
        let root = document.root();
        if !root.is(NAMESPACE, "Objs") {
            return Err(PsrpError::structure("the root element is not Objs but", root.name()));
        }
        let mut reader = Reader::new(limits);
        let items = root.children().map(|child| {
            let stream = child.attribute("", "S").map(std::borrow::Cow::into_owned);
            Ok(Item { stream, value: reader.value(child, 0)? })
        });
        Ok(Self { items: items.collect::<Result<_, PsrpError>>()? })
    }

    /// Returns the document as text, without the line of `powershell.exe`.
    ///
    /// # Errors
    /// As [`write`](super::write()).
    pub fn write(&self) -> Result<String, PsrpError> {
        let mut writer = Writer::default();
        writer.xml.start("Objs").attribute("Version", "1.1.0.1").namespace("", NAMESPACE);
        for Item { stream, value } in &self.items {
            writer.value(value, Attributes { name: None, stream: stream.as_deref() }, 0)?;
        }
        Ok(writer.xml.finish())
    }
}
