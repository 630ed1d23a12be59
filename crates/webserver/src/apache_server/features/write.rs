//! Directives of a value.

use apache::NewDirective;

use super::template::{Use, has_variables, to_expression, to_format};
use super::{UNSUPPORTED_FIELDS, access};
use crate::apache_server::configuration::ApacheConfiguration;
use crate::error::WebServerError;
use crate::feature::{
    BasicAuthentication, Compression, DirectoryBrowsing, FeatureValue, Limits, Logging, ResponseHeader,
    Scope, Ssl,
};

/// Reason for a value that Apache evaluates as an expression, which can read files and variables.
const EXPRESSION: &str =
    "quotes, backslashes and percent signs have a meaning for Apache in this value; leave them out";

/// Returns the directives that set a value in a scope.
pub(in crate::apache_server) fn directives(
    value: &FeatureValue,
    scope: &Scope,
    configuration: &ApacheConfiguration,
) -> Result<Vec<NewDirective>, WebServerError> {
    require_fields(value)?;
    let mut written = Written::default();
    match value {
        FeatureValue::DefaultDocuments(value) => {
            written.list("DirectoryIndex", value.files.iter().map(ToString::to_string))?;
        }
        FeatureValue::DirectoryBrowsing(DirectoryBrowsing { enabled, .. }) => {
            written.list("Options", [if *enabled { "+Indexes" } else { "-Indexes" }])?;
        }
        FeatureValue::ErrorPages(value) => {
            for page in &value.pages {
                if page.page.as_str().contains(['%', '\\']) {
                    let value = FeatureValue::ErrorPages(value.clone());
                    return Err(impossible(&value, EXPRESSION));
                }
                for code in &page.codes {
                    written.list("ErrorDocument", [u16::from(*code).to_string(), page.page.to_string()])?;
                }
            }
        }
        FeatureValue::Redirect(value) => {
            let target = to_expression(&value.target, Use::Redirect)?;
            written.list("Redirect", [u16::from(value.status).to_string(), target])?;
        }
        FeatureValue::ResponseHeaders(value) => {
            for (index, header) in value.headers.iter().enumerate() {
                let earlier = value.headers.iter().take(index);
                let is_repeated = earlier
                    .clone()
                    .any(|other| other.name.as_str().eq_ignore_ascii_case(header.name.as_str()));
                written.list("Header", header_words(header, is_repeated)?)?;
            }
        }
        FeatureValue::MimeTypes(value) => {
            for kind in value.types.iter().flatten() {
                if is_executed(kind.media_type.as_str()) {
                    let value = FeatureValue::MimeTypes(value.clone());
                    return Err(impossible(
                        &value,
                        "Apache executes files of this type; edit its files instead",
                    ));
                }
                let extensions = kind.extensions.iter().map(ToString::to_string);
                written.list("AddType", std::iter::once(kind.media_type.to_string()).chain(extensions))?;
            }
        }
        FeatureValue::Compression(value) => write_compression(value, scope, &mut written)?,
        FeatureValue::IpRestrictions(value) => written.0 = access::write(&value.rules)?,
        FeatureValue::BasicAuthentication(value) => write_authentication(value, &mut written)?,
        FeatureValue::Ssl(value) => write_ssl(value, &mut written)?,
        FeatureValue::Limits(value) => write_limits(value, scope, configuration, &mut written)?,
        FeatureValue::Logging(value) => write_logging(value, configuration, &mut written)?,
    }
    if written.0.is_empty() || is_incomplete(value) {
        return Err(impossible(
            value,
            "a list in it is empty, or it sets nothing; revert the feature instead",
        ));
    }
    Ok(written.0)
}

fn impossible(value: &FeatureValue, reason: &str) -> WebServerError {
    WebServerError::Impossible {
        action: format!("set the feature {}", value.feature()),
        reason: reason.to_owned(),
    }
}

