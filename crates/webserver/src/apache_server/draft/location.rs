//! Virtual directories and applications.

use apache::{Directive, Editor, NewDirective};

use super::pool::uses;
use super::site::{grant, is_grant, require_no_pattern};
use super::{Draft, host_block, words};
use crate::apache_server::pools::{self, PROTOCOLS};
use crate::apache_server::sites::last;
use crate::error::WebServerError;
use crate::model::{NewLocation, Pool, ProxyProtocol};
use crate::value::{PoolName, SiteId, UrlPath};

impl Draft<'_> {
    /// Creates or replaces a virtual directory.
    pub(super) fn put_location(
        &mut self,
        site: &SiteId,
        path: &UrlPath,
        location: &NewLocation,
    ) -> Result<(), WebServerError> {
        let action = format!("set the location {path} of the site {site}");
        let folder = match location {
            NewLocation::Directory { folder } => folder,
            NewLocation::Application { protocol, pool, path: new } => {
                return self.put_application(
                    site,
                    path,
                    &NewApplication { protocol: *protocol, pool, new: new.as_ref() },
                );
            }
        };
        if path.is_root() {
            let reason = "the folder of the path / is the root of the site; set the root";
            return Err(WebServerError::impossible(action, reason));
        }
        require_no_pattern(path.as_str())?;
        // With a slash at only one of both, Apache would join path and folder wrongly.
        let folder = folder.as_str().trim_end_matches('/');
        let folder = if path.as_str().ends_with('/') { format!("{folder}/") } else { folder.to_owned() };
        let alias = words(&["Alias", path.as_str(), &folder]);
        let grant = grant(&folder)?;
        self.edit_site(site, |host, editor| {
            let existing = host.children().iter().find(|child| is_alias(child, path));
            for proxy in host.children().iter().filter(|child| is_proxy(child, path)) {
                editor.remove(proxy);
            }
            match existing {
                Some(existing) => {
                    remove_grant(editor, host, existing);
                    editor.set_words(existing, &alias)?;
                }
                None => editor.append(Some(host), &NewDirective::simple(&alias)?),
            }
            editor.append(Some(host), &grant);
            Ok(())
        })
    }

    /// Deletes a virtual directory with the sections of its features.
    pub(super) fn delete_location(&mut self, site: &SiteId, path: &UrlPath) -> Result<(), WebServerError> {
        self.edit_site(site, |host, editor| {
            let mut is_found = false;
            for child in host.children() {
                if is_alias(child, path) {
                    remove_grant(editor, host, child);
                } else if !is_proxy(child, path) && !is_section(child, path) {
                    continue;
                }
                editor.remove(child);
                is_found = true;
            }
            if is_found {
                return Ok(());
            }
            Err(WebServerError::NotFound { kind: "location", name: format!("{path} of the site {site}") })
        })
    }
}

/// An application behind Apache.
struct NewApplication<'a> {
    protocol: ProxyProtocol,
    pool: &'a PoolName,
    /// Path that replaces the one of the location.
    new: Option<&'a UrlPath>,
}

