//! Directives of a value.

use nginx::NewDirective;

use crate::feature::{Feature, FeatureValue, Limits, ListFormat, Logging, Ssl};

/// Returns the directives that set a value.
pub(in crate::nginx_server) fn directives(value: &FeatureValue) -> Vec<NewDirective> {
    let mut written = Written::default();
    match value {
        FeatureValue::DefaultDocuments(value) => {
            written.list("index", value.files.iter().map(ToString::to_string).collect());
        }
        FeatureValue::DirectoryBrowsing(value) => {
            written.set("autoindex", on_off(value.enabled));
            written.option("autoindex_exact_size", value.exact_size.map(on_off));
            written.option("autoindex_format", value.format.map(list_format));
            written.option("autoindex_localtime", value.local_time.map(on_off));
        }
        FeatureValue::ErrorPages(value) => {
            for page in &value.pages {
                let mut words: Vec<String> =
                    page.codes.iter().map(|code| u16::from(*code).to_string()).collect();
                words.extend(page.response.map(|code| format!("={}", u16::from(code))));
                words.push(page.page.to_string());
                written.list("error_page", words);
            }
        }
        FeatureValue::Redirect(value) => {
            written.list("return", vec![u16::from(value.status).to_string(), value.target.to_string()]);
        }
        FeatureValue::ResponseHeaders(value) => {
            for header in &value.headers {
                let mut words = vec![header.name.to_string(), header.value.to_string()];
                words.extend(header.always.then(|| "always".to_owned()));
                written.list("add_header", words);
            }
        }
        FeatureValue::MimeTypes(value) => {
            if let Some(types) = &value.types {
                let block = types.iter().map(|kind| {
                    let mut words = vec![kind.media_type.to_string()];
                    words.extend(kind.extensions.iter().map(ToString::to_string));
                    NewDirective::simple(&words)
                });
                written.0.push(NewDirective::with_block(&["types"], block.collect()));
            }
            written.option("default_type", value.default.as_ref().map(ToString::to_string));
        }
        FeatureValue::Compression(value) => {
            written.set("gzip", on_off(value.enabled));
            written.option("gzip_comp_level", value.level.map(|level| u8::from(level).to_string()));
            if let Some(types) = &value.types {
                written.list("gzip_types", types.iter().map(ToString::to_string).collect());
            }
            written.option("gzip_min_length", value.minimum_size.map(|size| size.to_string()));
        }
        FeatureValue::IpRestrictions(value) => {
            for rule in &value.rules {
                written.set(if rule.allow { "allow" } else { "deny" }, rule.clients.to_string());
            }
        }
        FeatureValue::BasicAuthentication(value) => {
            let realm = value.realm.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string);
            written.set("auth_basic", realm);
            written.option("auth_basic_user_file", value.user_file.as_ref().map(ToString::to_string));
        }
        FeatureValue::Ssl(value) => write_ssl(value, &mut written),
        FeatureValue::Limits(value) => write_limits(value, &mut written),
        FeatureValue::Logging(value) => write_logging(value, &mut written),
    }
    written.0
}

/// Returns why a value cannot be written, for example because a list is empty.
pub(in crate::nginx_server) fn problem(value: &FeatureValue) -> Option<&'static str> {
    let is_incomplete = match value {
        FeatureValue::Compression(value) => value.types.as_ref().is_some_and(Vec::is_empty),
        FeatureValue::BasicAuthentication(value) if value.users.is_some() => {
            return Some("nginx reads users from a file; set user_file");
        }
        FeatureValue::BasicAuthentication(value) => return realm_problem(value.realm.as_ref()?.as_str()),
        _ => value.is_incomplete(),
    };
    if is_incomplete {
        return Some("a list in it is empty");
    }
    let has_none = directives(value).is_empty();
    has_none.then_some("it sets nothing; revert the feature instead")
}

fn realm_problem(realm: &str) -> Option<&'static str> {
    if realm == "off" {
        return Some("the realm \"off\" would switch authentication off");
    }
    let has_quotes = realm.contains(['"', '\\']);
    has_quotes.then_some(
        "nginx writes the realm without escaping quotes and backslashes, so it cannot contain them",
    )
}

/// Directives that were written.
#[derive(Default)]
struct Written(Vec<NewDirective>);

impl Written {
    fn list(&mut self, name: &str, mut words: Vec<String>) {
        words.insert(0, name.to_owned());
        self.0.push(NewDirective::simple(&words));
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.list(name, vec![value.into()]);
    }

    fn option(&mut self, name: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }
}

fn write_ssl(value: &Ssl, written: &mut Written) {
    written.option("ssl_certificate", value.certificate.as_ref().map(ToString::to_string));
    written.option("ssl_certificate_key", value.key.as_ref().map(ToString::to_string));
    if let Some(protocols) = &value.protocols {
        written.list("ssl_protocols", protocols.iter().map(|version| version.name().to_owned()).collect());
    }
    written.option("ssl_ciphers", value.ciphers.as_ref().map(ToString::to_string));
    written.option("ssl_prefer_server_ciphers", value.prefer_server_ciphers.map(on_off));
}

fn write_limits(value: &Limits, written: &mut Written) {
    written.option("client_max_body_size", value.request_body.map(|bytes| bytes.to_string()));
    written.option("keepalive_timeout", value.keep_alive.map(|seconds| seconds.to_string()));
    written.option("client_body_timeout", value.body_timeout.map(|seconds| seconds.to_string()));
    written.option("client_header_timeout", value.header_timeout.map(|seconds| seconds.to_string()));
    written.option("send_timeout", value.send_timeout.map(|seconds| seconds.to_string()));
    written.option("limit_rate", value.rate.map(|bytes| bytes.to_string()));
}

fn write_logging(value: &Logging, written: &mut Written) {
    if let Some(access) = &value.access {
        match &access.file {
            Some(file) => {
                let mut words = vec![file.to_string()];
                words.extend(access.format.as_ref().map(ToString::to_string));
                written.list("access_log", words);
            }
            None => written.set("access_log", "off"),
        }
    }
    if let Some(error) = &value.error {
        let mut words = vec![error.file.to_string()];
        words.extend(error.level.map(|level| level.name().to_owned()));
        written.list("error_log", words);
    }
}

fn on_off(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn list_format(format: ListFormat) -> &'static str {
    match format {
        ListFormat::Html => "html",
        ListFormat::Xml => "xml",
        ListFormat::Json => "json",
        ListFormat::Jsonp => "jsonp",
    }
}

/// Returns the features that this module writes.
pub(in crate::nginx_server) fn supported() -> Vec<Feature> {
    Feature::ALL.to_vec()
}
