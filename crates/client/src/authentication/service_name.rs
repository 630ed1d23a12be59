//! What a service is called to its realm.

use auth::{ServiceClass, ServicePrincipalName, SpnError};

use crate::Endpoint;

/// How the service principal name comes about that a ticket of Kerberos is asked for, and that NTLM is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceName {
    /// From the endpoint: `HTTP/node7`.
    OfEndpoint {
        /// The kind of service; `HTTP` is what nearly every service is registered as.
        class: ServiceClass,
        /// Whether the port belongs to it.
        port: SpnPort,
    },
    /// As somebody has chosen it.
    Chosen(ServicePrincipalName),
}

/// Whether the port is part of a service principal name (`-SPNPort`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpnPort {
    /// `HTTP/node7`
    #[default]
    Left,
    /// `HTTP/node7:5985`
    Appended,
}

impl Default for ServiceName {
    fn default() -> Self {
        Self::OfEndpoint { class: ServiceClass::Http, port: SpnPort::Left }
    }
}

impl ServiceName {
    /// The name of the service at an endpoint.
    pub(crate) fn at(&self, endpoint: &Endpoint) -> Result<ServicePrincipalName, SpnError> {
        match self {
            Self::Chosen(name) => Ok(name.clone()),
            Self::OfEndpoint { class, port } => {
                let port = (*port == SpnPort::Appended).then_some(endpoint.port());
                ServicePrincipalName::new(*class, endpoint.host(), port)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_from_the_endpoint_or_was_chosen() {
        let endpoint = Endpoint::parse("http://Node7.example.com:5985/wsman").expect("an endpoint");
        let of =
            |class, port| ServiceName::OfEndpoint { class, port }.at(&endpoint).map(|name| name.to_string());
        assert_eq!(of(ServiceClass::Http, SpnPort::Left).as_deref(), Ok("HTTP/node7.example.com"));
        assert_eq!(of(ServiceClass::Wsman, SpnPort::Appended).as_deref(), Ok("WSMAN/node7.example.com:5985"));
        assert_eq!(of(ServiceClass::Host, SpnPort::Left).as_deref(), Ok("host/node7.example.com"));
        let chosen = ServicePrincipalName::parse("HTTP/other").expect("a name");
        assert_eq!(ServiceName::Chosen(chosen.clone()).at(&endpoint), Ok(chosen));
    }
}
