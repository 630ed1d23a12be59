//! Features as values of sections.

use super::section::{Scalar, Scalars, SectionKind, SectionValue, number, text};
use crate::error::WebServerError;
use crate::feature::{
    Compression, DefaultDocuments, DirectoryBrowsing, ErrorPage, ErrorPages, Feature, FeatureValue, MimeType,
    MimeTypes, Redirect, RedirectStatus, ResponseHeader, ResponseHeaders, Setting, StatusCode,
};
use crate::value::{DocumentName, Extension, HeaderName, MediaType, Template, UrlPath};

/// Fields that IIS has no setting for, as `feature.field`.
pub(super) const UNSUPPORTED_FIELDS: &[&str] = &[
    "directory-browsing.format",
    "directory-browsing.exact_size",
    "directory-browsing.local_time",
    "error-pages.response",
    "mime-types.default",
    "compression.level",
    "compression.types",
    "compression.minimum_size",
];

/// Response mode of an error page: IIS runs the URL as a request of its own.
const EXECUTE_URL: i64 = 1;
/// Response mode of an error page: IIS sends a file.
const FILE: i64 = 0;
/// Substatus of an error page for all errors with a status code.
const ANY_SUBSTATUS: i64 = -1;

/// Variable at the end of a target that stands for path and query of the request.
const REQUEST_URI: &str = "$request_uri";

/// Returns the section of a feature.
pub(super) fn section_of(feature: Feature) -> Result<&'static SectionKind, WebServerError> {
    SectionKind::of_feature(feature).ok_or_else(|| {
        WebServerError::impossible(format!("use the feature {feature}"), "it is not supported for IIS")
    })
}

/// Returns the value of a feature, as far as its type can represent it.
pub(super) fn setting(feature: Feature, section: &SectionValue) -> Setting {
    let value = match feature {
        Feature::DefaultDocuments => default_documents(section),
        Feature::DirectoryBrowsing => Some(FeatureValue::DirectoryBrowsing(DirectoryBrowsing {
            enabled: section.is_enabled("Enabled"),
            ..DirectoryBrowsing::default()
        })),
        Feature::Redirect if !section.is_enabled("Enabled") => return Setting::Default,
        Feature::Redirect => redirect(section),
        Feature::ResponseHeaders if section.elements.is_empty() => return Setting::Default,
        Feature::ResponseHeaders => response_headers(section),
        Feature::ErrorPages => match error_pages(section) {
            Some(pages) if pages.is_empty() => return Setting::Default,
            pages => pages.map(|pages| FeatureValue::ErrorPages(ErrorPages { pages })),
        },
        Feature::MimeTypes => mime_types(section),
        Feature::Compression => compression(section),
        _ => None,
    };
    match value {
        Some(value) => Setting::Value { value },
        None => Setting::Unsupported { text: serde_json::to_string_pretty(section).unwrap_or_default() },
    }
}

