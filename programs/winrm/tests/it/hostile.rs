//! Hostile services and hostile local users.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use crate::service::{Request, Service, fault};
use crate::{streams, winrm};

/// One control character of each kind that XML can contain, followed by text that a terminal would interpret.
const CONTROL_CHARACTERS: &str =
    "A\u{9B}31mB\u{9D}0;title\u{9C}C\u{7F}D\u{202E}E\u{2066}F\u{200F}G\u{61C}H\u{2028}I\u{85}J";
const FORMATS: [&str; 6] = ["text", "pretty", "xml", "json", "ndjson", "yaml"];
/// User ID other than that of the test.
const OTHER_USER: u32 = 3_001;

fn controls_terminal(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Runs the program against the service and checks that its output has no control characters.
fn ran(service: &Service, words: &[&str]) -> (String, String) {
    let remote = format!("-r:http://127.0.0.1:{}", service.port);
    let session = [remote.as_str(), "-un", "-auth:basic", "-u:ann"];
    let output = winrm(words).args(session).env("TELARCH_PASSWORD", "secret").output().unwrap();
    let (_, out, errors) = streams(output);
    for text in [&out, &errors] {
        assert!(!text.contains(controls_terminal), "{words:?}: {text:?}");
    }
    (out, errors)
}

#[test]
fn values_of_a_service_do_not_control_a_terminal_in_any_format() {
    let config = format!(
        "<c:Config xmlns:c=\"urn:c\" Lang=\"{CONTROL_CHARACTERS}\"><c:A Source=\"{CONTROL_CHARACTERS}\">{CONTROL_CHARACTERS}</c:A>\
         <c:B><w:Selector Name=\"{CONTROL_CHARACTERS}\">{CONTROL_CHARACTERS}</w:Selector></c:B><c:M>{CONTROL_CHARACTERS}<c:N/></c:M>\
         <c:D><![CDATA[<{CONTROL_CHARACTERS}>]]></c:D></c:Config>"
    );
    let items = format!(
        "<n:EnumerateResponse><n:EnumerationContext/><w:Items>{config}{config}</w:Items><w:EndOfSequence/>\
         </n:EnumerateResponse>"
    );
    let service = Service::start(move |request: &Request| match request.action.as_str() {
        "Enumerate" => (200, items.clone()),
        _ => (200, config.clone()),
    });
    for format in FORMATS {
        let format_switch = format!("-format:{format}");
        for words in [["get", "winrm/config"], ["enumerate", "winrm/config/listener"]] {
            let (out, errors) = ran(&service, &[words[0], words[1], &format_switch]);
            assert!(out.contains("31mB") && out.contains("title"), "{words:?} {format}: {out}{errors}");
            if matches!(format, "pretty" | "xml") {
                assert!(out.contains("A&#x9B;31mB&#x9D;0;title&#x9C;C&#x7F;D&#x202E;E"), "{out}");
            }
        }
        let identity = format!(
            "<i:IdentifyResponse xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">\
             <i:ProtocolVersion>{CONTROL_CHARACTERS}</i:ProtocolVersion><i:ProductVendor>{CONTROL_CHARACTERS}</i:ProductVendor>\
             </i:IdentifyResponse>"
        );
        let greeting = Service::start(move |_: &Request| (200, identity.clone()));
        let (out, errors) = ran(&greeting, &["id", &format_switch]);
        assert!(out.contains("title"), "{format}: {out}{errors}");
    }
}

#[test]
fn faults_and_invalid_responses_do_not_control_a_terminal_in_any_format() {
    let refusing = Service::start(|_: &Request| fault(5, "w:AccessDenied", CONTROL_CHARACTERS));
    let talking = Service::start(|_: &Request| (200, format!("<x>{CONTROL_CHARACTERS}\u{1B}[31m</y>")));
    for format in FORMATS {
        let format = format!("-format:{format}");
        for service in [&refusing, &talking] {
            for words in [["get", "winrm/config"], ["doctor", "-timeout:5"]] {
                let (out, errors) = ran(service, &[words[0], words[1], &format]);
                assert!(!out.is_empty() || !errors.is_empty(), "{words:?} printed nothing");
            }
        }
    }
}

#[test]
fn saved_hosts_do_not_control_a_terminal_in_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.toml");
    // TOML allows control characters only as escapes.
    let user: String = CONTROL_CHARACTERS.chars().map(|c| format!("\\U{:08X}", u32::from(c))).collect();
    fs::write(&file, format!("[web1]\nAddress = \"web1\"\nUserName = \"\\u001B[2J{user}\"\n")).unwrap();
    for format in FORMATS {
        let output =
            winrm(&["hosts", &format!("-format:{format}")]).env("TELARCH_HOSTS", &file).output().unwrap();
        let (status, out, errors) = streams(output);
        assert!(status == 0 && out.contains("title"), "{format}: {out}{errors}");
        assert!(!out.contains(controls_terminal), "{format}: {out:?}");
    }
}

