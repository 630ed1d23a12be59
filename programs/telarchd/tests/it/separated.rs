//! The service of a machine as separate processes: broker, gateway, and a host per user.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use auth::account_file::Role;
use client::{EnumerateOptions, Locator, Output, ShellOptions};
use ports::free_ports;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use wsman::shell::CommandLine;
use wsman::{ResourceUri, SelectorSet};

use crate::http_connection::Connection;
use crate::message;
use crate::service_process::{Telarchd, children, command_line, is_root, listener, loopback};
use crate::test_user::TestUser;

/// Descriptor that lets all users run commands, and administrators do everything.
pub(crate) const OPEN_TO_USERS: &str = "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;BA)(A;;GRGX;;;AU)\"\n";

/// Starts a service with HTTPS and Basic for users of the machine.
pub(crate) fn start(more: &str) -> (Telarchd, u16) {
    let [port] = free_ports();
    let https = listener("IP:127.0.0.1", "HTTPS", port, "");
    let telarchd = Telarchd::start(&[OPEN_TO_USERS, "Service.Auth.Basic = true\n", more, &https].concat());
    (telarchd, port)
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Returns the host processes of a service, which are the children of its session processes.
pub(crate) fn hosts(telarchd: &Telarchd) -> Vec<i32> {
    let sessions = children(telarchd.pid().as_raw_nonzero().get())
        .into_iter()
        .filter(|child| command_line(*child).contains(": session"));
    sessions.flat_map(children).collect()
}

/// Returns the value of a line in `/proc/PID/status`.
pub(crate) fn status(process: i32, line: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let found = status.lines().find_map(|all| all.strip_prefix(&format!("{line}:")));
    found.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns whether a process has a listening TCP socket open.
fn listens(process: i32) -> bool {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let listening: BTreeSet<String> = tables
        .iter()
        .flat_map(|table| table.lines())
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(3) == Some(&"0A"))
        .filter_map(|fields| Some(format!("socket:[{}]", fields.get(9)?)))
        .collect();
    let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap().filter_map(Result::ok);
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| listening.contains(&target.to_string_lossy().into_owned()))
}

pub(crate) fn kill(process: i32) {
    kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
}

