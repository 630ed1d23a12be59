//! Rules for request headers (MS-WSMV 3.1.4.1, DSP0226 5 and 6), one per row.

use std::time::Duration;

use telarch_wsman::{
    Action, Compression, Detail, Head, RejectedRequest, Request, ResourceUri, SelectorSet, SelectorValue,
    Subcode, code, namespace,
};
use xml::Bounds;

/// Expected fault of a rejected request.
type Refusal = (Subcode, Option<Detail>, u32);

#[test]
fn a_missing_or_invalid_address_is_rejected() {
    let invalid_id = || (Subcode::InvalidMessageInformationHeader, None, 2_150_858_753);
    let required = || (Subcode::MessageInformationHeaderRequired, None, 2_150_858_769);
    let mode = || (Subcode::UnsupportedFeature, Some(Detail::ADDRESSING_MODE), 2_150_858_870);
    let no_resource = || (Subcode::DestinationUnreachable, Some(Detail::INVALID_RESOURCE_URI), 2_150_858_752);
    refuses(&[
        ("no header at all", String::new(), required()),
        ("no Action", format!("{ID}{REPLY_TO}"), required()),
        ("an empty Action", format!("<a:Action> </a:Action>{ID}{REPLY_TO}"), required()),
        ("no MessageID", format!("{ACTION}{REPLY_TO}"), invalid_id()),
        ("an empty MessageID", format!("{ACTION}<a:MessageID/>{REPLY_TO}"), invalid_id()),
        ("no ReplyTo", format!("{ACTION}{ID}"), required()),
        ("a ReplyTo elsewhere", format!("{ACTION}{ID}{}", address("ReplyTo", "http://other/")), mode()),
        ("a ReplyTo without address", format!("{ACTION}{ID}<a:ReplyTo/>"), mode()),
        ("a FaultTo elsewhere", format!("{USUAL}{}", address("FaultTo", "http://other/")), mode()),
        ("an empty ResourceURI", format!("{USUAL}<w:ResourceURI> \n</w:ResourceURI>"), no_resource()),
    ]);
    let request = accepted(USUAL);
    let fault = request.require_resource().unwrap_err();
    assert_eq!(
        (fault.subcode().clone(), fault.detail().cloned(), fault.code()),
        no_resource(),
        "no ResourceURI"
    );
}

#[test]
fn an_address_is_parsed_in_every_form() {
    let padded = format!(
        "<a:Action>\n\t{}\n</a:Action><a:MessageID> any text &amp; more </a:MessageID>\
         <a:To> http://windows-host:5985/wsman </a:To><w:ResourceURI>\r\n {} </w:ResourceURI>{}{}",
        Action::Get.uri(),
        namespace::CONFIG,
        address("ReplyTo", &format!("\n  {}\n ", namespace::ANONYMOUS)),
        address("FaultTo", namespace::ANONYMOUS),
    );
    let request = accepted(&padded);
    let head = request.head();
    assert_eq!(head.action, Action::Get);
    assert_eq!(head.message_id, "any text & more");
    assert_eq!(head.to.as_deref(), Some("http://windows-host:5985/wsman"), "To is never judged");
    assert_eq!(head.resource, ResourceUri::parse(&namespace::CONFIG.to_uppercase()).ok());
    assert_eq!(accepted(&padded).head(), head, "an identifier may come again");
}

#[test]
fn end_needs_no_reply_address() {
    let end = format!("<a:Action>{}</a:Action>{ID}<p:OperationID>uuid:2</p:OperationID>", Action::End.uri());
    let request = accepted(&end);
    assert_eq!(
        (&request.head().action, request.head().operation_id.as_deref()),
        (&Action::End, Some("uuid:2"))
    );
    let mode = (Subcode::UnsupportedFeature, Some(Detail::ADDRESSING_MODE), 2_150_858_870);
    refuses(&[("one elsewhere", format!("{end}{}", address("ReplyTo", "http://other/")), mode)]);
}