#[test]
fn concurrent_changes_of_saved_hosts_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/hosts.toml");
    let names: Vec<String> = (0..12).map(|number| format!("host{number}")).collect();
    let saving = names.iter().map(|name| {
        let words = ["hosts", name, &format!("-r:{name}.lab.example")].map(str::to_owned);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        winrm(&words).env("TELARCH_HOSTS", &file).spawn().unwrap()
    });
    for mut program in saving.collect::<Vec<_>>() {
        assert!(program.wait().unwrap().success());
    }
    let text = fs::read_to_string(&file).unwrap();
    for name in &names {
        assert!(text.contains(&format!("[{name}]")), "{name} is lost: {text}");
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Changes the owner of a file to another user. Reports a skipped test if that requires root.
fn give_away(test: &str, path: &Path) -> bool {
    let is_given = chown(path, Some(OTHER_USER), None).is_ok();
    if !is_given {
        eprintln!("SKIPPED: {test} needs root");
    }
    is_given
}

#[test]
fn saved_hosts_of_another_user_are_neither_read_nor_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.toml");
    fs::write(&file, "[db1]\nAddress = \"attacker.example\"\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    if !give_away("saved_hosts_of_another_user_are_neither_read_nor_changed", &file) {
        return;
    }
    for words in
        [&["hosts"][..], &["id", "-r:db1"], &["hosts", "web1", "-r:web1"], &["hosts", "db1", "-delete"]]
    {
        let (status, out, errors) = streams(winrm(words).env("TELARCH_HOSTS", &file).output().unwrap());
        assert!(status != 0 && out.is_empty(), "{words:?}: {out}");
        assert!(errors.contains("belongs to another user, 3001"), "{words:?}: {errors}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "[db1]\nAddress = \"attacker.example\"\n");
    // HOME of another user, as sudo may leave it in the environment.
    let home = folder.path().join("home");
    fs::create_dir_all(home.join(".config/telarch")).unwrap();
    chown(home.join(".config/telarch"), Some(OTHER_USER), None).unwrap();
    let mut saving = winrm(&["hosts", "web1", "-r:web1"]);
    saving.env("HOME", &home).env_remove("XDG_CONFIG_HOME").env_remove("TELARCH_HOSTS");
    let (status, _, errors) = streams(saving.output().unwrap());
    assert!(status != 0 && errors.contains("belongs to another user, 3001"), "{errors}");
    assert_eq!(fs::read_dir(home.join(".config/telarch")).unwrap().count(), 0);
}

#[test]
fn a_trace_is_not_written_to_a_file_of_another_user() {
    let service =
        Service::start(|_: &Request| (200, "<c:Config xmlns:c=\"urn:c\"><c:A>1</c:A></c:Config>".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path, why: &str| {
        let (out, errors) = ran(&service, &["get", "winrm/config", &format!("-trace:{}", path.display())]);
        assert!(out.is_empty() && errors.contains(why), "{}: {out}{errors}", path.display());
    };
    let fifo = folder.path().join("fifo");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, 0o600.into(), 0).unwrap();
    let _reader = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    refused(&fifo, "is not a regular file");
    let file = folder.path().join("trace");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let link = folder.path().join("link");
    symlink(&file, &link).unwrap();
    if give_away("a_trace_is_not_written_to_a_file_of_another_user", &file) {
        refused(&file, "belongs to another user, 3001");
        refused(&link, "belongs to another user, 3001");
        assert_eq!(fs::read_to_string(&file).unwrap(), "");
    }
    let (out, errors) = ran(&service, &["get", "winrm/config", "-trace:/dev/stderr"]);
    assert!(out.contains("A = 1") && errors.contains(">>> to "), "{out}{errors}");
}
