//! The types of values; each can hold only what its setting allows.

mod address_filter;
mod cbt_hardening;
mod descriptor;
mod hostname;
mod login_shell;
mod number;
mod product_vendor;
mod profiles;
mod switch;
mod thumbprint;
mod trusted_hosts;
mod url_prefix;

pub use address_filter::{Address, AddressFilter, FilterError, IPv4Filter, IPv6Filter};
pub use cbt_hardening::CbtHardeningLevel;
pub use descriptor::Descriptor;
pub use hostname::Hostname;
pub use login_shell::LoginShell;
pub use number::{Count, Kilobytes, Megabytes, Milliseconds, Number, Port, Quota, Seconds, unit};
pub use product_vendor::ProductVendor;
pub use profiles::Profiles;
pub use thumbprint::Thumbprint;
pub use trusted_hosts::TrustedHosts;
pub use url_prefix::UrlPrefix;

use std::borrow::Cow;
use std::str::FromStr;

use crate::Reason;

/// What the schema needs to know of a value's type.
pub(crate) trait Value: Sized + PartialEq {
    const KIND: Kind;

    /// Reads what a person, a file or a message gave; white space around it does not count.
    fn parse(text: &str) -> Result<Self, Reason>;

    /// The value as messages and listings show it; [`Value::parse`] reads it back.
    fn show(&self) -> String;
}

macro_rules! from_str {
    ($($value:ty),*) => {$(
        impl FromStr for $value {
            type Err = Reason;

            fn from_str(text: &str) -> Result<Self, Reason> {
                Value::parse(text)
            }
        }
    )*};
}

from_str!(CbtHardeningLevel, Hostname, Descriptor, TrustedHosts, UrlPrefix);

/// What sort of value a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number in a range that includes both ends.
    Number {
        /// The smallest value.
        min: u32,
        /// The largest value.
        max: u32,
        /// What is counted, such as `ms`.
        unit: &'static str,
    },
    /// Text with rules of its own.
    Text {
        /// What may stand there, as an error would say it.
        expected: &'static str,
    },
}

impl Kind {
    /// What may stand there, in words: `true or false`, `1 to 512`.
    #[must_use]
    pub fn expected(self) -> Cow<'static, str> {
        match self {
            Self::Switch => Cow::Borrowed("true or false"),
            Self::Number { min, max, .. } => Cow::Owned(format!("{min} to {max}")),
            Self::Text { expected } => Cow::Borrowed(expected),
        }
    }
}

/// The error for text that is not of this kind at all.
pub(crate) fn malformed(text: &str, expected: impl Into<Cow<'static, str>>) -> Reason {
    Reason::Malformed { value: excerpt(text), expected: expected.into() }
}

/// The beginning of a text from outside, short enough for an error message.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
