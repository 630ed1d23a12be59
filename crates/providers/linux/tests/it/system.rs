//! Compares the machine as a whole with other programs, and tests its requests to services on the bus.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cim::{ColumnSet, Namespace, ObjectPath, Status, Value};
use telarch_peers::{World, in_world};
use telarch_provider_linux::Machine;
use tempfile::TempDir;
use wmi::Context;

use crate::{call_on, engine, machine, output, rows, rows_of, text};

/// Returns a machine made of these files.
pub(crate) fn made_of(files: &[(&str, &[u8])]) -> (Arc<Machine>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (path, octets) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, octets).unwrap();
    }
    (Arc::new(Machine::at(folder.path())), folder)
}

async fn only(machine: &Arc<Machine>, class: &str) -> cim::Instance {
    let found = rows_of(machine, &format!("SELECT * FROM {class}")).await;
    let [row] = found.as_slice() else { panic!("{} rows of {class}", found.len()) };
    row.clone()
}

#[tokio::test]
async fn computer_system_matches_other_programs() {
    let row = only(&machine(), "Win32_ComputerSystem").await;
    assert_eq!(text(&row, "Name"), output("uname", &["-n"]).split('.').next().unwrap());
    assert_eq!(text(&row, "NumberOfLogicalProcessors"), output("getconf", &["_NPROCESSORS_ONLN"]));
    let memory = output("sh", &["-c", "free -b | awk '/^Mem/ {print $2}'"]);
    assert_eq!(text(&row, "TotalPhysicalMemory"), memory);
    if output("uname", &["-m"]) == "x86_64" {
        assert_eq!(text(&row, "SystemType"), "x64-based PC");
    }
    let line = output("date", &["+%:z"]);
    let (hours, minutes) = line[1..].split_once(':').unwrap();
    let east = hours.parse::<i32>().unwrap() * 60 + minutes.parse::<i32>().unwrap();
    let offset = if line.starts_with('-') { -east } else { east };
    assert_eq!(text(&row, "CurrentTimeZone"), offset.to_string());
    let zone = only(&machine(), "Win32_TimeZone").await;
    let saved = if text(&row, "DaylightInEffect") == "true" {
        -text(&zone, "DaylightBias").parse::<i32>().unwrap()
    } else {
        0
    };
    assert_eq!(text(&zone, "Bias").parse::<i32>().unwrap() + saved, offset);
}