#[test]
fn an_invalid_max_envelope_size_is_rejected() {
    let too_small = || (Subcode::EncodingLimit, Some(Detail::MINIMUM_ENVELOPE_LIMIT), 2_150_858_878);
    let no_number = || (Subcode::SchemaValidationError, None, 2_150_858_817);
    let rows = [
        ("8191", too_small()),
        ("0", too_small()),
        ("", no_number()),
        ("-1", no_number()),
        ("+8192", no_number()),
        ("8192.0", no_number()),
        ("0x8000", no_number()),
        ("150 KB", no_number()),
    ];
    refuses(&rows.map(|(text, refusal)| (text, usual_and("w:MaxEnvelopeSize", text), refusal)));
}

#[test]
fn max_envelope_size_is_in_bytes_and_has_no_maximum() {
    for (text, octets) in [
        ("8192", 8_192),
        (" 153600\n", 153_600),
        ("000512000", 512_000),
        ("4294967295", u32::MAX),
        ("4294967296", u32::MAX),
        ("99999999999999999999999999", u32::MAX),
    ] {
        let request = accepted(&usual_and("w:MaxEnvelopeSize", text));
        assert_eq!(request.head().max_envelope_size, Some(octets), "{text}");
    }
    assert_eq!(accepted(USUAL).head().max_envelope_size, None);
}

#[test]
fn an_invalid_timeout_is_rejected() {
    let rows = ["-PT1S", "PT-1S", "", "20", "PT", "20S", "PT1M30"].map(|text| {
        let refusal = (Subcode::InvalidMessageInformationHeader, None, 2_150_858_767);
        (text, usual_and("w:OperationTimeout", text), refusal)
    });
    refuses(&rows);
}

#[test]
fn a_timeout_is_parsed_in_every_form() {
    for (text, milliseconds) in [
        ("PT20S", 20_000),
        ("PT60.000S", 60_000),
        ("PT1M", 60_000),
        ("PT60M0S", 3_600_000),
        ("PT1H0M0.5S", 3_600_500),
        ("P0DT0H0M5S", 5_000),
        ("\n PT0.000S ", 0),
    ] {
        let timeout = accepted(&usual_and("w:OperationTimeout", text)).head().operation_timeout;
        assert_eq!(timeout, Some(Duration::from_millis(milliseconds)), "{text}");
    }
}

#[test]
fn a_language_is_rejected_only_with_must_understand() {
    let request = accepted(&format!(
        "{USUAL}<w:Locale xml:lang=' de-DE ' s:mustUnderstand='false'/><p:DataLocale xml:lang='fr' mustUnderstand='true'/>"
    ));
    let head = request.head();
    assert_eq!((head.locale.as_deref(), head.data_locale.as_deref()), (Some("de-DE"), Some("fr")));
    assert_eq!(accepted(&format!("{USUAL}<w:Locale/>")).head().locale, None);
    let refusal = |detail| (Subcode::UnsupportedFeature, Some(detail), 2_150_858_887);
    refuses(&[
        (
            "Locale",
            format!("{USUAL}<w:Locale xml:lang='en-US' s:mustUnderstand='true'/>"),
            refusal(Detail::LOCALE),
        ),
        (
            "DataLocale",
            format!("{USUAL}<p:DataLocale xml:lang='en-US' s:mustUnderstand='1'/>"),
            refusal(Detail::DATA_LOCALE),
        ),
    ]);
}

