//! The Managed Object Format: classes and instances as text (DSP0004 annex A, and DSP0221 for the rules that both
//! versions of it share, with the additions of WMI: `$aliases`, `object` and classes as types, flavors such as
//! `ToInstance`).
//!
//! [`parse`] reads a text into [`Item`]s, which represent the text only: names are not resolved, and `#pragma include`
//! is left to the caller, because the parser does not read files.
//! [`print()`] writes items so that they read back unchanged.
//!
//! ```
//! use telarch_cim::{Class, mof};
//!
//! let items = mof::parse("class Site { [key] string Name; uint32 Rooms = 1; };")?;
//! let [mof::Item::Class(declaration)] = items.as_slice() else { panic!("one class") };
//! let class = Class::derive(declaration, None)?;
//! assert_eq!(class.keys().len(), 1);
//! # Ok::<(), telarch_cim::Error>(())
//! ```

use crate::{ClassDeclaration, Error, Flavors, Instance, Name, Type, Value};

mod lexer;
mod literal;
mod parser;
mod printer;

pub use literal::Literal;

/// Maximum length of a text, in bytes.
pub const MAX_TEXT: usize = 8 << 20;

/// Maximum nesting depth of values.
pub const MAX_DEPTH: usize = 16;

/// A production of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `#pragma name("argument", …)`
    Pragma {
        /// The name, such as `namespace` or `include`.
        name: String,
        /// The texts, and words such as `NOFAIL`.
        arguments: Vec<String>,
    },
    /// `Qualifier Key : boolean = false, …;`
    Qualifier(QualifierDeclaration),
    /// `class Name : Superclass { … };`
    Class(ClassDeclaration),
    /// `instance of Name { … };`
    Instance(InstanceDeclaration),
}

/// An item with its position.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The item.
    pub item: Item,
    /// The line number, from one.
    pub line: usize,
    /// The column in characters, from one.
    pub column: usize,
}

/// Declaration of a qualifier: type, scope and propagation.
#[derive(Clone, Debug, PartialEq)]
pub struct QualifierDeclaration {
    /// The name.
    pub name: Name,
    /// The type of the value.
    pub kind: Type,
    /// The value of a qualifier that is written without a value.
    pub default: Value,
    /// The permitted places, as written in the text: `class`, `property`, `any` and so on.
    pub scope: Vec<String>,
    /// The propagation to subclasses and instances.
    pub flavors: Flavors,
}

/// An instance as written, before its class is known.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceDeclaration {
    /// The class.
    pub class: Name,
    /// The name for references from other instances of the text, without the `$`.
    pub alias: Option<String>,
    /// The values by property name.
    pub values: Vec<(Name, Literal)>,
}

/// Parses a text.
///
/// # Errors
/// [`Error::Mof`] with line and column; [`Error::TooMuch`] if the text exceeds [`MAX_TEXT`].
pub fn parse(text: &str) -> Result<Vec<Item>, Error> {
    Ok(parse_located(text)?.into_iter().map(|located| located.item).collect())
}

/// Parses a text and reports the position of each item.
///
/// # Errors
/// The errors of [`parse`].
pub fn parse_located(text: &str) -> Result<Vec<Located>, Error> {
    parser::parse(text)
}

/// Writes items, each followed by an empty line.
#[must_use]
pub fn print(items: &[Item]) -> String {
    printer::print(items)
}

impl InstanceDeclaration {
    /// Creates the declaration of an existing instance, for printing.
    #[must_use]
    pub fn of(instance: &Instance) -> Self {
        let class = instance.class();
        let values = class.properties().iter().zip(instance.values());
        Self {
            class: class.name().clone(),
            alias: None,
            values: values
                .filter(|(_, value)| !value.is_null())
                .map(|(property, value)| (property.name.clone(), Literal::of(value)))
                .collect(),
        }
    }
}
