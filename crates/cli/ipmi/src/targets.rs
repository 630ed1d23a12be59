//! Controllers that a command addresses.

use std::path::PathBuf;
use std::time::Duration;

use cli_command::format::Format;
use cli_command::{Arguments, Failure};
use ipmi::proto::{AuthenticationType, CipherSuite, Privilege, UserName};

use super::hosts::Host;

/// Controllers, credentials for them, and the output format.
#[derive(Debug)]
pub(super) struct Targets {
    /// INVARIANT: at least one.
    pub(super) hosts: Vec<Host>,
    pub(super) user_name: String,
    pub(super) user: UserName,
    pub(super) password_file: Option<PathBuf>,
    pub(super) group_key_file: Option<PathBuf>,
    pub(super) level: Option<Privilege>,
    pub(super) suite: Option<CipherSuite>,
    /// State directory of the service, if it is not the default one.
    pub(super) state: Option<PathBuf>,
    /// Authentication type of an IPMI 1.5 session.
    pub(super) ipmi15: Option<AuthenticationType>,
    /// Timeout for the response of a controller.
    pub(super) limit: Duration,
    /// Number of controllers contacted at the same time.
    pub(super) parallel: usize,
    pub(super) format: Format,
}

/// Parses a privilege level.
pub(super) fn level(arguments: &Arguments, option: &cli_command::Opt) -> Result<Option<Privilege>, Failure> {
    let Some(text) = arguments.text(option)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        arguments.usage_error(format!(
            "--level: invalid level \"{text}\"; expected user, operator or administrator"
        ))
    })
}
