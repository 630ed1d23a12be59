//! Exact output of every format.

use telarch_wording::Format;
use xml::{Bounds, Document};

const CFG: &str = "http://schemas.microsoft.com/wbem/wsman/1/config";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

fn print(format: Format, markup: &str) -> String {
    let document = Document::parse(markup, &Bounds::default()).expect("well-formed");
    format.print(document.root())
}

fn text(markup: &str) -> String {
    print(Format::Text, markup)
}

/// The JSON output for the markup, parsed by an independent parser.
fn json(markup: &str) -> serde_json::Value {
    let line = print(Format::Ndjson, markup);
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    let indented: serde_json::Value = serde_json::from_str(&print(Format::Json, markup)).expect("JSON");
    assert_eq!(indented, serde_json::from_str::<serde_json::Value>(&line).expect("JSON"));
    indented
}

fn listener() -> String {
    format!(
        "<cfg:Listener xmlns:cfg=\"{CFG}\" xml:lang=\"en-US\" Source=\"GPO\">\
         <cfg:Address>*</cfg:Address><cfg:Transport>HTTP</cfg:Transport><cfg:Port>5985</cfg:Port>\
         <cfg:Hostname></cfg:Hostname><cfg:Enabled>true</cfg:Enabled><cfg:URLPrefix>wsman</cfg:URLPrefix>\
         <cfg:CertificateThumbprint/><cfg:ListeningOn>10.83.248.99</cfg:ListeningOn>\
         <cfg:ListeningOn>127.0.0.1</cfg:ListeningOn><cfg:ListeningOn>::1</cfg:ListeningOn>\
         <cfg:ListeningOn>fe80::5efe:10.83.248.99%14</cfg:ListeningOn></cfg:Listener>"
    )
}

fn client() -> String {
    format!(
        "<cfg:Client xmlns:cfg=\"{CFG}\"><cfg:NetworkDelayms>5000</cfg:NetworkDelayms>\
         <cfg:Auth><cfg:Basic Source=\"GPO\">true</cfg:Basic><cfg:Digest>true</cfg:Digest></cfg:Auth>\
         <cfg:TrustedHosts Source=\"GPO\">*.contoso.com</cfg:TrustedHosts></cfg:Client>"
    )
}

fn service() -> String {
    format!(
        "<p:Win32_Service xmlns:p=\"urn:p\" xmlns:cim=\"urn:cim\" xmlns:xsi=\"{XSI}\" \
         xsi:type=\"p:Win32_Service_Type\"><p:AcceptPause>false</p:AcceptPause>\
         <p:InstallDate xsi:nil=\"true\"/><p:Started><cim:Datetime>2013-04-15T16:28:43Z</cim:Datetime>\
         </p:Started><p:Name>a &amp; b</p:Name><b:Location \
         xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/base\"><b:X>no</b:X></b:Location></p:Win32_Service>"
    )
}

const CREATED: &str = "<x:ResourceCreated xmlns:x=\"urn:x\" xmlns:a=\"urn:a\" xmlns:w=\"urn:w\">\
    <a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>\
    <a:ReferenceParameters>\
    <w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/config/listener</w:ResourceURI>\
    <w:SelectorSet><w:Selector Name=\"Address\">*</w:Selector>\
    <w:Selector Name=\"Transport\">HTTPS</w:Selector></w:SelectorSet>\
    </a:ReferenceParameters></x:ResourceCreated>";

#[test]
fn text_shows_the_policy_source_of_a_listener() {
    assert_eq!(
        text(&listener()),
        "Listener [Source=\"GPO\"]
    Address = *
    Transport = HTTP
    Port = 5985
    Hostname
    Enabled = true
    URLPrefix = wsman
    CertificateThumbprint
    ListeningOn = 10.83.248.99, 127.0.0.1, ::1, fe80::5efe:10.83.248.99%14

"
    );
}

#[test]
fn text_shows_the_attributes_of_a_plug_in() {
    let markup = "<PlugInConfiguration \
        xmlns=\"http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration\" Name=\"WMI Provider\" \
        Enabled=\"true\" xml:lang=\"en-US\"><Resources><Resource ResourceUri=\"urn:wmi\">\
        <Capability Type=\"Get\"/><Capability Type=\"Enumerate\"/></Resource></Resources></PlugInConfiguration>";
    assert_eq!(
        text(markup),
        "PlugInConfiguration
    Name = WMI Provider
    Enabled = true
    Resources
        Resource
            ResourceUri = urn:wmi
            Capability
                Type = Get
            Capability
                Type = Enumerate

"
    );
}

