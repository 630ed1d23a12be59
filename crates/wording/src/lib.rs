//! Text forms of resources, error numbers, results and failures, for the command lines and the scripting API.
//!
//! * [`endpoint`]: address of a service as users write it, `https://node7:5986`.
//! * [`locator`]: resource as users write it, `winrm/config/listener?Address=*+Transport=HTTP`.
//! * [`association`]: filter for associated instances, `{Object=Win32_Service?Name=a;Role=Dependent}`.
//! * [`codes`]: error number in every notation, and its symbol.
//! * [`failure`]: failure of a program, its explanation, and what to do.
//! * [`resource_values`]: body of a request from names and values.
//! * [`format`](mod@format): results as a tree of text, XML, JSON or YAML.
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
//! assert_eq!(Hint::find(code).expect("a well-known number").summary, "cannot connect");
//! # Ok::<(), telarch_wording::locator::LocatorError>(())
//! ```
//!
//! Not included: the grammar of the command lines, which is in `cli`, and everything on the wire.

pub mod association;
pub mod codes;
pub mod endpoint;
pub mod failure;
pub mod format;
pub mod locator;
pub mod markup;
pub mod resource_values;
pub mod terminal;

pub use failure::Failure;
pub use format::Format;
