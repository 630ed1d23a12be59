//! Files of Debian's packages are parsed and written unchanged.

use std::path::{Path, PathBuf};

use telarch_nginx::{Directive, Document, Editor, NewDirective};

#[test]
fn installed_files_are_written_as_they_were_read() {
    let mut files = Vec::new();
    for folder in ["/etc/nginx", "/usr/share/nginx", "/usr/share/doc/nginx", "/usr/share/doc/nginx-common"] {
        collect(Path::new(folder), &mut files);
    }
    if files.is_empty() {
        skips::skip!("there are no configuration files of nginx: apt-get install nginx-light");
        return;
    }
    for path in files {
        let text = std::fs::read(&path).unwrap();
        let document = Document::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(document.text(), text);
        check(&document, document.directives(), &path);
    }
}

/// Checks that positions are right, and that setting all words to their values changes nothing.
fn check(document: &Document, directives: &[Directive], path: &Path) {
    for directive in directives {
        let mut editor = Editor::new(document);
        let words: Vec<&str> = directive.words().iter().filter_map(|word| word.text()).collect();
        editor.set_words(directive, &words);
        assert!(editor.is_empty(), "{}:{}", path.display(), directive.line());
        let before = &document.text()[..directive.span().start];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        assert_eq!(usize::try_from(directive.line()).unwrap(), line, "{}", path.display());
        // Adding a directive behind each one and removing it again leaves the text as it was.
        let mut editor = Editor::new(document);
        editor.insert_after(directive, &NewDirective::simple(&["telarch-test", "{;}"]));
        let changed = Document::parse(&editor.finish()).unwrap();
        assert!(changed.text().len() > document.text().len());
        check(document, directive.children(), path);
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.is_file() && is_configuration(&path) {
            files.push(path);
        }
    }
}

/// Returns whether a file is read by nginx: its character maps and samples included, scripts and pages excluded.
fn is_configuration(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let in_etc = path.starts_with("/etc/nginx");
    (in_etc && !name.ends_with(".bak")) || name.ends_with(".conf")
}
