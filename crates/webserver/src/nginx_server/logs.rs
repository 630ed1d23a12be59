//! Log files that a configuration names.

use std::collections::BTreeMap;

use super::configuration::NginxConfiguration;
use super::program::{Build, Invocation};
use super::sites::server_blocks;
use crate::engine::log_file;
use crate::log::{LogFile, LogKind};
use crate::value::SiteId;

/// Returns the log files, sorted by path.
pub(super) fn files(
    configuration: &NginxConfiguration,
    invocation: &Invocation,
    build: &Build,
) -> Vec<LogFile> {
    let blocks = server_blocks(configuration);
    let mut logs: BTreeMap<(String, LogKind), Vec<SiteId>> = BTreeMap::new();
    let (mut has_access, mut has_error) = (false, false);
    configuration.closure.visit(&mut |parents, visited| {
        let kind = match visited.directive.name() {
            "access_log" => LogKind::Access,
            "error_log" => LogKind::Error,
            _ => return,
        };
        has_access |= kind == LogKind::Access && parents.len() <= 1;
        has_error |= kind == LogKind::Error && parents.is_empty();
        let Some(path) = visited.directive.word(1) else { return };
        let is_file = !["off", "stderr"].contains(&path) && !path.contains('$') && !path.contains(':');
        if !is_file {
            return;
        }
        let sites = logs.entry((invocation.below_prefix(build, path), kind)).or_default();
        let site = blocks.iter().find(|(_, block)| parents.contains(&block.server));
        if let Some((id, _)) = site
            && !sites.contains(id)
        {
            sites.push(id.clone());
        }
    });
    let defaults =
        [(has_access, "--http-log-path=", LogKind::Access), (has_error, "--error-log-path=", LogKind::Error)];
    for (is_set, argument, kind) in defaults {
        if let Some(path) = build.path(argument).filter(|path| !is_set && *path != "stderr") {
            logs.entry((invocation.below_prefix(build, path), kind)).or_default();
        }
    }
    logs.into_iter().map(|((path, kind), sites)| log_file(path, kind, sites)).collect()
}
