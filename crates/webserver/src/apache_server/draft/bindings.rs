//! Addresses and names of sites.

use apache::NewDirective;

use super::{Draft, host_block, set_single, words};
use crate::apache_server::listens::{Listen, covers, listens};
use crate::apache_server::sites::{address, sites};
use crate::error::WebServerError;
use crate::listen::{ListenAddress, ListenHost};
use crate::model::{Listener, SiteState};
use crate::value::{HostPattern, SiteId};

impl Draft<'_> {
    /// Replaces addresses and names of a site.
    pub(super) fn set_bindings(
        &mut self,
        site: &SiteId,
        listeners: &[Listener],
        names: &[HostPattern],
    ) -> Result<(), WebServerError> {
        require_bindings(listeners, names)?;
        self.mark(site)?;
        let before = self.used_addresses()?;
        self.edit_site(site, |host, editor| {
            let old: Vec<&str> = host.arguments().collect();
            let mut tag = words(&["VirtualHost"]);
            for listener in listeners {
                // An address keeps its form.
                let known = old.iter().find(|word| address(word).as_ref() == Some(&listener.address));
                tag.push(known.map_or_else(|| host_word(&listener.address), |word| (*word).to_owned()));
            }
            editor.set_words(host, &tag)?;
            let (name, aliases) = name_words(names);
            set_single(editor, host, name.as_deref(), "ServerName", None)?;
            set_single(editor, host, aliases.as_deref(), "ServerAlias", Some("ServerName"))?;
            let uses_tls = listeners.iter().any(|listener| listener.tls);
            let engine = uses_tls.then(|| words(&["SSLEngine", "on"]));
            set_single(editor, host, engine.as_deref(), "SSLEngine", None)?;
            let has_protocols = host.children().iter().any(|child| child.is("Protocols"));
            if has_protocols || listeners.iter().any(|listener| listener.http2) {
                set_single(editor, host, protocols(listeners).as_deref(), "Protocols", None)?;
            }
            Ok(())
        })?;
        self.update_listens(&before)?;
        self.require_default_sites(site, listeners)
    }

    /// Returns the addresses of all started sites; `None` if one listens on all ports.
    pub(super) fn used_addresses(&mut self) -> Result<Option<Vec<ListenAddress>>, WebServerError> {
        let sites = sites(self.configuration()?).into_iter().filter(|site| site.state == SiteState::Started);
        let mut addresses = Vec::new();
        for site in sites {
            // Text without a type may stand for any port.
            if site.unsupported.iter().any(|text| !text.contains(':') || text.ends_with(":*")) {
                return Ok(None);
            }
            addresses.extend(site.listeners.into_iter().map(|listener| listener.address));
        }
        Ok(Some(addresses))
    }

    /// Adds and removes `Listen` directives after the addresses of the sites have changed.
    pub(super) fn update_listens(
        &mut self,
        before: &Option<Vec<ListenAddress>>,
    ) -> Result<(), WebServerError> {
        let (Some(before), Some(after)) = (before.as_ref(), self.used_addresses()?) else { return Ok(()) };
        for new in &after {
            if !listens(self.configuration()?).iter().any(|listen| covers(&listen.address, new)) {
                self.add_listen(new)?;
            }
        }
        let unused: Vec<&ListenAddress> = before.iter().filter(|address| !after.contains(address)).collect();
        loop {
            let all = listens(self.configuration()?);
            let found = all.iter().find(|listen| {
                unused.iter().any(|address| covers(&listen.address, address))
                    && !after.iter().any(|address| covers(&listen.address, address))
            });
            let Some(found) = found else { return Ok(()) };
            if all.len() == 1 {
                let address = found.address.clone();
                self.files.warn(format!(
                    "Apache still listens on {address}, because it needs at least one address"
                ));
                return Ok(());
            }
            let (file, start) = place(found);
            self.edit(&file, |configuration, editor| {
                let listens = listens(configuration);
                if let Some(listen) = listens.iter().find(|listen| place(listen) == (file.clone(), start)) {
                    editor.remove(listen.visited.directive);
                }
                Ok(())
            })?;
        }
    }

    /// Adds a `Listen` directive behind the first one. It replaces those of single addresses with the same port if it
    /// covers them, because both together cannot be bound.
    fn add_listen(&mut self, address: &ListenAddress) -> Result<(), WebServerError> {
        let new = NewDirective::simple(&["Listen", &address.to_string()])?;
        let main = self.main.to_owned();
        let file =
            listens(self.configuration()?).first().map_or(main, |listen| listen.visited.file.to_owned());
        self.edit(&file, |configuration, editor| {
            let listens = listens(configuration);
            match listens.first().filter(|listen| listen.visited.file == file) {
                Some(listen) => editor.insert_after(listen.visited.directive, &new),
                None => editor.append(None, &new),
            }
            for listen in listens.iter().filter(|listen| listen.visited.file == file) {
                if covers(address, &listen.address) {
                    editor.remove(listen.visited.directive);
                }
            }
            Ok(())
        })
    }

    /// Checks that the site is the first one of each address for which this was requested.
    pub(super) fn require_default_sites(
        &mut self,
        site: &SiteId,
        listeners: &[Listener],
    ) -> Result<(), WebServerError> {
        let all = sites(self.configuration()?);
        let found = all.iter().find(|found| found.id == *site);
        let wrong = listeners.iter().find(|listener| {
            let actual =
                found.and_then(|site| site.listeners.iter().find(|at| at.address == listener.address));
            listener.default_site && !actual.is_some_and(|actual| actual.default_site)
        });
        let Some(wrong) = wrong else { return Ok(()) };
        Err(WebServerError::Impossible {
            action: format!("make {site} the default site of {}", wrong.address),
            reason: "Apache uses the first site of the address, in the order of the file names".to_owned(),
        })
    }

    /// Returns the addresses of a site.
    pub(super) fn require_started(&mut self, site: &SiteId) -> Result<(), WebServerError> {
        host_block(self.configuration()?, site).map(drop)
    }
}

