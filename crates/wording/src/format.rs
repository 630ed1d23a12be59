//! Output formats for results: tree of text, XML, JSON and YAML.

mod json;
mod pretty;
mod text;
mod tree;
mod yaml;

use xml::{Element, Writer};

pub use tree::Tree;

pub use crate::terminal::harmless;
use crate::terminal::harmless_markup;

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Tree of `Name = value` lines, as Windows scripts expect.
    #[default]
    Text,
    /// Indented XML, one element per line.
    Pretty,
    /// XML as received, with character references for characters that can control a terminal.
    Xml,
    /// A single JSON document; an enumeration is an array.
    Json,
    /// JSON, one line per item.
    Ndjson,
    /// YAML; an enumeration is a sequence.
    Yaml,
}

impl Format {
    /// Prints one element, with a final line feed.
    ///
    /// `text`: each level is indented by four spaces. A property is `Name = value`, `Name` alone if it is empty, or
    /// `Name = null` if it is `xsi:nil`; repeated values share a line, separated by `, `; selectors are
    /// `Selector: Name = value, ...`. Attributes are omitted, except ` [Source="GPO"]` and the origin that `-sources`
    /// requests. A blank line ends the element.
    ///
    /// `json`: an object with one member, the document element. An element with children becomes an object, one
    /// without children a string, `xsi:nil` becomes `null`, and a repeated name an array. The `Source` of a value
    /// becomes the member `Name@Source`, the origin that `-sources` requests `Name@Origin`, and the `Source` of an
    /// object its member `@Source`. `xsi:type` becomes `@type` if it differs from the element's name; selectors
    /// become `"Selector": {"Name": "value"}`.
    ///
    /// `yaml`: the same names and values; numbers and words such as `true` are quoted, because they are text.
    #[must_use]
    pub fn print(self, element: Element<'_>) -> String {
        let mut out = match self {
            Self::Text => return text::print(element),
            Self::Yaml => return yaml::print(&Tree::of(element)),
            Self::Pretty => harmless_markup(&pretty::print(element, 0)),
            Self::Xml => harmless_markup(&alone(element)),
            Self::Json => json::print(&Tree::of(element), json::Layout::Indented),
            Self::Ndjson => Tree::of(element).json_line(),
        };
        out.push('\n');
        out
    }

    /// Returns a printer for the items of an enumeration.
    #[must_use]
    pub fn results(self) -> Results {
        Results { format: self, items: 0 }
    }
}

/// Printer for the items of an enumeration.
///
/// Print [`Results::open`] first, every item with [`Results::item`], and [`Results::close`] last, even after a
/// failure, so that the output is a well-formed document.
#[derive(Debug)]
pub struct Results {
    format: Format,
    items: usize,
}

impl Results {
    /// Text before the first item.
    #[must_use]
    pub fn open(&self) -> &'static str {
        match self.format {
            Format::Xml | Format::Pretty => {
                "<wsman:Results xmlns:wsman=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/results\">\n"
            }
            Format::Json => "[",
            Format::Text | Format::Ndjson | Format::Yaml => "",
        }
    }

    /// Formats one item.
    pub fn item(&mut self, element: Element<'_>) -> String {
        self.items += 1;
        match self.format {
            Format::Pretty => harmless_markup(&pretty::print(element, 1)) + "\n",
            Format::Json => {
                let comma = if self.items == 1 { "\n" } else { ",\n" };
                format!("{comma}{}", Tree::of(element).json_line())
            }
            Format::Yaml => yaml::item(&Tree::of(element)),
            Format::Text | Format::Xml | Format::Ndjson => self.format.print(element),
        }
    }

    /// Text after the last item.
    #[must_use]
    pub fn close(&self) -> &'static str {
        match self.format {
            Format::Xml | Format::Pretty => "</wsman:Results>\n",
            Format::Json if self.items == 0 => "]\n",
            Format::Json => "\n]\n",
            // An empty YAML document would be a null value.
            Format::Yaml if self.items == 0 => "[]\n",
            Format::Text | Format::Ndjson | Format::Yaml => "",
        }
    }
}

/// Returns the markup of an element with the namespace declarations of its ancestors.
fn alone(element: Element<'_>) -> String {
    let mut writer = Writer::new();
    writer.copy(element);
    writer.finish()
}
