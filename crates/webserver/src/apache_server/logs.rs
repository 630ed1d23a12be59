//! Log files that a configuration names.

use std::collections::BTreeMap;

use super::configuration::ApacheConfiguration;
use super::sites::host_blocks;
use crate::engine::log_file;
use crate::log::{LogFile, LogKind};
use crate::value::SiteId;

/// Returns the log files, sorted by path.
pub(super) fn files(configuration: &ApacheConfiguration) -> Vec<LogFile> {
    let hosts = host_blocks(configuration);
    let mut logs: BTreeMap<(String, LogKind), Vec<SiteId>> = BTreeMap::new();
    configuration.visit(&mut |parents, visited, environment| {
        let kind = match visited.directive.name().to_ascii_lowercase().as_str() {
            "customlog" | "transferlog" => LogKind::Access,
            "errorlog" => LogKind::Error,
            _ => return,
        };
        let Some(path) = visited.directive.word(1).map(|path| environment.expand(path)) else { return };
        // Programs, the system log and modules are no files.
        if path.starts_with('|') || path == "syslog" || path.contains(':') || path == "/dev/null" {
            return;
        }
        let sites = logs.entry((environment.path(&path), kind)).or_default();
        let site = hosts.iter().find(|(_, host)| parents.contains(host));
        if let Some((id, _)) = site
            && !sites.contains(id)
        {
            sites.push(id.clone());
        }
    });
    logs.into_iter().map(|((path, kind), sites)| log_file(path, kind, sites)).collect()
}