/// Returns the response with the metrics.
fn metrics(port: u16) -> String {
    let mut stream = std::net::TcpStream::connect(loopback(port)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

#[test]
fn shells_of_all_hosts_are_counted_until_a_host_is_killed() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let [page] = free_ports();
    let (telarchd, port) = start(&format!("Metrics.Enabled = true\nMetrics.Port = {page}\n"));
    telarchd.wait_for_log(&["Serving metrics"]);
    let is_counted = |shells: usize| metrics(page).contains(&format!("\ntelarch_shells {shells}\n"));
    assert!(is_counted(0), "{}", metrics(page));
    block_on(async {
        let (one, other) = (ann.session(port), ben.session(port));
        let shells = [
            one.shell(ShellOptions::default()).await.unwrap(),
            other.shell(ShellOptions::default()).await.unwrap(),
            other.shell(ShellOptions::default()).await.unwrap(),
        ];
        assert!(is_counted(3), "{}", metrics(page));
        let [_, shell, _] = shells;
        shell.close().await.unwrap();
        assert!(is_counted(2), "{}", metrics(page));
        let uid = ben.uid.to_string();
        let host = hosts(&telarchd).into_iter().find(|host| status(*host, "Uid").starts_with(&uid)).unwrap();
        kill(host);
        while !is_counted(1) {
            std::thread::yield_now();
        }
    });
}

#[test]
fn the_broker_lists_powershell_endpoints_that_the_gateway_cannot_read() {
    let Some(ann) = TestUser::create() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Backup.pssc"), "@{}").unwrap();
    let (_telarchd, port) = start(&format!("PowerShell.Configurations = \"{}\"\n", folder.path().display()));
    block_on(async {
        let plugins = Locator::new(ResourceUri::parse(config::PLUGIN_RESOURCE).unwrap());
        let session = ann.session(port);
        let mut all = session.enumerate(&plugins, EnumerateOptions::default()).await.unwrap();
        let mut names = Vec::new();
        while let Some(plugin) = all.next().await {
            names.extend(plugin.unwrap().element().attribute("", "Name").map(Cow::into_owned));
        }
        let expected = ["PowerShell", "Microsoft.PowerShell", "PowerShell.7", "Backup"];
        assert!(expected.iter().all(|name| names.iter().any(|own| own == name)), "{names:?}");
        let one = plugins.with_selectors(SelectorSet::new().with("Name", "backup"));
        assert!(session.get(&one).await.is_ok());
    });
}

#[test]
fn metrics_are_served_and_end_without_a_restart() {
    if !is_root() {
        return;
    }
    let (telarchd, _) = start("");
    let [port] = free_ports();
    let settings = |enabled| format!("Metrics.Enabled = {enabled}\nMetrics.Port = {port}\n");
    telarchd.reconfigure(&settings(true));
    telarchd.wait_for_log(&["Serving metrics", &port.to_string()]);
    let page = metrics(port);
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("# EOF\n"), "{page}");
    telarchd.reconfigure(&settings(false));
    while std::net::TcpStream::connect(loopback(port)).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn a_user_who_signs_in_with_pam_has_a_shell_as_that_user() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (_telarchd, port) = start("");
    block_on(async {
        for user in [&ann, &ben] {
            let shown =
                user.run(port, "id -un; id -Gn; pwd; umask; echo $HOME $USER; touch mine").await.unwrap();
            let lines: Vec<_> = shown.lines().collect();
            let home = format!("/home/{}", user.name);
            assert_eq!(lines[0], user.name);
            let groups: BTreeSet<_> = lines[1].split(' ').collect();
            assert_eq!(groups, BTreeSet::from([user.name.as_str(), user.group()]), "{shown}");
            assert_eq!(lines[2..], [home.as_str(), "0022", &format!("{home} {}", user.name)]);
            assert_eq!(fs::metadata(format!("{home}/mine")).unwrap().uid(), user.uid);
        }
        let wrong = ben.session(port).shell(ShellOptions::default()).await.unwrap();
        let resource = || Locator::new(ResourceUri::parse(wsman::namespace::SHELL).unwrap());
        let theirs = resource().with_selectors(SelectorSet::new().with("ShellId", wrong.id()));
        assert!(ben.session(port).get(&theirs).await.is_ok());
        let error = ann.session(port).get(&theirs).await.unwrap_err().to_string();
        assert!(error.contains("unknown shell"), "{error}");
        let mut all = ann.session(port).enumerate(&resource(), EnumerateOptions::default()).await.unwrap();
        assert!(all.next().await.is_none(), "shells of others are not shown");
        let mut all = ben.session(port).enumerate(&resource(), EnumerateOptions::default()).await.unwrap();
        assert!(all.next().await.unwrap().unwrap().xml().contains(wrong.id()));
    });
}

#[test]
fn each_process_has_only_the_rights_it_needs() {
    let Some(ann) = TestUser::create() else { return };
    let (telarchd, port) = start("");
    let (broker, gateway) = (telarchd.pid().as_raw_nonzero().get(), telarchd.serving_pid());
    let session = ann.session(port);
    let _shell = block_on(session.shell(ShellOptions::default())).unwrap();
    let hosts = hosts(&telarchd);
    let [host] = hosts[..] else { panic!("{hosts:?}") };

    assert_eq!(status(broker, "Uid"), "0 0 0 0");
    assert!(!listens(broker) && !listens(host) && listens(gateway));

    assert_eq!(status(gateway, "Uid"), "65534 65534 65534 65534");
    assert_eq!(status(gateway, "Groups"), "");
    assert_eq!((status(gateway, "NoNewPrivs"), status(gateway, "Seccomp")), ("1".to_owned(), "2".to_owned()));
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(status(gateway, set), "0000000000000000");
    }
    // CAP_NET_BIND_SERVICE, number 10, allows listening on ports below 1024.
    for set in ["CapPrm", "CapEff"] {
        assert_eq!(status(gateway, set), "0000000000000400");
    }

    let (uid, all) = (ann.uid, format!("{0} {0} {0} {0}", ann.uid));
    assert_eq!(status(host, "Uid"), all);
    assert_eq!(status(host, "CapPrm"), "0000000000000000");
    assert_ne!(uid, 0);
    let limits = fs::read_to_string(format!("/proc/{host}/limits")).unwrap();
    let processes = limits.lines().find(|line| line.starts_with("Max processes")).unwrap();
    let hard: u64 = processes.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(hard <= 4_096, "{processes}");
}

