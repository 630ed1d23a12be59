//! Tests of faults in the form of each kind of client.

use cim::Status;
use wsman::namespace::{DIALECT_WQL, EVENTING};
use wsman::{Detail, Fault, Response, ResponseError, Subcode, code};
use xml::Bounds;

use crate::asking::{Ask, CIMV2, DMTF, PluginClient};

fn missing() -> Ask {
    Ask::transfer("Site_Note", "Get").selector("Id", "9")
}

#[tokio::test]
async fn a_missing_instance_is_the_fault_of_windows() {
    let requested = PluginClient::new();
    let (fault, message) = requested.fault(&missing()).await;
    assert_eq!(
        (fault.subcode(), fault.code()),
        (&Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI)
    );
    assert_eq!(fault.detail(), Some(&Detail::INVALID_RESOURCE_URI));
    let expected = format!(
        "<f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"2150858752\" Machine=\"node7\">\
         <f:Message><f:ProviderFault provider=\"WMI Provider\" path=\"%systemroot%\\system32\\WsmWmiPl.dll\">\
         <f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"2150858752\" Machine=\"node7\">\
         <f:Message>instance Site_Note.Id=\"9\" does not exist\n  enumerate the class to list its instances</f:Message></f:WSManFault><f:ExtendedError>\
         <p:__ExtendedStatus xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:p=\"{CIMV2}/__ExtendedStatus\" \
         xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\" xsi:type=\"p:__ExtendedStatus_Type\">\
         <p:Description xsi:nil=\"true\"/><p:Operation>GetObject</p:Operation>\
         <p:ParameterInfo>Site_Note.Id=&quot;9&quot;</p:ParameterInfo><p:ProviderName>WinMgmt</p:ProviderName>\
         <p:StatusCode xsi:nil=\"true\"/></p:__ExtendedStatus></f:ExtendedError></f:ProviderFault></f:Message></f:WSManFault>"
    );
    assert!(message.contains(&expected), "{message}\n{expected}");
}

#[tokio::test]
async fn a_wrong_query_is_repeated_in_the_fault() {
    let requested = PluginClient::new();
    let query = "Select * from Win32_Processa where name = 'x'";
    let (fault, message) = requested.fault(&Ask::query(query)).await;
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER));
    assert!(
        message.contains("<p:Operation>ExecQuery</p:Operation><p:ParameterInfo>Select * from Win32_Processa"),
        "{message}"
    );
}

#[tokio::test]
async fn clients_of_mi_get_an_error_of_cim() {
    let requested = PluginClient::new();
    let ask = Ask::new(format!("{DMTF}/Site_Note"), "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get")
        .selector("__cimnamespace", "root/cimv2")
        .selector("Id", "9")
        .option("__MI_DestinationOptions_UI_Locale", "en-US");
    let (fault, message) = requested.fault(&ask).await;
    assert_eq!(fault.code(), Status::NotFound.code());
    assert!(!message.contains("WSManFault"), "{message}");
    for part in [
        "<p:MSFT_WmiError ",
        "b:IsCIM_Error=\"true\"",
        "<p:CIMStatusCode xsi:type=\"cim:cimUnsignedInt\">6</p:CIMStatusCode>",
        "<p:MessageID xsi:type=\"cim:cimString\">HRESULT 0x80041002</p:MessageID>",
        "<p:error_Code xsi:type=\"cim:cimUnsignedInt\">2147749890</p:error_Code>",
    ] {
        assert!(message.contains(part), "{part}\n{message}");
    }
}

