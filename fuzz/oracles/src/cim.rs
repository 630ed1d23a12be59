//! WQL, MOF, instances and classes as XML, object paths, and date and time values.

use std::sync::{Arc, LazyLock};

use cim::cimxml::{self, ClassDetail};
use cim::uri::{ClassUri, UriForm};
use cim::wql::{Pattern, Predicate, Query, Select};
use cim::wscim::{NullArrays, Reader, Writer};
use cim::{
    Class, ClassDeclaration, DateTime, Error, Instance, Name, Namespace, ObjectPath, Origin, Schema, Value,
    mof, wql,
};
use xml::{Bounds, Document};

/// Checks that a parsed query survives printing and parsing again, and that both queries, bound to a class, select the
/// same rows, each with key values that the query pins.
///
/// # Panics
/// If a property does not hold.
pub fn query(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(query) = wql::parse(text) else { return };
    let printed = query.to_string();
    // Brackets may make the printed query longer than the limit.
    if printed.len() <= wql::MAX_TEXT {
        let again = wql::parse(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again.to_string(), printed);
        let Query::Select(select) = &query else { return };
        let Query::Select(again) = &again else { panic!("{printed} is another kind of query") };
        same_answers(select, again);
    }
}

/// Checks that both queries select the same rows.
fn same_answers(left: &Select, right: &Select) {
    static ROWS: LazyLock<Vec<Instance>> = LazyLock::new(rows);
    for row in ROWS.iter() {
        let class = row.class();
        let _ = left.selected(class);
        let Ok(predicate) = Predicate::bind(left, class, &origin()) else { continue };
        let again = Predicate::bind(right, class, &origin()).expect("the printed query can be bound");
        let wanted = predicate.evaluate(row);
        assert_eq!(again.evaluate(row), wanted, "{left}");
        assert!(predicate.constant().is_none_or(|constant| constant == wanted), "{left}");
        if let (true, Some(keys)) = (wanted, predicate.pinned(class.keys())) {
            let values: Vec<_> = class.keys().iter().map(|key| row.at(*key)).collect();
            let same = |set: &Vec<Value>| {
                set.iter().zip(&values).all(|(pinned, value)| match (pinned.as_str(), value.as_str()) {
                    (Some(pinned), Some(value)) => wql::equal(pinned, value),
                    _ => pinned == *value,
                })
            };
            assert!(keys.iter().any(same), "{left} selects a row whose keys it does not pin");
        }
    }
    let _ = wql::matches_class(left, &rows_class(), &origin());
}

/// Checks that a class in CIM-XML survives parsing and writing.
///
/// # Panics
/// If a property does not hold.
pub fn class_xml(octets: &[u8]) {
    let read = |text: &str| {
        let document = Document::parse(text, &Bounds::default()).ok()?;
        let read = cimxml::read_class(document.root()).ok()?;
        let schema = read.schema(Namespace::cimv2()).ok()?;
        let class = schema.require(read.declaration.name.as_str()).expect("it was added");
        let mut out = xml::Writer::new();
        let detail = ClassDetail {
            qualifiers: true,
            inherited_elements: true,
            inheritance_hierarchy: true,
            class_origin: true,
        };
        cimxml::write_class(&mut out, &class, detail);
        Some(out.finish())
    };
    let Some(written) = std::str::from_utf8(octets).ok().and_then(read) else { return };
    assert_eq!(read(&written).as_ref(), Some(&written));
}

/// Checks that LIKE agrees with an exhaustive matcher.
///
/// The text before the first NUL is the pattern, the rest is matched.
///
/// # Panics
/// If a property does not hold.
pub fn like(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let (pattern, text) = text.split_once('\0').unwrap_or((text, text));
    let matches = Pattern::new(pattern).matches(text);
    // The exhaustive matcher takes exponential time.
    if pattern.len() <= 12 && text.len() <= 24 && pattern.matches('%').count() <= 5 {
        let (pattern, text): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
        assert_eq!(matches, naive(&pattern, &text), "{text:?} LIKE {pattern:?}");
    }
}

fn naive(pattern: &[char], text: &[char]) -> bool {
    let same = |left: char, right: char| wql::equal(&left.to_string(), &right.to_string());
    let capital = |character: char| {
        let mut capitals =
            character.to_uppercase().filter(|capital| capital.len_utf16() == character.len_utf16());
        match (capitals.next(), capitals.next()) {
            (Some(capital), None) if character.len_utf16() == 1 && character.to_uppercase().count() == 1 => {
                capital
            }
            _ => character,
        }
    };
    let within = |from, to, character| (capital(from)..=capital(to)).contains(&capital(character));
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(('%', rest)), None) => naive(rest, text),
        (Some(('%', rest)), Some((_, fewer))) => naive(rest, text) || naive(pattern, fewer),
        (Some(('[', rest)), first) => {
            let Some(end) = rest.iter().position(|c| *c == ']') else { return false };
            let (inside, after) = rest.split_at(end);
            let (negated, mut inside) = match inside.split_first() {
                Some(('^', inside)) => (true, inside),
                _ => (false, inside),
            };
            let Some((character, fewer)) = first else { return false };
            let mut found = false;
            while let Some((from, more)) = inside.split_first() {
                let (to, more) = match more {
                    ['-', to, more @ ..] => (to, more),
                    more => (from, more),
                };
                found |= within(*from, *to, *character);
                inside = more;
            }
            found != negated && naive(after.get(1..).unwrap_or_default(), fewer)
        }
        (Some(_), None) => false,
        (Some(('_', rest)), Some((_, fewer))) => naive(rest, fewer),
        (Some((wanted, rest)), Some((character, fewer))) => same(*wanted, *character) && naive(rest, fewer),
    }
}

