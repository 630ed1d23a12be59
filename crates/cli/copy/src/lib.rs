//! `telarch cp`: copies files to and from other machines.

mod arguments;
mod command;
mod location;
mod report;
mod run;
mod state;

pub use self::command::CP;
