//! Where a security descriptor stands: in `RootSDDL`, or in an entry of a plug-in.

use std::fmt;

use xml::{Element, Fragment, Writer};

use crate::failure::{Failure, Kind};
use crate::input::KeyValues;
use crate::locator::Locator;
use crate::program::Stop;
use crate::winrm::SddlTarget;
use crate::winrm::run::Run;

/// A security descriptor of a service, as it is now.
pub(super) enum Place {
    Root {
        current: String,
    },
    Entry {
        /// The plug-in as it was listed.
        plugin: client::Item,
        /// The URI of the one of its resources that the entry belongs to.
        resource: String,
        /// The URI of the entry.
        uri: String,
        /// The descriptor of the entry; if there is none yet, the one that counts without it.
        current: String,
    },
}

impl Place {
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
            let failure = format!("no plug-in of the service has entries for {target}");
            return Err(Failure::here(Kind::Usage, failure)
                .advise("winrm enumerate winrm/config/plugin lists what there is")
                .advise("winrm configSDDL default edits RootSDDL, which counts for all else")
                .into());
        };
        let entries: Vec<Element<'_>> = resources(plugin.element())
            .filter(|own| attribute(*own, "ResourceUri").is_some_and(|own| own == resource))
            .flat_map(|own| own.children().filter(|child| child.name() == "Security"))
            .collect();
        let of = |entry: Element<'_>| attribute(entry, "Uri").unwrap_or_default();
        let own = entries.iter().find(|entry| of(**entry).eq_ignore_ascii_case(&target));
        let counting = own.or_else(|| {
            let reaching = entries.iter().filter(|entry| begins(&target, &of(**entry)) && !is_exact(**entry));
            reaching.max_by_key(|entry| of(**entry).len())
        });
        let current = match counting.and_then(|entry| attribute(*entry, "Sddl")) {
            Some(current) => current,
            None => root(run).await?,
        };
        Ok(Self::Entry { resource, uri: target, current, plugin })
    }

    /// The descriptor as it is now.
    pub(super) fn current(&self) -> &str {
        match self {
            Self::Root { current } | Self::Entry { current, .. } => current.trim(),
        }
    }

    /// Puts another descriptor in its place.
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

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root { .. } => formatter.write_str(ROOT),
            Self::Entry { uri, .. } => write!(formatter, "the entry for {}", crate::format::harmless(uri)),
        }
    }
}

/// The setting that counts where nothing else does.
const ROOT: &str = "RootSDDL";
const SERVICE: &str = "winrm/config/service";
const PLUGINS: &str = "winrm/config/plugin";

async fn root(run: &Run) -> Result<String, Stop> {
    let answer = run.read(&Locator::parse(SERVICE)?).await?;
    let setting = answer.content().and_then(|content| content.children().find(|child| child.name() == ROOT));
    Ok(setting.map(|setting| setting.text().into_owned()).unwrap_or_default())
}

/// The plug-in with one entry changed or added, and everything else as it was.
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
    let is_it = |child: &Element<'_>| {
        child.name() == "Security"
            && attribute(*child, "Uri").is_some_and(|own| own.eq_ignore_ascii_case(uri))
    };
    let exact = resource.children().find(is_it).is_some_and(is_exact);
    let entry = |writer: &mut Writer| {
        let exact = if exact { "true" } else { "false" };
        writer.start("Security").attribute("Uri", uri).attribute("Sddl", sddl);
        writer.attribute("ExactMatch", exact).end_empty();
    };
    let place = resource.children().position(|child| is_it(&child));
    if place.is_none() {
        entry(writer);
    }
    for (at, child) in resource.children().enumerate() {
        if Some(at) == place { entry(writer) } else { copy(writer, child) }
    }
    writer.end();
}

fn copy(writer: &mut Writer, element: Element<'_>) {
    writer.start(element.name());
    own_attributes(writer, element);
    element.children().for_each(|child| copy(writer, child));
    writer.end();
}

/// Those that are the plug-in's own, without `xml:lang` and the like.
fn own_attributes(writer: &mut Writer, element: Element<'_>) {
    for attribute in element.attributes().filter(|attribute| attribute.namespace().is_empty()) {
        writer.attribute(attribute.name(), &attribute.value());
    }
}

fn resources<'a>(plugin: Element<'a>) -> impl Iterator<Item = Element<'a>> {
    let lists = plugin.children().filter(|child| child.name() == "Resources");
    lists.flat_map(|list| list.children()).filter(|child| child.name() == "Resource")
}

fn attribute(element: Element<'_>, name: &str) -> Option<String> {
    element.attribute("", name).map(|value| value.trim().to_owned())
}

fn is_exact(entry: Element<'_>) -> bool {
    attribute(entry, "ExactMatch").is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Whether a URI is `prefix`, or goes on with `/`.
fn begins(uri: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    let (Some(head), Some(rest)) = (uri.get(..prefix.len()), uri.get(prefix.len()..)) else { return false };
    head.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))
}
