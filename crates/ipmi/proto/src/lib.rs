//! IPMI 2.0 protocol without sockets, clock or random number generator.
//!
//! For programs that communicate with the management controller (BMC) of a machine.
//! [`Session`] is the console's side of an RMCP+ session; the caller passes received datagrams and the
//! current time. [`Command`] describes a command and its response.
//! The crate `telarch-ipmi` sends and receives the datagrams.
//!
//! ```
//! use std::time::Instant;
//! use telarch_ipmi_proto::{Login, Password, Session, Timing, UserName};
//!
//! let login = Login::new(UserName::new("admin")?, Password::new(b"secret")?);
//! // A real caller uses a new random seed for every session.
//! let now = Instant::now();
//! let mut session = Session::start(login, [7; 32], Timing::default(), now);
//! assert_eq!(session.transmit(now).expect("Open Session Request").get(..4), Some(&[6, 0, 0xff, 7][..]));
//! # Ok::<(), telarch_ipmi_proto::ProtoError>(())
//! ```
//!
//! Deliberately not supported: RC4 (suites 4, 5, 9, 10, 13, 14), which is broken.

#![deny(clippy::as_conversions, clippy::expect_used)]

pub mod codes;
mod command;
mod destination;
mod entropy;
mod error;
mod frames;
pub mod fru;
mod keys;
mod lan15;
mod linear;
mod login_status;
mod mac;
mod manufacturers;
mod md2;
mod message;
mod octets;
mod packet;
pub mod presence;
mod protection;
mod rakp;
#[cfg(test)]
mod replay;
pub mod responder;
mod rmcp;
pub mod sdr;
pub mod sel;
mod sensor_key;
pub mod serial;
mod session;
mod suite;
mod window;
mod wire;

pub use command::{
    Command, boot, capabilities, channel, chassis, controller, dcmi, device_id, device_sdr, event_log, guid,
    lan, lan6, message_flags, payload, power, raw, security_key, sensor, storage, system_info, threshold,
    user, watchdog,
};
pub use destination::Destination;
pub use error::ProtoError;
pub use frames::Frames;
pub use keys::{GroupKey, Password, UserName};
pub use lan15::AuthenticationType;
pub use linear::{AnalogFormat, Factors, Linearization, Quantity};
pub use login_status::{Stage, Status};
pub use manufacturers::manufacturer;
pub use message::{CompletionCode, Data, NetFn, Request, Response};
pub use protection::Protection;
pub use rakp::Privilege;
pub use rmcp::{Pong, ping, pong};
pub use sensor_key::SensorKey;
pub use session::{Event, Login, RequestId, Session, Timing};
pub use suite::CipherSuite;
