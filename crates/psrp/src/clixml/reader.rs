//! Reads CLIXML.

use std::collections::HashMap;

use xml::{Bounds, Document, Element};

use crate::error::PsrpError;

use super::primitive::{Primitive, Progress};
use super::text::Text;
use super::value::{Content, Object, Property, ReferenceId, TypeNames, Value};

/// Namespace of CLIXML in files. Messages have none.
pub(super) const NAMESPACE: &str = "http://schemas.microsoft.com/powershell/2004/04";

/// Limits of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum length of the text in bytes.
    pub bytes: usize,
    /// Maximum number of elements and texts.
    pub nodes: usize,
    /// Maximum nesting depth of objects.
    pub depth: usize,
}

impl Default for Limits {
    /// 10 MiB, 500,000 elements and texts, and 64 levels.
    fn default() -> Self {
        Self { bytes: 10 << 20, nodes: 500_000, depth: MAX_DEPTH }
    }
}

/// Highest supported nesting depth of objects; a larger limit has no effect. PowerShell stops at 50.
pub(super) const MAX_DEPTH: usize = 64;

impl Limits {
    pub(super) fn bounds(&self) -> Bounds {
        // A level has up to three elements: an object, its dictionary, and the entry.
        let depth = self.depth.min(MAX_DEPTH) * 3 + 4;
        Bounds { octets: self.bytes, depth, nodes: self.nodes, attributes: 8, namespaces: 16 }
    }
}

/// Parses the data of a message: one value without a root element.
///
/// # Errors
/// [`PsrpError`] if the text is not XML or not CLIXML, or if a limit is exceeded.
pub fn parse(data: &[u8], limits: &Limits) -> Result<Value, PsrpError> {
    let text = text_of(data)?;
    let document = Document::parse(text, &limits.bounds())?;
    Reader::new(limits).value(document.root(), 0)
}

/// Returns the bytes as UTF-8 text without byte order mark.
pub(super) fn text_of(data: &[u8]) -> Result<&str, PsrpError> {
    let text = str::from_utf8(data).map_err(|_| PsrpError::Structure("the text is not UTF-8".to_owned()))?;
    Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text))
}

/// State of reading one document.
pub(super) struct Reader {
    depth: usize,
    /// Objects by their identifiers in the text.
    objects: HashMap<String, ReferenceId>,
    types: HashMap<String, TypeNames>,
    next_object: u32,
}

impl Reader {
    pub(super) fn new(limits: &Limits) -> Self {
        let depth = limits.depth.min(MAX_DEPTH);
        Self { depth, objects: HashMap::new(), types: HashMap::new(), next_object: 0 }
    }

    /// Reads the value of an element that `depth` objects enclose.
    pub(super) fn value(&mut self, element: Element<'_>, depth: usize) -> Result<Value, PsrpError> {
        let name = known_name(element)?;
        match name {
            "Obj" => self.object(element, depth).map(Value::from),
            "Ref" => {
                let id = reference(element)?;
                let known = self.objects.get(&id).copied();
                known
                    .map(Value::Reference)
                    .ok_or_else(|| PsrpError::structure("reference to the unknown object", &id))
            }
            _ => match primitive(element, name)? {
                Some(primitive) => Ok(Value::Primitive(primitive)),
                None => Err(PsrpError::structure("unknown element", name)),
            },
        }
    }

    fn object(&mut self, element: Element<'_>, depth: usize) -> Result<Object, PsrpError> {
        if depth >= self.depth {
            return Err(PsrpError::TooLarge { what: "nesting depth of objects", limit: self.depth });
        }
        let id = ReferenceId(self.next_object);
        self.next_object = self.next_object.saturating_add(1);
        if let Some(name) = element.attribute("", "RefId") {
            let known = self.objects.insert(name.clone().into_owned(), id);
            if known.is_some() {
                return Err(PsrpError::structure("two objects have the identifier", &name));
            }
        }
        let mut object = Object { id: Some(id), ..Object::default() };
        for child in element.children() {
            self.part(&mut object, child, depth + 1)?;
        }
        Ok(object)
    }

    fn part(&mut self, object: &mut Object, child: Element<'_>, depth: usize) -> Result<(), PsrpError> {
        let name = known_name(child)?;
        match name {
            "TN" => set(&mut object.types, self.type_names(child)?, name),
            "TNRef" => {
                let id = reference(child)?;
                let types = self.types.get(&id).cloned();
                let types =
                    types.ok_or_else(|| PsrpError::structure("reference to the unknown type names", &id))?;
                set(&mut object.types, types, name)
            }
            "ToString" => set(&mut object.to_string, Text::from_wire(&child.text()), name),
            "Props" => set(&mut object.adapted, self.properties(child, depth)?, name),
            "MS" => set(&mut object.extended, self.properties(child, depth)?, name),
            _ => {
                if object.content != Content::None {
                    return Err(PsrpError::structure("an object has two contents; the second one is", name));
                }
                object.content = self.content(child, name, depth)?;
                Ok(())
            }
        }
    }

    fn content(&mut self, child: Element<'_>, name: &str, depth: usize) -> Result<Content, PsrpError> {
        Ok(match name {
            "LST" => Content::List(self.elements(child, depth)?),
            "IE" => Content::Enumerable(self.elements(child, depth)?),
            "STK" => Content::Stack(self.elements(child, depth)?),
            "QUE" => Content::Queue(self.elements(child, depth)?),
            "DCT" => Content::Dictionary(self.entries(child, depth)?),
            _ => match primitive(child, name)? {
                Some(primitive) => Content::Primitive(primitive),
                None => return Err(PsrpError::structure("unknown part of an object", name)),
            },
        })
    }

