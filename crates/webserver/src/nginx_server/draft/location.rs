//! Virtual directories and applications.

use nginx::{Directive, NewDirective, full_path, parent};

use super::Draft;
use crate::error::WebServerError;
use crate::model::{NewLocation, ProxyProtocol};
use crate::nginx_server::sites::{location_path, pools};
use crate::value::{SiteId, UrlPath};

/// Directives that decide the source of the responses of a location.
const SOURCES: &[&str] =
    &["alias", "root", "proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass"];

impl Draft<'_> {
    /// Creates or replaces a location. An existing one keeps its other directives.
    pub(super) fn put_location(
        &mut self,
        site: &SiteId,
        path: &UrlPath,
        location: &NewLocation,
    ) -> Result<(), WebServerError> {
        if let NewLocation::Directory { .. } = location
            && path.is_root()
        {
            return Err(impossible(
                site,
                path,
                "the folder of the path / is the root of the site; set the root",
            ));
        }
        if let NewLocation::Application { pool, protocol, path: Some(_) } = location
            && !matches!(protocol, ProxyProtocol::Http | ProxyProtocol::Https)
        {
            return Err(impossible(
                site,
                path,
                &format!("only HTTP can replace the path, and the pool {pool} has another protocol"),
            ));
        }
        if let NewLocation::Application { pool, .. } = location
            && !pools(self.configuration()?).iter().any(|found| found.name == *pool)
        {
            return Err(WebServerError::NotFound { kind: "pool", name: pool.to_string() });
        }
        let folder = parent(self.main).to_owned();
        let parameters = match location {
            NewLocation::Application { protocol: ProxyProtocol::Fastcgi, .. } => {
                ["fastcgi.conf", "fastcgi_params"].into_iter().find(|name| is_file(&folder, name))
            }
            NewLocation::Application { protocol: ProxyProtocol::Uwsgi, .. } => {
                Some("uwsgi_params").filter(|name| is_file(&folder, name))
            }
            NewLocation::Application { protocol: ProxyProtocol::Scgi, .. } => {
                Some("scgi_params").filter(|name| is_file(&folder, name))
            }
            _ => None,
        };
        let source = source(location);
        self.edit_site(site, |block, editor| {
            if let Some(existing) = find(block.server.directive, path, location) {
                let old: Vec<&Directive> =
                    existing.children().iter().filter(|child| SOURCES.contains(&child.name())).collect();
                let rest = super::replace(editor, &old, vec![source.clone()]);
                for new in &rest {
                    editor.insert_first(existing, new);
                }
                return Ok(());
            }
            let mut content = Vec::new();
            content.extend(parameters.map(|name| NewDirective::simple(&["include", name])));
            content.push(source.clone());
            if let NewLocation::Application { protocol: ProxyProtocol::Http | ProxyProtocol::Https, .. } =
                location
            {
                for (name, value) in HEADERS {
                    content.push(NewDirective::simple(&["proxy_set_header", name, value]));
                }
            }
            let words = match location {
                NewLocation::Directory { .. } => {
                    vec!["location".to_owned(), "^~".to_owned(), with_slash(path.as_str())]
                }
                NewLocation::Application { .. } => vec!["location".to_owned(), path.to_string()],
            };
            editor.append(Some(block.server.directive), &NewDirective::with_block(&words, content));
            Ok(())
        })
    }

    /// Deletes a location.
    pub(super) fn delete_location(&mut self, site: &SiteId, path: &UrlPath) -> Result<(), WebServerError> {
        self.edit_site(site, |block, editor| {
            let found = block.server.directive.children().iter().find(|child| is_at(child, path));
            let not_found =
                || WebServerError::NotFound { kind: "location", name: format!("{path} of the site {site}") };
            editor.remove(found.ok_or_else(not_found)?);
            Ok(())
        })
    }
}

fn impossible(site: &SiteId, path: &UrlPath, reason: &str) -> WebServerError {
    let action = format!("set the location {path} of the site {site}");
    WebServerError::Impossible { action, reason: reason.to_owned() }
}

fn is_file(folder: &str, name: &str) -> bool {
    std::path::Path::new(&full_path(folder, name)).is_file()
}

/// Headers with the facts about the client that an application needs.
const HEADERS: [(&str, &str); 4] = [
    ("Host", "$http_host"),
    ("X-Real-IP", "$remote_addr"),
    ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
    ("X-Forwarded-Proto", "$scheme"),
];

fn source(location: &NewLocation) -> NewDirective {
    match location {
        NewLocation::Directory { folder } => NewDirective::simple(&["alias", &with_slash(folder.as_str())]),
        NewLocation::Application { protocol, pool, path } => {
            let path = path.as_ref().map_or("", UrlPath::as_str);
            let (name, target) = match protocol {
                ProxyProtocol::Http => ("proxy_pass", format!("http://{pool}{path}")),
                ProxyProtocol::Https => ("proxy_pass", format!("https://{pool}{path}")),
                ProxyProtocol::Grpc => ("grpc_pass", format!("grpc://{pool}")),
                ProxyProtocol::Fastcgi => ("fastcgi_pass", pool.to_string()),
                ProxyProtocol::Uwsgi => ("uwsgi_pass", pool.to_string()),
                ProxyProtocol::Scgi => ("scgi_pass", pool.to_string()),
            };
            NewDirective::simple(&[name, &target])
        }
    }
}

fn find<'a>(server: &'a Directive, path: &UrlPath, location: &NewLocation) -> Option<&'a Directive> {
    let with_slash = UrlPath::parse(&with_slash(path.as_str())).ok();
    let wanted = match location {
        NewLocation::Directory { .. } => with_slash.as_ref().unwrap_or(path),
        NewLocation::Application { .. } => path,
    };
    server.children().iter().find(|child| is_at(child, wanted))
}

fn is_at(child: &Directive, path: &UrlPath) -> bool {
    let found = (child.name() == "location").then(|| location_path(child)).flatten();
    found.is_some_and(|(modifier, found)| !modifier.starts_with('~') && found == path.as_str())
}

/// Returns a path that ends with a slash. With and without it, `alias` would join path and folder differently.
fn with_slash(path: &str) -> String {
    if path.ends_with('/') { path.to_owned() } else { format!("{path}/") }
}
