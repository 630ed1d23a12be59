//! Service principal name (SPN) of a service.

use auth::{ServiceClass, ServicePrincipalName, SpnError};

use crate::Endpoint;

/// Choice of the service principal name for Kerberos tickets and for NTLM's target name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceName {
    /// Derived from the endpoint: `HTTP/node7`.
    FromEndpoint {
        /// Service class; most services are registered as `HTTP`.
        class: ServiceClass,
        /// Whether the name contains the port.
        port: SpnPort,
    },
    /// Specified by the user.
    Explicit(ServicePrincipalName),
}

/// Whether the service principal name contains the port (`-SPNPort`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpnPort {
    /// `HTTP/node7`
    #[default]
    Omitted,
    /// `HTTP/node7:5985`
    Appended,
}

impl Default for ServiceName {
    fn default() -> Self {
        Self::FromEndpoint { class: ServiceClass::Http, port: SpnPort::Omitted }
    }
}

impl ServiceName {
    /// Returns the service principal name for an endpoint.
    pub(crate) fn at(&self, endpoint: &Endpoint) -> Result<ServicePrincipalName, SpnError> {
        match self {
            Self::Explicit(name) => Ok(name.clone()),
            Self::FromEndpoint { class, port } => {
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
    fn the_name_is_derived_from_the_endpoint_or_specified() {
        let endpoint = Endpoint::parse("http://Node7.example.com:5985/wsman").expect("an endpoint");
        let of = |class, port| {
            ServiceName::FromEndpoint { class, port }.at(&endpoint).map(|name| name.to_string())
        };
        assert_eq!(of(ServiceClass::Http, SpnPort::Omitted).as_deref(), Ok("HTTP/node7.example.com"));
        assert_eq!(of(ServiceClass::Wsman, SpnPort::Appended).as_deref(), Ok("WSMAN/node7.example.com:5985"));
        assert_eq!(of(ServiceClass::Host, SpnPort::Omitted).as_deref(), Ok("host/node7.example.com"));
        let chosen = ServicePrincipalName::parse("HTTP/other").expect("a name");
        assert_eq!(ServiceName::Explicit(chosen.clone()).at(&endpoint), Ok(chosen));
    }
}
