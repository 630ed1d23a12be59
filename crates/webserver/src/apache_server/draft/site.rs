//! Creation, deletion, start and stop of sites.

use apache::{Directive, NewDirective, full_path};

use super::bindings::{host_word, name_words, protocols, require_bindings};
use super::{Draft, available, host_block, set_single, twin, words};
use crate::apache_server::configuration::SiteFolder;
use crate::apache_server::sites::{host_blocks, last, sites, stopped_sites};
use crate::change::NewSite;
use crate::engine::marker;
use crate::error::WebServerError;
use crate::model::SiteState;
use crate::value::{FilePath, SiteId};

impl Draft<'_> {
    /// Creates a site in a file of its own, or in the main file if no `Include` covers new files.
    pub(super) fn create_site(&mut self, site: &NewSite) -> Result<(), WebServerError> {
        require_bindings(&site.listeners, &site.names)?;
        let uses_tls = site.listeners.iter().any(|listener| listener.tls);
        if uses_tls && (site.certificate.is_none() || site.key.is_none()) {
            return Err(WebServerError::Impossible {
                action: format!("create the site {}", site.id),
                reason: "an address uses TLS; name the files of a certificate and its key".to_owned(),
            });
        }
        if sites(self.configuration()?).iter().any(|known| known.id == site.id) {
            return Err(exists(&site.id));
        }
        let before = self.used_addresses()?;
        let host = new_host(site)?;
        if !self.add_section(site.id.as_str(), &host)? {
            return Err(exists(&site.id));
        }
        self.update_listens(&before)?;
        self.require_default_sites(&site.id, &site.listeners)
    }

    /// Adds a section in a file of its own, or in the main file if no `Include` covers new files. Returns `false` if the
    /// file exists.
    pub(super) fn add_section(&mut self, name: &str, section: &NewDirective) -> Result<bool, WebServerError> {
        let folder = self.configuration()?.site_folder();
        let path = folder.as_ref().and_then(|folder| folder.pattern.file(name));
        let Some((folder, path)) = folder.zip(path) else {
            let main = self.main.to_owned();
            self.edit(&main, |_, editor| {
                editor.append(None, section);
                Ok(())
            })?;
            return Ok(true);
        };
        let text = section.write("", "    ");
        match available(&folder, &path) {
            Some((file, link)) => {
                if self.files.exists(&file) || self.files.exists(&path) {
                    return Ok(false);
                }
                self.write(&file, text.clone());
                self.files.link(&path, &link, text);
            }
            None if self.files.exists(&path) => return Ok(false),
            None => self.write(&path, text),
        }
        Ok(true)
    }

    /// Deletes a file, and the file behind the link of a started site.
    pub(super) fn delete_with_link(&mut self, path: &str) -> Result<(), WebServerError> {
        let folder = self.configuration()?.site_folder();
        let target = std::fs::canonicalize(path).ok().and_then(|target| target.to_str().map(str::to_owned));
        self.delete(path);
        let file = folder.and_then(|folder| available(&folder, path));
        if let Some((file, _)) = file
            && (target.as_ref() == Some(&file) || self.files.disk.planned.contains_key(&file))
        {
            self.delete(&file);
        }
        Ok(())
    }

    /// Deletes a site, started or stopped, and its file if no other directive is in it.
    pub(super) fn delete_site(&mut self, site: &SiteId) -> Result<(), WebServerError> {
        let stopped = stopped_sites(self.configuration()?);
        if let Some(found) = stopped.iter().find(|found| found.id == *site) {
            if stopped.iter().filter(|other| other.file == found.file).count() > 1 {
                return Err(shared_file("delete", site, &found.file));
            }
            let file = found.file.clone();
            self.delete(&file);
            return Ok(());
        }
        let before = self.used_addresses()?;
        let main = self.main.to_owned();
        let configuration = self.configuration()?;
        let path = host_block(configuration, site)?.file.to_owned();
        let is_alone = path != main && configuration.document(&path)?.directives().len() == 1;
        if is_alone {
            self.delete_with_link(&path)?;
        } else {
            self.edit_site(site, |host, editor| {
                editor.remove(host);
                Ok(())
            })?;
        }
        self.update_listens(&before)
    }

    /// Starts or stops a site by the link to its file, like `a2ensite` and `a2dissite` of Debian.
    pub(super) fn set_site_state(&mut self, site: &SiteId, state: SiteState) -> Result<(), WebServerError> {
        let stopped = stopped_sites(self.configuration()?);
        let found = stopped.iter().find(|found| found.id == *site);
        match (found, state) {
            (None, SiteState::Started) => self.require_started(site),
            (Some(_), SiteState::Stopped) => Ok(()),
            (Some(found), SiteState::Started) => {
                if stopped.iter().filter(|other| other.file == found.file).count() > 1 {
                    return Err(shared_file("start", site, &found.file));
                }
                self.start_site(site, &found.file.clone())
            }
            (None, SiteState::Stopped) => self.stop_site(site),
        }
    }

    fn site_folder(&mut self, site: &SiteId) -> Result<SiteFolder, WebServerError> {
        let folder = self.configuration()?.site_folder().filter(|folder| folder.available.is_some());
        folder.ok_or_else(|| WebServerError::Impossible {
            action: format!("stop or start the site {site}"),
            reason: "the main file does not include a folder such as sites-enabled beside sites-available"
                .to_owned(),
        })
    }

    fn stop_site(&mut self, site: &SiteId) -> Result<(), WebServerError> {
        self.mark(site)?;
        let before = self.used_addresses()?;
        let folder = self.site_folder(site)?;
        let configuration = self.configuration()?;
        let path = host_block(configuration, site)?.file.to_owned();
        if host_blocks(configuration).iter().filter(|(_, host)| host.file == path).count() > 1 {
            return Err(shared_file("stop", site, &path));
        }
        let file = available(&folder, &path);
        let (file, _) = file.ok_or_else(|| WebServerError::Impossible {
            action: format!("stop the site {site}"),
            reason: format!("{path} is no file in {}", folder.pattern.folder),
        })?;
        let text = configuration.document(&path)?.text().to_vec();
        if std::fs::read_link(&path).is_err() || self.files.disk.planned.contains_key(&path) {
            // Changes of this plan, or a file instead of a link, move to the folder of all sites.
            self.write(&file, text);
        }
        self.delete(&path);
        self.files.warn(format!(
            "requests for the names of the site {site} now reach the first site of their address"
        ));
        self.update_listens(&before)
    }

    fn start_site(&mut self, site: &SiteId, file: &str) -> Result<(), WebServerError> {
        let before = self.used_addresses()?;
        let folder = self.site_folder(site)?;
        let path = twin(&folder, file).ok_or_else(|| WebServerError::not_found("file", &file))?;
        if self.files.exists(&path) {
            return Err(WebServerError::Exists { kind: "file", name: path });
        }
        let (_, link) = available(&folder, &path).ok_or_else(|| WebServerError::Impossible {
            action: format!("start the site {site}"),
            reason: format!(
                "the name of {file} is not included by {}",
                full_path(&folder.pattern.folder, &folder.pattern.name)
            ),
        })?;
        let text = conftext::Files::read(&mut self.files.disk, file)?.unwrap_or_default();
        self.files.link(&path, &link, text);
        self.is_stale = true;
        self.update_listens(&before)
    }

    /// Sets the folder of the content of a site, and grants access to it.
    pub(super) fn set_root(&mut self, site: &SiteId, folder: &FilePath) -> Result<(), WebServerError> {
        let grant = grant(folder.as_str())?;
        self.edit_site(site, |host, editor| {
            let old = last(host.children(), "DocumentRoot").unwrap_or_default();
            let root = words(&["DocumentRoot", folder.as_str()]);
            set_single(editor, host, Some(&root), "DocumentRoot", None)?;
            match (find_grant(host, folder.as_str()), find_grant(host, old)) {
                (Some(_), _) => {}
                (None, Some(section)) => editor.set_words(section, &["Directory", folder.as_str()])?,
                (None, None) => editor.append(Some(host), &grant),
            }
            Ok(())
        })
    }
}

