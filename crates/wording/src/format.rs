//! How results are printed: as a tree of text, as XML, as JSON, or as YAML.

mod json;
mod pretty;
mod text;
mod tree;
mod yaml;

use xml::{Element, Writer};

pub use tree::Tree;

pub use crate::terminal::harmless;
use crate::terminal::harmless_markup;

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A tree of `Name = value` lines, as scripts know it.
    #[default]
    Text,
    /// XML, one element a line, indented.
    Pretty,
    /// The XML as it arrived, with references for characters that steer a terminal.
    Xml,
    /// One JSON document; an enumeration is an array.
    Json,
    /// JSON, one line an item.
    Ndjson,
    /// YAML; an enumeration is a sequence.
    Yaml,
}

impl Format {
    /// Prints one element, with a line end behind it.
    ///
    /// `text`: the document element stands at the margin and every level four spaces further in.
    /// A property is `Name = value`, `Name` alone if it is empty, `Name = null` if it is `xsi:nil`; repeated
    /// values share a line, separated by `, `; selectors are `Selector: Name = value, ...`.
    /// Attributes are left out, except ` [Source="GPO"]` and what `-sources` asks for. A blank line ends the block.
    ///
    /// `json`: an object with one member, the document element.
    /// An element with children becomes an object, one without a string, `xsi:nil` becomes `null`, and a
    /// name that occurs more than once an array.
    /// `Source` of a value stands beside it as `Name@Source`, what `-sources` asks for as `Name@Origin`, `Source` of an object in it as `@Source`; `xsi:type`
    /// becomes `@type` where it says more than the name; selectors become `"Selector": {"Name": "value"}`.
    ///
    /// `yaml`: the same names and values; numbers and words such as `true` stand in quotation marks, because they are
    /// texts.
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

    /// Prints the items of an enumeration as they come.
    #[must_use]
    pub fn results(self) -> Results {
        Results { format: self, items: 0 }
    }
}

/// The frame around the items of an enumeration.
///
/// Print [`Results::open`] first, every item with [`Results::item`] and [`Results::close`] last, after a
/// failure too, so that what was printed stays one well-formed document.
#[derive(Debug)]
pub struct Results {
    format: Format,
    items: usize,
}

impl Results {
    /// What stands before the first item.
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

    /// One item.
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

    /// What stands behind the last item.
    #[must_use]
    pub fn close(&self) -> &'static str {
        match self.format {
            Format::Xml | Format::Pretty => "</wsman:Results>\n",
            Format::Json if self.items == 0 => "]\n",
            Format::Json => "\n]\n",
            // Nothing at all would be read as no value.
            Format::Yaml if self.items == 0 => "[]\n",
            Format::Text | Format::Ndjson | Format::Yaml => "",
        }
    }
}

/// The markup of an element with the namespaces of its surroundings.
fn alone(element: Element<'_>) -> String {
    let mut writer = Writer::new();
    writer.copy(element);
    writer.finish()
}
