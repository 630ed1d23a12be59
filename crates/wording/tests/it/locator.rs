//! Locators: `URI?Name=Value+Name2=Value2`, with aliases.

use telarch_wording::locator::{Locator, LocatorError};

#[test]
fn an_alias_in_the_first_segment_is_expanded() {
    for (text, uri) in [
        ("winrm/config", "http://schemas.microsoft.com/wbem/wsman/1/config"),
        ("wsman/config/client/", "http://schemas.microsoft.com/wbem/wsman/1/config/client"),
        ("WinRM/Config", "http://schemas.microsoft.com/wbem/wsman/1/Config"),
        ("wmi/root/default", "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/default"),
        ("wmicimv2/*", "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*"),
        ("cimv2/CIM_Processor", "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_Processor"),
        ("shell", "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"),
        ("shell/cmd", "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"),
        ("http://example.com/winrm/x", "http://example.com/winrm/x"),
        ("urn:example:thing", "urn:example:thing"),
    ] {
        assert_eq!(Locator::parse(text).expect(text).resource_uri(), uri, "of {text}");
    }
}

#[test]
fn selectors_are_split_at_plus_and_the_first_equals_sign() {
    for (text, expected) in [
        ("winrm/config/listener?Address=*+Transport=HTTP", &[("Address", "*"), ("Transport", "HTTP")][..]),
        ("shell?ShellId=A=B", &[("ShellId", "A=B")]),
        ("wmicimv2/Win32_Service?Name=", &[("Name", "")]),
        ("cimv2/X?__cimnamespace=root/hw", &[("__cimnamespace", "root/hw")]),
        ("winrm/config/plugin?Name=a?b", &[("Name", "a?b")]),
        ("winrm/config?", &[]),
        ("winrm/config", &[]),
    ] {
        let locator = Locator::parse(text).expect(text);
        let selectors: Vec<(&str, &str)> =
            locator.selectors().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(selectors, expected, "of {text}");
    }
}

#[test]
fn select_accepts_a_value_with_a_plus() {
    let mut locator = Locator::parse("wmicimv2/CIM_DataFile").unwrap();
    locator.select(r"Name=C:\notes+plans.txt").unwrap();
    assert_eq!(locator.selectors(), [("Name".to_owned(), r"C:\notes+plans.txt".to_owned())]);
}

#[test]
fn invalid_locators_are_rejected() {
    let refused = |text: &str| Locator::parse(text).expect_err(text);
    assert_eq!(refused(""), LocatorError::UriEmpty);
    assert_eq!(refused("?Name=x"), LocatorError::UriEmpty);
    assert_eq!(refused("winrn/config"), LocatorError::UnknownAlias { uri: "winrn/config".to_owned() });
    assert_eq!(refused("shell?ShellId"), LocatorError::BadSelector { text: "ShellId".to_owned() });
    assert_eq!(refused("shell?=x"), LocatorError::BadSelector { text: "=x".to_owned() });
    assert_eq!(refused("shell?A=1+"), LocatorError::BadSelector { text: String::new() });
    assert_eq!(refused("shell?A=1+a=2"), LocatorError::DuplicateSelector { name: "a".to_owned() });
}

#[test]
fn short_uses_the_alias_that_fits_best() {
    for (text, shown) in [
        ("winrm/config/listener?Address=*+Transport=HTTP", "winrm/config/listener?Address=*+Transport=HTTP"),
        ("http://schemas.microsoft.com/wbem/wsman/1/config", "winrm/config"),
        ("wmi/root/cimv2/Win32_Service?Name=a", "wmicimv2/Win32_Service?Name=a"),
        ("wmi/root/cimv2x/A", "wmi/root/cimv2x/A"),
        ("shell/cmd", "shell/cmd"),
        ("urn:example?A=1", "urn:example?A=1"),
    ] {
        assert_eq!(Locator::parse(text).expect(text).short(), shown, "of {text}");
    }
}

#[test]
fn an_action_uri_is_the_resource_uri_and_the_method() {
    let locator = Locator::parse("wmicimv2/Win32_Process").unwrap();
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process/Create";
    assert_eq!(locator.action_uri("Create"), uri);
    assert_eq!(locator.action_uri("http://example.com/Do"), "http://example.com/Do");
    assert_eq!(locator.last_segment(), "Win32_Process");
}
