//! Features as directives.

mod access;
mod read;
mod template;
mod write;

use apache::{Directive, Visited};

pub(super) use self::write::directives;

use super::configuration::{ApacheConfiguration, position};
use super::sites::host_blocks;
use crate::error::WebServerError;
use crate::feature::{Feature, FeatureState, Scope, Setting};

/// Place of the directives of a feature in the scope of a site or of all sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// Directly in `<VirtualHost>`, or outside of all sections.
    Block,
    /// In `<Location "/">`, which has precedence over `<Directory>` sections of all sites.
    Location,
}

/// Fields that Apache has no directive for, as `feature.field`.
pub(super) const UNSUPPORTED_FIELDS: &[&str] = &[
    "directory-browsing.format",
    "directory-browsing.exact_size",
    "directory-browsing.local_time",
    "error-pages.response",
    "mime-types.default",
    "compression.minimum_size",
    "basic-authentication.users",
    "limits.rate",
];

pub(super) fn home(feature: Feature) -> Home {
    match feature {
        Feature::DirectoryBrowsing
        | Feature::Redirect
        | Feature::IpRestrictions
        | Feature::BasicAuthentication => Home::Location,
        _ => Home::Block,
    }
}

/// Returns whether the directives of a feature decide about access.
pub(super) fn is_access(feature: Feature) -> bool {
    matches!(feature, Feature::IpRestrictions | Feature::BasicAuthentication)
}

/// Modules that a feature requires.
fn modules(feature: Feature) -> &'static [&'static str] {
    match feature {
        Feature::DefaultDocuments => &["dir_module"],
        Feature::DirectoryBrowsing => &["autoindex_module"],
        Feature::ErrorPages | Feature::Limits | Feature::Logging => &[],
        Feature::Redirect => &["alias_module"],
        Feature::ResponseHeaders => &["headers_module"],
        Feature::MimeTypes => &["mime_module"],
        Feature::Compression => &["deflate_module", "filter_module", "env_module"],
        Feature::IpRestrictions => &["authz_core_module", "authz_host_module"],
        Feature::BasicAuthentication => &[
            "authz_core_module",
            "authn_core_module",
            "auth_basic_module",
            "authn_file_module",
            "authz_user_module",
        ],
        Feature::Ssl => &["ssl_module"],
    }
}

/// Returns the features whose modules are loaded.
pub(super) fn supported(configuration: &ApacheConfiguration) -> Vec<Feature> {
    let all = Feature::ALL.into_iter();
    all.filter(|feature| modules(*feature).iter().all(|module| configuration.has_module(module))).collect()
}

pub(super) fn missing_module(feature: Feature) -> WebServerError {
    WebServerError::Impossible {
        action: format!("set the feature {feature}"),
        reason: format!("load these modules of Apache first: {}", modules(feature).join(", ")),
    }
}

/// Returns whether a directive belongs to a feature.
pub(super) fn owns(feature: Feature, directive: &Directive) -> bool {
    let names: &[&str] = match feature {
        Feature::DefaultDocuments => &["DirectoryIndex"],
        Feature::DirectoryBrowsing => &["Options"],
        Feature::ErrorPages => &["ErrorDocument"],
        Feature::Redirect => &["Redirect"],
        Feature::ResponseHeaders => &["Header"],
        Feature::MimeTypes => &["AddType"],
        Feature::Compression => {
            if directive.is("SetEnv") {
                return directive.word(1) == Some("no-gzip");
            }
            &["AddOutputFilterByType", "DeflateCompressionLevel"]
        }
        Feature::IpRestrictions => {
            let is_rule = ["RequireAll", "RequireAny", "RequireNone"].iter().any(|name| directive.is(name));
            return is_rule || directive.is("Require") && !is_user_rule(directive);
        }
        Feature::BasicAuthentication => {
            if directive.is("Require") {
                return is_user_rule(directive);
            }
            &["AuthType", "AuthName", "AuthUserFile"]
        }
        Feature::Ssl => &[
            "SSLCertificateFile",
            "SSLCertificateKeyFile",
            "SSLProtocol",
            "SSLCipherSuite",
            "SSLHonorCipherOrder",
        ],
        Feature::Limits => &["LimitRequestBody", "KeepAliveTimeout", "RequestReadTimeout", "TimeOut"],
        Feature::Logging => &["CustomLog", "ErrorLog", "LogLevel"],
    };
    names.iter().any(|name| directive.is(name))
}

/// Returns whether a `Require` directive is about users.
fn is_user_rule(directive: &Directive) -> bool {
    let first = directive.arguments().find(|word| !word.eq_ignore_ascii_case("not"));
    first.is_some_and(|word| {
        ["valid-user", "user", "group"].iter().any(|kind| word.eq_ignore_ascii_case(kind))
    })
}

/// Sections of a scope.
pub(super) struct ScopeSections<'a> {
    /// Section of the site; `None` for all sites.
    pub(super) host: Option<Visited<'a>>,
    path: String,
    locations: Vec<Visited<'a>>,
    is_location: bool,
}

