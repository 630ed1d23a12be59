//! Tests of fragments of instances.

use wsman::code;

use crate::asking::{Ask, PluginClient, value};

fn note(verb: &str) -> Ask {
    Ask::transfer("Site_Note", verb).selector("Id", "1")
}

/// Returns the content of `w:XmlFragment` in the answer.
async fn part(requested: &PluginClient, expression: &str) -> String {
    let body = requested.body(&note("Get").fragment(expression)).await.unwrap();
    match body.split_once('>') {
        Some((_, rest)) => rest.trim_end_matches("</w:XmlFragment>").to_owned(),
        None => body,
    }
}

#[tokio::test]
async fn a_property_an_element_of_an_array_and_their_texts_are_parts() {
    let requested = PluginClient::new();
    for (expression, expected) in [
        ("Owner", "<Owner>root</Owner>"),
        ("p:Owner", "<Owner>root</Owner>"),
        ("Owner/text()", "root"),
        ("Roles", "<Roles>a</Roles><Roles>b</Roles>"),
        ("Roles[2]", "<Roles>b</Roles>"),
        ("Roles[2]/text()", "b"),
        ("Roles[3]", ""),
        ("Nothing", ""),
        ("Rank", "<Rank xsi:nil=\"true\"/>"),
        ("Made", "<Made><Datetime>2026-11-21T12:00:00.5+01:00</Datetime></Made>"),
    ] {
        assert_eq!(part(&requested, expression).await, expected, "{expression}");
    }
    let envelope = requested.envelope(&note("Get").fragment("Owner")).await.unwrap();
    assert!(
        envelope
            .contains("<w:FragmentTransfer s:mustUnderstand=\"true\">Owner</w:FragmentTransfer></s:Header>"),
        "{envelope}"
    );
}

#[tokio::test]
async fn a_part_can_be_written() {
    let requested = PluginClient::new();
    let put = |expression: &str, within: &str| {
        note("Put").fragment(expression).body(&format!("<w:XmlFragment>{within}</w:XmlFragment>"))
    };
    let body = requested.body(&put("Text", "<Text>new</Text>")).await.unwrap();
    assert_eq!(value(&body, "Text").as_deref(), Some("new"));
    requested.body(&put("Text/text()", "newer")).await.unwrap();
    assert_eq!(part(&requested, "Text").await, "<Text>newer</Text>");
    requested.body(&put("Roles[1]", "<Roles>z</Roles>")).await.unwrap();
    assert_eq!(part(&requested, "Roles").await, "<Roles>z</Roles><Roles>b</Roles>");
    for wrong in [
        put("Text", "<Rank>1</Rank>"),
        put("Text", "<Text>x</Text><Rank>1</Rank>"),
        put("Text", ""),
        put("Roles[5]", "<Roles>z</Roles>"),
        put("Text[2]", "<Text>z</Text>"),
        note("Put").fragment("Text").body("<Text>x</Text>"),
    ] {
        let (fault, message) = requested.fault(&wrong).await;
        assert_eq!(fault.code(), code::INVALID_REPRESENTATION, "{message}");
    }
    let (fault, _) = requested.fault(&put("Owner", "<Owner>me</Owner>")).await;
    assert_eq!(fault.code(), code::INVALID_VALUES);
}

#[tokio::test]
async fn invalid_fragments_are_refused() {
    let requested = PluginClient::new();
    for (expression, expected) in [("/Text", code::CANNOT_PROCESS_FILTER), (" ", code::BLANK_FRAGMENT_PATH)] {
        let (fault, _) = requested.fault(&note("Get").fragment(expression)).await;
        assert_eq!(fault.code(), expected, "{expression}");
    }
    let other =
        "<w:FragmentTransfer s:mustUnderstand=\"true\" Dialect=\"urn:other\">Text</w:FragmentTransfer>";
    let (fault, _) = requested.fault(&note("Get").header(other)).await;
    assert_eq!(fault.code(), code::FRAGMENT_DIALECT_UNAVAILABLE);
    for verb in ["Delete", "Create"] {
        let (fault, _) = requested.fault(&note(verb).fragment("Text").body("<Site_Note/>")).await;
        assert_eq!(fault.code(), code::FRAGMENT_LEVEL_ACCESS, "{verb}");
    }
}
