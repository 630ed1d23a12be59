//! `winrm/config` and its sections as resources (MS-WSMV 2.2.4.1 onwards).

use config::Section;
use service::{Answer, BoxFuture, Call, Plugin, Resource, ResourceKind};
use wsman::{Action, Detail, Fault, Subcode, code, namespace};

/// The plug-in for `http://schemas.microsoft.com/wbem/wsman/1/config`.
#[derive(Debug, Default)]
pub struct ConfigPlugin;

impl ConfigPlugin {
    /// A plug-in that shows the settings in force.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Plugin for ConfigPlugin {
    fn resources(&self) -> &[Resource] {
        const RESOURCES: [Resource; 1] =
            [Resource { uri: namespace::CONFIG, with_children: true, kind: ResourceKind::Instances }];
        &RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(async move { answer(&call) })
    }
}

fn answer(call: &Call) -> Result<Answer, Fault> {
    let head = call.request.head();
    let section = section(call)?;
    if head.fragment.is_some() {
        return Err(Fault::new(
            Subcode::UnsupportedFeature,
            code::FRAGMENT_LEVEL_ACCESS,
            "the configuration is read and written by whole sections: leave FragmentTransfer out",
        )
        .with_detail(Detail::FRAGMENT_LEVEL_ACCESS));
    }
    if let Some(selector) = head.selectors.iter().next() {
        return Err(Fault::new(
            Subcode::InvalidSelectors,
            code::UNEXPECTED_SELECTORS,
            format!("a section of the configuration has no selector {}", selector.name),
        )
        .with_detail(Detail::UNEXPECTED_SELECTORS));
    }
    match &head.action {
        Action::Get => {
            let mut reply = call.reply();
            call.config.write(section, reply.body());
            call.finish(reply)
        }
        other => Err(Fault::new(
            Subcode::ActionNotSupported,
            code::ACTION_NOT_SUPPORTED,
            format!("a section of the configuration does not support the action {}", other.uri()),
        )),
    }
}

fn section(call: &Call) -> Result<Section, Fault> {
    let uri = call.request.require_resource()?;
    Section::of_resource(uri.as_str()).ok_or_else(|| {
        Fault::new(
            Subcode::DestinationUnreachable,
            code::INVALID_RESOURCE_URI,
            format!("the configuration has no section {uri}"),
        )
        .with_detail(Detail::INVALID_RESOURCE_URI)
    })
}