fn place(listen: &Listen<'_>) -> (String, usize) {
    (listen.visited.file.to_owned(), listen.visited.directive.span().start)
}

/// Returns an address in the form of `<VirtualHost>`.
pub(super) fn host_word(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp { host: ListenHost::Any, port } => format!("*:{port}"),
        other => other.to_string(),
    }
}

/// Returns the words of `ServerName` and `ServerAlias`. Only an exact name can be a `ServerName`.
pub(super) fn name_words(names: &[HostPattern]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let first = names.iter().position(HostPattern::is_exact);
    let name = first.and_then(|first| names.get(first)).map(|name| words(&["ServerName", name.as_str()]));
    let aliases = names.iter().enumerate().filter(|(index, _)| Some(*index) != first);
    let mut alias_words = words(&["ServerAlias"]);
    alias_words.extend(aliases.map(|(_, name)| name.to_string()));
    (name, (alias_words.len() > 1).then_some(alias_words))
}

/// Returns the words of `Protocols`, if one listener offers HTTP/2.
pub(super) fn protocols(listeners: &[Listener]) -> Option<Vec<String>> {
    let first = listeners.iter().find(|listener| listener.http2)?;
    Some(words(&["Protocols", if first.tls { "h2" } else { "h2c" }, "http/1.1"]))
}

fn impossible(reason: impl Into<String>) -> WebServerError {
    WebServerError::impossible("set the addresses", reason)
}

/// Checks that Apache can represent the addresses and names.
pub(super) fn require_bindings(listeners: &[Listener], names: &[HostPattern]) -> Result<(), WebServerError> {
    if listeners.is_empty() {
        return Err(impossible("a site needs at least one address"));
    }
    for (index, listener) in listeners.iter().enumerate() {
        if matches!(listener.address, ListenAddress::Unix(_)) {
            return Err(impossible("Apache does not listen on sockets in the file system"));
        }
        if listeners.iter().skip(index.saturating_add(1)).any(|other| other.address == listener.address) {
            return Err(impossible(format!("the address {} appears twice", listener.address)));
        }
    }
    if let Some(first) = listeners.first()
        && listeners.iter().any(|other| (other.tls, other.http2) != (first.tls, first.http2))
    {
        let reason = "all addresses of a site of Apache have the same settings of TLS and HTTP/2";
        return Err(impossible(reason));
    }
    let wrong = names.iter().find(|name| name.as_str().starts_with(['~', '.', '_']));
    match wrong {
        Some(name) => Err(impossible(format!("{name} is no host name of Apache; use * for any label"))),
        None => Ok(()),
    }
}