#[test]
fn only_the_soap_attribute_makes_an_unknown_header_mandatory() {
    let refusal = || (Subcode::MustUnderstand, None, 2_150_858_768);
    refuses(&[
        ("true", format!("{USUAL}<p:Coffee s:mustUnderstand='true'/>"), refusal()),
        ("1", format!("{USUAL}<p:Coffee s:mustUnderstand='1'/>"), refusal()),
        ("padded", format!("{USUAL}<p:Coffee s:mustUnderstand=' true '/>"), refusal()),
        ("no namespace", format!("{USUAL}<Coffee s:mustUnderstand='true'/>"), refusal()),
        (
            "a known name elsewhere",
            format!("{USUAL}<p:MessageID s:mustUnderstand='true'>x</p:MessageID>"),
            refusal(),
        ),
    ]);
    for harmless in [
        "<p:Coffee/>",
        "<p:Coffee s:mustUnderstand='false'/>",
        "<p:Coffee s:mustUnderstand='0'/>",
        "<p:Coffee mustUnderstand='true'/>",
        "<p:Coffee a:mustUnderstand='true'/>",
        "<p:Coffee xmlns:s11='http://schemas.xmlsoap.org/soap/envelope/' s11:mustUnderstand='1'/>",
        "<p:Coffee><p:Milk s:mustUnderstand='true'/></p:Coffee>",
    ] {
        assert_eq!(accepted(&format!("{USUAL}{harmless}")).head(), accepted(USUAL).head(), "{harmless}");
    }
}

#[test]
fn ignored_headers_may_be_mandatory() {
    for known in [
        "<p:FunctionalOperation s:mustUnderstand='true'>1</p:FunctionalOperation>",
        "<p:Freshness s:mustUnderstand='true'/>",
        "<p:ActivityId s:mustUnderstand='true'>uuid:1</p:ActivityId>",
        "<w:RequestEPR s:mustUnderstand='true'/>",
        "<w:RequestTotalItemsCountEstimate s:mustUnderstand='true'/>",
        "<a:From s:mustUnderstand='true'><a:Address>http://me/</a:Address></a:From>",
        "<a:RelatesTo s:mustUnderstand='true'>uuid:1</a:RelatesTo>",
    ] {
        assert_eq!(accepted(&format!("{USUAL}{known}")).head(), accepted(USUAL).head(), "{known}");
    }
}

#[test]
fn an_unknown_compression_is_an_error_only_if_the_client_insists() {
    let header = |must, name| {
        format!("{USUAL}<rsp:CompressionType s:mustUnderstand='{must}'>{name}</rsp:CompressionType>")
    };
    assert_eq!(accepted(USUAL).head().compression, Compression::None);
    for must in ["true", "false"] {
        assert_eq!(accepted(&header(must, " xpress ")).head().compression, Compression::Xpress, "{must}");
    }
    assert_eq!(accepted(&header("false", "zip")).head().compression, Compression::None);
    let refusal = (Subcode::InvalidMessageInformationHeader, None, 2_150_858_767);
    refuses(&[("an unknown algorithm", header("true", "zip"), refusal)]);
}

#[test]
fn invalid_selectors_are_rejected() {
    let invalid = || (Subcode::InvalidSelectors, None, 2_150_858_813);
    let duplicate = || (Subcode::InvalidSelectors, Some(Detail::DUPLICATE_SELECTORS), 2_150_858_847);
    let too_many = || (Subcode::EncodingLimit, Some(Detail::SELECTOR_LIMIT), 2_150_858_826);
    let no_resource = || (Subcode::DestinationUnreachable, Some(Detail::INVALID_RESOURCE_URI), 2_150_858_752);
    let many = |count| (0..count).map(|n| selector(&format!("K{n}"), "v")).collect::<String>();
    refuses(&[
        ("no Name", selectors("<w:Selector>x</w:Selector>"), invalid()),
        ("an empty Name", selectors("<w:Selector Name=' '>x</w:Selector>"), invalid()),
        ("the same twice", selectors(&(selector("Id", "1") + &selector("Id", "1"))), duplicate()),
        ("in another case", selectors(&(selector("Id", "1") + &selector(" iD", "2"))), duplicate()),
        ("more than 100", selectors(&many(101)), too_many()),
        (
            "a reference to nothing",
            selectors("<w:Selector Name='R'><a:EndpointReference/></w:Selector>"),
            no_resource(),
        ),
        ("references too deep", selectors(&references(5)), invalid()),
        ("references far too deep", selectors(&references(15)), invalid()),
    ]);
    assert_eq!(accepted(&selectors(&many(100))).head().selectors.len(), 100);
}