fn is_incomplete(value: &FeatureValue) -> bool {
    match value {
        FeatureValue::IpRestrictions(value) => value.rules.is_empty(),
        _ => value.is_incomplete(),
    }
}

/// Returns whether modules of Apache execute files of a media type, or read them as instructions.
fn is_executed(media_type: &str) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    let subtype = media_type.split_once('/').map_or("", |(_, subtype)| subtype);
    media_type.starts_with("httpd/")
        || subtype.starts_with("x-httpd")
        || ["x-server-parsed-html", "x-server-parsed-html3", "x-type-map", "x-lua-inline"].contains(&subtype)
}

/// Checks that no field is set that Apache has no directive for.
fn require_fields(value: &FeatureValue) -> Result<(), WebServerError> {
    let feature = value.feature().name();
    let used: &[(&str, bool)] = &match value {
        FeatureValue::DirectoryBrowsing(value) => vec![
            ("format", value.format.is_some()),
            ("exact_size", value.exact_size.is_some()),
            ("local_time", value.local_time.is_some()),
        ],
        FeatureValue::ErrorPages(value) => {
            vec![("response", value.pages.iter().any(|page| page.response.is_some()))]
        }
        FeatureValue::MimeTypes(value) => vec![("default", value.default.is_some())],
        FeatureValue::Compression(value) => vec![("minimum_size", value.minimum_size.is_some())],
        FeatureValue::Limits(value) => vec![("rate", value.rate.is_some())],
        _ => Vec::new(),
    };
    let found = used.iter().find(|(field, is_set)| {
        *is_set && UNSUPPORTED_FIELDS.contains(&format!("{feature}.{field}").as_str())
    });
    match found {
        Some((field, _)) => {
            Err(impossible(value, &format!("Apache has no setting for {field}; leave it out")))
        }
        None => Ok(()),
    }
}

fn header_words(header: &ResponseHeader, is_repeated: bool) -> Result<Vec<String>, WebServerError> {
    let mut words = Vec::new();
    words.extend(header.always.then(|| "always".to_owned()));
    words.push(if is_repeated { "add" } else { "set" }.to_owned());
    words.push(header.name.to_string());
    words.push(if has_variables(&header.value) || header.value.as_str().starts_with("expr=") {
        format!("expr={}", to_expression(&header.value, Use::Header)?)
    } else {
        to_format(header.value.as_str())
    });
    Ok(words)
}

fn write_compression(
    value: &Compression,
    scope: &Scope,
    written: &mut Written,
) -> Result<(), WebServerError> {
    if !value.enabled {
        return written.list("SetEnv", ["no-gzip", "1"]);
    }
    let types = value.types.iter().flatten().map(ToString::to_string);
    let words = ["DEFLATE", "text/html"].map(str::to_owned).into_iter();
    written.list("AddOutputFilterByType", words.chain(types.filter(|kind| kind != "text/html")))?;
    if let Some(level) = value.level {
        if matches!(scope, Scope::Location { .. }) {
            let value = FeatureValue::Compression(value.clone());
            return Err(impossible(&value, "Apache has one level for the whole site; set it there"));
        }
        written.list("DeflateCompressionLevel", [u8::from(level).to_string()])?;
    }
    Ok(())
}

fn write_authentication(value: &BasicAuthentication, written: &mut Written) -> Result<(), WebServerError> {
    if value.users.is_some() {
        let value = FeatureValue::BasicAuthentication(value.clone());
        return Err(impossible(&value, "Apache reads users from a file; set user_file"));
    }
    let (Some(realm), Some(file)) = (&value.realm, &value.user_file) else {
        let value = FeatureValue::BasicAuthentication(value.clone());
        let reason =
            "Apache needs a realm and a file with users; to switch authentication off, revert the feature";
        return Err(impossible(&value, reason));
    };
    if realm.as_str().contains(['"', '\\', '%']) {
        let value = FeatureValue::BasicAuthentication(value.clone());
        return Err(impossible(&value, EXPRESSION));
    }
    written.list("AuthType", ["Basic"])?;
    written.list("AuthName", [realm.as_str()])?;
    written.list("AuthUserFile", [file.as_str()])?;
    written.list("Require", ["valid-user"])
}