#[tokio::test]
async fn firmware_values_are_listed() {
    // A chassis with two elements of three bytes, and a text for its SKU number (DSP0134, 7.4).
    let mut case =
        vec![3, 0x1c, 0, 0, 1, 0x17, 0, 2, 3, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 2, 3, 1, 2, 3, 4, 5, 6, 4];
    case.extend_from_slice(b"Maker\0one\0two\0CASE-7\0\0");
    let mut system = vec![1, 0x1b];
    system.resize(0x1b, 0);
    system[0x18] = 6;
    let strings = b"\x0b\x05\0\0\x02first\0second\0\0";
    let (machine, _folder) = made_of(&[
        ("sys/firmware/dmi/entries/3-0/raw", &case),
        ("sys/firmware/dmi/entries/1-0/raw", &system),
        ("sys/firmware/dmi/entries/11-0/raw", strings),
        ("sys/firmware/dmi/entries/24-0/raw", &[24, 5, 0, 0, 0b0110_0001]),
        ("sys/class/dmi/id/sys_vendor", b"Maker\n"),
        ("sys/class/dmi/id/product_name", b"Model 7\n"),
        ("sys/class/dmi/id/product_family", b"\n"),
        ("sys/class/dmi/id/chassis_type", b"23\n"),
        ("sys/devices/system/cpu/online", b"0-3,6\n"),
        ("sys/devices/system/cpu/cpu0/topology/physical_package_id", b"0\n"),
        ("sys/devices/system/cpu/cpu3/topology/physical_package_id", b"1\n"),
        ("proc/sys/kernel/hostname", b"node7.example.org\n"),
        ("proc/cmdline", b"root=/dev/sda1 systemd.unit=rescue.target\n"),
        ("proc/sys/kernel/panic", b"10\n"),
        ("etc/krb5.keytab", b""),
        ("etc/samba/smb.conf", b"[global]\nsecurity = ADS\nrealm = EXAMPLE.ORG\n"),
    ]);
    let row = only(&machine, "Win32_ComputerSystem").await;
    for (property, expected) in [
        ("Name", "node7"),
        ("Manufacturer", "Maker"),
        ("Model", "Model 7"),
        ("SystemFamily", ""),
        ("ChassisBootupState", "3"),
        ("PowerSupplyState", "4"),
        ("ThermalState", "5"),
        ("ChassisSKUNumber", "CASE-7"),
        ("WakeUpType", "6"),
        ("PowerOnPasswordStatus", "1"),
        ("KeyboardPasswordStatus", "2"),
        ("AdminPasswordStatus", "0"),
        ("FrontPanelResetStatus", "1"),
        ("PCSystemType", "4"),
        ("NumberOfLogicalProcessors", "5"),
        ("NumberOfProcessors", "2"),
        ("BootupState", "Fail-safe boot"),
        ("AutomaticResetBootOption", "true"),
        ("Domain", "example.org"),
        ("DomainRole", "3"),
        ("PartOfDomain", "true"),
        ("Workgroup", ""),
    ] {
        assert_eq!(text(&row, property), expected, "{property}");
    }
    assert_eq!(row.value("OEMStringArray"), Some(&vec!["first".to_owned(), "second".to_owned()].into()));
    assert!(row.value("SystemFamily").unwrap().is_null());
    let (bare, _folder) = made_of(&[("etc/hostname", b"x")]);
    let row = only(&bare, "Win32_ComputerSystem").await;
    assert_eq!((text(&row, "Domain"), text(&row, "DomainRole")), ("WORKGROUP".into(), "2".into()));
    assert_eq!(text(&row, "AdminPasswordStatus"), "3", "unknown");
    assert!(row.value("Manufacturer").unwrap().is_null());
}

#[tokio::test]
async fn the_language_is_that_of_the_administrator() {
    let (machine, _folder) = made_of(&[
        ("etc/default/locale", b"# comment\nLANG=\"de_AT.UTF-8\"\n"),
        ("etc/machine-info", b"PRETTY_HOSTNAME=\"The seventh node\"\nCHASSIS=laptop\n"),
    ]);
    let row = only(&machine, "Win32_OperatingSystem").await;
    for (property, expected) in [
        ("Locale", "0c07"),
        ("OSLanguage", "3079"),
        ("CountryCode", "43"),
        ("Description", "The seventh node"),
        ("ProductType", "1"),
        ("Status", "OK"),
    ] {
        assert_eq!(text(&row, property), expected, "{property}");
    }
    assert_eq!(row.value("MUILanguages"), Some(&vec!["de-AT".to_owned()].into()));
    let (plain, _folder) = made_of(&[("etc/locale.conf", b"LANG=C.UTF-8\n")]);
    let row = only(&plain, "Win32_OperatingSystem").await;
    assert_eq!((text(&row, "Locale"), text(&row, "CountryCode")), ("0409".into(), "1".into()));
    assert!(row.value("MUILanguages").unwrap().is_null());
}

#[tokio::test]
async fn texts_are_overridden_by_the_administrator_only_where_they_can_be() {
    let file = "[Win32_OperatingSystem]\ncaption = \"Windows\"\nOSType = \"18\"\n\n[Win32_ComputerSystem]\nName = \"other\"\n\
                Model = \"Model 9\"\n";
    let (machine, folder) = made_of(&[
        ("etc/telarch/masquerade.toml", file.as_bytes()),
        ("etc/os-release", b"PRETTY_NAME=Real\n"),
        ("proc/sys/kernel/hostname", b"node7\n"),
    ]);
    let row = only(&machine, "Win32_OperatingSystem").await;
    assert_eq!((text(&row, "Caption"), text(&row, "OSType")), ("Windows".into(), "36".into()));
    let found = rows_of(&machine, "SELECT OSType FROM Win32_OperatingSystem WHERE Caption LIKE 'win%'").await;
    assert_eq!(found.len(), 1, "conditions see it too");
    let row = only(&machine, "Win32_ComputerSystem").await;
    assert_eq!((text(&row, "Name"), text(&row, "Model")), ("node7".into(), "Model 9".into()));
    let path = folder.path().join("etc/telarch/masquerade.toml");
    fs::write(&path, "[Win32_OperatingSystem]\nCaption = 7\n").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let row = only(&machine, "Win32_OperatingSystem").await;
    assert_eq!(text(&row, "Caption"), "Real", "what is wrong changes nothing");
}