#[test]
fn selectors_ignore_case_and_may_be_references() {
    let mut set =
        accepted(&selectors(&(selector("ShellId", "\n 1-2 ") + &references(4)))).head().selectors.clone();
    assert_eq!(set.text("sHELLiD"), Some("1-2"));
    for depth in (1..=4).rev() {
        assert_eq!(set.text("R"), None, "a reference is no text");
        let SelectorValue::Reference(reference) = set.find("r").unwrap().value.clone() else {
            panic!("no reference at depth {depth}");
        };
        assert_eq!(reference.resource, *ResourceUri::parse("urn:example:inner").as_ref().unwrap());
        assert_eq!(reference.address, namespace::ANONYMOUS);
        set = reference.selectors.clone();
    }
    assert_eq!(set, SelectorSet::new().with("Leaf", "1"));
}

#[test]
fn invalid_options_are_rejected() {
    let too_many = (Subcode::EncodingLimit, Some(Detail::OPTION_LIMIT), 2_150_858_827);
    let no_name = || (Subcode::InvalidOptions, Some(Detail::INVALID_NAME), 2_150_858_834);
    let many = |count| (0..count).map(|n| format!("<w:Option Name='O{n}'/>")).collect::<String>();
    refuses(&[
        ("no Name", options("<w:Option>x</w:Option>"), no_name()),
        ("an empty Name", options("<w:Option Name=''>x</w:Option>"), no_name()),
        ("more than 100", options(&many(101)), too_many),
    ]);
    assert_eq!(accepted(&options(&many(100))).head().options.iter().count(), 100);
}

#[test]
fn option_attributes_ignore_case() {
    let request = accepted(&options(
        "<w:Option mustcomply=' TRUE ' NAME=' WINRS_NOPROFILE '>\n True </w:Option>\
         <w:Option Name='Nothing' xsi:nil='true'/><w:Option Name='Empty' MustComply='0'></w:Option>\
         <w:Option Name='wmi:Number' Type='p:uint32'>7</w:Option>",
    ));
    let read = &request.head().options;
    let seen: Vec<_> = read.iter().map(|o| (o.name.as_str(), o.value.as_deref(), o.must_comply)).collect();
    assert_eq!(
        seen,
        [
            ("WINRS_NOPROFILE", Some("True"), true),
            ("Nothing", None, false),
            ("Empty", Some(""), false),
            ("wmi:Number", Some("7"), false)
        ]
    );
    assert!(read.is_set("winrs_noprofile") && !read.is_set("Nothing") && !read.is_set("wmi:Number"));
    assert_eq!((read.value("nothing"), read.value("absent")), (Some(""), None));
    assert_eq!(read.require_known(&["winrs_noProfile"]), Ok(()));
    let fault = read.require_known(&["Empty"]).unwrap_err();
    let not_supported = (&Subcode::InvalidOptions, Some(&Detail::NOT_SUPPORTED), 2_150_858_833);
    assert_eq!((fault.subcode(), fault.detail(), fault.code()), not_supported);
    assert!(fault.reason().contains("WINRS_NOPROFILE"), "{}", fault.reason());
}

#[test]
fn options_between_header_and_body_are_parsed() {
    let option = "<w:OptionSet><w:Option Name='WINRS_CODEPAGE'>65001</w:Option></w:OptionSet>";
    let text = format!("{OPEN}<s:Header>{USUAL}</s:Header>{option}<s:Body/></s:Envelope>");
    let request = Request::parse(text, &Bounds::default()).unwrap();
    assert_eq!(request.head().options.value("WINRS_CODEPAGE"), Some("65001"));
}

