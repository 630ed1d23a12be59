//! Security descriptors stored by a service: `RootSDDL` or an entry of a plug-in.

use std::fmt;

use xml::{Element, Fragment, Writer};

use crate::failure::{Failure, Kind};
use crate::input::KeyValues;
use crate::locator::Locator;
use crate::program::Stop;
use crate::winrm::SddlTarget;
use crate::winrm::service_command::Run;

/// Location and current value of a security descriptor.
pub(super) enum StoredDescriptor {
    Root {
        current: String,
    },
    Entry {
        /// Plug-in as enumerated.
        plugin: client::Item,
        /// URI of the resource of the plug-in that contains the entry.
        resource: String,
        /// URI of the entry.
        uri: String,
        /// Descriptor of the entry, or the descriptor that applies if the entry does not exist yet.
        current: String,
    },
}

impl StoredDescriptor {
    pub(super) async fn find(run: &Run, target: SddlTarget) -> Result<Self, Stop> {
        let target = match target {
            SddlTarget::Root => return Ok(Self::Root { current: root(run).await? }),
            SddlTarget::Resource(locator) => locator.resource_uri().trim_end_matches('/').to_owned(),
        };
        let mut best: Option<(client::Item, String)> = None;
        for plugin in run.list(&Locator::parse(PLUGINS)?).await? {
            let longest = best.as_ref().map_or(0, |(_, uri)| uri.len());
            let resources = resources(plugin.element()).filter_map(|own| attribute(own, "ResourceUri"));
            let fitting = resources.filter(|own| begins(&target, own) && own.len() > longest);
            if let Some(uri) = fitting.max_by_key(String::len) {
                best = Some((plugin, uri));
            }
        }
        let Some((plugin, resource)) = best else {
            let failure = format!("no plug-in provides the resource {target}");
            return Err(Failure::here(Kind::Usage, failure)
                .advise("run winrm enumerate winrm/config/plugin for a list of plug-ins")
                .advise("winrm configSDDL default edits RootSDDL, which applies to all other resources")
                .into());
        };
        let entries: Vec<Element<'_>> = resources(plugin.element())
            .filter(|own| attribute(*own, "ResourceUri").is_some_and(|own| own == resource))
            .flat_map(|own| own.children().filter(|child| child.name() == "Security"))
            .collect();
        let own = entries.iter().find(|entry| uri_of(**entry).eq_ignore_ascii_case(&target));
        let applicable = own.or_else(|| {
            let prefixes =
                entries.iter().filter(|entry| begins(&target, &uri_of(**entry)) && !is_exact(**entry));
            prefixes.max_by_key(|entry| uri_of(**entry).len())
        });
        let current = match applicable.and_then(|entry| attribute(*entry, "Sddl")) {
            Some(current) => current,
            None => root(run).await?,
        };
        Ok(Self::Entry { resource, uri: target, current, plugin })
    }

    /// Returns the current descriptor.
    pub(super) fn current(&self) -> &str {
        match self {
            Self::Root { current } | Self::Entry { current, .. } => current.trim(),
        }
    }

    /// Replaces the descriptor.
    pub(super) async fn write(&self, run: &Run, new: &str) -> Result<(), Stop> {
        match self {
            Self::Root { .. } => {
                let mut values = KeyValues::default();
                values.set(&format!("{ROOT}={new}"))?;
                run.set(&Locator::parse(SERVICE)?, &values).await.map(drop)
            }
            Self::Entry { plugin, resource, uri, .. } => {
                let name = attribute(plugin.element(), "Name").unwrap_or_default();
                let mut locator = Locator::parse(PLUGINS)?;
                locator.select(&format!("Name={name}"))?;
                let body = with_entry(plugin.element(), resource, uri, new);
                run.write(&locator, &body).await.map(drop)
            }
        }
    }
}

impl fmt::Display for StoredDescriptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root { .. } => formatter.write_str(ROOT),
            Self::Entry { uri, .. } => write!(formatter, "the entry for {}", crate::format::harmless(uri)),
        }
    }
}

/// Setting with the descriptor of resources without an entry.
const ROOT: &str = "RootSDDL";
const SERVICE: &str = "winrm/config/service";
const PLUGINS: &str = "winrm/config/plugin";

async fn root(run: &Run) -> Result<String, Stop> {
    let answer = run.read(&Locator::parse(SERVICE)?).await?;
    let setting = answer.content().and_then(|content| content.children().find(|child| child.name() == ROOT));
    Ok(setting.map(|setting| setting.text().into_owned()).unwrap_or_default())
}

/// Returns the configuration of the plug-in with one entry changed or added.
fn with_entry(plugin: Element<'_>, resource: &str, uri: &str, sddl: &str) -> Fragment {
    let mut writer = Writer::new();
    writer.start(plugin.name()).namespace("", plugin.namespace());
    own_attributes(&mut writer, plugin);
    for child in plugin.children() {
        if child.name() != "Resources" {
            copy(&mut writer, child);
            continue;
        }
        writer.start("Resources");
        for own in child.children() {
            if attribute(own, "ResourceUri").is_some_and(|own| own == resource) {
                resource_with_entry(&mut writer, own, uri, sddl);
            } else {
                copy(&mut writer, own);
            }
        }
        writer.end();
    }
    writer.end();
    writer.into_fragment()
}

fn resource_with_entry(writer: &mut Writer, resource: Element<'_>, uri: &str, sddl: &str) {
    writer.start(resource.name());
    own_attributes(writer, resource);
    let position = resource
        .children()
        .position(|child| child.name() == "Security" && uri_of(child).eq_ignore_ascii_case(uri));
    if position.is_none() {
        write_entry(writer, uri, sddl, false);
    }
    for (index, child) in resource.children().enumerate() {
        if Some(index) == position {
            write_entry(writer, uri, sddl, is_exact(child));
        } else {
            copy(writer, child);
        }
    }
    writer.end();
}

fn write_entry(writer: &mut Writer, uri: &str, sddl: &str, exact: bool) {
    writer.start("Security").attribute("Uri", uri).attribute("Sddl", sddl);
    writer.attribute("ExactMatch", if exact { "true" } else { "false" }).end_empty();
}

fn copy(writer: &mut Writer, element: Element<'_>) {
    writer.start(element.name());
    own_attributes(writer, element);
    element.children().for_each(|child| copy(writer, child));
    writer.end();
}

/// Copies the attributes without a namespace; `xml:lang` and similar attributes are omitted.
fn own_attributes(writer: &mut Writer, element: Element<'_>) {
    for attribute in element.attributes().filter(|attribute| attribute.namespace().is_empty()) {
        writer.attribute(attribute.name(), &attribute.value());
    }
}

fn resources<'a>(plugin: Element<'a>) -> impl Iterator<Item = Element<'a>> {
    let lists = plugin.children().filter(|child| child.name() == "Resources");
    lists.flat_map(|list| list.children()).filter(|child| child.name() == "Resource")
}

/// Returns the URI of an entry; empty if it has none.
fn uri_of(entry: Element<'_>) -> String {
    attribute(entry, "Uri").unwrap_or_default()
}

fn attribute(element: Element<'_>, name: &str) -> Option<String> {
    element.attribute("", name).map(|value| value.trim().to_owned())
}

fn is_exact(entry: Element<'_>) -> bool {
    attribute(entry, "ExactMatch").is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Returns whether a URI equals `prefix` or continues it with `/`.
fn begins(uri: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    let (Some(head), Some(rest)) = (uri.get(..prefix.len()), uri.get(prefix.len()..)) else { return false };
    head.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))
}