#[tokio::test]
async fn the_clocks_show_the_time() {
    for (class, utc) in [("Win32_LocalTime", "+"), ("Win32_UTCTime", "-u")] {
        let arguments: Vec<&str> =
            [utc, "+%Y %-m %-d %-H %w"].into_iter().filter(|word| *word != "+").collect();
        let before = output("date", &arguments);
        let row = only(&machine(), class).await;
        let after = output("date", &arguments);
        let shown = ["Year", "Month", "Day", "Hour", "DayOfWeek"].map(|name| text(&row, name)).join(" ");
        assert!(shown == before || shown == after, "{shown} is not {before}");
    }
    assert_eq!(rows("SELECT * FROM Win32_CurrentTime").await.len(), 2);
}

#[tokio::test]
async fn system_variables_are_created_changed_and_deleted() {
    let file = "# kept\nPATH=\"/usr/bin:/bin\"\nexport EDITOR=vi\nnonsense\nEDITOR=ed\n";
    let (machine, folder) = made_of(&[("etc/environment", file.as_bytes())]);
    let shown = async || {
        let found = rows_of(&machine, "SELECT * FROM Win32_Environment").await;
        found
            .iter()
            .map(|row| ["UserName", "Name", "VariableValue"].map(|name| text(row, name)).join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown().await, ["<SYSTEM> PATH /usr/bin:/bin", "<SYSTEM> EDITOR ed"]);
    let (engine, context, namespace) =
        (engine(&machine), Context::of_this_process("alice"), Namespace::cimv2());
    let class = engine.schema(&namespace).unwrap().class("Win32_Environment").unwrap();
    let variable = |name: &str, user: &str, value: &str| {
        let empty = cim::Instance::new(class.clone());
        let named = empty.with("Name", name.to_owned()).unwrap().with("UserName", user.to_owned()).unwrap();
        named.with("VariableValue", value.to_owned()).unwrap()
    };
    engine.create(&context, &namespace, variable("NEW", "<SYSTEM>", "a b $c")).await.unwrap();
    let again = engine.create(&context, &namespace, variable("NEW", "<SYSTEM>", "x")).await.unwrap_err();
    assert_eq!(again.status(), Status::AlreadyExists);
    for (name, user, value) in [
        ("a=b", "<SYSTEM>", "x"),
        ("", "<SYSTEM>", "x"),
        ("A", "alice", "x"),
        ("A", "<SYSTEM>", "x\nLD_PRELOAD=/tmp/x"),
        ("A", "<SYSTEM>", "x\"y"),
    ] {
        let wrong = engine.create(&context, &namespace, variable(name, user, value)).await.unwrap_err();
        assert_eq!(wrong.status(), Status::InvalidParameter, "{name} {user} {value}");
    }
    let changed: ColumnSet = class.column("VariableValue").into_iter().collect();
    engine.put(&context, &namespace, variable("EDITOR", "<SYSTEM>", "nano"), &changed).await.unwrap();
    assert_eq!(shown().await, ["<SYSTEM> PATH /usr/bin:/bin", "<SYSTEM> EDITOR nano", "<SYSTEM> NEW a b $c"]);
    let path = ObjectPath::parse("Win32_Environment.Name=\"PATH\",UserName=\"<SYSTEM>\"").unwrap();
    engine.delete(&context, &namespace, &path).await.unwrap();
    assert_eq!(engine.delete(&context, &namespace, &path).await.unwrap_err().status(), Status::NotFound);
    let text = fs::read_to_string(folder.path().join("etc/environment")).unwrap();
    assert_eq!(text, "# kept\nEDITOR=\"nano\"\nnonsense\nNEW=\"a b $c\"\n");
}

#[tokio::test]
async fn swap_areas_are_listed() {
    let (machine, folder) = made_of(&[
        (
            "proc/swaps",
            b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/swap\\040file file\t\t2097152\t\t1048576\t\t-2\n\
              /dev/zram0 partition\t1024\t0\t5\n",
        ),
        ("etc/fstab", b"# x\n/swap\\040file none swap sw 0 0\nUUID=ab-12 none swap sw 0 0\n/dev/sda1 / ext4 defaults 0 1\n"),
        ("swap file", &[0; 1 << 20]),
    ]);
    fs::create_dir_all(folder.path().join("dev/disk/by-uuid")).unwrap();
    std::os::unix::fs::symlink("../../sda5", folder.path().join("dev/disk/by-uuid/ab-12")).unwrap();
    let reported = async |query: &str, names: &[&str]| {
        let found = rows_of(&machine, query).await;
        found
            .iter()
            .map(|row| names.iter().map(|name| text(row, name)).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    let usage = ["Name", "AllocatedBaseSize", "CurrentUsage", "PeakUsage", "TempPageFile"];
    assert_eq!(
        reported("SELECT * FROM Win32_PageFileUsage", &usage).await,
        ["/swap file 2048 1024 1024 false", "/dev/zram0 1 0 0 true"]
    );
    let setting =
        reported("SELECT * FROM Win32_PageFileSetting", &["Name", "InitialSize", "MaximumSize"]).await;
    assert_eq!(setting, ["/swap file 1 1", "/dev/sda5  "]);
    let real = rows("SELECT Name FROM Win32_PageFileUsage").await;
    let swapon = output("sh", &["-c", "tail -n +2 /proc/swaps | wc -l"]);
    assert_eq!(real.len().to_string(), swapon);
}

#[tokio::test]
async fn the_system_has_its_parts() {
    let name = machine().host_name();
    let query = format!(
        "ASSOCIATORS OF {{Win32_ComputerSystem.Name='{name}'}} WHERE AssocClass=Win32_SystemOperatingSystem"
    );
    let found = rows(&query).await;
    assert_eq!(
        found.iter().map(|row| row.class().name().to_string()).collect::<Vec<_>>(),
        ["Win32_OperatingSystem"]
    );
    // The operating system is a singleton, whose path has no keys.
    for path in ["Win32_OperatingSystem=@", "Win32_OperatingSystem"] {
        let associators = format!("ASSOCIATORS OF {{{path}}} WHERE AssocClass=Win32_SystemOperatingSystem");
        assert_eq!(rows(&associators).await.len(), 1, "{path}");
        let references = format!("REFERENCES OF {{{path}}} WHERE ResultClass=Win32_SystemOperatingSystem");
        assert_eq!(rows(&references).await.len(), 1, "{path}");
    }
    let users = rows("SELECT * FROM Win32_SystemUsers").await;
    let listed = output("sh", &["-c", "grep -c . /etc/passwd"]);
    assert_eq!(users.len().to_string(), listed);
    assert!(users.iter().any(|row| text(row, "PartComponent").contains("Name=\"root\"")));
}

/// Starts a service on the bus that records its calls.
fn mock(world: &World, name: &str, methods: &[(&str, &str, &str, &str)]) {
    let path = format!("/{}", name.replace('.', "/"));
    let interface = if name.ends_with("login1") { format!("{name}.Manager") } else { name.to_owned() };
    world.mock(name, &path, &interface);
    for (method, takes, gives, answer) in methods {
        let code = format!(
            "open('/run/asked', 'a').write('{method} ' + repr(tuple(str(a) for a in args)) + chr(10)); {answer}"
        );
        world.method(name, &path, [&interface, method, takes, gives, &code]);
    }
}

fn requested() -> String {
    let requested = fs::read_to_string("/run/asked").unwrap_or_default();
    let _ = fs::remove_file("/run/asked");
    requested
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

async fn code(machine: &Arc<Machine>, path: &str, method: &str, input: &[(&str, Value)]) -> String {
    text(&call_on(machine, path, method, input).await.unwrap(), "ReturnValue")
}

#[test]
fn shutdown_is_scheduled_after_the_response() {
    let name = "system::shutdown_is_scheduled_after_the_response";
    in_world(name, &["/usr/bin/python3"], |world| {
        let answer = "ret = 'no' if __import__('os').path.exists('/run/no') else 'yes'";
        mock(
            world,
            "org.freedesktop.login1",
            &[
                ("CanPowerOff", "", "s", answer),
                ("CanReboot", "", "s", answer),
                ("ScheduleShutdown", "st", "", "pass"),
                ("SetWallMessage", "sb", "", "pass"),
            ],
        );
        fs::create_dir_all("/run/systemd/sessions").unwrap();
        run(async {
            let machine = machine();
            let system = "Win32_OperatingSystem=@";
            let now =
                || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
            for (method, input, kind, delay) in [
                ("Reboot", vec![], "reboot", 1),
                ("Shutdown", vec![], "poweroff", 1),
                ("Win32Shutdown", vec![("Flags", Value::from(6))], "reboot", 1),
                ("Win32Shutdown", vec![("Flags", Value::from(1))], "poweroff", 1),
                ("Win32Shutdown", vec![("Flags", Value::from(12))], "poweroff", 1),
                (
                    "Win32ShutdownTracker",
                    vec![
                        ("Flags", Value::from(2)),
                        ("Timeout", Value::from(60_u32)),
                        ("Comment", Value::text("new disk")),
                    ],
                    "reboot",
                    59,
                ),
            ] {
                let begin = now();
                assert_eq!(code(&machine, system, method, &input).await, "0", "{method}");
                let requested = requested();
                let line = requested
                    .lines()
                    .find_map(|line| line.strip_prefix("ScheduleShutdown "))
                    .expect(&requested);
                assert!(line.contains(kind), "{line}");
                let at = line.split('\'').nth(3).unwrap().parse::<u128>().unwrap();
                assert!(at >= begin + delay * 1_000_000, "the answer comes first");
                assert_eq!(
                    requested.contains("SetWallMessage ('new disk', "),
                    method == "Win32ShutdownTracker",
                    "{requested}"
                );
            }
            assert_eq!(code(&machine, system, "Win32Shutdown", &[("Flags", 3.into())]).await, "87");
            assert_eq!(
                code(&machine, system, "Win32Shutdown", &[("Flags", 0.into())]).await,
                "0",
                "nobody to log off"
            );
            let _ = requested();
            fs::write("/run/no", "").unwrap();
            assert_eq!(code(&machine, system, "Reboot", &[]).await, "1314", "for want of a privilege");
            assert!(!requested().contains("ScheduleShutdown"));
            assert_eq!(text(&only(&machine, "Win32_OperatingSystem").await, "NumberOfUsers"), "0");
        });
    });
}

#[test]
fn clock_and_names_are_set_by_their_services() {
    let name = "system::clock_and_names_are_set_by_their_services";
    in_world(name, &["/usr/bin/python3"], |world| {
        let machine = machine();
        let system = "Win32_OperatingSystem=@";
        let computer = format!("Win32_ComputerSystem.Name='{}'", machine.host_name());
        let time = cim::DateTime::parse("20260102030405.000000+060").unwrap();
        let time = [("LocalDateTime", Value::DateTime(time))];
        run(async {
            assert_eq!(code(&machine, system, "SetDateTime", &time).await, "50", "nobody can");
            assert_eq!(code(&machine, &computer, "Rename", &[("Name", Value::text("other"))]).await, "50");
            assert_eq!(code(&machine, system, "Reboot", &[]).await, "50");
        });
        let refuse = "raise dbus.exceptions.DBusException('clock', \
                      name='org.freedesktop.timedate1.AutomaticTimeSyncEnabled') \
                      if __import__('os').path.exists('/run/ntp') else None";
        let refuse = format!(
            "e = __import__('os').path.exists('/run/ntp')\nif e: {}",
            refuse.split(" if __").next().unwrap()
        );
        mock(world, "org.freedesktop.timedate1", &[("SetTime", "xbb", "", &refuse)]);
        let denied = "if args[0] == 'denied': raise dbus.exceptions.DBusException('no', name='org.freedesktop.DBus.Error.AccessDenied')";
        let pretty = "open('/etc/machine-info', 'w').write('PRETTY_HOSTNAME=' + chr(34) + args[0] + chr(34) + chr(10))";
        mock(
            world,
            "org.freedesktop.hostname1",
            &[
                ("SetStaticHostname", "sb", "", &format!("pass\n{denied}")),
                ("SetHostname", "sb", "", "pass"),
                ("SetPrettyHostname", "sb", "", pretty),
            ],
        );
        run(async {
            let machine = Arc::new(Machine::this());
            assert_eq!(code(&machine, system, "SetDateTime", &time).await, "0");
            assert!(requested().contains("SetTime ('1767319445000000', "), "microseconds since 1970");
            assert_eq!(code(&machine, system, "SetDateTime", &[]).await, "87");
            fs::write("/run/ntp", "").unwrap();
            assert_eq!(code(&machine, system, "SetDateTime", &time).await, "170");
            let _ = requested();
            for (name, expected) in [("node-8", "0"), ("denied", "5"), ("not a name", "123"), ("", "123")] {
                assert_eq!(
                    code(&machine, &computer, "Rename", &[("Name", Value::text(name))]).await,
                    expected,
                    "{name}"
                );
            }
            let reported = requested();
            assert!(
                reported.contains("SetStaticHostname ('node-8', ")
                    && reported.contains("SetHostname ('node-8', "),
                "{reported}"
            );
            assert!(!reported.contains("not a name"), "{reported}");
            assert_eq!(code(&machine, &computer, "SetPowerState", &[]).await, "50");
            assert_eq!(code(&machine, &computer, "JoinDomainOrWorkgroup", &[]).await, "87", "without a name");
            let gone =
                call_on(&machine, "Win32_ComputerSystem.Name='elsewhere'", "Rename", &[]).await.unwrap_err();
            assert_eq!(gone.status(), Status::NotFound);
            let row = crate::put(system, "Description", Value::text("for tests")).await;
            assert_eq!(text(&row, "Description"), "for tests");
            assert!(Path::new("/etc/machine-info").exists());
        });
    });
}

#[test]
fn domains_are_joined_and_left_through_realmd() {
    let name = "system::domains_are_joined_and_left_through_realmd";
    in_world(name, &["/usr/bin/python3"], |world| {
        let computer = format!("Win32_ComputerSystem.Name='{}'", machine().host_name());
        let wanted = [
            ("Name", Value::text("example.org")),
            ("UserName", Value::text("EXAMPLE\\admin")),
            ("Password", Value::text("p4ss")),
            ("AccountOU", Value::text("OU=Linux")),
            ("FJoinOptions", 3_u32.into()),
        ];
        run(async {
            let machine = machine();
            assert_eq!(code(&machine, &computer, "JoinDomainOrWorkgroup", &wanted).await, "50", "nobody can");
            let workgroup = [("Name", Value::text("OFFICE")), ("FJoinOptions", 0_u32.into())];
            assert_eq!(code(&machine, &computer, "JoinDomainOrWorkgroup", &workgroup).await, "50");
        });
        let service = "org.freedesktop.realmd";
        let path = "/org/freedesktop/realmd";
        world.mock(service, path, "org.freedesktop.realmd.Provider");
        let discover = "ret = (100, dbus.Array([dbus.ObjectPath('/org/freedesktop/realmd')] if args[0] == 'example.org' else [], signature='o'))";
        world.method(
            service,
            path,
            ["org.freedesktop.realmd.Provider", "Discover", "sa{sv}", "iao", discover],
        );
        let join = "open('/run/asked', 'a').write(repr(args) + chr(10))\nif args[0][2][1] == 'wrong': raise dbus.exceptions.DBusException('no', name='org.freedesktop.realmd.Error.AuthenticationFailed')";
        world.method(
            service,
            path,
            ["org.freedesktop.realmd.KerberosMembership", "Join", "(ssv)a{sv}", "", join],
        );
        run(async {
            let machine = machine();
            let join = async |changed: Option<(&'static str, Value)>| {
                let stored =
                    wanted.iter().filter(|(name, _)| changed.as_ref().is_none_or(|(other, _)| name != other));
                let parameters: Vec<_> = stored.cloned().chain(changed.clone()).collect();
                code(&machine, &computer, "JoinDomainOrWorkgroup", &parameters).await
            };
            assert_eq!(join(None).await, "0");
            let reported = requested();
            for word in ["'password'", "'administrator'", "'admin'", "'p4ss'", "'computer-ou'", "'OU=Linux'"]
            {
                assert!(reported.contains(word), "{word}: {reported}");
            }
            assert_eq!(join(Some(("Password", Value::text("wrong")))).await, "1326");
            assert_eq!(join(Some(("Name", Value::text("elsewhere.org")))).await, "1355");
            assert_eq!(join(Some(("Password", Value::Null))).await, "87");
            assert_eq!(
                code(&machine, &computer, "UnjoinDomainOrWorkgroup", &[]).await,
                "2692",
                "it has joined none"
            );
        });
    });
}

#[tokio::test]
async fn devices_of_the_system_are_those_of_all_classes() {
    let devices = crate::rows("SELECT * FROM Win32_SystemDevices").await;
    let parts: std::collections::BTreeSet<String> =
        devices.iter().map(|row| text(row, "PartComponent")).collect();
    assert_eq!(parts.len(), devices.len(), "each is there once");
    for class in ["Win32_Processor", "Win32_LogicalDisk", "Win32_DiskDrive", "Win32_NetworkAdapter"] {
        for row in crate::rows(&format!("SELECT DeviceID FROM {class}")).await {
            let path = row.path().unwrap().to_string();
            assert!(parts.contains(&path), "{path} is not among {parts:?}");
        }
    }
    let host = crate::machine().host_name();
    let query = format!(
        "ASSOCIATORS OF {{Win32_ComputerSystem.Name='{host}'}} WHERE AssocClass=Win32_SystemDevices ResultClass=Win32_Processor"
    );
    assert_eq!(crate::rows(&query).await.len(), crate::rows("SELECT * FROM Win32_Processor").await.len());
}

#[tokio::test]
async fn desktops_show_the_settings_of_users() {
    let Ok(dconf) = std::process::Command::new("dconf").arg("--help").output() else {
        skips::skip!("there is no dconf here (./test --install, or dconf-cli)");
        return;
    };
    drop(dconf);
    let (tree, machine) = crate::tree::Tree::new()
        .file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n\
             eve:x:1002:1002::/home/eve:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        )
        .file("home/bob/.config/kscreenlockerrc", "[Daemon]\nAutolock=true\nTimeout=5\n")
        .file("home/eve/.config/dconf/user", "GVariant, or not")
        .file(
            "keys/chosen",
            "[org/gnome/desktop/session]\nidle-delay=uint32 300\n[org/gnome/desktop/screensaver]\nlock-enabled=false\n\
             [org/gnome/desktop/background]\npicture-uri='file:///usr/share/x.jpg'\npicture-options='stretched'\n\
             [org/gnome/desktop/interface]\ncursor-blink-time=1200\nfont-name='Cantarell Light 11'\n",
        )
        .file("home/ann/.config/dconf/other", "")
        .machine_kept();
    let at = |path: &str| tree.path().join(path).display().to_string();
    output("dconf", &["compile", &at("home/ann/.config/dconf/user"), &at("keys")]);
    let found = rows_of(&machine, "SELECT * FROM Win32_Desktop").await;
    let reported =
        |row: usize, names: &[&str]| names.iter().map(|name| text(&found[row], name)).collect::<Vec<_>>();
    assert_eq!(found.len(), 2, "those who have a desktop that can be read");
    let saver = ["Name", "ScreenSaverActive", "ScreenSaverSecure", "ScreenSaverTimeout"];
    assert_eq!(reported(0, &saver), ["node7\\ann", "true", "false", "300"]);
    let look = ["Wallpaper", "WallpaperStretched", "WallpaperTiled", "CursorBlinkRate", "IconTitleFaceName"];
    assert_eq!(reported(0, &look), ["/usr/share/x.jpg", "true", "false", "600", "Cantarell Light"]);
    assert_eq!(reported(0, &["IconTitleSize", "BorderWidth"]), ["11", ""]);
    assert_eq!(reported(1, &saver), ["node7\\bob", "true", "true", "300"]);
    assert_eq!(reported(1, &["Wallpaper"]), [""], "nobody has chosen one");
}
