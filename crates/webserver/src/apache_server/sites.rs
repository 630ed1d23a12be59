//! Sites and their locations.

use std::collections::{BTreeMap, BTreeSet};

use apache::{Directive, Document, Visited};
use sha2::{Digest as _, Sha256};

use super::configuration::{ApacheConfiguration, position};
use super::pools;
use crate::engine::marker;
use crate::listen::ListenAddress;
use crate::model::{Listener, Location, LocationContent, Site, SiteState};
use crate::position::Position;
use crate::value::{HostPattern, PoolName, SiteId};

/// Identifiers that are in use.
#[derive(Default)]
struct Identifiers(BTreeSet<SiteId>);

impl Identifiers {
    /// Returns the marked or derived identifier of a section, with a number if it is in use.
    fn of(&mut self, document: Option<&Document>, host: Visited<'_>) -> SiteId {
        let marked = document.and_then(|document| marked(document, host.directive));
        let first = marked.unwrap_or_else(|| derived(host));
        let mut id = first.clone();
        let mut number = 2_u32;
        while !self.0.insert(id.clone()) {
            let Ok(next) = SiteId::parse(&format!("{:.50}-{number}", first.as_str())) else { break };
            id = next;
            number = number.saturating_add(1);
        }
        id
    }
}

/// Returns the sections of all started sites with their identifiers.
pub(super) fn host_blocks(configuration: &ApacheConfiguration) -> Vec<(SiteId, Visited<'_>)> {
    named_blocks(configuration, &mut Identifiers::default())
}

fn named_blocks<'a>(
    configuration: &'a ApacheConfiguration,
    identifiers: &mut Identifiers,
) -> Vec<(SiteId, Visited<'a>)> {
    let mut blocks = Vec::new();
    configuration.visit(&mut |parents, visited, _| {
        if parents.is_empty() && is_host(visited.directive) {
            blocks.push(visited);
        }
    });
    let named = blocks.into_iter().map(|host| {
        let document = configuration.document(host.file).ok();
        (identifiers.of(document, host), host)
    });
    named.collect()
}

fn is_host(directive: &Directive) -> bool {
    directive.is("VirtualHost") && directive.section().is_some()
}

/// A stopped site.
pub(super) struct StoppedSite {
    pub(super) id: SiteId,
    /// Path of its file.
    pub(super) file: String,
    site: Site,
}

/// Returns the stopped sites.
pub(super) fn stopped_sites(configuration: &ApacheConfiguration) -> Vec<StoppedSite> {
    let mut identifiers = Identifiers::default();
    let _ = named_blocks(configuration, &mut identifiers);
    stopped(configuration, &mut identifiers, &schemes(configuration))
}

fn stopped(
    configuration: &ApacheConfiguration,
    identifiers: &mut Identifiers,
    schemes: &Schemes,
) -> Vec<StoppedSite> {
    let mut sites = Vec::new();
    for (path, content) in &configuration.stopped {
        let Ok(document) = Document::parse(content) else { continue };
        let mut waiting: Vec<&Directive> = document.directives().iter().rev().collect();
        while let Some(directive) = waiting.pop() {
            if is_host(directive) {
                let host = Visited { file: path, directive };
                let id = identifiers.of(Some(&document), host);
                let site = site(id.clone(), host, SiteState::Stopped, schemes);
                sites.push(StoppedSite { id, file: path.clone(), site });
            } else {
                // Sections of conditions, such as <IfModule>.
                waiting.extend(directive.children().iter().rev());
            }
        }
    }
    sites
}

/// Returns all sites; stopped ones at the end.
pub(super) fn sites(configuration: &ApacheConfiguration) -> Vec<Site> {
    let mut identifiers = Identifiers::default();
    let blocks = named_blocks(configuration, &mut identifiers);
    let schemes = schemes(configuration);
    let mut sites: Vec<Site> =
        blocks.into_iter().map(|(id, host)| site(id, host, SiteState::Started, &schemes)).collect();
    // The first site of an address answers requests for unknown names.
    let mut seen: Vec<ListenAddress> = Vec::new();
    for listener in sites.iter_mut().flat_map(|site| &mut site.listeners) {
        listener.default_site = !seen.contains(&listener.address);
        seen.push(listener.address.clone());
    }
    sites.extend(stopped(configuration, &mut identifiers, &schemes).into_iter().map(|stopped| stopped.site));
    sites
}

/// Returns the identifier in the comment of a site.
fn marked(document: &Document, host: &Directive) -> Option<SiteId> {
    SiteId::parse(marker::find(document.text(), pools::head_range(host)?, marker::SITE)?.value).ok()
}

