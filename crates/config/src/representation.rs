//! The tree in messages and listings.

use std::fmt::Write as _;

use crate::error::MAX_ERRORS;
use crate::schema::{Member, Setting, Source};
use crate::value::excerpt;
use crate::{Config, PutError, Reason, Section, SettingError, Sources};

impl Config {
    /// Writes a section as `cfg:Config`, `cfg:Service` and so on, ready to be the body of a reply.
    ///
    /// Names and order are those of Windows. A value set by policy has the attribute `Source="GPO"`.
    pub fn write(&self, section: Section, writer: &mut xml::Writer) {
        writer
            .start(&format!("cfg:{}", section.element()))
            .namespace("cfg", section.resource())
            .attribute("xml:lang", "en-US");
        self.write_members(section.members(), None, writer);
        writer.end();
    }

    /// Writes a section with an attribute `Origin` in `namespace` at each value, naming the file and line it comes
    /// from.
    pub fn write_with_sources(
        sources: &Sources,
        section: Section,
        namespace: &str,
        writer: &mut xml::Writer,
    ) {
        writer
            .start(&format!("cfg:{}", section.element()))
            .namespace("cfg", section.resource())
            .namespace("src", namespace)
            .attribute("xml:lang", "en-US");
        sources.state().config.write_members(section.members(), Some(sources), writer);
        writer.end();
    }

    /// Returns the configuration with the values of a Put message applied to a section.
    ///
    /// Elements are matched by local name. The case of the root element's name does not matter, because `winrm`
    /// copies it from the address as typed. Settings missing from the message keep their values. Settings that cannot
    /// be changed may be present with their current value.
    ///
    /// # Errors
    /// [`PutError`] lists everything that is wrong; `self` is not changed.
    pub fn put(&self, section: Section, element: xml::Element<'_>) -> Result<Config, PutError> {
        if !element.name().eq_ignore_ascii_case(section.element()) {
            return Err(PutError::Root { expected: section.element(), found: excerpt(element.name()) });
        }
        let mut put = Put { config: self.clone(), seen: Vec::new(), errors: Vec::new() };
        put.members(section.folder(), section.members(), element);
        if put.errors.is_empty() { Ok(put.config) } else { Err(PutError::Settings(put.errors)) }
    }

    /// Returns a section as `winrm get` prints it: names and values, indented by four spaces per level.
    #[must_use]
    pub fn listing(&self, section: Section) -> String {
        let mut text = format!("{}\n", section.element());
        self.list(section.members(), 1, &mut text);
        text
    }

    fn write_members(&self, members: &'static [Member], sources: Option<&Sources>, writer: &mut xml::Writer) {
        for member in members.iter().filter(|member| member.is_in_messages()) {
            match member {
                Member::Setting(setting) => {
                    writer.start(setting.element());
                    if self.source(setting) == Source::Policy {
                        writer.attribute("Source", "GPO");
                    }
                    if let Some(sources) = sources {
                        writer.attribute("src:Origin", &sources.of(setting).to_string());
                    }
                    writer.text(&setting.show(self)).end();
                }
                Member::Section { element, members, .. } => {
                    writer.start(element);
                    self.write_members(members, sources, writer);
                    writer.end();
                }
            }
        }
    }

    fn list(&self, members: &'static [Member], depth: usize, text: &mut String) {
        for member in members.iter().filter(|member| member.is_in_messages()) {
            text.extend(std::iter::repeat_n("    ", depth));
            text.push_str(member.name());
            match member {
                Member::Setting(setting) => {
                    let value = setting.show(self);
                    let equals = if value.is_empty() { "" } else { " = " };
                    let source =
                        if self.source(setting) == Source::Policy { " [Source=\"GPO\"]" } else { "" };
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "{equals}{value}{source}");
                }
                Member::Section { members, .. } => {
                    text.push('\n');
                    self.list(members, depth + 1, text);
                }
            }
        }
    }
}

struct Put {
    config: Config,
    seen: Vec<&'static str>,
    errors: Vec<SettingError>,
}

impl Put {
    fn members(&mut self, folder: &str, members: &'static [Member], element: xml::Element<'_>) {
        for child in element.children() {
            if self.errors.len() >= MAX_ERRORS {
                return;
            }
            let mut known = members.iter().filter(|member| member.is_in_messages());
            match known.find(|member| member.name() == child.name()) {
                Some(Member::Setting(setting)) => self.setting(setting, child),
                Some(Member::Section { name, members, .. }) => {
                    self.members(&format!("{folder}{name}/"), members, child);
                }
                None => self.unknown(&format!("{folder}{}", excerpt(child.name()))),
            }
        }
    }

    fn setting(&mut self, setting: &'static Setting, element: xml::Element<'_>) {
        let result = if self.seen.contains(&setting.path()) {
            Err(setting.error(Reason::Repeated))
        } else if let Some(inner) = element.children().next() {
            let expected = setting.kind().expected();
            Err(setting.error(Reason::Malformed { value: format!("<{}>", excerpt(inner.name())), expected }))
        } else {
            self.config.assign(setting, &element.text())
        };
        self.seen.push(setting.path());
        self.fail(result);
    }

    fn unknown(&mut self, path: &str) {
        let error = match Setting::find(path) {
            Err(error) => error,
            // The name differs from a known one only in case, which counts in XML.
            Ok(setting) => {
                let nearest = Some(setting.path().to_owned());
                SettingError { path: path.to_owned(), reason: Reason::Unknown { nearest } }
            }
        };
        self.fail(Err(error));
    }

    fn fail(&mut self, result: Result<(), SettingError>) {
        self.errors.extend(result.err());
    }
}
