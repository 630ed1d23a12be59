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
        let mut reading = SystemReading::default();
        for child in element.children() {
            reading.read(child.name(), &child)?;
        }
        reading.finish()
    }
}

/// Property of an event in one of both readers.
pub(super) trait Property<'r> {
    /// Returns the text.
    fn text(&self) -> Cow<'r, str>;
    /// Returns names and values of the attributes.
    fn attributes(&self) -> impl Iterator<Item = (&'r str, Cow<'r, str>)>;

    /// Returns the value of an attribute without namespace.
    fn attribute(&self, name: &str) -> Option<Cow<'r, str>>;
}

impl<'r> Property<'r> for Element<'r> {
    fn text(&self) -> Cow<'r, str> {
        self.text()
    }

    fn attributes(&self) -> impl Iterator<Item = (&'r str, Cow<'r, str>)> {
        self.attributes().map(|attribute| (attribute.name(), attribute.value()))
    }

    fn attribute(&self, name: &str) -> Option<Cow<'r, str>> {
        self.attribute("", name)
    }
}

/// Properties of `System` that were read.
#[derive(Default)]
pub(super) struct SystemReading<'r> {
    system: System<'r>,
    has_provider: bool,
    has_event_id: bool,
}

impl<'r> SystemReading<'r> {
    /// Reads a property; unknown ones are ignored.
    pub(super) fn read(&mut self, name: &str, property: &impl Property<'r>) -> Result<(), WinEventError> {
        let system = &mut self.system;
        match name {
            "Provider" => {
                self.has_provider = true;
                system.provider = read_provider(property);
            }
            "EventID" => {
                self.has_event_id = true;
                system.event_id = number("EventID", &property.text())?;
                let qualifiers = filled(property.attribute("Qualifiers"));
                system.qualifiers = qualifiers.map(|text| number("Qualifiers", &text)).transpose()?;
            }
            "Version" => system.version = byte("Version", &property.text())?,
            "Level" => system.level = byte("Level", &property.text())?,
            "Task" => system.task = optional("Task", &property.text())?,
            "Opcode" => system.opcode = byte("Opcode", &property.text())?,
            "Keywords" => system.keywords = read_keywords(&property.text())?,
            "TimeCreated" => {
                let time = filled(property.attribute("SystemTime"));
                system.time_created = time.map(|time| Timestamp::parse(time.trim())).transpose()?;
            }
            "EventRecordID" => system.record_id = optional("EventRecordID", &property.text())?,
            "Correlation" => {
                system.correlation = Some(Correlation {
                    activity: filled(property.attribute("ActivityID")),
                    related_activity: filled(property.attribute("RelatedActivityID")),
                });
            }
            "Execution" => system.execution = Some(read_execution(property)?),
            "Channel" => system.channel = filled(Some(property.text())),
            "Computer" => system.computer = property.text(),
            "Security" => {
                system.security = Some(Security { user: filled(property.attribute("UserID")) });
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the properties.
    ///
    /// # Errors
    /// [`WinEventError::Missing`] if a required one was not read.
    pub(super) fn finish(self) -> Result<System<'r>, WinEventError> {
        match (self.has_provider, self.has_event_id) {
            (true, true) => Ok(self.system),
            (false, _) => Err(WinEventError::Missing { field: "Provider" }),
            (_, false) => Err(WinEventError::Missing { field: "EventID" }),
        }
    }
}

fn read_provider<'r>(property: &impl Property<'r>) -> Provider<'r> {
    Provider {
        name: property.attribute("Name").unwrap_or_default(),
        guid: filled(property.attribute("Guid")),
        event_source: filled(property.attribute("EventSourceName")),
    }
}

fn read_execution<'r>(property: &impl Property<'r>) -> Result<Execution, WinEventError> {
    let mut execution = Execution::default();
    for (name, value) in property.attributes() {
        match name {
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
        if child.name() == "Keywords" {
            let keywords = child.children().filter(|keyword| keyword.name() == "Keyword");
            info.keywords.extend(keywords.map(|keyword| keyword.text()));
        } else {
            info.read(child.name(), || child.text());
        }
    }
    info
}

impl<'r> RenderingInfo<'r> {
    /// Reads a text other than the keywords; unknown ones are ignored.
    pub(super) fn read(&mut self, name: &str, text: impl FnOnce() -> Cow<'r, str>) {
        let place = match name {
            "Message" => &mut self.message,
            "Level" => &mut self.level,
            "Task" => &mut self.task,
            "Opcode" => &mut self.opcode,
            "Channel" => &mut self.channel,
            // The schema says Publisher; Windows writes Provider.
            "Provider" | "Publisher" => &mut self.provider,
            _ => return,
        };
        *place = Some(text());
    }
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