impl Draft<'_> {
    /// Creates or replaces an application. The servers of its pool get the protocol.
    fn put_application(
        &mut self,
        site: &SiteId,
        path: &UrlPath,
        application: &NewApplication<'_>,
    ) -> Result<(), WebServerError> {
        let action = format!("set the location {path} of the site {site}");
        let NewApplication { protocol, pool, new } = application;
        let configuration = self.configuration()?;
        let known =
            PROTOCOLS.iter().find(|(known, _, module)| known == protocol && configuration.has_module(module));
        let Some((_, scheme, _)) = known else {
            let reason =
                "Telarch writes HTTP and FastCGI for Apache, with proxy_http_module and proxy_fcgi_module";
            return Err(WebServerError::impossible(action, reason));
        };
        if *protocol == ProxyProtocol::Fastcgi && new.is_some() {
            return Err(WebServerError::impossible(action, "only HTTP can replace the path"));
        }
        let section =
            pools::find(configuration, pool).ok_or_else(|| WebServerError::not_found("pool", pool))?;
        if pools::scheme(section.directive).is_some_and(|used| used != *scheme) {
            let host = host_block(configuration, site)?.directive;
            let own = host.children().iter().filter(|child| is_pool_use(child, path, pool)).count();
            if uses(configuration, pool).len() > own {
                let reason =
                    format!("other locations use the pool {pool} with another protocol; create another pool");
                return Err(WebServerError::impossible(action, reason));
            }
            let found = pools::pools(configuration).into_iter().find(|found| found.name == **pool);
            let Pool { members, unsupported, .. } =
                found.ok_or_else(|| WebServerError::not_found("pool", pool))?;
            if let Some(server) = unsupported.first() {
                let reason = format!(
                    "the server {server} of the pool {pool} cannot get the protocol; edit it as text, or create another pool"
                );
                return Err(WebServerError::impossible(action, reason));
            }
            self.set_members(pool, &members, scheme)?;
        }
        require_no_pattern(path.as_str())?;
        let url = pools::url(pool);
        self.edit_site(site, |host, editor| {
            // A script has a path in the file system.
            let root = last(host.children(), "DocumentRoot").unwrap_or_default().trim_end_matches('/');
            let base = if *protocol == ProxyProtocol::Fastcgi { root } else { "" };
            let target = new.unwrap_or(path).as_str().trim_end_matches('/');
            // With a slash at only one of both, Apache would join the paths wrongly.
            let slash = if path.as_str().ends_with('/') { "/" } else { "" };
            let target = format!("{url}{base}{target}{slash}");
            let old: Vec<&Directive> = host.children().iter().filter(|child| is_proxy(child, path)).collect();
            if let Some(alias) = host.children().iter().find(|child| is_alias(child, path)) {
                remove_grant(editor, host, alias);
                editor.remove(alias);
            }
            // The first one that matches decides.
            let wider = host.children().iter().find(|child| is_wider(child, path)).filter(|_| old.is_empty());
            for name in ["ProxyPass", "ProxyPassReverse"] {
                let words = words(&[name, path.as_str(), &target]);
                match (old.iter().find(|child| child.is(name)), wider) {
                    (Some(child), _) => editor.set_words(child, &words)?,
                    (None, Some(wider)) => editor.insert_before(wider, &NewDirective::simple(&words)?),
                    (None, None) => editor.append(Some(host), &NewDirective::simple(&words)?),
                }
            }
            Ok(())
        })
    }
}

fn is_wider(directive: &Directive, path: &UrlPath) -> bool {
    directive.is("ProxyPass") && directive.word(1).is_some_and(|known| path.as_str().starts_with(known))
}

/// Returns whether a directive passes requests for a path to a pool.
fn is_pool_use(directive: &Directive, path: &UrlPath, pool: &PoolName) -> bool {
    directive.is("ProxyPass")
        && directive.word(1) == Some(path.as_str())
        && directive.word(2).and_then(pools::pool_of).as_ref() == Some(pool)
}

fn is_proxy(directive: &Directive, path: &UrlPath) -> bool {
    (directive.is("ProxyPass") || directive.is("ProxyPassReverse"))
        && directive.word(1) == Some(path.as_str())
}

/// Removes the section that grants access to the folder of an alias, unless another alias needs it.
fn remove_grant(editor: &mut Editor<'_>, host: &Directive, alias: &Directive) {
    let Some(folder) = alias.word(2) else { return };
    let uses = host.children().iter().filter(|child| child.is("Alias") && child.word(2) == Some(folder));
    if uses.count() > 1 {
        return;
    }
    if let Some(section) = host.children().iter().find(|child| is_grant(child, folder)) {
        editor.remove(section);
    }
}

fn is_alias(directive: &Directive, path: &UrlPath) -> bool {
    directive.is("Alias") && directive.words().len() == 3 && directive.word(1) == Some(path.as_str())
}

fn is_section(directive: &Directive, path: &UrlPath) -> bool {
    directive.is("Location") && directive.words().len() == 2 && directive.word(1) == Some(path.as_str())
}
