//! Values of directives.

use nginx::Directive;

use crate::feature::{
    AccessLog, BasicAuthentication, Compression, CompressionLevel, DefaultDocuments, DirectoryBrowsing,
    ErrorLog, ErrorPage, ErrorPages, Feature, FeatureValue, IpRestrictions, IpRule, Limits, ListFormat,
    LogLevel, Logging, MimeType, MimeTypes, Redirect, RedirectStatus, ResponseHeader, ResponseHeaders, Ssl,
    StatusCode, TlsVersion,
};
use crate::value::{
    CipherList, DocumentName, Extension, FilePath, HeaderName, MediaType, PlainText, Template, UrlPath,
};

/// Returns the value of directives, or `None` if its type cannot represent them.
pub(in crate::nginx_server) fn read(feature: Feature, directives: &[&Directive]) -> Option<FeatureValue> {
    let all = Directives(directives);
    let is_complete = directives.iter().all(|directive| {
        directive.words().iter().all(|word| word.text().is_some()) && directive.words().len() > 1
            || directive.block().is_some()
    });
    if !is_complete {
        return None;
    }
    Some(match feature {
        Feature::DefaultDocuments => {
            let files = directives.iter().flat_map(|directive| directive.arguments());
            let files = files.map(|name| DocumentName::parse(name).ok()).collect::<Option<_>>()?;
            FeatureValue::DefaultDocuments(DefaultDocuments { files })
        }
        Feature::DirectoryBrowsing => FeatureValue::DirectoryBrowsing(DirectoryBrowsing {
            enabled: all.parse("autoindex", on_off)?.unwrap_or(false),
            exact_size: all.parse("autoindex_exact_size", on_off)?,
            format: all.parse("autoindex_format", list_format)?,
            local_time: all.parse("autoindex_localtime", on_off)?,
        }),
        Feature::ErrorPages => {
            let pages = directives.iter().map(|directive| error_page(directive)).collect::<Option<_>>()?;
            FeatureValue::ErrorPages(ErrorPages { pages })
        }
        Feature::Redirect => FeatureValue::Redirect(redirect(directives)?),
        Feature::ResponseHeaders => {
            let headers = directives.iter().map(|directive| header(directive)).collect::<Option<_>>()?;
            FeatureValue::ResponseHeaders(ResponseHeaders { headers })
        }
        Feature::MimeTypes => FeatureValue::MimeTypes(MimeTypes {
            types: types(directives)?,
            default: all.parse("default_type", |text| MediaType::parse(text).ok())?,
        }),
        Feature::Compression => FeatureValue::Compression(Compression {
            enabled: all.parse("gzip", on_off)?.unwrap_or(false),
            level: all
                .parse("gzip_comp_level", |text| CompressionLevel::try_from(text.parse::<u8>().ok()?).ok())?,
            types: all.list("gzip_types", |text| MediaType::parse(text).ok())?,
            minimum_size: all.parse("gzip_min_length", |text| u32::try_from(size(text)?).ok())?,
        }),
        Feature::IpRestrictions => {
            let rules = directives.iter().map(|directive| {
                Some(IpRule { allow: directive.name() == "allow", clients: single(directive)?.parse().ok()? })
            });
            FeatureValue::IpRestrictions(IpRestrictions { rules: rules.collect::<Option<_>>()? })
        }
        Feature::BasicAuthentication => {
            let realm = all.parse("auth_basic", |text| Some(text.to_owned()))?.filter(|realm| realm != "off");
            FeatureValue::BasicAuthentication(BasicAuthentication {
                realm: realm.map(|realm| PlainText::parse(&realm)).transpose().ok()?,
                user_file: all.parse("auth_basic_user_file", path)?,
                users: None,
            })
        }
        Feature::Ssl => FeatureValue::Ssl(Ssl {
            certificate: all.parse("ssl_certificate", path)?,
            key: all.parse("ssl_certificate_key", path)?,
            protocols: all.list("ssl_protocols", |text| {
                TlsVersion::ALL.into_iter().find(|version| version.name() == text)
            })?,
            ciphers: all.parse("ssl_ciphers", |text| CipherList::parse(text).ok())?,
            prefer_server_ciphers: all.parse("ssl_prefer_server_ciphers", on_off)?,
        }),
        Feature::Limits => FeatureValue::Limits(Limits {
            request_body: all.parse("client_max_body_size", size)?,
            keep_alive: all.parse("keepalive_timeout", seconds)?,
            body_timeout: all.parse("client_body_timeout", seconds)?,
            header_timeout: all.parse("client_header_timeout", seconds)?,
            send_timeout: all.parse("send_timeout", seconds)?,
            rate: all.parse("limit_rate", size)?,
        }),
        Feature::Logging => {
            FeatureValue::Logging(Logging { access: access_log(directives)?, error: error_log(directives)? })
        }
    })
}

/// Directives of a feature.
struct Directives<'a>(&'a [&'a Directive]);

impl Directives<'_> {
    /// Parses the only argument of the only directive with a name. Returns `Some(None)` without such a directive.
    #[allow(clippy::option_option)] // The outer option is the result of the parser, as in `read`.
    fn parse<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
        let mut found = self.0.iter().filter(|directive| directive.name() == name);
        let Some(first) = found.next() else { return Some(None) };
        if found.next().is_some() {
            return None;
        }
        parse(single(first)?).map(Some)
    }

    /// Parses all arguments of the only directive with a name.
    #[allow(clippy::option_option)]
    fn list<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<Vec<T>>> {
        let mut found = self.0.iter().filter(|directive| directive.name() == name);
        let Some(first) = found.next() else { return Some(None) };
        if found.next().is_some() {
            return None;
        }
        first.arguments().map(parse).collect::<Option<Vec<T>>>().map(Some)
    }
}

