//! Tests of events of this machine, caused by other programs.

use std::process::{Command, Stdio};
use std::time::Duration;

use cim::{Instance, Namespace, Value};
use tokio::time::timeout;
use wmi::{Context, Events, Occurrence};

use crate::world::{in_world, random_uuid, run, sh};
use crate::{engine, machine};

const PATIENCE: Duration = Duration::from_secs(60);

async fn subscribe(query: &str) -> Events {
    let context = Context::of_this_process("test");
    engine(&machine()).subscribe(&context, &Namespace::cimv2(), query).await.unwrap()
}

async fn next(events: &mut Events) -> Instance {
    match timeout(PATIENCE, events.next()).await.expect("an event in time").unwrap().unwrap() {
        Occurrence::Event(event) => {
            crate::assert_well_formed(std::slice::from_ref(&event), events.names());
            event
        }
        other => panic!("{other:?}"),
    }
}

fn number(event: &Instance, name: &str) -> Option<i128> {
    event.value(name).and_then(Value::as_integer)
}

fn of_this_process() -> String {
    format!("ParentProcessID = {}", std::process::id())
}

async fn told_of_a_start() {
    let query = format!("SELECT * FROM Win32_ProcessStartTrace WHERE {}", of_this_process());
    let mut events = subscribe(&query).await;
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let event = event_of(&mut events, child.id()).await;
    child.kill().unwrap();
    child.wait().unwrap();
    // On some systems, one file contains all small programs.
    let name = event.value("ProcessName").and_then(Value::as_str).unwrap().to_owned();
    assert!(["sleep", "coreutils", "busybox"].contains(&name.as_str()), "{name}");
    assert!(number(&event, "TIME_CREATED").is_some_and(|time| time > 133_000_000_000_000_000));
}

/// Returns the next event of a process; other tests start programs too.
async fn event_of(events: &mut Events, process: u32) -> Instance {
    loop {
        let event = next(events).await;
        if number(&event, "ProcessID") == Some(process.into()) {
            return event;
        }
    }
}

