//! The commands of `telarch` that manage the service of this machine.

mod access;
mod account;
mod configuration;
mod explain;
mod policy;

pub use self::access::SUBCOMMAND as ACCESS;
pub use self::account::SUBCOMMAND as ACCOUNT;
pub use self::configuration::SUBCOMMAND as CONFIG;
pub use self::explain::SUBCOMMAND as EXPLAIN;
pub use self::policy::SUBCOMMAND as POLICY;
