//! Features as directives.

mod read;
mod write;

use nginx::Visited;

pub(super) use read::read;
pub(super) use write::{directives, problem, supported};

use super::configuration::{NginxConfiguration, are_named, position};
use super::sites::{location_path, server_blocks, words};
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope, Setting};

/// Names of the directives of a feature. Directives of one group replace all inherited ones of the group.
pub(super) fn groups(feature: Feature) -> &'static [&'static [&'static str]] {
    match feature {
        Feature::DefaultDocuments => &[&["index"]],
        Feature::DirectoryBrowsing => {
            &[&["autoindex"], &["autoindex_exact_size"], &["autoindex_format"], &["autoindex_localtime"]]
        }
        Feature::ErrorPages => &[&["error_page"]],
        Feature::Redirect => &[&["return"]],
        Feature::ResponseHeaders => &[&["add_header"]],
        Feature::MimeTypes => &[&["types"], &["default_type"]],
        Feature::Compression => &[&["gzip"], &["gzip_comp_level"], &["gzip_types"], &["gzip_min_length"]],
        Feature::IpRestrictions => &[&["allow", "deny"]],
        Feature::BasicAuthentication => &[&["auth_basic"], &["auth_basic_user_file"]],
        Feature::Ssl => &[
            &["ssl_certificate"],
            &["ssl_certificate_key"],
            &["ssl_protocols"],
            &["ssl_ciphers"],
            &["ssl_prefer_server_ciphers"],
        ],
        Feature::Limits => &[
            &["client_max_body_size"],
            &["keepalive_timeout"],
            &["client_body_timeout"],
            &["client_header_timeout"],
            &["send_timeout"],
            &["limit_rate"],
        ],
        Feature::Logging => &[&["access_log"], &["error_log"]],
    }
}

/// Returns whether a directive belongs to a feature.
pub(super) fn owns(feature: Feature, name: &str) -> bool {
    groups(feature).iter().any(|group| group.contains(&name))
}

/// Blocks of a scope, from the outermost: `http`, `server`, `location`.
pub(super) struct ScopeBlocks<'a> {
    pub(super) blocks: Vec<Visited<'a>>,
}

impl<'a> ScopeBlocks<'a> {
    /// Finds the blocks of a scope.
    pub(super) fn find(configuration: &'a NginxConfiguration, scope: &Scope) -> Result<Self, WebServerError> {
        let Some(id) = scope.site() else {
            let http = configuration.find(&[], "http");
            let http = http.ok_or(WebServerError::NotFound { kind: "block", name: "http".to_owned() })?;
            return Ok(Self { blocks: vec![http] });
        };
        let site = server_blocks(configuration).into_iter().find(|(found, _)| found == id);
        let (_, block) = site.ok_or_else(|| WebServerError::not_found("started site", id))?;
        let mut blocks = vec![block.http, block.server];
        if let Scope::Location { path, .. } = scope {
            let location = block.server.directive.children().iter().find(|child| {
                child.name() == "location"
                    && location_path(child)
                        .is_some_and(|(modifier, found)| !modifier.starts_with('~') && found == path.as_str())
            });
            let directive = location.ok_or_else(|| WebServerError::NotFound {
                kind: "location",
                name: format!("{path} of the site {id}"),
            })?;
            blocks.push(Visited { file: block.server.file, directive });
        }
        Ok(Self { blocks })
    }

    /// Returns the innermost block.
    pub(super) fn own(&self) -> Option<Visited<'a>> {
        self.blocks.last().copied()
    }

    /// Returns the directives of a feature that are directly in the innermost block, also in included files.
    pub(super) fn local(&self, configuration: &'a NginxConfiguration, feature: Feature) -> Vec<Visited<'a>> {
        local(configuration, &self.blocks, |name| owns(feature, name))
    }
}

/// Returns the directives directly in a block, also in included files.
fn local<'a>(
    configuration: &'a NginxConfiguration,
    blocks: &[Visited<'a>],
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<Visited<'a>> {
    let mut found = Vec::new();
    configuration.closure.visit(&mut |parents, visited| {
        if is_wanted(visited.directive.name()) && parents == blocks {
            found.push(visited);
        }
    });
    found
}

/// Reads the value that applies in a scope.
pub(super) fn state(
    configuration: &NginxConfiguration,
    scope: &Scope,
    feature: Feature,
) -> Result<FeatureState, WebServerError> {
    require_scope(feature, scope)?;
    let blocks = ScopeBlocks::find(configuration, scope)?.blocks;
    let mut directives: Vec<Visited<'_>> = Vec::new();
    let mut is_local = false;
    for group in groups(feature) {
        for depth in (0..=blocks.len()).rev() {
            let level = blocks.get(..depth).unwrap_or_default();
            let found = local(configuration, level, |name| group.contains(&name));
            if !found.is_empty() {
                is_local |= depth == blocks.len();
                directives.extend(found);
                break;
            }
        }
    }
    let parts: Vec<_> = directives.iter().map(|visited| visited.directive).collect();
    let setting = if parts.is_empty() {
        Setting::Default
    } else {
        match read(feature, &parts) {
            Some(value) => Setting::Value { value },
            None => {
                let text: Vec<String> = parts.iter().map(|directive| words(directive)).collect();
                Setting::Unsupported { text: text.join("\n") }
            }
        }
    };
    let origins = directives.into_iter().map(position).collect();
    Ok(FeatureState { feature, scope: scope.clone(), setting, is_local, origins })
}

/// Checks that a feature exists in a scope.
pub(super) fn require_scope(feature: Feature, scope: &Scope) -> Result<(), WebServerError> {
    match (feature, scope) {
        (Feature::Redirect, Scope::Server) => {
            Err(WebServerError::Scope { feature, instead: "a site or a location" })
        }
        (Feature::Ssl, Scope::Location { .. }) => Err(WebServerError::Scope { feature, instead: "the site" }),
        _ => Ok(()),
    }
}

/// Returns the number of headers of higher levels that a value in this scope replaces.
pub(super) fn replaced_headers(configuration: &NginxConfiguration, blocks: &ScopeBlocks<'_>) -> usize {
    let names: Vec<&str> = blocks.blocks.iter().map(|block| block.directive.name()).collect();
    let higher = names.split_last().map_or(&[][..], |(_, higher)| higher);
    let mut count = 0_usize;
    configuration.closure.visit(&mut |parents, visited| {
        let is_higher = (1..=higher.len()).any(|depth| {
            parents == blocks.blocks.get(..depth).unwrap_or_default()
                && are_named(parents, higher.get(..depth).unwrap_or_default())
        });
        if is_higher && visited.directive.name() == "add_header" {
            count = count.saturating_add(1);
        }
    });
    count
}
