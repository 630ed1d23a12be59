//! Settings of `telarch ipmi` that `ipmi_sim` does not support, on our simulated controller, compared with ipmitool and
//! FreeIPMI.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use telarch_simulated_bmc::{
    Board, Configuration, ControllerGroup, Network, SimulatedBmc, free_ipmi, ipmitool, ipmitool_fails,
    settings,
};

use crate::ipmi::{fields, printed};
use crate::{Ran, run, telarch};

/// Starts our simulated controller; returns it with its address.
pub(crate) fn ours(board: Board) -> (ControllerGroup, String) {
    let group = ControllerGroup::of(vec![(settings(0), board)], Network::default());
    let address = group.addresses()[0].to_string();
    (group, address)
}

pub(crate) fn ask(address: &str, arguments: &[&str]) -> Ran {
    let mut command = telarch(&["ipmi"]);
    command.args(arguments).args(["-H", address, "-U", "admin", "--limit", "3"]);
    run(command.env("TELARCH_IPMI_PASSWORD", "admin-pw"), "")
}

/// Runs `telarch ipmi`, which must succeed, and returns its output.
pub(crate) fn said(address: &str, arguments: &[&str]) -> String {
    let ran = ask(address, arguments);
    assert_eq!((ran.errors.as_str(), ran.code), ("", 0), "{arguments:?}");
    ran.out
}

#[test]
fn hysteresis_is_set_in_the_unit_of_the_sensor() {
    let (group, bmc) = ours(Board::default());
    let set = fields(&said(&bmc, &["hysteresis", "VBAT", "0.05", "0.03"]));
    assert_eq!((set["Positive Hysteresis"].as_str(), set["Negative Hysteresis"].as_str()), ("0.05", "0.03"));
    assert_eq!((set["Raw Positive Hysteresis"].as_str(), set["Unit"].as_str()), ("5", "V"));
    let Some(theirs) = ipmitool(&bmc, &["raw", "0x04", "0x25", "8", "0xff"]) else { return };
    assert_eq!(theirs.trim(), "05 03");
    let far = ask(&bmc, &["hysteresis", "VBAT", "2.9", "0"]);
    assert!(far.code == 1 && far.errors.contains("values from 0 to "), "{}", far.errors);
    let none = ask(&bmc, &["hysteresis", "PSU1 Status"]);
    assert!(
        none.code == 1 && none.errors.contains("the name of a sensor with thresholds"),
        "{}",
        none.errors
    );
    drop(group);
}

#[test]
fn enabled_sensor_events_match_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let compare = |sensor: &str| {
        let ours = fields(&printed(&bmc, &["events", sensor]));
        let theirs = fields(&bmc.ipmitool(&["sensor", "get", sensor])?);
        for name in ["Assertions Enabled", "Deassertions Enabled"] {
            let sorted = |text: &str| {
                let mut names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
                names.sort();
                names
            };
            let theirs = theirs.get(name).map(String::as_str).unwrap_or_default();
            assert_eq!(sorted(&ours[name]), sorted(theirs), "{sensor} {name}");
        }
        Some(())
    };
    if compare("VBAT").is_none() {
        return;
    }
    compare("CPU1 Temp").unwrap();
    let without = fields(&printed(&bmc, &["events", "VBAT", "disable", "both", "lnc-", "lnr-"]));
    assert_eq!((without["Assertions Enabled"].as_str(), without["Event Messages"].as_str()), ("lcr-", "yes"));
    compare("VBAT").unwrap();
    let again = fields(&printed(&bmc, &["events", "VBAT", "enable", "assert", "lnc-"]));
    assert_eq!(
        (again["Assertions Enabled"].as_str(), again["Deassertions Enabled"].as_str()),
        ("lnc- lcr-", "lcr-")
    );
    assert_eq!(fields(&printed(&bmc, &["events", "VBAT", "off"]))["Event Messages"], "no");
    let states = fields(&printed(&bmc, &["events", "PSU1 Status"]));
    assert!(states["Assertions Enabled"].starts_with("0 present, 1 failed"), "{states:?}");
}

