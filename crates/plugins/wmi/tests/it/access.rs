//! Who may ask in a namespace.

use service::Whence;
use wsman::{Subcode, code};

use crate::asking::{Ask, Asked};

#[tokio::test]
async fn whoever_is_no_administrator_asks_from_the_machine_itself_only() {
    let asked = Asked::new();
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
        let (fault, message) = asked.fault(&ask.clone().by_nobody(Whence::Network)).await;
        assert_eq!(
            (fault.subcode(), fault.code()),
            (&Subcode::AccessDenied, code::WMI_ACCESS_DENIED),
            "{message}"
        );
    }
    let here = Ask::transfer("Site_Note", "Get").selector("Id", "1").by_nobody(Whence::ThisMachine);
    assert!(asked.body(&here).await.is_ok());
}

#[tokio::test]
async fn what_does_not_exist_is_not_told_to_those_who_may_not_ask() {
    let asked = Asked::new();
    let ask = Ask::transfer("Nothing", "Get").selector("Id", "1").by_nobody(Whence::Network);
    assert_eq!(asked.fault(&ask).await.0.code(), code::WMI_ACCESS_DENIED);
}