/// Returns the reported exit code of a program that exits with 3; `None` if no event arrives.
async fn told_of_an_end() -> Option<i128> {
    let query = format!("SELECT * FROM Win32_ProcessStopTrace WHERE {}", of_this_process());
    let mut child =
        Command::new("sh").args(["-c", "read line; exit 3"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut events = subscribe(&query).await;
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    number(&event_of(&mut events, child.id()).await, "ExitStatus")
}

#[tokio::test(flavor = "multi_thread")]
async fn process_start_is_reported_with_name_and_parent() {
    told_of_a_start().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_end_is_reported_with_exit_status() {
    let status = told_of_an_end().await;
    assert!(matches!(status, Some(3) | None), "{status:?}");
}

/// The kernel reports processes only in the initial network namespace.
#[test]
fn processes_are_polled_without_the_connector() {
    in_world("events::processes_are_polled_without_the_connector", &[], || {
        run(async {
            told_of_a_start().await;
            assert_eq!(told_of_an_end().await, None);
        });
    });
}

#[test]
fn mount_and_unmount_are_reported() {
    in_world("events::mount_and_unmount_are_reported", &["umount"], || {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let place = folder.path().to_str().unwrap().to_owned();
            let query = format!("SELECT * FROM Win32_VolumeChangeEvent WHERE DriveName = '{place}'");
            let mut events = subscribe(&query).await;
            assert!(Command::new("mount").args(["-t", "tmpfs", "none", &place]).status().unwrap().success());
            assert_eq!(number(&next(&mut events).await, "EventType"), Some(2));
            assert!(Command::new("umount").arg(&place).status().unwrap().success());
            assert_eq!(number(&next(&mut events).await, "EventType"), Some(3));
        });
    });
}

/// Detaches a loop device when dropped.
struct Detach(String);

impl Drop for Detach {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

#[test]
fn device_changes_are_reported_without_polling() {
    let name = "events::device_changes_are_reported_without_polling";
    in_world(name, &["mkfs.ext4", "losetup"], || {
        run(async {
            let uuid = random_uuid();
            // As if udev ran, which would report a file system created later; here the kernel reports it.
            sh(&format!(
                "mount -t tmpfs none /run && mkdir /run/udev && touch /run/udev/control && \
                mount -t tmpfs none /media && truncate -s 8M /media/image && mkfs.ext4 -q -U {uuid} /media/image"
            ));
            let query = |event: &str| {
                format!(
                    "SELECT * FROM {event} WITHIN 3600 WHERE TargetInstance ISA 'Win32_Volume' \
                     AND TargetInstance.DeviceID = '/dev/disk/by-uuid/{uuid}'"
                )
            };
            let mut come = subscribe(&query("__InstanceCreationEvent")).await;
            let detach = Detach(sh("losetup --find --show /media/image"));
            assert_eq!(next(&mut come).await.class().name().as_str(), "__InstanceCreationEvent");
            let mut gone = subscribe(&query("__InstanceDeletionEvent")).await;
            drop(detach);
            assert_eq!(next(&mut gone).await.class().name().as_str(), "__InstanceDeletionEvent");
        });
    });
}

#[test]
fn device_events_of_the_kernel_are_reported() {
    // Other tests attach loop devices meanwhile, so there may be more events of the same kinds.
    let uevent = "/sys/devices/virtual/block/loop7/uevent";
    let name = "events::device_events_of_the_kernel_are_reported";
    in_world(name, &[], || {
        if std::fs::write(uevent, "change").is_err() {
            return skips::skip!("{uevent} cannot be written here, which has the kernel tell of a device");
        }
        run(async {
            let mut devices =
                subscribe("SELECT * FROM Win32_DeviceChangeEvent WHERE __CLASS = 'Win32_DeviceChangeEvent'")
                    .await;
            let mut configurations = subscribe("SELECT * FROM Win32_SystemConfigurationChangeEvent").await;
            for (action, kind) in [("change", None), ("add", Some(2)), ("remove", Some(3))] {
                std::fs::write(uevent, action).unwrap();
                assert_eq!(number(&next(&mut configurations).await, "EventType"), Some(1), "{action}");
                while kind.is_some() && number(&next(&mut devices).await, "EventType") != kind {}
            }
        });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn no_listeners_without_subscriptions() {
    // The tasks that wait own the listening socket, and close it when they end.
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let running = alive();
    let mut open = Vec::new();
    for class in ["Win32_ProcessStartTrace", "Win32_ProcessStopTrace", "Win32_VolumeChangeEvent"] {
        open.push(subscribe(&format!("SELECT * FROM {class}")).await);
    }
    assert!(alive() > running);
    drop(open);
    timeout(PATIENCE, async {
        while alive() > running {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("tasks end");
}

/// A bus of its own, with its address.
struct Bus {
    daemon: std::process::Child,
    address: String,
    /// Folder of the bus's socket.
    _folder: tempfile::TempDir,
}

impl Bus {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("unix:path={}", folder.path().join("bus").display());
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--print-address", "--address", &address]);
        let Ok(mut daemon) = command.stdout(Stdio::piped()).spawn() else {
            skips::skip!("there is no dbus-daemon here (./test --install, or your package manager)");
            return None;
        };
        // The bus prints its address once it listens.
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(daemon.stdout.take().unwrap()), &mut line)
            .unwrap();
        Some(Self { daemon, address, _folder: folder })
    }

    /// Joins the bus under a name.
    async fn join(&self, name: &str) -> zbus::Connection {
        let builder = zbus::connection::Builder::address(self.address.as_str());
        builder.name(name).build().await.unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_is_reported_unless_canceled() {
    let Some(bus) = Bus::start() else { return };
    let logind = bus.join("org.freedesktop.login1").await;
    let machine = std::sync::Arc::new(telarch_provider_linux::Machine::this().with_bus(&bus.address));
    let context = Context::of_this_process("test");
    let query = "SELECT * FROM Win32_ComputerShutdownEvent";
    let mut events = engine(&machine).subscribe(&context, &Namespace::cimv2(), query).await.unwrap();
    let saying = tokio::spawn(async move {
        // Repeats the signal until it is received, as the start of listening is not visible.
        for stops in [false, true].into_iter().cycle() {
            let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
            logind.emit_signal(None::<&str>, path, interface, "PrepareForShutdown", &stops).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let event = next(&mut events).await;
    saying.abort();
    assert_eq!(number(&event, "Type"), Some(1));
    assert_eq!(event.value("MachineName").and_then(Value::as_str), Some(machine.host_name().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn sleep_and_waking_are_reported() {
    let Some(bus) = Bus::start() else { return };
    let logind = bus.join("org.freedesktop.login1").await;
    let machine = std::sync::Arc::new(telarch_provider_linux::Machine::this().with_bus(&bus.address));
    let context = Context::of_this_process("test");
    let query = "SELECT * FROM Win32_PowerManagementEvent";
    let mut events = engine(&machine).subscribe(&context, &Namespace::cimv2(), query).await.unwrap();
    let saying = tokio::spawn(async move {
        for sleeps in [true, false].into_iter().cycle() {
            let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
            logind.emit_signal(None::<&str>, path, interface, "PrepareForSleep", &sleeps).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut kinds = Vec::new();
    while !(kinds.contains(&Some(4)) && kinds.contains(&Some(7))) {
        kinds.push(number(&next(&mut events).await, "EventType"));
    }
    saying.abort();
    assert!(kinds.iter().all(|kind| [Some(4), Some(7)].contains(kind)), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_of_a_process_are_reported() {
    if let Err(error) = linux::process::connector::open() {
        return skips::skip!("the process connector is not available here: {error}");
    }
    let of = |class: &str| format!("SELECT * FROM {class} WHERE ProcessID = {}", std::process::id());
    let mut started = subscribe(&of("Win32_ThreadStartTrace")).await;
    let mut stopped = subscribe(&of("Win32_ThreadStopTrace")).await;
    let thread = std::thread::spawn(rustix::thread::gettid).join().unwrap().as_raw_nonzero().get();
    for events in [&mut started, &mut stopped] {
        while number(&next(events).await, "ThreadID") != Some(thread.into()) {}
    }
}

/// Returns the condition on the files directly in a folder, with the mount point as `df` shows it.
fn in_folder(class: &str, folder: &std::path::Path) -> String {
    let drive = sh(&format!("df --output=target '{}' | tail -n 1", folder.display()));
    let (drive, folder) = (drive.trim(), folder.display());
    format!(
        "TargetInstance ISA '{class}' AND TargetInstance.Drive = '{drive}' AND TargetInstance.Path = '{folder}/'"
    )
}

/// Returns the name of the file in an event.
async fn changed_file(events: &mut Events) -> String {
    let event = next(events).await;
    let Some(Value::Object(file)) = event.value("TargetInstance") else { panic!("{event:?}") };
    file.value("Name").and_then(Value::as_str).unwrap().to_owned()
}

/// The interval is so long that polling would not notice the changes.
#[tokio::test(flavor = "multi_thread")]
async fn changes_in_a_folder_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    std::fs::create_dir(path.join("deep")).unwrap();
    let of = |event: &str, class: &str| {
        format!("SELECT * FROM {event} WITHIN 86400 WHERE {}", in_folder(class, &path))
    };
    let mut created = subscribe(&of("__InstanceCreationEvent", "CIM_DataFile")).await;
    let mut changed = subscribe(&of("__InstanceModificationEvent", "CIM_DataFile")).await;
    let mut deleted = subscribe(&of("__InstanceDeletionEvent", "CIM_DataFile")).await;
    let mut folders = subscribe(&of("__InstanceCreationEvent", "Win32_Directory")).await;
    let name = |file: &str| path.join(file).to_str().unwrap().to_owned();
    sh(&format!("echo a > '{}'; echo b > '{}'; mkdir '{}'", name("deep/x"), name("a"), name("inner")));
    assert_eq!(changed_file(&mut created).await, name("a"));
    assert_eq!(changed_file(&mut folders).await, name("inner"));
    sh(&format!("chmod 600 '{}'; echo more >> '{}'", name("deep/x"), name("a")));
    assert_eq!(changed_file(&mut changed).await, name("a"));
    sh(&format!("mv '{}' '{}'", name("a"), name("b")));
    assert_eq!(changed_file(&mut deleted).await, name("a"));
    assert_eq!(changed_file(&mut created).await, name("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_files_of_the_machine_cannot_be_watched() {
    let query = "SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE TargetInstance ISA 'CIM_DataFile'";
    let context = Context::of_this_process("test");
    let refused = engine(&machine()).subscribe(&context, &Namespace::cimv2(), query).await.unwrap_err();
    let reported = refused.to_string();
    assert!(
        reported.contains("TargetInstance.Drive") && reported.contains("TargetInstance.Path"),
        "{reported}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_watches_a_limited_number_of_folders() {
    let folder = tempfile::tempdir().unwrap();
    let query = format!(
        "SELECT * FROM __InstanceCreationEvent WITHIN 86400 WHERE {}",
        in_folder("CIM_DataFile", folder.path())
    );
    let engine = engine(&machine());
    let subscribe = async |user: &str| {
        engine.subscribe(&Context::of_this_process(user), &Namespace::cimv2(), &query).await
    };
    let mut open = Vec::new();
    let refused = loop {
        match subscribe("alice").await {
            Ok(events) => open.push(events),
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("more than 64 folders"), "{refused}");
    assert_eq!(open.len(), 64);
    assert!(subscribe("bob").await.is_ok());
    drop(open);
}