#[test]
fn ipv6_addresses_match_ipmitool() {
    let (_crowd, bmc) = ours(Board::default());
    for (words, answer) in [
        (&["lan6", "set", "use", "both"][..], "changed the settings of the controller\n"),
        (&["lan6", "set", "address", "2001:db8::7/64", "1"], "changed the settings of the controller\n"),
        (&["lan6", "set", "routers", "both"], "changed the settings of the controller\n"),
        (&["lan6", "set", "router", "fe80::1"], "changed the settings of the controller\n"),
    ] {
        assert_eq!(said(&bmc, words), answer, "{words:?}");
    }
    let ours = fields(&said(&bmc, &["lan6"]));
    for (name, value) in [
        ("Addresses In Use", "both"),
        ("Address Slots", "2 static, 1 dynamic (dhcpv6, slaac)"),
        ("Static Addresses", "1: 2001:db8::7/64 static active"),
        ("Dynamic Addresses", "0: fe80::9/64 slaac active"),
        ("Routers In Use", "both"),
        ("Static Router", "fe80::1"),
    ] {
        assert_eq!(ours[name], value, "{name}");
    }
    let Some(theirs) = ipmitool(&bmc, &["lan6", "print", "1"]) else { return };
    let theirs = theirs.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "IPv6/IPv4 Addressing Enables: both",
        "Static address max: 2 Dynamic address max: 1 DHCPv6 support: yes SLAAC support: yes",
        "IPv6 Static Address 1: Enabled: yes Address: 2001:db8::7/64 Status: active",
        "IPv6 Dynamic Address 0: Source/Type: SLAAC Address: fe80::9/64 Status: active",
        "Enable static router address: yes Enable dynamic router address: yes",
        "IPv6 Static Router 1: Address: fe80::1",
    ] {
        assert!(theirs.contains(part), "{part} is not in {theirs}");
    }
    let Some(_) =
        ipmitool(&bmc, &["lan6", "set", "1", "nolock", "static_addr", "0", "enable", "2001:db8::9", "48"])
    else {
        return;
    };
    let ours = fields(&said(&bmc, &["lan6"]));
    assert!(ours["Static Addresses"].starts_with("0: 2001:db8::9/48 "), "{ours:?}");
    said(&bmc, &["lan6", "set", "address", "off"]);
    assert!(!said(&bmc, &["lan6"]).contains("2001:db8::9"));
}

#[test]
fn a_controller_without_ipv6_is_reported() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ran = crate::ipmi::ipmi(&bmc, &["lan6"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.errors.contains("IPv6 of the controller is not there"), "{}", ran.errors);
}

#[test]
fn channel_settings_match_ipmitool_and_freeipmi() {
    let (_crowd, bmc) = ours(Board::default());
    let set = fields(&said(&bmc, &["channel", "set", "alerting", "off", "1"]));
    assert_eq!((set["Alerting"].as_str(), set["Access Mode"].as_str()), ("no", "always available"));
    said(&bmc, &["channel", "set", "user-level", "off"]);
    said(&bmc, &["channel", "set", "mode", "shared"]);
    said(&bmc, &["channel", "set", "limit", "operator"]);
    let Some(theirs) = ipmitool(&bmc, &["channel", "info", "1"]) else { return };
    for (title, value) in
        [("Alerting", "disabled"), ("User Level Auth", "disabled"), ("Access Mode", "shared")]
    {
        let line = format!("{title:<20}: {value}");
        assert_eq!(theirs.matches(&line).count(), 2, "now and later {line}: {theirs}");
    }
    let checkout = ["--category=core", "--checkout", "--section=Lan_Channel"];
    let Some(theirs) = free_ipmi(&bmc, "ipmi-config", &checkout) else { return };
    let theirs = theirs.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "Volatile_Enable_Pef_Alerting No",
        "Non_Volatile_Enable_User_Level_Auth No",
        "Non_Volatile_Access_Mode Shared",
        "Volatile_Channel_Privilege_Limit Operator",
    ] {
        assert!(theirs.contains(part), "{part} is not in {theirs}");
    }
    // The simulator accepts the change and does not store it.
    let Some(other) = SimulatedBmc::start() else { return };
    let ran = crate::ipmi::ipmi(&other, &["channel", "set", "alerting", "off"]);
    assert!(ran.code == 1 && ran.errors.contains("reading it back returns mode "), "{}", ran.errors);
}

#[test]
fn cipher_suites_of_a_channel_match_ipmitool() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let ours: serde_json::Value =
        serde_json::from_str(&printed(&bmc, &["channel", "ciphers", "--format", "json"])).unwrap();
    let ours: Vec<String> = ours
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let word = |name: &str| row[name].as_str().unwrap().to_owned();
            format!(
                "{} {} {} {}",
                row["id"],
                word("authentication"),
                word("integrity"),
                word("confidentiality")
            )
        })
        .collect();
    let Some(theirs) = bmc.ipmitool(&["channel", "getciphers", "ipmi", "1"]) else { return };
    let theirs: Vec<String> = theirs
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().filter(|cell| *cell != "N/A").collect::<Vec<_>>().join(" "))
        .collect();
    // ipmitool truncates a long list.
    assert!(theirs.len() > 10 && ours.starts_with(&theirs), "{ours:?} {theirs:?}");
}

