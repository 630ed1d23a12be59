//! Events: the record of one event in a log of Windows.
//!
//! [`Record`] is the XML of an event from a log or a message, checked and repaired where Windows writes
//! invalid XML. [`Record::event`] returns its typed content, which [`Event::to_xml`] and the functions of
//! [`json`] write.
//!
//! ```
//! use telarch_winevent::event::{Record, json};
//!
//! let record = Record::parse(
//!     "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
//!      <Provider Name='EventLog'/><EventID Qualifiers='32768'>6005</EventID><Level>4</Level>\
//!      <Channel>System</Channel><Computer>WEB1</Computer></System>\
//!      <EventData><Data/><Data>second</Data></EventData></Event>",
//! )?;
//! let event = record.event()?;
//! assert_eq!((event.system.event_id, event.system.level), (6005, Some(4)));
//! assert!(json::structured(&event).contains(r#""EventData":{"Data":["","second"]}"#));
//! # Ok::<(), telarch_winevent::WinEventError>(())
//! ```

mod body;
mod bookmark;
mod ecs;
pub mod json;
mod json_read;
mod object;
mod pull;
mod read;
mod record;
mod write;

use std::borrow::Cow;

pub use body::{Body, DataItem, Tree};
pub use bookmark::{Bookmark, BookmarkList, MAX_BOOKMARKS};
pub use pull::computer_in_usual_xml;
pub use record::{MAX_EVENT, Record, Repairs};

use crate::timestamp::Timestamp;

/// Namespace of the elements of an event.
pub const NAMESPACE: &str = "http://schemas.microsoft.com/win/2004/08/events/event";

/// Bit of [`System::keywords`] for a successful audit.
pub const AUDIT_SUCCESS: u64 = 0x0020_0000_0000_0000;
/// Bit of [`System::keywords`] for a failed audit.
pub const AUDIT_FAILURE: u64 = 0x0010_0000_0000_0000;
/// Bit of [`System::keywords`] for events of the interface before Windows Vista.
pub const CLASSIC: u64 = 0x0080_0000_0000_0000;

/// Content of an event. Texts borrow from the [`Record`], if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event<'r> {
    /// Properties that every event has.
    pub system: System<'r>,
    /// Properties of this kind of event.
    pub body: Option<Body<'r>>,
    /// Texts for people.
    pub rendering: Option<RenderingInfo<'r>>,
}

/// The element `System`. Only provider, event ID and computer are always present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System<'r> {
    /// Source of the event.
    pub provider: Provider<'r>,
    /// Number of the kind of event, below 65536 for events of Windows.
    pub event_id: u32,
    /// High half of the number of a classic event.
    pub qualifiers: Option<u16>,
    /// Version of the kind of event.
    pub version: Option<u8>,
    /// Severity: 0 always logged, 1 critical, 2 error, 3 warning, 4 information, 5 verbose.
    pub level: Option<u8>,
    /// Category of the provider.
    pub task: Option<u16>,
    /// Step of an operation.
    pub opcode: Option<u8>,
    /// Bits of the provider and of the system, such as [`AUDIT_SUCCESS`].
    pub keywords: Option<u64>,
    /// Time of the event.
    pub time_created: Option<Timestamp>,
    /// Number of the event in its channel.
    pub record_id: Option<u64>,
    /// Identifiers that connect events; `None` if the element is missing.
    pub correlation: Option<Correlation<'r>>,
    /// Process that logged the event.
    pub execution: Option<Execution>,
    /// Log of the event.
    pub channel: Option<Cow<'r, str>>,
    /// Computer of the event: a DNS or NetBIOS name. The name is not authenticated.
    pub computer: Cow<'r, str>,
    /// Account of the event; `None` if the element is missing.
    pub security: Option<Security<'r>>,
}

/// Source of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provider<'r> {
    /// Name; empty if the event has none.
    pub name: Cow<'r, str>,
    /// GUID as written, with or without braces.
    pub guid: Option<Cow<'r, str>>,
    /// Name of the source in the interface before Windows Vista.
    pub event_source: Option<Cow<'r, str>>,
}

/// Identifiers that connect events, GUIDs as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correlation<'r> {
    /// Activity to which the event belongs.
    pub activity: Option<Cow<'r, str>>,
    /// Activity to which the activity was transferred.
    pub related_activity: Option<Cow<'r, str>>,
}

/// Process that logged an event. Times are in units of the provider's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// Process ID.
    pub process: u32,
    /// Thread ID.
    pub thread: u32,
    /// Number of the processor.
    pub processor: Option<u32>,
    /// Terminal services session.
    pub session: Option<u32>,
    /// Time in the kernel.
    pub kernel_time: Option<u32>,
    /// Time outside the kernel.
    pub user_time: Option<u32>,
    /// Time of the processor.
    pub processor_time: Option<u32>,
}

/// Account of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security<'r> {
    /// SID of the account.
    pub user: Option<Cow<'r, str>>,
}

/// Texts of an event in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderingInfo<'r> {
    /// Language, such as `en-US`.
    pub culture: Option<Cow<'r, str>>,
    /// The message.
    pub message: Option<Cow<'r, str>>,
    /// Name of the level.
    pub level: Option<Cow<'r, str>>,
    /// Name of the task.
    pub task: Option<Cow<'r, str>>,
    /// Name of the opcode.
    pub opcode: Option<Cow<'r, str>>,
    /// Name of the channel.
    pub channel: Option<Cow<'r, str>>,
    /// Name of the provider.
    pub provider: Option<Cow<'r, str>>,
    /// Names of the keywords.
    pub keywords: Vec<Cow<'r, str>>,
}
