//! `telarch cp` over PowerShell remoting. The scripts run in a stand-in that evaluates a part of the language, and in a
//! real PowerShell if TELARCH_TEST_PWSH names one.

use telarch_peers::Pwsh;

use super::*;

/// Service with a PowerShell.
struct Machine {
    service: Telarchd,
    _pwsh: Option<Pwsh>,
}

const WAY: WayIn = WayIn::BasicOverHttps;
const CARRIER: [&str; 2] = ["--carrier", "psrp"];

impl Machine {
    fn with_stand_in() -> Self {
        let pwsh = Pwsh::new();
        let program = pwsh.program().to_str().expect("UTF-8").to_owned();
        Self { service: Telarchd::start(&[("PowerShell.Program", &program)]), _pwsh: Some(pwsh) }
    }

    /// Returns a service with a real PowerShell; `None`, with a skip, if none is installed.
    fn with_powershell() -> Option<Self> {
        let Some(program) = std::env::var("TELARCH_TEST_PWSH").ok().filter(|path| !path.is_empty()) else {
            skips::skip!("TELARCH_TEST_PWSH names no pwsh");
            return None;
        };
        Some(Self { service: Telarchd::start(&[("PowerShell.Program", &program)]), _pwsh: None })
    }

    fn remote(&self, path: &Path) -> String {
        remote(&self.service, WAY, path)
    }
}

fn cp_psrp(words: &[&str]) -> Run {
    cp(WAY, &[words, &CARRIER].concat())
}

fn copies_files_of_any_size(machine: &Machine) {
    let folder = tempfile::tempdir().expect("a folder");
    let [here, there, back] = ["here", "there", "back"].map(|name| folder.path().join(name));
    // The last size needs two pipelines.
    for size in [0, 1, 380_000, 17_000_003] {
        fs::write(&here, content(size)).expect("a file");
        let target = machine.remote(&there);
        let run = cp_psrp(&[here.to_str().expect("UTF-8"), &target, "-v"]);
        let shown = format!("-> {} ({size} bytes, by PowerShell remoting, SHA-256 ", there.display());
        let (out, errors, code) = run.text();
        assert!(code == 0 && errors.is_empty() && out.contains(&shown), "{run:?}");
        assert_eq!(local_sha256(&there), local_sha256(&here));
        let run = cp_psrp(&[&target, back.to_str().expect("UTF-8")]);
        assert_eq!(run.text(), ("", "", 0), "{size}");
        assert!(fs::read(&back).expect("a copy") == content(size), "{size}");
        assert_eq!(names(folder.path()), [&b"back"[..], b"here", b"there"]);
        fs::remove_file(&there).expect("a copy");
    }
}

fn keeps_the_rules_of_copies(machine: &Machine) {
    let folder = tempfile::tempdir().expect("a folder");
    let [here, there] = ["it's $HOME \u{fc}", "there"].map(|name| folder.path().join(name));
    fs::write(&here, "content").expect("a file");
    let file = fs::File::options().append(true).open(&here).expect("a file");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000)).expect("a time");
    fs::set_permissions(&here, fs::Permissions::from_mode(0o757)).expect("permissions");
    fs::create_dir(&there).expect("a folder");
    let copy = there.join(here.file_name().expect("a name"));
    let here = here.to_str().expect("UTF-8");
    let copied = |more: &[&str]| {
        assert_eq!(cp_psrp(&[&[here, &machine.remote(&there)], more].concat()).text(), ("", "", 0));
        let found = fs::metadata(&copy).expect("a copy");
        (found.mode() & 0o7777, found.mtime() == 1_000_000)
    };
    assert_eq!(copied(&[]), (0o755, false), "a new file");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o604)).expect("permissions");
    assert_eq!(copied(&[]), (0o604, false), "an existing file");
    assert_eq!(copied(&["--preserve"]), (0o757, true));

    for target in [there.join("missing/x"), Path::new("/dev/null").to_owned()] {
        let run = cp_psrp(&[here, &machine.remote(&target)]);
        assert_eq!((run.text().0, run.code), ("", 1), "{target:?}: {run:?}");
    }
    let old = copy.to_str().expect("UTF-8");
    for source in [there.join("missing"), there.clone(), Path::new("/dev/zero").to_owned()] {
        let run = cp_psrp(&[&machine.remote(&source), old]);
        assert_eq!((run.text().0, run.code), ("", 1), "{source:?}: {run:?}");
        assert_eq!(fs::read(&copy).expect("the old file"), b"content");
    }
    assert_eq!(names(&there).len(), 1);
}

