//! Pools of back-end servers.

use apache::{Directive, NewDirective};

use super::Draft;
use crate::apache_server::configuration::ApacheConfiguration;
use crate::apache_server::pools::{
    find, head, is_known, missing_module, pool_of, scheme, servers, split_url, url,
};
use crate::engine::marker::{self, MarkerEdit};
use crate::error::WebServerError;
use crate::listen::{ListenAddress, ListenHost};
use crate::model::PoolMember;
use crate::value::{PoolName, UnitName};

/// Greatest weight of a server (`loadfactor`).
const MAX_WEIGHT: u16 = 100;

impl Draft<'_> {
    /// Creates a pool, or replaces the servers of a pool. Servers that remain keep their other options.
    pub(super) fn put_pool(&mut self, pool: &PoolName, members: &[PoolMember]) -> Result<(), WebServerError> {
        if members.is_empty() {
            return refused(pool, "a pool needs at least one server");
        }
        if members.iter().filter_map(|member| member.weight).any(|weight| weight.get() > MAX_WEIGHT) {
            return refused(pool, format!("the weights of Apache are 1 to {MAX_WEIGHT}"));
        }
        let configuration = self.configuration()?;
        if let Some(module) = missing_module(configuration) {
            return refused(pool, format!("the module {module} is not loaded; load it with a2enmod"));
        }
        if let Some(found) = find(configuration, pool) {
            let scheme = scheme(found.directive).unwrap_or("http").to_owned();
            return self.set_members(pool, members, &scheme);
        }
        let servers = members.iter().map(|member| NewDirective::simple(&member_words(member, "http", None)));
        let section = NewDirective::section(&["Proxy", &url(pool)], servers.collect::<Result<_, _>>()?)?;
        let name = format!("pool-{pool}");
        match self.add_section(&name, &section)? {
            true => Ok(()),
            false => Err(WebServerError::Exists { kind: "file", name }),
        }
    }

    /// Replaces the servers of an existing pool.
    pub(super) fn set_members(
        &mut self,
        pool: &PoolName,
        members: &[PoolMember],
        scheme: &str,
    ) -> Result<(), WebServerError> {
        let found = find(self.configuration()?, pool).map(|found| found.file.to_owned());
        let file = found.ok_or_else(|| WebServerError::not_found("pool", pool))?;
        self.edit(&file, |configuration, editor| {
            let Some(found) = find(configuration, pool) else { return Ok(()) };
            let old: Vec<&Directive> = servers(found.directive).collect();
            for server in &old {
                match members.iter().find(|member| is_at(server, member)) {
                    Some(member) => editor.set_words(server, &member_words(member, scheme, Some(server)))?,
                    None => editor.remove(server),
                }
            }
            for member in members.iter().filter(|member| !old.iter().any(|server| is_at(server, member))) {
                let new = NewDirective::simple(&member_words(member, scheme, None))?;
                editor.append(Some(found.directive), &new);
            }
            Ok(())
        })
    }

    /// Deletes a pool that no location uses, and its file if nothing else is in it.
    pub(super) fn delete_pool(&mut self, pool: &PoolName) -> Result<(), WebServerError> {
        let main = self.main.to_owned();
        let configuration = self.configuration()?;
        let action = format!("delete the pool {pool}");
        if let Some(module) = missing_module(configuration) {
            let reason = format!("the module {module} is not loaded; load it with a2enmod");
            return Err(WebServerError::impossible(action, reason));
        }
        let found = find(configuration, pool).ok_or_else(|| WebServerError::not_found("pool", pool))?;
        let file = found.file.to_owned();
        if !uses(configuration, pool).is_empty() {
            let reason = "a location uses it; delete the location first";
            return Err(WebServerError::impossible(action, reason));
        }
        let is_alone = file != main && configuration.document(&file)?.directives().len() == 1;
        if is_alone {
            return self.delete_with_link(&file);
        }
        self.edit(&file, |configuration, editor| {
            if let Some(found) = find(configuration, pool) {
                editor.remove(found.directive);
            }
            Ok(())
        })
    }
}

impl Draft<'_> {
    /// Sets or removes the comment with the unit of a pool.
    pub(super) fn set_pool_unit(
        &mut self,
        pool: &PoolName,
        unit: Option<&UnitName>,
    ) -> Result<(), WebServerError> {
        let found = find(self.configuration()?, pool).map(|found| found.file.to_owned());
        let file = found.ok_or_else(|| WebServerError::not_found("pool", pool))?;
        self.edit(&file, |configuration, editor| {
            let Some(found) = find(configuration, pool) else { return Ok(()) };
            let Some((text, range)) = head(configuration, found) else { return Ok(()) };
            match marker::edit(text, range, marker::UNIT, unit.map(UnitName::as_str)) {
                Some(MarkerEdit::Replace(line, new)) => editor.replace(line, new),
                Some(MarkerEdit::Insert(comment)) => {
                    editor.insert_first(found.directive, &NewDirective::comment(&comment));
                }
                None => {}
            }
            Ok(())
        })
    }
}

fn refused<T>(pool: &PoolName, reason: impl Into<String>) -> Result<T, WebServerError> {
    Err(WebServerError::impossible(format!("set the pool {pool}"), reason))
}

/// Returns the paths of the locations that use a pool.
pub(super) fn uses(configuration: &ApacheConfiguration, pool: &PoolName) -> Vec<String> {
    let mut paths = Vec::new();
    configuration.visit(&mut |_, visited, _| {
        let directive = visited.directive;
        let is_use = ["ProxyPass", "ProxyPassMatch", "SetHandler", "RewriteRule"]
            .iter()
            .any(|name| directive.is(name))
            && directive.arguments().any(|word| {
                let word = word.strip_prefix("proxy:").unwrap_or(word);
                pool_of(word).as_ref() == Some(pool)
            });
        if is_use {
            paths.push(directive.word(1).unwrap_or_default().to_owned());
        }
    });
    paths
}

fn is_at(server: &Directive, member: &PoolMember) -> bool {
    let address = server.word(1).and_then(split_url).map(|(_, address)| address);
    address.is_some_and(|address| address == with_host(&member.address))
}

/// Returns an address with a host: a port alone is that of this machine.
fn with_host(address: &ListenAddress) -> ListenAddress {
    match address {
        ListenAddress::Tcp { host: ListenHost::Any, port } => {
            ListenAddress::Tcp { host: ListenHost::V4(std::net::Ipv4Addr::LOCALHOST), port: *port }
        }
        address => address.clone(),
    }
}

/// Returns the words of a `BalancerMember`, with other options of an existing one.
fn member_words(member: &PoolMember, scheme: &str, existing: Option<&Directive>) -> Vec<String> {
    let url = match with_host(&member.address) {
        ListenAddress::Unix(path) => format!("unix:{path}|{scheme}://localhost"),
        address => format!("{scheme}://{address}"),
    };
    let mut words = vec!["BalancerMember".to_owned(), url];
    words.extend(member.weight.map(|weight| format!("loadfactor={weight}")));
    words.extend(member.backup.then(|| "status=+H".to_owned()));
    words.extend(member.down.then(|| "status=+D".to_owned()));
    let others = existing.into_iter().flat_map(|server| server.arguments().skip(1));
    words.extend(others.filter(|word| !is_known(word)).map(str::to_owned));
    words
}
