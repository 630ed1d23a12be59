//! Commands of Linux: `sh` with the programs of coreutils or BusyBox.
//!
//! The script is an argument of `sh`, which the service starts without the login shell of the user. Paths are arguments
//! of the script in which every unusual byte is an octal number for `printf %b`, because XML cannot carry every byte and
//! a name may begin with a dash or end with a line feed.

use std::ffi::OsStr;

use client::Interpreter;
use copy_proto::RelativePath;
use wsman::shell::CommandLine;

use super::dialect::{Dialect, End, PartialFile, Receive, RemoteCommand, Send};
use crate::RemotePath;

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
        let arguments = [
            target.key,
            digest.as_str(),
            &format!("{mode:o}"),
            if *is_exact { "exact" } else { "" },
            &modified.map(|seconds| seconds.to_string()).unwrap_or_default(),
            &offset.unwrap_or_default().to_string(),
            if offset.is_some() { "keep" } else { "" },
        ];
        on_target(target, RECEIVE, &arguments)
    }

    fn partial(&self, file: &PartialFile<'_>) -> Option<RemoteCommand> {
        Some(on_target(file, PARTIAL, &[file.key]))
    }

    fn kind(&self, path: &RemotePath) -> RemoteCommand {
        script(KIND, &[&escaped(path.as_bytes())])
    }

    fn send(&self, request: &Send<'_>) -> RemoteCommand {
        let (offset, digest) =
            request.found.as_ref().map_or((0, ""), |found| (found.length, found.digest.as_str()));
        let offset = offset.to_string();
        match request.below {
            None => script(SEND, &[&escaped(request.path.as_bytes()), &offset, digest]),
            Some(below) => {
                let (parent, name) = below.split();
                let (parent, name) = (escaped(parent.unwrap_or_default()), local_name(name));
                let text = format!("{ENTER}enter \"$1\" \"$2\" ''; shift 2\n{NO_LINK}{SEND}");
                script(&text, &[&escaped(request.path.as_bytes()), &parent, &name, &offset, digest])
            }
        }
    }

    fn encode(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    fn decode(&self, text: &mut Vec<u8>, _end: End) -> Result<Vec<u8>, String> {
        Ok(std::mem::take(text))
    }
}

impl Posix {
    /// Returns a command that creates a directory below `root`, or the root itself.
    pub(super) fn make_directory(root: &RemotePath, below: Option<&RelativePath>) -> RemoteCommand {
        let below = below.map(RelativePath::as_bytes).unwrap_or_default();
        let arguments = [&*escaped(root.as_bytes()), &*escaped(below), "make"];
        script(&format!("{ENTER}enter \"$@\"\n"), &arguments)
    }

    /// Returns a command that prints the entries below a directory: first an empty record, then records of a letter for
    /// the kind and a path, each ended by NUL.
    pub(super) fn list(root: &RemotePath) -> RemoteCommand {
        script(&format!("{ENTER}{LIST}"), &[&escaped(root.as_bytes())])
    }
}

/// Returns the command that runs a script on a target, whose path and name precede the other arguments.
fn on_target(target: &PartialFile<'_>, text: &str, others: &[&str]) -> RemoteCommand {
    let path = escaped(target.path.as_bytes());
    match target.below {
        None => script(text, &[&[&*path, &*escaped(target.name_bytes())], others].concat()),
        Some(below) => {
            let (parent, name) = below.split();
            let (parent, name) = (escaped(parent.unwrap_or_default()), local_name(name));
            let text = format!("{ENTER}enter \"$1\" \"$2\" make; shift 2\n{text}");
            script(&text, &[&[&*path, &*parent, &*name, ""], others].concat())
        }
    }
}

/// Returns the path of an entry of the current directory.
fn local_name(name: &[u8]) -> String {
    escaped(&[b"./", name].concat())
}

