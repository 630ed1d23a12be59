//! Configuration files of Apache httpd.

use apache::{Directive, Document, Editor, NewDirective, environment_variables, quote};

/// Checks any text as a configuration file.
///
/// The tree keeps the text. Words written again have the same value. Every directive can be removed, and another one can
/// be added around it; the result can be parsed, and has the other directives unchanged.
///
/// # Panics
/// If one of these properties does not hold.
pub fn document(data: &[u8]) {
    let _ = environment_variables(data);
    let document = match Document::parse(data) {
        Ok(document) => document,
        Err(error) => {
            let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&usize::try_from(error.line).unwrap()), "{error}");
            assert!(error.to_string().len() < 1_024);
            return;
        }
    };
    assert_eq!(document.text(), data, "the text changed");
    edits_hold(&document, document.directives(), 0);
}

fn edits_hold(document: &Document, directives: &[Directive], depth: usize) {
    let new = NewDirective::simple(&["telarch_added", "a>\"\\"]).unwrap();
    let section = NewDirective::section(&["TelarchAdded", "</x>"], vec![new.clone()]).unwrap();
    for directive in directives.iter().take(DIRECTIVES) {
        for word in directive.words() {
            let Ok(quoted) = quote(word.value()) else { continue };
            let again = Document::parse(&[b"x ".as_slice(), &quoted].concat()).unwrap();
            assert_eq!(again.directives().len(), 1, "a word became a directive");
            assert_eq!(again.directives()[0].words()[1].value(), word.value(), "a word changed");
        }
        let count = count(document.directives());
        let mut editor = Editor::new(document);
        editor.insert_after(directive, &new);
        editor.insert_before(directive, &section);
        let is_open = directive.section().is_some_and(|section| !section.is_raw());
        if is_open {
            editor.append(Some(directive), &new);
            editor.insert_first(directive, &new);
        }
        editor.append(None, &new);
        let added = Document::parse(&editor.finish()).unwrap();
        let expected = count + 4 + if is_open { 2 } else { 0 };
        assert_eq!(self::count(added.directives()), expected, "a directive is missing");
        let mut editor = Editor::new(document);
        editor.remove(directive);
        let removed = Document::parse(&editor.finish()).unwrap();
        assert_eq!(self::count(removed.directives()) + self::count(directive.children()) + 1, count);
        let mut editor = Editor::new(document);
        editor.replace_directive(directive, &section);
        let replaced = Document::parse(&editor.finish()).unwrap();
        assert_eq!(self::count(replaced.directives()) + self::count(directive.children()) + 1, count + 2);
        if depth < DEPTH {
            edits_hold(document, directive.children(), depth + 1);
        }
    }
}

fn count(directives: &[Directive]) -> usize {
    directives.iter().map(|directive| 1 + count(directive.children())).sum()
}

/// Maximum number of directives of a section that are edited.
const DIRECTIVES: usize = 6;
/// Maximum depth of edited sections.
const DEPTH: usize = 3;
