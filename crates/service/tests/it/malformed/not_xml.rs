//! Texts that are not well-formed, or use XML features that SOAP forbids.

use super::{around, wrong};

/// Cases: name and text of each.
pub(super) fn cases() -> Vec<(String, String)> {
    let right = wrong("echo").text();
    let mut cases: Vec<(String, String)> = Vec::new();
    let mut case = |name: &str, text: String| cases.push((name.to_owned(), text));

    case("white space", " \r\n\t ".to_owned());
    case("a word", "wrong".to_owned());
    case("JSON", "{\"wrong\": true}".to_owned());
    case("a lone <", "<".to_owned());
    case("an end tag only", "</s:Envelope>".to_owned());
    case("a comment only", "<!-- wrong -->".to_owned());
    case("a declaration only", "<?xml version=\"1.0\"?>".to_owned());
    case("text before", format!("wrong{right}"));
    case("text behind", format!("{right}wrong"));
    case("a NUL behind", format!("{right}\0"));
    case("a tag behind", format!("{right}<x/>"));
    case("an end tag behind", format!("{right}</s:Envelope>"));
    case("two documents", right.repeat(2));
    case("a declaration behind white space", format!(" <?xml version=\"1.0\"?>{right}"));
    case("two declarations", format!("<?xml version=\"1.0\"?><?xml version=\"1.0\"?>{right}"));
    case("a declaration without version", format!("<?xml encoding=\"UTF-8\"?>{right}"));
    case("a declaration without end", format!("<?xml version=\"1.0\"{right}"));
    case("a second byte order mark", format!("\u{FEFF}\u{FEFF}{right}"));

    for doctype in [
        "<!DOCTYPE x>",
        "<!DOCTYPE s:Envelope SYSTEM \"file:///etc/passwd\">",
        "<!DOCTYPE s:Envelope PUBLIC \"-//x//y\" \"http://127.0.0.1:9/x.dtd\">",
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>",
        "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://127.0.0.1:9/x\"> %p;]>",
        "<!DOCTYPE x [<!ATTLIST x y CDATA \"z\">]>",
        "<!doctype x>",
        "<!ELEMENT x ANY>",
        "<!ENTITY e \"x\">",
        "<![INCLUDE[x]]>",
        "<![CDATA[x]]>",
    ] {
        case(&format!("{doctype} before"), format!("{doctype}{right}"));
    }
    case("a DOCTYPE behind", format!("{right}<!DOCTYPE x>"));
    case("a DOCTYPE behind a declaration", format!("<?xml version=\"1.0\"?><!DOCTYPE x>{right}"));
    case("an instruction before", format!("<?xml-stylesheet href=\"x\"?>{right}"));
    case("an instruction behind", format!("{right}<?x y?>"));

    for (name, body) in [
        ("a DOCTYPE inside", "<!DOCTYPE x>"),
        ("an ENTITY inside", "<!ENTITY e \"x\">"),
        ("an instruction inside", "<?php x ?>"),
        ("a declaration inside", "<?xml version=\"1.0\"?>"),
        ("an unknown entity", "<x>&e;</x>"),
        ("an entity of HTML", "<x>&nbsp;</x>"),
        ("an entity without semicolon", "<x>&amp</x>"),
        ("a lone ampersand", "<x>a & b</x>"),
        ("a reference to nothing", "<x>&#;</x>"),
        ("a hexadecimal reference to nothing", "<x>&#x;</x>"),
        ("a reference in letters", "<x>&#ten;</x>"),
        ("a reference to NUL", "<x>&#0;</x>"),
        ("a reference to a control character", "<x>&#8;</x>"),
        ("a reference to a surrogate", "<x>&#xD800;</x>"),
        ("a reference to U+FFFE", "<x>&#xFFFE;</x>"),
        ("a reference beyond Unicode", "<x>&#x110000;</x>"),
        ("a reference of many digits", "<x>&#99999999999999999999;</x>"),
        ("an unknown entity in an attribute", "<x y=\"&e;\"/>"),
        ("a reference to NUL in an attribute", "<x y=\"&#0;\"/>"),
        ("a < in an attribute", "<x y=\"<\"/>"),
        ("an attribute without quotes", "<x y=z/>"),
        ("an attribute with one quote", "<x y=\"z/>"),
        ("an attribute with two kinds of quotes", "<x y=\"z'/>"),
        ("an attribute without value", "<x y/>"),
        ("an attribute without name", "<x =\"z\"/>"),
        ("attributes without space between", "<x y=\"z\"u=\"v\"/>"),
        ("an attribute twice", "<x y=\"z\" y=\"z\"/>"),
        ("an attribute twice by two prefixes", "<x xmlns:b=\"u\" xmlns:c=\"u\" b:y=\"\" c:y=\"\"/>"),
        ("a declaration twice", "<x xmlns:b=\"u\" xmlns:b=\"v\"/>"),
        ("a prefix that is not declared", "<b:x/>"),
        ("a prefix of an attribute that is not declared", "<x b:y=\"\"/>"),
        ("a prefix out of its scope", "<x xmlns:b=\"u\"/><b:y/>"),
        ("a prefix that is taken back", "<x xmlns:b=\"u\"><y xmlns:b=\"\"/></x>"),
        ("xml as another namespace", "<x xmlns:xml=\"u\"/>"),
        ("another prefix for xml", "<x xmlns:b=\"http://www.w3.org/XML/1998/namespace\"/>"),
        ("xmlns declared", "<x xmlns:xmlns=\"u\"/>"),
        ("another prefix for xmlns", "<x xmlns:b=\"http://www.w3.org/2000/xmlns/\"/>"),
        ("xmlns as a prefix", "<xmlns:x/>"),
        ("two colons", "<x:y:z xmlns:x=\"u\"/>"),
        ("a colon first", "<:x/>"),
        ("a colon last", "<x: xmlns:x=\"u\"/>"),
        ("a name that begins with a digit", "<1x/>"),
        ("a name that begins with a hyphen", "<-x/>"),
        ("a name that begins with a point", "<.x/>"),
        ("a name with a space before it", "< x/>"),
        ("a name with a bracket", "<x(/>"),
        ("no name", "<></>"),
        ("an end tag with another name", "<x></y>"),
        ("an end tag in other case", "<x></X>"),
        ("an end tag with another prefix of the same namespace", "<b:x xmlns:b=\"u\" xmlns:c=\"u\"></c:x>"),
        ("an end tag with an attribute", "<x></x y=\"z\">"),
        ("an end tag of the other", "<x><y></x></y>"),
        ("an end tag too many", "<x></x></x>"),
        ("an end tag with a slash", "<x></x/>"),
        ("an end tag with a space", "<x></ x>"),
        ("an empty tag with a space", "<x/ >"),
        ("two slashes", "<x//>"),
        ("a < in a tag", "<x <y/>"),
        ("text that ends a CDATA section", "<x>]]></x>"),
        ("a CDATA section without end", "<x><![CDATA[x</x>"),
        ("a CDATA section in lower case", "<x><![cdata[x]]></x>"),
        ("a CDATA section in a CDATA section", "<x><![CDATA[<![CDATA[x]]>]]></x>"),
        ("a comment without end", "<!-- x"),
        ("a comment with two hyphens", "<!-- x -- y -->"),
        ("a comment that ends in three hyphens", "<!-- x --->"),
        ("a comment of two hyphens", "<!-->"),
        ("a NUL in text", "<x>\0</x>"),
        ("a NUL in a name", "<x\0/>"),
        ("a NUL in an attribute", "<x y=\"\0\"/>"),
        ("a NUL in a comment", "<!--\0-->"),
        ("a NUL in a CDATA section", "<x><![CDATA[\0]]></x>"),
        ("a control character", "<x>\u{1}</x>"),
        ("a backspace", "<x>\u{8}</x>"),
        ("a vertical tab", "<x>\u{B}</x>"),
        ("an escape", "<x>\u{1B}[2J</x>"),
        ("U+FFFE", "<x>\u{FFFE}</x>"),
        ("U+FFFF", "<x y=\"\u{FFFF}\"/>"),
    ] {
        case(name, around(body));
    }
    cases
}
