//! Values of directives.

use apache::Directive;

use super::access;
use super::template::{Use, from_expression, from_format};
use crate::feature::{
    AccessLog, BasicAuthentication, Compression, CompressionLevel, DefaultDocuments, DirectoryBrowsing,
    ErrorLog, ErrorPage, ErrorPages, Feature, FeatureValue, IpRestrictions, Limits, LogLevel, Logging,
    MimeType, MimeTypes, Redirect, RedirectStatus, ResponseHeader, ResponseHeaders, Ssl, StatusCode,
    TlsVersion,
};
use crate::value::{
    CipherList, DocumentName, Extension, FilePath, HeaderName, MediaType, PlainText, UrlPath,
};

/// Returns the value of directives, or `None` if its type cannot represent them.
pub(super) fn read(feature: Feature, directives: &[&Directive]) -> Option<FeatureValue> {
    let is_text =
        directives.iter().all(|directive| directive.words().iter().all(|word| word.text().is_some()));
    if !is_text {
        return None;
    }
    let all = Directives(directives);
    Some(match feature {
        Feature::DefaultDocuments => {
            let files = directives.iter().flat_map(|directive| directive.arguments());
            let files = files.map(|name| DocumentName::parse(name).ok()).collect::<Option<_>>()?;
            FeatureValue::DefaultDocuments(DefaultDocuments { files })
        }
        Feature::DirectoryBrowsing => {
            let enabled = match all.only()?.arguments().collect::<Vec<_>>().as_slice() {
                [word] if word.eq_ignore_ascii_case("+Indexes") => true,
                [word] if word.eq_ignore_ascii_case("-Indexes") => false,
                _ => return None,
            };
            FeatureValue::DirectoryBrowsing(DirectoryBrowsing { enabled, ..DirectoryBrowsing::default() })
        }
        Feature::ErrorPages => FeatureValue::ErrorPages(error_pages(directives)?),
        Feature::Redirect => FeatureValue::Redirect(redirect(all.only()?)?),
        Feature::ResponseHeaders => {
            let headers = directives.iter().map(|directive| header(directive)).collect::<Option<_>>()?;
            FeatureValue::ResponseHeaders(ResponseHeaders { headers })
        }
        Feature::MimeTypes => {
            let types = directives.iter().map(|directive| mime_type(directive)).collect::<Option<_>>()?;
            FeatureValue::MimeTypes(MimeTypes { types: Some(types), default: None })
        }
        Feature::Compression => FeatureValue::Compression(compression(&all)?),
        Feature::IpRestrictions => {
            FeatureValue::IpRestrictions(IpRestrictions { rules: access::read(directives)? })
        }
        Feature::BasicAuthentication => FeatureValue::BasicAuthentication(authentication(&all)?),
        Feature::Ssl => FeatureValue::Ssl(Ssl {
            certificate: all.parse("SSLCertificateFile", path)?,
            key: all.parse("SSLCertificateKeyFile", path)?,
            protocols: protocols(&all)?,
            ciphers: all.parse("SSLCipherSuite", |text| CipherList::parse(text).ok())?,
            prefer_server_ciphers: all.parse("SSLHonorCipherOrder", on_off)?,
        }),
        Feature::Limits => FeatureValue::Limits(limits(&all)?),
        Feature::Logging => {
            FeatureValue::Logging(Logging { access: access_log(&all)?, error: error_log(&all)? })
        }
    })
}

/// Directives of a feature.
struct Directives<'a>(&'a [&'a Directive]);

impl<'a> Directives<'a> {
    /// Returns the only directive.
    fn only(&self) -> Option<&'a Directive> {
        match self.0 {
            [directive] => Some(directive),
            _ => None,
        }
    }

    /// Returns the arguments of the only directive with a name; `Some(None)` without such a directive.
    #[allow(clippy::option_option)] // The outer option is the result of the parser, as in `read`.
    fn list(&self, name: &str) -> Option<Option<Vec<&'a str>>> {
        let mut found = self.0.iter().filter(|directive| directive.is(name));
        let Some(first) = found.next() else { return Some(None) };
        found.next().is_none().then(|| Some(first.arguments().collect()))
    }

    /// Parses the only argument of the only directive with a name.
    #[allow(clippy::option_option)]
    fn parse<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
        match self.list(name)? {
            None => Some(None),
            Some(words) => match words.as_slice() {
                [word] => parse(word).map(Some),
                _ => None,
            },
        }
    }
}

fn path(text: &str) -> Option<FilePath> {
    FilePath::parse(text).ok()
}

