//! The mechanisms behind the schemes that work by tokens.

use std::time::SystemTime;

use auth::credssp::{PasswordCredentials, Version};
use auth::ntlm::{self, InitiatorFresh, NtHash, Sealing};
use auth::spnego::{self, Offer};
use auth::{
    ChannelBinding, Initiator, Oid, Scheme, Secret, ServiceClass, ServicePrincipalName, UserName, Whose,
};
use zeroize::Zeroizing;

use super::Tokens;
use crate::error::Error;
use crate::random::random;
use crate::{Endpoint, Transport};

impl Tokens {
    /// Begins one authentication, over one connection to an endpoint.
    pub(crate) fn initiator(
        &self,
        endpoint: &Endpoint,
        channel: Option<&ChannelBinding>,
    ) -> Result<Box<dyn Initiator>, Error> {
        let user = UserName::parse(&self.credentials.user)
            .map_err(|error| Error::Setting { setting: "credentials", reason: error.to_string() })?;
        match self.scheme {
            // It binds what is inside to its own TLS connection, and seals with that.
            Scheme::CredSsp => {
                let inner = self.spnego(&user, endpoint, None);
                let (domain, name) = ntlm_names(&user);
                let credentials = PasswordCredentials::new(
                    Secret::new(domain),
                    Secret::new(name),
                    self.credentials.password.clone(),
                );
                let initiator = credssp::Initiator::new(inner, credentials, Version::V5);
                Ok(Box::new(initiator.map_err(|error| Error::SignIn {
                    scheme: self.scheme,
                    peer: endpoint.place(),
                    reason: error.to_string(),
                })?))
            }
            _ => Ok(self.spnego(&user, endpoint, channel)),
        }
    }

    fn spnego(
        &self,
        user: &UserName,
        endpoint: &Endpoint,
        channel: Option<&ChannelBinding>,
    ) -> Box<dyn Initiator> {
        let offers = vec![Offer { oids: vec![Oid::NTLM], initiator: self.ntlm(user, endpoint, channel) }];
        Box::new(spnego::Initiator::new(offers))
    }

    fn ntlm(
        &self,
        user: &UserName,
        endpoint: &Endpoint,
        channel: Option<&ChannelBinding>,
    ) -> Box<dyn Initiator> {
        let (domain, name) = ntlm_names(user);
        let login = ntlm::Login { domain, user: name, hash: NtHash::of_password(&self.credentials.password) };
        let fresh = InitiatorFresh {
            challenge: random(),
            session_key: Zeroizing::new(random()),
            now: SystemTime::now(),
        };
        let sealing = match endpoint.transport() {
            Transport::Http => Sealing::Required,
            Transport::Https => Sealing::IfAgreed,
        };
        let mut initiator = ntlm::Initiator::new(login, sealing, fresh);
        if let Ok(name) = ServicePrincipalName::new(ServiceClass::Http, endpoint.host(), None) {
            initiator = initiator.target_name(&name.to_string());
        }
        if let Some(channel) = channel {
            initiator = initiator.channel_binding(channel.clone());
        }
        Box::new(initiator)
    }
}

/// Domain and user as NTLM has them apart; a name with a realm goes whole, because only its domain can resolve it.
fn ntlm_names(name: &UserName) -> (String, String) {
    match name.whose() {
        Whose::Unsaid => (String::new(), name.user().to_owned()),
        Whose::ThisMachine => (".".to_owned(), name.user().to_owned()),
        Whose::Domain(domain) => (domain.clone(), name.user().to_owned()),
        Whose::Realm(realm) => (String::new(), format!("{}@{realm}", name.user())),
    }
}
