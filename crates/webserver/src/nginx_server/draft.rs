//! Changes applied to a copy of the configuration in memory.

mod bindings;
mod location;
mod pool;
mod site;

use std::collections::{BTreeMap, BTreeSet};

use nginx::{ClosureFile, Directive, Document, Editor, NewDirective, Visited};

use super::configuration::NginxConfiguration;
use super::features::{self, ScopeBlocks};
use super::program::Build;
use super::sites::{ServerBlock, server_blocks, stopped_id};
use crate::change::Change;
use crate::engine::{DraftFiles, Drafted, require_file};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureValue, Scope};
use crate::value::SiteId;

/// A configuration with planned changes.
pub(super) struct Draft<'a> {
    main: &'a str,
    build: &'a Build,
    files: DraftFiles,
    configuration: NginxConfiguration,
    /// The configuration must be read again before it is used.
    is_stale: bool,
    /// Identifiers that new sites cannot have.
    ids: BTreeSet<SiteId>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(main: &'a str, build: &'a Build, configuration: NginxConfiguration) -> Self {
        let files = DraftFiles::new(&configuration);
        let started = server_blocks(&configuration).into_iter().map(|(id, _)| id);
        let stopped = configuration.stopped.keys().filter_map(|path| stopped_id(path));
        let ids = started.chain(stopped).collect();
        Self { main, build, files, configuration, is_stale: false, ids }
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
            Change::PutPool { pool, members } => self.put_pool(pool, members),
            Change::DeletePool { pool } => self.delete_pool(pool),
            Change::SetPoolUnit { pool, unit } => self.set_pool_unit(pool, unit.as_ref()),
            Change::SetFeature { scope, value } => self.set_feature(scope, value.feature(), Some(value)),
            Change::RevertFeature { scope, feature } => self.set_feature(scope, *feature, None),
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

    /// Restores files of an earlier commit.
    pub(super) fn restore(&mut self, files: BTreeMap<String, Vec<u8>>) {
        let current: Vec<String> = self.files.before().keys().cloned().collect();
        for path in current.into_iter().filter(|path| !files.contains_key(path)) {
            self.delete(&path);
        }
        for (path, content) in files {
            self.write(&path, content);
        }
    }

    fn configuration(&mut self) -> Result<&NginxConfiguration, WebServerError> {
        if self.is_stale {
            self.configuration = NginxConfiguration::read(self.main, &mut self.files.disk)?;
            self.is_stale = false;
        }
        Ok(&self.configuration)
    }

    fn write(&mut self, path: &str, content: Vec<u8>) {
        if self.is_stale || !self.configuration.closure.replace(path, &content) {
            self.is_stale = true;
        }
        self.files.write(path, content);
    }

    fn delete(&mut self, path: &str) {
        // Files of stopped sites are not part of the closure.
        if self.is_stale || !self.configuration.closure.remove(path) {
            self.is_stale = true;
        }
        self.files.delete(path);
    }

    /// Writes a block into a new file, or appends it to the block `http` of the main file.
    fn add_block(&mut self, path: Option<&str>, block: &NewDirective) -> Result<(), WebServerError> {
        if let Some(path) = path {
            self.write(path, block.write("", "    "));
            return Ok(());
        }
        let main = self.main.to_owned();
        self.edit(&main, |configuration, editor| {
            let http = configuration.find(&[], "http").filter(|http| http.file == main);
            let http = http.ok_or(WebServerError::NotFound { kind: "block", name: "http".to_owned() })?;
            editor.append(Some(http.directive), block);
            Ok(())
        })
    }

    /// Edits a file of the configuration. The function receives the configuration and an editor of the file.
    fn edit<T>(
        &mut self,
        path: &str,
        edit: impl FnOnce(&NginxConfiguration, &mut Editor<'_>) -> Result<T, WebServerError>,
    ) -> Result<T, WebServerError> {
        let configuration = self.configuration()?;
        let document = document(configuration, path)?;
        let mut editor = Editor::new(document);
        let result = edit(configuration, &mut editor)?;
        let content = (!editor.is_empty()).then(|| editor.finish());
        if let Some(content) = content {
            self.write(path, content);
        }
        Ok(result)
    }

    /// Edits the file with the block of a started site.
    fn edit_site<T>(
        &mut self,
        site: &SiteId,
        edit: impl FnOnce(ServerBlock<'_>, &mut Editor<'_>) -> Result<T, WebServerError>,
    ) -> Result<T, WebServerError> {
        let file = server_block(self.configuration()?, site)?.server.file.to_owned();
        self.edit(&file, |configuration, editor| edit(server_block(configuration, site)?, editor))
    }

    fn set_feature(
        &mut self,
        scope: &Scope,
        feature: Feature,
        value: Option<&FeatureValue>,
    ) -> Result<(), WebServerError> {
        features::require_scope(feature, scope)?;
        if let Some(reason) = value.and_then(features::problem) {
            let action = format!("set the feature {feature}");
            return Err(WebServerError::Impossible { action, reason: reason.to_owned() });
        }
        let configuration = self.configuration()?;
        let blocks = ScopeBlocks::find(configuration, scope)?;
        let Some(own) = blocks.own() else { return Ok(()) };
        let own_file = own.file.to_owned();
        let local = blocks.local(configuration, feature);
        let mut files: Vec<String> = local.iter().map(|visited| visited.file.to_owned()).collect();
        let replaced = features::replaced_headers(configuration, &blocks);
        if value.is_some() && feature == Feature::ResponseHeaders && local.is_empty() && replaced > 0 {
            self.files.warn(format!(
                "{replaced} headers of higher scopes are no longer added here: repeat them in this value"
            ));
        }
        files.push(own_file.clone());
        files.sort_unstable();
        files.dedup();
        // Existing directives of all files are matched in their order; new ones are added in the block of the scope.
        let mut wanted = value.map(features::directives).unwrap_or_default();
        files.sort_by_key(|file| *file == own_file);
        for file in files {
            let is_own = file == own_file;
            wanted = self.edit(&file, |configuration, editor| {
                let blocks = ScopeBlocks::find(configuration, scope)?;
                let local = blocks.local(configuration, feature);
                let existing: Vec<&Directive> = local
                    .iter()
                    .filter(|visited| visited.file == file)
                    .map(|visited| visited.directive)
                    .collect();
                let rest = replace(editor, &existing, wanted);
                match blocks.own() {
                    Some(own) if is_own => {
                        add(editor, own, existing.last().copied(), &rest);
                        Ok(Vec::new())
                    }
                    _ => Ok(rest),
                }
            })?;
        }
        Ok(())
    }
}

/// Replaces existing directives by wanted ones with the same name, removes the others, and returns the remaining wanted
/// ones.
fn replace(editor: &mut Editor<'_>, existing: &[&Directive], wanted: Vec<NewDirective>) -> Vec<NewDirective> {
    let mut wanted: Vec<Option<NewDirective>> = wanted.into_iter().map(Some).collect();
    // The order of rules such as `allow` and `deny` matters, so a match must not overtake an earlier wanted directive
    // without a match.
    let mut first = 0_usize;
    for old in existing {
        let found = wanted.iter().enumerate().skip(first).find_map(|(index, new)| {
            new.as_ref()
                .filter(|new| new.words().first().is_some_and(|name| name == old.name()))
                .map(|_| index)
        });
        let matched = found.and_then(|index| Some((index, wanted.get_mut(index)?.take()?)));
        match matched {
            Some((index, new)) => {
                for earlier in wanted.iter_mut().take(index).skip(first) {
                    if let Some(earlier) = earlier.take() {
                        editor.insert_before(old, &earlier);
                    }
                }
                first = index.saturating_add(1);
                if new.block().is_some() || old.block().is_some() {
                    editor.replace_directive(old, &new);
                } else {
                    editor.set_words(old, new.words());
                }
            }
            None => editor.remove(old),
        }
    }
    wanted.into_iter().flatten().collect()
}

/// Adds directives behind an existing one, or at the right place of a block.
fn add(editor: &mut Editor<'_>, block: Visited<'_>, behind: Option<&Directive>, new: &[NewDirective]) {
    // Directives of a block come before its nested blocks.
    let mut simple = block.directive.children().iter().filter(|child| child.block().is_none());
    let simple = simple.rfind(|child| child.name() != "include");
    for directive in new {
        match behind.or(simple) {
            Some(sibling) => editor.insert_after(sibling, directive),
            None => editor.insert_first(block.directive, directive),
        }
    }
}

/// Returns the tree of a file.
fn document<'a>(configuration: &'a NginxConfiguration, path: &str) -> Result<&'a Document, WebServerError> {
    let file = configuration.closure.file(path);
    let file = file.ok_or_else(|| WebServerError::NotFound { kind: "file", name: path.to_owned() })?;
    ClosureFile::document(file).map_err(|error| WebServerError::Syntax {
        file: path.to_owned(),
        line: error.line,
        reason: error.problem.to_string(),
    })
}

/// Returns the block of a started site.
fn server_block<'a>(
    configuration: &'a NginxConfiguration,
    site: &SiteId,
) -> Result<ServerBlock<'a>, WebServerError> {
    let found = server_blocks(configuration).into_iter().find(|(id, _)| id == site);
    let (_, block) =
        found.ok_or_else(|| WebServerError::NotFound { kind: "started site", name: site.to_string() })?;
    Ok(block)
}
