//! Builds requests as envelopes, and returns the bodies of responses.

use auth::{Account, AuthError, Identity, LocalUsers};
use config::Config;
use sddl::{DomainSid, Sid, Token, well_known};
use service::{
    AccessGranted, Answer, Call, Caller, CallerLocation, Content, Item, Items, Operation, Plugin as _,
};
use std::sync::Arc;
use std::time::Duration;
use telarch_peers::{assert_items_well_formed, assert_well_formed};
use telarch_plugin_wmi::WmiPlugin;
use wsman::{Fault, Request, namespace};
use xml::{Bounds, Document};

use crate::machine::engine;

pub(crate) const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";
pub(crate) const DMTF: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2";

/// A request under construction.
#[derive(Clone)]
pub(crate) struct Ask {
    resource: String,
    action: String,
    headers: String,
    selectors: Vec<(String, String)>,
    options: Vec<(String, String)>,
    body: String,
    groups: Vec<Sid>,
    location: CallerLocation,
}

impl Ask {
    pub(crate) fn new(resource: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
            action: action.into(),
            headers: String::new(),
            selectors: Vec::new(),
            options: Vec::new(),
            body: String::new(),
            groups: vec![well_known::ADMINISTRATORS],
            location: CallerLocation::Network,
        }
    }

    /// Creates a request with an action of WS-Transfer for a class of root/cimv2.
    pub(crate) fn transfer(class: &str, verb: &str) -> Self {
        Self::new(format!("{CIMV2}/{class}"), format!("{}/{verb}", namespace::TRANSFER))
    }

    /// Creates a request for a method of a class of root/cimv2.
    pub(crate) fn method(class: &str, method: &str) -> Self {
        Self::new(format!("{CIMV2}/{class}"), format!("{CIMV2}/{class}/{method}"))
    }

    /// Creates an Enumerate request with the given content.
    pub(crate) fn enumerate(resource: impl Into<String>, within: &str) -> Self {
        let body = format!("<n:Enumerate>{within}</n:Enumerate>");
        Self::new(resource, format!("{}/Enumerate", namespace::ENUMERATION)).body(&body)
    }

    /// Creates a request for a query in root/cimv2.
    pub(crate) fn query(text: &str) -> Self {
        let text = text.replace('<', "&lt;").replace('>', "&gt;");
        let filter = format!("<w:Filter Dialect=\"{}\">{text}</w:Filter>", namespace::DIALECT_WQL);
        Self::enumerate(format!("{CIMV2}/*"), &filter)
    }

    /// Creates a request for the events of a query in root/cimv2.
    pub(crate) fn events(query: &str) -> Self {
        let pull = "<e:Delivery Mode=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull\"/>";
        Self::delivered_events(query, pull)
    }

    /// As [`Self::events`], with this element `e:Delivery`.
    pub(crate) fn delivered_events(query: &str, delivery: &str) -> Self {
        let body = format!(
            "<e:Subscribe xmlns:e=\"{}\">{delivery}<w:Filter Dialect=\"{}\">{query}</w:Filter></e:Subscribe>",
            namespace::EVENTING,
            namespace::DIALECT_WQL
        );
        Self::new(format!("{CIMV2}/*"), format!("{}/Subscribe", namespace::EVENTING)).body(&body)
    }

    pub(crate) fn selector(mut self, name: &str, value: &str) -> Self {
        self.selectors.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn fragment(mut self, expression: &str) -> Self {
        self.headers.push_str(&format!(
            "<w:FragmentTransfer s:mustUnderstand=\"true\">{expression}</w:FragmentTransfer>"
        ));
        self
    }

    pub(crate) fn header(mut self, header: &str) -> Self {
        self.headers.push_str(header);
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// Sends the request as a user without relevant groups.
    pub(crate) fn by_nobody(self, location: CallerLocation) -> Self {
        Self { groups: vec![well_known::AUTHENTICATED_USERS], location, ..self }
    }

    fn envelope(&self) -> String {
        let part = |(name, value): &(String, String), element: &str| {
            let value = if value.starts_with('<') { value.clone() } else { value.replace('&', "&amp;") };
            format!("<w:{element} Name=\"{name}\">{value}</w:{element}>")
        };
        let selectors: String = self.selectors.iter().map(|one| part(one, "Selector")).collect();
        let options: String = self.options.iter().map(|one| part(one, "Option")).collect();
        format!(
            "<s:Envelope xmlns:s=\"{}\" xmlns:a=\"{}\" xmlns:w=\"{}\" xmlns:n=\"{}\" xmlns:b=\"{}\" xmlns:xsi=\"{}\">\
             <s:Header><w:ResourceURI>{}</w:ResourceURI><a:Action>{}</a:Action>\
             <a:MessageID>uuid:{}</a:MessageID><a:ReplyTo><a:Address>{}</a:Address></a:ReplyTo>{}\
             <w:SelectorSet>{selectors}</w:SelectorSet><w:OptionSet>{options}</w:OptionSet></s:Header>\
             <s:Body>{}</s:Body></s:Envelope>",
            namespace::SOAP,
            namespace::ADDRESSING,
            namespace::WSMAN,
            namespace::ENUMERATION,
            namespace::CIM_BINDING,
            namespace::XSI,
            self.resource,
            self.action,
            random::uuid(),
            namespace::ANONYMOUS,
            self.headers,
            self.body,
        )
    }

    pub(crate) fn call(&self) -> Call {
        struct Users;
        impl LocalUsers for Users {
            fn account(&self, _: u32) -> Result<Account, AuthError> {
                Ok(Account { name: "alice".to_owned() })
            }
        }
        const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);
        let identity = Identity::by_peer_credentials(1000, &Users).unwrap();
        let token = Token::new(MACHINE.account(3000), self.groups.iter().copied(), MACHINE);
        let request = Request::parse(self.envelope(), &Bounds::default()).unwrap();
        let operation = Operation::of(&request).unwrap();
        let mut config = Config::default();
        config.client.allow_unencrypted = true;
        let caller = Caller::new(identity, token, [127, 0, 0, 1].into()).with_location(self.location);
        Call {
            access: AccessGranted::by_another_process(),
            caller: Arc::new(caller),
            request,
            config: Arc::new(config),
            reply_limit: 512_000,
            timeout: Duration::from_secs(60),
            message_id: random::uuid(),
            operation,
        }
    }
}

