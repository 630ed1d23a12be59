//! CLIXML values.

use telarch_psrp::clixml::{
    self, Content, Document, Index, Item, Limits, Object, Primitive, ReferenceId, SecureString, Text, Value,
};

fn parse(text: &str) -> Value {
    clixml::parse(text.as_bytes(), &Limits::default()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn written(value: &Value) -> String {
    String::from_utf8(clixml::write(value).unwrap()).unwrap()
}

/// Forms that Windows writes, from the specification and from recordings.
const FORMS: &[&str] = &[
    "<S>text</S>",
    "<S></S>",
    "<S>a_x000D__x000A_b &lt;&amp;&gt; \"'</S>",
    "<S>_xD83D_ half</S>",
    "<S>line\nbreak that Windows would escape</S>",
    "<C>97</C>",
    "<B>true</B>",
    "<DT>2008-04-11T10:42:32.2731993-07:00</DT>",
    "<TS>PT9.0269026S</TS>",
    "<By>254</By>",
    "<SB>-127</SB>",
    "<U16>65535</U16>",
    "<I16>-32767</I16>",
    "<U32>4294967295</U32>",
    "<I32>-2147483648</I32>",
    "<U64>18446744073709551615</U64>",
    "<I64>-9223372036854775808</I64>",
    "<Sg>12.34</Sg>",
    "<Sg>1E+07</Sg>",
    "<Db>-INF</Db>",
    "<Db>1.7976931348623157E+308</Db>",
    "<D>12.34</D>",
    "<BA>AQIDBA==</BA>",
    "<G>792e5b37-4505-47ef-b7d2-8711bb7affa8</G>",
    "<URI>http://www.microsoft.com/</URI>",
    "<Nil />",
    "<Version>6.2.1.3</Version>",
    "<XD>&lt;name attribute=\"value\"&gt;Content&lt;/name&gt;</XD>",
    "<SBK>get-command -type cmdlet</SBK>",
    "<SS>AAECAwQFBgcICQoLDA0ODw==</SS>",
    "<Obj RefId=\"0\"><TN RefId=\"0\"><T>System.Collections.ArrayList</T><T>System.Object</T></TN><LST><I32>1</I32>\
     <Nil /></LST></Obj>",
    "<Obj RefId=\"0\"><IE /></Obj>",
    "<Obj RefId=\"0\"><STK><S>top</S><S>bottom</S></STK></Obj>",
    "<Obj RefId=\"0\"><QUE><S>old</S></QUE></Obj>",
    "<Obj RefId=\"0\"><DCT><En><S N=\"Key\">a</S><Obj N=\"Value\" RefId=\"1\"><DCT /></Obj></En></DCT></Obj>",
    "<Obj RefId=\"0\"><MS><Obj N=\"a\" RefId=\"1\"><LST><Ref RefId=\"0\" /></LST></Obj><Ref N=\"b\" RefId=\"1\" />\
     </MS></Obj>",
    "<Obj RefId=\"0\"><S>text</S><MS><S N=\"note\">with properties</S></MS></Obj>",
    "<Obj RefId=\"0\"><TN RefId=\"0\"><T>A</T></TN><ToString>a_x000A_</ToString><Props><I32 N=\"x_x0009_\">1</I32>\
     </Props><MS><MS N=\"set\"><B N=\"inner\">false</B></MS><Obj N=\"o\" RefId=\"1\"><TNRef RefId=\"0\" />\
     <ToString></ToString><Props /><MS /></Obj></MS></Obj>",
    "<Obj RefId=\"0\" />",
    "<PR><AV>a</AV><AI>0</AI><Nil /><PI>-1</PI><PC>-1</PC><T>Completed</T><SR>-1</SR><SD>s</SD></PR>",
];

#[test]
fn values_are_written_as_they_were_received() {
    for form in FORMS {
        let value = parse(form);
        assert_eq!(written(&value), **form);
        assert_eq!(parse(&written(&value)).is_null(), *form == "<Nil />");
    }
}

#[test]
fn other_forms_of_the_same_values_are_accepted() {
    for (other, usual) in [
        ("\u{FEFF}<?xml version=\"1.0\"?>\n<Nil/>", "<Nil />"),
        ("<B>1</B>", "<B>true</B>"),
        ("<S><![CDATA[a<b]]></S>", "<S>a&lt;b</S>"),
        ("<BA>AQ\r\nID</BA>", "<BA>AQID</BA>"),
        (
            "<Obj RefId=\"x\"><MS/><TN RefId=\"t\"><T>A</T></TN></Obj>",
            "<Obj RefId=\"0\"><TN RefId=\"0\"><T>A</T></TN><MS /></Obj>",
        ),
        (
            "<Obj><LST><Obj RefId=\"a b\"/><Ref RefId=\"a b\"/></LST></Obj>",
            "<Obj RefId=\"0\"><LST><Obj RefId=\"1\" /><Ref RefId=\"1\" /></LST></Obj>",
        ),
        ("<S xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">a</S>", "<S>a</S>"),
        ("<G>{792E5B37-4505-47EF-B7D2-8711BB7AFFA8}</G>", "<G>792e5b37-4505-47ef-b7d2-8711bb7affa8</G>"),
        ("<TS>PT90S</TS>", "<TS>PT1M30S</TS>"),
    ] {
        assert_eq!(written(&parse(other)), usual);
    }
}

#[test]
fn references_are_resolved_also_to_enclosing_objects() {
    let value = parse("<Obj RefId=\"9\"><MS><Ref N=\"self\" RefId=\"9\"/><S N=\"name\">x</S></MS></Obj>");
    let index = Index::new(&value);
    let own = index.resolve(value.property("self").unwrap()).unwrap();
    assert_eq!(own.property("NAME").and_then(Value::as_str), Some("x"));
    assert!(index.object(ReferenceId::new(5)).is_none());
}

#[test]
fn objects_that_a_program_makes_are_numbered_when_they_are_written() {
    let shared = Object { id: Some(ReferenceId::new(77)), ..Object::with_properties([("a", 1_i32.into())]) };
    let list = vec![Object::new().into(), shared.into(), Value::Reference(ReferenceId::new(77))];
    let value: Value = Object::with_content(Content::List(list)).into();
    assert_eq!(
        written(&value),
        "<Obj RefId=\"0\"><LST><Obj RefId=\"1\" /><Obj RefId=\"2\"><MS><I32 N=\"a\">1</I32></MS></Obj>\
         <Ref RefId=\"2\" /></LST></Obj>"
    );
    let dangling = Object::with_content(Content::List(vec![Value::Reference(ReferenceId::new(1))]));
    assert!(clixml::write(&dangling.into()).is_err());
    assert!(clixml::write(&Value::PropertySet(Vec::new())).is_err());
}

#[test]
fn half_of_a_surrogate_pair_is_readable_and_kept() {
    let value = parse("<S>_xD83D_a_xd83d__xDE00_</S>");
    assert_eq!(value.as_str(), Some("\u{FFFD}a\u{1F600}"));
    assert_eq!(written(&value), "<S>_xD83D_a_xd83d__xDE00_</S>");
    assert_eq!(written(&Value::from(Text::from("\u{1F600}"))), "<S>_xD83D__xDE00_</S>");
}

#[test]
fn files_and_the_output_of_powershell_exe_are_read() {
    let text = "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\
                <S S=\"Error\">bad_x000D__x000A_</S><Obj S=\"progress\" RefId=\"0\"><MS><I64 N=\"SourceId\">1</I64>\
                <PR N=\"Record\"><AV>Preparing modules for first use.</AV><AI>0</AI><Nil /><PI>-1</PI><PC>-1</PC>\
                <T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj></Objs>";
    let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(document.items[0], Item { stream: Some("Error".to_owned()), value: "bad\r\n".into() });
    let record = document.items[1].value.property("Record").and_then(Value::as_primitive);
    let Some(Primitive::Progress(progress)) = record else { panic!("{document:?}") };
    assert_eq!(progress.activity, "Preparing modules for first use.");
    assert_eq!(Some(document.write().unwrap().as_str()), text.strip_prefix("#< CLIXML\r\n"));
    assert!(Document::parse(b"<S>a</S>", &Limits::default()).is_err());
}

#[test]
fn encrypted_text_is_not_printed() {
    let value = Value::from(SecureString::from_wire(b"cipher".to_vec()));
    assert_eq!(format!("{value:?}"), "Primitive(Secure(SecureString(***)))");
}
