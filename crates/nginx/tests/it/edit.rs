//! Edits keep all other bytes.

use telarch_nginx::{Directive, Document, Editor, NewDirective, quote};

fn edited(text: &str, edit: impl FnOnce(&mut Editor<'_>, &Document)) -> String {
    let document = Document::parse(text.as_bytes()).unwrap();
    let mut editor = Editor::new(&document);
    edit(&mut editor, &document);
    let result = editor.finish();
    Document::parse(&result).unwrap();
    String::from_utf8(result).unwrap()
}

fn first(document: &Document) -> &Directive {
    &document.directives()[0]
}

#[test]
fn changed_words_keep_comments_and_layout() {
    let text = "listen   80  default_server; # main\nroot \"/a b\";\n";
    let set = |words: &'static [&'static str]| {
        edited(text, |editor, document| editor.set_words(first(document), words))
    };
    assert_eq!(set(&["listen", "81", "default_server"]), text.replace("80", "81"));
    assert_eq!(set(&["listen", "80"]), text.replace("  default_server", ""));
    assert_eq!(set(&["listen", "80", "default_server", "ssl"]), text.replace("_server", "_server ssl"));
    assert_eq!(set(&["listen", "80", "default_server"]), text);
    let one = edited("index a b c;", |editor, document| editor.set_words(first(document), &["index", "x y"]));
    assert_eq!(one, "index \"x y\";");
}

#[test]
fn insertions_take_the_indentation_of_their_neighbours() {
    let new = NewDirective::simple(&["root", "/srv"]);
    let append = |text: &str| edited(text, |editor, document| editor.append(Some(first(document)), &new));
    assert_eq!(append("server {\n\tlisten 80; # a\n}\n"), "server {\n\tlisten 80; # a\n\troot /srv;\n}\n");
    assert_eq!(append("server { listen 80; }\n"), "server { listen 80;\nroot /srv;\n }\n");
    assert_eq!(append("server {}\n"), "server {\n    root /srv;\n}\n");
    assert_eq!(append("server {\n  # empty\n}"), "server {\n    root /srv;\n  # empty\n}");
    let block =
        NewDirective::with_block(&["location", "/"], vec![new.clone(), NewDirective::comment("a\nb")]);
    let text = edited("server {\n  a 1;\n  b {\n    c 1;\n  }\n}\n", |editor, document| {
        editor.append(Some(first(document)), &block);
    });
    assert_eq!(
        text,
        "server {\n  a 1;\n  b {\n    c 1;\n  }\n  location / {\n    root /srv;\n    # a b\n  }\n}\n"
    );
    let end = edited("a 1;", |editor, document| {
        editor.append(None, &new);
        editor.insert_before(first(document), &NewDirective::comment("first"));
    });
    assert_eq!(end, "# first\na 1;\nroot /srv;\n");
}

#[test]
fn removals_take_their_lines_and_keep_comments() {
    let remove = |text: &str| edited(text, |editor, document| editor.remove(first(document)));
    assert_eq!(remove("# about a\na 1;\nb 1;\n"), "# about a\nb 1;\n");
    assert_eq!(remove("a 1; # why\nb 1;\n"), "# why\nb 1;\n");
    assert_eq!(remove("a 1; b 1;\n"), "b 1;\n");
    assert_eq!(remove("a {\n b 1;\n}"), "");
    assert_eq!(remove("a\n 1\n;\nb 1;"), "b 1;");
}

#[test]
fn quoted_values_are_read_unchanged() {
    let mut values: Vec<Vec<u8>> = (1..=255_u8).map(|byte| vec![byte]).collect();
    values
        .extend((1..=255_u8).flat_map(|byte| [vec![b'a', byte, b'b'], vec![b'\\', byte], vec![byte, b'\\']]));
    values.extend([b"".to_vec(), b"${host}{".to_vec(), b"a;b#c".to_vec(), "ä\\\"'".as_bytes().to_vec()]);
    for value in values {
        let text = [b"x ".as_slice(), &quote(&value), b";"].concat();
        let document = Document::parse(&text).unwrap();
        assert_eq!(document.directives().len(), 1, "{text:?}");
        assert_eq!(document.directives()[0].words()[1].value(), value, "{text:?}");
    }
}

#[test]
fn limits_are_enforced() {
    let deep = "a {".repeat(33);
    assert!(Document::parse(deep.as_bytes()).unwrap_err().to_string().contains("depth"));
    let many = format!("a {};", "b ".repeat(20_001));
    assert!(Document::parse(many.as_bytes()).unwrap_err().to_string().contains("words"));
    assert!(Document::parse("a;".repeat(200_001).as_bytes()).unwrap_err().to_string().contains("directives"));
    assert!(Document::parse(&vec![b'\n'; (4 << 20) + 1]).unwrap_err().to_string().contains("size"));
}