#[test]
fn fragment_transfer_needs_must_understand() {
    let refusal = || (Subcode::InvalidMessageInformationHeader, None, 2_150_858_767);
    refuses(&[
        ("none", format!("{USUAL}<w:FragmentTransfer>Name</w:FragmentTransfer>"), refusal()),
        (
            "false",
            format!("{USUAL}<w:FragmentTransfer s:mustUnderstand='false'>A</w:FragmentTransfer>"),
            refusal(),
        ),
        (
            "unqualified",
            format!("{USUAL}<w:FragmentTransfer mustUnderstand='true'>A</w:FragmentTransfer>"),
            refusal(),
        ),
    ]);
    let request = accepted(&format!(
        "{USUAL}<w:FragmentTransfer Dialect=' urn:x ' s:mustUnderstand='true'> Name[2] </w:FragmentTransfer>"
    ));
    let fragment = request.head().fragment.as_ref().unwrap();
    assert_eq!((fragment.dialect.as_deref(), fragment.expression.as_str()), (Some("urn:x"), "Name[2]"));
}

#[test]
fn headers_are_limited_to_two_kilobytes() {
    let refusal = || (Subcode::InvalidMessageInformationHeader, None, 2_150_858_767);
    let (fits, too_long) = ("x".repeat(2_048), "x".repeat(2_049));
    for name in
        ["a:Action", "a:MessageID", "a:To", "p:SessionId", "p:OperationID", "p:SequenceId", "p:ActivityId"]
    {
        refuses(&[(name, usual_and(name, &too_long), refusal())]);
        accepted(&usual_and(name, &fits));
    }
    let uri = (Subcode::EncodingLimit, Some(Detail::URI_LIMIT_EXCEEDED), 2_150_858_797);
    refuses(&[("ResourceURI", usual_and("w:ResourceURI", &too_long), uri)]);
    accepted(&usual_and("w:ResourceURI", &fits));
    let fragment =
        |text: &str| format!("{USUAL}<w:FragmentTransfer s:mustUnderstand='1'>{text}</w:FragmentTransfer>");
    refuses(&[("FragmentTransfer", fragment(&too_long), refusal())]);
    accepted(&fragment(&fits));
}

#[test]
fn invalid_envelopes_are_rejected() {
    let schema = || (Subcode::SchemaValidationError, None, 2_150_858_817);
    let xml = || (Subcode::SchemaValidationError, None, 2_150_858_819);
    let version = || (Subcode::VersionMismatch, None, 2_150_858_765);
    let soap11 = "http://schemas.xmlsoap.org/soap/envelope/";
    let good = envelope(USUAL);
    for (what, text, refusal) in [
        ("nothing", String::new(), xml()),
        ("no XML", "POST /wsman".to_owned(), xml()),
        ("a DTD", format!("<!DOCTYPE s:Envelope>{good}"), xml()),
        ("two envelopes", format!("{good}{good}"), xml()),
        ("half an envelope", good.chars().take(good.len() / 2).collect(), xml()),
        ("another element", format!("<s:Header xmlns:s='{}'/>", namespace::SOAP), schema()),
        ("SOAP 1.1", format!("<Envelope xmlns='{soap11}'><Header/><Body/></Envelope>"), version()),
        ("no body", format!("{OPEN}<s:Header>{USUAL}</s:Header></s:Envelope>"), schema()),
        ("no header", format!("{OPEN}<s:Body/></s:Envelope>"), required()),
    ] {
        let fault = Request::parse(text, &Bounds::default()).unwrap_err().fault;
        assert_eq!((fault.subcode().clone(), fault.detail().cloned(), fault.code()), refusal, "{what}");
    }
}

#[test]
fn a_rejection_relates_to_the_request() {
    let wrong = format!("<p:Coffee s:mustUnderstand='1'/>{ID}<w:MaxEnvelopeSize>1</w:MaxEnvelopeSize>");
    let RejectedRequest { relates_to, .. } =
        Request::parse(envelope(&wrong), &Bounds::default()).unwrap_err();
    assert_eq!(relates_to.as_deref(), Some("uuid:1"));
    let endless = format!("<a:MessageID>{}</a:MessageID>", "x".repeat(2_049));
    assert_eq!(Request::parse(envelope(&endless), &Bounds::default()).unwrap_err().relates_to, None);
}

