//! Addresses and names of sites.

use nginx::{Directive, Editor, NewDirective};

use super::Draft;
use crate::error::WebServerError;
use crate::model::Listener;
use crate::nginx_server::sites::listener;
use crate::value::{HostPattern, SiteId};

impl Draft<'_> {
    /// Replaces addresses and names of a site. Options of `listen` that the types do not represent are kept.
    pub(super) fn set_bindings(
        &mut self,
        site: &SiteId,
        listeners: &[Listener],
        names: &[HostPattern],
    ) -> Result<(), WebServerError> {
        require_bindings(listeners)?;
        self.mark(site)?;
        let has_directive = self.build.has_http2_directive();
        self.edit_site(site, |block, editor| {
            let server = block.server;
            let children = server.directive.children();
            let old: Vec<&Directive> = children.iter().filter(|child| child.name() == "listen").collect();
            set_listeners(editor, &old, listeners, has_directive);
            let missing = listeners.iter().filter(|new| !old.iter().any(|old| is_at(old, new)));
            let missing: Vec<_> =
                missing.map(|new| NewDirective::simple(&listen_words(new, has_directive))).collect();
            super::add(editor, server, old.last().copied(), &missing);
            let wanted = names_directive(names);
            let old_names: Vec<&Directive> =
                children.iter().filter(|child| child.name() == "server_name").collect();
            let rest = super::replace(editor, &old_names, wanted.into_iter().collect());
            super::add(editor, server, old.last().copied(), &rest);
            if has_directive {
                let http2 = listeners.iter().any(|listener| listener.http2);
                let wanted = http2.then(|| NewDirective::simple(&["http2", "on"]));
                let old_http2: Vec<&Directive> =
                    children.iter().filter(|child| child.name() == "http2").collect();
                let rest = super::replace(editor, &old_http2, wanted.into_iter().collect());
                super::add(editor, server, old.last().copied(), &rest);
            }
            Ok(())
        })
    }
}

fn names_directive(names: &[HostPattern]) -> Option<NewDirective> {
    let words = std::iter::once("server_name").chain(names.iter().map(HostPattern::as_str));
    (!names.is_empty()).then(|| NewDirective::simple(&words.collect::<Vec<_>>()))
}

/// Changes the options of addresses that remain, and removes the others.
fn set_listeners(editor: &mut Editor<'_>, old: &[&Directive], new: &[Listener], has_directive: bool) {
    for directive in old {
        let Some(found) = new.iter().find(|listener| is_at(directive, listener)) else {
            editor.remove(directive);
            continue;
        };
        let mut words = listen_words(found, has_directive);
        // The address keeps its form, for example `*:80` for `80`.
        if let (Some(first), Some(address)) = (words.get_mut(1), directive.word(1)) {
            address.clone_into(first);
        }
        let known = ["ssl", "http2", "default_server", "default"];
        words.extend(directive.arguments().skip(1).filter(|word| !known.contains(word)).map(str::to_owned));
        editor.set_words(directive, &words);
    }
}

fn is_at(directive: &Directive, new: &Listener) -> bool {
    listener(directive).is_some_and(|old| old.address == new.address)
}

/// Returns the words of a `listen` directive.
pub(super) fn listen_words(listener: &Listener, has_http2_directive: bool) -> Vec<String> {
    let mut words = vec!["listen".to_owned(), listener.address.to_string()];
    let options = [
        (listener.default_site, "default_server"),
        (listener.tls, "ssl"),
        (listener.http2 && !has_http2_directive, "http2"),
    ];
    words.extend(options.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word.to_owned()));
    words
}

/// Checks that there is an address, and none twice.
pub(super) fn require_bindings(listeners: &[Listener]) -> Result<(), WebServerError> {
    let impossible =
        |reason: String| WebServerError::Impossible { action: "set the addresses".to_owned(), reason };
    if listeners.is_empty() {
        return Err(impossible("a site needs at least one address".to_owned()));
    }
    for (index, listener) in listeners.iter().enumerate() {
        if listeners.iter().skip(index.saturating_add(1)).any(|other| other.address == listener.address) {
            return Err(impossible(format!("the address {} appears twice", listener.address)));
        }
    }
    Ok(())
}
