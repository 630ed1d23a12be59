//! Configuration files of nginx.

use nginx::{Directive, Document, Editor, NewDirective, quote};

/// Checks any text as a configuration file.
///
/// The tree keeps the text. Words written again have the same value. Every directive can be removed, and another one can
/// be added behind it; the result can be parsed, and has the other directives unchanged.
///
/// # Panics
/// If one of these properties does not hold.
pub fn document(data: &[u8]) {
    let document = match Document::parse(data) {
        Ok(document) => document,
        Err(error) => {
            let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&usize::try_from(error.line).unwrap()), "{error}");
            assert!(error.to_string().len() < 256);
            return;
        }
    };
    assert_eq!(document.text(), data, "the text changed");
    edits_hold(&document, document.directives(), 0);
}

fn edits_hold(document: &Document, directives: &[Directive], depth: usize) {
    for directive in directives.iter().take(DIRECTIVES) {
        for word in directive.words() {
            let written = [b"x ".as_slice(), &quote(word.value()), b";"].concat();
            // A quoted word may be longer than nginx allows.
            if word.value().len() < 1_000 {
                let again = Document::parse(&written).unwrap();
                assert_eq!(again.directives()[0].words()[1].value(), word.value(), "a word changed");
            }
        }
        let count = count(document.directives());
        let new = NewDirective::simple(&["telarch_added", "a;{b}"]);
        let mut editor = Editor::new(document);
        editor.insert_after(directive, &new);
        editor.insert_before(directive, &new);
        if !is_in_data(directive) {
            editor.append(Some(directive), &new);
        }
        let added = Document::parse(&editor.finish()).unwrap();
        assert!(self::count(added.directives()) >= count + 2, "a directive is missing");
        let mut editor = Editor::new(document);
        editor.remove(directive);
        let removed = Document::parse(&editor.finish()).unwrap();
        assert_eq!(self::count(removed.directives()) + self::count(directive.children()) + 1, count);
        if depth < DEPTH {
            edits_hold(document, directive.children(), depth + 1);
        }
    }
}

/// Returns whether nothing can be appended to the block of a directive.
fn is_in_data(directive: &Directive) -> bool {
    directive.block().is_none_or(nginx::Block::is_lua)
}

fn count(directives: &[Directive]) -> usize {
    directives.iter().map(|directive| 1 + count(directive.children())).sum()
}

/// Maximum number of directives of a block that are edited.
const DIRECTIVES: usize = 6;
/// Maximum depth of edited blocks.
const DEPTH: usize = 3;
