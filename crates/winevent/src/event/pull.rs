//! Reads events as Windows writes them, without a tree of elements.
//!
//! These functions read a part of what [`Record::parse`](super::Record::parse) reads without repairs, with the same
//! result. For all other texts they return `None`, and [`Record::parse`](super::Record::parse) decides.

use std::borrow::Cow;

use xml::{PullReader, PullText, Token, Unusual};

use super::read::{Property, SystemReading};
use super::record::{BOUNDS, MAX_EVENT};
use super::{Body, DataItem, Event, NAMESPACE, RenderingInfo, System, Tree};

impl<'t> Event<'t> {
    /// Reads the typed content from XML as Windows writes it. `None` for any other text: the caller then uses
    /// [`Record::parse`](super::Record::parse), which alone decides about errors.
    #[must_use]
    pub fn from_usual_xml(text: &'t str) -> Option<Self> {
        event(text).ok()
    }
}

/// Checks XML as Windows writes it, and returns the text of `System/Computer` without white space around it, which is
/// empty for an event without one. `None` for any other text: the caller then uses [`Record::parse`](super::Record::parse),
/// which alone decides about errors.
#[must_use]
pub fn computer_in_usual_xml(text: &str) -> Option<Cow<'_, str>> {
    computer(text).ok()
}

fn event(text: &str) -> Result<Event<'_>, Unusual> {
    let mut reader = begin(text)?;
    let (mut system, mut body, mut rendering) = (None, None, None);
    while let Some(name) = next_child(&mut reader)? {
        match name {
            "System" if system.is_none() => system = Some(read_system(&mut reader)?),
            // A second one is a body of the event for the complete reader.
            "System" => return Err(Unusual),
            "RenderingInfo" => rendering = Some(read_rendering(&mut reader)?),
            "EventData" if body.is_none() => body = Some(read_event_data(&mut reader)?),
            _ if body.is_none() => body = Some(Body::Other(read_tree(&mut reader, name)?)),
            _ => skip(&mut reader)?,
        }
    }
    require_end(&mut reader)?;
    Ok(Event { system: system.ok_or(Unusual)?, body, rendering })
}

fn computer(text: &str) -> Result<Cow<'_, str>, Unusual> {
    let mut reader = begin(text)?;
    let (mut has_system, mut computer) = (false, None);
    while let Some(name) = next_child(&mut reader)? {
        if name != "System" || has_system {
            skip(&mut reader)?;
            continue;
        }
        has_system = true;
        while let Some(name) = next_child(&mut reader)? {
            if name == "Computer" && computer.is_none() {
                computer = Some(text_of_leaf(&mut reader)?);
            } else {
                skip(&mut reader)?;
            }
        }
    }
    require_end(&mut reader)?;
    Ok(match computer.map(PullText::decoded).unwrap_or_default() {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    })
}

/// Starts to read an event, up to the start of its root element.
fn begin(text: &str) -> Result<PullReader<'_>, Unusual> {
    if text.len() > MAX_EVENT {
        return Err(Unusual);
    }
    let mut reader = PullReader::new(text, &BOUNDS)?;
    match reader.next_token()? {
        Some(Token::Start("Event")) if matches!(reader.namespace(), NAMESPACE | "") => Ok(reader),
        _ => Err(Unusual),
    }
}

fn require_end(reader: &mut PullReader<'_>) -> Result<(), Unusual> {
    match reader.next_token()? {
        None => Ok(()),
        Some(_) => Err(Unusual),
    }
}

/// Returns the name of the next element inside the current one, and enters it; `None` at the end of the current one.
fn next_child<'t>(reader: &mut PullReader<'t>) -> Result<Option<&'t str>, Unusual> {
    loop {
        match reader.next_token()? {
            Some(Token::Start(name)) => return Ok(Some(name)),
            Some(Token::Text(_)) => {}
            Some(Token::End) => return Ok(None),
            None => return Err(Unusual),
        }
    }
}

/// Reads up to the end of the current element.
fn skip(reader: &mut PullReader<'_>) -> Result<(), Unusual> {
    let mut depth = 1_usize;
    while depth > 0 {
        match reader.next_token()? {
            Some(Token::Start(_)) => depth += 1,
            Some(Token::Text(_)) => {}
            Some(Token::End) => depth -= 1,
            None => return Err(Unusual),
        }
    }
    Ok(())
}