#[test]
fn killing_a_host_ends_only_its_own_shells() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (telarchd, port) = start("");
    block_on(async {
        let bens = ben.session(port).shell(ShellOptions::default()).await.unwrap();
        let anns = ann.session(port).shell(ShellOptions::default()).await.unwrap();
        let line = CommandLine { command: "echo here; sleep 100".to_owned(), ..CommandLine::default() };
        let mut command = anns.start(&line, client::CommandOptions::default()).await.unwrap();
        assert!(matches!(command.next_output().await.unwrap(), Output::Stdout(_)));
        let mine = |host: &i32| status(*host, "Uid").starts_with(&ann.uid.to_string());
        let host = hosts(&telarchd).into_iter().find(mine).unwrap();
        let killing = async {
            while telarchd.log().matches("shell/Receive").count() < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            // The request reaches the host after it is logged, and before later requests.
            assert_eq!(ann.run(port, "echo later").await.unwrap(), "later\n");
            kill(host);
        };
        let (next, ()) = tokio::join!(command.next_output(), killing);
        let error = next.unwrap_err().to_string();
        assert!(error.contains("has ended, and its shells with it"), "{error}");
        assert_eq!(ann.run(port, "echo again").await.unwrap(), "again\n", "the next request uses a new host");
        assert_eq!(bens.run("echo still").await.unwrap().stdout, b"still\n", "other users are not affected");
    });
}

#[test]
fn a_killed_gateway_is_restarted_and_finds_the_existing_shells() {
    let Some(ann) = TestUser::create() else { return };
    let (mut telarchd, port) = start("");
    block_on(async {
        let shell = ann.session(port).shell(ShellOptions::default()).await.unwrap();
        kill(telarchd.serving_pid());
        telarchd.wait_for_notification("READY=1");
        let theirs = Locator::new(ResourceUri::parse(wsman::namespace::SHELL).unwrap());
        let theirs = theirs.with_selectors(SelectorSet::new().with("ShellId", shell.id()));
        ann.session(port).get(&theirs).await.unwrap();
    });
    telarchd.wait_for_log(&["Gateway has ended"]);
    telarchd.end();
}

#[test]
fn a_gateway_that_ends_repeatedly_ends_the_service() {
    if !is_root() {
        skips::skip!("only the service of root has a gateway");
        return;
    }
    let (mut telarchd, _) = start("");
    for _ in 0..5 {
        kill(telarchd.serving_pid());
        telarchd.wait_for_notification("READY=1");
    }
    kill(telarchd.serving_pid());
    let status = telarchd.wait_for_exit();
    assert_eq!(status.code(), Some(1));
    telarchd.wait_for_log(&["the gateway process ends repeatedly"]);
}

#[test]
fn stopping_the_service_ends_all_its_processes() {
    let Some(ann) = TestUser::create() else { return };
    let (mut telarchd, port) = start("");
    let session = ann.session(port);
    let shell = block_on(session.shell(ShellOptions::default())).unwrap();
    let line = CommandLine { command: "echo $$; exec sleep 100".to_owned(), ..CommandLine::default() };
    let mut command = block_on(shell.start(&line, client::CommandOptions::default())).unwrap();
    let Output::Stdout(octets) = block_on(command.next_output()).unwrap() else { panic!("no process ID") };
    let sleeping: i32 = String::from_utf8(octets).unwrap().trim().parse().unwrap();
    let mut all = hosts(&telarchd);
    all.extend([telarchd.serving_pid(), sleeping]);
    telarchd.end();
    for process in all {
        assert!(
            test_kill_process(Pid::from_raw(process).unwrap()).is_err(),
            "{process} {}",
            command_line(process)
        );
    }
    std::mem::forget((command, shell));
}

/// Settings with a low limit for the processes of each user, and that limit: 8 tasks for each process of a shell and 256
/// more, for each shell, and 512 for the host.
const FEW_PROCESSES: (&str, usize) =
    ("Winrs.MaxProcessesPerShell = 4\nWinrs.MaxShellsPerUser = 1\n", 4 * 8 + 256 + 512);

#[test]
fn others_run_commands_beside_a_fork_bomb() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (_telarchd, port) = start(FEW_PROCESSES.0);
    block_on(async {
        let bomb = "f() { f | f & }; f 2>/dev/null; sleep 1; echo over";
        let (bomb, other) = tokio::join!(ann.run(port, bomb), ben.run(port, "echo fine"));
        assert_eq!(other.unwrap(), "fine\n");
        // The result of the fork bomb itself does not matter.
        drop(bomb);
        assert_eq!(ben.run(port, "echo fine").await.unwrap(), "fine\n");
        assert_eq!(ann.run(port, "echo fine").await.unwrap(), "fine\n");
    });
}

