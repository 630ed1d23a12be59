//! Tests of requests for classes.

use wsman::code;

use crate::asking::{Ask, PluginClient};

const URI: &str = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*";

fn get(class: &str) -> Ask {
    Ask::new(URI, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get")
        .selector("ClassName", class)
        .selector("__cimnamespace", "root/cimv2")
}

#[tokio::test]
async fn a_class_is_returned_in_the_requested_detail() {
    let requested = PluginClient::new();
    assert_eq!(
        requested.body(&get("site_service")).await.unwrap(),
        "<CLASS NAME=\"Site_Service\" SUPERCLASS=\"Win32_Service\">\
         <PROPERTY NAME=\"Rank2\" TYPE=\"uint32\"></PROPERTY></CLASS>"
    );
    let more = get("Site_Service")
        .option("wmi:IncludeInheritedElements", "true")
        .option("IncludeInheritanceHierarchy", "TRUE")
        .option("wmi:IncludeQualifiers", "true");
    let body = requested.body(&more).await.unwrap();
    assert!(body.contains("DERIVATION=\"Win32_Service,Win32_BaseService,CIM_Service,"), "{body}");
    assert!(body.contains("<METHOD NAME=\"StartService\""), "{body}");
    assert!(body.contains("<QUALIFIER NAME=\"Key\" TYPE=\"boolean\""), "{body}");
}

#[tokio::test]
async fn all_classes_of_a_namespace_can_be_listed() {
    let requested = PluginClient::new();
    let list = |namespace: &str| Ask::enumerate(URI, "").selector("__cimnamespace", namespace);
    let classes = requested.objects(&list("root/cimv2")).await.unwrap();
    assert!(classes.iter().any(|class| class.contains("NAME=\"Win32_Process\"")));
    let elsewhere = requested.objects(&list("root/hardware")).await.unwrap();
    assert!(
        elsewhere.iter().all(|class| !class.contains("NAME=\"Win32_")) && elsewhere.len() < classes.len()
    );
    let (fault, _) = requested.fault(&list("root/nothing")).await;
    assert_eq!(fault.code(), code::INVALID_RESOURCE_URI);
}

#[tokio::test]
async fn a_missing_class_is_a_fault() {
    let requested = PluginClient::new();
    let (fault, _) = requested.fault(&get("Nothing")).await;
    assert_eq!(fault.code(), code::INVALID_RESOURCE_URI);
    let (fault, _) =
        requested.fault(&Ask::new(URI, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get")).await;
    assert_eq!(fault.code(), code::INVALID_RESOURCE_URI);
    let put = Ask::new(URI, "http://schemas.xmlsoap.org/ws/2004/09/transfer/Put").selector("ClassName", "X");
    let (fault, _) = requested.fault(&put).await;
    assert_eq!(fault.code(), code::ACTION_NOT_SUPPORTED);
}
