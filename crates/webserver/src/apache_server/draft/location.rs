//! Virtual directories.

use apache::{Directive, Editor, NewDirective};

use super::site::{grant, is_grant, require_no_pattern};
use super::{Draft, words};
use crate::error::WebServerError;
use crate::model::NewLocation;
use crate::value::{SiteId, UrlPath};

impl Draft<'_> {
    /// Creates or replaces a virtual directory.
    pub(super) fn put_location(
        &mut self,
        site: &SiteId,
        path: &UrlPath,
        location: &NewLocation,
    ) -> Result<(), WebServerError> {
        let action = format!("set the location {path} of the site {site}");
        let NewLocation::Directory { folder } = location else {
            return Err(WebServerError::impossible(
                action,
                "applications behind Apache are not supported; edit its files",
            ));
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
                } else if !is_section(child, path) {
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
