//! Commands of Windows: scripts for Windows PowerShell, encoded as base64 of UTF-16LE so that no shell interprets them.
//!
//! Contents are lines of base64, because the console converts line ends and characters.

mod tree;
mod tree_receiver;

use std::ffi::OsStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::Interpreter;
use wsman::shell::CommandLine;

pub(super) use self::tree::{TreeInput, TreeReplies, receive_tree, send_tree};
pub(super) use self::tree_receiver::TreeReceiver;
use super::dialect::{Dialect, End, PartialFile, Receive, RemoteCommand, Send};
use crate::RemotePath;

/// Machine with Windows PowerShell.
#[derive(Debug)]
pub(super) struct Windows;

impl Dialect for Windows {
    fn description(&self) -> &'static str {
        "winrs and Windows PowerShell"
    }

    fn check_name(&self, name: &OsStr) -> Result<(), String> {
        check_file_name(name)
    }

    fn receive(&self, request: &Receive<'_>) -> RemoteCommand {
        let Receive { target, digest, mode: _, is_exact: _, modified, offset: _ } = request;
        let name = STANDARD.encode(target.name_bytes());
        let time = modified.map_or_else(|| "-".to_owned(), |seconds| seconds.to_string());
        let mut command = on_root(&[ROOT, RECEIVE], target.path);
        let line = format!("{name} {} {} {time}\r\n", target.key, digest.as_str());
        command.prelude.extend_from_slice(line.as_bytes());
        command
    }

    fn partial(&self, _file: &PartialFile<'_>) -> Option<RemoteCommand> {
        None
    }

    fn kind(&self, path: &RemotePath) -> RemoteCommand {
        on_root(&[ROOT, KIND], path)
    }

    fn send(&self, request: &Send<'_>) -> RemoteCommand {
        on_root(&[ROOT, SEND], request.path)
    }

    fn encode(&self, bytes: &[u8]) -> Vec<u8> {
        let mut lines = Vec::with_capacity(bytes.len() * 4 / 3 + 64);
        for piece in bytes.chunks(LINE) {
            lines.extend_from_slice(STANDARD.encode(piece).as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        lines
    }

    fn decode(&self, text: &mut Vec<u8>, end: End) -> Result<Vec<u8>, String> {
        let whole = match (text.iter().rposition(|byte| *byte == b'\n'), end) {
            (_, End::Here) => text.len(),
            (Some(at), End::Open) => at + 1,
            (None, End::Open) => 0,
        };
        if text.len() > whole + LONGEST_LINE {
            return Err("the received data is not lines of base64".to_owned());
        }
        let rest = text.split_off(whole);
        let lines = std::mem::replace(text, rest);
        let mut bytes = Vec::with_capacity(lines.len());
        for line in lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
        {
            STANDARD
                .decode_vec(line, &mut bytes)
                .map_err(|error| format!("the received data is not base64: {error}"))?;
        }
        Ok(bytes)
    }
}

/// Rejects names that Windows does not allow, or that would lead out of their directory.
pub(crate) fn check_file_name(name: &OsStr) -> Result<(), String> {
    let is_forbidden = |c: char| c.is_control() || "<>:\"/\\|?*".contains(c);
    let Some(text) = name.to_str() else {
        return Err(format!(
            "\"{}\" is not UTF-8, so Windows cannot have a file of this name",
            name.display()
        ));
    };
    let stem = text.split('.').next().unwrap_or_default().trim_end();
    let is_device = DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device));
    if text.is_empty() || text.contains(is_forbidden) || text.ends_with(['.', ' ']) || is_device {
        return Err(format!("\"{text}\" is not a valid file name on Windows"));
    }
    Ok(())
}

/// Returns the command line that runs a script and fails if the script fails.
fn encoded(script: &str) -> RemoteCommand {
    let script = format!(
        "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'\n\
         try {{\n{script}\n}} catch {{ [Console]::Error.WriteLine($_.Exception.Message); exit 1 }}"
    );
    let command = command_line("powershell", &script);
    RemoteCommand {
        line: CommandLine { command, ..CommandLine::default() },
        interpreter: Interpreter::Used,
        prelude: Vec::new(),
    }
}

/// Returns the command that runs a script of these parts, which is the beginning of its input, because the command line
/// of cmd is too short for it. The next line of the input is the path `root`.
fn on_root(parts: &[&str], root: &RemotePath) -> RemoteCommand {
    let mut prelude = Vec::new();
    for line in STANDARD.encode(parts.concat()).as_bytes().chunks(SCRIPT_LINE) {
        prelude.extend_from_slice(line);
        prelude.extend_from_slice(b"\r\n");
    }
    prelude.extend_from_slice(format!("\r\n{}\r\n", STANDARD.encode(root.to_string())).as_bytes());
    RemoteCommand { prelude, ..encoded(START) }
}

