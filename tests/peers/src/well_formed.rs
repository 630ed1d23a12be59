//! Checks of XML with expat, in Python's standard library, and with our own reader.

use std::io::Write as _;
use std::process::{Command, Stdio};

use wsman::{Action, Head, Reply, Uuid};
use xml::{Bounds, Document, Fragment};

/// Asserts that items are well-formed in the response that carries them to a client: every prefix is bound.
///
/// # Panics
/// If they are not.
pub fn assert_items_well_formed<'t>(items: impl IntoIterator<Item = &'t str>) {
    let head = Head::new(Action::Pull, Uuid::from_random([7; 16]));
    let mut reply = Reply::to(&head, Uuid::from_random([8; 16]));
    let body = reply.body();
    body.start("n:PullResponse").start("n:Items");
    for item in items {
        body.fragment(&Fragment::written_elsewhere(item.to_owned()));
    }
    body.end().end();
    assert_well_formed(&reply.finish(u32::MAX).expect("a response"));
}

/// Asserts that a document is well-formed, with namespaces.
///
/// # Panics
/// If expat or our own reader rejects it.
pub fn assert_well_formed(document: &str) {
    let bounds = Bounds { octets: usize::MAX, nodes: usize::MAX, ..Bounds::default() };
    if let Err(error) = Document::parse(document, &bounds) {
        panic!("our reader: {error}\n{document}");
    }
    let python = Command::new("python3")
        .args(["-c", EXPAT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut python) = python else {
        skips::skip_part!("there is no python3 here (./test --install, or your package manager)");
        return;
    };
    // If Python ends early, its message says why.
    let _ = python.stdin.take().expect("a pipe").write_all(document.as_bytes());
    let ended = python.wait_with_output().expect("the end of Python");
    assert!(ended.status.success(), "expat: {}\n{document}", String::from_utf8_lossy(&ended.stderr));
}

/// Parses standard input with namespaces.
const EXPAT: &str = "import sys, xml.parsers.expat as expat
expat.ParserCreate(namespace_separator=' ').Parse(sys.stdin.buffer.read(), True)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "cim")]
    fn an_unbound_prefix_is_found() {
        assert_items_well_formed(["<w:XmlFragment><When><cim:Datetime/></When></w:XmlFragment>"]);
    }
}
