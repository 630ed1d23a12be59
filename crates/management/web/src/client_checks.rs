//! Checks of a client before its credentials are read: address and host name.

use management::{Mode, Restrictions, Rule, Settings};

use crate::call::Call;
use crate::problem::Problem;

/// Checks of a client before its credentials are read.
#[derive(Clone, Debug)]
pub(crate) struct ClientChecks {
    /// Requests of other machines are accepted.
    pub(crate) is_remote_enabled: bool,
    pub(crate) restrictions: Restrictions,
    /// Host names and addresses by which clients may address the service.
    pub(crate) host_names: Vec<String>,
}

impl ClientChecks {
    pub(crate) fn new(settings: &Settings, host_names: Vec<String>) -> Self {
        let restrictions = settings.remote_restrictions.clone();
        Self { is_remote_enabled: settings.enable_remote_management, restrictions, host_names }
    }

    /// Refuses clients of other machines unless remote management is enabled, and those that the address rules deny.
    /// A client on a loopback address is refused only by a rule that contains this address.
    pub(crate) fn require_address(&self, call: &Call) -> Result<(), Problem> {
        let client = call.client.ip().to_canonical();
        if client.is_loopback() {
            let rules = self.restrictions.rules();
            return match rules.iter().find(|rule| rule.network.contains(client)) {
                Some(Rule { mode: Mode::Deny, .. }) => Err(Problem::address_refused(DENIED)),
                _ => Ok(()),
            };
        }
        if !self.is_remote_enabled {
            return Err(Problem::address_refused(
                "remote management is disabled; enable it on the server with telarch mgmt set \
                 EnableRemoteManagement=true",
            ));
        }
        if self.restrictions.admits(client) { Ok(()) } else { Err(Problem::address_refused(DENIED)) }
    }

    /// Refuses requests for other hosts, which a browser sends after DNS rebinding.
    pub(crate) fn require_host(&self, call: &Call) -> Result<(), Problem> {
        let host = call.header("host").unwrap_or_default();
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let is_known = self.host_names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_own_address = name.parse().is_ok_and(|address: std::net::IpAddr| address == call.server.ip());
        if is_known || is_own_address {
            Ok(())
        } else {
            Err(Problem::new(421, "unknown-host", "the request names a host that is not this server"))
        }
    }
}

const DENIED: &str = "the address rules of the server (RemoteRestrictions) deny this client";
