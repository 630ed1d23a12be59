//! Actions (`a:Action`).

use std::borrow::Cow;

use crate::fault::{Fault, Subcode, code};
use crate::namespace::{ENUMERATION, EVENTING, SHELL, TRANSFER};

/// Operation that a message requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Identify, which has no action header (DSP0226 11).
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
    /// Remote shell operation (MS-WSMV 3.1.4).
    Shell(ShellVerb),
    /// The client does not need the response to an operation any more (MS-WSMV 3.1.4.19); there is no response.
    End,
    /// Method of a resource, or an unknown action.
    Custom(String),
}

/// Remote shell operations in addition to those of WS-Transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShellVerb {
    /// Starts a command.
    Command,
    /// Sends input.
    Send,
    /// Requests output.
    Receive,
    /// Interrupts or terminates a command.
    Signal,
    /// Disconnects from a shell, which stays open.
    Disconnect,
    /// Reconnects the same client to its shell.
    Reconnect,
    /// Connects another client to a disconnected shell.
    Connect,
}

impl ShellVerb {
    /// All operations.
    pub const ALL: [Self; 7] = [
        Self::Command,
        Self::Send,
        Self::Receive,
        Self::Signal,
        Self::Disconnect,
        Self::Reconnect,
        Self::Connect,
    ];

    /// Returns the last part of the action URI.
    #[must_use]
    pub fn name(self) -> &'static str {
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
    /// Parses an action URI; leading and trailing white space is ignored, because some clients send it.
    ///
    /// # Errors
    /// `a:ActionNotSupported` for characters that a URI cannot contain: control characters, blanks and letters beyond
    /// ASCII (RFC 3986, section 2). The rejected text is not logged.
    pub fn parse(uri: &str) -> Result<Self, Fault> {
        let uri = uri.trim();
        if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::new(
                Subcode::ActionNotSupported,
                code::ACTION_NOT_SUPPORTED,
                "the Action is not a URI: it contains characters other than printable ASCII; remove them",
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

    /// Returns the URI; empty for Identify.
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

    /// Returns the action URI of the response, that of the request with `Response` appended.
    #[must_use]
    pub fn response_uri(&self) -> String {
        format!("{}Response", self.uri())
    }
}

/// Base URI of actions on operations.
const WSMAN_OF_MICROSOFT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsman";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_action_is_parsed_from_its_uri() {
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
    fn white_space_around_an_action_is_ignored() {
        let padded = " http://schemas.xmlsoap.org/ws/2004/09/transfer/Get\n";
        assert_eq!(Action::parse(padded), Ok(Action::Get));
    }

    #[test]
    fn an_action_with_other_than_printable_ascii_is_rejected() {
        for text in ["urn:x\ny", "urn:x y", "urn:x\ty", "urn:\u{85}x", "urn:\u{202e}", "urn:ä", "urn:\u{7f}"]
        {
            let fault = Action::parse(text).expect_err(text);
            assert_eq!(fault.code(), code::ACTION_NOT_SUPPORTED, "{text:?}");
        }
    }
}
