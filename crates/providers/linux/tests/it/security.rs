//! Tests of descriptors: conversions between their forms, and descriptors of files.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use cim::{Instance, Value};
use telarch_provider_linux::Machine;

use crate::{call_on, rows_of, text};

/// Returns this machine, with a fixed SID.
fn machine() -> Arc<Machine> {
    Arc::new(Machine::this().with_sid(sddl::DomainSid::new([1, 2, 3])))
}

async fn convert(method: &str, input: &[(&str, Value)]) -> Instance {
    call_on(&machine(), "Win32_SecurityDescriptorHelper", method, input).await.unwrap()
}

fn object<'a>(instance: &'a Instance, name: &str) -> &'a Instance {
    match instance.value(name) {
        Some(Value::Object(object)) => object,
        other => panic!("{name} is {other:?}"),
    }
}

fn hex(value: &Value) -> String {
    let octets = value.elements().iter().map(|octet| octet.as_integer().unwrap());
    octets.map(|octet| format!("{octet:02x}")).collect()
}

const TEXTS: [&str; 4] = [
    "O:BAG:SYD:PAI(A;OICI;FA;;;BA)(D;;0x1200a9;;;S-1-5-21-1-2-3-3000)S:(AU;SAFA;WD;;;WD)",
    "O:S-1-5-21-1-2-3-500G:DUD:(A;;GR;;;AU)",
    "D:(A;ID;CCDC;;;NS)",
    "O:BA",
];

#[tokio::test]
async fn descriptors_convert_between_all_forms() {
    for sddl in [TEXTS[0], TEXTS[2], TEXTS[3]] {
        let binary = convert("SDDLToBinarySD", &[("SDDL", sddl.into())]).await;
        assert_eq!(text(&binary, "ReturnValue"), "0", "{sddl}");
        let octets = binary.value("BinarySD").unwrap().clone();
        let object = convert("BinarySDToWin32SD", &[("BinarySD", octets.clone())]).await;
        let object = object.value("Descriptor").unwrap().clone();
        assert_eq!(
            convert("SDDLToWin32SD", &[("SDDL", sddl.into())]).await.value("Descriptor"),
            Some(&object)
        );
        let back = convert("Win32SDToBinarySD", &[("Descriptor", object.clone())]).await;
        assert_eq!(back.value("BinarySD"), Some(&octets), "{sddl}");
        assert_eq!(text(&convert("Win32SDToSDDL", &[("Descriptor", object)]).await, "SDDL"), sddl);
        assert_eq!(text(&convert("BinarySDToSDDL", &[("BinarySD", octets)]).await, "SDDL"), sddl);
    }
}

#[tokio::test]
async fn the_binary_form_is_that_of_samba() {
    let script = "import sys\nfrom samba.dcerpc import security\nfrom samba.ndr import ndr_pack\n\
                  domain = security.dom_sid('S-1-5-21-1-2-3')\n\
                  print(ndr_pack(security.descriptor.from_sddl(sys.argv[1], domain)).hex())";
    let there = std::process::Command::new("/usr/bin/python3").args(["-c", "import samba.dcerpc"]).output();
    if !there.is_ok_and(|there| there.status.success()) {
        skips::skip!("there is no python3-samba here (./test --install)");
        return;
    }
    // In Samba 4.17, FA stands for other rights than in Windows.
    for sddl in
        ["O:BAG:SYD:PAI(A;OICI;0x1f01ff;;;BA)(D;;0x1200a9;;;S-1-5-21-1-2-3-3000)", "O:LAD:(A;;GR;;;AU)"]
    {
        let samba = crate::output("/usr/bin/python3", &["-c", script, sddl]);
        // Both arrange the parts freely: Samba's bytes, decoded and encoded again here, must equal those
        // encoded from the text.
        let octets: Vec<u8> = (0..samba.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&samba[at..at + 2], 16).unwrap())
            .collect();
        let read = convert("BinarySDToSDDL", &[("BinarySD", octets.into())]).await;
        let ours = convert("SDDLToBinarySD", &[("SDDL", sddl.into())]).await;
        let again = convert("SDDLToBinarySD", &[("SDDL", text(&read, "SDDL").into())]).await;
        assert_eq!(hex(again.value("BinarySD").unwrap()), hex(ours.value("BinarySD").unwrap()), "{sddl}");
    }
}