impl<'a> ScopeSections<'a> {
    /// Finds the sections of a scope.
    pub(super) fn find(
        configuration: &'a ApacheConfiguration,
        scope: &Scope,
    ) -> Result<Self, WebServerError> {
        let host = match scope.site() {
            Some(id) => {
                let found = host_blocks(configuration).into_iter().find(|(found, _)| found == id);
                Some(found.ok_or_else(|| WebServerError::not_found("started site", id))?.1)
            }
            None => None,
        };
        let (path, is_location) = match scope {
            Scope::Location { path, .. } => (path.as_str(), true),
            _ => ("/", false),
        };
        let sections = Self::of(configuration, host, path, is_location);
        let mut children = host.iter().flat_map(|host| host.directive.children());
        let has_alias = children.any(|child| child.is("Alias") && child.word(1) == Some(path));
        if is_location && sections.locations.is_empty() && !has_alias {
            let site = scope.site().map_or("", |site| site.as_str());
            let name = format!("{path} of the site {site}");
            return Err(WebServerError::NotFound { kind: "location", name });
        }
        Ok(sections)
    }

    fn of(
        configuration: &'a ApacheConfiguration,
        host: Option<Visited<'a>>,
        path: &str,
        is_location: bool,
    ) -> Self {
        let mut locations = Vec::new();
        configuration.visit(&mut |parents, visited, _| {
            let is_path = visited.directive.words().len() == 2 && visited.directive.word(1) == Some(path);
            if visited.directive.is("Location") && is_path && parents.iter().copied().eq(host) {
                locations.push(visited);
            }
        });
        Self { host, path: path.to_owned(), locations, is_location }
    }

    /// Returns the sections that inherit to this one, the innermost first.
    fn higher(&self, configuration: &'a ApacheConfiguration) -> Vec<Self> {
        let all = Self::of(configuration, None, "/", false);
        let site = self.is_location.then(|| Self::of(configuration, self.host, "/", false));
        match (self.host, site) {
            (Some(_), Some(site)) => vec![site, all],
            (Some(_), None) => vec![all],
            _ => Vec::new(),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the `<Location>` sections with the path of the scope.
    pub(super) fn locations(&self) -> impl Iterator<Item = Visited<'a>> {
        self.locations.iter().copied()
    }

    /// Returns whether a section is in the file of the site and contains no rules of access.
    pub(super) fn is_own(&self, section: &Visited<'_>) -> bool {
        let is_access = section.directive.children().iter().any(|child| child.is("AuthMerging"));
        self.host.is_none_or(|host| host.file == section.file) && !is_access
    }

    /// Returns the directives of a feature in this scope, also in included files.
    pub(super) fn local(&self, configuration: &'a ApacheConfiguration, feature: Feature) -> Vec<Visited<'a>> {
        let in_location = self.is_location || home(feature) == Home::Location;
        let mut found = Vec::new();
        configuration.visit(&mut |parents, visited, _| {
            if !owns(feature, visited.directive) {
                return;
            }
            let is_here = if in_location {
                parents.split_last().is_some_and(|(last, rest)| {
                    self.locations.contains(last) && rest.iter().copied().eq(self.host)
                })
            } else {
                parents.iter().copied().eq(self.host)
            };
            if is_here {
                found.push(visited);
            }
        });
        found
    }
}

/// Reads the value that applies in a scope: that of the innermost scope with a directive of the feature.
pub(super) fn state(
    configuration: &ApacheConfiguration,
    scope: &Scope,
    feature: Feature,
) -> Result<FeatureState, WebServerError> {
    require_scope(feature, scope)?;
    let sections = ScopeSections::find(configuration, scope)?;
    let mut directives = sections.local(configuration, feature);
    let is_local = !directives.is_empty();
    for higher in sections.higher(configuration) {
        if directives.is_empty() {
            directives = higher.local(configuration, feature);
        }
    }
    let parts: Vec<&Directive> = directives.iter().map(|visited| visited.directive).collect();
    let setting = if parts.is_empty() {
        Setting::Default
    } else {
        match read::read(feature, &parts) {
            Some(value) => Setting::Value { value },
            None => Setting::Unsupported {
                text: parts.iter().map(|part| text(part)).collect::<Vec<_>>().join("\n"),
            },
        }
    };
    let origins = directives.into_iter().map(position).collect();
    Ok(FeatureState { feature, scope: scope.clone(), setting, is_local, origins })
}

/// Returns the words of a directive and of the directives in its section.
fn text(directive: &Directive) -> String {
    let words: Vec<_> = directive.words().iter().map(|word| String::from_utf8_lossy(word.value())).collect();
    let mut text = words.join(" ");
    if directive.section().is_some() {
        text = format!("<{text}>");
    }
    for child in directive.children() {
        text.push('\n');
        text.push_str(&self::text(child));
    }
    text
}

/// Checks that a feature exists in a scope.
pub(super) fn require_scope(feature: Feature, scope: &Scope) -> Result<(), WebServerError> {
    match (feature, scope) {
        (Feature::Redirect, Scope::Server) => {
            Err(WebServerError::Scope { feature, instead: "a site or a location" })
        }
        (Feature::Ssl | Feature::Logging, Scope::Location { .. }) => {
            Err(WebServerError::Scope { feature, instead: "the site" })
        }
        _ => Ok(()),
    }
}
