//! Certificates that a configuration names.

use std::collections::BTreeMap;

use super::configuration::ApacheConfiguration;
use super::sites::host_blocks;
use crate::certificate::CertificateFile;
use crate::engine::read_certificate;
use crate::value::SiteId;

/// Returns the certificates, sorted by path.
pub(super) fn inventory(configuration: &ApacheConfiguration) -> Vec<CertificateFile> {
    let hosts = host_blocks(configuration);
    let mut files: BTreeMap<String, Vec<SiteId>> = BTreeMap::new();
    configuration.visit(&mut |parents, visited, environment| {
        let Some(path) = visited.directive.word(1).filter(|_| visited.directive.is("SSLCertificateFile"))
        else {
            return;
        };
        let sites = files.entry(environment.path(path)).or_default();
        if let Some((id, _)) = hosts.iter().find(|(_, host)| parents.contains(host)) {
            sites.push(id.clone());
        }
    });
    let files = files.into_iter();
    files.map(|(path, sites)| CertificateFile { content: read_certificate(&path), path, sites }).collect()
}
