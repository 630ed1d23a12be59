//! Parts of the tree that are resources of their own.

use crate::schema::Member;
use crate::{
    Client, ClientAuth, ClientDefaultPorts, Config, Service, ServiceAuth, ServiceDefaultPorts, Winrs,
};

/// Part of `winrm/config` with its own resource URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// `winrm/config`: the complete tree.
    Config,
    /// `winrm/config/client`.
    Client,
    /// `winrm/config/client/auth`.
    ClientAuth,
    /// `winrm/config/client/defaultports`.
    ClientDefaultPorts,
    /// `winrm/config/service`.
    Service,
    /// `winrm/config/service/auth`.
    ServiceAuth,
    /// `winrm/config/service/defaultports`.
    ServiceDefaultPorts,
    /// `winrm/config/winrs`.
    Winrs,
}

impl Section {
    /// Every section; the complete tree comes first.
    pub const ALL: [Self; 8] = [
        Self::Config,
        Self::Client,
        Self::ClientAuth,
        Self::ClientDefaultPorts,
        Self::Service,
        Self::ServiceAuth,
        Self::ServiceDefaultPorts,
        Self::Winrs,
    ];

    /// Returns the section with a resource URI, compared without case.
    #[must_use]
    pub fn of_resource(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.resource().eq_ignore_ascii_case(uri))
    }

    /// Returns the section for a path below `…/wsman/1/config`: an empty path or `/` is the complete tree,
    /// `service/auth` or `/Service/Auth` a section.
    #[must_use]
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        let suffix = suffix.trim_matches('/');
        Self::ALL.into_iter().find(|section| {
            let own = section.resource().strip_prefix(Self::Config.resource()).unwrap_or_default();
            own.trim_matches('/').eq_ignore_ascii_case(suffix)
        })
    }

    /// The resource URI, which is also the namespace of the section's element.
    #[must_use]
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Config => "http://schemas.microsoft.com/wbem/wsman/1/config",
            Self::Client => "http://schemas.microsoft.com/wbem/wsman/1/config/client",
            Self::ClientAuth => "http://schemas.microsoft.com/wbem/wsman/1/config/client/auth",
            Self::ClientDefaultPorts => {
                "http://schemas.microsoft.com/wbem/wsman/1/config/client/defaultports"
            }
            Self::Service => "http://schemas.microsoft.com/wbem/wsman/1/config/service",
            Self::ServiceAuth => "http://schemas.microsoft.com/wbem/wsman/1/config/service/auth",
            Self::ServiceDefaultPorts => {
                "http://schemas.microsoft.com/wbem/wsman/1/config/service/defaultports"
            }
            Self::Winrs => "http://schemas.microsoft.com/wbem/wsman/1/config/winrs",
        }
    }

    /// Local name of the section's element.
    #[must_use]
    pub const fn element(self) -> &'static str {
        match self {
            Self::Config => "Config",
            Self::Client => "Client",
            Self::Service => "Service",
            Self::ClientAuth | Self::ServiceAuth => "Auth",
            Self::ClientDefaultPorts | Self::ServiceDefaultPorts => "DefaultPorts",
            Self::Winrs => "Winrs",
        }
    }

    pub(crate) const fn members(self) -> &'static [Member] {
        match self {
            Self::Config => Config::MEMBERS,
            Self::Client => Client::MEMBERS,
            Self::ClientAuth => ClientAuth::MEMBERS,
            Self::ClientDefaultPorts => ClientDefaultPorts::MEMBERS,
            Self::Service => Service::MEMBERS,
            Self::ServiceAuth => ServiceAuth::MEMBERS,
            Self::ServiceDefaultPorts => ServiceDefaultPorts::MEMBERS,
            Self::Winrs => Winrs::MEMBERS,
        }
    }

    /// Path of the section in the tree, with a trailing slash; empty for the complete tree.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Config => "",
            Self::Client => "Client/",
            Self::ClientAuth => "Client/Auth/",
            Self::ClientDefaultPorts => "Client/DefaultPorts/",
            Self::Service => "Service/",
            Self::ServiceAuth => "Service/Auth/",
            Self::ServiceDefaultPorts => "Service/DefaultPorts/",
            Self::Winrs => "Winrs/",
        }
    }
}
