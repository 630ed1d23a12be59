use telarch_xml::{Bounds, Document, Reason};

fn refusal(text: &str) -> Reason {
    match Document::parse(text, &Bounds::default()) {
        Ok(document) => panic!("{text:?} was read as {document:?}"),
        Err(error) => error.reason,
    }
}

#[test]
fn malformed_documents_are_refused_with_the_reason() {
    for (text, reason) in [
        ("", Reason::NotOneRoot),
        ("  ", Reason::NotOneRoot),
        ("x<a/>", Reason::NotOneRoot),
        ("<a/><b/>", Reason::NotOneRoot),
        ("<a/>x", Reason::NotOneRoot),
        ("<a>", Reason::UnexpectedEnd),
        ("<a", Reason::UnexpectedEnd),
        ("<a b", Reason::UnexpectedEnd),
        ("<a b='", Reason::UnexpectedEnd),
        ("<a><![CDATA[", Reason::UnexpectedEnd),
        ("<a><!--", Reason::UnexpectedEnd),
        ("<", Reason::UnexpectedEnd),
        ("<!DOCTYPE a><a/>", Reason::DoctypeRefused),
        ("<a><!ENTITY b 'c'></a>", Reason::DoctypeRefused),
        ("<?php x?><a/>", Reason::InstructionRefused),
        ("<a><?x?></a>", Reason::InstructionRefused),
        ("<a>\u{1}</a>", Reason::IllegalCharacter),
        ("<a b='\u{0}'/>", Reason::IllegalCharacter),
        ("<a>\u{FFFE}</a>", Reason::IllegalCharacter),
        ("<1/>", Reason::BadName),
        ("<a:/>", Reason::BadName),
        ("<a b='1'c='2'/>", Reason::BadTag),
        ("<a b=c/>", Reason::BadTag),
        ("<a b='<'/>", Reason::BadTag),
        ("<a / >", Reason::BadTag),
        ("<a></b>", Reason::MismatchedEnd),
        ("<a><b></a></b>", Reason::MismatchedEnd),
        ("<a>&b;</a>", Reason::UnknownReference),
        ("<a>&</a>", Reason::UnknownReference),
        ("<a>&#0;</a>", Reason::UnknownReference),
        ("<a>&#xD800;</a>", Reason::UnknownReference),
        ("<a>&#x;</a>", Reason::UnknownReference),
        ("<a>&#+65;</a>", Reason::UnknownReference),
        ("<a b='1' b='2'/>", Reason::DuplicateAttribute),
        ("<a xmlns:p='u' xmlns:p='v'/>", Reason::DuplicateAttribute),
        ("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", Reason::DuplicateAttribute),
        ("<p:a/>", Reason::BadNamespace),
        ("<a p:b='1'/>", Reason::BadNamespace),
        ("<a xmlns:p=''/>", Reason::BadNamespace),
        ("<a xmlns:xmlns='u'/>", Reason::BadNamespace),
        ("<a xmlns:xml='u'/>", Reason::BadNamespace),
        ("<a>]]></a>", Reason::BadCharacterData),
        ("<a><!-- -- --></a>", Reason::BadCharacterData),
    ] {
        assert_eq!(refusal(text), reason, "{text:?}");
    }
}

#[test]
fn each_bound_stops_the_reading() {
    let bounds = Bounds { octets: 400, depth: 3, nodes: 6, attributes: 2, namespaces: 3 };
    let within = "<a><b><c/></b></a>";
    assert!(Document::parse(within, &bounds).is_ok());
    for (text, bound) in [
        (format!("<a>{}</a>", "x".repeat(400)), "octets"),
        ("<a><b><c><d></d></c></b></a>".to_owned(), "depth"),
        ("<a><b/><b/><b/><b/><b/><b/></a>".to_owned(), "elements and texts"),
        ("<a b='' c='' d=''/>".to_owned(), "attributes"),
        ("<a xmlns:b='u' xmlns:c='u'><a xmlns:d='u' xmlns:e='u'/></a>".to_owned(), "namespaces"),
    ] {
        let error = Document::parse(text, &bounds).unwrap_err();
        assert_eq!(error.reason, Reason::TooLarge(bound));
    }
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    let text = "<a>".repeat(1_000_000);
    assert_eq!(refusal(&text), Reason::TooLarge("depth"));
}

#[test]
fn the_error_names_the_place() {
    let error = Document::parse("<a>12345&x;</a>", &Bounds::default()).unwrap_err();
    assert_eq!(error.offset, 8);
    assert_eq!(error.to_string(), "an unknown reference at octet 8");
}