/// Returns the value of a section with a new value of its feature. Other parts of the section are kept.
pub(super) fn section(value: &FeatureValue, current: &SectionValue) -> Result<SectionValue, WebServerError> {
    let kind = section_of(value.feature())?;
    let mut section = current.clone();
    match value {
        FeatureValue::DefaultDocuments(value) => {
            require_list(!value.files.is_empty(), "default-documents", "files")?;
            section.settings.insert("Enabled".to_owned(), Scalar::Boolean(true));
            section.elements =
                value.files.iter().map(|file| element([("Value", file.as_str().into())])).collect();
            require_unique(&section.elements, "Value")?;
        }
        FeatureValue::DirectoryBrowsing(value) => {
            require_none(value.format.is_some(), "directory-browsing.format")?;
            require_none(value.exact_size.is_some(), "directory-browsing.exact_size")?;
            require_none(value.local_time.is_some(), "directory-browsing.local_time")?;
            section.settings.insert("Enabled".to_owned(), Scalar::Boolean(value.enabled));
        }
        FeatureValue::Redirect(value) => set_redirect(value, &mut section)?,
        FeatureValue::ResponseHeaders(value) => {
            let headers = value.headers.iter().map(|header| {
                let value = literal(&header.value, "response-headers")?;
                Ok(element([("Name", header.name.as_str().into()), ("Value", value.into())]))
            });
            section.elements = headers.collect::<Result<_, WebServerError>>()?;
            require_unique(&section.elements, "Name")?;
        }
        FeatureValue::ErrorPages(value) => set_error_pages(value, &mut section)?,
        FeatureValue::MimeTypes(value) => set_mime_types(value, &mut section)?,
        FeatureValue::Compression(value) => {
            require_none(value.level.is_some(), "compression.level")?;
            require_none(value.types.is_some(), "compression.types")?;
            require_none(value.minimum_size.is_some(), "compression.minimum_size")?;
            for name in ["DoDynamicCompression", "DoStaticCompression"] {
                section.settings.insert(name.to_owned(), Scalar::Boolean(value.enabled));
            }
        }
        _ => return Err(unsupported("the value")),
    }
    kind.sort(&mut section.elements);
    Ok(section)
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

fn element<const N: usize>(properties: [(&str, Scalar); N]) -> Scalars {
    properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn unsupported(what: &str) -> WebServerError {
    WebServerError::impossible(format!("set {what}"), "IIS has no setting for it; omit it")
}

fn require_none(is_given: bool, field: &str) -> Result<(), WebServerError> {
    if is_given { Err(unsupported(field)) } else { Ok(()) }
}

fn require_list(is_filled: bool, feature: &str, list: &str) -> Result<(), WebServerError> {
    if is_filled {
        return Ok(());
    }
    Err(WebServerError::impossible(format!("set {feature}"), format!("the list {list} is empty")))
}

/// IIS rejects elements with the same key. It compares keys without case.
fn require_unique(elements: &[Scalars], key: &str) -> Result<(), WebServerError> {
    let mut keys: Vec<String> = elements.iter().map(|element| text(element, key).to_lowercase()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[String]>::first) {
        None => Ok(()),
        Some(twice) => {
            Err(WebServerError::impossible(format!("set {twice:?} twice"), "IIS accepts each name once"))
        }
    }
}

/// Returns a template without variables, which IIS does not have.
fn literal<'a>(template: &'a Template, feature: &str) -> Result<&'a str, WebServerError> {
    let text = template.as_str();
    if text.contains('$') {
        let reason = "IIS has no variables there; write the text itself";
        return Err(WebServerError::impossible(format!("set {feature} to {text:?}"), reason));
    }
    Ok(text)
}

fn default_documents(section: &SectionValue) -> Option<FeatureValue> {
    let files = section.elements.iter().map(|element| DocumentName::parse(text(element, "Value")).ok());
    let files = files.collect::<Option<Vec<_>>>()?;
    section.is_enabled("Enabled").then_some(FeatureValue::DefaultDocuments(DefaultDocuments { files }))
}

fn redirect(section: &SectionValue) -> Option<FeatureValue> {
    let target = text(&section.settings, "Destination");
    // A dollar sign begins a variable of IIS.
    if !section.elements.is_empty() || section.is_enabled("ChildOnly") || target.contains('$') {
        return None;
    }
    let suffix = if section.is_enabled("ExactDestination") { "" } else { REQUEST_URI };
    let status = u16::try_from(section.number("HttpResponseStatus").unwrap_or(302)).ok()?;
    let status = RedirectStatus::try_from(status).ok()?;
    let target = Template::parse(&format!("{target}{suffix}")).ok()?;
    Some(FeatureValue::Redirect(Redirect { status, target }))
}

fn set_redirect(value: &Redirect, section: &mut SectionValue) -> Result<(), WebServerError> {
    let status = u16::from(value.status);
    if !matches!(status, 301 | 302 | 307) {
        let reason = "IIS redirects with 301, 302 or 307";
        return Err(WebServerError::impossible(format!("redirect with the status {status}"), reason));
    }
    let target = value.target.as_str();
    let (destination, is_exact) = match target.strip_suffix(REQUEST_URI) {
        Some(destination) => (destination, false),
        None => (target, true),
    };
    if destination.contains('$') || destination.is_empty() {
        let reason = "IIS supports $request_uri at the end of the target only";
        return Err(WebServerError::impossible(format!("redirect to {target:?}"), reason));
    }
    let settings = [
        ("ChildOnly", Scalar::Boolean(false)),
        ("Destination", destination.into()),
        ("Enabled", Scalar::Boolean(true)),
        ("ExactDestination", Scalar::Boolean(is_exact)),
        ("HttpResponseStatus", i64::from(status).into()),
    ];
    section.settings.extend(element(settings));
    section.elements.clear();
    Ok(())
}

