//! Sites of the documents as sites of the model, and bindings in the form of IIS.

use std::collections::BTreeSet;

use super::configuration::IisConfiguration;
use super::document::{SiteBinding, SiteDocument, position_of, site_file};
use crate::engine::Configuration as _;
use crate::error::WebServerError;
use crate::listen::{ListenAddress, ListenHost};
use crate::model::{Listener, Location, LocationContent, Site};
use crate::value::{FilePath, HostPattern, SiteId};

/// Returns all sites.
pub(super) fn all(configuration: &IisConfiguration) -> Vec<Site> {
    let texts = configuration.contents();
    let sites = configuration.documents.identified().into_iter();
    sites
        .map(|(id, name, document)| {
            let text = texts.get(site_file(name).as_str()).copied().unwrap_or_default();
            site(id, name, document, text)
        })
        .collect()
}

/// Returns a site.
fn site(id: SiteId, name: &str, document: &SiteDocument, text: &[u8]) -> Site {
    let file = site_file(name);
    let BindingSets { listeners, names, unsupported } = sets(&document.bindings);
    let root = document.applications.get("/").and_then(|root| root.directories.get("/"));
    let locations = document.applications.iter().flat_map(|(application, found)| {
        found.directories.iter().map(move |(path, folder)| (joined(application, path), folder))
    });
    let locations = locations.filter(|(path, _)| path != "/").map(|(path, folder)| Location {
        modifier: String::new(),
        position: position_of(&file, text, Some("applications")),
        path,
        content: LocationContent::Alias { folder: folder.clone() },
    });
    Site {
        id,
        position: position_of(&file, text, None),
        state: document.state,
        listeners,
        names,
        unsupported,
        root: root.cloned(),
        locations: locations.collect(),
    }
}

/// Returns the path of a virtual directory in its site.
pub(super) fn joined(application: &str, directory: &str) -> String {
    match (application, directory) {
        ("/", directory) => directory.to_owned(),
        (application, "/") => application.to_owned(),
        (application, directory) => format!("{application}{directory}"),
    }
}

/// Returns a folder of Windows. Paths of this crate begin with `/`, so that `/C:/inetpub/shop` is `C:\inetpub\shop`.
///
/// # Errors
/// If the path does not begin with a drive or an environment variable.
pub(super) fn windows_folder(path: &FilePath) -> Result<String, WebServerError> {
    let text = path.as_str().trim_start_matches('/');
    let first = text.split('/').next().unwrap_or_default();
    let is_drive = matches!(first.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic());
    let variable = first.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
    let is_variable = variable.is_some_and(|name| !name.is_empty() && !name.contains('%'));
    if !(is_drive || is_variable) || text.contains(['"', '<', '>', '|', '?', '*', '\\']) {
        let reason = "write a folder of the machine as /C:/inetpub/NAME or /%SystemDrive%/inetpub/NAME";
        return Err(WebServerError::impossible(format!("use the folder {path}"), reason));
    }
    let folder = text.trim_end_matches('/').replace('/', "\\");
    Ok(if folder.len() == 2 { folder + "\\" } else { folder })
}

/// Returns the bindings for addresses and names.
pub(super) fn bindings(
    listeners: &[Listener],
    names: &[HostPattern],
) -> Result<Vec<SiteBinding>, WebServerError> {
    let mut bindings = Vec::new();
    for listener in listeners {
        let address = address_text(listener)?;
        let protocol = if listener.tls { "https" } else { "http" };
        let hosts = names.iter().map(host_text).collect::<Result<Vec<_>, _>>()?;
        for host in if hosts.is_empty() { vec![""] } else { hosts } {
            let binding =
                SiteBinding { protocol: protocol.to_owned(), information: format!("{address}:{host}") };
            if !bindings.contains(&binding) {
                bindings.push(binding);
            }
        }
    }
    Ok(bindings)
}

/// Bindings as addresses and names.
struct BindingSets {
    listeners: Vec<Listener>,
    names: Vec<HostPattern>,
    /// All bindings as text, if not each address has each name, and bindings of other protocols.
    unsupported: Vec<String>,
}

