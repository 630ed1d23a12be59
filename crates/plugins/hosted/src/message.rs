//! What gateway and host say to each other.

use std::net::IpAddr;
use std::time::Duration;

use broker::wire::{Malformed, Reader, Writer};
use service::Whence;
use wsman::{Detail, Fault, Subcode, Uuid, code};

use crate::stream::Frame;

/// From the gateway.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToHost<'a> {
    /// The settings that differ from their defaults; they hold for all calls that follow.
    Settings(Vec<(String, String)>),
    /// A call.
    Call(CallMessage<'a>),
    /// Nobody waits for it any more.
    Cancel(u64),
    /// Its answer has arrived at the client.
    Delivered(u64),
    /// Its answer has not.
    Withheld(u64),
    /// The next item, and others that are there.
    Next(u64),
    /// No more items.
    Release(u64),
    /// Close everything: the service stops.
    Close,
}

/// A call on its way to a plug-in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CallMessage<'a> {
    pub(crate) number: u64,
    pub(crate) address: IpAddr,
    pub(crate) whence: Whence,
    pub(crate) reply_limit: u32,
    pub(crate) timeout: Duration,
    pub(crate) message_id: Uuid,
    pub(crate) envelope: &'a str,
}

/// An item of an enumeration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ItemMessage {
    pub(crate) object: String,
    /// With the namespaces it needs around it.
    pub(crate) reference: Option<String>,
}

/// From the host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromHost {
    /// A whole answer, and whether the plug-in wants to know that it arrived.
    Envelope { number: u64, envelope: String, is_promised: bool },
    /// Items are there to be asked for.
    Items(u64),
    /// One of them or more, as many as were there.
    Some { number: u64, items: Vec<ItemMessage> },
    /// There are no more.
    End(u64),
    /// It went wrong: an envelope with the fault.
    Fault { number: u64, envelope: String },
    /// How many shells there are.
    InUse(u32),
    /// This call was not begun, for the host is about to end: another one will do it.
    NotTaken(u64),
    /// No further calls are taken on this connection.
    Leaving,
    /// Everything is closed.
    Closed,
}

impl<'a> ToHost<'a> {
    /// The message; none if it is longer than any may be.
    pub(crate) fn encode(&self) -> Option<Frame<'a>> {
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
                w.u8(2).u64(call.number).address(call.address).u8(u8::from(call.whence == Whence::Network));
                w.u32(call.reply_limit).u64(milliseconds);
                w.text(&call.message_id.to_string()).length(call.envelope);
                text = call.envelope;
            }
            Self::Cancel(number) => _ = w.u8(3).u64(*number),
            Self::Delivered(number) => _ = w.u8(4).u64(*number),
            Self::Withheld(number) => _ = w.u8(5).u64(*number),
            Self::Next(number) => _ = w.u8(6).u64(*number),
            Self::Release(number) => _ = w.u8(7).u64(*number),
            Self::Close => _ = w.u8(8),
        }
        Frame::new(w.finish(), text)
    }

    pub(crate) fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let read = match r.u8()? {
            1 => {
                let count = r.u32()?;
                if count > MOST_SETTINGS {
                    return Err(Malformed("more settings than there are"));
                }
                let pair = |r: &mut Reader<'_>| Ok((r.text()?.to_owned(), r.text()?.to_owned()));
                Self::Settings((0..count).map(|_| pair(&mut r)).collect::<Result<_, _>>()?)
            }
            2 => Self::Call(CallMessage {
                number: r.u64()?,
                address: r.address()?,
                whence: if r.u8()? == 0 { Whence::ThisMachine } else { Whence::Network },
                reply_limit: r.u32()?,
                timeout: Duration::from_millis(r.u64()?),
                message_id: Uuid::parse(r.text()?).ok_or(Malformed("no identifier"))?,
                envelope: r.text()?,
            }),
            3 => Self::Cancel(r.u64()?),
            4 => Self::Delivered(r.u64()?),
            5 => Self::Withheld(r.u64()?),
            6 => Self::Next(r.u64()?),
            7 => Self::Release(r.u64()?),
            8 => Self::Close,
            _ => return Err(Malformed("nobody knows what a host is told")),
        };
        r.finish()?;
        Ok(read)
    }
}