fn response_headers(section: &SectionValue) -> Option<FeatureValue> {
    let headers = section.elements.iter().map(|element| {
        let name = HeaderName::parse(text(element, "Name")).ok()?;
        let value =
            Template::parse(text(element, "Value")).ok().filter(|value| !value.as_str().contains('$'))?;
        // IIS adds its headers to all responses.
        Some(ResponseHeader { name, value, always: true })
    });
    let headers = headers.collect::<Option<_>>()?;
    Some(FeatureValue::ResponseHeaders(ResponseHeaders { headers }))
}

/// Returns the pages of the site. The pages that come with IIS are files in a folder for each language.
fn error_pages(section: &SectionValue) -> Option<Vec<ErrorPage>> {
    let mut pages: Vec<ErrorPage> = Vec::new();
    for element in &section.elements {
        let mode = number(element, "ResponseMode").unwrap_or(FILE);
        if mode == FILE && !text(element, "PrefixLanguageFilePath").is_empty() {
            continue;
        }
        if mode != EXECUTE_URL || number(element, "SubStatusCode").unwrap_or(ANY_SUBSTATUS) != ANY_SUBSTATUS {
            return None;
        }
        let code = StatusCode::try_from(u16::try_from(number(element, "StatusCode")?).ok()?).ok()?;
        let page = UrlPath::parse(text(element, "Path")).ok()?;
        match pages.iter_mut().find(|known| known.page == page) {
            Some(known) => known.codes.push(code),
            None => pages.push(ErrorPage { codes: vec![code], response: None, page }),
        }
    }
    Some(pages)
}

fn set_error_pages(value: &ErrorPages, section: &mut SectionValue) -> Result<(), WebServerError> {
    let mut elements = Vec::new();
    for page in &value.pages {
        require_none(page.response.is_some(), "error-pages.response")?;
        require_list(!page.codes.is_empty(), "error-pages", "codes")?;
        for code in &page.codes {
            let code = i64::from(u16::from(*code));
            if code < 400 {
                let reason = "IIS has error pages for 400 to 599";
                return Err(WebServerError::impossible(format!("set a page for {code}"), reason));
            }
            elements.push(element([
                ("Path", page.page.as_str().into()),
                ("PrefixLanguageFilePath", "".into()),
                ("ResponseMode", EXECUTE_URL.into()),
                ("StatusCode", code.into()),
                ("SubStatusCode", ANY_SUBSTATUS.into()),
            ]));
        }
    }
    let is_replaced = |old: &Scalars| {
        number(old, "ResponseMode") == Some(EXECUTE_URL)
            || elements.iter().any(|new| {
                ["StatusCode", "SubStatusCode"].iter().all(|key| number(new, key) == number(old, key))
            })
    };
    section.elements.retain(|old| !is_replaced(old));
    section.elements.append(&mut elements);
    Ok(())
}

fn mime_types(section: &SectionValue) -> Option<FeatureValue> {
    let mut types: Vec<MimeType> = Vec::new();
    for element in &section.elements {
        let extension = Extension::parse(text(element, "FileExtension").strip_prefix('.')?).ok()?;
        let media_type = MediaType::parse(text(element, "MimeType")).ok()?;
        match types.iter_mut().find(|known| known.media_type == media_type) {
            Some(known) => known.extensions.push(extension),
            None => types.push(MimeType { media_type, extensions: vec![extension] }),
        }
    }
    Some(FeatureValue::MimeTypes(MimeTypes { types: Some(types), default: None }))
}

fn set_mime_types(value: &MimeTypes, section: &mut SectionValue) -> Result<(), WebServerError> {
    require_none(value.default.is_some(), "mime-types.default")?;
    let Some(types) = &value.types else { return Ok(()) };
    let mut elements = Vec::new();
    for kind in types {
        require_list(!kind.extensions.is_empty(), "mime-types", "extensions")?;
        for extension in &kind.extensions {
            let extension = format!(".{extension}");
            let media_type = kind.media_type.as_str();
            elements.push(element([
                ("FileExtension", extension.as_str().into()),
                ("MimeType", media_type.into()),
            ]));
        }
    }
    require_unique(&elements, "FileExtension")?;
    section.elements = elements;
    Ok(())
}

