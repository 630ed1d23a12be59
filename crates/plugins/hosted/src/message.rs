//! Messages between gateway and host.

use std::net::IpAddr;
use std::time::Duration;

use broker::wire::{Malformed, Reader, Writer};
use service::{CallerLocation, EndReason, OpenObjects};
use wsman::{Detail, Fault, Omission, Subcode, Uuid, code};

use crate::stream::Frame;

/// Message from the gateway to the host.
#[derive(Debug, PartialEq, Eq)]
pub enum ToHost<'a> {
    /// Settings that differ from their defaults, for all following calls.
    Settings(Vec<(String, String)>),
    /// A request.
    Call(CallMessage<'a>),
    /// Cancels a call: the client no longer waits for it.
    Cancel(u64),
    /// The client has received the response to a call.
    Delivered(u64),
    /// The response to a call was lost.
    NotDelivered(u64),
    /// Requests the next item, and others that are available.
    Next(u64),
    /// Ends the items of a call.
    Release(u64),
    /// Ends a push subscription for a reason that its subscriber should learn.
    End(u64, EndReason),
    /// Closes the plug-in: the service is shutting down.
    Close,
}

/// Request to a plug-in.
#[derive(Debug, PartialEq, Eq)]
pub struct CallMessage<'a> {
    pub(crate) number: u64,
    pub(crate) address: IpAddr,
    pub(crate) location: CallerLocation,
    pub(crate) reply_limit: u32,
    pub(crate) timeout: Duration,
    pub(crate) message_id: Uuid,
    pub(crate) envelope: &'a str,
}

/// An item of an enumeration.
#[derive(Debug, PartialEq, Eq)]
pub struct ItemMessage {
    pub(crate) object: String,
    /// Endpoint reference within an element that declares its namespaces.
    pub(crate) reference: Option<String>,
    /// Position behind an event.
    pub(crate) bookmark: Option<String>,
}

/// Message from the host to the gateway.
#[derive(Debug, PartialEq, Eq)]
pub enum FromHost {
    /// A complete response. If `wants_delivery` is set, the plug-in must learn whether the client receives it.
    Envelope {
        /// Number of the call.
        number: u64,
        /// Response envelope.
        envelope: String,
        /// Whether the gateway reports the delivery.
        wants_delivery: bool,
    },
    /// The response has items, which the gateway requests with [`ToHost::Next`].
    Items(u64),
    /// The plug-in pushes the events of the subscription. The gateway waits for the end with [`ToHost::Next`].
    Push(u64),
    /// One or more items, as many as were available.
    Page {
        /// Number of the call.
        number: u64,
        /// The items. They are empty only if there are omissions.
        items: Vec<ItemMessage>,
        /// Sources that are missing in the items.
        omissions: Vec<Omission>,
    },
    /// The end of the items.
    End(u64),
    /// The call failed. The envelope contains the fault.
    Fault {
        /// Number of the call.
        number: u64,
        /// Envelope with the fault.
        envelope: String,
    },
    /// Numbers of open shells and similar objects.
    InUse(OpenObjects),
    /// The call was not started because the host is about to end; another host must process it.
    NotStarted(u64),
    /// The host accepts no further calls on this connection.
    Leaving,
    /// The plug-in is closed.
    Closed,
}

