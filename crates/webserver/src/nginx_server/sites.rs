//! Sites, locations and pools of a configuration.

use std::ops::Range;

use nginx::{ClosureFile, Directive, Document, Visited};
use sha2::{Digest as _, Sha256};

use super::configuration::{NginxConfiguration, STOPPED, are_named, position};
use crate::engine::marker;
use crate::listen::ListenAddress;
use crate::model::{Listener, Location, LocationContent, Pool, PoolMember, Site, SiteState};
use crate::position::Position;
use crate::value::{HostPattern, PoolName, SiteId, UnitName};

/// A started site with its block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerBlock<'a> {
    pub(crate) http: Visited<'a>,
    pub(crate) server: Visited<'a>,
}

/// Returns the blocks of all started sites with their identifiers.
pub(crate) fn server_blocks(configuration: &NginxConfiguration) -> Vec<(SiteId, ServerBlock<'_>)> {
    let mut blocks = Vec::new();
    configuration.closure.visit(&mut |parents, visited| {
        if let [http] = parents
            && http.directive.name() == "http"
            && visited.directive.name() == "server"
            && visited.directive.block().is_some()
        {
            blocks.push(ServerBlock { http: *http, server: visited });
        }
    });
    let mut named: Vec<(SiteId, ServerBlock<'_>)> = Vec::with_capacity(blocks.len());
    let mut used = std::collections::BTreeSet::new();
    for block in blocks {
        let document = configuration.closure.file(block.server.file).map(ClosureFile::document);
        let marked =
            document.and_then(Result::ok).and_then(|document| marked(document, block.server.directive));
        let first = marked.unwrap_or_else(|| derived(block.server));
        let mut id = first.clone();
        let mut number = 2_u32;
        while !used.insert(id.clone()) {
            let Ok(next) = SiteId::parse(&format!("{:.50}-{number}", first.as_str())) else { break };
            id = next;
            number = number.saturating_add(1);
        }
        named.push((id, block));
    }
    named
}

/// Returns all sites; stopped ones at the end.
pub(crate) fn sites(configuration: &NginxConfiguration) -> Vec<Site> {
    let blocks = server_blocks(configuration);
    let mut sites: Vec<Site> =
        blocks.into_iter().map(|(id, block)| site(id, block.server, SiteState::Started)).collect();
    for (path, content) in &configuration.stopped {
        let Some(id) = stopped_id(path) else { continue };
        let Ok(document) = Document::parse(content) else { continue };
        if let Some(server) = document.directives().iter().find(|directive| directive.name() == "server") {
            sites.push(site(id, Visited { file: path, directive: server }, SiteState::Stopped));
        }
    }
    sites
}

/// Returns the identifier in the name of the file of a stopped site.
pub(crate) fn stopped_id(path: &str) -> Option<SiteId> {
    let (_, name) = path.rsplit_once('/')?;
    SiteId::parse(name.strip_prefix(STOPPED)?).ok()
}

/// Returns all pools.
pub(crate) fn pools(configuration: &NginxConfiguration) -> Vec<Pool> {
    let mut pools = Vec::new();
    configuration.closure.visit(&mut |parents, visited| {
        if visited.directive.name() == "upstream"
            && are_named(parents, &["http"])
            && let Some(name) = visited.directive.word(1).and_then(|name| PoolName::parse(name).ok())
        {
            let mut pool = Pool {
                name,
                position: position(visited),
                members: Vec::new(),
                unsupported: Vec::new(),
                unit: pool_unit(configuration, visited),
            };
            for server in visited.directive.children().iter().filter(|child| child.name() == "server") {
                match member(server) {
                    Some(member) => pool.members.push(member),
                    None => pool.unsupported.push(words(server)),
                }
            }
            pools.push(pool);
        }
    });
    pools
}

/// Returns the unit in the comment of a pool.
fn pool_unit(configuration: &NginxConfiguration, pool: Visited<'_>) -> Option<UnitName> {
    let (text, range) = head(configuration, pool)?;
    UnitName::parse(marker::find(text, range, marker::UNIT)?.value).ok()
}

/// Returns the text of the file of a block, and the range before its first directive.
pub(crate) fn head<'a>(
    configuration: &'a NginxConfiguration,
    block: Visited<'_>,
) -> Option<(&'a [u8], Range<usize>)> {
    let text = ClosureFile::document(configuration.closure.file(block.file)?).ok()?.text();
    Some((text, head_range(block.directive)?))
}

fn head_range(block: &Directive) -> Option<Range<usize>> {
    let inner = block.block()?.inner();
    let end = block.children().first().map_or(inner.end, |child| child.span().start);
    Some(inner.start..end)
}

/// Returns the identifier in the comment of a site.
fn marked(document: &Document, server: &Directive) -> Option<SiteId> {
    SiteId::parse(marker::find(document.text(), head_range(server)?, marker::SITE)?.value).ok()
}

