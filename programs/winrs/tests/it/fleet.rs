//! `winrs -hosts` against several real services, and hosts that refuse, hang or reject the user.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use telarch_loopback::{Loopback, User};

use super::streams;

fn winrs(hosts: &[String], words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_winrs"));
    command.arg(format!("-hosts:{}", hosts.join(","))).args(["-un", "-auth:basic"]);
    command.arg(format!("-u:{}", User::Ada.name())).args(words).env("TELARCH_PASSWORD", "pä:ss ada");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn services(count: usize) -> (Vec<Loopback>, Vec<String>) {
    let mut services = Vec::new();
    for _ in 0..count {
        services.push(Loopback::start().await);
    }
    let names = services.iter().map(|service| format!("http://{}", service.http())).collect();
    (services, names)
}

/// A port that refuses connections.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A port that accepts connections and never answers.
fn hanging() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("http://{}", listener.local_addr().unwrap());
    (listener, name)
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn output_has_the_name_of_its_host_and_equal_results_are_grouped() {
    let (_services, mut names) = services(3).await;
    let command = winrs(&names, &["printf 'one\\ntwo'; echo three >&2"]);
    let (status, out, errors) = streams(output(command).await);
    assert_eq!(status, 0, "{errors}");
    let mut expected: Vec<String> =
        names.iter().flat_map(|name| [format!("{name}: one"), format!("{name}: two")]).collect();
    expected.sort_unstable();
    assert_eq!(sorted(&out), expected);
    assert!(errors.contains("winrs: 3 hosts: 3 succeeded, 0 failed\n  exit code 0 (3): "), "{errors}");
    assert_eq!(errors.matches(": three\n").count(), 3, "{errors}");

    let refused = refusing();
    names.push(refused.clone());
    let (status, _, errors) = streams(output(winrs(&names, &["exit 3"])).await);
    assert_eq!(status, 1);
    assert!(errors.contains("winrs: 4 hosts: 0 succeeded, 4 failed\n"), "{errors}");
    assert!(errors.contains("  exit code 3 (3): "), "{errors}");
    assert!(errors.contains(&format!("(1): {refused}")), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_have_lines_exit_codes_and_errors() {
    let (_services, mut names) = services(1).await;
    let refused = refusing();
    names.push(refused.clone());
    let command = winrs(&names, &["-format:ndjson", "-parallel:1", "echo '\"x\"'; exit 7"]);
    let (status, out, _) = streams(output(command).await);
    assert_eq!(status, 1);
    let lines: Vec<&str> = out.lines().collect();
    let [line, end, failed] = lines.as_slice() else { panic!("{out}") };
    let name = &names[0];
    assert_eq!(*line, format!("{{\"host\":\"{name}\",\"stream\":\"stdout\",\"line\":\"\\\"x\\\"\"}}"));
    assert!(end.starts_with(&format!("{{\"host\":\"{name}\",\"exit_code\":7,\"seconds\":")), "{end}");
    assert!(failed.starts_with(&format!("{{\"host\":\"{refused}\",\"error\":\"")), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_hang_end_with_their_time_limit() {
    let (_services, mut names) = services(1).await;
    let (_listener, hung) = hanging();
    names.insert(0, hung.clone());
    let (status, out, errors) = streams(output(winrs(&names, &["-hosttimeout:2", "echo done"])).await);
    assert_eq!((status, out), (1, format!("{}: done\n", names[1])));
    assert!(errors.contains(&format!("{hung}: stopped: the time limit of the host expired\n")), "{errors}");

    let names: Vec<String> = (0..3).map(|_| hung.clone().replace("127.0.0.1", "localhost")).collect();
    let (status, _, errors) = streams(output(winrs(&names, &["true"])).await);
    assert_eq!(status, 1);
    assert!(errors.contains("listed twice"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_stop_the_rest_of_the_hosts() {
    let (_services, mut names) = services(2).await;
    names.insert(0, refusing());
    let command = winrs(&names, &["-failfast", "-parallel:1", "echo never"]);
    let (status, out, errors) = streams(output(command).await);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(errors.contains("3 hosts: 0 succeeded, 1 failed, 2 not started"), "{errors}");

    for words in [&["-parallel:2", "x"][..], &["-failfast", "x"], &["-format:ndjson", "x"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_winrs"));
        let (status, _, errors) = streams(command.args(words).output().unwrap());
        assert!(status != 0 && errors.contains("require -hosts"), "{words:?}: {errors}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_commands_on_all_hosts() {
    let (_services, names) = services(2).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let script =
        format!("echo $$ > {}.$$; echo started; sleep 600 & echo $! > {}.$$; wait", path("a"), path("b"));
    let mut child = winrs(&names, &[script.as_str()]).spawn().unwrap();
    let started = |prefix: &str| files(folder.path(), prefix);
    while started("b").len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(130));
    // The services end the processes of a shell that is deleted.
    for process in started("b") {
        while Path::new(&format!("/proc/{process}")).exists() && !is_zombie(&process) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Returns the contents of the files whose names begin with a letter, if they are complete.
fn files(folder: &Path, prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let contents = named.map(|entry| std::fs::read_to_string(entry.path()).unwrap());
    contents.filter(|text| text.ends_with('\n')).map(|text| text.trim().to_owned()).collect()
}

fn is_zombie(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with('Z'))
}
