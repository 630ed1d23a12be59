//! Tests of Get, Put, Create and Delete.

use wsman::{Subcode, code};

use crate::asking::{Ask, CIMV2, DMTF, PluginClient, value};

const NOTE: &str = "<p:Site_Note xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
    xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Site_Note\" \
    xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\" xsi:type=\"p:Site_Note_Type\">\
    <p:Id>1</p:Id><p:Made><cim:Datetime>2026-11-21T12:00:00.5+01:00</cim:Datetime></p:Made><p:Owner>root</p:Owner>\
    <p:Rank xsi:nil=\"true\"/><p:Reads>1</p:Reads><p:Roles>a</p:Roles><p:Roles>b</p:Roles>\
    <p:Text>it&apos;s &lt; &quot;this&quot; &amp; that</p:Text></p:Site_Note>";

fn note(verb: &str, id: &str) -> Ask {
    Ask::transfer("Site_Note", verb).selector("Id", id)
}

#[tokio::test]
async fn get_gives_the_instance_letter_for_letter_as_windows_writes_one() {
    let requested = PluginClient::new();
    assert_eq!(requested.body(&note("Get", "1")).await.unwrap(), NOTE);
}

#[tokio::test]
async fn the_uri_of_the_dmtf_is_answered_in_its_own_form() {
    let requested = PluginClient::new();
    let get = |namespace: &str| {
        Ask::new(format!("{DMTF}/site_NOTE"), "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get")
            .selector("__cimnamespace", namespace)
            .selector("ID", "1")
    };
    let body = requested.body(&get("ROOT\\CIMV2")).await.unwrap();
    assert!(body.contains(&format!("xmlns:p=\"{DMTF}/Site_Note\"")), "{body}");
    let (fault, _) = requested.fault(&get("root/other")).await;
    assert_eq!(fault.code(), code::INVALID_RESOURCE_URI);
    // Without a namespace, the class is searched in that of the hardware and then in others.
    let anywhere =
        Ask::new(format!("{DMTF}/Site_Clock"), "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get");
    assert!(requested.body(&anywhere).await.unwrap().contains("<p:Now>noon</p:Now>"));
}

#[tokio::test]
async fn a_uri_with_a_namespace_takes_a_selector_that_says_the_same_only() {
    let requested = PluginClient::new();
    assert!(requested.body(&note("Get", "1").selector("__cimnamespace", "root/CIMV2")).await.is_ok());
    let (fault, _) = requested.fault(&note("Get", "1").selector("__cimnamespace", "root/default")).await;
    assert_eq!(fault.code(), code::DIFFERENT_NAMESPACE_SELECTOR);
}

#[tokio::test]
async fn arrays_and_types_are_written_as_precisely_as_clients_ask() {
    let requested = PluginClient::new();
    let precise = note("Get", "2").option("msftwinrm:UsePreciseArrays", "true");
    let body = requested.body(&precise).await.unwrap();
    assert!(body.contains("msftwinrm:IsNullArray=\"true\" xsi:nil=\"true\"/>"), "{body}");
    let typed = note("Get", "2").option("msftwinrm:includepropertymetadata", "true");
    let body = requested.body(&typed).await.unwrap();
    assert!(body.contains("<p:Rank xsi:type=\"cim:cimUnsignedInt\">7</p:Rank>"), "{body}");
}

#[tokio::test]
async fn the_only_instance_needs_no_selectors_and_others_do() {
    let requested = PluginClient::new();
    assert!(requested.body(&Ask::transfer("Site_Clock", "Get")).await.is_ok());
    let (fault, _) = requested.fault(&Ask::transfer("Site_Note", "Get")).await;
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::InvalidSelectors, code::SELECTORS_REQUIRED));
    for wrong in
        [note("Get", "1").selector("Text", "x"), Ask::transfer("Site_Note", "Get").selector("Name", "1")]
    {
        let (fault, _) = requested.fault(&wrong).await;
        assert_eq!((fault.subcode(), fault.code()), (&Subcode::InvalidSelectors, code::INVALID_SELECTORS));
    }
}

#[tokio::test]
async fn put_changes_what_the_body_gives_and_answers_with_the_instance() {
    let requested = PluginClient::new();
    let text = "<p:Site_Note xmlns:p=\"urn:x\"><p:Text>new</p:Text></p:Site_Note>";
    let body = requested.body(&note("Put", "1").body(text)).await.unwrap();
    assert_eq!(
        (value(&body, "Text").as_deref(), value(&body, "Owner").as_deref()),
        (Some("new"), Some("root"))
    );
    let roles = "<Site_Note><Roles>x</Roles></Site_Note>";
    let body = requested.body(&note("Put", "1").body(roles)).await.unwrap();
    assert!(body.contains("<p:Roles>x</p:Roles><p:Text>new<"), "{body}");
}

