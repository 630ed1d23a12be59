//! Edits keep all other bytes.

use telarch_apache::{Directive, Document, Editor, NewDirective, quote};

fn edited(text: &str, edit: impl FnOnce(&mut Editor<'_>, &Document)) -> String {
    let document = Document::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut editor = Editor::new(&document);
    edit(&mut editor, &document);
    let result = editor.finish();
    Document::parse(&result).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(&result)));
    String::from_utf8(result).unwrap()
}

fn first(document: &Document) -> &Directive {
    &document.directives()[0]
}

fn root() -> NewDirective {
    NewDirective::simple(&["DocumentRoot", "/srv"]).unwrap()
}

#[test]
fn words_are_those_of_apache() {
    let text = "Header set X-A \"a \\\"b\\\" \\\\ \\c\" 'd\\'e' f\\\\g\"h\\\n  i j\\\r\nk # l\n";
    let document = Document::parse(text.as_bytes()).unwrap();
    let words: Vec<&str> = first(&document).words().iter().map(|word| word.text().unwrap()).collect();
    assert_eq!(words, ["Header", "set", "X-A", r#"a "b" \ \c"#, "d'e", r#"f\g"h"#, "i", "jk", "#", "l"]);
    let text =
        "  <VirtualHost *:80 \"a>b\"> ignored\n<RequireAny>\n# </x>\n</requireANY> x\n</VirtualHost>\n";
    let document = Document::parse(text.as_bytes()).unwrap();
    let host = first(&document);
    assert_eq!(
        host.words().iter().map(|word| word.text().unwrap()).collect::<Vec<_>>(),
        ["VirtualHost", "*:80", "a>b"]
    );
    assert!(host.children()[0].is("requireany") && host.children()[0].words().len() == 1);
}

#[test]
fn changed_words_keep_comments_and_layout() {
    let text = "# main\nServerAlias   a  \\\n  b\nDocumentRoot \"/a b\"\n";
    let set = |words: &'static [&'static str]| {
        edited(text, |editor, document| editor.set_words(first(document), words).unwrap())
    };
    assert_eq!(set(&["ServerAlias", "a", "c"]), text.replace("  b\n", "  c\n"));
    assert_eq!(set(&["ServerAlias", "a", "b"]), text);
    assert_eq!(set(&["ServerAlias", "a", "b", "c d"]), text.replace("  b\n", "  b \"c d\"\n"));
    assert_eq!(set(&["ServerAlias", "c"]), "# main\nServerAlias   c\nDocumentRoot \"/a b\"\n");
    let host = "<VirtualHost *:80 *:81>\n</VirtualHost>\n";
    let set = |words: &'static [&'static str]| {
        edited(host, |editor, document| editor.set_words(first(document), words).unwrap())
    };
    assert_eq!(set(&["VirtualHost", "*:82"]), "<VirtualHost *:82>\n</VirtualHost>\n");
    assert_eq!(set(&["VirtualHost", "*:80", "*:81", "x>"]), host.replace("*:81", "*:81 \"x>\""));
}

#[test]
fn insertions_take_the_indentation_of_their_neighbours() {
    let append = |text: &str| edited(text, |editor, document| editor.append(Some(first(document)), &root()));
    assert_eq!(append("<A x>\n\tb \\\n\n</A>"), "<A x>\n\tb \\\n\n\tDocumentRoot /srv\n</A>");
    assert_eq!(append("<A x>\n</A>\n"), "<A x>\n    DocumentRoot /srv\n</A>\n");
    let section =
        NewDirective::section(&["Directory", "/a b"], vec![root(), NewDirective::comment("a\nb\\")]);
    let text = edited("<A x>\n  b\n</A>", |editor, document| {
        editor.insert_first(first(document), &section.unwrap());
        editor.append(None, &root());
        editor.insert_before(first(document), &NewDirective::comment("first"));
        editor.insert_after(&first(document).children()[0], &root());
    });
    assert_eq!(
        text,
        "# first\n<A x>\n  <Directory \"/a b\">\n    DocumentRoot /srv\n    # a b\n  </Directory>\n  b\n  DocumentRoot /srv\n\
         </A>\nDocumentRoot /srv\n"
    );
}