impl FromHost {
    /// The message; none if it is longer than any may be.
    pub(crate) fn encode(&self) -> Option<Frame<'_>> {
        let mut w = Writer::default();
        let mut text = "";
        match self {
            Self::Envelope { number, envelope, is_promised } => {
                w.u8(1).u64(*number).u8(u8::from(*is_promised)).length(envelope);
                text = envelope;
            }
            Self::Items(number) => _ = w.u8(2).u64(*number),
            Self::Some { number, items } => {
                w.u8(3).u64(*number).u32(u32::try_from(items.len()).unwrap_or(u32::MAX));
                for ItemMessage { object, reference } in items {
                    w.text(object);
                    w.optional(reference.as_ref(), |w, reference| _ = w.text(reference));
                }
            }
            Self::End(number) => _ = w.u8(4).u64(*number),
            Self::Fault { number, envelope } => _ = w.u8(5).u64(*number).text(envelope),
            Self::InUse(count) => _ = w.u8(6).u32(*count),
            Self::Leaving => _ = w.u8(7),
            Self::NotTaken(number) => _ = w.u8(9).u64(*number),
            Self::Closed => _ = w.u8(8),
        }
        Frame::new(w.finish(), text)
    }

    pub(crate) fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let read = match r.u8()? {
            1 => {
                let (number, is_promised) = (r.u64()?, r.u8()? == 1);
                Self::Envelope { number, is_promised, envelope: r.text()?.to_owned() }
            }
            2 => Self::Items(r.u64()?),
            3 => {
                let (number, count) = (r.u64()?, r.u32()?);
                if count > u32::from(MOST_ITEMS) {
                    return Err(Malformed("more items than go together"));
                }
                let item = |r: &mut Reader<'_>| {
                    let object = r.text()?.to_owned();
                    Ok(ItemMessage { object, reference: r.optional(|r| r.text().map(str::to_owned))? })
                };
                Self::Some { number, items: (0..count).map(|_| item(&mut r)).collect::<Result<_, _>>()? }
            }
            4 => Self::End(r.u64()?),
            5 => Self::Fault { number: r.u64()?, envelope: r.text()?.to_owned() },
            6 => Self::InUse(r.u32()?),
            7 => Self::Leaving,
            8 => Self::Closed,
            9 => Self::NotTaken(r.u64()?),
            _ => return Err(Malformed("nobody knows what a host tells")),
        };
        r.finish()?;
        Ok(read)
    }

    /// Which call it is about.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Envelope { number, .. }
            | Self::Items(number)
            | Self::Some { number, .. }
            | Self::End(number)
            | Self::NotTaken(number)
            | Self::Fault { number, .. } => Some(*number),
            Self::InUse(_) | Self::Leaving | Self::Closed => None,
        }
    }
}

/// The longest envelope, in octets; what stands around it has room beside it.
pub(crate) const LONGEST_ENVELOPE: usize = broker::MAX_MESSAGE_LENGTH - 4_096;

/// What is said about a longer one.
pub(crate) fn too_large() -> Fault {
    let reason = format!(
        "a message of more than {LONGEST_ENVELOPE} octets cannot pass between the service and the process that works for this user"
    );
    Fault::new(Subcode::EncodingLimit, code::MAX_ENVELOPE_SIZE_EXCEEDED, reason)
        .with_detail(Detail::MAX_ENVELOPE_SIZE)
}

/// What is said about a subscription from before its user's groups or rights were others.
pub(crate) fn other_rights() -> Fault {
    let reason =
        "the groups or rights of this user have changed since the subscription began: subscribe again";
    Fault::new(Subcode::AccessDenied, code::ACCESS_DENIED, reason)
}

/// As many items as go in one message.
pub(crate) const MOST_ITEMS: u16 = 256;
/// After so many octets a message takes no more items.
pub(crate) const ENOUGH_OCTETS: usize = 64 << 10;
/// Far more than there are.
const MOST_SETTINGS: u32 = 10_000;
