//! Services and users of this machine that mean harm to whoever runs the program.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use crate::service::{Asked, Service, fault};
use crate::{told, winrm};

/// Of each kind that steers a terminal one, with what a terminal would obey behind it; what XML can carry.
const STEERING: &str =
    "A\u{9B}31mB\u{9D}0;title\u{9C}C\u{7F}D\u{202E}E\u{2066}F\u{200F}G\u{61C}H\u{2028}I\u{85}J";
const FORMATS: [&str; 6] = ["text", "pretty", "xml", "json", "ndjson", "yaml"];
/// A user who is not the one that runs this test.
const STRANGER: u32 = 3_001;

fn steers(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Runs the program against the service; nothing that it prints may steer a terminal.
fn ran(service: &Service, words: &[&str]) -> (String, String) {
    let remote = format!("-r:http://127.0.0.1:{}", service.port);
    let session = [remote.as_str(), "-un", "-auth:basic", "-u:ann"];
    let output = winrm(words).args(session).env("TELARCH_PASSWORD", "secret").output().unwrap();
    let (_, out, errors) = told(output);
    for text in [&out, &errors] {
        assert!(!text.contains(steers), "{words:?}: {text:?}");
    }
    (out, errors)
}

#[test]
fn values_and_attributes_of_a_service_do_not_steer_a_terminal_in_any_format() {
    let config = format!(
        "<c:Config xmlns:c=\"urn:c\" Lang=\"{STEERING}\"><c:A Source=\"{STEERING}\">{STEERING}</c:A>\
         <c:B><w:Selector Name=\"{STEERING}\">{STEERING}</w:Selector></c:B><c:M>{STEERING}<c:N/></c:M>\
         <c:D><![CDATA[<{STEERING}>]]></c:D></c:Config>"
    );
    let items = format!(
        "<n:EnumerateResponse><n:EnumerationContext/><w:Items>{config}{config}</w:Items><w:EndOfSequence/>\
         </n:EnumerateResponse>"
    );
    let service = Service::start(move |asked: &Asked| match asked.action.as_str() {
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
             <i:ProtocolVersion>{STEERING}</i:ProtocolVersion><i:ProductVendor>{STEERING}</i:ProductVendor>\
             </i:IdentifyResponse>"
        );
        let greeting = Service::start(move |_: &Asked| (200, identity.clone()));
        let (out, errors) = ran(&greeting, &["id", &format_switch]);
        assert!(out.contains("title"), "{format}: {out}{errors}");
    }
}

#[test]
fn faults_and_answers_that_are_no_messages_do_not_steer_a_terminal_in_any_format() {
    let refusing = Service::start(|_: &Asked| fault(5, "w:AccessDenied", STEERING));
    let talking = Service::start(|_: &Asked| (200, format!("<x>{STEERING}\u{1B}[31m</y>")));
    for format in FORMATS {
        let format = format!("-format:{format}");
        for service in [&refusing, &talking] {
            for words in [["get", "winrm/config"], ["doctor", "-timeout:5"]] {
                let (out, errors) = ran(service, &[words[0], words[1], &format]);
                assert!(!out.is_empty() || !errors.is_empty(), "{words:?} says what went wrong");
            }
        }
    }
}

#[test]
fn saved_hosts_do_not_steer_a_terminal_in_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.toml");
    // TOML has control characters as escapes only.
    let user: String = STEERING.chars().map(|c| format!("\\U{:08X}", u32::from(c))).collect();
    fs::write(&file, format!("[web1]\nAddress = \"web1\"\nUserName = \"\\u001B[2J{user}\"\n")).unwrap();
    for format in FORMATS {
        let output =
            winrm(&["hosts", &format!("-format:{format}")]).env("TELARCH_HOSTS", &file).output().unwrap();
        let (status, out, errors) = told(output);
        assert!(status == 0 && out.contains("title"), "{format}: {out}{errors}");
        assert!(!out.contains(steers), "{format}: {out:?}");
    }
}

#[test]
fn hosts_that_are_saved_at_once_are_all_kept() {
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

/// Gives a file to another user; says that the test is skipped where only root can.
fn give_away(test: &str, path: &Path) -> bool {
    let is_given = chown(path, Some(STRANGER), None).is_ok();
    if !is_given {
        eprintln!("SKIPPED: {test} needs root");
    }
    is_given
}

#[test]
fn saved_hosts_of_another_user_are_neither_believed_nor_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.toml");
    fs::write(&file, "[db1]\nAddress = \"attacker.example\"\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    if !give_away("saved_hosts_of_another_user_are_neither_believed_nor_changed", &file) {
        return;
    }
    for words in
        [&["hosts"][..], &["id", "-r:db1"], &["hosts", "web1", "-r:web1"], &["hosts", "db1", "-delete"]]
    {
        let (status, out, errors) = told(winrm(words).env("TELARCH_HOSTS", &file).output().unwrap());
        assert!(status != 0 && out.is_empty(), "{words:?}: {out}");
        assert!(errors.contains("belongs to another user, 3001"), "{words:?}: {errors}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "[db1]\nAddress = \"attacker.example\"\n");
    // The home of somebody else, as sudo leaves it in the environment.
    let home = folder.path().join("home");
    fs::create_dir_all(home.join(".config/telarch")).unwrap();
    chown(home.join(".config/telarch"), Some(STRANGER), None).unwrap();
    let mut saving = winrm(&["hosts", "web1", "-r:web1"]);
    saving.env("HOME", &home).env_remove("XDG_CONFIG_HOME").env_remove("TELARCH_HOSTS");
    let (status, _, errors) = told(saving.output().unwrap());
    assert!(status != 0 && errors.contains("belongs to another user, 3001"), "{errors}");
    assert_eq!(fs::read_dir(home.join(".config/telarch")).unwrap().count(), 0);
}

#[test]
fn a_trace_goes_to_nobody_else() {
    let service =
        Service::start(|_: &Asked| (200, "<c:Config xmlns:c=\"urn:c\"><c:A>1</c:A></c:Config>".to_owned()));
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
    if give_away("a_trace_goes_to_nobody_else", &file) {
        refused(&file, "belongs to another user, 3001");
        refused(&link, "belongs to another user, 3001");
        assert_eq!(fs::read_to_string(&file).unwrap(), "");
    }
    let (out, errors) = ran(&service, &["get", "winrm/config", "-trace:/dev/stderr"]);
    assert!(out.contains("A = 1") && errors.contains(">>> to "), "{out}{errors}");
}
