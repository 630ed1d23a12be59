//! Changes applied to a copy of the configuration in memory.

mod bindings;
mod feature;
mod location;
mod pool;
mod site;

use std::collections::BTreeMap;
use std::sync::Arc;

use apache::{BuiltIn, Directive, Editor, NewDirective, Visited, full_path, matches};

use super::configuration::{ApacheConfiguration, SiteFolder};
use super::sites::host_blocks;
use crate::change::Change;
use crate::engine::{DraftFiles, Drafted, marker, require_file};
use crate::error::WebServerError;
use crate::value::SiteId;

/// A configuration with planned changes.
pub(super) struct Draft<'a> {
    main: &'a str,
    built_in: &'a Arc<BuiltIn>,
    files: DraftFiles,
    configuration: ApacheConfiguration,
    /// The configuration must be read again before it is used.
    is_stale: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(main: &'a str, built_in: &'a Arc<BuiltIn>, configuration: ApacheConfiguration) -> Self {
        Self { main, built_in, files: DraftFiles::new(&configuration), configuration, is_stale: false }
    }

    /// Applies a change.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), WebServerError> {
        match change {
            Change::CreateSite(site) => self.create_site(site),
            Change::DeleteSite { site } => self.delete_site(site),
            Change::SetSiteState { site, state } => self.set_site_state(site, *state),
            Change::SetBindings { site, listeners, names } => self.set_bindings(site, listeners, names),
            Change::SetRoot { site, folder } => self.set_root(site, folder),
            Change::PutLocation { site, path, location } => self.put_location(site, path, location),
            Change::DeleteLocation { site, path } => self.delete_location(site, path),
            Change::SetFeature { scope, value } => self.set_feature(scope, value.feature(), Some(value)),
            Change::RevertFeature { scope, feature } => self.set_feature(scope, *feature, None),
            Change::PutPool { pool, members } => self.put_pool(pool, members),
            Change::DeletePool { pool } => self.delete_pool(pool),
            Change::SetPoolUnit { pool, unit } => self.set_pool_unit(pool, unit.as_ref()),
            Change::RawEdit { file, text } => {
                require_file(self.configuration()?, file.as_str())?;
                self.write(file.as_str(), text.clone().into_bytes());
                Ok(())
            }
        }
    }

    /// Returns the changed files.
    pub(super) fn finish(self) -> Drafted {
        self.files.finish()
    }

    /// Restores the files of an earlier commit. Started sites become links again if the folder of all sites exists.
    pub(super) fn restore(&mut self, files: BTreeMap<String, Vec<u8>>) {
        let folder = self.configuration.site_folder();
        for path in self.files.before().keys().cloned().collect::<Vec<_>>() {
            let started = folder.as_ref().and_then(|folder| twin(folder, &path));
            // The file of a site that is started again remains behind the link.
            if !files.contains_key(&path) && !started.is_some_and(|started| files.contains_key(&started)) {
                self.delete(&path);
            }
        }
        for (path, content) in files {
            let is_present = self.files.before().contains_key(&path);
            match folder.as_ref().and_then(|folder| available(folder, &path)) {
                Some((file, link)) if !is_present => {
                    self.write(&file, content.clone());
                    self.files.link(&path, &link, content);
                }
                _ => self.write(&path, content),
            }
        }
    }

    fn configuration(&mut self) -> Result<&ApacheConfiguration, WebServerError> {
        if self.is_stale {
            self.configuration = ApacheConfiguration::read(self.main, self.built_in, &mut self.files.disk)?;
            self.is_stale = false;
        }
        Ok(&self.configuration)
    }

    fn write(&mut self, path: &str, content: Vec<u8>) {
        self.is_stale = true;
        self.files.write(path, content);
    }

    fn delete(&mut self, path: &str) {
        self.is_stale = true;
        self.files.delete(path);
    }

    /// Edits a file of the configuration. The function receives the configuration and an editor of the file.
    fn edit<T>(
        &mut self,
        path: &str,
        edit: impl FnOnce(&ApacheConfiguration, &mut Editor<'_>) -> Result<T, WebServerError>,
    ) -> Result<T, WebServerError> {
        let configuration = self.configuration()?;
        let mut editor = Editor::new(configuration.document(path)?);
        let result = edit(configuration, &mut editor)?;
        let content = (!editor.is_empty()).then(|| editor.finish());
        if let Some(content) = content {
            self.write(path, content);
        }
        Ok(result)
    }

    /// Edits the file with the section of a started site.
    fn edit_site<T>(
        &mut self,
        site: &SiteId,
        edit: impl FnOnce(&Directive, &mut Editor<'_>) -> Result<T, WebServerError>,
    ) -> Result<T, WebServerError> {
        let file = host_block(self.configuration()?, site)?.file.to_owned();
        self.edit(&file, |configuration, editor| edit(host_block(configuration, site)?.directive, editor))
    }

    /// Writes the identifier of a site into its section, so that it stays when addresses or names change.
    fn mark(&mut self, site: &SiteId) -> Result<(), WebServerError> {
        let comment = format!("{}{site}", marker::SITE);
        self.edit_site(site, |host, editor| {
            let inner = host.section().map(apache::Section::inner).unwrap_or_default();
            let text = editor.document().bytes(inner);
            let is_marked = text.windows(comment.len()).any(|window| window == comment.as_bytes());
            if !is_marked {
                editor.insert_first(host, &NewDirective::comment(&comment));
            }
            Ok(())
        })
    }
}

/// Returns the section of a started site.
fn host_block<'a>(
    configuration: &'a ApacheConfiguration,
    site: &SiteId,
) -> Result<Visited<'a>, WebServerError> {
    let found = host_blocks(configuration).into_iter().find(|(id, _)| id == site);
    let (_, host) =
        found.ok_or_else(|| WebServerError::NotFound { kind: "started site", name: site.to_string() })?;
    Ok(host)
}

