//! What the settings of a machine for its clients mean for a session.

use crate::{HostTrust, Scheme, SessionBuilder, Unencrypted};

impl SessionBuilder {
    /// As `winrm/config/client` wants it for a host of this name: which schemes may be used, how long the network may
    /// take, whether the host is trusted without proof, and whether messages may be readable on the way.
    ///
    /// What the settings do not allow stays as it was set before, or as it is by default.
    pub fn obeying(self, settings: &config::Client, host: &str) -> Self {
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
