//! Messages of source-initiated event forwarding: from event sources to a collector, and the answers of the collector
//! (MS-WSMV 3.1.4.6 to 3.1.4.10, DSP0226 10).
//!
//! Strings of events are not always legal XML: Windows sends control characters, unpaired surrogates, and rendered
//! texts that end in the middle. A collector must store such events, because a source repeats a delivery until it is
//! acknowledged. Therefore [`decode`] replaces illegal characters, and [`Message::parse`] parses only the headers
//! strictly. It finds events by searching for their markup, and returns them as text.
//! ```
//! use telarch_winevent::delivery::{Bounds, Content, Message, TextForm, decode};
//!
//! let body = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
//!     xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
//!     xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header>
//!     <a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/Events</a:Action><a:MessageID>uuid:1</a:MessageID>
//!     </s:Header><s:Body><w:Events><w:Event><![CDATA[<Event/>]]></w:Event></w:Events></s:Body></s:Envelope>"#;
//! let (text, form) = decode(body.as_bytes());
//! assert_eq!(form, TextForm::Utf8);
//! let message = Message::parse(&text, &Bounds::default())?;
//! let Content::Events(items) = message.content else { panic!("other content") };
//! assert_eq!(items[0].xml, "<Event/>");
//! # Ok::<(), telarch_winevent::delivery::DeliveryError>(())
//! ```
//!
//! An event source writes its messages with [`SourceMessage`], and reads the answers with
//! [`CollectorAnswer::parse`].

mod answer;
mod error;
mod head;
mod item;
mod message;
mod names;
mod offered;
mod settings;
mod sink_sign_in;
mod source;
mod text;

pub use answer::{
    Answer, ClientProof, ContentFormat, Offer, OfferIds, Page, acknowledge, enumerate_response,
};
pub use error::DeliveryError;
pub use head::Head;
pub use item::{DROPPED_EVENTS, Item};
pub use message::{Bounds, Content, EndStatus, Message};
pub use offered::{CollectorAnswer, EventForm, OfferError, OfferPage, OfferedSubscription, Start};
pub use settings::{Address, DeliverySettings, DeliverySettingsError, OversizedEvents};
pub use sink_sign_in::{SinkCredentials, SinkScheme, requested_profile};
pub use source::{Push, SourceItem, SourceMessage};
pub use text::{TextBuffer, TextForm, decode};

#[cfg(test)]
mod tests;
