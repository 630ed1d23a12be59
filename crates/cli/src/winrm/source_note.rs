//! Notes about empty results whose data source is missing on the machine of a service.

use wsman::{OptionSet, WsmanOption, namespace};

use super::one_host::CommandRunner;
use crate::format::harmless;
use crate::locator::Locator;
use crate::missing_source::{DataSource, class_of_query};
use crate::session::{RemoteService, resource};

impl CommandRunner {
    /// Returns a note about a query without results if the machine of the service lacks the data source of its class,
    /// and on its next line what to do.
    ///
    /// Only services that identify themselves as Telarch are asked. Errors mean that there is no note.
    pub async fn source_note(&self, namespace: &str, query: &str) -> Option<String> {
        let class = class_of_query(query)?;
        let locator = Locator::parse(&format!("wmi/{namespace}/{class}")).ok()?;
        missing_source_note(&self.0, &locator, class).await
    }
}

/// Returns a note about an enumeration of a class, or of all classes of its namespace, without results.
pub(super) async fn missing_source_note(
    service: &RemoteService,
    locator: &Locator,
    class: &str,
) -> Option<String> {
    // Other classes need no request.
    DataSource::of_class(class)?;
    if !service.is_telarch().await {
        return None;
    }
    let (folder, _) = locator.resource_uri().rsplit_once('/')?;
    let of_class = Locator::parse(&format!("{folder}/{class}")).ok()?;
    let mut options = OptionSet::new();
    options.push(WsmanOption {
        name: OptionSet::MISSING_SOURCE.to_owned(),
        value: Some("true".to_owned()),
        must_comply: true,
    });
    let target = client::Locator::new(resource(&of_class).ok()?).with_options(options);
    let response = service.session.get(&target).await.ok()?;
    let answer = response.content_named("MissingSource")?;
    if answer.namespace() != namespace::MISSING_SOURCE {
        return None;
    }
    let source = DataSource::named(answer.text().trim())?;
    let problem = match service.is_local() {
        true => source.problem_here(),
        false => source.problem_on(&harmless(service.host())),
    };
    Some(format!("{problem}\n  {}", source.fix))
}
