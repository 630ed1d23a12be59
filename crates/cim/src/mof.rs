//! The Managed Object Format: classes and instances as text (DSP0004 annex A, DSP0221 for what is common to both
//! versions of it, and what WMI adds: `$aliases`, `object` and classes as types, flavors such as `ToInstance`).
//!
//! [`parse`] reads a text into [`Item`]s, which say what stands there and no more: nothing is looked up, and
//! `#pragma include` is left to the caller, because reading files is.
//! [`print()`] writes items so that they read back the same.
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

use crate::{ClassDeclaration, Error, Flavors, Instance, Name, Schema, Type, Value};

mod lexer;
mod literal;
mod parser;
mod printer;

pub use literal::Literal;

/// The longest text that is read, in octets.
pub const MAX_TEXT: usize = 8 << 20;

/// How deep values may stand in each other.
pub const MAX_DEPTH: usize = 16;

/// One production of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `#pragma name("argument", …)`
    Pragma {
        /// Such as `namespace` or `include`.
        name: String,
        /// Its texts, and its words such as `NOFAIL`.
        arguments: Vec<String>,
    },
    /// `Qualifier Key : boolean = false, …;`
    Qualifier(QualifierDeclaration),
    /// `class Name : Superclass { … };`
    Class(ClassDeclaration),
    /// `instance of Name { … };`
    Instance(InstanceDeclaration),
}

/// An item with the place where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The item.
    pub item: Item,
    /// The line, from one.
    pub line: usize,
    /// The column in characters, from one.
    pub column: usize,
}

/// What a qualifier is, where it may stand and whom it goes on to.
#[derive(Clone, Debug, PartialEq)]
pub struct QualifierDeclaration {
    /// Its name.
    pub name: Name,
    /// The type of its value.
    pub kind: Type,
    /// Its value where it is not said.
    pub default: Value,
    /// Where it may stand, in the words of the text: `class`, `property`, `any` and so on.
    pub scope: Vec<String>,
    /// How it goes on.
    pub flavors: Flavors,
}

/// An instance as it was written, before its class is known.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceDeclaration {
    /// Its class.
    pub class: Name,
    /// What other instances of the text call it, without the `$`.
    pub alias: Option<String>,
    /// Values by name.
    pub values: Vec<(Name, Literal)>,
}

/// Reads a text.
///
/// # Errors
/// [`Error::Mof`] with line and column; [`Error::TooMuch`] for more than [`MAX_TEXT`].
pub fn parse(text: &str) -> Result<Vec<Item>, Error> {
    Ok(parse_located(text)?.into_iter().map(|located| located.item).collect())
}

/// Reads a text for callers who have to say where an item stands.
///
/// # Errors
/// As [`parse`].
pub fn parse_located(text: &str) -> Result<Vec<Located>, Error> {
    parser::parse(text)
}

/// Writes items, each followed by an empty line.
#[must_use]
pub fn print(items: &[Item]) -> String {
    printer::print(items)
}

impl InstanceDeclaration {
    /// The declaration of an instance that exists, to write it.
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

    /// Makes the instance, with the defaults of its class where nothing is written.
    ///
    /// `aliased` knows the instances that were given an alias before.
    ///
    /// # Errors
    /// [`Error::NoClass`], [`Error::NoProperty`], [`Error::Type`] and [`Error::Lexical`] for what does not fit the
    /// class.
    pub fn resolve(
        &self,
        schema: &Schema,
        aliased: &dyn Fn(&str) -> Option<Instance>,
    ) -> Result<Instance, Error> {
        let mut instance = Instance::with_defaults(schema.require(self.class.as_str())?);
        for (name, literal) in &self.values {
            let column = instance.class().require(name.as_str())?;
            let kind = instance.class().property(column).map(|property| property.kind.clone());
            if let Some(kind) = kind {
                instance.set(column, literal.resolve(&kind, schema, aliased)?)?;
            }
        }
        Ok(instance)
    }
}
