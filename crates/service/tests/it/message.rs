//! Messages as text, so that tests can make any part of them wrong.

use wsman::namespace::{
    ADDRESSING, ANONYMOUS, ENUMERATION, EVENTING, IDENTITY, MICROSOFT, SHELL, SOAP, TRANSFER, WSMAN,
};

use crate::probe;
use crate::wire::fresh;

/// A message with all required headers.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) resource: String,
    pub(crate) action: String,
    pub(crate) id: String,
    /// Additional headers, as XML.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn new(resource: &str, action: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            action: action.to_owned(),
            id: format!("uuid:{}", fresh()),
            headers: String::new(),
            body: String::new(),
        }
    }

    /// Creates a request that makes the probe do something with a text.
    pub(crate) fn probe(behaviour: &str, text: &str) -> Self {
        Self::new(&format!("{}/{behaviour}", probe::URI), probe::ACTION)
            .body(&format!("<t:Ask xmlns:t=\"{}\">{text}</t:Ask>", probe::URI))
    }

    /// Creates a message of WS-Transfer.
    pub(crate) fn transfer(resource: &str, verb: &str) -> Self {
        Self::new(resource, &format!("{TRANSFER}/{verb}"))
    }

    /// Creates a message of WS-Enumeration.
    pub(crate) fn enumeration(resource: &str, verb: &str) -> Self {
        Self::new(resource, &format!("{ENUMERATION}/{verb}"))
    }

    /// Creates a message of WS-Eventing.
    pub(crate) fn eventing(resource: &str, verb: &str) -> Self {
        Self::new(resource, &format!("{EVENTING}/{verb}"))
    }

    /// Creates a message of the remote shell protocol.
    pub(crate) fn shell(verb: &str) -> Self {
        Self::new(wsman::namespace::SHELL_CMD, &format!("{SHELL}/{verb}"))
    }

    pub(crate) fn header(mut self, header: &str) -> Self {
        self.headers.push_str(header);
        self
    }

    pub(crate) fn selector(self, name: &str, value: &str) -> Self {
        self.header(&format!(
            "<w:SelectorSet><w:Selector Name=\"{name}\">{value}</w:Selector></w:SelectorSet>"
        ))
    }

    /// Adds an option with `MustComply`.
    pub(crate) fn option(self, name: &str, value: &str) -> Self {
        self.header(&format!(
            "<w:OptionSet><w:Option Name=\"{name}\" MustComply=\"true\">{value}</w:Option></w:OptionSet>"
        ))
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// Returns the required headers.
    pub(crate) fn required(&self) -> [String; 4] {
        [
            format!("<w:ResourceURI s:mustUnderstand=\"true\">{}</w:ResourceURI>", self.resource),
            format!("<a:Action s:mustUnderstand=\"true\">{}</a:Action>", self.action),
            format!("<a:MessageID>{}</a:MessageID>", self.id),
            format!("<a:ReplyTo><a:Address>{ANONYMOUS}</a:Address></a:ReplyTo>"),
        ]
    }

    pub(crate) fn text(&self) -> String {
        envelope(&(self.required().concat() + &self.headers), &self.body)
    }
}

impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Self {
        message.text().into_bytes()
    }
}

/// Returns an envelope with a header and a body.
pub(crate) fn envelope(header: &str, body: &str) -> String {
    let namespaces = NAMESPACES.as_str();
    format!("<s:Envelope {namespaces}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>")
}

/// Returns an Identify request.
pub(crate) fn identify() -> String {
    format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:i=\"{IDENTITY}\"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
    )
}

/// Namespace declarations of the envelope.
pub(crate) static NAMESPACES: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    [
        ("s", SOAP),
        ("a", ADDRESSING),
        ("w", WSMAN),
        ("x", TRANSFER),
        ("n", ENUMERATION),
        ("p", MICROSOFT),
        ("rsp", SHELL),
        ("xsi", wsman::namespace::XSI),
    ]
    .map(|(prefix, uri)| format!("xmlns:{prefix}=\"{uri}\""))
    .join(" ")
});