#[test]
fn identify_needs_no_headers() {
    let body = format!("<i:Identify xmlns:i='{}'/>", namespace::IDENTITY);
    for header in ["", "<s:Header/>", "<s:Header><p:Coffee s:mustUnderstand='true'/></s:Header>"] {
        let text = format!("{OPEN}{header}<s:Body>{body}</s:Body></s:Envelope>");
        assert_eq!(Request::parse(text, &Bounds::default()).unwrap().head(), &Head::identify(), "{header}");
    }
}

fn required() -> Refusal {
    (Subcode::MessageInformationHeaderRequired, None, code::HEADER_REQUIRED)
}

/// Checks that every row is rejected with its fault; reports all failures together.
fn refuses(rows: &[(&str, String, Refusal)]) {
    let mut wrong = Vec::new();
    for (what, headers, refusal) in rows {
        let found = match Request::parse(envelope(headers), &Bounds::default()) {
            Ok(_) => None,
            Err(RejectedRequest { fault, .. }) => {
                Some((fault.subcode().clone(), fault.detail().cloned(), fault.code()))
            }
        };
        if found.as_ref() != Some(refusal) {
            wrong.push(format!("{what:?}: {found:?} instead of {refusal:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn accepted(headers: &str) -> Request {
    match Request::parse(envelope(headers), &Bounds::default()) {
        Ok(request) => request,
        Err(refused) => panic!("{headers} was refused: {}", refused.fault),
    }
}

fn envelope(headers: &str) -> String {
    format!("{OPEN}<s:Header>{headers}</s:Header><s:Body/></s:Envelope>")
}

/// The usual headers with an additional header, or with another text in the header of that name.
fn usual_and(name: &str, text: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let others = match (USUAL.find(&open), USUAL.find(&close)) {
        (Some(from), Some(to)) => format!("{}{}", &USUAL[..from], &USUAL[to + close.len()..]),
        _ => USUAL.to_owned(),
    };
    format!("{others}{open}{text}{close}")
}

fn address(name: &str, uri: &str) -> String {
    format!("<a:{name}><a:Address>{uri}</a:Address></a:{name}>")
}

fn selectors(content: &str) -> String {
    format!("{USUAL}<w:SelectorSet>{content}</w:SelectorSet>")
}

fn selector(name: &str, value: &str) -> String {
    format!("<w:Selector Name='{name}'>{value}</w:Selector>")
}

/// Nested references in selectors.
fn references(depth: usize) -> String {
    (0..depth).fold(selector("Leaf", "1"), |inner, _| {
        format!(
            "<w:Selector Name='R'><a:EndpointReference><a:ReferenceParameters><w:ResourceURI>urn:example:inner\
             </w:ResourceURI><w:SelectorSet>{inner}</w:SelectorSet></a:ReferenceParameters></a:EndpointReference>\
             </w:Selector>"
        )
    })
}

fn options(content: &str) -> String {
    format!("{USUAL}<w:OptionSet>{content}</w:OptionSet>")
}

const ACTION: &str = "<a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Get</a:Action>";
const ID: &str = "<a:MessageID>uuid:1</a:MessageID>";
const REPLY_TO: &str = "<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>";
/// Subcode, code and detail.
const USUAL: &str = "<a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Get</a:Action>\
    <a:MessageID>uuid:1</a:MessageID><a:ReplyTo>\
    <a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>";
const OPEN: &str = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
    xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing' \
    xmlns:w='http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd' \
    xmlns:p='http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd' \
    xmlns:rsp='http://schemas.microsoft.com/wbem/wsman/1/windows/shell' \
    xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>";
