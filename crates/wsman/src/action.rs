//! What a message asks for.

use std::borrow::Cow;

use crate::fault::{Fault, Subcode, code};
use crate::namespace::{ENUMERATION, EVENTING, SHELL, TRANSFER};

/// The value of `a:Action`, by meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Identify; it alone has no action header (DSP0226 11).
    Identify,
    /// WS-Transfer Get.
    Get,
    /// WS-Transfer Put.
    Put,
    /// WS-Transfer Create.
    Create,
    /// WS-Transfer Delete.
    Delete,
    /// WS-Enumeration Enumerate.
    Enumerate,
    /// WS-Enumeration Pull.
    Pull,
    /// WS-Enumeration Release.
    Release,
    /// WS-Eventing Subscribe.
    Subscribe,
    /// WS-Eventing Renew.
    Renew,
    /// WS-Eventing GetStatus.
    GetStatus,
    /// WS-Eventing Unsubscribe.
    Unsubscribe,
    /// A verb of the remote shell (MS-WSMV 3.1.4).
    Shell(ShellVerb),
    /// The client needs nothing more of an operation (MS-WSMV 3.1.4.19); nobody waits for an answer.
    End,
    /// The method of a resource, or an action this service does not know.
    Custom(String),
}

/// The verbs of the remote shell beyond those of WS-Transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShellVerb {
    /// Starts a command.
    Command,
    /// Gives input.
    Send,
    /// Asks for output.
    Receive,
    /// Interrupts or ends a command.
    Signal,
    /// Leaves a shell for later.
    Disconnect,
    /// Comes back to a shell left by the same client.
    Reconnect,
    /// Takes over a shell left by another client.
    Connect,
}

impl ShellVerb {
    /// Every verb.
    pub const ALL: [Self; 7] = [
        Self::Command,
        Self::Send,
        Self::Receive,
        Self::Signal,
        Self::Disconnect,
        Self::Reconnect,
        Self::Connect,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Command => "Command",
            Self::Send => "Send",
            Self::Receive => "Receive",
            Self::Signal => "Signal",
            Self::Disconnect => "Disconnect",
            Self::Reconnect => "Reconnect",
            Self::Connect => "Connect",
        }
    }
}

impl Action {
    /// Returns the action that a URI names, without the white space that some clients put around it.
    ///
    /// # Errors
    /// `a:ActionNotSupported` for a text that is no URI: no action has control characters, blanks or letters beyond
    /// ASCII (RFC 3986, section 2), and what is not accepted is not logged either.
    pub fn parse(uri: &str) -> Result<Self, Fault> {
        let uri = uri.trim();
        if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::new(
                Subcode::ActionNotSupported,
                code::ACTION_NOT_SUPPORTED,
                "the Action is no URI: it has characters other than printable ASCII",
            ));
        }
        Ok(Self::from_uri(uri))
    }

    fn from_uri(uri: &str) -> Self {
        let known = match uri.rsplit_once('/') {
            Some((TRANSFER, "Get")) => Some(Self::Get),
            Some((TRANSFER, "Put")) => Some(Self::Put),
            Some((TRANSFER, "Create")) => Some(Self::Create),
            Some((TRANSFER, "Delete")) => Some(Self::Delete),
            Some((ENUMERATION, "Enumerate")) => Some(Self::Enumerate),
            Some((ENUMERATION, "Pull")) => Some(Self::Pull),
            Some((ENUMERATION, "Release")) => Some(Self::Release),
            Some((EVENTING, "Subscribe")) => Some(Self::Subscribe),
            Some((EVENTING, "Renew")) => Some(Self::Renew),
            Some((EVENTING, "GetStatus")) => Some(Self::GetStatus),
            Some((EVENTING, "Unsubscribe")) => Some(Self::Unsubscribe),
            Some((SHELL, name)) => {
                ShellVerb::ALL.into_iter().find(|verb| verb.name() == name).map(Self::Shell)
            }
            Some((WSMAN_OF_MICROSOFT, "End")) => Some(Self::End),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Custom(uri.to_owned()))
    }

    /// The URI; empty for Identify.
    #[must_use]
    pub fn uri(&self) -> Cow<'_, str> {
        let (base, name) = match self {
            Self::Identify => return Cow::Borrowed(""),
            Self::Get => (TRANSFER, "Get"),
            Self::Put => (TRANSFER, "Put"),
            Self::Create => (TRANSFER, "Create"),
            Self::Delete => (TRANSFER, "Delete"),
            Self::Enumerate => (ENUMERATION, "Enumerate"),
            Self::Pull => (ENUMERATION, "Pull"),
            Self::Release => (ENUMERATION, "Release"),
            Self::Subscribe => (EVENTING, "Subscribe"),
            Self::Renew => (EVENTING, "Renew"),
            Self::GetStatus => (EVENTING, "GetStatus"),
            Self::Unsubscribe => (EVENTING, "Unsubscribe"),
            Self::Shell(verb) => (SHELL, verb.name()),
            Self::End => (WSMAN_OF_MICROSOFT, "End"),
            Self::Custom(uri) => return Cow::Borrowed(uri),
        };
        Cow::Owned(format!("{base}/{name}"))
    }

    /// The URI of the answer: the request's with `Response` behind it.
    #[must_use]
    pub fn response_uri(&self) -> String {
        format!("{}Response", self.uri())
    }
}

/// What actions about whole operations begin with.
const WSMAN_OF_MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_action_survives_its_own_uri() {
        let transfers = [Action::Get, Action::Put, Action::Create, Action::Delete];
        let enumerations = [Action::Enumerate, Action::Pull, Action::Release];
        let eventing = [Action::Subscribe, Action::Renew, Action::GetStatus, Action::Unsubscribe];
        let others = [Action::End, Action::Custom("urn:x/Stop".to_owned())];
        let verbs = ShellVerb::ALL.map(Action::Shell);
        for action in transfers.into_iter().chain(enumerations).chain(eventing).chain(others).chain(verbs) {
            assert_eq!(Action::parse(&action.uri()), Ok(action));
        }
    }

    #[test]
    fn white_space_around_an_action_does_not_matter() {
        let padded = " http://schemas.xmlsoap.org/ws/2004/09/transfer/Get\n";
        assert_eq!(Action::parse(padded), Ok(Action::Get));
    }

    #[test]
    fn an_action_with_anything_but_printable_ascii_is_refused() {
        for text in ["urn:x\ny", "urn:x y", "urn:x\ty", "urn:\u{85}x", "urn:\u{202e}", "urn:ä", "urn:\u{7f}"]
        {
            let fault = Action::parse(text).expect_err(text);
            assert_eq!(fault.code(), code::ACTION_NOT_SUPPORTED, "{text:?}");
        }
    }
}