#[test]
fn text_shows_a_client_configuration() {
    assert_eq!(
        text(&client()),
        "Client
    NetworkDelayms = 5000
    Auth
        Basic = true [Source=\"GPO\"]
        Digest = true
    TrustedHosts = *.contoso.com [Source=\"GPO\"]

"
    );
}

#[test]
fn text_shows_an_identify_response() {
    let profile = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http";
    let markup = format!(
        "<wsmid:IdentifyResponse xmlns:wsmid=\"urn:id\">\
         <wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</wsmid:ProtocolVersion>\
         <wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>\
         <wsmid:ProductVersion>OS: 6.3.9600 SP: 0.0 Stack: 3.0</wsmid:ProductVersion>\
         <wsmid:SecurityProfiles><wsmid:SecurityProfileName>{profile}/basic</wsmid:SecurityProfileName>\
         <wsmid:SecurityProfileName>{profile}/spnego-kerberos</wsmid:SecurityProfileName>\
         </wsmid:SecurityProfiles></wsmid:IdentifyResponse>"
    );
    assert_eq!(
        text(&markup),
        format!(
            "IdentifyResponse
    ProtocolVersion = http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd
    ProductVendor = Microsoft Corporation
    ProductVersion = OS: 6.3.9600 SP: 0.0 Stack: 3.0
    SecurityProfiles
        SecurityProfileName = {profile}/basic, {profile}/spnego-kerberos

"
        )
    );
}

#[test]
fn text_shows_the_reference_of_a_created_resource() {
    assert_eq!(
        text(CREATED),
        "ResourceCreated
    Address = http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous
    ReferenceParameters
        ResourceURI = http://schemas.microsoft.com/wbem/wsman/1/config/listener
        SelectorSet
            Selector: Address = *, Transport = HTTPS

"
    );
}

#[test]
fn text_shows_a_provider_fault_inside_a_fault() {
    let markup = "<f:WSManFault xmlns:f=\"urn:f\" Code=\"2150858817\" Machine=\"server7\"><f:Message>\
        <f:ProviderFault provider=\"Config provider\" path=\"x.dll\"><f:WSManFault Code=\"87\" Machine=\"server7\">\
        <f:Message>the value is not accepted</f:Message></f:WSManFault></f:ProviderFault></f:Message></f:WSManFault>";
    assert_eq!(
        text(markup),
        "WSManFault
    Message
        ProviderFault
            WSManFault
                Message = the value is not accepted

"
    );
}

#[test]
fn text_shows_nil_values_and_dates() {
    assert_eq!(
        text(&service()),
        "Win32_Service
    AcceptPause = false
    InstallDate = null
    Started
        Datetime = 2013-04-15T16:28:43Z
    Name = a & b

"
    );
    assert_eq!(
        text(
            "<p:StartService_OUTPUT xmlns:p=\"urn:p\"><p:ReturnValue>0</p:ReturnValue></p:StartService_OUTPUT>"
        ),
        "StartService_OUTPUT\n    ReturnValue = 0\n\n"
    );
}

#[test]
fn text_handles_empty_and_repeated_values() {
    for (markup, expected) in [
        ("<XmlFragment>true</XmlFragment>", "XmlFragment = true\n\n"),
        ("<Empty/>", "Empty\n\n"),
        ("<A><B Source=\"GPO\"/></A>", "A\n    B [Source=\"GPO\"]\n\n"),
        ("<A><B>1</B><C/><B>2</B></A>", "A\n    B = 1, 2\n    C\n\n"),
        ("<A><B>1</B><B/></A>", "A\n    B = 1, \n\n"),
        ("<A><B><C>1</C></B><B><C>2</C></B></A>", "A\n    B\n        C = 1\n    B\n        C = 2\n\n"),
        ("<A><B>\u{9B}31mred</B></A>", "A\n    B = \u{FFFD}31mred\n\n"),
        ("<A>\n  <B>1</B>\n</A>", "A\n    B = 1\n\n"),
    ] {
        assert_eq!(text(markup), expected, "of {markup}");
    }
}

#[test]
fn pretty_xml_is_indented_and_declares_its_namespaces() {
    let document = Document::parse(
        format!(
            "<s:Body xmlns:s=\"urn:s\" xmlns:cfg=\"{CFG}\" xmlns:unused=\"urn:u\"><cfg:A x=\"1 &amp; 2\">\
                 <cfg:B>&lt;</cfg:B><cfg:C/><cfg:D>text<cfg:E/></cfg:D></cfg:A></s:Body>"
        ),
        &Bounds::default(),
    )
    .unwrap();
    let printed = Format::Pretty.print(document.root().children().next().unwrap());
    let mixed =
        format!("<cfg:D xmlns:s=\"urn:s\" xmlns:cfg=\"{CFG}\" xmlns:unused=\"urn:u\">text<cfg:E/></cfg:D>");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.first().copied(), Some(format!("<cfg:A xmlns:cfg=\"{CFG}\" x=\"1 &amp; 2\">").as_str()));
    assert_eq!(lines.get(1..3), Some(&["  <cfg:B>&lt;</cfg:B>", "  <cfg:C/>"][..]));
    assert!(lines.get(3).is_some_and(|line| line.ends_with("text<cfg:E/></cfg:D>")), "{printed}\n{mixed}");
    assert_eq!(lines.last().copied(), Some("</cfg:A>"));
    Document::parse(printed, &Bounds::default()).expect("well-formed");
}

#[test]
fn raw_xml_is_unchanged() {
    assert_eq!(print(Format::Xml, &client()), format!("{}\n", client()));
}

#[test]
fn json_maps_elements_to_members() {
    assert_eq!(
        json(&listener()),
        serde_json::json!({"Listener": {
            "@Source": "GPO", "Address": "*", "Transport": "HTTP", "Port": "5985", "Hostname": "",
            "Enabled": "true", "URLPrefix": "wsman", "CertificateThumbprint": "",
            "ListeningOn": ["10.83.248.99", "127.0.0.1", "::1", "fe80::5efe:10.83.248.99%14"]
        }})
    );
    assert_eq!(
        json(&client()),
        serde_json::json!({"Client": {
            "NetworkDelayms": "5000",
            "Auth": {"Basic": "true", "Basic@Source": "GPO", "Digest": "true"},
            "TrustedHosts": "*.contoso.com", "TrustedHosts@Source": "GPO"
        }})
    );
    assert_eq!(
        json(&service()),
        serde_json::json!({"Win32_Service": {
            "AcceptPause": "false", "InstallDate": null,
            "Started": {"Datetime": "2013-04-15T16:28:43Z"}, "Name": "a & b"
        }})
    );
    assert_eq!(
        json(CREATED).pointer("/ResourceCreated/ReferenceParameters/SelectorSet"),
        Some(&serde_json::json!({"Selector": {"Address": "*", "Transport": "HTTPS"}}))
    );
}

#[test]
fn json_lists_repeated_selectors_and_escapes_line_feeds() {
    let markup = format!(
        "{}<w:Selector Name=\"Address\">&#x2028; a</w:Selector></w:SelectorSet>",
        "<w:SelectorSet \
        xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><w:Selector Name=\"Address\">*</w:Selector>"
    );
    assert_eq!(
        json(&markup),
        serde_json::json!({"SelectorSet": {"Selector": {"Address": ["*", "\u{2028} a"]}}})
    );
    let document = Document::parse(markup, &Bounds::default()).unwrap();
    for format in [Format::Json, Format::Ndjson, Format::Yaml] {
        let printed = format.print(document.root());
        assert!(printed.contains("\\u2028 a"), "{printed}");
    }
}

#[test]
fn json_names_the_type_and_escapes_the_text() {
    let markup = format!(
        "<p:Item xmlns:p=\"urn:p\" xmlns:xsi=\"{XSI}\"><p:A xsi:type=\"p:Derived_Type\"><p:B>\"\\&#9;\n\u{85}</p:B></p:A>\
         <p:L Source=\"GPO\">1</p:L><p:L>2</p:L></p:Item>"
    );
    assert_eq!(
        json(&markup),
        serde_json::json!({"Item": {
            "A": {"@type": "Derived_Type", "B": "\"\\\t\n\u{85}"},
            "L": ["1", "2"], "L@Source": ["GPO", null]
        }})
    );
}

#[test]
fn json_is_indented() {
    assert_eq!(
        print(Format::Json, "<A><B>1</B><C><D/></C><E>1</E><E>2</E></A>"),
        "{\n  \"A\": {\n    \"B\": \"1\",\n    \"C\": {\n      \"D\": \"\"\n    },\n    \"E\": [\n      \"1\",\n      \"2\"\n    ]\n  }\n}\n"
    );
}

#[test]
fn an_enumeration_is_well_formed_even_if_it_is_aborted() {
    let document = Document::parse("<A><B>1</B></A>", &Bounds::default()).unwrap();
    let printed = |format: Format, items: usize| {
        let mut results = format.results();
        let mut out = results.open().to_owned();
        for _ in 0..items {
            out.push_str(&results.item(document.root()));
        }
        out + results.close()
    };
    let open = "<wsman:Results xmlns:wsman=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/results\">\n";
    let item = "<A><B>1</B></A>\n";
    assert_eq!(printed(Format::Xml, 2), format!("{open}{item}{item}</wsman:Results>\n"));
    assert_eq!(printed(Format::Xml, 0), format!("{open}</wsman:Results>\n"));
    assert_eq!(printed(Format::Pretty, 1), format!("{open}  <A>\n    <B>1</B>\n  </A>\n</wsman:Results>\n"));
    assert_eq!(printed(Format::Text, 2), "A\n    B = 1\n\nA\n    B = 1\n\n");
    assert_eq!(printed(Format::Json, 0), "[]\n");
    assert_eq!(printed(Format::Json, 2), "[\n{\"A\":{\"B\":\"1\"}},\n{\"A\":{\"B\":\"1\"}}\n]\n");
    assert_eq!(printed(Format::Ndjson, 2), "{\"A\":{\"B\":\"1\"}}\n{\"A\":{\"B\":\"1\"}}\n");
}

#[test]
fn source_and_origin_of_a_value_are_shown() {
    let markup = format!(
        "<c:Client xmlns:c=\"{CFG}\" xmlns:src=\"urn:telarch:sources\"><c:Auth>\
         <c:Basic Source=\"GPO\" src:Origin=\"/p/10.pol, record 3\">true</c:Basic>\
         <c:Digest src:Origin=\"default\">true</c:Digest><c:Kerberos Origin=\"x\">true</c:Kerberos></c:Auth></c:Client>"
    );
    let expected = "Client\n    Auth\n        Basic = true [Source=\"GPO\"] [/p/10.pol, record 3]\n        \
                    Digest = true [default]\n        Kerberos = true\n\n";
    assert_eq!(text(&markup), expected);
    let value = json(&markup);
    let of = |name: &str| value.pointer(&format!("/Client/Auth/{name}")).cloned();
    assert_eq!(of("Basic@Source"), Some("GPO".into()));
    assert_eq!(of("Basic@Origin"), Some("/p/10.pol, record 3".into()));
    assert_eq!((of("Digest@Origin"), of("Kerberos@Origin")), (Some("default".into()), None));
}

#[test]
fn yaml_has_the_names_and_values_of_json() {
    assert_eq!(
        print(Format::Yaml, &listener()),
        "Listener:\n  \"@Source\": GPO\n  Address: \"*\"\n  Transport: HTTP\n  Port: \"5985\"\n  Hostname: \"\"\n  \
         Enabled: \"true\"\n  URLPrefix: wsman\n  CertificateThumbprint: \"\"\n  ListeningOn:\n    - \"10.83.248.99\"\n    \
         - \"127.0.0.1\"\n    - \"::1\"\n    - \"fe80::5efe:10.83.248.99%14\"\n"
    );
    assert_eq!(
        print(Format::Yaml, &service()),
        "Win32_Service:\n  AcceptPause: \"false\"\n  InstallDate: null\n  Started:\n    \
         Datetime: \"2013-04-15T16:28:43Z\"\n  Name: \"a & b\"\n"
    );
}

#[test]
fn yaml_quotes_ambiguous_text() {
    for (value, written) in [
        ("plain text", "plain text"),
        ("C:\\Windows", "\"C:\\\\Windows\""),
        ("No", "\"No\""),
        ("y", "\"y\""),
        ("1e3", "\"1e3\""),
        ("a: b", "\"a: b\""),
        ("a #b", "\"a #b\""),
        ("two\nlines", "\"two\\nlines\""),
        ("- x", "\"- x\""),
        ("ends ", "\"ends \""),
        ("grün", "\"grün\""),
    ] {
        assert_eq!(print(Format::Yaml, &format!("<A>{value}</A>")), format!("A: {written}\n"), "{value:?}");
    }
}

#[test]
fn an_enumeration_in_yaml_is_a_sequence() {
    let document = Document::parse("<A><B>x</B><C/></A>", &Bounds::default()).expect("well-formed");
    let mut results = Format::Yaml.results();
    let text = format!(
        "{}{}{}{}",
        results.open(),
        results.item(document.root()),
        results.item(document.root()),
        results.close()
    );
    assert_eq!(text, "- A:\n    B: x\n    C: \"\"\n- A:\n    B: x\n    C: \"\"\n");
    assert_eq!(Format::Yaml.results().close(), "[]\n");
}
