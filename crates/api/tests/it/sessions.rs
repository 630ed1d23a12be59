//! Valid and invalid sessions and locators.

use telarch::{
    ConnectionOptions, Error, MustComply, ProxyAccess, ProxyAuthentication, ResourceLocator, SessionFlags,
    Wsman,
};

fn refused(connection: &str, flags: SessionFlags, options: ConnectionOptions) -> String {
    match Wsman::new().create_session(connection, flags, options) {
        Err(Error::Argument { what, .. }) => what,
        other => panic!("{connection}: {other:?}"),
    }
}

#[test]
fn invalid_arguments_are_rejected_when_a_session_is_created() {
    let anonymous = ConnectionOptions::new;
    let ann = || anonymous().credentials("ann", "secret");
    let two = SessionFlags::USE_BASIC | SessionFlags::USE_KERBEROS;
    let texts = SessionFlags::UTF8 | SessionFlags::UTF16;
    for (what, found) in [
        ("more than one authentication scheme", refused("node7", two, ann())),
        ("cannot be combined", refused("node7", texts, ann())),
        ("http:// and USE_SSL", refused("http://node7", SessionFlags::USE_SSL, ann())),
        ("unknown session flag", refused("node7", SessionFlags::from_bits_retain(2), ann())),
        ("credentials need a host", refused("", SessionFlags::empty(), ann())),
        ("without a user", refused("node7", SessionFlags::empty(), anonymous().password("x"))),
        ("the host is missing", refused("https://", SessionFlags::empty(), anonymous())),
        ("requires a user name", refused("node7", SessionFlags::USE_BASIC, anonymous())),
    ] {
        assert!(found.contains(what), "{found}");
    }
}

#[test]
fn valid_and_invalid_proxy_settings() {
    let options = ConnectionOptions::new;
    let credentials = Some(("ann", "secret"));
    for (access, scheme, credentials) in [
        (ProxyAccess::NO_PROXY_SERVER, None, None),
        (ProxyAccess::AUTO_DETECT, None, None),
        (ProxyAccess::IE_CONFIG, Some(ProxyAuthentication::USE_NEGOTIATE), None),
        (ProxyAccess::WIN_HTTP_CONFIG, Some(ProxyAuthentication::USE_BASIC), credentials),
    ] {
        assert!(options().proxy(access, scheme, credentials).is_ok(), "{access:?}");
    }
    for (access, scheme, credentials) in [
        (ProxyAccess::NO_PROXY_SERVER, Some(ProxyAuthentication::USE_NEGOTIATE), None),
        (ProxyAccess::all(), None, None),
        (ProxyAccess::AUTO_DETECT, None, credentials),
        (ProxyAccess::AUTO_DETECT, Some(ProxyAuthentication::USE_DIGEST), None),
        (ProxyAccess::AUTO_DETECT, Some(ProxyAuthentication::all()), credentials),
    ] {
        assert!(options().proxy(access, scheme, credentials).is_err(), "{access:?} {scheme:?}");
    }
    assert!(options().proxy_address("http://ann:secret@proxy:3128").is_ok());
    let refused = options().proxy_address("socks5://ann:secret@proxy").unwrap_err();
    assert!(!refused.to_string().contains("secret"), "{refused}");
}

#[test]
fn a_locator_is_parsed_from_text_or_a_reference() {
    let spooler = ResourceLocator::parse("wmicimv2/Win32_Service?Name=spooler").unwrap();
    let reference = "<a:EndpointReference xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing' \
        xmlns:w='http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd'><a:Address>x</a:Address><a:ReferenceParameters>\
        <w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service</w:ResourceURI>\
        <w:SelectorSet><w:Selector Name='Name'>spooler</w:Selector></w:SelectorSet>\
        </a:ReferenceParameters></a:EndpointReference>";
    assert_eq!(ResourceLocator::parse(reference).unwrap(), spooler);
    let pieces = ResourceLocator::parse("wmicimv2/Win32_Service").unwrap().selector("Name", "spooler");
    assert_eq!(pieces.clone().option("a", None, MustComply::Yes).clear_options(), spooler);
    assert_eq!(pieces.selector("Other", "a+b").clear_selectors().selectors().len(), 0);
    for wrong in ["", "winrn/config", "shell?x", "<a", "<a/>"] {
        assert!(matches!(ResourceLocator::parse(wrong), Err(Error::Argument { .. })), "{wrong}");
    }
}