#[tokio::test]
async fn an_instance_that_was_read_can_be_written_back_changed() {
    let requested = PluginClient::new();
    let read = requested.body(&note("Get", "1")).await.unwrap();
    // The read-only `Reads` has changed in the meantime, but not by the client.
    let changed = read.replace("<p:Rank xsi:nil=\"true\"/>", "<p:Rank>9</p:Rank>");
    let body = requested.body(&note("Put", "1").body(&changed)).await.unwrap();
    assert_eq!(value(&body, "Rank").as_deref(), Some("9"));
    // A request that changes only a read-only property is refused.
    let read = requested.body(&note("Get", "1")).await.unwrap();
    let (fault, _) = requested.fault(&note("Put", "1").body(&read.replace("root<", "other<"))).await;
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::InvalidRepresentation, code::INVALID_VALUES));
}

#[tokio::test]
async fn of_clients_that_say_what_they_touched_only_that_is_changed() {
    let requested = PluginClient::new();
    let nil = " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"";
    let all = format!(
        "<p:Site_Note xmlns:p=\"{CIMV2}/Site_Note\"><p:Id>1</p:Id><p:Text{nil}/><p:Owner{nil}/><p:Rank>3</p:Rank></p:Site_Note>"
    );
    let put = note("Put", "1").option("wmiarray:__MIInstanceModifiedPropertiesList", "Rank").body(&all);
    let body = requested.body(&put).await.unwrap();
    assert_eq!(value(&body, "Rank").as_deref(), Some("3"));
    assert_eq!(value(&body, "Text").as_deref(), Some("it's < \"this\" & that"));
}

#[tokio::test]
async fn invalid_changes_are_refused() {
    let requested = PluginClient::new();
    for (body, expected) in [
        ("<Site_Note><Owner>me</Owner></Site_Note>", code::INVALID_VALUES),
        ("<Site_Note><Rank>many</Rank></Site_Note>", code::INVALID_VALUES),
        ("<Site_Note><Rank>-1</Rank></Site_Note>", code::INVALID_VALUES),
        ("<Site_Note><Size>1</Size></Site_Note>", code::INVALID_VALUES),
        ("<Site_Note><Id>2</Id><Text>x</Text></Site_Note>", code::CANNOT_CHANGE_KEYS),
        ("<Site_Clock><Zone>1</Zone></Site_Clock>", code::INVALID_REPRESENTATION),
        ("<Site_Nothing/>", code::INVALID_RESOURCE_URI),
    ] {
        let (fault, message) = requested.fault(&note("Put", "1").body(body)).await;
        assert_eq!(fault.code(), expected, "{body} {message}");
    }
    let (fault, _) = requested.fault(&note("Put", "9").body("<Site_Note><Rank>1</Rank></Site_Note>")).await;
    assert_eq!(fault.code(), code::INVALID_RESOURCE_URI);
    let (fault, _) = requested.fault(&note("Put", "1")).await;
    assert_eq!(fault.code(), code::SCHEMA_VALIDATION_ERROR);
}

#[tokio::test]
async fn a_created_instance_exists_until_it_is_deleted() {
    let requested = PluginClient::new();
    let body = "<Site_Note><Id>a b</Id><Text>new</Text></Site_Note>";
    let create = Ask::transfer("Site_Note", "Create").body(body);
    let to = create.clone().header("<a:To>http://node7:5985/wsman</a:To>");
    let created = requested.body(&to).await.unwrap();
    assert_eq!(
        created,
        format!(
            "<x:ResourceCreated><a:Address>http://node7:5985/wsman</a:Address><a:ReferenceParameters>\
             <w:ResourceURI>{CIMV2}/Site_Note</w:ResourceURI><w:SelectorSet><w:Selector Name=\"Id\">a b</w:Selector>\
             </w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>"
        )
    );
    assert_eq!(value(&requested.body(&note("Get", "A B")).await.unwrap(), "Text").as_deref(), Some("new"));
    let (fault, _) = requested.fault(&create).await;
    assert_eq!((fault.subcode(), fault.code()), (&Subcode::AlreadyExists, code::ALREADY_EXISTS));
    assert_eq!(requested.body(&note("Delete", "a b")).await.unwrap(), "");
    let (fault, _) = requested.fault(&note("Delete", "a b")).await;
    assert_eq!(fault.code(), code::INVALID_RESOURCE_URI);
}
