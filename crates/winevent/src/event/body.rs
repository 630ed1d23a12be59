//! The part of an event that depends on its kind.

use std::borrow::Cow;

/// Properties of a kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'r> {
    /// `EventData`: a list of values.
    EventData {
        /// Name of the template, mostly absent.
        name: Option<Cow<'r, str>>,
        /// Values in order.
        items: Vec<DataItem<'r>>,
    },
    /// `UserData`, `DebugData`, `BinaryEventData`, `ProcessingErrorData`, or an element that the forwarder of
    /// Windows adds: elements of the provider.
    Other(Tree<'r>),
}

/// A value in `EventData`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataItem<'r> {
    /// `Data`: a value, whose name may be missing or appear again.
    Data {
        /// Name of the value.
        name: Option<Cow<'r, str>>,
        /// The value as text.
        value: Cow<'r, str>,
    },
    /// `Binary`: bytes as hexadecimal digits.
    Binary(Cow<'r, str>),
    /// `ComplexData`, or `Data` with elements inside.
    Complex(Tree<'r>),
}

/// An element with attributes, text and elements inside. The depth is bounded by [`super::Record::parse`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree<'r> {
    /// Namespace; empty without one.
    pub namespace: Cow<'r, str>,
    /// Local name.
    pub name: Cow<'r, str>,
    /// Namespace, local name and value of the attributes.
    pub attributes: Vec<(Cow<'r, str>, Cow<'r, str>, Cow<'r, str>)>,
    /// Text of the element itself. White space between elements is dropped.
    pub text: Cow<'r, str>,
    /// Elements inside.
    pub children: Vec<Tree<'r>>,
}
