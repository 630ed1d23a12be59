//! How resources, error numbers, results and failures are put into words, for the command lines and the scripting API.
//!
//! * [`endpoint`]: a service as people address it, `https://node7:5986`.
//! * [`locator`]: a resource as people write it, `winrm/config/listener?Address=*+Transport=HTTP`.
//! * [`association`]: what is related to an instance, `{Object=Win32_Service?Name=a;Role=Dependent}`.
//! * [`codes`]: an error number in every spelling, and its name.
//! * [`failure`]: what went wrong, what it means in practice, and what to do about it.
//! * [`format`](mod@format): results as a tree of text, as XML or as JSON.
//!
//! ```
//! use telarch_wording::codes::Code;
//! use telarch_wording::failure::Hint;
//! use telarch_wording::locator::Locator;
//!
//! let locator = Locator::parse("winrm/config/listener?Address=*+Transport=HTTP")?;
//! assert_eq!(locator.resource_uri(), "http://schemas.microsoft.com/wbem/wsman/1/config/listener");
//!
//! let code = Code::parse("-2144108526").expect("a number");
//! assert_eq!(code.symbol(), Some("ERROR_WSMAN_DESTINATION_UNREACHABLE"));
//! assert_eq!(Hint::find(code).expect("a well-known number").what, "cannot connect");
//! # Ok::<(), telarch_wording::locator::LocatorError>(())
//! ```
//!
//! Left out on purpose: words of a command line, which `cli` reads, and everything that is sent.

pub mod association;
pub mod codes;
pub mod endpoint;
pub mod failure;
pub mod format;
pub mod locator;
pub mod markup;
pub mod oracle;
pub mod terminal;

pub use failure::Failure;
pub use format::Format;
