//! `telarch cp -r` over commands of Windows. A stand-in evaluates the scripts, and a relay lets the service pass for
//! Windows.

use telarch_peers::{Pwsh, Relay};

use super::*;

const WAY: WayIn = WayIn::BasicOverHttps;

/// Service that passes for Windows.
struct Windows {
    relay: Relay,
    _service: Telarchd,
    _powershell: Pwsh,
}

impl Windows {
    fn start() -> Self {
        let powershell = Pwsh::of_commands();
        let folder = powershell.program().parent().expect("a folder");
        let path = format!("PATH={}:{}", folder.display(), std::env::var("PATH").expect("a path"));
        let vendor = [("Identify.ProductVendor", "Microsoft Corporation")];
        let service = Telarchd::start_through(&["env", &path], &vendor);
        Self { relay: Relay::as_windows(service.https()), _service: service, _powershell: powershell }
    }

    fn remote(&self, path: &Path) -> String {
        format!("{}:{}", self.relay.url(), path.to_str().expect("UTF-8"))
    }
}

fn cp_winrs(words: &[&str]) -> Run {
    cp(WAY, &[words, &["--carrier", "winrs"]].concat())
}

/// Returns the paths of the entries below a directory, with the content of files.
fn tree(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(folder).expect("a path below").display().to_string();
            if path.is_dir() {
                folders.push(path);
                found.push((name, None));
            } else {
                found.push((name, Some(fs::read(path).expect("a file"))));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn directories_are_copied_to_and_from_windows_by_commands() {
    let windows = Windows::start();
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().join("it's $HOME \u{fc}");
    fs::create_dir_all(here.join("sub/deep")).expect("folders");
    fs::create_dir(here.join("empty")).expect("a folder");
    for number in 0..150 {
        fs::write(here.join(format!("sub/file {number}")), content(number * 7)).expect("a file");
    }
    fs::write(here.join("sub/deep/large"), content(1_500_001)).expect("a file");
    let old = UNIX_EPOCH + Duration::from_secs(1_000_000);
    let large = fs::File::options().append(true).open(here.join("sub/deep/large")).expect("a file");
    large.set_modified(old).expect("a time");
    let there = folder.path().join("there");
    let sent = cp_winrs(&["-r", "-p", here.to_str().expect("UTF-8"), &windows.remote(&there)]);
    assert_eq!(sent.text(), ("", "", 0));
    assert!(tree(&there) == tree(&here));
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).expect("a file");
    assert_eq!(modified(&there.join("sub/deep/large")), old);
    // Into an existing directory, as a directory of the same name; and replacing files.
    fs::write(there.join("sub/file 9"), "other").expect("a file");
    let again = cp_winrs(&["-r", here.to_str().expect("UTF-8"), &windows.remote(folder.path())]);
    assert_eq!(again.text(), ("", "", 0));

    symlink("/etc/passwd", there.join("link")).expect("a link");
    let back = folder.path().join("back");
    let received = cp_winrs(&["-r", &windows.remote(&there), back.to_str().expect("UTF-8")]);
    let (out, errors, code) = received.text();
    assert!(out.is_empty() && code == 0, "{received:?}");
    assert!(errors.contains("link") && errors.contains("symbolic link"), "{errors}");
    fs::remove_file(there.join("link")).expect("a link");
    assert!(tree(&back) == tree(&there));
}

#[test]
fn failures_of_single_files_are_reported_and_the_others_are_copied() {
    let windows = Windows::start();
    let folder = tempfile::tempdir().expect("a folder");
    // The copy has the name of its source in an existing directory.
    let remote = folder.path().join("remote");
    let [here, there, outside] =
        [folder.path().join("here"), remote.join("here"), folder.path().join("outside")];
    for path in [&outside, &here.join("link"), &there.join("b")] {
        fs::create_dir_all(path).expect("a folder");
    }
    for name in ["a", "b", "c", "aux.txt", "link/x"] {
        fs::write(here.join(name), "content").expect("a file");
    }
    symlink(&outside, there.join("link")).expect("a link");
    let sent = cp_winrs(&["-r", here.to_str().expect("UTF-8"), &windows.remote(&remote)]);
    let (_, errors, code) = sent.text();
    assert_eq!(code, 1, "{sent:?}");
    for part in ["here/b is a directory", "link is a symbolic link", "\"aux.txt\" is not a valid file name"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert_eq!(names(&there), [&b"a"[..], b"b", b"c", b"link"]);
    assert_eq!(fs::read(there.join("c")).expect("a copy"), b"content");
    assert!(names(&outside).is_empty());
    let missing = windows.remote(&folder.path().join("missing"));
    let refused = cp_winrs(&["-r", &missing, folder.path().join("x").to_str().expect("UTF-8")]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(!folder.path().join("x").exists());
}

#[test]
fn single_files_are_copied_to_and_from_windows_by_commands() {
    let windows = Windows::start();
    let folder = tempfile::tempdir().expect("a folder");
    let [here, there, back] = ["here", "there", "back"].map(|name| folder.path().join(name));
    fs::write(&here, content(300_001)).expect("a file");
    let sent = cp_winrs(&["-v", here.to_str().expect("UTF-8"), &windows.remote(&there)]);
    assert!(sent.code == 0 && sent.text().0.contains("by winrs and Windows PowerShell"), "{sent:?}");
    let received = cp_winrs(&[&windows.remote(&there), back.to_str().expect("UTF-8")]);
    assert_eq!(received.text(), ("", "", 0));
    assert!(fs::read(&back).expect("a copy") == content(300_001));
}