#[test]
fn the_kernel_refuses_processes_above_the_limit_of_the_user() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    if Command::new("python3").arg("--version").output().is_err() {
        return skips::skip!("python3 is missing");
    }
    let (settings, limit) = FEW_PROCESSES;
    let (_telarchd, port) = start(settings);
    // Threads count for the kernel as processes do, and the service does not kill them.
    let threads = format!(
        "exec python3 -c 'import threading, time\nthreading.stack_size(1 << 16)\nstarted = 0\n\
         try:\n    while started < {limit}:\n        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\n        \
         started += 1\nexcept RuntimeError:\n    pass\nprint(started, flush=True)'"
    );
    block_on(async {
        let started: usize = ann.run(port, &threads).await.unwrap().trim().parse().unwrap();
        assert!((200..limit).contains(&started), "{started} threads at a limit of {limit}");
        assert_eq!(ben.run(port, "echo fine").await.unwrap(), "fine\n");
    });
}

#[test]
fn the_limit_of_users_with_shells_applies_across_hosts() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (_telarchd, port) = start("Winrs.MaxConcurrentUsers = 1\n");
    block_on(async {
        let shell = ann.session(port).shell(ShellOptions::default()).await.unwrap();
        let error = ben.run(port, "true").await.unwrap_err().to_string();
        assert!(error.contains("MaxConcurrentUsers"), "{error}");
        let own = ann.session(port).shell(ShellOptions::default()).await.unwrap();
        own.close().await.unwrap();
        shell.close().await.unwrap();
        assert_eq!(ben.run(port, "echo in").await.unwrap(), "in\n");
    });
}

