//! Commands of Linux: `sh` with the programs of coreutils or BusyBox.
//!
//! The script is an argument of `sh`, which the service starts without the login shell of the user. Paths are arguments
//! of the script in which every unusual byte is an octal number for `printf %b`, because XML cannot carry every byte and
//! a name may begin with a dash or end with a line feed.

use std::ffi::OsStr;

use client::Interpreter;
use wsman::shell::CommandLine;

use super::dialect::{Dialect, End, PartialFile, Receive, RemoteCommand, Send};

/// Machine with a POSIX shell.
#[derive(Debug)]
pub(super) struct Posix;

impl Dialect for Posix {
    fn description(&self) -> &'static str {
        "winrs and sh"
    }

    fn check_name(&self, _name: &OsStr) -> Result<(), String> {
        Ok(())
    }

    fn receive(&self, request: &Receive<'_>) -> RemoteCommand {
        let Receive { target, digest, mode, is_exact, modified, offset } = request;
        script(
            RECEIVE,
            &[
                &escaped(target.path.as_bytes()),
                &escaped(target.name_bytes()),
                target.key,
                digest.as_str(),
                &format!("{mode:o}"),
                if *is_exact { "exact" } else { "" },
                &modified.map(|seconds| seconds.to_string()).unwrap_or_default(),
                &offset.unwrap_or_default().to_string(),
                if offset.is_some() { "keep" } else { "" },
            ],
        )
    }

    fn partial(&self, file: &PartialFile<'_>) -> Option<RemoteCommand> {
        let arguments = [&escaped(file.path.as_bytes()), &escaped(file.name_bytes()), file.key];
        Some(script(PARTIAL, &arguments))
    }

    fn send(&self, request: &Send<'_>) -> RemoteCommand {
        let (offset, digest) =
            request.found.as_ref().map_or((0, ""), |found| (found.length, found.digest.as_str()));
        script(SEND, &[&escaped(request.path.as_bytes()), &offset.to_string(), digest])
    }

    fn encode(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn decode(&self, text: &mut Vec<u8>, _end: End) -> Result<Vec<u8>, String> {
        Ok(std::mem::take(text))
    }
}

/// Returns the command that runs a script with arguments.
fn script(text: &str, arguments: &[&str]) -> RemoteCommand {
    let words = ["-c", &format!("{FUNCTIONS}{text}"), "telarch-cp"].map(str::to_owned);
    let arguments = words.into_iter().chain(arguments.iter().map(|&argument| argument.to_owned()));
    let line =
        CommandLine { command: "sh".to_owned(), arguments: arguments.collect(), ..CommandLine::default() };
    RemoteCommand { line, interpreter: Interpreter::Skipped }
}

/// Writes bytes for `printf %b` (POSIX.1-2017, printf): unusual bytes are `\0` and an octal number.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b' ' | b'+' | b',' => {
                text.push(char::from(*byte));
            }
            other => text += &format!("\\0{other:03o}"),
        }
        text
    })
}

