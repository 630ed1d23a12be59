//! Certificates that a configuration names.

use std::collections::BTreeMap;

use nginx::{full_path, parent};

use super::configuration::NginxConfiguration;
use super::sites::server_blocks;
use crate::certificate::CertificateFile;
use crate::engine::read_certificate;
use crate::value::SiteId;

/// Returns the certificates, sorted by path.
pub(super) fn inventory(configuration: &NginxConfiguration) -> Vec<CertificateFile> {
    let blocks = server_blocks(configuration);
    let folder = parent(configuration.closure.main());
    let mut files: BTreeMap<String, Vec<SiteId>> = BTreeMap::new();
    configuration.closure.visit(&mut |parents, visited| {
        let Some(path) = visited.directive.word(1).filter(|_| visited.directive.name() == "ssl_certificate")
        else {
            return;
        };
        if path.starts_with("data:") || path.contains('$') {
            return;
        }
        let sites = files.entry(full_path(folder, path)).or_default();
        if let Some((id, _)) = blocks.iter().find(|(_, block)| parents.contains(&block.server)) {
            sites.push(id.clone());
        }
    });
    let files = files.into_iter().map(|(path, sites)| CertificateFile {
        content: read_certificate(&path),
        path,
        sites,
    });
    files.collect()
}
