//! Reads the JSON of an event, as [`super::json::structured`] and [`super::json::raw`] write it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{
    Body, Correlation, DataItem, Event, Execution, MAX_EVENT, Provider, Record, RenderingInfo, Security,
    System, Tree,
};
use crate::error::WinEventError;
use crate::timestamp::Timestamp;

/// Parses the JSON of an event, in which other members of the object are ignored.
///
/// Values of `EventData` are those of the event; values of equal names follow each other, whatever their positions were.
///
/// # Errors
/// [`WinEventError`] if the text is longer than an event may be, is not JSON, or is not the JSON of an event.
pub fn parse(text: &str) -> Result<Record, WinEventError> {
    // A character may take six characters in JSON.
    if text.len() > MAX_EVENT.saturating_mul(6) {
        return Err(WinEventError::Limit { bound: "bytes of an event", maximum: MAX_EVENT });
    }
    let json: Json = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    let Json::Object(members) = &json else { return Err(wrong("another value")) };
    let members = Members(members);
    match (members.get("System"), members.get("Event")) {
        (None, Some(Json::Text(xml))) => Record::parse(xml),
        _ => Record::parse(&read_event(members)?.to_xml()),
    }
}

fn wrong(found: &str) -> WinEventError {
    WinEventError::value("JSON", found, "the JSON object of an event")
}

/// JSON value. The order of members is kept.
enum Json {
    /// String, or a number or Boolean as text.
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
    Null,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(object))
    }
}

/// Members of an object.
#[derive(Clone, Copy)]
struct Members<'j>(&'j [(String, Json)]);