#[test]
fn settings_change_at_once_and_only_for_permitted_users() {
    let Some(ann) = TestUser::create() else { return };
    let [http] = free_ports();
    let (mut telarchd, port) =
        start(&format!("Service.AllowUnencrypted = true\n{}", listener("IP:127.0.0.1", "HTTP", http, "")));
    let mut connection = Connection::open(loopback(http));
    block_on(async {
        let first = ann.session(port).shell(ShellOptions::default()).await.unwrap();
        let answer = connection.ask_as(&ann.name, "/wsman", &message::put_winrs("MaxShellsPerUser", "1"));
        assert_eq!((answer.status, answer.body.contains("AccessDenied")), (500, true), "{answer:?}");
        let answer = connection.ask("/wsman", &message::put_winrs("MaxShellsPerUser", "1"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let error = ann.run(port, "true").await.unwrap_err().to_string();
        assert!(error.contains("MaxShellsPerUser"), "{error}");
        first.close().await.unwrap();
    });
    let file = fs::read_to_string(telarchd.file("config.toml")).unwrap();
    assert!(file.contains("MaxShellsPerUser = 1"), "{file}");
    assert_eq!(fs::metadata(telarchd.file("config.toml")).unwrap().uid(), 0);

    // The file is edited without a reload.
    telarchd.configure(&file.replace("MaxShellsPerUser = 1", "MaxShellsPerUser = 2"));
    let answer = connection.ask("/wsman", &message::put_winrs("MaxProcessesPerShell", "7"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = fs::read_to_string(telarchd.file("config.toml")).unwrap();
    assert!(file.contains("MaxShellsPerUser = 2") && file.contains("MaxProcessesPerShell = 7"), "{file}");
    telarchd.end();
}

#[test]
fn a_user_refused_by_pam_gets_no_host_despite_the_right_password() {
    let Some(ann) = TestUser::create() else { return };
    let [port] = free_ports();
    let https = listener("IP:127.0.0.1", "HTTPS", port, "");
    let mut telarchd = Telarchd::new(&[OPEN_TO_USERS, "Service.Auth.Basic = true\n", &https].concat());
    // The password is in the service's own file, so PAM does not verify it.
    telarchd.add_account(&ann.name, Role::User);
    telarchd.run();
    assert_eq!(block_on(ann.run(port, "id -un")).unwrap().trim(), ann.name);
    kill(hosts(&telarchd)[0]);
    telarchd.wait_for_log(&["ended together with its shells"]);
    assert!(Command::new("usermod").args(["--expiredate", "1", &ann.name]).status().unwrap().success());
    let error = block_on(ann.run(port, "id")).unwrap_err().to_string();
    assert!(error.contains("PAM refuses a session"), "{error}");
}

#[test]
fn a_user_s_process_limit_cannot_be_raised_by_commands() {
    let Some(ann) = TestUser::create() else { return };
    let (_telarchd, port) = start("");
    let line = "prlimit --nproc=unlimited:unlimited true 2>/dev/null && echo raised; cat /proc/self/limits";
    let shown = block_on(ann.run(port, line)).unwrap();
    let limits = shown.lines().find_map(|line| line.strip_prefix("Max processes"));
    let limits: Vec<u64> =
        limits.unwrap().split_whitespace().filter_map(|limit| limit.parse().ok()).collect();
    let [soft, hard] = limits[..] else { panic!("{shown}") };
    assert!(soft <= hard && hard <= 4_096 && !shown.contains("raised"), "{shown}");
}

#[test]
fn an_idle_host_ends_and_the_next_request_starts_a_new_one() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let [port] = free_ports();
    let https = listener("IP:127.0.0.1", "HTTPS", port, "");
    let mut telarchd = Telarchd::new(&[OPEN_TO_USERS, "Service.Auth.Basic = true\n", &https].concat());
    let mut command = telarchd.command();
    command.args(["--host-idle", "1"]);
    telarchd.run_as(command);
    block_on(async {
        let session = ann.session(port);
        let shell = session.shell(ShellOptions::default()).await.unwrap();
        let first = hosts(&telarchd);
        // A host with a shell stays, even without requests: a host without one that was used later ends.
        assert_eq!(ben.run(port, "echo ben").await.unwrap(), "ben\n");
        telarchd.wait_for_log(&["Host has ended", "has_left=true", &ben.name]);
        assert_eq!((hosts(&telarchd), first.len()), (first.clone(), 1));
        shell.close().await.unwrap();
        telarchd.wait_for_log(&["Host has ended", "has_left=true", &ann.name]);
        assert_eq!(
            session.shell(ShellOptions::default()).await.unwrap().run("echo new").await.unwrap().stdout,
            b"new\n"
        );
        let second = hosts(&telarchd);
        assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    });
    assert!(!telarchd.log().contains("together with its shells"), "nothing was lost");
}

#[test]
fn changed_groups_apply_at_the_next_sign_in_unless_shells_are_open() {
    let Some(ann) = TestUser::create() else { return };
    let (telarchd, port) = start("");
    let groups = || async { ann.run(port, "id -Gn").await.unwrap().trim().to_owned() };
    let own = format!("{} {}", ann.name, ann.group());
    let set_groups = |groups: &str| {
        let changed = Command::new("usermod").args(["--groups", groups, &ann.name]).status();
        assert!(changed.unwrap().success());
    };
    block_on(async {
        assert_eq!(groups().await, own);
        let first = hosts(&telarchd);
        set_groups("");
        assert_eq!(groups().await, ann.name, "the idle host was replaced");
        assert_ne!(hosts(&telarchd), first);

        let shell = ann.session(port).shell(ShellOptions::default()).await.unwrap();
        set_groups(ann.group());
        assert_eq!(groups().await, ann.name, "a shell is open");
        assert_eq!(shell.run("echo still").await.unwrap().stdout, b"still\n");
        shell.close().await.unwrap();
        assert_eq!(groups().await, own, "the shell is closed");
    });
    assert!(!telarchd.log().contains("together with its shells"), "nothing was lost");
}

#[test]
fn a_missing_gateway_user_is_reported_with_advice() {
    if !is_root() {
        skips::skip!("only the service of root has a gateway");
        return;
    }
    let telarchd = Telarchd::new("");
    for (name, part) in [("telarch-nobody-has-made", "useradd --system"), ("root", "root is root")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_telarchd"));
        telarchd.arguments(&mut command);
        let output = command.args(["--gateway-user", name]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(part), "{text}");
        let output = command.arg("--check").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success() && text.contains(part), "{text}");
    }
}

#[test]
fn internal_options_are_refused_for_users() {
    for arguments in [&["--host", "0", "0", "/"][..], &["--host", "1000", "1000", "/"], &["--gateway"]] {
        let telarchd = Telarchd::new("");
        let mut command = telarchd.command();
        if arguments[0] == "--host" {
            command = Command::new(env!("CARGO_BIN_EXE_telarchd"));
        } else if !is_root() {
            skips::skip_part!("only the service of root has a gateway");
            continue;
        }
        let output = command.args(arguments).stdin(std::process::Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("reserved for processes"), "{arguments:?}: {text}");
    }
}
