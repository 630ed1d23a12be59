//! WS-Management (DSP0226) with Microsoft's extensions (MS-WSMV): messages of both ends, without I/O.
//!
//! The service parses a [`Request`] and writes a [`Reply`] or a [`Fault`]; the client writes a [`Head`] with a body and
//! parses a [`Response`].
//! Prefixes, element order and white space of replies are those of Windows, because some clients match them as text.
//!
//! ```
//! use telarch_wsman::{Action, Head, Request, ResourceUri, Uuid, namespace};
//!
//! let mut head = Head::new(Action::Get, Uuid::from_random([7; 16]));
//! head.resource = Some(ResourceUri::parse(namespace::CONFIG)?);
//! let message = head.envelope(&[], |_body| {});
//! let request = Request::parse(message, &Default::default()).expect("a valid request");
//! assert_eq!(request.head().action, Action::Get);
//! # Ok::<(), telarch_wsman::Fault>(())
//! ```
//!
//! Bodies are not interpreted, except for the messages that this protocol defines: Identify, WS-Transfer, enumeration,
//! eventing and the remote shell.
#![deny(clippy::as_conversions, clippy::expect_used)]

mod action;
mod association;
mod compression;
pub mod duration;
mod endpoint_reference;
pub mod enumeration;
pub mod eventing;
mod fault;
mod head;
pub mod identify;
pub mod namespace;
mod option_set;
mod partial_results;
mod reply;
mod request;
mod resource_uri;
mod response;
mod selector;
pub mod shell;
mod uuid;

pub use action::{Action, ShellVerb};
pub use association::{AssociationFilter, AssociationResult};
pub use compression::Compression;
pub use endpoint_reference::{EndpointReference, write_resource_created};
pub use fault::{Code, Detail, Fault, Origin, ProviderFault, Subcode, code};
pub use head::{FragmentTransfer, Head};
pub use option_set::{OptionSet, WsmanOption};
pub use partial_results::Omission;
pub use reply::Reply;
pub use request::{RejectedRequest, Request};
pub use resource_uri::ResourceUri;
pub use response::{Response, ResponseError};
pub use selector::{Selector, SelectorSet, SelectorValue};
pub use uuid::Uuid;
