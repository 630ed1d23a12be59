//! IPMI client for the management controllers (BMC) of machines, over the network or through the local
//! driver.
//!
//! For programs that query many controllers at once: [`Connection`] is a shared session with one of them. It
//! sends several requests in parallel and resends lost ones.
//! The protocol itself, without I/O, is in [`proto`].
//!
//! ```no_run
//! # async fn example() -> Result<(), telarch_ipmi::IpmiError> {
//! use telarch_ipmi::{Connection, proto};
//! use telarch_ipmi::proto::{Login, Password, Timing, UserName, chassis};
//!
//! let login = Login::new(UserName::new("admin")?, Password::new(b"secret")?);
//! let bmc = Connection::open("10.0.0.7:623".parse().unwrap(), login, Timing::default()).await?;
//! println!("power: {}", bmc.run(&chassis::GetStatus).await?.power_is_on);
//! bmc.close().await;
//! # Ok(())
//! # }
//! ```

mod boot;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod cache;
mod channels;
mod connection;
mod console;
pub mod datagrams;
mod discovery;
mod endpoint;
mod error;
mod event_log;
mod inventory;
mod lan;
mod lan6;
mod local;
mod read_back;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod repository;
mod sensor_requests;
mod sensors;
mod system_text;
mod thresholds;
mod users;

pub use cache::RecordCache;
pub use connection::Connection;
pub use console::Console;
pub use discovery::{DiscoveredController, discover};
pub use endpoint::Endpoint;
pub use error::IpmiError;
pub use event_log::{LogPosition, NewEvents};
pub use ipmi_proto as proto;
pub use lan::ChangeOutcome;
pub use lan6::Lan6;
pub use local::{DEVICES, Transport};
pub use sensors::{Measured, SensorStatus};
pub use users::{PasswordVerdict, User, UserState};

/// Format of cache files, for `fuzz/oracles`.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use crate::cache::{ControllerId, Packed, fields, packed, parts, unpacked, with_hashes};
    pub use crate::repository::decoded;
}

/// UDP port of IPMI over LAN (IPMI 2.0, 13.1.2).
pub const PORT: u16 = 623;
