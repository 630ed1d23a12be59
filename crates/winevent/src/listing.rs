//! Output formats of `wevtutil qe`: events as XML, XML with rendered texts, and text.
//!
//! The layout of [`ListingFormat::Text`] follows published output of `wevtutil`.

use std::fmt::Write as _;

use crate::error::WinEventError;
use crate::event::{AUDIT_FAILURE, AUDIT_SUCCESS, CLASSIC, Event, Record, System};

/// Output format (`/f`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListingFormat {
    /// XML of the event without rendered texts.
    #[default]
    Xml,
    /// XML of the event with rendered texts, if it has them.
    RenderedXml,
    /// Lines of names and values.
    Text,
}

impl ListingFormat {
    /// Parses the value of `/f`, case-insensitive.
    ///
    /// # Errors
    /// [`WinEventError::Value`] for any other text.
    pub fn parse(text: &str) -> Result<Self, WinEventError> {
        [("XML", Self::Xml), ("RenderedXml", Self::RenderedXml), ("Text", Self::Text)]
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, format)| format)
            .ok_or_else(|| WinEventError::value("f", text, "XML, RenderedXml or Text"))
    }
}

/// Appends one event and a line end. `index` is the number of the event in the output, from 0 on.
///
/// # Errors
/// [`WinEventError`] with the format [`ListingFormat::Text`], if a property of the event is not valid.
pub fn write_event(
    out: &mut String,
    record: &Record,
    index: u64,
    format: ListingFormat,
) -> Result<(), WinEventError> {
    match format {
        ListingFormat::RenderedXml => out.push_str(record.source()),
        ListingFormat::Xml => {
            let rendering = record.root().children().find(|child| child.name() == "RenderingInfo");
            let markup = rendering.map_or("", |rendering| rendering.source());
            let source = record.source();
            match source.rfind(markup).filter(|_| !markup.is_empty()) {
                Some(at) => {
                    out.push_str(source.get(..at).unwrap_or_default());
                    out.push_str(source.get(at + markup.len()..).unwrap_or_default());
                }
                None => out.push_str(source),
            }
        }
        ListingFormat::Text => write_text(out, &record.event()?, index),
    }
    out.push('\n');
    Ok(())
}

/// Returns the start tag and the end tag of the element around all events (`/e`), each with a line end.
///
/// # Errors
/// [`xml::NameError`] if the text is not a name of XML.
pub fn root_tags(name: &str) -> Result<(String, String), xml::NameError> {
    let name = xml::Name::parse(name)?;
    Ok((format!("<{}>\n", name.as_str()), format!("</{}>\n", name.as_str())))
}

fn write_text(out: &mut String, event: &Event<'_>, index: u64) {
    let system = &event.system;
    let info = event.rendering.as_ref();
    let time = system.time_created.map(|time| time.to_string());
    let level = info.and_then(|info| info.level.as_deref());
    let task = info.and_then(|info| info.task.as_deref());
    let opcode = info.and_then(|info| info.opcode.as_deref());
    let keywords = info.map(|info| info.keywords.join(",")).filter(|names| !names.is_empty());
    let keywords = keywords.or_else(|| keyword_name(system).map(str::to_owned));
    let user = system.security.as_ref().and_then(|security| security.user.as_deref());
    let event_id = system.event_id.to_string();
    let _ = writeln!(out, "Event[{index}]:");
    for (name, value) in [
        ("Log Name", system.channel.as_deref()),
        ("Source", Some(system.provider.name.as_ref())),
        ("Date", time.as_deref()),
        ("Event ID", Some(event_id.as_str())),
        ("Task", task),
        ("Level", level.or_else(|| level_name(system))),
        ("Opcode", opcode),
        ("Keyword", keywords.as_deref()),
        ("User", user),
        ("User Name", None),
        ("Computer", Some(system.computer.as_ref())),
    ] {
        let value = value.map(str::trim).filter(|value| !value.is_empty()).unwrap_or("N/A");
        let _ = writeln!(out, "  {name}: {}", single_line(value));
    }
    let message = info.and_then(|info| info.message.as_deref()).map(str::trim_end);
    let _ = writeln!(out, "  Description: \n{}", printable(message.unwrap_or("N/A")));
}

