//! Applies the client settings of a machine to a session.

use crate::{HostTrust, Scheme, SessionBuilder, Unencrypted};

impl SessionBuilder {
    /// Applies `winrm/config/client` for a host: allowed schemes, network delay, trusted hosts and unencrypted
    /// messages.
    ///
    /// Settings only add permissions; trust and unencrypted messages that were allowed before stay allowed.
    pub fn with_client_settings(self, settings: &config::Client, host: &str) -> Self {
        let auth = &settings.auth;
        let schemes = [
            (Scheme::Basic, auth.basic),
            (Scheme::Digest, auth.digest),
            (Scheme::Kerberos, auth.kerberos),
            (Scheme::Negotiate, auth.negotiate),
            (Scheme::Certificate, auth.certificate),
            (Scheme::CredSsp, auth.credssp),
        ];
        let mut builder = self
            .allowed_schemes(schemes.into_iter().filter(|(_, on)| *on).map(|(scheme, _)| scheme))
            .network_delay(settings.network_delayms.duration());
        if settings.trusted_hosts.trusts(host) {
            builder = builder.host_trust(HostTrust::Listed);
        }
        if settings.allow_unencrypted {
            builder = builder.unencrypted(Unencrypted::Allowed);
        }
        builder
    }
}
