//! Hostile data: deep, huge, cyclic, incomplete.

use telarch_psrp::clixml::{self, Content, Limits, Object, Value};
use telarch_psrp::{Body, Defragmenter, Fragment, FragmentLimits, MessageType, PsrpError};

fn parse(text: &str) -> Result<Value, PsrpError> {
    clixml::parse(text.as_bytes(), &Limits::default())
}

/// Returns lists inside each other.
fn nested(depth: usize) -> String {
    "<Obj><LST>".repeat(depth) + &"</LST></Obj>".repeat(depth)
}

#[test]
fn nesting_is_limited_in_every_form() {
    assert!(parse(&nested(64)).is_ok());
    assert!(matches!(parse(&nested(65)), Err(PsrpError::TooLarge { .. })));
    assert!(parse(&nested(100_000)).is_err());
    let entry = "<Obj><DCT><En><S N=\"Key\"/><Obj N=\"Value\"><DCT><En><S N=\"Key\"/>".repeat(50_000);
    assert!(parse(&entry).is_err());
    let sets = "<Obj><MS>".to_owned() + &"<MS N=\"\">".repeat(70) + &"</MS>".repeat(70) + "</MS></Obj>";
    assert!(parse(&sets).is_err());
    assert!(parse(&"<MS N=\"\">".repeat(1_000)).is_err());
    let shallow = Limits { depth: 2, ..Limits::default() };
    assert!(clixml::parse(nested(2).as_bytes(), &shallow).is_ok());
    assert!(clixml::parse(nested(3).as_bytes(), &shallow).is_err());
    let deeper_than_possible = Limits { depth: usize::MAX, ..Limits::default() };
    assert!(clixml::parse(nested(1_000).as_bytes(), &deeper_than_possible).is_err());
}

#[test]
fn values_that_are_too_deep_are_not_written() {
    let mut value = Value::NULL;
    for _ in 0..64 {
        value = Object::with_content(Content::List(vec![value])).into();
    }
    assert!(clixml::write(&value).is_ok());
    value = Object::with_content(Content::List(vec![value])).into();
    assert!(matches!(clixml::write(&value), Err(PsrpError::TooLarge { .. })));
}

#[test]
fn size_and_number_of_elements_are_limited() {
    let limits = Limits { bytes: 1_000, nodes: 20, depth: 64 };
    let many = format!("<Obj><LST>{}</LST></Obj>", "<Nil/>".repeat(30));
    assert!(clixml::parse(many.as_bytes(), &limits).is_err());
    let long = format!("<S>{}</S>", "x".repeat(1_000));
    assert!(clixml::parse(long.as_bytes(), &limits).is_err());
}

#[test]
fn cyclic_and_repeated_references_cost_nothing() {
    // Each object refers to the one before it twice: resolved as copies, this were 2^1000 values.
    let mut text = "<Obj><LST><Obj RefId=\"0\"/>".to_owned();
    for id in 1..1_000 {
        let before = id - 1;
        text += &format!(
            "<Obj RefId=\"{id}\"><LST><Ref RefId=\"{before}\"/><Ref RefId=\"{before}\"/></LST></Obj>"
        );
    }
    text += "</LST></Obj>";
    let value = parse(&text).unwrap();
    assert!(clixml::write(&value).unwrap().len() < 2 * text.len());
}

#[test]
fn text_that_is_not_clixml_is_refused() {
    for wrong in [
        "",
        "text",
        "<Ref RefId=\"0\"/>",
        "<Ref/>",
        "<Unknown/>",
        "<Obj><Unknown/></Obj>",
        "<Obj RefId=\"0\"><LST><Obj RefId=\"0\"/></LST></Obj>",
        "<Obj><TNRef RefId=\"0\"/></Obj>",
        "<Obj><LST/><DCT/></Obj>",
        "<Obj><S/><S/></Obj>",
        "<Obj><MS/><MS/></Obj>",
        "<Obj><MS><S>no name</S></MS></Obj>",
        "<Obj><Props><MS N=\"a\"><MS/></MS></Props></Obj>",
        "<Obj><DCT><S/></DCT></Obj>",
        "<Obj><DCT><En><S N=\"Key\"/></En></DCT></Obj>",
        "<Obj><DCT><En><S N=\"Key\"/><S N=\"Key\"/></En></DCT></Obj>",
        "<Obj><TN><S/></TN></Obj>",
        "<S><S/></S>",
        "<S xmlns=\"urn:other\"/>",
        "<I32>2147483648</I32>",
        "<I32>+1</I32>",
        "<I32> 1</I32>",
        "<By>-1</By>",
        "<C>65536</C>",
        "<B>True</B>",
        "<DT>yesterday</DT>",
        "<Db>0x1</Db>",
        "<BA>*</BA>",
        "<G>1</G>",
        "<Version>1</Version>",
        "<PR/>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><S>&b;</S>",
        "<?php?><S/>",
    ] {
        assert!(parse(wrong).is_err(), "{wrong} was accepted");
    }
    assert!(clixml::parse(b"<S>\xff</S>", &Limits::default()).is_err());
}

#[test]
fn records_without_required_properties_are_refused() {
    for kind in MessageType::ALL {
        let needs_data = !matches!(
            kind,
            MessageType::EndOfPipelineInput
                | MessageType::PipelineInput
                | MessageType::PipelineOutput
                | MessageType::PublicKeyRequest
                | MessageType::ConnectRunspacePool
        );
        for data in ["<Nil/>", "<S/>", "<Obj><LST/></Obj>"] {
            let body = Body::decode(*kind, data.as_bytes(), &Limits::default());
            // An error, debug or information record has no property that every version sends.
            let is_lenient = matches!(
                kind,
                MessageType::ErrorRecord
                    | MessageType::DebugRecord
                    | MessageType::VerboseRecord
                    | MessageType::WarningRecord
                    | MessageType::InformationRecord
            ) && data.starts_with("<Obj");
            assert_eq!(body.is_err(), needs_data && !is_lenient, "{kind:?} {data}: {body:?}");
        }
    }
}

#[test]
fn lost_fragments_are_noticed() {
    let data = [0; 10];
    let mut incoming = Defragmenter::new(FragmentLimits::default());
    let fragment =
        |number, is_end| Fragment { object: 4, number, is_start: number == 0, is_end, data: &data };
    assert_eq!(incoming.add(fragment(0, false)), Ok(None));
    assert_eq!(incoming.add(fragment(1, false)), Ok(None));
    assert!(matches!(incoming.add(fragment(3, true)), Err(PsrpError::FragmentOrder { fragment: 3, .. })));
}
