//! Start of commands: environment, directory, program search and limits.
use std::fs;
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStringExt;

use shells::Limits;
use telarch_plugin_shell::{CommandError, Stdin};

use super::*;

#[tokio::test]
async fn a_command_has_exactly_the_given_environment() {
    let mut spec = program("env", &["-0"]);
    let odd = OsString::from_vec(b"\xFF\"'$(x)&<\n".to_vec());
    spec.environment.extend([
        ("1234".into(), "a number".into()),
        ("a-b.c".into(), odd.clone()),
        ("TWICE".into(), "first".into()),
        ("TWICE".into(), "second".into()),
        ("EMPTY".into(), "".into()),
    ]);
    let ran = run(spec).await;
    let mut variables: Vec<&[u8]> =
        ran.stdout.split(|&byte| byte == 0).filter(|one| !one.is_empty()).collect();
    variables.sort_unstable();
    let odd = [b"a-b.c=".as_slice(), &odd.into_vec()].concat();
    let expected: [&[u8]; 5] = [b"1234=a number", b"EMPTY=", b"PATH=/usr/bin:/bin", b"TWICE=second", &odd];
    assert_eq!(variables, expected);
}

#[tokio::test]
async fn a_command_runs_in_its_directory() {
    let mut spec = line("pwd");
    spec.directory = "/usr/share".into();
    assert_eq!(run(spec).await.text(), ("/usr/share\n", "", 0));
}

#[tokio::test]
async fn arguments_of_a_program_are_not_parsed_by_a_shell() {
    let ran = run(program("printf", &["%s|", "a b", "$HOME", "\"", ""])).await;
    assert_eq!(ran.text(), ("a b|$HOME|\"||", "", 0));
}

#[tokio::test]
async fn outer_quotes_of_a_line_are_removed() {
    assert_eq!(run(line("\"echo \"a  b\" c\"")).await.text(), ("a  b c\n", "", 0));
}

#[tokio::test]
async fn a_command_line_of_a_megabyte_is_refused() {
    let long = "x".repeat(1024 * 1024);
    let error = Command::spawn(&line(&format!("true {long}"))).err().unwrap();
    assert!(matches!(error, CommandError::Spawn { .. }), "{error}");
}

#[tokio::test]
async fn missing_directories_and_missing_programs_are_different_errors() {
    let mut spec = line("true");
    spec.directory = "/no/such/folder".into();
    let error = Command::spawn(&spec).err().unwrap();
    assert!(matches!(error, CommandError::NoSuchDirectory { path } if path == spec.directory));

    let error = Command::spawn(&program("no-such-program", &[])).err().unwrap();
    assert!(matches!(error, CommandError::NoSuchProgram { program } if program == "no-such-program"));

    let startup = Startup::NoProfile;
    let shell = CommandLine::Shell { program: "/no/such/shell".into(), startup, line: "true".into() };
    let error = Command::spawn(&super::spec(shell)).err().unwrap();
    assert!(matches!(error, CommandError::NoSuchProgram { program } if program == "/no/such/shell"));
}

