//! GLPI's agent, where it is installed, as docs/monitoring.md sets a machine up for it.

use telarch_peers::{GlpiAgent, Telarchd, WayIn, Winrm};

const IDENTIFIER: &str = "peer-2026-11-22-08-30-00";

#[test]
fn it_writes_an_inventory_of_a_prepared_machine() {
    let service = Telarchd::start(&[("Identify.ProductVendor", "Microsoft Corporation")]);
    let Some(agent) = GlpiAgent::against(&service) else { return };
    let values = format!(
        "@{{hDefKey=\"2147483650\";sSubKeyName=\"SOFTWARE\\GLPI-Agent\\Remote\";sValueName=\"deviceid\";sValue=\"{IDENTIFIER}\"}}"
    );
    let stored = Winrm::against(&service, WayIn::BasicOverHttps).run(&[
        "invoke",
        "SetStringValue",
        "wmi/root/default/StdRegProv",
        &values,
    ]);
    assert!(stored.text().0.contains("ReturnValue = 0"), "{stored:?}");
    // Some thousands of packages take some ten thousand requests.
    let run = agent.run("software");
    let inventories = agent.inventories();
    let [(name, inventory)] = inventories.as_slice() else { panic!("{inventories:?}: {run:?}") };
    assert_eq!(name, &format!("{IDENTIFIER}.xml"));
    let reported = |path: &[&str]| {
        let inside = path.iter().try_fold(inventory.as_str(), |text, tag| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            rest.split_once(&format!("</{tag}>")).map(|(inside, _)| inside)
        });
        inside.unwrap_or_else(|| panic!("no {path:?} in {inventory}"))
    };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux");
    assert!(kernel.starts_with(reported(&["OPERATINGSYSTEM", "KERNEL_VERSION"])), "{kernel}: {inventory}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux");
    let host = host.trim().split('.').next().expect("a name");
    assert!(reported(&["HARDWARE", "NAME"]).eq_ignore_ascii_case(host), "{host}: {inventory}");
    for part in ["CPUS", "DRIVES", "NETWORKS"] {
        assert!(!reported(&[part]).is_empty());
    }
}

#[test]
fn it_reports_the_missing_settings_of_an_unprepared_machine() {
    for (vendor, missing) in [
        ("", "Winrm not supported on WsMan backend"),
        ("Microsoft Corporation", "Can't store deviceid on remote"),
    ] {
        let service = Telarchd::start(&[("Identify.ProductVendor", vendor)]);
        let Some(agent) = GlpiAgent::against(&service) else { return };
        let run = agent.run("software");
        assert!(run.text().1.contains(missing), "{run:?}");
        assert_eq!(agent.inventories(), []);
    }
}