/// Returns the command that runs a script with arguments.
fn script(text: &str, arguments: &[&str]) -> RemoteCommand {
    let words = ["-c", &format!("{FUNCTIONS}{text}"), "telarch-cp"].map(str::to_owned);
    let arguments = words.into_iter().chain(arguments.iter().map(|&argument| argument.to_owned()));
    let line =
        CommandLine { command: "sh".to_owned(), arguments: arguments.collect(), ..CommandLine::default() };
    RemoteCommand { line, interpreter: Interpreter::Skipped, prelude: Vec::new() }
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

/// Check of the file of a directory, which must not have been replaced since the directory was listed.
const NO_LINK: &str = "path \"$1\"; [ ! -L \"$p\" ] || fail \"$p is a symbolic link\"\n";
const ENTER: &str = include_str!("posix/enter.sh");
const KIND: &str = include_str!("posix/kind.sh");
const LIST: &str = include_str!("posix/list.sh");
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
        let target = PartialFile { path: &path, name: name.map(OsStr::new), below: None, key: "key" };
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
            let ended = run(&Posix.send(&Send { path: &path, below: None, found: None }), b"");
            let digest = ContentDigest::of(&b"content"[..], 7).unwrap();
            let expected = format!("7 640 1000000 {} 0\ncontent", digest.as_str());
            assert_eq!(String::from_utf8_lossy(&ended.stdout), expected);
            fs::remove_file(folder.path().join(OsStr::from_bytes(name))).unwrap();
        }
    }

    /// Runs a command that succeeds, and returns its output.
    fn output(command: &RemoteCommand, input: &[u8]) -> Vec<u8> {
        let ended = run(command, input);
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        ended.stdout
    }

    fn below(path: &[u8]) -> RelativePath {
        RelativePath::new(path).unwrap()
    }

    /// Returns a command that writes `content` to a path below a directory.
    fn receive_below(root: &RemotePath, path: &RelativePath, content: &[u8]) -> RemoteCommand {
        let digest = ContentDigest::of(content, content.len() as u64).unwrap();
        let target = PartialFile { path: root, name: None, below: Some(path), key: "key" };
        let (mode, is_exact, modified, offset) = (0o640, true, None, None);
        Posix.receive(&Receive { target, digest: &digest, mode, is_exact, modified, offset })
    }

    #[test]
    fn a_directory_is_written_and_listed_with_any_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = RemotePath::new(folder.path().join("root\n").as_os_str().as_bytes());
        output(&Posix::make_directory(&root, None), b"");
        output(&Posix::make_directory(&root, Some(&below(b"-a/b\n/\xff $x"))), b"");
        output(&Posix::make_directory(&root, Some(&below(b"-a"))), b"");
        let file = below(b"-a/b\n/new \n/-f\n");
        output(&receive_below(&root, &file, b"content"), b"content");
        symlink("/etc/passwd", folder.path().join("root\n/link")).unwrap();
        let listed = output(&Posix::list(&root), b"");
        let mut records: Vec<&[u8]> = listed.split(|byte| *byte == 0).collect();
        assert_eq!((records.remove(0), records.pop()), (&b""[..], Some(&b""[..])));
        let position = |record: &[u8]| records.iter().position(|other| *other == record).unwrap();
        assert!(
            position(b"d-a") < position(b"d-a/b\n") && position(b"d-a/b\n") < position(b"d-a/b\n/new \n")
        );
        assert!(
            position(b"d-a/b\n/\xff $x") < records.len() && position(b"f-a/b\n/new \n/-f\n") < records.len()
        );
        assert!(position(b"olink") < records.len() && records.len() == 6, "{records:?}");
        let sent = output(&Posix.send(&Send { path: &root, below: Some(&file), found: None }), b"");
        assert!(sent.starts_with(b"7 640 ") && sent.ends_with(b" 0\ncontent"), "{sent:?}");
        for (path, kind) in [(root.as_bytes().to_vec(), "directory\n"), (b"/dev/null".to_vec(), "other\n")] {
            assert_eq!(output(&Posix.kind(&RemotePath::new(path)), b""), kind.as_bytes());
        }
        assert_eq!(output(&Posix.kind(&RemotePath::from("/nonexistent")), b""), b"");
    }

    #[test]
    fn symbolic_links_below_a_directory_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("root"), folder.path().join("outside"));
        for path in [&inside, &outside] {
            fs::create_dir(path).unwrap();
        }
        fs::write(outside.join("file"), "old").unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        symlink(outside.join("file"), inside.join("file")).unwrap();
        symlink("/nonexistent", inside.join("dangling")).unwrap();
        let root = RemotePath::new(inside.as_os_str().as_bytes());
        for command in [
            receive_below(&root, &below(b"link/file"), b"new"),
            receive_below(&root, &below(b"link/other/file"), b"new"),
            receive_below(&root, &below(b"dangling/file"), b"new"),
            receive_below(&root, &below(b"link"), b"new"),
            Posix::make_directory(&root, Some(&below(b"link/made"))),
            Posix.send(&Send { path: &root, below: Some(&below(b"link/file")), found: None }),
            Posix.send(&Send { path: &root, below: Some(&below(b"file")), found: None }),
        ] {
            let ended = run(&command, b"new");
            assert!(!ended.status.success() && ended.stdout.is_empty(), "{ended:?}");
        }
        assert_eq!(names(&outside), [b"file"]);
        // A link in place of the file itself is replaced.
        output(&receive_below(&root, &below(b"file"), b"new"), b"new");
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"old");
        assert_eq!(fs::read(inside.join("file")).unwrap(), b"new");
        // The root itself may be a link.
        symlink(&inside, folder.path().join("root link")).unwrap();
        let root = RemotePath::new(folder.path().join("root link").as_os_str().as_bytes());
        output(&receive_below(&root, &below(b"sub/x"), b"x"), b"x");
        assert_eq!(fs::read(inside.join("sub/x")).unwrap(), b"x");
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
        let file = PartialFile { path: &path, name: None, below: None, key: "key" };
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
        let ended = run(&Posix.send(&Send { path: &path, below: None, found }), b"");
        assert!(String::from_utf8_lossy(&ended.stdout).ends_with(" 3\ntent"), "{ended:?}");
        let digest = ContentDigest::of(&b"xyz"[..], 3).unwrap();
        let ended = run(
            &Posix.send(&Send { path: &path, below: None, found: Some(Begun { length: 3, digest }) }),
            b"",
        );
        assert!(String::from_utf8_lossy(&ended.stdout).ends_with(" 0\ncontent"), "{ended:?}");
    }
}
