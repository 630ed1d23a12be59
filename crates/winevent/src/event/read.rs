//! Reads the typed content of an event from its elements.

use std::borrow::Cow;

use xml::Element;

use super::{Body, Correlation, DataItem, Event, Execution, Provider, RenderingInfo, Security, System, Tree};
use crate::error::WinEventError;
use crate::timestamp::Timestamp;

impl<'r> Event<'r> {
    /// Reads an event from the element `Event`.
    ///
    /// # Errors
    /// [`WinEventError`] if a required property is missing or a value is not of its type.
    pub(super) fn read(root: Element<'r>) -> Result<Self, WinEventError> {
        let (mut system, mut body, mut rendering) = (None, None, None);
        for child in root.children() {
            match child.name() {
                "System" if system.is_none() => system = Some(System::read(child)?),
                "RenderingInfo" => rendering = Some(read_rendering(child)),
                "EventData" if body.is_none() => body = Some(read_event_data(child)),
                _ if body.is_none() => body = Some(Body::Other(Tree::read(child))),
                _ => {}
            }
        }
        let system = system.ok_or(WinEventError::Missing { field: "System" })?;
        Ok(Self { system, body, rendering })
    }
}

impl<'r> System<'r> {
    fn read(element: Element<'r>) -> Result<Self, WinEventError> {
        let mut system = Self::default();
        let (mut has_provider, mut has_event_id) = (false, false);
        for child in element.children() {
            match child.name() {
                "Provider" => {
                    has_provider = true;
                    system.provider = read_provider(child);
                }
                "EventID" => {
                    has_event_id = true;
                    system.event_id = number("EventID", &child.text())?;
                    let qualifiers = filled(child.attribute("", "Qualifiers"));
                    system.qualifiers = qualifiers.map(|text| number("Qualifiers", &text)).transpose()?;
                }
                "Version" => system.version = byte("Version", &child.text())?,
                "Level" => system.level = byte("Level", &child.text())?,
                "Task" => system.task = optional("Task", &child.text())?,
                "Opcode" => system.opcode = byte("Opcode", &child.text())?,
                "Keywords" => system.keywords = read_keywords(&child.text())?,
                "TimeCreated" => {
                    let time = filled(child.attribute("", "SystemTime"));
                    system.time_created = time.map(|time| Timestamp::parse(time.trim())).transpose()?;
                }
                "EventRecordID" => system.record_id = optional("EventRecordID", &child.text())?,
                "Correlation" => {
                    system.correlation = Some(Correlation {
                        activity: filled(child.attribute("", "ActivityID")),
                        related_activity: filled(child.attribute("", "RelatedActivityID")),
                    });
                }
                "Execution" => system.execution = Some(read_execution(child)?),
                "Channel" => system.channel = filled(Some(child.text())),
                "Computer" => system.computer = child.text(),
                "Security" => {
                    system.security = Some(Security { user: filled(child.attribute("", "UserID")) });
                }
                _ => {}
            }
        }
        match (has_provider, has_event_id) {
            (true, true) => Ok(system),
            (false, _) => Err(WinEventError::Missing { field: "Provider" }),
            (_, false) => Err(WinEventError::Missing { field: "EventID" }),
        }
    }
}

fn read_provider(element: Element<'_>) -> Provider<'_> {
    Provider {
        name: element.attribute("", "Name").unwrap_or_default(),
        guid: filled(element.attribute("", "Guid")),
        event_source: filled(element.attribute("", "EventSourceName")),
    }
}

fn read_execution(element: Element<'_>) -> Result<Execution, WinEventError> {
    let mut execution = Execution::default();
    for attribute in element.attributes() {
        let value = attribute.value();
        match attribute.name() {
            "ProcessID" => execution.process = number("ProcessID", &value)?,
            "ThreadID" => execution.thread = number("ThreadID", &value)?,
            "ProcessorID" => execution.processor = optional("ProcessorID", &value)?,
            "SessionID" => execution.session = optional("SessionID", &value)?,
            "KernelTime" => execution.kernel_time = optional("KernelTime", &value)?,
            "UserTime" => execution.user_time = optional("UserTime", &value)?,
            "ProcessorTime" => execution.processor_time = optional("ProcessorTime", &value)?,
            _ => {}
        }
    }
    Ok(execution)
}

fn read_event_data(element: Element<'_>) -> Body<'_> {
    let items = element.children().map(|child| match child.name() {
        "Binary" => DataItem::Binary(child.text()),
        "Data" if child.children().next().is_none() => {
            DataItem::Data { name: child.attribute("", "Name"), value: child.text() }
        }
        _ => DataItem::Complex(Tree::read(child)),
    });
    Body::EventData { name: element.attribute("", "Name"), items: items.collect() }
}

fn read_rendering(element: Element<'_>) -> RenderingInfo<'_> {
    let mut info = RenderingInfo { culture: element.attribute("", "Culture"), ..RenderingInfo::default() };
    for child in element.children() {
        match child.name() {
            "Message" => info.message = Some(child.text()),
            "Level" => info.level = Some(child.text()),
            "Task" => info.task = Some(child.text()),
            "Opcode" => info.opcode = Some(child.text()),
            "Channel" => info.channel = Some(child.text()),
            // The schema says Publisher; Windows writes Provider.
            "Provider" | "Publisher" => info.provider = Some(child.text()),
            "Keywords" => {
                let keywords = child.children().filter(|keyword| keyword.name() == "Keyword");
                info.keywords.extend(keywords.map(|keyword| keyword.text()));
            }
            _ => {}
        }
    }
    info
}

impl<'r> Tree<'r> {
    fn read(element: Element<'r>) -> Self {
        let attributes = element.attributes().map(|attribute| {
            (Cow::Borrowed(attribute.namespace()), Cow::Borrowed(attribute.name()), attribute.value())
        });
        let children: Vec<_> = element.children().map(Tree::read).collect();
        let text = element.text();
        let is_layout = !children.is_empty() && text.trim().is_empty();
        Self {
            namespace: Cow::Borrowed(element.namespace()),
            name: Cow::Borrowed(element.name()),
            attributes: attributes.collect(),
            text: if is_layout { Cow::Borrowed("") } else { text },
            children,
        }
    }
}

/// Returns the text unless it is empty.
fn filled(text: Option<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    text.filter(|text| !text.is_empty())
}

fn number<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, WinEventError> {
    let trimmed = text.trim();
    trimmed.parse().map_err(|_| WinEventError::value(field, trimmed, "a number in the range of its type"))
}

fn optional<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<Option<T>, WinEventError> {
    if text.trim().is_empty() { Ok(None) } else { number(field, text).map(Some) }
}

/// Parses a byte. The schema of Windows says that it has a sign, and 255 occurs.
fn byte(field: &'static str, text: &str) -> Result<Option<u8>, WinEventError> {
    let Some(value) = optional::<i16>(field, text)? else { return Ok(None) };
    let value = if (-128..0).contains(&value) { value + 256 } else { value };
    let wrong = |_| WinEventError::value(field, text, "a number from -128 to 255");
    u8::try_from(value).map(Some).map_err(wrong)
}

pub(super) fn read_keywords(text: &str) -> Result<Option<u64>, WinEventError> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match digits {
        Some(digits) => u64::from_str_radix(digits, 16)
            .map(Some)
            .map_err(|_| WinEventError::value("Keywords", text, "0x and up to 16 hexadecimal digits")),
        None => optional("Keywords", text),
    }
}