fn single(directive: &Directive) -> Option<&str> {
    directive.word(1).filter(|_| directive.words().len() == 2)
}

fn on_off(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn list_format(text: &str) -> Option<ListFormat> {
    match text {
        "html" => Some(ListFormat::Html),
        "xml" => Some(ListFormat::Xml),
        "json" => Some(ListFormat::Json),
        "jsonp" => Some(ListFormat::Jsonp),
        _ => None,
    }
}

fn path(text: &str) -> Option<FilePath> {
    FilePath::parse(text).ok()
}

/// Parses a size in bytes, with `k`, `m` or `g`.
fn size(text: &str) -> Option<u64> {
    let factors = [(['k', 'K'], 1_u64 << 10), (['m', 'M'], 1 << 20), (['g', 'G'], 1 << 30)];
    for (letters, factor) in factors {
        if let Some(number) = text.strip_suffix(letters) {
            return digits(number)?.checked_mul(factor);
        }
    }
    digits(text)
}

/// Parses a time in whole seconds, with `s`, `m`, `h` or `d`.
fn seconds(text: &str) -> Option<u32> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    if text.ends_with("ms") {
        return None;
    }
    let found = units.into_iter().find_map(|(letter, factor)| Some((text.strip_suffix(letter)?, factor)));
    let (number, factor) = found.unwrap_or((text, 1));
    u32::try_from(digits(number)?.checked_mul(factor)?).ok()
}

fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn error_page(directive: &Directive) -> Option<ErrorPage> {
    let arguments: Vec<&str> = directive.arguments().collect();
    let (page, rest) = arguments.split_last()?;
    let (response, codes) = match rest.split_last() {
        Some((last, codes)) if last.starts_with('=') => (Some(code(last.get(1..)?)?), codes),
        _ => (None, rest),
    };
    let codes = codes.iter().map(|text| code(text)).collect::<Option<Vec<_>>>()?;
    let page = UrlPath::parse(page).ok()?;
    (!codes.is_empty()).then_some(ErrorPage { codes, response, page })
}

fn code(text: &str) -> Option<StatusCode> {
    StatusCode::try_from(text.parse::<u16>().ok()?).ok()
}

fn redirect(directives: &[&Directive]) -> Option<Redirect> {
    let [directive] = directives else { return None };
    let status = RedirectStatus::try_from(directive.word(1)?.parse::<u16>().ok()?).ok()?;
    let target = Template::parse(directive.word(2)?).ok()?;
    (directive.words().len() == 3).then_some(Redirect { status, target })
}

fn header(directive: &Directive) -> Option<ResponseHeader> {
    let always = match (directive.words().len(), directive.word(3)) {
        (3, _) => false,
        (4, Some("always")) => true,
        _ => return None,
    };
    let name = HeaderName::parse(directive.word(1)?).ok()?;
    Some(ResponseHeader { name, value: Template::parse(directive.word(2)?).ok()?, always })
}

#[allow(clippy::option_option)]
fn types(directives: &[&Directive]) -> Option<Option<Vec<MimeType>>> {
    let blocks: Vec<&Directive> =
        directives.iter().copied().filter(|directive| directive.name() == "types").collect();
    if blocks.is_empty() {
        return Some(None);
    }
    let mut types = Vec::new();
    for line in blocks.iter().flat_map(|block| block.children()) {
        // `include` inside the block is not represented.
        let media_type = MediaType::parse(line.name()).ok()?;
        let extensions = line.arguments().map(|text| Extension::parse(text).ok()).collect::<Option<_>>()?;
        types.push(MimeType { media_type, extensions });
    }
    Some(Some(types))
}

#[allow(clippy::option_option)]
fn access_log(directives: &[&Directive]) -> Option<Option<AccessLog>> {
    let mut found = directives.iter().filter(|directive| directive.name() == "access_log");
    let Some(first) = found.next() else { return Some(None) };
    if found.next().is_some() || first.words().len() > 3 {
        return None;
    }
    let format = first.word(2).map(PlainText::parse).transpose().ok()?;
    if format.as_ref().is_some_and(|format| format.as_str().contains('=')) {
        return None;
    }
    let file = match first.word(1)? {
        "off" => None,
        text => Some(FilePath::parse(text).ok()?),
    };
    Some(Some(AccessLog { file, format }))
}

#[allow(clippy::option_option)]
fn error_log(directives: &[&Directive]) -> Option<Option<ErrorLog>> {
    let mut found = directives.iter().filter(|directive| directive.name() == "error_log");
    let Some(first) = found.next() else { return Some(None) };
    if found.next().is_some() || first.words().len() > 3 {
        return None;
    }
    let level = match first.word(2) {
        Some(text) => Some(LogLevel::ALL.into_iter().find(|level| level.name() == text)?),
        None => None,
    };
    Some(Some(ErrorLog { file: FilePath::parse(first.word(1)?).ok()?, level }))
}