const FUNCTIONS: &str = include_str!("posix/functions.sh");
const RECEIVE: &str = include_str!("posix/receive.sh");
const PARTIAL: &str = include_str!("posix/partial.sh");
const SEND: &str = include_str!("posix/send.sh");

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;
    use std::process::{Command, Output, Stdio};

    use copy_proto::{Begun, ContentDigest};

    use super::*;
    use crate::RemotePath;

    /// Runs a command as a service does that starts programs without a login shell.
    fn run(command: &RemoteCommand, input: &[u8]) -> Output {
        assert_eq!(command.interpreter, Interpreter::Skipped);
        let mut child = Command::new(&command.line.command)
            .args(&command.line.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The script may end without reading its input.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    fn receive(path: &[u8], name: Option<&str>, content: &[u8], offset: Option<u64>) -> RemoteCommand {
        let digest = ContentDigest::of(content, content.len() as u64).unwrap();
        let path = RemotePath::new(path);
        let target = PartialFile { path: &path, name: name.map(OsStr::new), key: "key" };
        let modified = Some(1_000_000);
        Posix.receive(&Receive { target, digest: &digest, mode: 0o640, is_exact: true, modified, offset })
    }

    fn names(folder: &Path) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().as_bytes().to_vec()).collect();
        names.sort();
        names
    }

    #[test]
    fn any_name_is_one_file_in_both_directions() {
        let folder = tempfile::tempdir().unwrap();
        let strange: [&[u8]; 12] = [
            b"plain",
            b"a b",
            b"it's \"quoted\" $HOME `id` \\0101 %s",
            b"-rf",
            b"--help",
            b"line\nfeed\n",
            b"\n",
            "gr\u{fc}\u{df}e \u{4f60}\u{597d}".as_bytes(),
            b"\xff\xfe\x01\x7f\r\t",
            b"*",
            b"~",
            b"; touch x; #",
        ];
        for name in strange {
            let path = [folder.path().as_os_str().as_bytes(), b"/", name].concat();
            let ended = run(&receive(&path, None, b"content", None), b"content");
            assert!(ended.status.success(), "{name:?}: {}", String::from_utf8_lossy(&ended.stderr));
            let real = fs::canonicalize(folder.path()).unwrap();
            assert_eq!(ended.stdout, [real.as_os_str().as_bytes(), b"/", name, b"\n"].concat());
            assert_eq!(names(folder.path()), [name]);
            let path = RemotePath::new(path);
            let ended = run(&Posix.send(&Send { path: &path, found: None }), b"");
            let digest = ContentDigest::of(&b"content"[..], 7).unwrap();
            let expected = format!("7 640 1000000 {} 0\ncontent", digest.as_str());
            assert_eq!(String::from_utf8_lossy(&ended.stdout), expected);
            fs::remove_file(folder.path().join(OsStr::from_bytes(name))).unwrap();
        }
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        let bytes = path.as_os_str().as_bytes();
        for (command, input, part) in [
            (receive(bytes, None, b"content", None), &b"conten"[..], "SHA-256"),
            (receive(b"/nonexistent/a", None, b"x", None), b"x", "cannot create a file in /nonexistent/"),
            (receive(folder.path().as_os_str().as_bytes(), None, b"x", None), b"x", "is a directory"),
            (receive(b"/dev/null", None, b"x", None), b"x", "/dev/null is not a regular file"),
            (receive(b"/dev/full/", None, b"x", None), b"x", "/dev/full/ does not exist"),
        ] {
            let ended = run(&command, input);
            let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!ended.status.success() && errors.contains(part), "{errors}");
        }
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"old".to_vec(), vec![b"a".to_vec()]));
    }

    #[test]
    fn a_directory_receives_the_file_under_its_name_and_a_link_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, link) = (folder.path().join("kept"), folder.path().join("link"));
        fs::write(&kept, "kept").unwrap();
        symlink(&kept, &link).unwrap();
        let ended = run(&receive(folder.path().as_os_str().as_bytes(), Some("link"), b"new", None), b"new");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!((fs::read(&kept).unwrap(), fs::read(&link).unwrap()), (b"kept".to_vec(), b"new".to_vec()));
        assert_eq!(fs::metadata(&link).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn partial_files_are_continued_unless_another_user_could_have_prepared_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = RemotePath::new(folder.path().join("a").as_os_str().as_bytes());
        let part = folder.path().join(".telarch-key.part");
        let command = receive(path.as_bytes(), None, b"content", Some(0));
        assert!(!run(&command, b"").status.success());
        assert!(names(folder.path()).is_empty(), "a mismatch is not kept");

        fs::write(&part, "con").unwrap();
        let file = PartialFile { path: &path, name: None, key: "key" };
        let state = || String::from_utf8(run(&Posix.partial(&file).unwrap(), b"").stdout).unwrap();
        let digest = ContentDigest::of(&b"con"[..], 3).unwrap();
        assert_eq!(state(), format!("3 {}\n", digest.as_str()));
        let ended = run(&receive(path.as_bytes(), None, b"content", Some(3)), b"tent");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"content");

        symlink("/etc/passwd", &part).unwrap();
        assert_eq!(state(), "");
        let ended = run(&receive(path.as_bytes(), None, b"content", Some(3)), b"tent");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("has changed"));

        let found = Some(Begun { length: 3, digest: digest.clone() });
        let ended = run(&Posix.send(&Send { path: &path, found }), b"");
        assert!(String::from_utf8_lossy(&ended.stdout).ends_with(" 3\ntent"), "{ended:?}");
        let digest = ContentDigest::of(&b"xyz"[..], 3).unwrap();
        let ended = run(&Posix.send(&Send { path: &path, found: Some(Begun { length: 3, digest }) }), b"");
        assert!(String::from_utf8_lossy(&ended.stdout).ends_with(" 0\ncontent"), "{ended:?}");
    }
}
