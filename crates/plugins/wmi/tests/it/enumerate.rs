//! Tests of enumerations and queries.

use wsman::namespace::{DIALECT_ASSOCIATION, DIALECT_SELECTOR, DIALECT_XPATH};
use wsman::{Subcode, code};

use crate::asking::{Ask, CIMV2, DMTF, PluginClient, value};

fn names(objects: &[String]) -> Vec<String> {
    objects.iter().map(|object| value(object, "Name").unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_class_is_listed_with_its_subclasses_each_as_what_it_is() {
    let requested = PluginClient::new();
    for resource in [format!("{CIMV2}/Win32_Service"), format!("{CIMV2}/CIM_Service")] {
        let objects = requested.objects(&Ask::enumerate(resource, "")).await.unwrap();
        let mut names = names(&objects);
        names.sort();
        assert_eq!(names, ["a", "b", "c"]);
        let own = objects.iter().find(|object| object.contains("Site_Service_Type")).unwrap();
        assert!(own.starts_with("<p:Site_Service ") && own.contains("<p:Rank2 xsi:nil"), "{own}");
    }
}

#[tokio::test]
async fn subclasses_are_listed_as_clients_ask() {
    let requested = PluginClient::new();
    let ask = |mode: &str| {
        let mode = format!("<b:PolymorphismMode>{mode}</b:PolymorphismMode>");
        Ask::enumerate(format!("{CIMV2}/Win32_Service"), &mode)
    };
    let as_class = requested.objects(&ask("ExcludeSubClassProperties")).await.unwrap();
    assert_eq!(names(&as_class).len(), 3);
    assert!(
        as_class.iter().all(|object| object.starts_with("<p:Win32_Service ") && !object.contains("Rank2"))
    );
    assert_eq!(names(&requested.objects(&ask("None")).await.unwrap()), ["a", "b"]);
    assert_eq!(requested.objects(&ask("IncludeSubClassProperties")).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_query_gives_whole_instances_or_the_properties_it_names() {
    let requested = PluginClient::new();
    let running =
        requested.objects(&Ask::query("select * from win32_service where state = 'running'")).await.unwrap();
    assert_eq!(names(&running), ["a", "c"]);
    assert!(running[0].starts_with("<p:Win32_Service xmlns:xsi="), "{}", running[0]);
    let two = requested
        .objects(&Ask::query("SELECT State, Name FROM Win32_Service WHERE Name <> 'c'"))
        .await
        .unwrap();
    assert_eq!(
        two[0],
        "<w:XmlFragment xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><Name>a</Name><State>Running</State></w:XmlFragment>"
    );
    assert_eq!(two.len(), 2);
    // With the URI of a class, as openwsman's client asks, and with the URIs of DMTF, as MI clients ask.
    let filter = "<w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">SELECT * FROM Win32_Service</w:Filter>";
    for resource in [
        format!("{CIMV2}/Win32_Service"),
        format!("{DMTF}/*"),
        "http://schemas.dmtf.org/wbem/wscim/1/*".to_owned(),
    ] {
        let ask = Ask::enumerate(resource, filter).selector("__cimnamespace", "root/cimv2");
        assert_eq!(requested.objects(&ask).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn references_lead_back_to_the_instances() {
    let requested = PluginClient::new();
    let ask = |mode: &str| {
        let mode = format!("<w:EnumerationMode>{mode}</w:EnumerationMode>");
        Ask::enumerate(format!("{CIMV2}/Site_Note"), &mode)
    };
    let items = requested.items(&ask("EnumerateEPR")).await.unwrap();
    assert!(items.iter().all(|item| item.object.as_str().is_empty()));
    let reference = items[0].reference.as_ref().unwrap();
    assert_eq!(reference.resource.as_str(), format!("{CIMV2}/Site_Note"));
    assert_eq!(reference.selectors.text("Id"), Some("1"));
    let both = requested.items(&ask("EnumerateObjectAndEPR")).await.unwrap();
    assert!(both[1].object.as_str().contains("<p:Id>2</p:Id>"));
    assert_eq!(both[1].reference.as_ref().unwrap().selectors.text("Id"), Some("2"));
}

#[tokio::test]
async fn references_within_keys_are_references_again() {
    let requested = PluginClient::new();
    let epr = "<w:EnumerationMode>EnumerateEPR</w:EnumerationMode>";
    let ask = Ask::enumerate(format!("{DMTF}/Win32_DependentService"), epr);
    let items = requested.items(&ask.selector("__cimnamespace", "root/cimv2")).await.unwrap();
    let reference = items[0].reference.as_ref().unwrap();
    assert_eq!(reference.selectors.text("__cimnamespace"), Some("root/cimv2"));
    let wsman::SelectorValue::Reference(inner) = &reference.selectors.find("Dependent").unwrap().value else {
        panic!("{reference:?}")
    };
    assert_eq!(inner.resource.as_str(), format!("{DMTF}/Win32_Service"));
    assert_eq!(inner.selectors.text("Name"), Some("b"));
    // A returned reference can be used for Get.
    let epr = |name: &str, of: &str| {
        format!(
            "<a:EndpointReference><a:Address>x</a:Address><a:ReferenceParameters>\
             <w:ResourceURI>{CIMV2}/{of}</w:ResourceURI><w:SelectorSet><w:Selector Name=\"Name\">{name}</w:Selector>\
             </w:SelectorSet></a:ReferenceParameters></a:EndpointReference>"
        )
    };
    let get = Ask::transfer("Win32_DependentService", "Get")
        .selector("Antecedent", &epr("a", "Win32_Service"))
        .selector("Dependent", &epr("c", "Site_Service"));
    let body = requested.body(&get).await.unwrap();
    assert!(body.contains(&format!("<w:ResourceURI>{CIMV2}/Site_Service</w:ResourceURI>")), "{body}");
}

#[tokio::test]
async fn a_selector_filter_compares_properties() {
    let requested = PluginClient::new();
    let filter = |selectors: &str| {
        let filter = format!(
            "<w:Filter Dialect=\"{DIALECT_SELECTOR}\"><w:SelectorSet>{selectors}</w:SelectorSet></w:Filter>"
        );
        Ask::enumerate(format!("{CIMV2}/Win32_Service"), &filter)
    };
    let found =
        filter("<w:Selector Name=\"State\">running</w:Selector><w:Selector Name=\"Name\">A</w:Selector>");
    assert_eq!(names(&requested.objects(&found).await.unwrap()), ["a"]);
    for wrong in ["", "<w:Selector Name=\"Nothing\">1</w:Selector>"] {
        let (fault, message) = requested.fault(&filter(wrong)).await;
        assert_eq!(fault.code(), code::CANNOT_PROCESS_FILTER, "{message}");
    }
}

fn associated(what: &str, within: &str) -> Ask {
    let filter = format!(
        "<w:Filter Dialect=\"{DIALECT_ASSOCIATION}\"><b:{what}><b:Object><a:Address>x</a:Address>\
         <a:ReferenceParameters><w:ResourceURI>{CIMV2}/Win32_Service</w:ResourceURI><w:SelectorSet>\
         <w:Selector Name=\"Name\">a</w:Selector></w:SelectorSet></a:ReferenceParameters></b:Object>{within}</b:{what}></w:Filter>"
    );
    Ask::enumerate(format!("{CIMV2}/*"), &filter)
}

#[tokio::test]
async fn associated_instances_and_associations_are_found() {
    let requested = PluginClient::new();
    let around = requested.objects(&associated("AssociatedInstances", "")).await.unwrap();
    assert_eq!(names(&around), ["b", "c"]);
    let only = "<b:ResultClassName>Site_Service</b:ResultClassName><b:Role>Antecedent</b:Role>";
    assert_eq!(names(&requested.objects(&associated("AssociatedInstances", only)).await.unwrap()), ["c"]);
    let named = "<b:IncludeResultProperty>State</b:IncludeResultProperty>";
    let projected = requested.objects(&associated("AssociatedInstances", named)).await.unwrap();
    assert!(projected[0].ends_with("><State>Stopped</State></w:XmlFragment>"), "{}", projected[0]);
    let between = requested.objects(&associated("AssociationInstances", "")).await.unwrap();
    assert!(between.len() == 2 && between[0].starts_with("<p:Win32_DependentService "), "{between:?}");
    let same = Ask::query("ASSOCIATORS OF {Win32_Service.Name='a'} WHERE ResultClass = Site_Service");
    assert_eq!(names(&requested.objects(&same).await.unwrap()), ["c"]);
}

#[tokio::test]
async fn classes_can_be_queried_like_instances() {
    let requested = PluginClient::new();
    let classes = requested
        .objects(&Ask::query("SELECT * FROM meta_class WHERE __this ISA 'Win32_Service'"))
        .await
        .unwrap();
    assert!(
        classes
            .iter()
            .any(|class| class.starts_with("<CLASS NAME=\"Site_Service\" SUPERCLASS=\"Win32_Service\""))
    );
}

fn xpath(class: &str, filter: &str) -> Ask {
    Ask::enumerate(format!("{CIMV2}/{class}"), &format!("<w:Filter>{filter}</w:Filter>"))
}

#[tokio::test]
async fn an_xpath_of_level_1_finds_the_instances_that_have_the_part() {
    let requested = PluginClient::new();
    let found =
        async |filter: &str| names(&requested.objects(&xpath("Win32_Service", filter)).await.unwrap());
    let all = ["a", "b", "c"];
    // A property without value is an element without text.
    assert_eq!(found("State").await, all);
    assert_eq!(found(" p:Description ").await, all);
    assert_eq!(found("Description/text()").await, [""; 0]);
    assert_eq!(found("State/text()").await, all);
    assert_eq!(found("State[1]").await, all);
    assert_eq!(found("State[2]").await, [""; 0]);
    // A property of a subclass only, and one of no class.
    assert_eq!(found("Rank2").await, ["c"]);
    assert_eq!(found("Nothing").await, [""; 0]);
    let named = format!("<w:Filter Dialect=\"{DIALECT_XPATH}\">Rank2</w:Filter>");
    let ask = |within: &str| Ask::enumerate(format!("{CIMV2}/Win32_Service"), &format!("{named}{within}"));
    assert_eq!(requested.objects(&ask("")).await.unwrap().len(), 1);
    // Represented as instances of the requested class, none has the property.
    let as_class = "<b:PolymorphismMode>ExcludeSubClassProperties</b:PolymorphismMode>";
    assert_eq!(requested.objects(&ask(as_class)).await.unwrap().len(), 0);
    let references = "<w:EnumerationMode>EnumerateEPR</w:EnumerationMode>";
    let items = requested.items(&ask(references)).await.unwrap();
    assert_eq!(items[0].reference.as_ref().unwrap().selectors.text("Name"), Some("c"));
    assert_eq!(items.len(), 1);
}

#[tokio::test]
async fn an_xpath_beyond_level_1_is_no_filter() {
    let requested = PluginClient::new();
    for filter in [
        "Name='a'",
        "Name[.='a']",
        "//Name",
        "*",
        "@Name",
        "Name|State",
        "position()=1",
        "a/b",
        "Name[0]",
        "../Name",
        "Name[99999999999999999999999]",
    ] {
        let (fault, message) = requested.fault(&xpath("Win32_Service", filter)).await;
        let reported = (fault.subcode(), fault.code());
        assert_eq!(
            reported,
            (&Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER),
            "{filter} {message}"
        );
    }
}

#[tokio::test]
async fn invalid_enumerations_are_refused() {
    let requested = PluginClient::new();
    let wql = |text: &str| Ask::query(text);
    for (ask, subcode, expected) in [
        (
            Ask::enumerate(format!("{CIMV2}/Site_Note"), "").selector("Id", "1"),
            Subcode::InvalidSelectors,
            code::ENUMERATION_WITH_SELECTORS,
        ),
        (
            Ask::enumerate(format!("{CIMV2}/*"), ""),
            Subcode::DestinationUnreachable,
            code::INVALID_RESOURCE_URI,
        ),
        (
            Ask::enumerate(format!("{CIMV2}/Nothing"), ""),
            Subcode::DestinationUnreachable,
            code::INVALID_RESOURCE_URI,
        ),
        (wql("SELECT * FROM Nothing"), Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER),
        (wql("SELECT Nothing FROM Site_Note"), Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER),
        (wql("SELEC * FROM Site_Note"), Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER),
        (xpath("Site_Note", "/Site_Note"), Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER),
        (xpath("Site_Note", ""), Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER),
        (xpath("*", "Id"), Subcode::DestinationUnreachable, code::INVALID_RESOURCE_URI),
        (
            Ask::enumerate(format!("{CIMV2}/*"), "<w:Filter Dialect=\"urn:sql\">x</w:Filter>"),
            Subcode::FilterDialectRequestedUnavailable,
            code::FILTER_DIALECT_UNAVAILABLE,
        ),
    ] {
        let (fault, message) = requested.fault(&ask).await;
        assert_eq!((fault.subcode(), fault.code()), (&subcode, expected), "{message}");
    }
}