fn exists(site: &SiteId) -> WebServerError {
    WebServerError::Exists { kind: "site", name: site.to_string() }
}

/// Returns the section that grants access to a folder.
fn find_grant<'a>(host: &'a Directive, folder: &str) -> Option<&'a Directive> {
    host.children().iter().find(|child| is_grant(child, folder))
}

fn shared_file(action: &str, site: &SiteId, file: &str) -> WebServerError {
    WebServerError::Impossible {
        action: format!("{action} the site {site}"),
        reason: format!("{file} contains other sites, too; write each site into a file of its own"),
    }
}

fn new_host(site: &NewSite) -> Result<NewDirective, WebServerError> {
    let mut section = vec![NewDirective::comment(&format!("{}{}", marker::SITE, site.id))];
    let (name, aliases) = name_words(&site.names);
    let uses_tls = site.listeners.iter().any(|listener| listener.tls);
    let mut directives: Vec<Vec<String>> = name.into_iter().chain(aliases).collect();
    directives.push(words(&["DocumentRoot", site.root.as_str()]));
    directives.extend(protocols(&site.listeners));
    if uses_tls {
        directives.push(words(&["SSLEngine", "on"]));
    }
    for (name, path) in [("SSLCertificateFile", &site.certificate), ("SSLCertificateKeyFile", &site.key)] {
        directives.extend(path.as_ref().map(|path| words(&[name, path.as_str()])));
    }
    for words in &directives {
        section.push(NewDirective::simple(words)?);
    }
    section.push(grant(site.root.as_str())?);
    let mut tag = words(&["VirtualHost"]);
    tag.extend(site.listeners.iter().map(|listener| host_word(&listener.address)));
    Ok(NewDirective::section(&tag, section)?)
}

/// Returns a section that lets clients read a folder. Debian denies all folders outside of `/var/www` and `/usr/share`.
pub(super) fn grant(folder: &str) -> Result<NewDirective, WebServerError> {
    require_no_pattern(folder)?;
    let require = NewDirective::simple(&["Require", "all", "granted"])?;
    Ok(NewDirective::section(&["Directory", folder], vec![require])?)
}

/// Checks that a path has no character with which Apache would apply a section to other paths, too.
pub(super) fn require_no_pattern(path: &str) -> Result<(), WebServerError> {
    if path.contains(['*', '?', '[']) {
        let reason = "Apache reads *, ? and [ in it as a pattern; use another name";
        return Err(WebServerError::impossible(format!("use the path {path}"), reason));
    }
    Ok(())
}

/// Returns whether a section grants access to a folder and does nothing else.
pub(super) fn is_grant(directive: &Directive, folder: &str) -> bool {
    let [require] = directive.children() else { return false };
    let is_granted = require.is("Require") && require.arguments().eq(["all", "granted"]);
    directive.is("Directory") && directive.arguments().eq([folder]) && is_granted
}
