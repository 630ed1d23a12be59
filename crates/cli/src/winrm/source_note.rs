//! Notes about empty results whose data source is missing on the machine of a service.

use wsman::{OptionSet, WsmanOption, namespace};

use crate::format::harmless;
use crate::locator::Locator;
use crate::missing_source::DataSource;
use crate::session::{RemoteService, resource};

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
