//! The configuration as text: one document for the server, and one for each site.
//!
//! IIS keeps its configuration in files of its own, which WMI does not return. These documents have the parts that the
//! engine reads and writes, in JSON with a fixed order, so that they can be compared, stored and restored.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::section::SectionValue;
use crate::error::WebServerError;
use crate::model::SiteState;
use crate::plan::{Problem, Severity};
use crate::position::Position;
use crate::value::{MAX_IDENTIFIER, SiteId, identifier_character};

/// Name of the document with the values that all sites inherit.
pub(super) const SERVER: &str = "/server";
/// Prefix of the names of the documents of sites.
const SITES: &str = "/sites/";

/// Sections by class.
pub(super) type Sections = BTreeMap<String, SectionValue>;

/// All documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Documents {
    /// `None` in a set of changed documents without it.
    pub(super) server: Option<ServerDocument>,
    /// Sites by name.
    pub(super) sites: BTreeMap<String, SiteDocument>,
}

/// Values that all sites inherit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerDocument {
    pub(super) sections: Sections,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SiteDocument {
    pub(super) state: SiteState,
    /// The site starts with the machine.
    pub(super) auto_start: bool,
    pub(super) bindings: Vec<SiteBinding>,
    /// Applications by path; `/` is the root application.
    pub(super) applications: BTreeMap<String, ApplicationDocument>,
    /// Sections whose values differ from those of the server.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) sections: Sections,
}

/// An application of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplicationDocument {
    /// Application pool.
    pub(super) pool: String,
    /// Folders of the virtual directories by path; `/` is the folder of the application itself.
    pub(super) directories: BTreeMap<String, String>,
}

/// Binding of a site, written as in `http *:80:www.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct SiteBinding {
    pub(super) protocol: String,
    /// Address, port and host name of HTTP; text of another form for other protocols.
    pub(super) information: String,
}

impl SiteBinding {
    pub(super) fn is_web(&self) -> bool {
        matches!(self.protocol.as_str(), "http" | "https")
    }
}

impl fmt::Display for SiteBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.information)
    }
}

impl From<SiteBinding> for String {
    fn from(binding: SiteBinding) -> Self {
        binding.to_string()
    }
}

impl TryFrom<String> for SiteBinding {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let (protocol, information) =
            text.split_once(' ').ok_or("a binding is PROTOCOL ADDRESS:PORT:NAME")?;
        Ok(Self { protocol: protocol.to_owned(), information: information.to_owned() })
    }
}

impl Documents {
    /// Returns the texts by the names of the documents.
    pub(super) fn texts(&self) -> BTreeMap<String, Vec<u8>> {
        let sites = self.sites.iter().map(|(name, site)| (site_file(name), to_text(site)));
        let server = self.server.iter().map(|server| (SERVER.to_owned(), to_text(server)));
        sites.chain(server).collect()
    }

    /// Parses documents.
    ///
    /// # Errors
    /// [`WebServerError::Syntax`] with the document.
    pub(super) fn parse<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, WebServerError> {
        let mut documents = Self::default();
        for (file, text) in texts {
            if file == SERVER {
                documents.server = Some(from_text(file, text)?);
            } else if let Some(name) = file.strip_prefix(SITES) {
                documents.sites.insert(name.to_owned(), from_text(file, text)?);
            } else {
                return Err(WebServerError::not_found("document", &file));
            }
        }
        Ok(documents)
    }

    /// Returns a section of the server.
    pub(super) fn server_section(&self, class: &str) -> Option<&SectionValue> {
        self.server.as_ref()?.sections.get(class)
    }

    /// Returns the sites with their identifiers.
    pub(super) fn identified(&self) -> Vec<(SiteId, &str, &SiteDocument)> {
        let mut found: Vec<(SiteId, &str, &SiteDocument)> = Vec::new();
        for (name, site) in &self.sites {
            let id = unused_id(name, |id| found.iter().any(|(known, ..)| known == id));
            found.push((id, name, site));
        }
        found
    }

    /// Returns the name of a site.
    pub(super) fn site_name(&self, id: &SiteId) -> Result<String, WebServerError> {
        let found = self.identified().into_iter().find(|(known, ..)| known == id);
        found.map(|(_, name, _)| name.to_owned()).ok_or_else(|| WebServerError::not_found("site", id))
    }

    pub(super) fn site_mut(&mut self, name: &str) -> Result<&mut SiteDocument, WebServerError> {
        self.sites.get_mut(name).ok_or_else(|| WebServerError::not_found("site", &name))
    }
}