fn sets(bindings: &[SiteBinding]) -> BindingSets {
    let (mut listeners, mut names, mut unsupported) = (Vec::new(), Vec::new(), Vec::new());
    let mut pairs = BTreeSet::new();
    let mut has_any_host = false;
    for binding in bindings {
        let Some((listener, host)) = parsed(binding) else {
            unsupported.push(binding.to_string());
            continue;
        };
        pairs.insert((listener.address.to_string(), listener.tls, host.clone()));
        has_any_host |= host.is_none();
        if !listeners.contains(&listener) {
            listeners.push(listener);
        }
        if let Some(host) = host.filter(|host| !names.contains(host)) {
            names.push(host);
        }
    }
    let count = listeners.len().saturating_mul(names.len().max(1));
    if pairs.len() != count || (has_any_host && !names.is_empty()) {
        unsupported
            .extend(bindings.iter().filter(|binding| parsed(binding).is_some()).map(ToString::to_string));
    }
    BindingSets { listeners, names, unsupported }
}

/// Parses `ADDRESS:PORT:NAME` of HTTP and HTTPS.
fn parsed(binding: &SiteBinding) -> Option<(Listener, Option<HostPattern>)> {
    if !binding.is_web() {
        return None;
    }
    let (address, host) = binding.information.rsplit_once(':')?;
    let (host_part, port) = address.rsplit_once(':')?;
    // An empty address means all addresses, as an asterisk does.
    let host_part = if host_part.is_empty() { "*" } else { host_part };
    let address = ListenAddress::parse(&format!("{host_part}:{port}")).ok()?;
    let host = if host.is_empty() { None } else { Some(HostPattern::parse(host).ok()?) };
    let listener = Listener { address, tls: binding.protocol == "https", http2: false, default_site: false };
    Some((listener, host))
}

fn address_text(listener: &Listener) -> Result<String, WebServerError> {
    let refused =
        |reason: &str| WebServerError::impossible(format!("listen on {}", listener.address), reason);
    if listener.default_site {
        return Err(refused("IIS has no default sites; use a site without host names"));
    }
    if listener.http2 {
        return Err(refused("IIS offers HTTP/2 on all addresses with TLS; omit http2"));
    }
    match &listener.address {
        ListenAddress::Tcp { host: ListenHost::Any, port } => Ok(format!("*:{port}")),
        ListenAddress::Tcp { host: ListenHost::V4(_) | ListenHost::V6(_), .. } => {
            Ok(listener.address.to_string())
        }
        ListenAddress::Tcp { host: ListenHost::Name(_), .. } => {
            Err(refused("IIS needs an address; write it, or *"))
        }
        ListenAddress::Unix(_) => Err(refused("Windows has no such sockets for IIS; use a port")),
    }
}

fn host_text(name: &HostPattern) -> Result<&str, WebServerError> {
    let text = name.as_str();
    if name.is_exact() || text.starts_with("*.") {
        return Ok(text);
    }
    let reason = "IIS accepts a host name, or *. and a host name";
    Err(WebServerError::impossible(format!("use the host name {text:?}"), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(text: &str) -> SiteBinding {
        SiteBinding::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn bindings_are_read_as_they_are_written() {
        let written = [
            "http *:80:a.example",
            "http *:80:*.b.example",
            "https [::1]:443:a.example",
            "https [::1]:443:*.b.example",
        ];
        let bindings_: Vec<SiteBinding> = written.iter().map(|text| binding(text)).collect();
        let sets = sets(&bindings_);
        assert!(sets.unsupported.is_empty(), "{:?}", sets.unsupported);
        assert_eq!(bindings(&sets.listeners, &sets.names).unwrap(), bindings_);
    }

    #[test]
    fn bindings_without_a_common_form_are_also_shown_as_text() {
        let sets = sets(&["http *:80:", "http 10.0.0.1:8080:a.example", "net.tcp 808:*"].map(binding));
        assert_eq!(sets.listeners.len(), 2);
        assert_eq!(sets.unsupported, ["net.tcp 808:*", "http *:80:", "http 10.0.0.1:8080:a.example"]);
        let hostile = ["http", "http :", "http *:99999:", "http *:80:a b", "http ::::"];
        assert!(hostile[1..].iter().all(|text| parsed(&binding(text)).is_none()));
        assert!(SiteBinding::try_from(hostile[0].to_owned()).is_err());
    }

    #[test]
    fn folders_are_those_of_windows() {
        let folder =
            |text: &str| windows_folder(&FilePath::parse(text).unwrap()).map_err(|error| error.to_string());
        assert_eq!(folder("/C:/inetpub/my shop/").unwrap(), r"C:\inetpub\my shop");
        assert_eq!(folder("/D:/").unwrap(), r"D:\");
        assert_eq!(folder("/%SystemDrive%/inetpub").unwrap(), r"%SystemDrive%\inetpub");
        for text in ["/srv/www", "/C:/a\\..\\b", "/C:/a|b", "/%%/a", "/"] {
            assert!(folder(text).unwrap_err().contains("/C:/inetpub"), "{text}");
        }
    }
}