/// Returns the text without control characters, so that an event cannot imitate lines or control a terminal.
fn single_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Returns the text without control characters other than line ends and tabs.
fn printable(text: &str) -> String {
    text.replace("\r\n", "\n").chars().map(printable_char).collect()
}

fn printable_char(c: char) -> char {
    if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c }
}

fn level_name(system: &System<'_>) -> Option<&'static str> {
    Some(match system.level? {
        0 | 4 => "Information",
        1 => "Critical",
        2 => "Error",
        3 => "Warning",
        5 => "Verbose",
        _ => return None,
    })
}

fn keyword_name(system: &System<'_>) -> Option<&'static str> {
    let keywords = system.keywords?;
    [(AUDIT_SUCCESS, "Audit Success"), (AUDIT_FAILURE, "Audit Failure"), (CLASSIC, "Classic")]
        .into_iter()
        .find(|(bit, _)| keywords & bit != 0)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "<Event><System><Provider Name='EventLog'/><EventID>6005</EventID><Level>3</Level>\
        <Keywords>0x80000000000000</Keywords><TimeCreated SystemTime='2017-07-12T17:16:28.2141610Z'/>\
        <Channel>System</Channel><Computer>WEB1</Computer></System><EventData/>";

    fn listed(text: &str, format: ListingFormat) -> String {
        let mut out = String::new();
        write_event(&mut out, &Record::parse(text).unwrap(), 3, format).unwrap();
        out
    }

    #[test]
    fn text_has_names_and_values() {
        let text = format!("{EVENT}</Event>");
        assert_eq!(
            listed(&text, ListingFormat::Text),
            "Event[3]:\n  Log Name: System\n  Source: EventLog\n  Date: 2017-07-12T17:16:28.2141610Z\n  \
             Event ID: 6005\n  Task: N/A\n  Level: Warning\n  Opcode: N/A\n  Keyword: Classic\n  User: N/A\n  \
             User Name: N/A\n  Computer: WEB1\n  Description: \nN/A\n\n"
        );
        let rendered = format!(
            "{EVENT}<RenderingInfo><Message>a&#13;&#10;b&#x9b;[2J</Message><Level>Warnung</Level><Keywords>\
             <Keyword>x</Keyword><Keyword>y</Keyword></Keywords></RenderingInfo></Event>"
        );
        let text = listed(&rendered, ListingFormat::Text);
        assert!(text.contains("  Level: Warnung\n") && text.contains("  Keyword: x,y\n"), "{text}");
        assert!(text.ends_with("  Description: \na\nb [2J\n\n"), "{text}");
    }

    #[test]
    fn xml_is_without_rendered_texts_unless_wanted() {
        let rendered = format!("{EVENT}<RenderingInfo><Message>m</Message></RenderingInfo></Event>");
        assert_eq!(listed(&rendered, ListingFormat::RenderedXml), format!("{rendered}\n"));
        assert_eq!(listed(&rendered, ListingFormat::Xml), format!("{EVENT}</Event>\n"));
        assert_eq!(listed(&format!("{EVENT}</Event>"), ListingFormat::Xml), format!("{EVENT}</Event>\n"));
    }

    #[test]
    fn names_of_formats_and_elements_are_checked() {
        assert_eq!(ListingFormat::parse("renderedxml"), Ok(ListingFormat::RenderedXml));
        assert!(ListingFormat::parse("json").is_err());
        assert_eq!(root_tags("Events").unwrap().0, "<Events>\n");
        assert!(root_tags("a b").is_err());
    }
}