#[tokio::test]
async fn setting_data_names_existing_objects() {
    let made = convert("SDDLToWin32SD", &[("SDDL", "O:S-1-5-21-1-2-3-500G:SYD:(A;;FR;;;BA)".into())]).await;
    let descriptor = object(&made, "Descriptor");
    assert_eq!(descriptor.class().name().as_str(), "Win32_SecurityDescriptor");
    let owner = object(descriptor, "Owner");
    let host = machine().host_name();
    assert_eq!(
        ["Name", "Domain", "SIDString"].map(|name| text(owner, name)),
        ["root", &host, "S-1-5-21-1-2-3-500"]
    );
    assert_eq!(text(descriptor, "ControlFlags"), 0x8004.to_string());
    let Some(Value::Object(entry)) = descriptor.value("DACL").unwrap().elements().first() else {
        panic!("no entry")
    };
    assert_eq!([text(entry, "AccessMask"), text(entry, "AceType")], [0x12_0089.to_string(), "0".to_owned()]);
    assert_eq!(text(object(entry, "Trustee"), "Name"), "Administrators");

    // On the way back, a name alone suffices.
    let named = Instance::new(owner.class().clone()).with("Name", "root").unwrap();
    let again = descriptor.clone().with("Owner", Value::Object(named.into())).unwrap();
    let sddl = convert("Win32SDToSDDL", &[("Descriptor", Value::Object(again.into()))]).await;
    assert_eq!(text(&sddl, "SDDL"), "O:S-1-5-21-1-2-3-500G:SYD:(A;;FR;;;BA)");
}

#[tokio::test]
async fn invalid_descriptors_return_windows_codes() {
    let code =
        async |method: &str, input: &[(&str, Value)]| text(&convert(method, input).await, "ReturnValue");
    for (sddl, expected) in [
        ("D:(A;;FR;;;XX)", "1332"),
        ("D:(A;;FR;;;DA)", "1332"),
        ("D:(Q;;FR;;;BA)", "1336"),
        ("D:NO_ACCESS_CONTROL", "1336"),
        ("rubbish", "87"),
    ] {
        assert_eq!(code("SDDLToBinarySD", &[("SDDL", sddl.into())]).await, expected, "{sddl}");
    }
    assert_eq!(code("SDDLToWin32SD", &[]).await, "87");
    assert_eq!(code("BinarySDToSDDL", &[("BinarySD", vec![1_u8, 0].into())]).await, "1338");
    let object = convert("SDDLToWin32SD", &[("SDDL", "O:BA".into())]).await;
    let object = object.value("Descriptor").unwrap();
    let Value::Object(descriptor) = object else { panic!("{object:?}") };
    let claimed =
        descriptor.as_ref().clone().with("DACL", Value::Null).unwrap().with("ControlFlags", 4_u32).unwrap();
    assert_eq!(code("Win32SDToSDDL", &[("Descriptor", Value::Object(claimed.into()))]).await, "1338");
    let nobody = self::object(descriptor, "Owner").clone();
    let nobody = Instance::new(nobody.class().clone()).with("Name", "no such user").unwrap();
    let unknown = descriptor.as_ref().clone().with("Owner", Value::Object(nobody.into())).unwrap();
    assert_eq!(code("Win32SDToSDDL", &[("Descriptor", Value::Object(unknown.into()))]).await, "1332");
}

#[tokio::test]
async fn file_mode_becomes_a_descriptor() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
    let path = format!("Win32_LogicalFileSecuritySetting.Path=\"{}\"", file.display());
    let made = call_on(&machine(), &path, "GetSecurityDescriptor", &[]).await.unwrap();
    assert_eq!(text(&made, "ReturnValue"), "0");
    let sddl = convert("Win32SDToSDDL", &[("Descriptor", made.value("Descriptor").unwrap().clone())]).await;
    let me = rustix_ids(&file);
    let expected = format!(
        "O:{0}G:{1}D:P(A;;0x16019f;;;{0})(D;;CC;;;{1})(A;;FR;;;WD)",
        sddl::linux::user_sid(me.0, sddl::DomainSid::new([1, 2, 3])),
        sddl::linux::group_sid(me.1, sddl::DomainSid::new([1, 2, 3])),
    );
    assert_eq!(text(&sddl, "SDDL"), expected);
    let query = format!("SELECT * FROM Win32_LogicalFileSecuritySetting WHERE Path = '{}'", file.display());
    let rows = rows_of(&machine(), &query).await;
    assert_eq!(text(&rows[0], "ControlFlags"), 0x9004.to_string());
}

fn rustix_ids(file: &std::path::Path) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt as _;
    let facts = std::fs::metadata(file).unwrap();
    (facts.uid(), facts.gid())
}