/// Returns the name of the document of a site.
pub(super) fn site_file(name: &str) -> String {
    format!("{SITES}{name}")
}

/// Returns the position of a member of a document: the first line with this name.
pub(super) fn position_of(file: &str, text: &[u8], member: Option<&str>) -> Position {
    let line = member.and_then(|member| {
        let quoted = format!("\"{member}\": ");
        let mut lines = str::from_utf8(text).unwrap_or_default().lines();
        lines.position(|line| line.trim_start().starts_with(&quoted))
    });
    let line = u32::try_from(line.unwrap_or_default()).unwrap_or(u32::MAX).saturating_add(1);
    Position { file: file.to_owned(), line }
}

pub(super) fn problem(severity: Severity, message: String, file: Option<String>) -> Problem {
    Problem { severity, message, position: file.map(|file| Position { file, line: 1 }) }
}

/// Returns an identifier from the name of a site: other characters become underlines.
fn unused_id(name: &str, is_used: impl Fn(&SiteId) -> bool) -> SiteId {
    let replaced: String = name.chars().map(identifier_character).take(55).collect();
    let mut id = SiteId::parse(&replaced);
    let mut number = 2_u32;
    loop {
        match id {
            Ok(id) if !is_used(&id) => return id,
            _ => {
                let suffix = format!("-{number}");
                let stem = format!("site-{replaced}");
                let stem = stem.chars().take(MAX_IDENTIFIER.saturating_sub(suffix.len()));
                id = SiteId::parse(&stem.chain(suffix.chars()).collect::<String>());
            }
        }
        if id.is_err() {
            id = SiteId::parse(&format!("site-{number}"));
        }
        number = number.saturating_add(1);
    }
}

/// Writes a document. Its types have no value that JSON cannot represent.
fn to_text(document: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(document).unwrap_or_default();
    text.push(b'\n');
    text
}

fn from_text<T: for<'de> Deserialize<'de>>(file: &str, text: &[u8]) -> Result<T, WebServerError> {
    serde_json::from_slice(text).map_err(|error| WebServerError::Syntax {
        file: file.to_owned(),
        line: u32::try_from(error.line()).unwrap_or(u32::MAX),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn site() -> SiteDocument {
        SiteDocument {
            state: SiteState::Started,
            auto_start: true,
            bindings: vec![SiteBinding { protocol: "http".to_owned(), information: "*:80:".to_owned() }],
            applications: BTreeMap::new(),
            sections: Sections::new(),
        }
    }

    #[test]
    fn documents_are_read_as_they_are_written() {
        let sites = [("Default Web Site", site()), ("shop", site())];
        let sites = sites.map(|(name, site)| (name.to_owned(), site)).into();
        let documents = Documents { server: Some(ServerDocument::default()), sites };
        let texts = documents.texts();
        assert!(String::from_utf8_lossy(&texts["/sites/shop"]).contains("\"http *:80:\""));
        let read = texts.iter().map(|(file, text)| (file.as_str(), text.as_slice()));
        assert_eq!(Documents::parse(read).unwrap(), documents);
        let wrong = Documents::parse([("/sites/shop", &b"{\n\"state\": 1}"[..])]).unwrap_err();
        assert!(wrong.to_string().starts_with("/sites/shop:2: "), "{wrong}");
    }

    #[test]
    fn identifiers_are_unique_and_valid() {
        let names = ["Default Web Site", "Default_Web_Site", "-x", "ü", "shop.example"];
        let sites = names.map(|name| (name.to_owned(), site())).into();
        let documents = Documents { server: None, sites };
        let found = documents.identified();
        let ids: Vec<&str> = found.iter().map(|(id, ..)| id.as_str()).collect();
        assert_eq!(ids, ["site--x-2", "Default_Web_Site", "site-Default_Web_Site-2", "shop.example", "_"]);
        assert_eq!(documents.site_name(&found[2].0).unwrap(), "Default_Web_Site");
    }

    #[test]
    fn many_long_names_with_the_same_beginning_get_identifiers() {
        let beginning = "a".repeat(55);
        let sites = (0..1_000).map(|number| (format!("{beginning}{number}"), site())).collect();
        let documents = Documents { server: None, sites };
        let found: BTreeSet<SiteId> = documents.identified().into_iter().map(|(id, ..)| id).collect();
        assert_eq!(found.len(), 1_000);
    }
}