fn write_ssl(value: &Ssl, written: &mut Written) -> Result<(), WebServerError> {
    written.option("SSLCertificateFile", value.certificate.as_ref().map(ToString::to_string))?;
    written.option("SSLCertificateKeyFile", value.key.as_ref().map(ToString::to_string))?;
    if let Some(protocols) = &value.protocols {
        let versions = protocols.iter().map(|version| format!("+{}", version.name()));
        written.list("SSLProtocol", std::iter::once("-all".to_owned()).chain(versions))?;
    }
    written.option("SSLCipherSuite", value.ciphers.as_ref().map(ToString::to_string))?;
    written.option("SSLHonorCipherOrder", value.prefer_server_ciphers.map(on_off))
}

fn write_limits(
    value: &Limits,
    scope: &Scope,
    configuration: &ApacheConfiguration,
    written: &mut Written,
) -> Result<(), WebServerError> {
    let timeouts = [value.keep_alive, value.body_timeout, value.header_timeout, value.send_timeout];
    let whole = FeatureValue::Limits(value.clone());
    if matches!(scope, Scope::Location { .. }) && timeouts.iter().any(Option::is_some) {
        return Err(impossible(&whole, "timeouts of Apache apply to the whole site; set them there"));
    }
    written.option("LimitRequestBody", value.request_body.map(|bytes| bytes.to_string()))?;
    written.option("KeepAliveTimeout", value.keep_alive.map(|seconds| seconds.to_string()))?;
    let [header, body] = [("header", value.header_timeout), ("body", value.body_timeout)]
        .map(|(name, seconds)| seconds.map(|seconds| format!("{name}={seconds}")));
    let times: Vec<String> = header.into_iter().chain(body).collect();
    if !times.is_empty() {
        if !configuration.has_module("reqtimeout_module") {
            return Err(impossible(&whole, "load the module reqtimeout_module of Apache for these timeouts"));
        }
        written.list("RequestReadTimeout", times)?;
    }
    written.option("TimeOut", value.send_timeout.map(|seconds| seconds.to_string()))
}

fn write_logging(
    value: &Logging,
    configuration: &ApacheConfiguration,
    written: &mut Written,
) -> Result<(), WebServerError> {
    if let Some(access) = &value.access {
        let file = access.file.as_ref().map_or("/dev/null", |file| file.as_str());
        let format = access.format.as_ref().map_or("combined", |format| format.as_str());
        // Apache would take an unknown name as the format itself.
        let mut is_known = false;
        configuration.visit(&mut |_, visited, _| {
            is_known |= visited.directive.is("LogFormat") && visited.directive.word(2) == Some(format);
        });
        if !is_known {
            let reason = format!("no LogFormat with the name {format:?} exists");
            return Err(impossible(&FeatureValue::Logging(value.clone()), &reason));
        }
        written.list("CustomLog", [file, format])?;
    }
    if let Some(error) = &value.error {
        written.list("ErrorLog", [error.file.as_str()])?;
        written.option("LogLevel", error.level.map(|level| level.name().to_owned()))?;
    }
    Ok(())
}

/// Directives that were written.
#[derive(Default)]
struct Written(Vec<NewDirective>);

impl Written {
    fn list<T: Into<String>>(
        &mut self,
        name: &str,
        words: impl IntoIterator<Item = T>,
    ) -> Result<(), WebServerError> {
        let words = std::iter::once(name.to_owned()).chain(words.into_iter().map(Into::into));
        self.0.push(NewDirective::simple(&words.collect::<Vec<String>>())?);
        Ok(())
    }

    fn option(&mut self, name: &str, value: Option<String>) -> Result<(), WebServerError> {
        value.map_or(Ok(()), |value| self.list(name, [value]))
    }
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}