#[test]
fn removals_and_insertions_respect_continued_lines() {
    let remove = |text: &str| edited(text, |editor, document| editor.remove(first(document)));
    assert_eq!(remove("# about a\na 1 \\\n 2\nb 1\n"), "# about a\nb 1\n");
    assert_eq!(remove("\\\n a 1 \\\n\nb 1"), "b 1");
    assert_eq!(remove("<a x>\n b\n</a>\n"), "");
    let after = |text: &str| edited(text, |editor, document| editor.insert_after(first(document), &root()));
    assert_eq!(after("a 1 \\\n\nb"), "a 1 \\\n\nDocumentRoot /srv\nb");
    assert_eq!(after("a \\\n 1"), "a \\\n 1\nDocumentRoot /srv\n");
    let replace =
        |text: &str| edited(text, |editor, document| editor.replace_directive(first(document), &root()));
    assert_eq!(replace("<a x>\n b\n</a>"), "DocumentRoot /srv");
    assert_eq!(replace("\ta \\\n 1\nb"), "\tDocumentRoot /srv\nb");
}

#[test]
fn quoted_values_are_read_unchanged_or_refused() {
    let mut values: Vec<Vec<u8>> = (0..=255_u8).map(|byte| vec![byte]).collect();
    values
        .extend((0..=255_u8).flat_map(|byte| [vec![b'a', byte, b'b'], vec![b'\\', byte], vec![byte, b'\\']]));
    values.extend([b"".to_vec(), b"$host{".to_vec(), b"a>b#c".to_vec(), "ä\\\"'".as_bytes().to_vec()]);
    for value in values {
        let Ok(quoted) = quote(&value) else {
            assert!(value.iter().any(u8::is_ascii_control), "{value:?}");
            continue;
        };
        let text = [b"x ".as_slice(), &quoted, b"\ny"].concat();
        let document = Document::parse(&text).unwrap();
        assert_eq!(document.directives().len(), 2, "{text:?}");
        assert_eq!(document.directives()[0].words().len(), 2, "{text:?}");
        assert_eq!(document.directives()[0].words()[1].value(), value, "{text:?}");
    }
    for value in ["a\nb", "a\rb", "a\0", "${x}", "a${"] {
        assert!(NewDirective::simple(&["x", value]).is_err(), "{value}");
    }
}

#[test]
fn limits_are_enforced() {
    let deep = "<a x>\n".repeat(65);
    assert!(Document::parse(deep.as_bytes()).unwrap_err().to_string().contains("depth"));
    let many = format!("a {}", "b ".repeat(20_001));
    assert!(Document::parse(many.as_bytes()).unwrap_err().to_string().contains("words"));
    assert!(
        Document::parse("a\n".repeat(200_001).as_bytes()).unwrap_err().to_string().contains("directives")
    );
    assert!(Document::parse(&vec![b'\n'; (4 << 20) + 1]).unwrap_err().to_string().contains("size"));
    for (text, problem) in
        [("a \\", "backslash"), ("a \\\n", "backslash"), ("# a\\\n", "backslash"), ("a\0b", "byte 0")]
    {
        assert!(Document::parse(text.as_bytes()).unwrap_err().to_string().contains(problem), "{text}");
    }
}

#[test]
fn code_of_other_languages_is_kept() {
    let text = "<LuaHookAuthChecker x>\n  if a < b then <c\n  </d>\n</LuaHookAuthChecker>\nb\n";
    let document = Document::parse(text.as_bytes()).unwrap();
    assert_eq!(document.directives().len(), 2);
    assert!(first(&document).section().unwrap().is_raw() && first(&document).children().is_empty());
}