/// Checks that parsed MOF survives printing and parsing again, and that its classes and instances are created or
/// rejected.
///
/// # Panics
/// If a property does not hold.
pub fn mof(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(items) = mof::parse(text) else { return };
    let printed = mof::print(&items);
    let again = mof::parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(again, items, "{printed}");
    let mut schema = Schema::of(Namespace::cimv2());
    for item in &items {
        match item {
            mof::Item::Class(declaration) => {
                if let Ok(class) = schema.add(declaration) {
                    let whole = mof::Item::Class(ClassDeclaration::from(class.as_ref()));
                    let printed = mof::print(std::slice::from_ref(&whole));
                    assert_eq!(mof::parse(&printed).as_deref(), Ok(&[whole][..]), "{printed}");
                }
            }
            mof::Item::Instance(declaration) => {
                if let Ok(instance) = declaration.resolve(&schema, &|_| None) {
                    written_again(&schema, &instance);
                }
            }
            mof::Item::Pragma { .. } | mof::Item::Qualifier(_) => {}
        }
    }
}

/// Checks that a parsed instance survives writing and parsing again.
///
/// # Panics
/// If a property does not hold.
pub fn instance(octets: &[u8]) {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of(Namespace::cimv2()));
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let bounds = Bounds { octets: 1 << 20, nodes: 10_000, ..Bounds::default() };
    let Ok(document) = Document::parse(text, &bounds) else { return };
    let reader = Reader::new(&SCHEMA);
    let Ok(read) = reader.instance(document.root()) else { return };
    written_again(&SCHEMA, &read.instance);
}

/// Checks that an instance survives writing and parsing, except for values that XML cannot represent.
fn written_again(schema: &Schema, instance: &Instance) {
    let writer = Writer::new(UriForm::Wmi, origin()).with_null_arrays(NullArrays::Marked);
    let write = |instance: &Instance| {
        let mut out = xml::Writer::new();
        // The envelope of a message declares these two.
        out.start("s").namespace("a", "http://schemas.xmlsoap.org/ws/2004/08/addressing");
        out.namespace("w", "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd");
        writer.instance(&mut out, instance);
        out.finish()
    };
    let first = write(instance);
    let bounds = Bounds { octets: 64 << 20, nodes: 1_000_000, ..Bounds::default() };
    let document = Document::parse(first.as_str(), &bounds).expect("the written form is XML");
    let Some(element) = document.root().children().next() else { panic!("nothing was written") };
    match Reader::new(schema).instance(element) {
        Ok(again) => assert_eq!(write(&again.instance), first),
        // A key may have a value that cannot be a selector, and half of a surrogate pair is no character.
        Err(error) => assert!(!matches!(error, Error::NoProperty { .. }), "{error}\n{first}"),
    }
}

/// Checks that a parsed path survives printing and parsing again.
///
/// # Panics
/// If a property does not hold.
pub fn object_path(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(path) = ObjectPath::parse(text) {
        let printed = path.to_string();
        // Escapes may make the printed path longer than the limit.
        if printed.len() <= ObjectPath::MAX {
            let again = ObjectPath::parse(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
            assert_eq!(again.to_string(), printed);
        }
        let _ = path.key_values(&rows_class());
    }
    if let Ok(uri) = ClassUri::parse(text) {
        assert_eq!(ClassUri::parse(&uri.to_string()), Ok(uri));
    }
}

/// Checks that a parsed date and time value survives printing and parsing again, in both forms.
///
/// # Panics
/// If a property does not hold.
pub fn datetime(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(value) = DateTime::parse_lenient(text, 60) else { return };
    assert_eq!(DateTime::parse(&value.to_string()), Ok(value));
    let mut written = String::new();
    match value {
        DateTime::Timestamp(timestamp) => timestamp.write_xml(&mut written),
        DateTime::Interval(interval) => interval.write_xml(&mut written),
        DateTime::Partial(_) => return,
    }
    assert_eq!(DateTime::parse_lenient(&written, -60), Ok(value), "{written}");
}

fn origin() -> Origin {
    Origin { server: "node7".to_owned(), namespace: Namespace::cimv2(), offset: 60 }
}

fn rows_class() -> Arc<Class> {
    let text = "[Association] class Row { [key] string Name; [key] uint32 Id; boolean Flag; sint64 Big; real32 Part; \
        string Text; datetime When; Row REF Next; uint16 Many[]; [EmbeddedObject] string Inner; char16 Letter; };";
    let items = mof::parse(text).expect("the text is right");
    let Some(mof::Item::Class(declaration)) = items.first() else { panic!("one class") };
    Arc::new(Class::derive(declaration, None).expect("the class is right"))
}

fn rows() -> Vec<Instance> {
    let class = rows_class();
    let row = || Instance::new(class.clone());
    let time = DateTime::parse("20130415162843.488171+000").expect("a time");
    let path = ObjectPath::of_class(Name::parse("Row").expect("a name"));
    let full = |name: &'static str, id: u32| -> Result<Instance, Error> {
        row()
            .with("Name", name)?
            .with("Id", id)?
            .with("Flag", id > 1)?
            .with("Big", -5_i64)?
            .with("Part", 0.1_f32)?
            .with("Text", "größe")?
            .with("When", time)?
            .with("Next", path.clone())?
            .with("Many", vec![1_u16, 2])?
            .with("Letter", Value::Char16(65))
    };
    let one = full("a", 1).expect("the values fit");
    let two = full("B", 2).and_then(|two| two.with("Inner", one.clone())).expect("the values fit");
    vec![row(), one, two]
}