impl<'a> ToHost<'a> {
    /// Encodes the message. Returns `None` if it exceeds the maximum size.
    pub fn encode(&self) -> Option<Frame<'a>> {
        let mut w = Writer::default();
        let mut text = "";
        match self {
            Self::Settings(settings) => {
                w.u8(1).u32(u32::try_from(settings.len()).unwrap_or(u32::MAX));
                for (name, value) in settings {
                    w.text(name).text(value);
                }
            }
            Self::Call(call) => {
                let milliseconds = u64::try_from(call.timeout.as_millis()).unwrap_or(u64::MAX);
                w.u8(2)
                    .u64(call.number)
                    .address(call.address)
                    .u8(u8::from(call.location == CallerLocation::Network));
                w.u32(call.reply_limit).u64(milliseconds);
                w.text(&call.message_id.to_string()).length(call.envelope);
                text = call.envelope;
            }
            Self::Cancel(number) => _ = w.u8(3).u64(*number),
            Self::Delivered(number) => _ = w.u8(4).u64(*number),
            Self::NotDelivered(number) => _ = w.u8(5).u64(*number),
            Self::Next(number) => _ = w.u8(6).u64(*number),
            Self::Release(number) => _ = w.u8(7).u64(*number),
            Self::Close => _ = w.u8(8),
            Self::End(number, reason) => {
                w.u8(9).u64(*number).u8(u8::from(*reason == EndReason::AccessLost));
            }
        }
        Frame::new(w.finish(), text)
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// [`Malformed`] for any other data.
    pub fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let read = match r.u8()? {
            1 => {
                let count = r.u32()?;
                if count > MAX_SETTINGS {
                    return Err(Malformed("too many settings"));
                }
                Self::Settings((0..count).map(|_| setting(&mut r)).collect::<Result<_, _>>()?)
            }
            2 => Self::Call(CallMessage {
                number: r.u64()?,
                address: r.address()?,
                location: if r.u8()? == 0 { CallerLocation::ThisMachine } else { CallerLocation::Network },
                reply_limit: r.u32()?,
                timeout: Duration::from_millis(r.u64()?),
                message_id: Uuid::parse(r.text()?).ok_or(Malformed("invalid message identifier"))?,
                envelope: r.text()?,
            }),
            3 => Self::Cancel(r.u64()?),
            4 => Self::Delivered(r.u64()?),
            5 => Self::NotDelivered(r.u64()?),
            6 => Self::Next(r.u64()?),
            7 => Self::Release(r.u64()?),
            8 => Self::Close,
            9 => Self::End(r.u64()?, if r.u8()? == 0 { EndReason::Expired } else { EndReason::AccessLost }),
            _ => return Err(Malformed("unknown type of message to a host")),
        };
        r.finish()?;
        Ok(read)
    }
}

