use telarch_xml::{Bounds, Document, Writer};

fn read(text: &str) -> Document {
    Document::parse(text, &Bounds::default()).unwrap()
}

#[test]
fn prefixes_are_resolved_by_scope_and_not_by_name() {
    let document = read(
        r#"<p:a xmlns:p="urn:1"><p:b xmlns:p="urn:2" p:c="x" c="y"/><p:d/><e xmlns="urn:3"><f/></e></p:a>"#,
    );
    let root = document.root();
    let names: Vec<_> = root.children().map(|child| (child.namespace(), child.name())).collect();
    assert_eq!(names, [("urn:2", "b"), ("urn:1", "d"), ("urn:3", "e")]);
    let b = root.child("urn:2", "b").unwrap();
    assert_eq!(b.attribute("urn:2", "c").as_deref(), Some("x"));
    assert_eq!(b.attribute("", "c").as_deref(), Some("y"));
    assert!(root.child("urn:3", "e").unwrap().child("urn:3", "f").is_some());
}

#[test]
fn references_cdata_and_line_ends_are_resolved() {
    let document = read("<a b=' &lt;\t&#65;&#x42;\r\n'>&amp;1<![CDATA[&2;<\r\n]]>\r3<!-- no -->4\r\n</a>");
    assert_eq!(document.root().text(), "&1&2;<\n\n34\n");
    assert_eq!(document.root().attribute("", "b").as_deref(), Some(" < AB "));
}

#[test]
fn a_declaration_and_a_charset_it_names_do_not_matter() {
    let document = read("<?xml version=\"1.0\" encoding=\"utf-16\"?>\n<!-- c -->\n<a/>\n");
    assert_eq!(document.root().name(), "a");
}

#[test]
fn a_copied_element_keeps_the_namespaces_that_it_uses() {
    let document = read(
        r#"<s:E xmlns:s="urn:s" xmlns:p="urn:p" xmlns:q="urn:q" xmlns="urn:d"><p:x a="q:z" xmlns:n="urn:n"><y/></p:x></s:E>"#,
    );
    let mut writer = Writer::new();
    writer.copy(document.root().children().next().unwrap());
    let copy = read(&writer.finish());
    assert!(copy.root().is("urn:p", "x"));
    assert_eq!(copy.root().resolve("q"), Some("urn:q"), "a prefix in a value was lost");
    assert_eq!(copy.root().resolve("s"), None, "a prefix nobody uses was kept");
    assert!(copy.root().child("urn:d", "y").is_some());
}

#[test]
fn a_prefix_inside_text_can_be_resolved() {
    let document = read(r#"<a xmlns:s="urn:s"><b>s:Sender</b></a>"#);
    let b = document.root().children().next().unwrap();
    assert_eq!(b.resolve("s"), Some("urn:s"));
    assert_eq!(b.resolve("t"), None);
}

#[test]
fn an_identifier_leads_back_to_its_element() {
    let document = read("<a><b/><c>x</c></a>");
    let id = document.root().child("", "c").unwrap().id();
    assert_eq!(document.at(id).unwrap().text(), "x");
}

#[test]
fn the_source_of_an_element_is_its_own_markup() {
    let document = read("<a>1<b c='d'>2</b><e/>3</a>");
    let sources: Vec<_> = document.root().children().map(|child| child.source()).collect();
    assert_eq!(sources, ["<b c='d'>2</b>", "<e/>"]);
}