impl<'j> Members<'j> {
    fn get(self, name: &str) -> Option<&'j Json> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    fn text(self, name: &str) -> Option<Cow<'j, str>> {
        match self.get(name) {
            Some(Json::Text(text)) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    fn number<T: FromStr>(self, name: &'static str) -> Result<Option<T>, WinEventError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let expected = "a number in the range of its type";
        text.parse().map(Some).map_err(|_| WinEventError::value(name, &text, expected))
    }

    fn object(self, name: &str) -> Option<Self> {
        match self.get(name) {
            Some(Json::Object(members)) => Some(Self(members)),
            _ => None,
        }
    }
}

/// Members of an event that are no body.
const NO_BODY: [&str; 4] = ["Collector", "System", "EventData", "RenderingInfo"];

fn read_event(members: Members<'_>) -> Result<Event<'_>, WinEventError> {
    let system = members.object("System").ok_or(WinEventError::Missing { field: "System" })?;
    let other = members.0.iter().find(|(name, _)| !NO_BODY.contains(&name.as_str()));
    let body = match (members.object("EventData"), other) {
        (Some(data), _) => Some(read_event_data(data)?),
        (None, Some((name, value))) => Some(Body::Other(read_tree(name, value)?)),
        (None, None) => None,
    };
    let rendering = members.object("RenderingInfo").map(read_rendering);
    Ok(Event { system: read_system(system)?, body, rendering })
}

fn read_system(system: Members<'_>) -> Result<System<'_>, WinEventError> {
    let provider = system.object("Provider").ok_or(WinEventError::Missing { field: "Provider" })?;
    let keywords = system.text("Keywords").map(|text| super::read::read_keywords(&text)).transpose()?;
    let time = system.text("TimeCreated").map(|text| Timestamp::parse(&text)).transpose()?;
    Ok(System {
        provider: Provider {
            name: provider.text("Name").unwrap_or_default(),
            guid: provider.text("Guid"),
            event_source: provider.text("EventSourceName"),
        },
        event_id: system.number("EventID")?.ok_or(WinEventError::Missing { field: "EventID" })?,
        qualifiers: system.number("Qualifiers")?,
        version: system.number("Version")?,
        level: system.number("Level")?,
        task: system.number("Task")?,
        opcode: system.number("Opcode")?,
        keywords: keywords.flatten(),
        time_created: time,
        record_id: system.number("EventRecordID")?,
        correlation: system.object("Correlation").map(|correlation| Correlation {
            activity: correlation.text("ActivityID"),
            related_activity: correlation.text("RelatedActivityID"),
        }),
        execution: system.object("Execution").map(read_execution).transpose()?,
        channel: system.text("Channel"),
        computer: system.text("Computer").unwrap_or_default(),
        security: system.text("UserID").map(|user| Security { user: Some(user) }),
    })
}

fn read_execution(execution: Members<'_>) -> Result<Execution, WinEventError> {
    Ok(Execution {
        process: execution.number("ProcessID")?.unwrap_or_default(),
        thread: execution.number("ThreadID")?.unwrap_or_default(),
        processor: execution.number("ProcessorID")?,
        session: execution.number("SessionID")?,
        kernel_time: execution.number("KernelTime")?,
        user_time: execution.number("UserTime")?,
        processor_time: execution.number("ProcessorTime")?,
    })
}

fn read_event_data(data: Members<'_>) -> Result<Body<'_>, WinEventError> {
    let (name, members) = match data.0 {
        [(key, Json::Text(name)), members @ ..] if key == "EventData.Name" => {
            (Some(Cow::Borrowed(name.as_str())), members)
        }
        members => (None, members),
    };
    let mut items = Vec::new();
    for (name, value) in members {
        match value {
            // A list of this name has the values without one.
            Json::Array(values) if name == "Data" => {
                for value in values {
                    items.push(read_item(None, value)?);
                }
            }
            Json::Array(values) => {
                for value in values {
                    items.push(read_item(Some(name), value)?);
                }
            }
            value => items.push(read_item(Some(name), value)?),
        }
    }
    Ok(Body::EventData { name, items })
}

fn read_item<'j>(name: Option<&'j str>, value: &'j Json) -> Result<DataItem<'j>, WinEventError> {
    Ok(match (name, value) {
        (Some("Binary"), Json::Text(digits)) => DataItem::Binary(Cow::Borrowed(digits)),
        (name, Json::Text(text)) => {
            DataItem::Data { name: name.map(Cow::Borrowed), value: Cow::Borrowed(text) }
        }
        (name, value) => DataItem::Complex(read_tree(name.unwrap_or("Data"), value)?),
    })
}

/// Reads an element: a string is its text; an object has attributes (`@name`), elements, and text (`#text`).
fn read_tree<'j>(name: &'j str, value: &'j Json) -> Result<Tree<'j>, WinEventError> {
    // JSON has no namespaces; queries do not compare them.
    let namespace = Cow::Borrowed(super::NAMESPACE);
    let mut tree = Tree { namespace, name: element_name(name)?, ..Tree::default() };
    match value {
        Json::Text(text) => tree.text = Cow::Borrowed(text),
        Json::Array(values) => add_children(&mut tree, name, values)?,
        Json::Null => {}
        Json::Object(members) => {
            for (name, value) in members {
                match (name.strip_prefix('@'), value) {
                    (Some(name), Json::Text(text)) => {
                        let attribute =
                            (Cow::Borrowed(""), element_name(name)?, Cow::Borrowed(text.as_str()));
                        tree.attributes.push(attribute);
                    }
                    (None, Json::Text(text)) if name == "#text" => tree.text = Cow::Borrowed(text),
                    (_, Json::Array(values)) => add_children(&mut tree, name, values)?,
                    (_, value) => tree.children.push(read_tree(name, value)?),
                }
            }
        }
    }
    Ok(tree)
}

fn add_children<'j>(tree: &mut Tree<'j>, name: &'j str, values: &'j [Json]) -> Result<(), WinEventError> {
    for value in values {
        tree.children.push(read_tree(name, value)?);
    }
    Ok(())
}

/// Checks a name, so that it can be written as that of an element.
fn element_name(name: &str) -> Result<Cow<'_, str>, WinEventError> {
    match xml::Name::parse(name) {
        Ok(_) => Ok(Cow::Borrowed(name)),
        Err(_) => Err(WinEventError::value("JSON", name, "the name of an XML element")),
    }
}

fn read_rendering(info: Members<'_>) -> RenderingInfo<'_> {
    let keywords = match info.get("Keywords") {
        Some(Json::Array(keywords)) => keywords.as_slice(),
        _ => &[],
    };
    let keywords = keywords.iter().filter_map(|keyword| match keyword {
        Json::Text(text) => Some(Cow::Borrowed(text.as_str())),
        _ => None,
    });
    RenderingInfo {
        culture: info.text("Culture"),
        message: info.text("Message"),
        level: info.text("Level"),
        task: info.text("Task"),
        opcode: info.text("Opcode"),
        channel: info.text("Channel"),
        provider: info.text("Provider"),
        keywords: keywords.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::json::{raw, structured};

    const EVENT: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
        <Provider Name='p' Guid='{0}'/><EventID Qualifiers='7'>5</EventID><Level>2</Level>\
        <Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime='2016-07-08T18:12:51.681640Z'/>\
        <EventRecordID>9</EventRecordID><Execution ProcessID='1' ThreadID='2'/><Channel>System</Channel>\
        <Computer>web1</Computer><Security UserID='S-1-5-18'/></System>";

    /// Returns the event as XML after it was JSON.
    fn passed(body: &str) -> String {
        let record = Record::parse(&format!("{EVENT}{body}</Event>")).unwrap();
        let json = structured(&record.event().unwrap());
        let received = json.replacen('{', "{\"Collector\":{\"Source\":\"web1\"},", 1);
        let again = parse(&received).unwrap();
        assert_eq!(structured(&again.event().unwrap()), json);
        let xml = again.source().to_owned();
        xml.strip_prefix(EVENT).unwrap().strip_suffix("</Event>").unwrap().to_owned()
    }

    #[test]
    fn events_are_the_same_after_they_were_json() {
        for body in [
            "",
            "<EventData></EventData>",
            "<EventData Name='n'><Data Name='a'>1</Data><Data Name='b'/><Binary>00FF</Binary></EventData>",
            "<EventData><Data>one</Data></EventData>",
            "<EventData><Data>one</Data><Data/></EventData>",
            "<EventData><Data Name='z'>1</Data><Data Name='a'>&lt;&#10;</Data></EventData>",
            "<EventData><ComplexData Name='x'><Value>1</Value><Value>2</Value></ComplexData></EventData>",
            "<UserData><Change><Old>1</Old><New kind='x'>2</New></Change></UserData>",
            "<RenderingInfo Culture='de-DE'><Message>m</Message><Level>Fehler</Level>\
             <Keywords><Keyword>k</Keyword></Keywords></RenderingInfo>",
        ] {
            assert_eq!(passed(body), body);
        }
        let mixed =
            "<EventData><Data Name='a'>1</Data><Data Name='b'>2</Data><Data Name='a'>3</Data></EventData>";
        let grouped =
            "<EventData><Data Name='a'>1</Data><Data Name='a'>3</Data><Data Name='b'>2</Data></EventData>";
        assert_eq!(passed(mixed), grouped);
        let record = Record::parse(&format!("{EVENT}</Event>")).unwrap();
        assert_eq!(parse(&raw(&record)).unwrap().source(), record.source());
    }

    #[test]
    fn other_json_is_rejected() {
        let deep = format!("{{\"System\":{}1{}}}", "[".repeat(1_000), "]".repeat(1_000));
        for text in [
            "",
            "[]",
            "{}",
            "{\"System\":{}}",
            "{\"System\":{\"Provider\":{}}}",
            "{\"System\":{\"Provider\":{},\"EventID\":\"x\"}}",
            "{\"Event\":\"<Other/>\"}",
            "{\"System\":{\"Provider\":{},\"EventID\":1},\"a b\":1}",
            "{\"System\":{\"Provider\":{},\"EventID\":1},\"a\":{\"@b c\":\"1\"}}",
            deep.as_str(),
        ] {
            assert!(parse(text).is_err(), "{text:.80}");
        }
    }
}