fn on_off(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Joins neighbouring directives with the same page.
fn error_pages(directives: &[&Directive]) -> Option<ErrorPages> {
    let mut pages: Vec<ErrorPage> = Vec::new();
    for directive in directives {
        let words: Vec<&str> = directive.arguments().collect();
        let [code, page] = words.as_slice() else { return None };
        let code = StatusCode::try_from(number::<u16>(code)?).ok()?;
        let page = UrlPath::parse(page).ok()?;
        match pages.last_mut() {
            Some(last) if last.page == page => last.codes.push(code),
            _ => pages.push(ErrorPage { codes: vec![code], response: None, page }),
        }
    }
    Some(ErrorPages { pages })
}

fn redirect(directive: &Directive) -> Option<Redirect> {
    let words: Vec<&str> = directive.arguments().collect();
    let [status, target] = words.as_slice() else { return None };
    let status = match status.to_ascii_lowercase().as_str() {
        "permanent" => 301,
        "temp" => 302,
        "seeother" => 303,
        text => number(text)?,
    };
    Some(Redirect {
        status: RedirectStatus::try_from(status).ok()?,
        target: from_expression(target, Use::Redirect)?,
    })
}

fn header(directive: &Directive) -> Option<ResponseHeader> {
    let words: Vec<&str> = directive.arguments().collect();
    let (always, words) = match words.split_first()? {
        (first, rest) if first.eq_ignore_ascii_case("always") => (true, rest),
        (first, rest) if first.eq_ignore_ascii_case("onsuccess") => (false, rest),
        _ => (false, words.as_slice()),
    };
    let [action, name, value] = words else { return None };
    if !action.eq_ignore_ascii_case("set") && !action.eq_ignore_ascii_case("add") {
        return None;
    }
    let value = match value.strip_prefix("expr=") {
        Some(expression) => from_expression(expression, Use::Header)?,
        None => from_format(value)?,
    };
    Some(ResponseHeader { name: HeaderName::parse(name).ok()?, value, always })
}

fn mime_type(directive: &Directive) -> Option<MimeType> {
    let words: Vec<&str> = directive.arguments().collect();
    let (media_type, extensions) = words.split_first()?;
    let extensions =
        extensions.iter().map(|text| Extension::parse(text.strip_prefix('.').unwrap_or(text)).ok());
    Some(MimeType {
        media_type: MediaType::parse(media_type).ok()?,
        extensions: extensions.collect::<Option<_>>()?,
    })
}

fn compression(all: &Directives<'_>) -> Option<Compression> {
    let level =
        all.parse("DeflateCompressionLevel", |text| CompressionLevel::try_from(number::<u8>(text)?).ok())?;
    let Some(words) = all.list("AddOutputFilterByType")? else {
        let words = all.list("SetEnv")??;
        let is_off = words == ["no-gzip", "1"] || words == ["no-gzip"];
        return is_off.then_some(Compression { enabled: false, level, ..Compression::default() });
    };
    let (filter, types) = words.split_first()?;
    let is_known = filter.eq_ignore_ascii_case("DEFLATE") && types.first() == Some(&"text/html");
    if !is_known || all.list("SetEnv")?.is_some() {
        return None;
    }
    let types = types.iter().skip(1).map(|text| MediaType::parse(text).ok()).collect::<Option<Vec<_>>>()?;
    let types = (!types.is_empty()).then_some(types);
    Some(Compression { enabled: true, level, types, minimum_size: None })
}

fn authentication(all: &Directives<'_>) -> Option<BasicAuthentication> {
    let kind = all.parse("AuthType", |text| Some(text.to_ascii_lowercase()))??;
    let rule = all.list("Require")??;
    if kind != "basic" || rule != ["valid-user"] {
        return None;
    }
    let realm = all.parse("AuthName", |text| PlainText::parse(text).ok())?;
    Some(BasicAuthentication { realm, user_file: all.parse("AuthUserFile", path)?, users: None })
}

#[allow(clippy::option_option)]
fn protocols(all: &Directives<'_>) -> Option<Option<Vec<TlsVersion>>> {
    let Some(words) = all.list("SSLProtocol")? else { return Some(None) };
    let mut versions: Vec<TlsVersion> = Vec::new();
    for word in words {
        let (is_removed, name) = match word.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, word.strip_prefix('+').unwrap_or(word)),
        };
        let found = TlsVersion::ALL
            .into_iter()
            .filter(|version| name.eq_ignore_ascii_case("all") || name.eq_ignore_ascii_case(version.name()));
        let found: Vec<TlsVersion> = found.collect();
        // SSLv3 is not part of current builds.
        if found.is_empty() && !name.eq_ignore_ascii_case("SSLv3") {
            return None;
        }
        versions.retain(|version| !found.contains(version));
        if !is_removed {
            versions.extend(found);
        }
    }
    Some(Some(versions))
}

fn limits(all: &Directives<'_>) -> Option<Limits> {
    let mut limits = Limits {
        request_body: all.parse("LimitRequestBody", number)?,
        keep_alive: all.parse("KeepAliveTimeout", number)?,
        send_timeout: all.parse("TimeOut", number)?,
        ..Limits::default()
    };
    for word in all.list("RequestReadTimeout")?.into_iter().flatten() {
        match word.split_once('=')? {
            ("header", seconds) => limits.header_timeout = Some(number(seconds)?),
            ("body", seconds) => limits.body_timeout = Some(number(seconds)?),
            _ => return None,
        }
    }
    Some(limits)
}

#[allow(clippy::option_option)]
fn access_log(all: &Directives<'_>) -> Option<Option<AccessLog>> {
    let Some(words) = all.list("CustomLog")? else { return Some(None) };
    let [file, format] = words.as_slice() else { return None };
    if format.contains('%') {
        return None;
    }
    let file = if *file == "/dev/null" { None } else { Some(FilePath::parse(file).ok()?) };
    Some(Some(AccessLog { file, format: Some(PlainText::parse(format).ok()?) }))
}

#[allow(clippy::option_option)]
fn error_log(all: &Directives<'_>) -> Option<Option<ErrorLog>> {
    let level = all.parse("LogLevel", |text| LogLevel::ALL.into_iter().find(|level| level.name() == text))?;
    match all.parse("ErrorLog", path)? {
        Some(file) => Some(Some(ErrorLog { file, level })),
        // A level without a file has no type.
        None if level.is_some() => None,
        None => Some(None),
    }
}