/// Returns a command line with the script as base64 of UTF-16LE, which no shell interprets.
#[must_use]
pub fn command_line(program: &str, script: &str) -> String {
    let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    format!("{program} -NoProfile -NonInteractive -EncodedCommand {}", STANDARD.encode(bytes))
}

const START: &str = include_str!("windows/start.ps1");
const ROOT: &str = include_str!("windows/root.ps1");
const KIND: &str = include_str!("windows/kind.ps1");
const RECEIVE: &str = include_str!("windows/receive.ps1");
const SEND: &str = include_str!("windows/send.ps1");
/// Number of bytes per line, short enough for the console reader.
const LINE: usize = 3_072;
/// Number of characters per line of a script, as long as a line of content.
const SCRIPT_LINE: usize = 4_096;
/// Maximum length of a received line in bytes; the script sends 64 KiB.
const LONGEST_LINE: usize = 128 * 1_024;
/// Names that are devices in every directory.
const DEVICES: [&str; 22] = [
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
    "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

#[cfg(test)]
mod tests {
    use copy_proto::ContentDigest;

    use super::*;

    fn receive(path: &str, name: &str) -> RemoteCommand {
        let digest = ContentDigest::of(&b""[..], 0).unwrap();
        let path = RemotePath::from(path);
        let target =
            PartialFile { path: &path, name: Some(OsStr::new(name)), below: None, key: "0123456789abcdef" };
        let modified = Some(u64::from(u32::MAX));
        Windows.receive(&Receive {
            target,
            digest: &digest,
            mode: 0,
            is_exact: false,
            modified,
            offset: None,
        })
    }

    #[test]
    fn lines_split_across_reads_are_reassembled() {
        let text = Windows.encode(&(0..=255).cycle().take(10_000).collect::<Vec<u8>>());
        for cut in [1, 3, 4_000, 4_098, text.len() - 1] {
            let (mut buffer, mut bytes) = (Vec::new(), Vec::new());
            let (first, second) = text.split_at(cut);
            for (piece, end) in [(first, End::Open), (second, End::Here)] {
                buffer.extend_from_slice(piece);
                bytes.extend(Windows.decode(&mut buffer, end).expect("base64"));
            }
            assert_eq!(bytes, (0..=255).cycle().take(10_000).collect::<Vec<u8>>(), "cut at {cut}");
        }
        let endless = Windows.decode(&mut vec![b'A'; LONGEST_LINE + 1], End::Open);
        assert!(endless.is_err());
    }

    /// Returns the script at the beginning of the input of a command, and the lines after it.
    fn input(command: &RemoteCommand) -> (String, Vec<String>) {
        let text = String::from_utf8(command.prelude.clone()).unwrap();
        assert!(text.lines().all(|line| line.len() <= SCRIPT_LINE));
        let (script, rest) = text.split_once("\r\n\r\n").unwrap();
        let script = STANDARD.decode(script.replace("\r\n", "")).unwrap();
        (String::from_utf8(script).unwrap(), rest.lines().map(str::to_owned).collect())
    }

    #[test]
    fn paths_are_lines_of_the_input_and_never_part_of_a_script() {
        let path = "C:\\it's $(calc)";
        let (script, lines) = input(&receive(path, "a'b.txt"));
        assert_eq!(script, [ROOT, RECEIVE].concat());
        let digest = ContentDigest::of(&b""[..], 0).unwrap();
        let second =
            format!("{} 0123456789abcdef {} 4294967295", STANDARD.encode("a'b.txt"), digest.as_str());
        assert_eq!(lines, [STANDARD.encode(path), second]);
        let send = Windows.send(&Send { path: &RemotePath::from(path), below: None, found: None });
        assert_eq!(input(&send), ([ROOT, SEND].concat(), vec![STANDARD.encode(path)]));
    }

    #[test]
    fn commands_fit_the_limit_of_cmd() {
        let path = RemotePath::from("C:\\x");
        for command in [receive("C:\\x", "x"), Windows.kind(&path)] {
            assert!(command.line.command.len() < 2_000, "{}", command.line.command.len());
        }
    }

    #[test]
    fn names_that_windows_cannot_have_are_refused() {
        for name in ["a.txt", "CONSOLE", "a b", "\u{fc}", ".profile", "x'y"] {
            assert_eq!(check_file_name(OsStr::new(name)), Ok(()), "{name}");
        }
        for name in
            ["..", ".", "", "a\\b", "..\\x", "C:x", "x:stream", "a?", "nul", "Com1.txt", "a.", "a ", "a\n"]
        {
            assert!(check_file_name(OsStr::new(name)).is_err(), "{name}");
        }
    }
}
