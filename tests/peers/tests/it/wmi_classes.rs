//! Classes of a Linux machine that take more than reading files, through the service.

use std::fs;

use serde_json::json;
use telarch_peers::{Peer, Pypsrp, Pywinrm, Telarchd, WayIn, in_world};

const CIMV2: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";

#[test]
fn a_disk_is_found_by_its_configured_drive_letter() {
    let name = "wmi_classes::a_disk_is_found_by_its_configured_drive_letter";
    in_world(name, &[], |_| {
        fs::create_dir_all("/etc/telarch").expect("a folder");
        fs::write("/etc/telarch/wmi.toml", "drive_alias = { \"C:\" = \"/\" }\n").expect("a file");
        let way = WayIn::BasicOverHttps;
        let service = Telarchd::start_for(way);
        let ask = |query: &str| {
            let query = json!({"resource": format!("{CIMV2}/*"), "query": query});
            Pywinrm::against(&service, way).ask("query", query).expect("not refused")
        };
        let letter = ask("SELECT DeviceID, FileSystem, Size FROM Win32_LogicalDisk WHERE DeviceID = 'c:'");
        let place = ask("SELECT DeviceID, FileSystem, Size FROM Win32_LogicalDisk WHERE DeviceID = '/'");
        assert_eq!((&letter[0]["DeviceID"], &place[0]["DeviceID"]), (&json!("C:"), &json!("/")));
        assert_eq!(letter[0]["Size"], place[0]["Size"]);
    });
}

#[test]
fn descriptors_go_to_objects_and_back_through_the_service() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    let peer = Pypsrp::against(&service, way);
    let helper = format!("{CIMV2}/Win32_SecurityDescriptorHelper");
    let sddl = "O:BAG:SYD:P(A;OICI;FA;;;BA)(D;;FR;;;WD)";
    let call = |method: &str, parameters: serde_json::Value| {
        let call = json!({"resource": helper, "method": method, "parameters": parameters});
        let [answer] = peer.manage([("invoke", call)]);
        answer.expect("not refused")[format!("{method}_OUTPUT")].clone()
    };
    let object = call("SDDLToWin32SD", json!({"SDDL": sddl}));
    assert_eq!(object["ReturnValue"], "0", "{object}");
    assert_eq!(object["Descriptor"]["DACL"][0]["Trustee"]["SIDString"], "S-1-5-32-544", "{object}");
    let octets = call("SDDLToBinarySD", json!({"SDDL": sddl}));
    let back = call("BinarySDToSDDL", json!({"BinarySD": octets["BinarySD"]}));
    assert_eq!((&back["SDDL"], &back["ReturnValue"]), (&json!(sddl), &json!("0")));
}
