//! Pools: `<Proxy "balancer://NAME">` sections outside the sites.

use std::num::NonZeroU16;
use std::ops::Range;

use apache::{Directive, Visited};

use super::configuration::{ApacheConfiguration, position};
use crate::engine::marker;
use crate::listen::ListenAddress;
use crate::model::{Pool, PoolMember, ProxyProtocol};
use crate::value::{PoolName, UnitName};

/// Modules that pools need.
const MODULES: &[&str] =
    &["proxy_module", "proxy_balancer_module", "slotmem_shm_module", "lbmethod_byrequests_module"];

/// Protocols with their schemes and modules.
pub(super) const PROTOCOLS: &[(ProxyProtocol, &str, &str)] = &[
    (ProxyProtocol::Http, "http", "proxy_http_module"),
    (ProxyProtocol::Fastcgi, "fcgi", "proxy_fcgi_module"),
];

/// Beginning of the URL of a pool.
const BALANCER: &str = "balancer://";

/// Returns the URL of a pool.
pub(super) fn url(pool: &PoolName) -> String {
    format!("{BALANCER}{pool}")
}

/// Returns the pool to which a URL belongs.
pub(super) fn pool_of(url: &str) -> Option<PoolName> {
    let rest = url.strip_prefix(BALANCER)?;
    PoolName::parse(rest.split('/').next().unwrap_or_default()).ok()
}

/// Returns a module that pools need and that is not loaded.
pub(super) fn missing_module(configuration: &ApacheConfiguration) -> Option<&'static str> {
    MODULES.iter().copied().find(|name| !configuration.has_module(name))
}

/// Returns the protocols whose modules are loaded.
pub(super) fn protocols(configuration: &ApacheConfiguration) -> Vec<ProxyProtocol> {
    let loaded = PROTOCOLS.iter().filter(|(_, _, module)| configuration.has_module(module));
    loaded.map(|(protocol, ..)| *protocol).collect()
}

/// Returns the sections of all pools.
pub(super) fn sections(configuration: &ApacheConfiguration) -> Vec<(PoolName, Visited<'_>)> {
    let mut found = Vec::new();
    configuration.visit(&mut |parents, visited, _| {
        let directive = visited.directive;
        if parents.is_empty() && directive.is("Proxy") && directive.section().is_some() {
            found.extend(directive.word(1).and_then(pool_of).map(|pool| (pool, visited)));
        }
    });
    found
}

/// Returns the section of a pool.
pub(super) fn find<'a>(configuration: &'a ApacheConfiguration, pool: &PoolName) -> Option<Visited<'a>> {
    sections(configuration).into_iter().find(|(name, _)| name == pool).map(|(_, section)| section)
}

/// Returns the servers of a section.
pub(super) fn servers(section: &Directive) -> impl Iterator<Item = &Directive> {
    section.children().iter().filter(|child| child.is("BalancerMember"))
}

/// Returns all pools.
pub(super) fn pools(configuration: &ApacheConfiguration) -> Vec<Pool> {
    let pools = sections(configuration).into_iter().map(|(name, section)| {
        let (mut members, mut unsupported) = (Vec::new(), Vec::new());
        for server in servers(section.directive) {
            match member(server) {
                Some(member) => members.push(member),
                None => unsupported.push(server.arguments().collect::<Vec<_>>().join(" ")),
            }
        }
        let unit = head(configuration, section)
            .and_then(|(text, range)| UnitName::parse(marker::find(text, range, marker::UNIT)?.value).ok());
        Pool { name, position: position(section), members, unsupported, unit }
    });
    pools.collect()
}

/// Returns the text of the file of a section, and the range before its first directive.
pub(super) fn head<'a>(
    configuration: &'a ApacheConfiguration,
    section: Visited<'_>,
) -> Option<(&'a [u8], Range<usize>)> {
    let text = configuration.document(section.file).ok()?.text();
    Some((text, head_range(section.directive)?))
}

/// Returns the range of a section before its first directive.
pub(super) fn head_range(section: &Directive) -> Option<Range<usize>> {
    let inner = section.section()?.inner();
    let end = section.children().first().map_or(inner.end, |child| child.span().start);
    Some(inner.start..end)
}

/// Returns the scheme and the address of a URL such as `http://127.0.0.1:3000` or `unix:/run/app.sock|fcgi://app`.
pub(super) fn split_url(url: &str) -> Option<(&str, ListenAddress)> {
    if let Some((socket, url)) = url.strip_prefix("unix:").and_then(|url| url.split_once('|')) {
        let (scheme, _) = url.split_once("://")?;
        return Some((scheme, ListenAddress::parse(&format!("unix:{socket}")).ok()?));
    }
    let (scheme, rest) = url.split_once("://")?;
    let address = rest.strip_suffix('/').unwrap_or(rest);
    // A server with a path has no type.
    let address = (!address.contains('/')).then(|| ListenAddress::parse(address).ok())??;
    Some((scheme, address))
}

fn member(server: &Directive) -> Option<PoolMember> {
    let (_, address) = split_url(server.word(1)?)?;
    let mut member = PoolMember { address, weight: None, backup: false, down: false };
    for word in server.arguments().skip(1) {
        if let Some(weight) = word.strip_prefix("loadfactor=") {
            member.weight = Some(weight.parse::<NonZeroU16>().ok()?);
        }
        member.backup |= word == "status=+H";
        member.down |= word == "status=+D";
    }
    Some(member)
}

/// Returns whether the types represent an option.
pub(super) fn is_known(option: &str) -> bool {
    option.starts_with("loadfactor=") || option == "status=+H" || option == "status=+D"
}

/// Returns the scheme of the servers of a pool.
pub(super) fn scheme(section: &Directive) -> Option<&str> {
    servers(section).find_map(|server| split_url(server.word(1)?).map(|(scheme, _)| scheme))
}

/// Returns the protocol with a scheme; the scheme itself if it has no type.
pub(super) fn protocol_name(scheme: &str) -> &str {
    if scheme == "fcgi" { "fastcgi" } else { scheme }
}