#[test]
fn powershell_remoting_copies_files_of_any_size() {
    copies_files_of_any_size(&Machine::with_stand_in());
}

#[test]
fn powershell_remoting_keeps_the_rules_of_copies() {
    keeps_the_rules_of_copies(&Machine::with_stand_in());
}

#[test]
fn a_real_powershell_copies_files() {
    let Some(machine) = Machine::with_powershell() else { return };
    copies_files_of_any_size(&machine);
    keeps_the_rules_of_copies(&machine);
}

#[test]
fn a_copy_over_powershell_remoting_is_resumed() {
    let machine = Machine::with_stand_in();
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().join("here");
    fs::write(&here, content(16_000_000)).expect("a file");
    let [sent, received] = ["sent", "received"].map(|name| folder.path().join(name));
    for target in [&sent, &received] {
        fs::create_dir(target).expect("a fresh folder");
    }
    let (source, target) = (machine.remote(&here), machine.remote(&sent.join("copy")));
    let copy = received.join("copy");
    for (words, target) in [
        ([here.to_str().expect("UTF-8"), &target, "--format", "json"], &sent),
        ([&source, copy.to_str().expect("UTF-8"), "--format", "json"], &received),
    ] {
        let words = [&words[..], &CARRIER].concat();
        let writes = watch(target);
        let copying = start_cp(WAY, &words);
        wait_for_write(&writes);
        copying.interrupt();
        let ended = copying.end();
        assert_eq!((ended.code, names(target).len()), (130, 0), "{words:?} {ended:?}");

        let resumable = [&words[..], &["--resume"]].concat();
        let writes = watch(target);
        let copying = start_cp(WAY, &resumable);
        wait_for_write(&writes);
        wait_for_write(&writes);
        copying.interrupt();
        assert_eq!((copying.end().code, names(target).len()), (130, 1), "{words:?}");
        let copied = cp(WAY, &resumable);
        let report: Value = serde_json::from_str(copied.text().0).expect("JSON");
        let resumed = report[0]["files"][0]["resumedAt"].as_u64().expect("a number");
        assert!(resumed > 0 && copied.code == 0, "{words:?} {copied:?}");
        assert_eq!(names(target), [b"copy"], "{words:?}");
        assert_eq!(local_sha256(&target.join("copy")), local_sha256(&here), "{words:?}");
    }
}

#[test]
fn an_endpoint_without_scripts_is_reported() {
    let pwsh = Pwsh::in_mode("restricted");
    let program = pwsh.program().to_str().expect("UTF-8").to_owned();
    let service = Telarchd::start(&[("PowerShell.Program", &program)]);
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().join("here");
    fs::write(&here, "content").expect("a file");
    let run = cp_psrp(&[here.to_str().expect("UTF-8"), &remote(&service, WAY, &folder.path().join("there"))]);
    assert!(run.text().1.contains("its PowerShell endpoint runs no scripts"), "{run:?}");
    assert_eq!((run.code, names(folder.path()).len()), (1, 1), "{run:?}");
}

#[test]
fn directories_are_copied_over_powershell_remoting() {
    let machine = Machine::with_stand_in();
    copies_directories(&machine.service, WAY, &CARRIER, 12);
    reports_failures_below_directories(&machine.service, WAY, &CARRIER);
    follows_no_link(&machine.service, WAY, &CARRIER);
}
