//! curl: what only a bare HTTP client can see.

use telarch_peers::{Curl, PASSWORD, Reply, Telarchd, USER, served_thumbprint};

#[test]
fn without_credentials_the_status_is_401_with_one_header_per_scheme() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    for url in [service.https(), service.http()] {
        assert_unauthorized(&Curl::to(url).body(IDENTIFY).send(), WITH_BASIC);
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_401() {
    let service = Telarchd::start(&[]);
    for (user, password) in [(USER, "wrong"), ("nobody-here", PASSWORD), (USER, "")] {
        let reply = Curl::to(service.https()).basic(user, password).body(IDENTIFY).send();
        assert_unauthorized(&reply, WITH_BASIC);
    }
}

#[test]
fn basic_is_neither_offered_nor_accepted_over_http_unless_allowed() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "false")]);
    assert_unauthorized(&Curl::to(service.http()).body(IDENTIFY).send(), &["Negotiate"]);
    assert_unauthorized(
        &Curl::to(service.http()).basic(USER, PASSWORD).body(IDENTIFY).send(),
        &["Negotiate"],
    );
    // The same credentials are right where they are sealed.
    assert_eq!(signed_in(service.https()).body(IDENTIFY).send().status, 200);
}

#[test]
fn basic_is_neither_offered_nor_accepted_if_disabled() {
    let service = Telarchd::start(&[("Service.Auth.Basic", "false"), ("Service.AllowUnencrypted", "true")]);
    for url in [service.https(), service.http()] {
        assert_unauthorized(&Curl::to(url).body(IDENTIFY).send(), &["Negotiate"]);
        assert_unauthorized(&signed_in(url).body(IDENTIFY).send(), &["Negotiate"]);
    }
}

#[test]
fn an_unknown_path_is_404() {
    let service = Telarchd::start(&[]);
    let url = service.https().replace("/wsman", "/elsewhere");
    assert_eq!(signed_in(&url).body(IDENTIFY).send().status, 404);
}

#[test]
fn a_trailing_slash_is_the_same_listener() {
    let service = Telarchd::start(&[]);
    let reply = signed_in(&format!("{}/", service.https())).body(IDENTIFY).send();
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn identify_with_credentials_lists_the_system_and_the_schemes() {
    let service = Telarchd::start(&[]);
    let reply = signed_in(service.https()).body(IDENTIFY).send();
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("Content-Type"), ["application/soap+xml;charset=UTF-8"]);
    assert_eq!(reply.header("Server"), ["Microsoft-HTTPAPI/2.0"]);
    let text = reply.text();
    assert!(text.contains("IdentifyResponse") && text.contains("secprofile/https/basic"), "{text}");
    assert!(!text.contains("OS: 0.0.0"), "{text}");
}

#[test]
fn identify_without_credentials_hides_the_system() {
    // The one request that needs no sign-in; what it says is fit for a plain connection.
    let service = Telarchd::start(&[]);
    for url in [service.https(), service.http()] {
        let anonymous = url.replace("/wsman", "/wsman-anon/identify");
        let by_header = Curl::to(url).header("WSMANIDENTIFY: unauthenticated").body(IDENTIFY).send();
        let by_path = Curl::to(&anonymous).body(IDENTIFY).send();
        for reply in [by_header, by_path] {
            assert_eq!(reply.status, 200, "{reply:?}");
            let text = reply.text();
            assert!(text.contains("OS: 0.0.0 SP: 0.0 Stack: 3.0"), "{text}");
            assert!(!text.contains("SecurityProfile"), "{text}");
        }
    }
}

#[test]
fn the_header_of_anonymous_identify_permits_no_other_request() {
    let service = Telarchd::start(&[]);
    let get = Curl::to(service.https()).header("WSMANIDENTIFY: unauthenticated").body(GET_CONFIG).send();
    assert_ne!(get.status, 200, "{get:?}");
    assert!(!get.text().contains("MaxEnvelopeSizekb"), "{get:?}");
    // The request is a good one: signed in, it is answered.
    let get = signed_in(service.https()).body(GET_CONFIG).send();
    assert_eq!(get.status, 200, "{get:?}");
    assert!(get.text().contains("MaxEnvelopeSizekb"), "{get:?}");
}

