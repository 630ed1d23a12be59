//! Creation, deletion, start and stop of sites.

use nginx::{NewDirective, full_path, parent};

use super::bindings::{listen_words, require_bindings};
use super::{Draft, server_block};
use crate::change::NewSite;
use crate::engine::{IncludePattern, marker};
use crate::error::WebServerError;
use crate::model::SiteState;
use crate::nginx_server::configuration::STOPPED;
use crate::nginx_server::sites::stopped_id;
use crate::value::{FilePath, HostPattern, SiteId};

impl Draft<'_> {
    /// Creates a site in a file of its own, or in the main file if no `include` covers new files.
    pub(super) fn create_site(&mut self, site: &NewSite) -> Result<(), WebServerError> {
        require_bindings(&site.listeners)?;
        let uses_tls = site.listeners.iter().any(|listener| listener.tls);
        if uses_tls && (site.certificate.is_none() || site.key.is_none()) {
            return Err(WebServerError::Impossible {
                action: format!("create the site {}", site.id),
                reason: "an address uses TLS; name the files of a certificate and its key".to_owned(),
            });
        }
        let path = self.configuration.patterns().iter().find_map(|pattern| pattern.file(site.id.as_str()));
        if let Some(path) = &path
            && (self.files.exists(path) || self.files.exists(&stopped_path(path, &site.id)))
        {
            return Err(WebServerError::Exists { kind: "site", name: site.id.to_string() });
        }
        if !self.ids.insert(site.id.clone()) {
            return Err(WebServerError::Exists { kind: "site", name: site.id.to_string() });
        }
        let server = self.new_server(site);
        self.add_block(path.as_deref(), &server)
    }

    fn new_server(&self, site: &NewSite) -> NewDirective {
        let mut block = vec![NewDirective::comment(&format!("{}{}", marker::SITE, site.id))];
        let has_directive = self.build.has_http2_directive();
        for listener in &site.listeners {
            block.push(NewDirective::simple(&listen_words(listener, has_directive)));
        }
        if has_directive && site.listeners.iter().any(|listener| listener.http2) {
            block.push(NewDirective::simple(&["http2", "on"]));
        }
        if !site.names.is_empty() {
            let words = std::iter::once("server_name").chain(site.names.iter().map(HostPattern::as_str));
            block.push(NewDirective::simple(&words.collect::<Vec<_>>()));
        }
        for (name, path) in [("ssl_certificate", &site.certificate), ("ssl_certificate_key", &site.key)] {
            if let Some(path) = path {
                block.push(NewDirective::simple(&[name, path.as_str()]));
            }
        }
        block.push(NewDirective::simple(&["root", site.root.as_str()]));
        NewDirective::with_block(&["server"], block)
    }

    /// Deletes a site, started or stopped.
    pub(super) fn delete_site(&mut self, site: &SiteId) -> Result<(), WebServerError> {
        let stopped =
            self.configuration()?.stopped.keys().find(|path| stopped_id(path).as_ref() == Some(site));
        if let Some(path) = stopped.cloned() {
            self.delete(&path);
            return Ok(());
        }
        self.remove_block(site).map(|_| ())
    }

    /// Removes the block of a site, and its file if nothing else is in it. Returns the path of the file and the text of
    /// the block.
    fn remove_block(&mut self, site: &SiteId) -> Result<(String, Vec<u8>), WebServerError> {
        let main = self.main.to_owned();
        let configuration = self.configuration()?;
        let server = server_block(configuration, site)?.server;
        let path = server.file.to_owned();
        let document = super::document(configuration, &path)?;
        let text = document.bytes(server.directive.span()).to_vec();
        let is_alone = path != main && document.directives().len() == 1;
        if is_alone {
            self.delete(&path);
        } else {
            self.edit_site(site, |block, editor| {
                editor.remove(block.server.directive);
                Ok(())
            })?;
        }
        Ok((path, text))
    }

    /// Starts or stops a site. The block of a stopped site is kept in a hidden file next to those of the started sites.
    pub(super) fn set_site_state(&mut self, site: &SiteId, state: SiteState) -> Result<(), WebServerError> {
        let configuration = self.configuration()?;
        let stopped =
            configuration.stopped.keys().find(|path| stopped_id(path).as_ref() == Some(site)).cloned();
        let pattern = configuration.patterns().into_iter().next();
        let pattern = pattern.ok_or_else(|| WebServerError::Impossible {
            action: format!("stop or start the site {site}"),
            reason: "the block http has no include with a pattern, such as include sites-enabled/*"
                .to_owned(),
        })?;
        match (stopped, state) {
            (None, SiteState::Started) => server_block(configuration, site).map(|_| ()),
            (Some(_), SiteState::Stopped) => Ok(()),
            (None, SiteState::Stopped) => self.stop_site(site, &pattern),
            (Some(path), SiteState::Started) => self.start_site(site, &path, &pattern),
        }
    }

    fn stop_site(&mut self, site: &SiteId, pattern: &IncludePattern) -> Result<(), WebServerError> {
        self.mark(site)?;
        let (_, mut text) = self.remove_block(site)?;
        text.push(b'\n');
        let path = full_path(&pattern.folder, &format!("{STOPPED}{site}"));
        self.write(&path, text);
        self.files.warn(format!(
            "requests for the names of the site {site} now reach the default site of their address"
        ));
        Ok(())
    }

    fn start_site(
        &mut self,
        site: &SiteId,
        path: &str,
        pattern: &IncludePattern,
    ) -> Result<(), WebServerError> {
        let text = nginx::Files::read(&mut self.files.disk, path)?.unwrap_or_default();
        let file = pattern.file(site.as_str()).filter(|file| parent(file) == pattern.folder);
        let file = file.ok_or_else(|| WebServerError::Impossible {
            action: format!("start the site {site}"),
            reason: format!("no file name in {} is included", pattern.folder),
        })?;
        if self.files.exists(&file) {
            return Err(WebServerError::Exists { kind: "file", name: file });
        }
        self.delete(path);
        self.write(&file, text);
        Ok(())
    }

    /// Writes the identifier of a site into its block, so that it stays when addresses or names change.
    pub(super) fn mark(&mut self, site: &SiteId) -> Result<(), WebServerError> {
        let configuration = self.configuration()?;
        let server = server_block(configuration, site)?.server;
        let document = super::document(configuration, server.file)?;
        let inner = server.directive.block().map(nginx::Block::inner).unwrap_or_default();
        let comment = format!("{}{site}", marker::SITE);
        let line = format!("# {comment}");
        if document.bytes(inner).windows(line.len()).any(|window| window == line.as_bytes()) {
            return Ok(());
        }
        self.edit_site(site, |block, editor| {
            editor.insert_first(block.server.directive, &NewDirective::comment(&comment));
            Ok(())
        })
    }

    /// Sets the folder of the content of a site.
    pub(super) fn set_root(&mut self, site: &SiteId, folder: &FilePath) -> Result<(), WebServerError> {
        self.edit_site(site, |block, editor| {
            let words = ["root", folder.as_str()];
            match block.server.directive.children().iter().find(|child| child.name() == "root") {
                Some(root) => editor.set_words(root, &words),
                None => super::add(editor, block.server, None, &[NewDirective::simple(&words)]),
            }
            Ok(())
        })
    }
}

fn stopped_path(path: &str, site: &SiteId) -> String {
    full_path(parent(path), &format!("{STOPPED}{site}"))
}
