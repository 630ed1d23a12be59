//! Tests of access rights in a namespace.

use std::sync::{Arc, Mutex, mpsc};

use service::{CallerLocation, Plugin as _};
use telarch_plugin_wmi::WmiPlugin;
use wsman::{Subcode, code};

use crate::asking::{Ask, PluginClient};
use crate::machine::engine;

#[tokio::test]
async fn ordinary_users_have_access_from_the_machine_itself_only() {
    let requested = PluginClient::new();
    let schema = Ask::new(
        "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*",
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get",
    );
    for ask in [
        Ask::transfer("Site_Note", "Get").selector("Id", "1"),
        Ask::transfer("Site_Note", "Put").selector("Id", "1").body("<Site_Note><Rank>1</Rank></Site_Note>"),
        Ask::transfer("Site_Note", "Create").body("<Site_Note><Id>x</Id></Site_Note>"),
        Ask::query("SELECT * FROM Site_Note"),
        Ask::query("SELECT * FROM meta_class"),
        Ask::method("Site_Clock", "Sum"),
        schema.selector("ClassName", "Site_Note"),
    ] {
        let (fault, message) = requested.fault(&ask.clone().by_nobody(CallerLocation::Network)).await;
        assert_eq!(
            (fault.subcode(), fault.code()),
            (&Subcode::AccessDenied, code::WMI_ACCESS_DENIED),
            "{message}"
        );
    }
    let here = Ask::transfer("Site_Note", "Get").selector("Id", "1").by_nobody(CallerLocation::ThisMachine);
    assert!(requested.body(&here).await.is_ok());
}

#[tokio::test]
async fn users_without_access_cannot_learn_whether_a_class_exists() {
    let requested = PluginClient::new();
    let ask = Ask::transfer("Nothing", "Get").selector("Id", "1").by_nobody(CallerLocation::Network);
    assert_eq!(requested.fault(&ask).await.0.code(), code::WMI_ACCESS_DENIED);
}

#[tokio::test]
async fn building_the_first_engine_does_not_delay_other_requests() {
    let (go_on, waiting) = mpsc::channel();
    let waiting = Mutex::new(waiting);
    // There is only one thread, which must reach the line that releases it.
    let plugin = Arc::new(WmiPlugin::with_current(move || {
        waiting.lock().unwrap().recv().unwrap();
        Some(engine())
    }));
    let requested = Arc::clone(&plugin);
    let ask = Ask::transfer("Site_Note", "Get").selector("Id", "1");
    let answer = tokio::spawn(async move { requested.call(ask.call()).await.map(drop) });
    tokio::task::yield_now().await;
    go_on.send(()).unwrap();
    answer.await.unwrap().unwrap();
}