fn compression(section: &SectionValue) -> Option<FeatureValue> {
    let enabled = section.is_enabled("DoStaticCompression");
    let is_same = enabled == section.is_enabled("DoDynamicCompression");
    is_same.then(|| FeatureValue::Compression(Compression { enabled, ..Compression::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(json: &str, feature: Feature, current: &SectionValue) -> Result<SectionValue, String> {
        use serde::de::DeserializeSeed as _;
        let value = feature.deserialize(&mut serde_json::Deserializer::from_str(json)).unwrap();
        section(&value, current).map_err(|error| error.to_string())
    }

    fn read_back(feature: Feature, section: &SectionValue) -> String {
        match setting(feature, section) {
            Setting::Value { value } => serde_json::to_string(&value).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        for (feature, json) in [
            (Feature::DefaultDocuments, r#"{"files":["b.html","a.html"]}"#),
            (
                Feature::DirectoryBrowsing,
                r#"{"enabled":true,"exact_size":null,"format":null,"local_time":null}"#,
            ),
            (Feature::Redirect, r#"{"status":301,"target":"https://new.example/a"}"#),
            (Feature::Redirect, r#"{"status":307,"target":"https://new.example$request_uri"}"#),
            (Feature::ResponseHeaders, r#"{"headers":[{"name":"X-A","value":"b; c","always":true}]}"#),
            (Feature::ErrorPages, r#"{"pages":[{"codes":[404,500],"response":null,"page":"/e.html"}]}"#),
            (Feature::MimeTypes, r#"{"types":[{"media_type":"a/b","extensions":["a","b"]}],"default":null}"#),
            (Feature::Compression, r#"{"enabled":true,"level":null,"types":null,"minimum_size":null}"#),
        ] {
            let section = changed(json, feature, &SectionValue::default()).unwrap();
            let tagged = format!("{{\"feature\":\"{feature}\",{}", &json[1..]);
            assert_eq!(read_back(feature, &section), tagged);
        }
    }

    #[test]
    fn values_that_iis_cannot_have_are_refused() {
        for (feature, json, reason) in [
            (Feature::DefaultDocuments, r#"{"files":[]}"#, "empty"),
            (Feature::DefaultDocuments, r#"{"files":["a","A"]}"#, "once"),
            (Feature::Redirect, r#"{"status":308,"target":"/"}"#, "301, 302 or 307"),
            (Feature::Redirect, r#"{"status":301,"target":"https://$host/"}"#, "at the end"),
            (Feature::ResponseHeaders, r#"{"headers":[{"name":"X","value":"$host"}]}"#, "no variables"),
            (Feature::ErrorPages, r#"{"pages":[{"codes":[404],"response":404,"page":"/e"}]}"#, "omit"),
            (Feature::ErrorPages, r#"{"pages":[{"codes":[301],"page":"/e"}]}"#, "400 to 599"),
            (Feature::MimeTypes, r#"{"default":"a/b"}"#, "omit"),
            (Feature::Compression, r#"{"enabled":true,"level":5}"#, "omit"),
            (Feature::Limits, "{}", "not supported for IIS"),
        ] {
            let error = changed(json, feature, &SectionValue::default()).unwrap_err();
            assert!(error.contains(reason), "{json}: {error}");
        }
    }

    #[test]
    fn error_pages_keep_the_pages_of_iis() {
        let standard = element([
            ("Path", "404.htm".into()),
            ("PrefixLanguageFilePath", "%SystemDrive%\\inetpub\\custerr".into()),
            ("ResponseMode", FILE.into()),
            ("StatusCode", 404.into()),
            ("SubStatusCode", ANY_SUBSTATUS.into()),
        ]);
        let mut other = standard.clone();
        other.insert("StatusCode".to_owned(), 403.into());
        let current = SectionValue { elements: vec![other.clone(), standard], ..SectionValue::default() };
        assert_eq!(setting(Feature::ErrorPages, &current), Setting::Default);
        let json = r#"{"pages":[{"codes":[404],"page":"/e.html"}]}"#;
        let section = changed(json, Feature::ErrorPages, &current).unwrap();
        assert_eq!(section.elements.len(), 2);
        assert_eq!(section.elements[0], other);
        let removed = changed(r#"{"pages":[]}"#, Feature::ErrorPages, &section).unwrap();
        assert_eq!(removed.elements, [other]);
        let mut redirected = section.clone();
        redirected.elements[1].insert("ResponseMode".to_owned(), 2.into());
        assert!(matches!(setting(Feature::ErrorPages, &redirected), Setting::Unsupported { .. }));
    }

    #[test]
    fn foreign_variables_of_redirects_are_not_interpreted() {
        let json = r#"{"status":301,"target":"https://new.example/"}"#;
        let mut section = changed(json, Feature::Redirect, &SectionValue::default()).unwrap();
        section.settings.insert("Destination".to_owned(), "https://new.example$V$Q".into());
        assert!(matches!(setting(Feature::Redirect, &section), Setting::Unsupported { .. }));
    }
}