/// The plug-in of a machine, with methods for its answers.
pub(crate) struct PluginClient(WmiPlugin);

impl PluginClient {
    pub(crate) fn new() -> Self {
        Self(WmiPlugin::new(engine()))
    }

    async fn answer(&self, ask: &Ask) -> Result<Answer, Fault> {
        self.0.call(ask.call()).await
    }

    /// Returns the whole envelope of the answer.
    pub(crate) async fn envelope(&self, ask: &Ask) -> Result<String, Fault> {
        match self.answer(ask).await?.into_parts().0 {
            Content::Envelope(envelope) => {
                assert_well_formed(&envelope);
                Ok(envelope)
            }
            Content::Items(_) | Content::Push(_) => panic!("items were not asked for"),
        }
    }

    /// Returns the content of the answer's body.
    pub(crate) async fn body(&self, ask: &Ask) -> Result<String, Fault> {
        let envelope = self.envelope(ask).await?;
        let (_, body) = envelope.split_once("<s:Body>").unwrap();
        Ok(body.trim_end_matches("</s:Envelope>").trim_end_matches("</s:Body>").to_owned())
    }

    /// Returns the fault, and the message that carries it.
    pub(crate) async fn fault(&self, ask: &Ask) -> (Fault, String) {
        let fault = match self.answer(ask).await {
            Err(fault) => fault,
            Ok(answer) => match answer.into_parts().0 {
                Content::Envelope(envelope) => panic!("no fault but {envelope}"),
                Content::Items(mut items) | Content::Push(mut items) => loop {
                    match items.next().await {
                        Some(Err(fault)) => break fault,
                        Some(Ok(_)) => {}
                        None => panic!("no fault, but the end of the items"),
                    }
                },
            },
        };
        let message = fault.clone().on_machine("node7").envelope(None, None, random::uuid());
        assert_well_formed(&message);
        telarch_architecture::faults::check(fault.reason()).unwrap_or_else(|error| panic!("{error}"));
        (fault, message)
    }

    /// Returns all items of an enumeration.
    pub(crate) async fn items(&self, ask: &Ask) -> Result<Vec<Item>, Fault> {
        let Content::Items(mut items) = self.answer(ask).await?.into_parts().0 else { panic!("no items") };
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            all.push(item?);
        }
        assert_items_well_formed(all.iter().map(|item| item.object.as_str()));
        Ok(all)
    }

    /// Starts a subscription.
    pub(crate) async fn subscribe(&self, ask: &Ask) -> Result<Box<dyn Items>, Fault> {
        match self.answer(ask).await?.into_parts().0 {
            Content::Items(items) | Content::Push(items) => Ok(items),
            Content::Envelope(envelope) => panic!("no events but {envelope}"),
        }
    }

    /// Returns all items of an enumeration as XML.
    pub(crate) async fn objects(&self, ask: &Ask) -> Result<Vec<String>, Fault> {
        Ok(self.items(ask).await?.into_iter().map(|item| item.object.as_str().to_owned()).collect())
    }
}

/// Returns the value of the first element with this name, whatever its prefix.
pub(crate) fn value(text: &str, name: &str) -> Option<String> {
    let declared = format!(
        "<x xmlns:a=\"{}\" xmlns:w=\"{}\" xmlns:x=\"{}\" xmlns:p=\"urn:p\">{text}</x>",
        namespace::ADDRESSING,
        namespace::WSMAN,
        namespace::TRANSFER,
    );
    let document = Document::parse(declared, &Bounds::default()).unwrap();
    fn find(element: xml::Element<'_>, name: &str) -> Option<String> {
        if element.name() == name {
            return Some(element.text().into_owned());
        }
        element.children().find_map(|child| find(child, name))
    }
    find(document.root(), name)
}