#[tokio::test]
async fn a_working_directory_must_be_a_directory() {
    for path in ["/etc/passwd", "/etc/passwd/x"] {
        let mut spec = line("true");
        spec.directory = path.into();
        let error = Command::spawn(&spec).err().unwrap();
        assert!(matches!(error, CommandError::NotADirectory { .. }), "{path}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_executable_is_forbidden() {
    let error = Command::spawn(&program("/etc/passwd", &[])).err().unwrap();
    assert!(matches!(error, CommandError::ProgramForbidden { program } if program == "/etc/passwd"));
}

#[tokio::test]
async fn strings_that_linux_cannot_represent_are_refused() {
    let error = Command::spawn(&line("echo a\0b")).err().unwrap();
    assert!(matches!(error, CommandError::ContainsNul { place: "command line" }));
    for name in ["", "=C:", "A=B"] {
        let mut spec = line("true");
        spec.environment.push((name.into(), "x".into()));
        let error = Command::spawn(&spec).err().unwrap();
        assert!(matches!(error, CommandError::EnvironmentName { name: reported } if reported == name));
    }
}

#[tokio::test]
async fn without_powershell_the_exit_code_is_127() {
    let empty = tempfile::tempdir().unwrap();
    for mut spec in [line("PowerShell -NoProfile -Command x"), program("PowerShell", &["-Command", "x"])] {
        spec.environment = vec![("PATH".into(), empty.path().into())];
        let ran = run(spec).await;
        let expected = "PowerShell: not found, and pwsh is not installed on this computer\n";
        assert_eq!(ran.text(), ("", expected, 127));
    }
}

#[tokio::test]
async fn pwsh_replaces_powershell() {
    let bin = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/echo", bin.path().join("pwsh")).unwrap();
    for mut spec in [line("powershell.exe -c 'a  b'"), program("powershell.exe", &["-c", "a  b"])] {
        spec.environment = vec![("PATH".into(), bin.path().into())];
        assert_eq!(run(spec).await.text(), ("-c a  b\n", "", 0));
    }
}

#[tokio::test]
async fn a_command_starts_with_an_empty_signal_mask_and_dies_of_a_broken_pipe() {
    let ran = run(program("grep", &["SigBlk", "/proc/self/status"])).await;
    assert_eq!(ran.text(), ("SigBlk:\t0000000000000000\n", "", 0));
    assert_eq!(run(line("kill -PIPE $$")).await.exit_code, 128 + 13);
}

#[tokio::test]
async fn core_files_are_disabled_but_can_be_enabled() {
    let ran = resume(&spawn(line("read go; ulimit -Sc; ulimit -Hc"))).await;
    let hard = fs::read_to_string("/proc/self/limits").unwrap();
    let hard = hard.lines().find(|limit| limit.starts_with("Max core file size")).unwrap().to_owned();
    let hard_is_zero = hard.split_whitespace().nth(5) == Some("0");
    assert!(ran.text().0.starts_with("0\n"));
    assert_eq!(ran.text().0 == "0\n0\n", hard_is_zero, "{:?} {hard}", ran.text());
}

#[tokio::test]
async fn a_command_starts_with_the_given_limit_of_open_files() {
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let more = hard.map_or_else(|| "unlimited".to_owned(), |hard| hard.to_string());
    for (given, expected) in [(Some(333), "333"), (Some(u64::MAX - 1), more.as_str())] {
        let mut spec = line("read go; ulimit -Sn; ulimit -Hn; sh -c 'ulimit -Sn'; ulimit -Sn $(ulimit -Hn)");
        let limits = Limits { open_files: given, ..Limits::default() };
        spec.limiter = Arc::new(ProcessLimiter::per_process(limits));
        let ran = resume(&spawn(spec)).await;
        assert_eq!(ran.text(), (format!("{expected}\n{more}\n{expected}\n").as_str(), "", 0));
    }
}

#[tokio::test]
async fn a_profile_is_read_only_if_requested() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".profile"), "GREETING=hello; export GREETING\n").unwrap();
    for (startup, expected) in [(Startup::NoProfile, "|\n"), (Startup::Profile, "hello|\n")] {
        for shell in ["/bin/sh", "/bin/bash"] {
            let line = "echo \"$GREETING|\"".into();
            let mut spec = spec(CommandLine::Shell { program: shell.into(), startup, line });
            spec.environment.push(("HOME".into(), home.path().into()));
            let ran = run(spec).await;
            assert_eq!((ran.text().0, ran.exit_code), (expected, 0), "{shell} {startup:?} {ran:?}");
        }
    }
}

#[tokio::test]
async fn without_control_groups_memory_is_limited_per_process() {
    let limits = Limits { memory: NonZeroU64::new(64 << 20), ..Limits::default() };
    let limiter = Arc::new(ProcessLimiter::per_process(limits));
    let limited = |text: &str| CommandSpec { limiter: Arc::clone(&limiter), ..line(text) };
    let ran = resume(&spawn(limited("read go; ulimit -Sd; ulimit -Hd; sh -c 'ulimit -d'"))).await;
    assert_eq!(ran.text(), ("65536\n65536\n65536\n", "", 0));
    for (size, exit_code) in [(16, 0), (256, 1)] {
        let dd = format!("read go; dd bs={size}M count=1 if=/dev/zero of=/dev/null");
        assert_eq!(resume(&spawn(limited(&dd))).await.exit_code, exit_code, "{size} MB");
    }
}

#[tokio::test]
async fn a_program_can_handle_a_failed_allocation() {
    let mut spec = program("python3", &["-c", PYTHON]);
    let limits = Limits { memory: NonZeroU64::new(256 << 20), ..Limits::default() };
    spec.limiter = Arc::new(ProcessLimiter::per_process(limits));
    assert_eq!(resume(&spawn(spec)).await.text(), ("100 MB\nMemoryError\n", "", 0));
}

/// Continues a command that waits for a line. Its limits are in place once input can be sent to it.
async fn resume(command: &Command) -> Ran {
    command.send(b"go\n".to_vec(), Stdin::Closes).await.unwrap();
    finish(command).await
}

const PYTHON: &str = "
input()
print(len(bytearray(100 << 20)) >> 20, 'MB')
try:
    bytearray(1 << 30)
except MemoryError:
    print('MemoryError')
";