/// Returns the identifier of a site without a marker.
fn derived(server: Visited<'_>) -> SiteId {
    let mut digest = Sha256::new();
    digest.update(server.file);
    for name in ["listen", "server_name"] {
        let child = server.directive.children().iter().find(|child| child.name() == name);
        digest.update([0]);
        digest.update(child.and_then(|child| child.word(1)).unwrap_or_default());
    }
    let hex: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    SiteId::parse(&format!("site-{hex}")).unwrap_or_else(|_| unreachable!("hexadecimal digits are allowed"))
}

fn site(id: SiteId, server: Visited<'_>, state: SiteState) -> Site {
    let children = server.directive.children();
    let mut unsupported = Vec::new();
    let mut listeners = Vec::new();
    for listen in children.iter().filter(|child| child.name() == "listen") {
        match listener(listen) {
            Some(listener) => listeners.push(listener),
            None => unsupported.push(words(listen)),
        }
    }
    if children.iter().any(|child| child.name() == "http2" && child.word(1) == Some("on")) {
        listeners.iter_mut().for_each(|listener| listener.http2 = true);
    }
    let mut names = Vec::new();
    for name in children.iter().filter(|child| child.name() == "server_name").flat_map(Directive::arguments) {
        match HostPattern::parse(name) {
            Ok(name) => names.push(name),
            Err(_) if name.is_empty() => {}
            Err(_) => unsupported.push(name.to_owned()),
        }
    }
    let root = children.iter().find(|child| child.name() == "root").and_then(|root| root.word(1));
    let locations = children.iter().filter(|child| child.name() == "location");
    Site {
        id,
        position: position(server),
        state,
        listeners,
        names,
        unsupported,
        root: root.map(str::to_owned),
        locations: locations.filter_map(|child| location(server.file, child)).collect(),
    }
}

/// Parses a `listen` directive.
pub(crate) fn listener(listen: &Directive) -> Option<Listener> {
    let address = ListenAddress::parse(listen.word(1)?).ok()?;
    let options: Vec<&str> = listen.arguments().skip(1).collect();
    Some(Listener {
        address,
        tls: options.contains(&"ssl"),
        http2: options.contains(&"http2"),
        default_site: options.contains(&"default_server") || options.contains(&"default"),
    })
}

/// Returns modifier and path of a `location` directive.
pub(crate) fn location_path(directive: &Directive) -> Option<(&str, &str)> {
    match (directive.word(1)?, directive.word(2)) {
        (modifier, Some(path)) => Some((modifier, path)),
        (word, None) => {
            let modifier = ["=", "^~", "~*", "~"].into_iter().find(|modifier| word.starts_with(modifier));
            Some(
                modifier.map_or(("", word), |modifier| {
                    (modifier, word.get(modifier.len()..).unwrap_or_default())
                }),
            )
        }
    }
}

fn location(file: &str, directive: &Directive) -> Option<Location> {
    let (modifier, path) = location_path(directive)?;
    let content = directive.children().iter().find_map(location_content);
    Some(Location {
        modifier: modifier.to_owned(),
        path: path.to_owned(),
        position: Position { file: file.to_owned(), line: directive.line() },
        content: content.unwrap_or(LocationContent::Inherited),
    })
}

fn location_content(directive: &Directive) -> Option<LocationContent> {
    let value = directive.word(1)?;
    let (protocol, target) = match directive.name() {
        "root" => return Some(LocationContent::Root { folder: value.to_owned() }),
        "alias" => return Some(LocationContent::Alias { folder: value.to_owned() }),
        "proxy_pass" | "grpc_pass" => value.split_once("://")?,
        "fastcgi_pass" => ("fastcgi", value),
        "uwsgi_pass" => ("uwsgi", value),
        "scgi_pass" => ("scgi", value),
        _ => return None,
    };
    let pool = target.split('/').next().and_then(|host| PoolName::parse(host).ok());
    Some(LocationContent::Application { protocol: protocol.to_owned(), target: target.to_owned(), pool })
}

fn member(server: &Directive) -> Option<PoolMember> {
    let mut member = PoolMember {
        address: ListenAddress::parse(server.word(1)?).ok()?,
        weight: None,
        backup: false,
        down: false,
    };
    for option in server.arguments().skip(1) {
        match option {
            "backup" => member.backup = true,
            "down" => member.down = true,
            _ => match option.split_once('=') {
                Some(("weight", weight)) => member.weight = Some(weight.parse().ok()?),
                // Other options are kept when the member is kept.
                Some(_) => {}
                None => return None,
            },
        }
    }
    Some(member)
}

/// Returns the values of all words, separated by spaces.
pub(crate) fn words(directive: &Directive) -> String {
    let words: Vec<_> = directive.words().iter().map(|word| String::from_utf8_lossy(word.value())).collect();
    words.join(" ")
}
