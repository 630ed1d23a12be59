//! Settings of a runspace pool.

use std::time::Duration;

use psrp::clixml::Value;
use psrp::{ClientOptions, HostInfo, PoolLimits, RunspaceCount};
use wsman::shell::option;
use wsman::{Compression, OptionSet, ResourceUri, WsmanOption, namespace};

use crate::error::Error;
use crate::shell::Profile;

/// Parameters of a runspace pool.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// Name of the PowerShell endpoint; the default is `Microsoft.PowerShell`.
    pub configuration: String,
    /// Number of runspaces, and so of pipelines that run at the same time; the default is one.
    pub runspaces: RunspaceCount,
    /// Host of the client, for prompts and the size of the window; without a host, the service fails prompts itself.
    pub host: HostInfo,
    /// Arguments of the application, a dictionary that scripts read as `$PSSenderInfo.ApplicationArguments`.
    pub application_arguments: Value,
    /// Whether the user's profile is loaded.
    pub profile: Profile,
    /// Time without requests after which the service may close the pool.
    pub idle_timeout: Option<Duration>,
    /// Display name of the pool.
    pub name: Option<String>,
    /// Time limit for opening the pool; the default is three minutes.
    pub open_timeout: Duration,
    /// Compression of the transport, if the service supports it; the default is none.
    pub compression: Compression,
    /// Limits of what the service sends.
    pub limits: PoolLimits,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            configuration: "Microsoft.PowerShell".to_owned(),
            runspaces: RunspaceCount { min: 1, max: 1 },
            host: HostInfo::NONE,
            application_arguments: Value::NULL,
            profile: Profile::Loaded,
            idle_timeout: None,
            name: None,
            open_timeout: Duration::from_secs(180),
            compression: Compression::None,
            limits: PoolLimits::default(),
        }
    }
}

impl PoolOptions {
    /// Returns the resource of the endpoint.
    pub(super) fn resource(&self) -> Result<ResourceUri, Error> {
        let name = &self.configuration;
        if name.is_empty() || name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
            return Err(Error::Setting {
                setting: "configuration",
                reason: format!("\"{name}\" is not the name of a PowerShell endpoint"),
            });
        }
        Ok(ResourceUri::parse(&format!("{}/{name}", namespace::POWERSHELL))?)
    }

    /// Returns the options of the Create request; Windows requires the version of the protocol.
    pub(super) fn switches(&self) -> OptionSet {
        let mut switches = OptionSet::new();
        switches.push(WsmanOption {
            name: option::PROTOCOL_VERSION.to_owned(),
            value: Some(self.client().protocol.to_string()),
            must_comply: true,
        });
        match self.profile {
            Profile::Loaded => switches,
            Profile::Skipped => switches.with(option::NO_PROFILE, "1"),
        }
    }

    /// Returns the settings of the protocol.
    pub(super) fn client(&self) -> ClientOptions {
        ClientOptions {
            runspaces: self.runspaces,
            host: self.host.clone(),
            application_arguments: self.application_arguments.clone(),
            limits: self.limits,
            ..ClientOptions::default()
        }
    }
}
