//! `telarch pwsh`: runs PowerShell scripts on one or many machines over PowerShell remoting.

mod arguments;
mod command;
mod completeness;
mod console;
mod history;
mod host;
mod json;
mod output;
mod run;
mod status_line;
mod text;

pub use self::command::PWSH;
