//! Sessions and locators that are made, and those that are refused before anything is sent.

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
fn what_cannot_be_meant_is_refused_when_the_session_is_made() {
    let nobody = ConnectionOptions::new;
    let somebody = || nobody().credentials("ann", "secret");
    let two = SessionFlags::USE_BASIC | SessionFlags::USE_KERBEROS;
    let texts = SessionFlags::UTF8 | SessionFlags::UTF16;
    for (what, found) in [
        ("more than one scheme", refused("node7", two, somebody())),
        ("exclude each other", refused("node7", texts, somebody())),
        ("http:// and USE_SSL", refused("http://node7", SessionFlags::USE_SSL, somebody())),
        ("no session flag", refused("node7", SessionFlags::from_bits_retain(2), somebody())),
        ("credentials need a host", refused("", SessionFlags::empty(), somebody())),
        ("without a user", refused("node7", SessionFlags::empty(), nobody().password("x"))),
        ("no host", refused("https://", SessionFlags::empty(), nobody())),
        ("needs a name", refused("node7", SessionFlags::USE_BASIC, nobody())),
    ] {
        assert!(found.contains(what), "{found}");
    }
}

#[test]
fn a_proxy_is_one_that_can_be_meant() {
    let options = ConnectionOptions::new;
    let somebody = Some(("ann", "secret"));
    for (access, scheme, credentials) in [
        (ProxyAccess::NO_PROXY_SERVER, None, None),
        (ProxyAccess::AUTO_DETECT, None, None),
        (ProxyAccess::IE_CONFIG, Some(ProxyAuthentication::USE_NEGOTIATE), None),
        (ProxyAccess::WIN_HTTP_CONFIG, Some(ProxyAuthentication::USE_BASIC), somebody),
    ] {
        assert!(options().proxy(access, scheme, credentials).is_ok(), "{access:?}");
    }
    for (access, scheme, credentials) in [
        (ProxyAccess::NO_PROXY_SERVER, Some(ProxyAuthentication::USE_NEGOTIATE), None),
        (ProxyAccess::all(), None, None),
        (ProxyAccess::AUTO_DETECT, None, somebody),
        (ProxyAccess::AUTO_DETECT, Some(ProxyAuthentication::USE_DIGEST), None),
        (ProxyAccess::AUTO_DETECT, Some(ProxyAuthentication::all()), somebody),
    ] {
        assert!(options().proxy(access, scheme, credentials).is_err(), "{access:?} {scheme:?}");
    }
    assert!(options().proxy_address("http://ann:secret@proxy:3128").is_ok());
    let refused = options().proxy_address("socks5://ann:secret@proxy").unwrap_err();
    assert!(!refused.to_string().contains("secret"), "{refused}");
}

#[test]
fn a_locator_is_a_text_or_a_reference() {
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