/// Returns the identifier of a site without a marker. The folder does not count, so that it stays when the site is stopped.
fn derived(host: Visited<'_>) -> SiteId {
    let mut digest = Sha256::new();
    digest.update(host.file.rsplit('/').next().unwrap_or_default());
    let name = host.directive.children().iter().find(|child| child.is("ServerName"));
    for text in [host.directive.word(1), name.and_then(|name| name.word(1))] {
        digest.update([0]);
        digest.update(text.unwrap_or_default());
    }
    let hex: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    SiteId::parse(&format!("site-{hex}")).unwrap_or_else(|_| unreachable!("hexadecimal digits are allowed"))
}

/// Returns the first argument of the last directive with a name.
pub(super) fn last<'a>(children: &'a [Directive], name: &str) -> Option<&'a str> {
    children.iter().rfind(|child| child.is(name)).and_then(|child| child.word(1))
}

fn site(id: SiteId, host: Visited<'_>, state: SiteState, schemes: &Schemes) -> Site {
    let children = host.directive.children();
    let tls = last(children, "SSLEngine").is_some_and(|engine| engine.eq_ignore_ascii_case("on"));
    let http2 = children
        .iter()
        .rfind(|child| child.is("Protocols"))
        .is_some_and(|protocols| protocols.arguments().any(|name| name == "h2" || name == "h2c"));
    let mut unsupported = Vec::new();
    let mut listeners = Vec::new();
    for word in host.directive.arguments() {
        match address(word) {
            Some(address) => listeners.push(Listener { address, tls, http2, default_site: false }),
            None => unsupported.push(word.to_owned()),
        }
    }
    let mut names = Vec::new();
    for word in host_names(children) {
        match HostPattern::parse(word) {
            Ok(name) => names.push(name),
            Err(_) => unsupported.push(word.to_owned()),
        }
    }
    Site {
        id,
        position: position(host),
        state,
        listeners,
        names,
        unsupported,
        root: last(children, "DocumentRoot").map(str::to_owned),
        locations: locations(host, schemes),
    }
}

/// Returns the names of a site: that of `ServerName` without its protocol and port, and those of `ServerAlias`.
fn host_names(children: &[Directive]) -> Vec<&str> {
    let name = last(children, "ServerName").map(|name| {
        let name = name.split_once("://").map_or(name, |(_, name)| name);
        name.split_once(':').map_or(name, |(name, _)| name)
    });
    let aliases = children.iter().filter(|child| child.is("ServerAlias")).flat_map(Directive::arguments);
    name.into_iter().chain(aliases).collect()
}

/// Parses an address of `<VirtualHost>`. One without a port stands for all ports, and has no type.
pub(super) fn address(word: &str) -> Option<ListenAddress> {
    let word = word.replace("_default_", "*");
    let (_, port) = word.rsplit_once(':')?;
    let has_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    ListenAddress::parse(&word).ok().filter(|_| has_port)
}

/// Schemes of the servers of the pools.
type Schemes = BTreeMap<PoolName, String>;

fn schemes(configuration: &ApacheConfiguration) -> Schemes {
    let mut schemes = Schemes::new();
    let mut seen = BTreeSet::new();
    for (name, section) in pools::sections(configuration) {
        // The first section of a name counts.
        if seen.insert(name.clone())
            && let Some(scheme) = pools::scheme(section.directive)
        {
            schemes.insert(name, scheme.to_owned());
        }
    }
    schemes
}

fn application(url: &str, schemes: &Schemes) -> LocationContent {
    let (scheme, target) = url.split_once("://").unwrap_or(("", url));
    let pool = pools::pool_of(url);
    let scheme = pool.as_ref().and_then(|pool| schemes.get(pool)).map_or(scheme, String::as_str);
    let protocol = pools::protocol_name(scheme).to_owned();
    LocationContent::Application { protocol, target: target.to_owned(), pool }
}

fn locations(host: Visited<'_>, schemes: &Schemes) -> Vec<Location> {
    let mut locations: Vec<Location> = Vec::new();
    for child in host.directive.children() {
        let (path, content) = match (child.words().len(), child.word(1), child.word(2)) {
            (3, Some(path), Some(folder)) if child.is("Alias") => {
                (path, LocationContent::Alias { folder: folder.to_owned() })
            }
            (3.., Some(path), Some(url)) if child.is("ProxyPass") && url.contains("://") => {
                (path, application(url, schemes))
            }
            (2, Some(path), _) if child.is("Location") => (path, LocationContent::Inherited),
            _ => continue,
        };
        // The section for the whole site contains features of the site.
        if path == "/" && content == LocationContent::Inherited {
            continue;
        }
        match locations.iter_mut().find(|known| known.path == path) {
            Some(known) if known.content == LocationContent::Inherited => known.content = content,
            Some(_) => {}
            None => locations.push(Location {
                modifier: String::new(),
                path: path.to_owned(),
                position: Position { file: host.file.to_owned(), line: child.line() },
                content,
            }),
        }
    }
    locations
}
