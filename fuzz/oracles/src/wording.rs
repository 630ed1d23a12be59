//! Responses of a service in every output format.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use wording::format::{Format, Tree};
use wording::terminal::controls_terminal;
use xml::{Bounds, Document};

/// Checks that a printed response contains no control characters of terminals, and that JSON and XML parse to the same
/// content.
///
/// # Panics
/// If a property does not hold.
pub fn printed(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let bounds = Bounds { octets: 1 << 16, depth: 50, nodes: 2_000, ..Bounds::default() };
    let Ok(document) = Document::parse(text, &bounds) else { return };
    let tree = Tree::of(document.root());
    names_come_once(&tree);
    for format in [Format::Text, Format::Json, Format::Ndjson, Format::Yaml] {
        let printed = format.print(document.root());
        assert!(!printed.contains(controls_terminal), "{format:?}: {printed:?}");
    }
    let line = Format::Ndjson.print(document.root());
    assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
    for json in [line, Format::Json.print(document.root())] {
        let mut letters = json.chars().peekable();
        assert_eq!(read(&mut letters).as_ref(), Some(&tree), "{json}");
        assert!(letters.all(char::is_whitespace), "{json}");
    }
    // A copied element also declares the namespaces of the elements around it.
    let roomy = Bounds { octets: 1 << 24, attributes: 1_000, namespaces: 1_000, ..Bounds::default() };
    for format in [Format::Xml, Format::Pretty] {
        let printed = format.print(document.root());
        assert!(!printed.contains(controls_terminal), "{format:?}: {printed:?}");
        let again =
            Document::parse(printed.as_str(), &roomy).unwrap_or_else(|error| panic!("{error}\n{printed}"));
        // Control characters in names are replaced.
        if !text.contains('\u{61C}') {
            assert_eq!(Tree::of(again.root()), tree, "{printed}");
        }
    }
}

fn names_come_once(tree: &Tree) {
    match tree {
        Tree::Map(members) => {
            let names: BTreeSet<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names.len(), members.len(), "{tree:?}");
            members.iter().for_each(|(_, value)| names_come_once(value));
        }
        Tree::List(items) => items.iter().for_each(names_come_once),
        Tree::Null | Tree::Text(_) => {}
    }
}

/// Parses a JSON value (RFC 8259); numbers and words other than `null` are not printed.
fn read(letters: &mut Peekable<Chars<'_>>) -> Option<Tree> {
    skip(letters);
    match letters.next()? {
        '"' => string(letters).map(Tree::Text),
        '[' => {
            let mut items = Vec::new();
            while !ends(letters, ']', items.is_empty())? {
                items.push(read(letters)?);
            }
            Some(Tree::List(items))
        }
        '{' => {
            let mut members = Vec::new();
            while !ends(letters, '}', members.is_empty())? {
                skip(letters);
                let name = letters.next_if_eq(&'"').and_then(|_| string(letters))?;
                letters.next_if_eq(&':')?;
                members.push((name, read(letters)?));
            }
            Some(Tree::Map(members))
        }
        'n' => (letters.by_ref().take(3).collect::<String>() == "ull").then_some(Tree::Null),
        _ => None,
    }
}

/// Returns whether a list ends here; otherwise it continues after a comma.
fn ends(letters: &mut Peekable<Chars<'_>>, end: char, is_first: bool) -> Option<bool> {
    skip(letters);
    if letters.next_if_eq(&end).is_some() {
        return Some(true);
    }
    if is_first || letters.next_if_eq(&',').is_some() { Some(false) } else { None }
}

/// Parses the rest of a string after its first quotation mark.
fn string(letters: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut text = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => text.push(match letters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = letters.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                letter @ ('"' | '\\' | '/') => letter,
                _ => return None,
            }),
            letter if letter < ' ' => return None,
            letter => text.push(letter),
        }
    }
}

fn skip(letters: &mut Peekable<Chars<'_>>) {
    while letters.next_if(char::is_ascii_whitespace).is_some() {}
}