impl FromHost {
    /// Encodes the message. Returns `None` if it exceeds the maximum size.
    pub fn encode(&self) -> Option<Frame<'_>> {
        let mut w = Writer::default();
        let mut text = "";
        match self {
            Self::Envelope { number, envelope, wants_delivery } => {
                w.u8(1).u64(*number).u8(u8::from(*wants_delivery)).length(envelope);
                text = envelope;
            }
            Self::Items(number) => _ = w.u8(2).u64(*number),
            Self::Page { number, items, omissions } => {
                w.u8(3).u64(*number).u32(u32::try_from(items.len()).unwrap_or(u32::MAX));
                for ItemMessage { object, reference, bookmark } in items {
                    w.text(object);
                    w.optional(reference.as_ref(), |w, reference| _ = w.text(reference));
                    w.optional(bookmark.as_ref(), |w, bookmark| _ = w.text(bookmark));
                }
                w.u32(u32::try_from(omissions.len()).unwrap_or(u32::MAX));
                for Omission { source, reason } in omissions {
                    w.text(source).text(reason);
                }
            }
            Self::End(number) => _ = w.u8(4).u64(*number),
            Self::Fault { number, envelope } => _ = w.u8(5).u64(*number).text(envelope),
            Self::InUse(OpenObjects { shells, runspace_pools, transfers }) => {
                w.u8(6).u32(*shells).u32(*runspace_pools).u32(*transfers);
            }
            Self::Leaving => _ = w.u8(7),
            Self::NotStarted(number) => _ = w.u8(9).u64(*number),
            Self::Closed => _ = w.u8(8),
            Self::Push(number) => _ = w.u8(10).u64(*number),
        }
        Frame::new(w.finish(), text)
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// [`Malformed`] for any other data.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let read = match r.u8()? {
            1 => {
                let (number, wants_delivery) = (r.u64()?, r.u8()? == 1);
                Self::Envelope { number, wants_delivery, envelope: r.text()?.to_owned() }
            }
            2 => Self::Items(r.u64()?),
            3 => {
                let (number, count) = (r.u64()?, r.u32()?);
                if count > u32::from(MAX_PAGE_ITEMS) {
                    return Err(Malformed("too many items in a page"));
                }
                let items = (0..count).map(|_| item(&mut r)).collect::<Result<_, _>>()?;
                let count = r.u32()?;
                if count > u32::from(MAX_OMISSIONS) {
                    return Err(Malformed("too many omissions in a page"));
                }
                let omissions = (0..count).map(|_| omission(&mut r)).collect::<Result<_, _>>()?;
                Self::Page { number, items, omissions }
            }
            4 => Self::End(r.u64()?),
            5 => Self::Fault { number: r.u64()?, envelope: r.text()?.to_owned() },
            6 => Self::InUse(OpenObjects { shells: r.u32()?, runspace_pools: r.u32()?, transfers: r.u32()? }),
            7 => Self::Leaving,
            8 => Self::Closed,
            9 => Self::NotStarted(r.u64()?),
            10 => Self::Push(r.u64()?),
            _ => return Err(Malformed("unknown type of message from a host")),
        };
        r.finish()?;
        Ok(read)
    }

    /// Returns the number of the call that the message belongs to.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Envelope { number, .. }
            | Self::Items(number)
            | Self::Push(number)
            | Self::Page { number, .. }
            | Self::End(number)
            | Self::NotStarted(number)
            | Self::Fault { number, .. } => Some(*number),
            Self::InUse(_) | Self::Leaving | Self::Closed => None,
        }
    }
}

fn setting(r: &mut Reader<'_>) -> Result<(String, String), Malformed> {
    Ok((r.text()?.to_owned(), r.text()?.to_owned()))
}

fn item(r: &mut Reader<'_>) -> Result<ItemMessage, Malformed> {
    let object = r.text()?.to_owned();
    let reference = r.optional(|r| r.text().map(str::to_owned))?;
    Ok(ItemMessage { object, reference, bookmark: r.optional(|r| r.text().map(str::to_owned))? })
}

fn omission(r: &mut Reader<'_>) -> Result<Omission, Malformed> {
    Ok(Omission { source: r.text()?.to_owned(), reason: r.text()?.to_owned() })
}

/// Maximum size of an envelope in bytes, which leaves room for the other fields of a message.
pub(crate) const MAX_ENVELOPE: usize = broker::MAX_MESSAGE_LENGTH - 4_096;

/// Returns the fault for a larger envelope.
pub(crate) fn envelope_too_large() -> Fault {
    let reason = format!(
        "the message exceeds {MAX_ENVELOPE} bytes, the maximum between the service and the user's host process; send a smaller one"
    );
    Fault::new(Subcode::EncodingLimit, code::MAX_ENVELOPE_SIZE_EXCEEDED, reason)
        .with_detail(Detail::MAX_ENVELOPE_SIZE)
}

/// Returns the fault that ends a subscription when the groups or rights of its user change.
pub(crate) fn rights_changed() -> Fault {
    let reason =
        "the groups or rights of the user have changed since the subscription was created; subscribe again";
    Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, reason)
}

/// Maximum number of items in one message.
pub(crate) const MAX_PAGE_ITEMS: u16 = 256;
/// Maximum number of omissions in one message.
pub(crate) const MAX_OMISSIONS: u16 = 64;
/// Number of bytes after which no more items are added to a message.
pub(crate) const PAGE_BYTES: usize = 64 << 10;
/// Maximum number of settings, which is far more than exist.
const MAX_SETTINGS: u32 = 10_000;
