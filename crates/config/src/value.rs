//! Types of the values of settings. A value of such a type is always valid.

mod address_filter;
mod cbt_hardening;
mod descriptor;
mod hostname;
mod http_url;
mod identity_check;
mod log_files;
mod number;
mod optional_path;
mod product_vendor;
mod profiles;
mod switch;
mod thumbprint;
mod trusted_balancers;
mod trusted_hosts;
mod url_prefix;

pub use address_filter::{Address, AddressFilter, IPv4Filter, IPv6Filter};
pub use cbt_hardening::CbtHardeningLevel;
pub use descriptor::Descriptor;
pub use hostname::Hostname;
pub use http_url::{HttpUrl, OptionalHttpUrl};
pub use identity_check::IdentityCheck;
pub use log_files::LogFiles;
pub use number::{Count, Kilobytes, Megabytes, Milliseconds, Number, Port, PortOrAny, Quota, Seconds, unit};
pub use optional_path::OptionalPath;
pub use product_vendor::ProductVendor;
pub use profiles::Profiles;
pub use thumbprint::Thumbprint;
pub use trusted_balancers::TrustedBalancers;
pub use trusted_hosts::TrustedHosts;
pub use url_prefix::UrlPrefix;

use std::borrow::Cow;
use std::str::FromStr;

use crate::Reason;

/// Type of a setting's value.
pub(crate) trait Value: Sized + PartialEq {
    const KIND: Kind;

    /// Parses text from a user, a file or a message; leading and trailing white space is ignored.
    fn parse(text: &str) -> Result<Self, Reason>;

    /// Formats the value as in messages and listings; [`Value::parse`] accepts it.
    fn show(&self) -> Cow<'_, str>;
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

/// Kind of value of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// Integer in an inclusive range.
    Number {
        /// Minimum.
        min: u32,
        /// Maximum.
        max: u32,
        /// Unit, such as `ms`; empty for a plain number.
        unit: &'static str,
    },
    /// Text with a format of its own.
    Text {
        /// Description of valid texts, for error messages.
        expected: &'static str,
    },
}

impl Kind {
    /// Returns a description of the valid values: `true or false`, `1 to 512`.
    #[must_use]
    pub fn expected(self) -> Cow<'static, str> {
        match self {
            Self::Switch => Cow::Borrowed("true or false"),
            Self::Number { min, max, .. } => Cow::Owned(format!("{min} to {max}")),
            Self::Text { expected } => Cow::Borrowed(expected),
        }
    }
}

/// Returns the error for a text that is not of the expected kind.
pub(crate) fn malformed(text: &str, expected: impl Into<Cow<'static, str>>) -> Reason {
    Reason::Malformed { value: excerpt(text), expected: expected.into() }
}

/// Returns the beginning of an untrusted text, at most 60 characters, for error messages.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