/// Reads the fault of a host process as the service does before it passes the fault on.
fn passed_on(message: &str) -> Fault {
    match Response::parse(message, &Bounds::default()) {
        Err(ResponseError::Fault(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn faults_pass_between_processes_unharmed() {
    let requested = PluginClient::new();
    let plain = requested.fault(&missing()).await.0.on_machine("node7");
    let of_mi = requested.fault(&missing().option("__MI_X", "1")).await.0.on_machine("node7");
    for fault in [plain, of_mi] {
        let message = fault.envelope(None, None, random::uuid());
        let again = passed_on(&message).on_machine("node7");
        let parts = |fault: &Fault| {
            (fault.subcode().clone(), fault.code(), fault.provider().cloned(), fault.instance().cloned())
        };
        let copied = passed_on(&again.envelope(None, None, random::uuid()));
        assert_eq!(parts(&copied), parts(&again));
        assert_eq!(
            (again.code(), again.subcode(), again.reason()),
            (fault.code(), fault.subcode(), fault.reason())
        );
    }
}

#[tokio::test]
async fn a_provider_that_fails_amid_its_rows_ends_them_with_a_fault() {
    let requested = PluginClient::new();
    let (fault, message) = requested.fault(&Ask::query("SELECT * FROM Site_Broken")).await;
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::InternalError, Status::Failed.code()));
    assert!(message.contains("the disk is gone") && message.contains("CIMWin32"), "{message}");
}

#[tokio::test]
async fn a_uri_without_a_class_is_no_resource() {
    let requested = PluginClient::new();
    for resource in [
        "http://schemas.microsoft.com/wbem/wsman/1/wmi".to_owned(),
        "http://schemas.microsoft.com/wbem/wsman/1/wmi/Win32_Process".to_owned(),
        format!("{CIMV2}/Win32-Process"),
        format!("{CIMV2}/Nothing"),
        "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/nothing/Win32_Process".to_owned(),
        format!("{CIMV2}/*"),
        "http://schemas.dmtf.org/wbem/wscim/1".to_owned(),
    ] {
        let get = Ask::new(&*resource, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get");
        let (fault, message) = requested.fault(&get).await;
        assert_eq!(fault.code(), code::INVALID_RESOURCE_URI, "{resource} {message}");
    }
}

/// Returns a request for events with this content of Subscribe.
fn subscribe(within: &str) -> Ask {
    let body = format!(
        "<e:Subscribe xmlns:e=\"{EVENTING}\"><e:Delivery Mode=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/Pull\"/>\
         {within}</e:Subscribe>"
    );
    Ask::new(format!("{CIMV2}/*"), format!("{EVENTING}/Subscribe")).body(&body)
}

#[tokio::test]
async fn subscriptions_without_a_usable_filter_or_with_selectors_are_rejected() {
    let requested = PluginClient::new();
    let filter = |dialect: &str| {
        let query = "SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE TargetInstance ISA 'Site_Note'";
        format!("<w:Filter Dialect=\"{dialect}\">{query}</w:Filter>")
    };
    let wql = filter(DIALECT_WQL);
    let xpath = filter("http://www.w3.org/TR/1999/REC-xpath-19991116");
    for (ask, subcode, code) in [
        (subscribe(""), Subcode::UnsupportedFeature, code::FILTERING_REQUIRED),
        (
            subscribe(&xpath),
            Subcode::EventingFilteringRequestedUnavailable,
            code::EVENTING_FILTER_UNAVAILABLE,
        ),
        (subscribe(&wql).selector("Id", "1"), Subcode::InvalidSelectors, code::SUBSCRIPTION_WITH_SELECTORS),
    ] {
        let (fault, message) = requested.fault(&ask).await;
        assert_eq!((fault.subcode(), fault.code()), (&subcode, code), "{message}");
    }
}

#[tokio::test]
async fn a_parameter_that_the_provider_rejects_has_a_code_of_its_own() {
    let requested = PluginClient::new();
    let body =
        format!("<p:Tell_INPUT xmlns:p=\"{CIMV2}/Site_Clock\"><p:Text>nonsense</p:Text></p:Tell_INPUT>");
    let (fault, message) = requested.fault(&Ask::method("Site_Clock", "Tell").body(&body)).await;
    let found = (fault.subcode(), fault.code());
    assert_eq!(found, (&Subcode::InvalidParameter, code::PROVIDER_INVALID_PARAMETER), "{message}");
}
