//! Sessions of clients that were recorded at Windows, repeated at our service.
//!
//! The recordings belong to third parties and are not part of this repository. They are searched for in the directory
//! `wsman/sessions` of `TELARCH_FIXTURES`, or else of `shared/fixtures` next to the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use ports::free_ports;
use xml::{Bounds, Document, Element};

use crate::http_connection::{Answer, Connection};
use crate::service_process::{Telarchd, listener, loopback};

/// State of a command that has ended.
const DONE: &str = "/CommandState/Done";
/// Directory in a recorded request, which must exist.
const DIRECTORY: &str = r"C:\Windows";

/// A request, and the reply of Windows.
struct Exchange {
    request: String,
    reply: String,
}

#[test]
fn replies_to_recorded_requests_have_the_elements_of_windows() {
    let Some(folder) = recordings() else { return };
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let settings = "Service.AllowUnencrypted = true\nService.Auth.Basic = true\n";
    let _telarchd = Telarchd::start(&[settings, &http].concat());
    let mut connection = Connection::open(loopback(port));
    let mut compared = 0;
    let mut differences = Vec::new();
    for (file, exchanges) in sessions(&folder) {
        // Identifiers of the recording, and those of our service.
        let mut identifiers = BTreeMap::new();
        let mut has_ended = false;
        for Exchange { request, reply } in exchanges {
            let action = action_of(&request);
            let is_receive = action == "Receive";
            // Our commands end earlier or later than those of Windows.
            if is_receive && has_ended {
                continue;
            }
            let request = request.replace(DIRECTORY, "/tmp");
            let sent = identifiers.iter().fold(request, |text, (theirs, ours): (&String, &String)| {
                text.replace(theirs.as_str(), ours)
            });
            let Answer { status, body } = connection.ask("/wsman", &sent);
            has_ended = is_receive && body.contains(DONE);
            for name in ["ShellId", "CommandId"] {
                if let (Some(theirs), Some(ours)) = (identifier(&reply, name), identifier(&body, name)) {
                    identifiers.insert(theirs, ours);
                }
            }
            if is_receive && !(has_ended && reply.contains(DONE)) {
                continue;
            }
            let (theirs, ours) = (elements(&reply, is_receive), elements(&body, is_receive));
            compared += 1;
            if theirs != ours {
                differences.push(format!("{file}, {action}, HTTP {status}:\n  {theirs:?}\n  {ours:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared >= 60, "only {compared} replies could be compared");
}

/// Returns the directory with the recordings; without it the test is skipped with a message.
fn recordings() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let folder = env::var_os("TELARCH_FIXTURES").map_or_else(beside, PathBuf::from).join("wsman/sessions");
    if folder.is_dir() {
        return Some(folder);
    }
    skips::skip!("there are no recordings in {}; TELARCH_FIXTURES names another folder", folder.display());
    None
}

/// Returns the recorded sessions of shells and settings, without those of PowerShell remoting.
fn sessions(folder: &Path) -> Vec<(String, Vec<Exchange>)> {
    let mut paths: Vec<PathBuf> = ["pypsrp", "winrmsharp"]
        .iter()
        .flat_map(|name| fs::read_dir(folder.join(name)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut sessions = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let messages = messages(&text);
        assert!(messages.len().is_multiple_of(2), "{}", path.display());
        let is_powershell =
            messages.iter().any(|message| message.contains("/powershell/Microsoft.PowerShell"));
        if !is_powershell {
            let pairs = messages.chunks(2);
            let exchanges =
                pairs.map(|pair| Exchange { request: pair[0].clone(), reply: pair[1].clone() }).collect();
            sessions.push((path.file_name().unwrap().to_string_lossy().into_owned(), exchanges));
        }
    }
    sessions
}

/// Returns the envelopes of a recording, each on one line, or indented after `Body: >-`.
fn messages(text: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut messages = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let key = line.trim_start_matches(['-', ' ']);
        if let Some(value) = key.strip_prefix("request: ").or_else(|| key.strip_prefix("response: ")) {
            messages.push(value.trim_matches('\'').to_owned());
        } else if line.trim() == "Body: >-" {
            let mut block = String::new();
            while let Some(inside) =
                lines.next_if(|next| next.trim().is_empty() || indent(next) > indent(line))
            {
                block.push_str(inside.trim());
                block.push('\n');
            }
            messages.push(block.trim().to_owned());
        }
    }
    messages
}

/// Returns the last segment of the action.
fn action_of(message: &str) -> String {
    let document = Document::parse(message, &Bounds::default()).unwrap();
    let action = find(document.root(), "Action").unwrap().text();
    action.trim().rsplit('/').next().unwrap_or_default().to_owned()
}

/// Returns the identifier in an element or selector of this name.
fn identifier(message: &str, name: &str) -> Option<String> {
    let document = Document::parse(message, &Bounds::default()).ok()?;
    let found = find(document.root(), name).or_else(|| find(document.root(), "Selector"))?;
    let text = found.text().trim().to_owned();
    (text.len() == 36).then_some(text)
}

fn find<'a>(element: Element<'a>, name: &str) -> Option<Element<'a>> {
    if element.name() == name {
        return Some(element);
    }
    element.children().find_map(|child| find(child, name))
}

/// Returns the prefixes and names of all elements in the order of the message. The output of a command is left out, and
/// so is what only recent versions of Windows write, and not in every reply.
fn elements(message: &str, is_receive: bool) -> Vec<String> {
    let document = Document::parse(message, &Bounds::default()).unwrap();
    let mut names = Vec::new();
    collect(document.root(), &mut names);
    names.retain(|name| name != "p:ActivityId" && !(is_receive && name == "rsp:Stream"));
    names
}

fn collect(element: Element<'_>, names: &mut Vec<String>) {
    names.push(format!("{}:{}", element.prefix(), element.name()));
    element.children().for_each(|child| collect(child, names));
}