#[test]
fn two_requests_share_one_connection() {
    let service = Telarchd::start(&[("Service.AllowUnencrypted", "true")]);
    for url in [service.https(), service.http()] {
        assert_eq!(signed_in(url).body(IDENTIFY).send_twice(), [(200, 1), (200, 0)]);
    }
}

#[test]
fn a_large_body_is_requested_with_100_continue() {
    let service = Telarchd::start(&[]);
    let reply =
        signed_in(service.https()).header("Expect: 100-continue").body(identify_of(400 * 1024)).send();
    assert_eq!((reply.interim.as_slice(), reply.status), ([100].as_slice(), 200), "{reply:?}");
}

#[test]
fn a_body_above_max_envelope_size_is_413() {
    let service = Telarchd::start(&[("MaxEnvelopeSizekb", "100")]);
    assert_eq!(signed_in(service.https()).body(identify_of(100 * 1024)).send().status, 200);
    assert_eq!(signed_in(service.https()).body(identify_of(100 * 1024 + 1)).send().status, 413);
}

#[test]
fn a_body_that_is_too_large_is_not_requested_with_100_continue() {
    let service = Telarchd::start(&[]);
    let reply =
        signed_in(service.https()).header("Expect: 100-continue").body(identify_of(600 * 1024)).send();
    assert_eq!((reply.interim.as_slice(), reply.status), ([].as_slice(), 413), "{reply:?}");
}

#[test]
fn an_empty_post_with_credentials_is_200_and_empty() {
    let service = Telarchd::start(&[]);
    let reply = signed_in(service.https()).send();
    assert_eq!((reply.status, reply.body.len()), (200, 0), "{reply:?}");
    assert_eq!(reply.header("Content-Length"), ["0"]);
}

#[test]
fn a_request_in_utf_16_is_answered_in_utf_16() {
    let service = Telarchd::start(&[]);
    let bytes: Vec<u8> = IDENTIFY.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let reply =
        signed_in(service.https()).content_type("application/soap+xml;charset=UTF-16").body(bytes).send();
    assert_eq!(
        (reply.status, reply.header("Content-Type")),
        (200, vec!["application/soap+xml;charset=UTF-16"])
    );
    let units: Vec<u16> =
        reply.body.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16(&units).expect("UTF-16");
    assert!(text.contains("IdentifyResponse"), "{text}");
}

#[test]
fn the_certificate_on_the_wire_is_the_one_announced() {
    let service = Telarchd::start(&[]);
    assert_eq!(served_thumbprint(service.https()), service.thumbprint());
}

fn signed_in(url: &str) -> Curl {
    Curl::to(url).basic(USER, PASSWORD)
}

fn assert_unauthorized(reply: &Reply, schemes: &[&str]) {
    assert_eq!((reply.status, reply.body.len()), (401, 0), "{reply:?}");
    assert_eq!(reply.header("Server"), ["Microsoft-HTTPAPI/2.0"]);
    assert_eq!(reply.header("Content-Length"), ["0"]);
    assert_eq!(reply.header("WWW-Authenticate"), schemes);
}

/// A good Identify of exactly so many octets: white space may follow the document.
fn identify_of(octets: usize) -> String {
    format!("{IDENTIFY}{}", " ".repeat(octets - IDENTIFY.len()))
}

const WITH_BASIC: &[&str] = &["Negotiate", "Basic realm=\"WSMAN\""];

const IDENTIFY: &str = concat!(
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"",
    " xmlns:wsmid=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">",
    "<s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>",
);

const GET_CONFIG: &str = concat!(
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"",
    " xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\"",
    " xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>",
    "<a:To>http://127.0.0.1/wsman</a:To>",
    "<w:ResourceURI s:mustUnderstand=\"true\">http://schemas.microsoft.com/wbem/wsman/1/config</w:ResourceURI>",
    "<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>",
    "<a:Action s:mustUnderstand=\"true\">http://schemas.xmlsoap.org/ws/2004/09/transfer/Get</a:Action>",
    "<a:MessageID>uuid:2D0E1A5C-6F0B-4C39-9A53-0B8A1C7E4D11</a:MessageID>",
    "</s:Header><s:Body/></s:Envelope>",
);