#[test]
fn a_key_is_set_from_a_file_over_encrypted_sessions_only() {
    let (group, bmc) = ours(Board::default());
    assert_eq!(fields(&said(&bmc, &["kg"]))["K_g Is Set"], "no");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kg");
    fs::write(&path, "0x612d00ff\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let file = path.to_str().unwrap();
    assert_eq!(said(&bmc, &["kg", "set", "--new-kg-file", file]), "set the key\n");
    assert!(group.first(|board| board.configuration.group_key.starts_with(b"a-\0\xff\0")));
    fs::write(&path, "a-key-of-our-own\n").unwrap();
    assert_eq!(said(&bmc, &["kg", "set", "--new-kg-file", file]), "set the key\n");
    assert!(group.first(|board| board.configuration.group_key.starts_with(b"a-key-of-our-own\0")));
    assert_eq!(fields(&said(&bmc, &["kg"]))["K_g Is Set"], "yes");
    let shown = [&["kg"][..], &["kg", "--format", "json"]].map(|words| said(&bmc, words)).concat();
    assert!(!shown.contains("a-key"), "{shown}");
    let Some(theirs) = free_ipmi(
        &bmc,
        "ipmi-config",
        &["--category=core", "--checkout", "--section=Lan_Conf_Security_Keys"],
    ) else {
        return;
    };
    assert!(theirs.contains("a-key-of-our-own"), "{theirs}");
}

#[test]
fn a_change_that_was_not_applied_is_reported() {
    let configuration = Configuration { forgets: true, ..Configuration::default() };
    let (_crowd, bmc) = ours(Board { configuration, ..Board::default() });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new");
    fs::write(&path, "another-pw\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for (words, difference) in [
        (&["lan", "set", "gateway", "10.0.7.254"][..], "10.0.7.1 instead of 10.0.7.254"),
        (&["lan", "set", "vlan", "9"], "off instead of 9"),
        (&["lan", "set", "suite", "3", "user"], "administrator instead of user"),
        (&["lan6", "set", "use", "both"], "ipv4 instead of both"),
        (&["lan6", "set", "address", "2001:db8::7/64"], "off instead of 2001:db8::7/64"),
        (&["user", "name", "4", "reader"], "\"viewer\" instead of \"reader\""),
        (&["user", "disable", "4"], "enabled instead of disabled"),
        (
            &["user", "level", "4", "operator"],
            "level user, messaging on instead of level operator, messaging on",
        ),
        (
            &["user", "password", "4", "--new-password-file", path.to_str().unwrap()],
            "another password instead of the new password",
        ),
        (&["sol", "set", "enabled", "off"], "on instead of off"),
        (&["sol", "set", "rate", "9.6"], "115.2 instead of 9.6"),
        (
            &["channel", "set", "limit", "user"],
            "on instead of mode always available, limit user, alerting on",
        ),
        (&["hysteresis", "VBAT", "0.05", "0.03"], "2 and 2 raw counts instead of 5 and 3 raw counts"),
        (&["threshold", "VBAT", "lnc", "2.7"], "nothing instead of 2.7"),
        (
            &["events", "VBAT", "disable", "both", "lnr+", "ucr+", "unc+"],
            "masks 0a80h and 0a80h instead of events on, scanning on, masks 0800h and 0800h",
        ),
        (&["power", "policy", "always-on"], "previous instead of always-on"),
        (&["watchdog", "set", "reset", "60"], "none after 0 s instead of reset after 60 s"),
        (&["identify", "on"], "off instead of on"),
        (
            &["boot", "pxe", "efi", "always"],
            "none, next start, legacy, not valid instead of pxe, all starts, efi, valid",
        ),
    ] {
        let ran = ask(&bmc, words);
        let is_told = ran.errors.contains("reading it back returns ") && ran.errors.contains(difference);
        assert!(ran.code == 1 && is_told && ran.out.is_empty(), "{words:?}: {} {}", ran.out, ran.errors);
    }
}

#[test]
fn a_controller_that_changed_its_address_is_no_failure() {
    let (group, bmc) = ours(Board::default());
    // The controller responds twice before it changes its address: to the channel query and to the start of the change.
    group.first(|board| board.silent_after = Some(3));
    let said = said(&bmc, &["lan", "set", "address", "10.0.7.77"]);
    assert!(said.contains("it may have changed its address"), "{said}");
}

#[test]
fn users_match_ipmitool_after_changes() {
    let (_crowd, bmc) = ours(Board::default());
    said(&bmc, &["user", "name", "5", "reader"]);
    said(&bmc, &["user", "level", "5", "user"]);
    assert_eq!(said(&bmc, &["user", "enable", "5"]), "enabled user 5\n");
    let Some(theirs) = ipmitool(&bmc, &["channel", "getaccess", "1", "5"]) else { return };
    let theirs = fields(&theirs);
    assert_eq!((theirs["User Name"].as_str(), theirs["Privilege Level"].as_str()), ("reader", "USER"));
    assert_eq!(theirs["Enable Status"], "enabled");
    said(&bmc, &["user", "disable", "5"]);
    let theirs = fields(&ipmitool(&bmc, &["channel", "getaccess", "1", "5"]).unwrap());
    assert_eq!(theirs["Enable Status"], "disabled");
}

#[test]
fn power_policy_cause_hours_and_watchdog_match_ipmitool() {
    let (_crowd, bmc) = ours(Board::default());
    let Some(theirs) = ipmitool(&bmc, &["chassis", "restart_cause"]) else { return };
    assert!(theirs.contains("watchdog expired"), "{theirs}");
    assert_eq!(said(&bmc, &["power", "cause"]), "System restart cause: the watchdog\n");
    let theirs = ipmitool(&bmc, &["chassis", "poh"]).unwrap();
    assert!(theirs.contains("51 days, 10 hours"), "{theirs}");
    assert_eq!(said(&bmc, &["power", "hours"]), "Power On: 51 days, 10 hours\n");
    for policy in ["always-on", "always-off", "previous"] {
        said(&bmc, &["power", "policy", policy]);
        let theirs = fields(&ipmitool(&bmc, &["chassis", "status"]).unwrap());
        assert_eq!(theirs["Power Restore Policy"], policy);
    }
    let ours = fields(&said(&bmc, &["watchdog", "set", "cycle", "90"]));
    assert_eq!(
        (ours["Watchdog Timer Action"].as_str(), ours["Initial Countdown"].as_str()),
        ("cycle", "90.0")
    );
    let theirs = ipmitool(&bmc, &["mc", "watchdog", "get"]).unwrap();
    assert!(theirs.contains("Power Cycle") && theirs.contains("90.0 sec"), "{theirs}");
    said(&bmc, &["watchdog", "reset"]);
    said(&bmc, &["watchdog", "off"]);
}

#[test]
fn user_test_matches_ipmitool() {
    let (_crowd, bmc) = ours(Board::default());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (file("right", "Rabbit-7\n"), file("wrong", "rabbit-7\n"));
    let long = file("long", "twenty octets of it!\n");
    let test = |path: &str| ask(&bmc, &["user", "test", "3", "--new-password-file", path]);
    let is_right = |path: &str| {
        let ran = test(path);
        assert_eq!((ran.out.as_str(), ran.errors.as_str()), ("user 3: the password is correct\n", ""));
        assert_eq!(ran.code, 0);
    };
    let is_not = |path: &str, what: &str| {
        let ran = test(path);
        let reported = format!("telarch: {bmc}: user 3: the password is {what}\n");
        assert_eq!((ran.out.as_str(), ran.errors, ran.code), ("", reported, 1));
    };
    said(&bmc, &["user", "password", "3", "--new-password-file", &right]);
    is_right(&right);
    is_not(&wrong, "wrong");
    is_not(&long, "stored with another size");
    let json = ask(&bmc, &["user", "test", "3", "--new-password-file", &wrong, "--format", "json"]);
    assert!(json.code == 1 && json.out.contains("\"user 3: the password is wrong\""), "{}", json.out);
    let Some(theirs) = ipmitool(&bmc, &["user", "test", "3", "16", "Rabbit-7"]) else { return };
    assert!(theirs.contains("Success"), "{theirs}");
    for (size, password, why) in
        [("16", "rabbit-7", "password incorrect"), ("20", "twenty octets of it!", "wrong password size")]
    {
        let theirs = ipmitool_fails(&bmc, &["user", "test", "3", size, password]).unwrap();
        assert!(theirs.contains(why), "{theirs}");
    }
    // The reverse direction.
    ipmitool(&bmc, &["user", "set", "password", "3", "twenty octets of it!", "20"]).unwrap();
    is_right(&long);
}

#[test]
fn console_settings_match_ipmitool() {
    let (_crowd, bmc) = ours(Board::default());
    said(&bmc, &["sol", "set", "rate", "19.2"]);
    let compare = |enabled: [&str; 2]| {
        let ours = fields(&said(&bmc, &["sol", "info"]));
        let theirs = fields(&ipmitool(&bmc, &["sol", "info", "1"])?);
        assert_eq!([ours["Enabled"].as_str(), theirs["Enabled"].as_str()], enabled);
        for name in ["Volatile Bit Rate (kbps)", "Non-Volatile Bit Rate (kbps)"] {
            assert_eq!((ours[name].as_str(), theirs[name].as_str()), ("19.2", "19.2"), "{name}");
        }
        assert!(theirs["Payload Port"].starts_with(&ours["Payload Port"]), "{ours:?} {theirs:?}");
        Some(())
    };
    if compare(["yes", "true"]).is_none() {
        return;
    }
    said(&bmc, &["sol", "set", "enabled", "off"]);
    compare(["no", "false"]).unwrap();
    ipmitool(&bmc, &["sol", "set", "enabled", "true", "1"]).unwrap();
    compare(["yes", "true"]).unwrap();
}
