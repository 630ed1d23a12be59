//! Conflicts between listeners on the same port.

use std::collections::BTreeMap;

use config::{ListenerKey, Service, Thumbprint, Transport};

/// Reason why two listeners cannot share a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortConflict {
    /// HTTP and HTTPS on one port.
    #[error(
        "port {port} is already used by listener {other} and cannot also serve {transport}; choose another Port"
    )]
    Transport {
        /// The port.
        port: u16,
        /// The listener that uses the port.
        other: ListenerKey,
        /// Transport of the rejected listener.
        transport: Transport,
    },
    /// Two certificates on one port (WSMan code 2150858984).
    #[error(
        "port {port} is already used by listener {other} with another certificate; choose another Port or give both the same CertificateThumbprint"
    )]
    Certificate {
        /// The port.
        port: u16,
        /// The listener that uses the port.
        other: ListenerKey,
    },
}

/// Checks that a listener can use its port beside others. Disabled listeners use no port.
///
/// A listener among `others` with the same key and source is ignored, so that a change can be checked before it is
/// made.
///
/// # Errors
/// [`PortConflict`].
pub fn check_port<'l>(
    listener: &config::Listener,
    others: impl IntoIterator<Item = &'l config::Listener>,
    service: &Service,
) -> Result<(), PortConflict> {
    let mut ports = Ports::default();
    for other in others {
        if (other.key(), other.source) == (listener.key(), listener.source) {
            continue;
        }
        // A listener in conflict with an earlier one does not use its port.
        let _ = ports.claim(other, service);
    }
    ports.claim(listener, service)
}

/// Ports in use, with the first listener and the certificate of each.
#[derive(Debug, Default)]
pub(super) struct Ports(BTreeMap<u16, (ListenerKey, CertificateChoice)>);

impl Ports {
    /// Assigns a listener its port, unless the listener is disabled.
    pub(super) fn claim(
        &mut self,
        listener: &config::Listener,
        service: &Service,
    ) -> Result<(), PortConflict> {
        if !listener.enabled {
            return Ok(());
        }
        let port = listener.port.number();
        let choice = CertificateChoice::of(listener, service);
        let (other, taken) = *self.0.entry(port).or_insert((listener.key(), choice));
        if other.transport != listener.transport {
            return Err(PortConflict::Transport { port, other, transport: listener.transport });
        }
        if taken != choice {
            return Err(PortConflict::Certificate { port, other });
        }
        Ok(())
    }
}

/// Certificate of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificateChoice {
    /// None, for HTTP.
    None,
    /// The self-signed certificate of this machine, because the settings name none.
    Own,
    /// The certificate that the listener names, or else `Service/CertificateThumbprint`.
    Named(Thumbprint),
}

impl CertificateChoice {
    pub(super) fn of(listener: &config::Listener, service: &Service) -> Self {
        match (listener.transport, listener.certificate_thumbprint.or(service.certificate_thumbprint)) {
            (Transport::Http, _) => Self::None,
            (Transport::Https, None) => Self::Own,
            (Transport::Https, Some(thumbprint)) => Self::Named(thumbprint),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use config::{Listener, Port};

    use super::*;

    fn listener(address: &str, transport: &str, port: u32, thumbprint: Option<u8>) -> Listener {
        let key = ListenerKey::parse(address, transport).unwrap();
        let mut listener = Listener::new(key, &Service::default());
        listener.port = Port::new(port).unwrap();
        listener.certificate_thumbprint = thumbprint.map(|octet| Thumbprint([octet; 20]));
        listener
    }

    #[test]
    fn one_port_has_one_certificate() {
        let service = Service::default();
        let first = listener("*", "HTTPS", 5986, Some(1));
        let same = listener("IP:127.0.0.1", "HTTPS", 5986, Some(1));
        let other = listener("IP:127.0.0.1", "HTTPS", 5986, Some(2));
        let none = listener("IP:127.0.0.1", "HTTPS", 5986, None);
        assert_eq!(check_port(&same, [&first], &service), Ok(()));
        let conflict = Err(PortConflict::Certificate { port: 5986, other: first.key() });
        assert_eq!(check_port(&other, [&first], &service), conflict);
        assert_eq!(check_port(&none, [&first], &service), conflict);
        assert_eq!(check_port(&listener("IP:127.0.0.1", "HTTPS", 5987, Some(2)), [&first], &service), Ok(()));
    }

    #[test]
    fn a_listener_without_a_certificate_uses_that_of_the_service() {
        let mut service = Service::default();
        service.certificate_thumbprint = Some(Thumbprint([1; 20]));
        let first = listener("*", "HTTPS", 5986, Some(1));
        assert_eq!(check_port(&listener("IP:127.0.0.1", "HTTPS", 5986, None), [&first], &service), Ok(()));
    }

    #[test]
    fn http_and_https_do_not_share_a_port_and_a_disabled_listener_has_none() {
        let service = Service::default();
        let mut http = listener("*", "HTTP", 5985, None);
        let https = listener("*", "HTTPS", 5985, None);
        let transport = https.transport;
        let conflict = Err(PortConflict::Transport { port: 5985, other: http.key(), transport });
        assert_eq!(check_port(&https, [&http], &service), conflict);
        http.enabled = false;
        assert_eq!(check_port(&https, [&http], &service), Ok(()));
    }

    #[test]
    fn a_change_does_not_conflict_with_the_replaced_listener() {
        let old = listener("*", "HTTPS", 5986, Some(1));
        let new = listener("*", "HTTPS", 5986, Some(2));
        assert_eq!(check_port(&new, [&old], &Service::default()), Ok(()));
    }

    #[test]
    fn a_compatibility_listener_with_the_same_key_conflicts() {
        let service = Service::default();
        let compatibility = Listener::compatibility(Transport::Https, &service);
        let ours = listener("*", "HTTPS", 443, Some(1));
        let conflict = Err(PortConflict::Certificate { port: 443, other: compatibility.key() });
        assert_eq!(check_port(&ours, [&compatibility], &service), conflict);
    }
}
