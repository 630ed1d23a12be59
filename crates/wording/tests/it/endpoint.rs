//! Endpoints: `[TRANSPORT://]HOST[:PORT][/PREFIX]`.

use telarch_wording::endpoint::{Address, Endpoint, Transport};

fn complete(text: &str, transport: Transport) -> Endpoint {
    Address::parse(text).expect(text).complete(transport, None)
}

#[test]
fn missing_parts_get_the_default_port_and_prefix() {
    for (text, url) in [
        ("server7", "http://server7:5985/wsman"),
        ("http://server7", "http://server7:80/wsman"),
        ("https://server7", "https://server7:443/wsman"),
        ("HTTPS://server7:5986", "https://server7:5986/wsman"),
        ("server7:8080", "http://server7:8080/wsman"),
        ("server7/other", "http://server7:5985/other"),
        ("server7:1/a/b/", "http://server7:1/a/b"),
        ("https://server7/", "https://server7:443/wsman"),
        ("10.0.0.7", "http://10.0.0.7:5985/wsman"),
        ("[2001:db8::7]", "http://[2001:db8::7]:5985/wsman"),
        ("https://[fe80::1%eth0]:5986/wsman", "https://[fe80::1%eth0]:5986/wsman"),
        ("my_host.example.com.", "http://my_host.example.com.:5985/wsman"),
    ] {
        assert_eq!(complete(text, Transport::Http).to_string(), url, "of {text}");
    }
    assert_eq!(complete("server7", Transport::Https).to_string(), "https://server7:5986/wsman");
}

#[test]
fn usual_port_is_suggested_only_if_no_port_was_typed() {
    for (text, usual) in [
        ("https://server7", Some(5986)),
        ("http://server7", Some(5985)),
        ("https://server7:443", None),
        ("server7", None),
    ] {
        assert_eq!(complete(text, Transport::Http).usual_port(), usual, "of {text}");
    }
}

#[test]
fn invalid_endpoints_are_rejected_with_the_reason() {
    for (text, reason) in [
        ("", "the host is missing"),
        ("http://", "the host is missing"),
        (":5985", "the host is missing"),
        ("ftp://server7", "must be http or https"),
        ("::1", "an IPv6 address must be in brackets"),
        ("2001:db8::7", "an IPv6 address must be in brackets"),
        ("[::1", "the closing bracket is missing"),
        ("[server7]", "not an IPv6 address"),
        ("[::1]5985", "unexpected text after the closing bracket"),
        ("server7:", "the port must be a number"),
        ("server7:0", "the port must be a number"),
        ("server7:65536", "the port must be a number"),
        ("server7:+80", "the port must be a number"),
        ("user@server7", "user name"),
        ("server 7", "neither a valid name nor an address"),
        ("sërver", "neither a valid name nor an address"),
        ("server7/a?b", "not allowed in a URL path"),
    ] {
        let error = Address::parse(text).expect_err(text);
        assert!(!error.way_out.is_empty(), "{text}: {error}");
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
    assert!(Address::parse(&"a".repeat(253)).is_ok());
    assert!(Address::parse(&"a".repeat(254)).is_err());
}
