//! `telarch ipmi -H local` beside `ipmitool -I open`, in a virtual machine with a real `/dev/ipmi0`.

use std::path::{Path, PathBuf};

use telarch_simulated_bmc::{Guest, SimulatedBmc, is_installed};

use crate::ipmi::{fields, the_same_inventory, the_same_log, the_same_sensors};

/// Where `./test --install` unpacks a kernel of Debian in long mode.
fn kernel() -> PathBuf {
    let peers = std::env::var_os("TELARCH_PEERS");
    peers
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.peers"), PathBuf::from)
        .join("kernel")
}

#[test]
fn the_driver_of_linux_says_the_same_to_telarch_and_to_ipmitool() {
    if std::env::var_os("TELARCH_LONG").is_none() {
        eprintln!("SKIPPED: a virtual machine is started with TELARCH_LONG=1 only, as .ci/run --long does");
        return;
    }
    if !is_installed("ipmitool", "ipmitool") {
        return;
    }
    let Some(guest) = Guest::with_kernel(&kernel()) else { return };
    let Some(bmc) = SimulatedBmc::start_for_machine() else { return };
    let guest =
        guest.program(Path::new(env!("CARGO_BIN_EXE_telarch"))).program(Path::new("/usr/bin/ipmitool"));
    let outputs = guest.run(
        &bmc,
        &[
            "telarch ipmi sensors -H local --format json",
            "ipmitool -I open -c sdr elist full",
            "telarch ipmi sel list -H local",
            "ipmitool -I open sel elist",
            "telarch ipmi fru -H local",
            "ipmitool -I open fru print 0",
            "telarch ipmi info -H local",
            "ipmitool -I open mc info",
            "telarch ipmi raw 6 1 -H local",
            "ipmitool -I open raw 6 1",
            "telarch ipmi raw 6 0x7f -H local 2>&1",
            "telarch ipmi power status -H local",
            "ipmitool -I open chassis power status",
        ],
    );
    let [sensors, their_sensors, log, their_log, inventory, their_inventory, rest @ ..] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    the_same_sensors(sensors, their_sensors);
    the_same_log(log, their_log);
    the_same_inventory(inventory, their_inventory);
    let [info, their_info, raw, their_raw, unknown, power, their_power] = rest else {
        panic!("{rest:?}");
    };
    let (info, their_info) = (fields(info), fields(their_info));
    for name in ["Device ID", "Firmware Revision", "IPMI Version", "Manufacturer ID"] {
        assert!(info.contains_key(name), "{info:?}");
        if name != "Firmware Revision" {
            assert_eq!(info.get(name), their_info.get(name), "{name}");
        }
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(raw), words(their_raw));
    assert!(words(raw).len() >= 11, "{raw}");
    assert!(unknown.contains("completion code c1h"), "{unknown}");
    assert_eq!(power, their_power);
}
