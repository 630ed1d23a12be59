//! The tree as messages carry it and as people read it.

use std::fmt::Write as _;

use crate::schema::{Member, Setting, Source};
use crate::value::excerpt;
use crate::{Config, PutError, Reason, Section, SettingError, Sources};

impl Config {
    /// Writes a section as `cfg:Config`, `cfg:Service` and so on, ready to be the body of a reply.
    ///
    /// Names and order are those of Windows. A value that policy decided on has the attribute `Source="GPO"`.
    pub fn write(&self, section: Section, writer: &mut xml::Writer) {
        writer
            .start(&format!("cfg:{}", section.element()))
            .namespace("cfg", section.resource())
            .attribute("xml:lang", "en-US");
        self.write_members(section.members(), None, writer);
        writer.end();
    }

    /// The same as they are in a store, with an attribute `Origin` of a namespace at each value: what gives it.
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

    /// The configuration with a section replaced by what a message brought.
    ///
    /// Elements are matched by their local name; that of the root may be in any case of letters, since `winrm` takes it
    /// from the address as it was typed. What is absent stays as it is; what cannot be changed may be
    /// there with the value it has.
    ///
    /// # Errors
    /// [`PutError`] lists everything that is wrong; the configuration itself is not touched.
    pub fn put(&self, section: Section, element: xml::Element<'_>) -> Result<Config, PutError> {
        if !element.name().eq_ignore_ascii_case(section.element()) {
            return Err(PutError::Root { expected: section.element(), found: excerpt(element.name()) });
        }
        let mut put = Put { config: self.clone(), seen: Vec::new(), errors: Vec::new() };
        put.members(section.folder(), section.members(), element);
        if put.errors.is_empty() { Ok(put.config) } else { Err(PutError::Settings(put.errors)) }
    }

    /// A section as `winrm get` prints it: names and values, four spaces deeper for each section within.
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
            // The spelling differs in the case of its letters, which counts in XML.
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

/// A message with more mistakes than this has its first ones reported.
pub(crate) const MAX_ERRORS: usize = 100;
