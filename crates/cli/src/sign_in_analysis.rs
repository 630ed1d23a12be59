//! Report of a service about the authentication schemes that its users can use.

use auth::{Scheme, SchemeReport, SchemeState, SignInReport};
use wsman::code::ACTION_NOT_SUPPORTED;
use xml::{Element, Writer};

use crate::endpoint::{Address, Endpoint, Transport};
use crate::input::KeyValues;
use crate::locator::Locator;
use crate::program::Stop;
use crate::session::{RemoteService, target};

/// Report, and the listeners at which the schemes can be tried on the same machine.
#[derive(Clone, Debug)]
pub(crate) struct SignInAnalysis {
    pub(crate) report: SignInReport,
    pub(crate) listeners: Vec<Endpoint>,
}

/// Result of asking a service for its report.
pub(crate) enum AnalysisResponse {
    Answered(SignInAnalysis),
    /// The service does not have the action; it is Windows, or an older Telarch.
    Unsupported,
}

impl SignInAnalysis {
    /// Asks a service, which must permit the user to execute actions of its configuration.
    pub(crate) async fn request(service: &RemoteService) -> Result<AnalysisResponse, Stop> {
        let locator = Locator::parse("winrm/config/service")?;
        let target = target(&locator, &KeyValues::default(), None)?;
        let mut writer = Writer::new();
        writer.start("p:AnalyzeSignIn_INPUT").namespace("p", locator.resource_uri()).end_empty();
        let action = locator.action_uri("AnalyzeSignIn");
        match service.session.invoke(&target, &action, Some(&writer.into_fragment())).await {
            Ok(answer) => Ok(answer
                .content()
                .map_or(AnalysisResponse::Unsupported, |own| AnalysisResponse::Answered(Self::read(own)))),
            Err(error) if error.code() == Some(ACTION_NOT_SUPPORTED) => Ok(AnalysisResponse::Unsupported),
            Err(error) => Err(service.failure(error).about(&locator.short()).into()),
        }
    }

    fn read(content: Element<'_>) -> Self {
        let schemes = content.children().filter(|child| child.name() == "Scheme").filter_map(scheme);
        Self {
            report: SignInReport {
                listens: is_true(content, "Listening"),
                schemes: schemes.collect(),
                remedies: texts(content, "Remedy"),
                verifies_passwords: is_true(content, "VerifiesPasswords"),
                allow_unencrypted: is_true(content, "AllowUnencrypted"),
                account_options: texts(content, "AccountOption"),
            },
            listeners: content
                .children()
                .filter(|child| child.name() == "Listener")
                .filter_map(listener)
                .collect(),
        }
    }

    /// Returns whether at least one account can use a scheme.
    pub(crate) fn is_possible(&self) -> bool {
        self.report.usable().next().is_some()
    }
}

fn scheme(element: Element<'_>) -> Option<SchemeReport> {
    let name = element.attribute("", "Name")?;
    let all = [Scheme::Kerberos, Scheme::Negotiate, Scheme::CredSsp, Scheme::Certificate, Scheme::Basic];
    let scheme = all.into_iter().find(|scheme| scheme.to_string() == *name)?;
    let text = element.text().trim().to_owned();
    let state = match &*element.attribute("", "State")? {
        "usable" => SchemeState::Usable(text),
        "unusable" => SchemeState::Unusable(text),
        _ => SchemeState::Disabled,
    };
    Some(SchemeReport { scheme, state })
}

fn listener(element: Element<'_>) -> Option<Endpoint> {
    let [address, port] = ["Address", "Port"].map(|name| element.attribute("", name));
    let transport = match &*element.attribute("", "Transport")? {
        "HTTPS" => Transport::Https,
        _ => Transport::Http,
    };
    let address: std::net::IpAddr = address?.parse().ok()?;
    let address = std::net::SocketAddr::new(address, port?.parse().ok()?);
    Some(Address::parse(&format!("{transport}://{address}")).ok()?.complete(transport, None))
}

fn is_true(content: Element<'_>, name: &str) -> bool {
    texts(content, name).first().is_some_and(|text| text == "true")
}

fn texts(content: Element<'_>, name: &str) -> Vec<String> {
    let children = content.children().filter(|child| child.name() == name);
    children.map(|child| child.text().trim().to_owned()).collect()
}
