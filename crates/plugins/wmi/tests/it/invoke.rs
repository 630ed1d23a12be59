//! Tests of methods.

use wsman::{Subcode, code};

use crate::asking::{Ask, CIMV2, DMTF, PluginClient};

fn output(class: &str, method: &str, within: &str) -> String {
    format!(
        "<p:{method}_OUTPUT xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:p=\"{CIMV2}/{class}\" \
         xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\">{within}</p:{method}_OUTPUT>"
    )
}

#[tokio::test]
async fn a_method_that_ran_and_failed_is_no_fault() {
    let requested = PluginClient::new();
    let start = Ask::method("Win32_Service", "StartService").selector("Name", "a");
    let expected = output("Win32_Service", "StartService", "<p:ReturnValue>10</p:ReturnValue>");
    assert_eq!(requested.body(&start).await.unwrap(), expected);
    let envelope = requested.envelope(&start).await.unwrap();
    let action = format!("<a:Action>{CIMV2}/Win32_Service/StartServiceResponse</a:Action>");
    assert!(envelope.contains(&action), "{envelope}");
}

#[tokio::test]
async fn parameters_come_in_any_order_and_namespace_and_defaults_hold() {
    let requested = PluginClient::new();
    let expected = output(
        "Site_Clock",
        "Sum",
        "<p:Words>1</p:Words><p:Words>2</p:Words><p:Words>100</p:Words><p:Total>103</p:Total><p:ReturnValue>0</p:ReturnValue>",
    );
    let body = "<p:Sum_INPUT xmlns:p=\"urn:p\"><Values>1</Values><q:Values xmlns:q=\"urn:q\">2</q:Values></p:Sum_INPUT>";
    assert_eq!(requested.body(&Ask::method("Site_Clock", "Sum").body(body)).await.unwrap(), expected);
    let given = "<p:Sum_INPUT xmlns:p=\"urn:p\"><p:Start>1</p:Start></p:Sum_INPUT>";
    let sum = requested.body(&Ask::method("Site_Clock", "Sum").body(given)).await.unwrap();
    assert!(sum.contains("<p:Total>1</p:Total>"), "{sum}");
    let none = requested.body(&Ask::method("Site_Clock", "Sum")).await.unwrap();
    assert!(none.contains("<p:Total>100</p:Total>"), "{none}");
}

#[tokio::test]
async fn methods_of_the_only_instance_need_no_selectors() {
    let requested = PluginClient::new();
    let body =
        "<Tell_INPUT><Text>hé</Text><When><Datetime>2026-11-21T12:00:00Z</Datetime></When></Tell_INPUT>";
    let said = requested.body(&Ask::method("Site_Clock", "Tell").body(body)).await.unwrap();
    assert!(said.contains("<p:Said>hé@20261121120000.000000+000</p:Said>"), "{said}");
}

#[tokio::test]
async fn the_uris_of_the_dmtf_have_methods_too() {
    let requested = PluginClient::new();
    let start = Ask::new(format!("{DMTF}/Win32_Service"), format!("{DMTF}/Win32_Service/StartService"))
        .selector("__cimnamespace", "root/cimv2")
        .selector("Name", "a");
    let body = requested.body(&start).await.unwrap();
    assert!(body.contains(&format!("xmlns:p=\"{DMTF}/Win32_Service\"")), "{body}");
    // The class that declares a method may be named as well as one that inherits it.
    let inherited = Ask::new(format!("{CIMV2}/Win32_Service"), format!("{CIMV2}/CIM_Service/StartService"));
    assert!(requested.body(&inherited.selector("Name", "a")).await.is_ok());
}

#[tokio::test]
async fn a_call_that_does_not_fit_is_refused() {
    let requested = PluginClient::new();
    let start = || Ask::method("Win32_Service", "StartService");
    let sum =
        |within: &str| Ask::method("Site_Clock", "Sum").body(&format!("<Sum_INPUT>{within}</Sum_INPUT>"));
    for (ask, subcode, expected) in [
        (start(), Subcode::InvalidSelectors, code::INVALID_SELECTORS),
        (
            Ask::method("Site_Clock", "Sum").selector("Now", "x"),
            Subcode::InvalidSelectors,
            code::INVALID_SELECTORS,
        ),
        (
            Ask::method("Win32_Service", "Fly").selector("Name", "a"),
            Subcode::ActionNotSupported,
            code::ACTION_NOT_SUPPORTED,
        ),
        (
            Ask::new(format!("{CIMV2}/Win32_Service"), "urn:other/Start"),
            Subcode::ActionNotSupported,
            code::ACTION_NOT_SUPPORTED,
        ),
        (
            Ask::new(format!("{CIMV2}/Win32_Service"), format!("{CIMV2}/Win32_Process/Create")),
            Subcode::ActionNotSupported,
            code::ACTION_NOT_SUPPORTED,
        ),
        (sum("<Values>x</Values>"), Subcode::InvalidParameter, code::PARAMETER_TYPE_MISMATCH),
        (sum("<Values>-1</Values>"), Subcode::InvalidParameter, code::PARAMETER_TYPE_MISMATCH),
        (sum("<Start>1</Start><Start>2</Start>"), Subcode::InvalidParameter, code::PARAMETER_TYPE_MISMATCH),
        (sum("<Wrong>1</Wrong>"), Subcode::InvalidParameter, code::INVALID_PARAMETER_NAME),
        (Ask::method("Nothing", "Sum"), Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI),
        (
            Ask::method("Win32_Service", "StopService").selector("Name", "a"),
            Subcode::AccessDenied,
            code::PROVIDER_ACCESS_DENIED,
        ),
        (
            Ask::method("Win32_Service", "PauseService").selector("Name", "a"),
            Subcode::UnsupportedFeature,
            code::PROVIDER_NOT_CAPABLE,
        ),
        (start().selector("Name", "z"), Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI),
    ] {
        let (fault, message) = requested.fault(&ask).await;
        assert_eq!((fault.subcode(), fault.code()), (&subcode, expected), "{message}");
    }
}
