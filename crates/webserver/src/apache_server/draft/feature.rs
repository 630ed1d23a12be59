//! Values of features.

use apache::{Directive, Editor, NewDirective, Visited};

use super::{Draft, host_block};
use crate::apache_server::features::{self, Home, ScopeSections};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureValue, Scope};

impl Draft<'_> {
    /// Sets or removes the directives of a feature in a scope.
    pub(super) fn set_feature(
        &mut self,
        scope: &Scope,
        feature: Feature,
        value: Option<&FeatureValue>,
    ) -> Result<(), WebServerError> {
        features::require_scope(feature, scope)?;
        let configuration = self.configuration()?;
        if value.is_some() && !features::supported(configuration).contains(&feature) {
            return Err(features::missing_module(feature));
        }
        let wanted = match value {
            Some(value) => features::directives(value, scope, configuration)?,
            None => Vec::new(),
        };
        let own = match scope.site() {
            Some(site) => host_block(configuration, site)?.file.to_owned(),
            None => self.main.to_owned(),
        };
        let configuration = self.configuration()?;
        let local = ScopeSections::find(configuration, scope)?.local(configuration, feature);
        // The new directives take the place of the first old one of this file.
        let mut files: Vec<String> = local.iter().map(|visited| visited.file.to_owned()).collect();
        let target =
            if files.contains(&own) || files.is_empty() { Some(own.clone()) } else { files.first().cloned() };
        files.extend(target.clone());
        files.sort_unstable();
        files.dedup();
        for file in files {
            let new = if Some(&file) == target.as_ref() { wanted.as_slice() } else { &[] };
            self.edit(&file, |configuration, editor| {
                let sections = ScopeSections::find(configuration, scope)?;
                let local = sections.local(configuration, feature);
                let local: Vec<Visited<'_>> =
                    local.into_iter().filter(|visited| visited.file == file).collect();
                replace(editor, &sections, &local, new);
                if local.is_empty() && !new.is_empty() {
                    add(editor, &sections, scope, feature, new)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Replaces old directives by new ones. A section of the feature without other directives is removed with its last one.
fn replace(
    editor: &mut Editor<'_>,
    sections: &ScopeSections<'_>,
    local: &[Visited<'_>],
    new: &[NewDirective],
) {
    if let Some(first) = local.first() {
        for directive in new {
            editor.insert_before(first.directive, directive);
        }
    }
    let mut removed: Vec<&Directive> = Vec::new();
    if new.is_empty() {
        for section in sections.locations() {
            let children = section.directive.children();
            let mut rest = children.iter().filter(|child| !contains(local, child));
            let has_local = children.iter().any(|child| contains(local, child));
            if has_local && rest.all(|child| child.is("AuthMerging")) {
                editor.remove(section.directive);
                removed.extend(children);
            }
        }
    }
    for old in local {
        if !removed.iter().any(|child| std::ptr::eq(*child, old.directive)) {
            editor.remove(old.directive);
        }
    }
}

/// Returns whether a directive is one of several, by its place in memory.
fn contains(directives: &[Visited<'_>], wanted: &Directive) -> bool {
    directives.iter().any(|visited| std::ptr::eq(visited.directive, wanted))
}

/// Adds directives to a scope that has none of the feature.
fn add(
    editor: &mut Editor<'_>,
    sections: &ScopeSections<'_>,
    scope: &Scope,
    feature: Feature,
    new: &[NewDirective],
) -> Result<(), WebServerError> {
    let is_access = features::is_access(feature);
    if features::home(feature) == Home::Block && !matches!(scope, Scope::Location { .. }) {
        for directive in new {
            match sections.host {
                Some(host) => insert_before_sections(editor, host.directive, directive),
                None => editor.append(None, directive),
            }
        }
        return Ok(());
    }
    // Rules of access have a section of their own, because `Require` directives of one section are alternatives.
    let existing = sections.locations().find(|section| !is_access && sections.is_own(section));
    if let Some(section) = existing {
        new.iter().for_each(|directive| editor.append(Some(section.directive), directive));
        return Ok(());
    }
    let mut content = Vec::new();
    if is_access {
        // The section restricts access further, and never opens what <Directory> and <Files> sections deny.
        content.push(NewDirective::simple(&["AuthMerging", "And"])?);
    }
    content.extend(new.iter().cloned());
    let section = NewDirective::section(&["Location", sections.path()], content)?;
    // The last section that matches a request decides, so the sections of longer paths stay behind this one.
    let host = sections.host.map(|host| host.directive);
    let children = host.map_or(editor.document().directives(), Directive::children);
    match children.iter().find(|child| is_longer(child, sections.path())) {
        Some(longer) => editor.insert_before(longer, &section),
        None => editor.append(host, &section),
    }
    Ok(())
}

/// Returns whether a section is for a longer path than `path`.
fn is_longer(section: &Directive, path: &str) -> bool {
    let other = section.word(1).filter(|_| section.is("Location"));
    other.is_some_and(|other| other.len() > path.len() && other.starts_with(path))
}

/// Adds a directive behind the last one that is no section.
fn insert_before_sections(editor: &mut Editor<'_>, host: &Directive, new: &NewDirective) {
    match host.children().iter().rfind(|child| child.section().is_none()) {
        Some(sibling) => editor.insert_after(sibling, new),
        None => editor.insert_first(host, new),
    }
}