/// Reads the current element, which has no element inside, up to its end.
fn text_of_leaf<'t>(reader: &mut PullReader<'t>) -> Result<PullText<'t>, Unusual> {
    let mut text = PullText::default();
    loop {
        match reader.next_token()? {
            // There is one text if there is no element.
            Some(Token::Text(found)) => text = found,
            Some(Token::End) => return Ok(text),
            Some(Token::Start(_)) | None => return Err(Unusual),
        }
    }
}

/// Property that was read up to its end; the reader still has its attributes.
struct Leaf<'p, 't> {
    reader: &'p PullReader<'t>,
    text: PullText<'t>,
}

impl<'t> Property<'t> for Leaf<'_, 't> {
    fn text(&self) -> Cow<'t, str> {
        self.text.decoded()
    }

    fn attributes(&self) -> impl Iterator<Item = (&'t str, Cow<'t, str>)> {
        self.reader.attributes()
    }

    fn attribute(&self, name: &str) -> Option<Cow<'t, str>> {
        self.reader.attribute(name)
    }
}

fn read_system<'t>(reader: &mut PullReader<'t>) -> Result<System<'t>, Unusual> {
    let mut reading = SystemReading::default();
    let (mut has_channel, mut has_computer) = (false, false);
    while let Some(name) = next_child(reader)? {
        let seen = match name {
            "Channel" => &mut has_channel,
            "Computer" => &mut has_computer,
            _ => &mut false,
        };
        // The first one tells the source, and the last one is in the typed content.
        if std::mem::replace(seen, true) {
            return Err(Unusual);
        }
        let text = text_of_leaf(reader)?;
        reading.read(name, &Leaf { reader, text }).map_err(|_| Unusual)?;
    }
    reading.finish().map_err(|_| Unusual)
}

fn read_event_data<'t>(reader: &mut PullReader<'t>) -> Result<Body<'t>, Unusual> {
    let name = reader.attribute("Name");
    let mut items = Vec::with_capacity(USUAL_ITEMS);
    while let Some(element) = next_child(reader)? {
        items.push(match element {
            "Binary" => DataItem::Binary(text_of_leaf(reader)?.decoded()),
            "Data" => {
                let value = text_of_leaf(reader)?.decoded();
                DataItem::Data { name: reader.attribute("Name"), value }
            }
            _ => DataItem::Complex(read_tree(reader, element)?),
        });
    }
    Ok(Body::EventData { name, items })
}

fn read_rendering<'t>(reader: &mut PullReader<'t>) -> Result<RenderingInfo<'t>, Unusual> {
    let mut info = RenderingInfo { culture: reader.attribute("Culture"), ..RenderingInfo::default() };
    while let Some(name) = next_child(reader)? {
        if name != "Keywords" {
            let text = text_of_leaf(reader)?;
            info.read(name, || text.decoded());
            continue;
        }
        while let Some(name) = next_child(reader)? {
            let text = text_of_leaf(reader)?;
            if name == "Keyword" {
                info.keywords.push(text.decoded());
            }
        }
    }
    Ok(info)
}

/// Reads the current element with everything inside. The reader bounds the depth.
fn read_tree<'t>(reader: &mut PullReader<'t>, name: &'t str) -> Result<Tree<'t>, Unusual> {
    let mut tree =
        Tree { namespace: Cow::Borrowed(reader.namespace()), name: Cow::Borrowed(name), ..Tree::default() };
    let attributes = reader.attributes().map(|(name, value)| (Cow::Borrowed(""), Cow::Borrowed(name), value));
    tree.attributes.extend(attributes);
    loop {
        match reader.next_token()? {
            Some(Token::Start(name)) => tree.children.push(read_tree(reader, name)?),
            Some(Token::Text(text)) if tree.text.is_empty() => tree.text = text.decoded(),
            Some(Token::Text(text)) => tree.text.to_mut().push_str(&text.decoded()),
            Some(Token::End) => break,
            None => return Err(Unusual),
        }
    }
    if !tree.children.is_empty() && tree.text.trim().is_empty() {
        tree.text = Cow::Borrowed("");
    }
    Ok(tree)
}

/// Number of values of most events.
const USUAL_ITEMS: usize = 24;
