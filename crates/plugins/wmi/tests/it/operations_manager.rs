//! Tests of the URIs of System Center Operations Manager, as its management packs for UNIX send them.

use crate::asking::{Ask, PluginClient, value};

const SCX: &str = "http://schemas.microsoft.com/wbem/wscim/1/cim-schema/2";

fn ask(class: &str, action: &str) -> Ask {
    Ask::new(format!("{SCX}/{class}"), action).selector("__cimnamespace", "root/cimv2")
}

#[tokio::test]
async fn instances_are_read_and_enumerated() {
    let requested = PluginClient::new();
    let get = ask("Site_Note", "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get").selector("Id", "2");
    let body = requested.body(&get).await.unwrap();
    assert!(body.contains(&format!("xmlns:p=\"{SCX}/Site_Note\"")), "{body}");
    assert_eq!(value(&body, "Rank").as_deref(), Some("7"));
    let mode = "<w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode>";
    let all = Ask::enumerate(format!("{SCX}/Site_Note"), mode).selector("__cimnamespace", "root/cimv2");
    let items = requested.items(&all).await.unwrap();
    assert_eq!(items.len(), 2);
    let reference = items[0].reference.clone().unwrap();
    assert_eq!(reference.resource.as_str(), format!("{SCX}/Site_Note"));
    assert_eq!(reference.selectors.text("__cimnamespace"), Some("root/cimv2"));
}

#[tokio::test]
async fn a_query_names_all_classes() {
    for resource in [format!("{SCX}/*"), "http://schemas.microsoft.com/wbem/wscim/1/*".to_owned()] {
        let filter = "<w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">\
                      SELECT Rank FROM Site_Note WHERE Id = '2'</w:Filter>";
        let query = Ask::enumerate(&resource, filter).selector("__cimnamespace", "root/cimv2");
        let rows = PluginClient::new().objects(&query).await.unwrap();
        assert_eq!(rows.len(), 1, "{resource}");
        assert!(rows[0].contains("<Rank>7</Rank>"), "{}", rows[0]);
    }
}

#[tokio::test]
async fn methods_are_called() {
    let action = format!("{SCX}/Site_Clock/Sum");
    let body = format!(
        "<p:Sum_INPUT xmlns:p=\"{SCX}/Site_Clock\"><p:values>1</p:values><p:values>2</p:values></p:Sum_INPUT>"
    );
    let call = ask("Site_Clock", &action).body(&body);
    let requested = PluginClient::new();
    let output = requested.body(&call).await.unwrap();
    assert!(output.contains(&format!("xmlns:p=\"{SCX}/Site_Clock\"")), "{output}");
    assert_eq!(value(&output, "Total").as_deref(), Some("103"));
    let envelope = requested.envelope(&call).await.unwrap();
    assert!(envelope.contains(&format!("<a:Action>{action}Response</a:Action>")), "{envelope}");
}
