//! `telarch ipmi -H local`, and the service, beside `ipmitool -I open`, in a virtual machine with a real `/dev/ipmi0`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use telarch_simulated_bmc::{Guest, SimulatedBmc, is_installed};

use crate::ipmi::{fields, the_same_inventory, the_same_log, the_same_sensors};

/// The Debian kernel that `./test --install` unpacks in long mode.
fn kernel() -> PathBuf {
    let peers = std::env::var_os("TELARCH_PEERS");
    peers
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.peers"), PathBuf::from)
        .join("kernel")
}

/// A virtual machine with both programs and a controller; `None` if it cannot run here or is not requested.
fn machine() -> Option<(Guest, SimulatedBmc)> {
    if std::env::var_os("TELARCH_LONG").is_none() {
        skips::skip!("a virtual machine is started with TELARCH_LONG=1 only, as .ci/run --long does");
        return None;
    }
    if !is_installed("ipmitool", "ipmitool") {
        return None;
    }
    let guest = Guest::with_kernel(&kernel())?;
    let bmc = SimulatedBmc::start_for_machine()?;
    let guest = guest.program(Path::new(OURS)).program(Path::new("/usr/bin/ipmitool"));
    Some((guest, bmc))
}

#[test]
fn telarch_and_ipmitool_agree_over_the_linux_driver() {
    let Some((guest, bmc)) = machine() else { return };
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

#[test]
fn administrators_use_the_driver_through_the_service() {
    let Some((mut guest, bmc)) = machine() else { return };
    for name in ["telarchd", "winrm"] {
        let program = Path::new(OURS).with_file_name(name);
        assert!(
            program.is_file(),
            "{} is missing\n  build it with: cargo build --bin {name}",
            program.display()
        );
        guest = guest.program(&program);
    }
    let guest = guest
        .file("etc/passwd", USERS)
        .file("etc/group", "root:x:0:\nann:x:1001:\nben:x:1002:\nwmi:x:1003:ben\nchiefs:x:1004:ann\n")
        .file(
            "etc/telarch/config.toml",
            "[Groups]\nAdministrators = [\"chiefs\"]\nWinRMRemoteWMIUsers__ = [\"wmi\"]\n",
        );
    let outputs = guest.run(
        &bmc,
        &[
            "mkdir -p /run/telarch /var/lib/telarch; chmod 755 /run/telarch",
            // Only the broker rejects this user.
            "telarch wmi security root/hardware 'D:(A;CI;0x6003f;;;WD)' 2>&1",
            "telarchd >/log 2>&1 & n=0
             while [ ! -S /run/telarch/local.sock ] && [ $n -lt 600 ]; do usleep 100000; n=$((n+1)); done",
            "ipmitool -I open -c sdr elist full",
            "su ann -c 'telarch ipmi info -H local' 2>&1",
            "su ann -c 'winrm enumerate wmi/root/hardware/NumericSensor' 2>&1",
            "su ben -c 'winrm enumerate wmi/root/hardware/NumericSensor' 2>&1",
            "ps -o user,args",
            "cat /log",
        ],
    );
    let [_, _, _, theirs, unaided, ann, ben, processes, _log] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(unaided.contains("Permission denied"), "{unaided}");
    the_same_readings(ann, theirs).unwrap_or_else(|why| panic!("{why}: {outputs:#?}"));
    let is_host = |line: &str| line.starts_with("ann ") && line.contains("telarchd: host of ann ");
    assert!(processes.lines().any(is_host), "{processes}");
    assert!(ben.contains("members of BUILTIN\\Administrators"), "{outputs:#?}");
    assert!(!ben.contains("CurrentReading"), "{ben}");
}

/// Compares the rows of `winrm` with the comma-separated lines of ipmitool.
fn the_same_readings(rows: &str, theirs: &str) -> Result<(), String> {
    let rows: Vec<BTreeMap<&str, &str>> = rows
        .split("NumericSensor\n")
        .map(|row| row.lines().filter_map(|line| line.trim().split_once(" = ")).collect())
        .collect();
    let mut compared = 0;
    for line in theirs.lines() {
        let cells: Vec<&str> = line.split(',').collect();
        // ipmitool does not decode a name in six-bit ASCII.
        let is_it = |row: &&BTreeMap<&str, &str>| row.get("ElementName") == Some(&cells[0]);
        let Some(row) = rows.iter().find(is_it) else { continue };
        let number = |name: &str| row.get(name).and_then(|text| text.parse::<i32>().ok());
        let (Some(digits), Some(power)) = (number("CurrentReading"), number("UnitModifier")) else {
            return Err(format!("no reading in {row:?}"));
        };
        let (ours, their) = (f64::from(digits) * 10_f64.powi(power), cells[1].parse::<f64>().unwrap());
        if (ours - their).abs() > 0.005_f64.max(their.abs() * 0.005) {
            return Err(format!("{line}: {row:?}"));
        }
        compared += 1;
    }
    if compared == 20 { Ok(()) } else { Err(format!("{compared} sensors are the same")) }
}

const OURS: &str = env!("CARGO_BIN_EXE_telarch");
/// Lets `telarch` access the network on behalf of the service.
const USERS: &str = "root:x:0:0::/root:/bin/sh\ntelarch:x:999:999::/:/bin/false\n\
                     ann:x:1001:1001::/tmp:/bin/sh\nben:x:1002:1002::/tmp:/bin/sh\n";