/// Returns the path of the link of a started site, for the path of its file in the folder of all sites.
fn twin(folder: &SiteFolder, path: &str) -> Option<String> {
    let name = path.strip_prefix(folder.available.as_deref()?)?.strip_prefix('/')?;
    (!name.contains('/')).then(|| full_path(&folder.pattern.folder, name))
}

/// Returns the path of the file of a site in the folder of all sites, and the target of its link, for the path of the link.
fn available(folder: &SiteFolder, link: &str) -> Option<(String, String)> {
    let available = folder.available.as_deref()?;
    let name = link.strip_prefix(folder.pattern.folder.as_str())?.strip_prefix('/')?;
    let is_site = !name.contains('/') && matches(&folder.pattern.name, name);
    let (_, folder_name) = available.rsplit_once('/')?;
    is_site.then(|| (full_path(available, name), format!("../{folder_name}/{name}")))
}

/// Replaces the directives with a name by one with other words, or removes them. A new one is added behind `after`, or
/// before the other directives of the section, so that the comment with the identifier of the site stays first.
fn set_single(
    editor: &mut Editor<'_>,
    section: &Directive,
    words: Option<&[String]>,
    name: &str,
    after: Option<&str>,
) -> Result<(), WebServerError> {
    let children = section.children();
    let mut old = children.iter().filter(|child| child.is(name));
    match (old.next(), words) {
        (Some(first), Some(words)) => editor.set_words(first, words)?,
        (Some(first), None) => editor.remove(first),
        (None, Some(words)) => {
            let new = NewDirective::simple(words)?;
            let sibling = after.and_then(|after| children.iter().rfind(|child| child.is(after)));
            let sibling = sibling.or_else(|| children.iter().rfind(|child| child.is("ServerName")));
            match (sibling, children.first()) {
                (Some(sibling), _) => editor.insert_after(sibling, &new),
                (None, Some(first)) => editor.insert_before(first, &new),
                (None, None) => editor.append(Some(section), &new),
            }
        }
        (None, None) => {}
    }
    old.for_each(|more| editor.remove(more));
    Ok(())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