    fn elements(&mut self, list: Element<'_>, depth: usize) -> Result<Vec<Value>, PsrpError> {
        list.children().map(|child| self.value(child, depth)).collect()
    }

    fn entries(&mut self, dictionary: Element<'_>, depth: usize) -> Result<Vec<(Value, Value)>, PsrpError> {
        dictionary.children().map(|entry| self.entry(entry, depth)).collect()
    }

    fn entry(&mut self, entry: Element<'_>, depth: usize) -> Result<(Value, Value), PsrpError> {
        if known_name(entry)? != "En" {
            return Err(PsrpError::structure("unknown part of a dictionary", entry.name()));
        }
        let (mut key, mut value) = (None, None);
        for child in entry.children() {
            match child.attribute("", "N").as_deref() {
                Some("Key") => set(&mut key, self.value(child, depth)?, "Key")?,
                Some("Value") => set(&mut value, self.value(child, depth)?, "Value")?,
                _ => {
                    return Err(PsrpError::structure(
                        "a part of an entry is neither Key nor Value:",
                        child.name(),
                    ));
                }
            }
        }
        let missing = || PsrpError::Structure("an entry of a dictionary has no key or no value".to_owned());
        Ok((key.ok_or_else(missing)?, value.ok_or_else(missing)?))
    }

    fn properties(&mut self, parent: Element<'_>, depth: usize) -> Result<Vec<Property>, PsrpError> {
        parent.children().map(|child| self.named(child, depth)).collect()
    }

    fn named(&mut self, child: Element<'_>, depth: usize) -> Result<Property, PsrpError> {
        let name = child.attribute("", "N");
        let name =
            name.ok_or_else(|| PsrpError::structure("a property has no name; its element is", child.name()))?;
        let name = Text::from_wire(&name);
        let value = if known_name(child)? == "MS" {
            if depth >= self.depth {
                return Err(PsrpError::TooLarge { what: "nesting depth of objects", limit: self.depth });
            }
            Value::PropertySet(self.properties(child, depth + 1)?)
        } else {
            self.value(child, depth)?
        };
        Ok(Property { name, value })
    }

    fn type_names(&mut self, element: Element<'_>) -> Result<TypeNames, PsrpError> {
        let names = element.children().map(|child| match known_name(child)? {
            "T" => Ok(Text::from_wire(&child.text())),
            other => Err(PsrpError::structure("unknown part of type names", other)),
        });
        let names: TypeNames = names.collect::<Result<Vec<Text>, _>>()?.into();
        if let Some(id) = element.attribute("", "RefId") {
            let known = self.types.insert(id.clone().into_owned(), names.clone());
            if known.is_some() {
                return Err(PsrpError::structure("two lists of type names have the identifier", &id));
            }
        }
        Ok(names)
    }
}

fn primitive(element: Element<'_>, name: &str) -> Result<Option<Primitive>, PsrpError> {
    if name == "PR" {
        return progress(element).map(Box::new).map(Primitive::Progress).map(Some);
    }
    let Some(primitive) = Primitive::parse(name, &element.text()) else { return Ok(None) };
    if element.children().next().is_some() {
        return Err(PsrpError::structure("a primitive value has child elements:", name));
    }
    primitive.map(Some)
}

fn progress(element: Element<'_>) -> Result<Progress, PsrpError> {
    let current_operation = child(element, "S").map(|found| Text::from_wire(&found.text()));
    Ok(Progress {
        activity: progress_text(element, "AV")?,
        activity_id: progress_number(element, "AI")?,
        current_operation,
        parent_id: progress_number(element, "PI")?,
        percent_complete: progress_number(element, "PC")?,
        kind: progress_text(element, "T")?,
        seconds_remaining: progress_number(element, "SR")?,
        status: progress_text(element, "SD")?,
    })
}

fn progress_text(element: Element<'_>, name: &str) -> Result<Text, PsrpError> {
    let found = child(element, name).ok_or_else(|| PsrpError::structure("progress has no", name))?;
    Ok(Text::from_wire(&found.text()))
}

fn progress_number(element: Element<'_>, name: &str) -> Result<i32, PsrpError> {
    let text = progress_text(element, name)?;
    text.parse().map_err(|_| PsrpError::scalar("signed 32-bit number", &text))
}

fn child<'a>(element: Element<'a>, name: &str) -> Option<Element<'a>> {
    element.children().find(|child| child.name() == name)
}

/// Returns the name of an element of CLIXML, in a message or in a file.
fn known_name<'a>(element: Element<'a>) -> Result<&'a str, PsrpError> {
    match element.namespace() {
        "" | NAMESPACE => Ok(element.name()),
        _ => Err(PsrpError::structure("element of another namespace:", element.name())),
    }
}

fn reference(element: Element<'_>) -> Result<String, PsrpError> {
    let id = element.attribute("", "RefId");
    id.map(std::borrow::Cow::into_owned)
        .ok_or_else(|| PsrpError::structure("a reference has no identifier; its element is", element.name()))
}

fn set<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), PsrpError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(PsrpError::structure("an element occurs twice:", name)),
    }
}
