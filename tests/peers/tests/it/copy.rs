//! `telarch cp` against the service, by both carriers; pywinrm and `sha256sum` check the copies.

mod remoting;
mod windows;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::inotify;
use serde_json::{Value, json};
use telarch_peers::{
    PASSWORD, Peer, Pywinrm, Run, Running, Telarchd, USER, WayIn, Winrm, start_telarch, telarch,
};
use tempfile::TempDir;

/// Words of `--carrier`, with the description of the carrier.
const CARRIERS: [(&str, &str); 2] = [("auto", "file resource"), ("winrs", "winrs and sh")];

/// Switches that sign in to the service.
fn switches(way: WayIn) -> Vec<String> {
    let scheme = format!("-auth:{}", way.scheme());
    let mut switches = vec![format!("-u:{USER}"), format!("-p:{PASSWORD}"), scheme];
    if way.is_tls() {
        switches.extend(["-skipCAcheck", "-skipCNcheck"].map(str::to_owned));
    }
    switches
}

fn cp_command(way: WayIn, words: &[&str]) -> Vec<String> {
    let words = words.iter().map(|&word| word.to_owned());
    std::iter::once("cp".to_owned()).chain(words).chain(switches(way)).collect()
}

/// Runs `telarch cp WORDS`.
fn cp(way: WayIn, words: &[&str]) -> Run {
    let command = cp_command(way, words);
    telarch(&command.iter().map(String::as_str).collect::<Vec<_>>(), "")
}

fn start_cp(way: WayIn, words: &[&str]) -> Running {
    let command = cp_command(way, words);
    start_telarch(&command.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Path on the service as `telarch cp` writes it.
fn remote(service: &Telarchd, way: WayIn, path: &Path) -> String {
    format!("{}:{}", service.url(way), path.to_str().expect("UTF-8"))
}

fn names(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().as_bytes().to_vec()).collect();
    names.sort();
    names
}

/// Content that does not repeat within a megabyte.
fn content(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut content = Vec::with_capacity(length + 8);
    while content.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(length);
    content
}

fn local_sha256(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum").arg(path).output().expect("coreutils");
    String::from_utf8(output.stdout).expect("UTF-8").split(' ').next().expect("a digest").to_owned()
}

#[test]
fn files_of_any_size_arrive_and_come_back_by_both_carriers() {
    for way in [WayIn::BasicOverHttps, WayIn::NegotiateOverHttp] {
        let service = Telarchd::start_for(way);
        let folder = tempfile::tempdir().expect("a folder");
        let (here, there, back) =
            (folder.path().join("here"), folder.path().join("there"), folder.path().join("back"));
        for (size, (carrier, description)) in
            [0, 1, 380_000, 5_000_003].into_iter().flat_map(|size| CARRIERS.map(|carrier| (size, carrier)))
        {
            fs::write(&here, content(size)).expect("a file");
            let carrier = ["--carrier", carrier];
            let target = remote(&service, way, &there);
            let run = cp(way, &[&[here.to_str().expect("UTF-8"), &target, "-v"], &carrier[..]].concat());
            let shown = format!("-> {} ({size} bytes, by {description}, SHA-256 ", there.display());
            let (out, errors, code) = run.text();
            assert!(code == 0 && errors.is_empty() && out.contains(&shown), "{way:?} {run:?}");

            if way == WayIn::BasicOverHttps {
                let arguments = json!({"command": "sha256sum", "arguments": [there.to_str()]});
                let read = Pywinrm::against(&service, way).ask("run_with_session", arguments);
                let read = Run::from_json(&read.expect("not refused"));
                assert!(read.text().0.starts_with(&local_sha256(&here)), "{way:?} {read:?}");
            }
            assert_eq!(local_sha256(&there), local_sha256(&here), "{way:?}");

            let run = cp(way, &[&[target.as_str(), back.to_str().expect("UTF-8")], &carrier[..]].concat());
            assert_eq!(run.text(), ("", "", 0), "{way:?}");
            assert!(fs::read(&back).expect("a copy") == content(size), "{way:?} {carrier:?} {size}");
            assert_eq!(names(folder.path()), [&b"back"[..], b"here", b"there"]);
            fs::remove_file(&there).expect("a copy");
        }
    }
}

#[test]
fn any_name_is_one_file() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    let folder = tempfile::tempdir().expect("a folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    for folder in [&here, &there] {
        fs::create_dir(folder).expect("a fresh folder");
    }
    let strange =
        ["a b", "it's \"x\" $HOME `id` %s \\0", "-rf", "line\nfeed\n", "gr\u{fc}n", "*", "\t\r\u{1}", "a:b"];
    for (name, (carrier, _)) in strange.iter().flat_map(|name| CARRIERS.map(|carrier| (name, carrier))) {
        let source = here.join(name);
        fs::write(&source, name).expect("a file");
        let target = remote(&service, way, &there);
        let run = cp(way, &[source.to_str().expect("UTF-8"), &target, "--carrier", carrier]);
        assert_eq!(run.text(), ("", "", 0), "{name:?}");
        assert_eq!(names(&there), [name.as_bytes()]);
        fs::remove_file(&source).expect("the source");
        let target = remote(&service, way, &there.join(name));
        let run = cp(way, &[&target, here.to_str().expect("UTF-8"), "--carrier", carrier]);
        assert_eq!(run.text(), ("", "", 0), "{name:?}");
        assert_eq!(fs::read(&source).expect("a copy"), name.as_bytes());
        fs::remove_file(there.join(name)).expect("the copy");
        fs::remove_file(&source).expect("the source");
    }
}

#[test]
fn permissions_and_times_follow_the_rules() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_through(&["sh", "-c", "umask 027; exec \"$@\"", "sh"], &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    fs::write(&here, "content").expect("a file");
    let file = fs::File::options().append(true).open(&here).expect("a file");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000)).expect("a time");
    fs::set_permissions(&here, fs::Permissions::from_mode(0o757)).expect("permissions");
    for (carrier, _) in CARRIERS {
        let copy = |more: &[&str]| {
            let target = remote(&service, way, &there);
            let words = [&[here.to_str().expect("UTF-8"), &target, "--carrier", carrier], more].concat();
            assert_eq!(cp(way, &words).text(), ("", "", 0));
            let found = fs::metadata(&there).expect("a copy");
            (found.mode() & 0o7777, found.mtime() == 1_000_000)
        };
        assert_eq!(copy(&[]), (0o750, false), "{carrier}: a new file");
        fs::set_permissions(&there, fs::Permissions::from_mode(0o604)).expect("permissions");
        assert_eq!(copy(&[]), (0o604, false), "{carrier}: an existing file");
        assert_eq!(copy(&["--preserve"]), (0o757, true), "{carrier}");
        fs::remove_file(&there).expect("a copy");
    }
}

#[test]
fn a_failed_copy_leaves_the_old_file_and_nothing_else() {
    let way = WayIn::BasicOverHttps;
    // Files of more than one MiB cannot be written, as on a full disk.
    let limited = ["sh", "-c", "ulimit -f 2048; trap '' XFSZ; exec \"$@\"", "sh"];
    let service = Telarchd::start_through(&limited, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    fs::write(&here, content(3_000_000)).expect("a file");
    let here = here.to_str().expect("UTF-8");
    fs::create_dir_all(there.join("folder")).expect("a folder");
    fs::write(there.join("old"), "old").expect("a file");
    for (carrier, _) in CARRIERS {
        for (target, reason) in [
            (there.join("old"), "cannot write"),
            (there.join("missing/x"), "no such file|nonexistent"),
            (there.join("folder/"), "cannot write"),
            (Path::new("/dev/null").to_owned(), "null is not a regular file"),
        ] {
            let run = cp(way, &[here, &remote(&service, way, &target), "--carrier", carrier]);
            let (out, errors, code) = run.text();
            assert_eq!((out, code), ("", 1), "{carrier} {target:?}: {errors}");
            let is_explained = reason.split('|').any(|part| errors.to_lowercase().contains(part));
            assert!(is_explained, "{carrier} {target:?}: {errors}");
        }
        assert_eq!(names(&there), [&b"folder"[..], b"old"], "{carrier}");
        assert!(names(&there.join("folder")).is_empty(), "{carrier}");
        assert_eq!(fs::read(there.join("old")).expect("the old file"), b"old");

        let old = there.join("old");
        let old = old.to_str().expect("UTF-8");
        for source in [there.join("missing"), there.join("folder"), Path::new("/dev/zero").to_owned()] {
            let run = cp(way, &[&remote(&service, way, &source), old, "--carrier", carrier]);
            assert_eq!((run.text().0, run.code), ("", 1), "{carrier} {source:?}: {run:?}");
        }
        assert_eq!(fs::read(old).expect("the old file"), b"old");
    }
}

/// Waits until a file in a folder was written to.
fn wait_for_write(watch: &impl std::os::fd::AsFd) {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4_096];
    let mut reader = inotify::Reader::new(watch, &mut buffer);
    let _ = reader.next().expect("an event");
}

fn watch(folder: &Path) -> std::os::fd::OwnedFd {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).expect("inotify");
    inotify::add_watch(&watch, folder, inotify::WatchFlags::MODIFY).expect("inotify");
    watch
}

#[test]
fn an_interrupted_copy_leaves_nothing_unless_it_can_be_resumed() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().join("here");
    fs::write(&here, content(16_000_000)).expect("a file");
    for (carrier, _) in CARRIERS {
        let [sent, received] = ["sent", "received"].map(|name| folder.path().join(name));
        for target in [&sent, &received] {
            fs::create_dir(target).expect("a fresh folder");
        }
        let source = remote(&service, way, &here);
        let target = remote(&service, way, &sent.join("copy"));
        let copy = received.join("copy");
        for (words, target) in [
            ([here.to_str().expect("UTF-8"), &target, "--carrier", carrier, "--format", "json"], &sent),
            ([&source, copy.to_str().expect("UTF-8"), "--carrier", carrier, "--format", "json"], &received),
        ] {
            let writes = watch(target);
            let copying = start_cp(way, &words);
            wait_for_write(&writes);
            copying.interrupt();
            let ended = copying.end();
            assert_eq!((ended.code, names(target).len()), (130, 0), "{words:?} {ended:?}");

            let resumable = [&words[..], &["--resume"]].concat();
            let writes = watch(target);
            let copying = start_cp(way, &resumable);
            // The first write may be an empty one.
            wait_for_write(&writes);
            wait_for_write(&writes);
            copying.interrupt();
            assert_eq!((copying.end().code, names(target).len()), (130, 1), "{words:?}");
            let copied = cp(way, &resumable);
            let report: Value = serde_json::from_str(copied.text().0).expect("JSON");
            let resumed = report[0]["files"][0]["resumedAt"].as_u64().expect("a number");
            assert!(resumed > 0 && copied.code == 0, "{words:?} {copied:?}");
            assert_eq!(names(target), [b"copy"], "{words:?}");
            assert_eq!(local_sha256(&target.join("copy")), local_sha256(&here), "{words:?}");
            assert_eq!(report[0]["files"][0]["sha256"], local_sha256(&here));
        }
        for target in [&sent, &received] {
            fs::remove_dir_all(target).expect("the folder");
        }
    }
}

#[test]
fn a_partial_file_of_another_content_is_not_continued() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    let folder = tempfile::tempdir().expect("a folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    fs::create_dir(&there).expect("a fresh folder");
    fs::write(&here, content(3_000_000)).expect("a file");
    // A limit stops the copy, so that its partial file remains.
    let limited = ["sh", "-c", "ulimit -f 2048; trap '' XFSZ; exec \"$@\"", "sh"];
    for (carrier, _) in CARRIERS {
        let small = Telarchd::start_through(&limited, &[]);
        let target = remote(&small, way, &there.join("copy"));
        let words = [here.to_str().expect("UTF-8"), &target, "--resume", "--carrier", carrier];
        assert_eq!(cp(way, &words).code, 1);
        let [part] = <[_; 1]>::try_from(names(&there)).expect("the partial file");
        let part = there.join(OsStr::from_bytes(&part));
        assert!(fs::metadata(&part).expect("a file").len() > 0);
        let mut file = fs::File::options().write(true).open(&part).expect("the partial file");
        file.write_all(b"something else").expect("written");
        let target = remote(&service, way, &there.join("copy"));
        let words =
            [here.to_str().expect("UTF-8"), &target, "--resume", "--carrier", carrier, "--format", "json"];
        let copied = cp(way, &words);
        let report: Value = serde_json::from_str(copied.text().0).expect("JSON");
        assert_eq!((copied.code, &report[0]["files"][0]["resumedAt"]), (0, &json!(0)), "{copied:?}");
        assert_eq!(local_sha256(&there.join("copy")), local_sha256(&here));
        assert_eq!(names(&there), [b"copy"]);
        fs::remove_file(there.join("copy")).expect("the copy");
    }
}

#[test]
fn a_disabled_plug_in_is_replaced_by_commands_and_a_disabled_setting_is_reported() {
    let way = WayIn::BasicOverHttps;
    let folder: TempDir = tempfile::tempdir().expect("a folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    fs::write(&here, "content").expect("a file");
    let here = here.to_str().expect("UTF-8");
    let service = Telarchd::start(&[("File.AllowFileTransfer", "false")]);
    let refused = cp(way, &[here, &remote(&service, way, &there)]);
    assert!(refused.code == 1 && refused.text().1.contains("File/AllowFileTransfer is false"), "{refused:?}");

    let service = Telarchd::start_for(way);
    disable_file_resource(&service, way);
    let copied = cp(way, &[here, &remote(&service, way, &there), "-v"]);
    assert!(copied.code == 0 && copied.text().0.contains("by winrs and sh"), "{copied:?}");
    assert_eq!(fs::read(&there).expect("a copy"), b"content");
}

fn disable_file_resource(service: &Telarchd, way: WayIn) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("plug-in.xml");
    let namespace = "http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration";
    let markup = format!("<PlugInConfiguration xmlns=\"{namespace}\" Name=\"File\" Enabled=\"false\"/>");
    fs::write(&settings, markup).expect("a file");
    let file = format!("-file:{}", settings.display());
    let disabled = Winrm::against(service, way).run(&["set", "winrm/config/plugin?Name=File", &file]);
    assert_eq!(disabled.code, 0, "{disabled:?}");
}

#[test]
fn one_file_reaches_many_machines() {
    let way = WayIn::BasicOverHttps;
    let (first, second) = (Telarchd::start_for(way), Telarchd::start_for(way));
    let folder = tempfile::tempdir().expect("a folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    fs::write(&here, "content").expect("a file");
    fs::create_dir(&there).expect("a folder");
    symlink("/nonexistent", there.join("here")).expect("a link");
    let hosts = format!("-hosts:{},{}", first.https(), second.https());
    let target = format!(":{}", there.display());
    let copied = cp(way, &[here.to_str().expect("UTF-8"), &target, &hosts, "--format", "json"]);
    let (out, errors, code) = copied.text();
    assert_eq!((errors, code), ("telarch cp: 2 hosts: 2 succeeded, 0 failed\n", 0), "{copied:?}");
    let report: Value = serde_json::from_str(out).expect("JSON");
    let hosts: Vec<_> = report.as_array().expect("a list").iter().map(|host| &host["host"]).collect();
    assert!(hosts.contains(&&json!(first.https())) && hosts.contains(&&json!(second.https())), "{report}");
    assert_eq!(fs::read(there.join("here")).expect("a copy"), b"content");
}

/// Writes a tree with some small files, three others, an empty directory and a symbolic link.
fn write_tree(root: &Path, small: usize) {
    fs::create_dir_all(root.join("a b/deep/er")).expect("folders");
    fs::create_dir(root.join("empty")).expect("a folder");
    for number in 0..small {
        let folder = if number % 2 == 0 { "a b/deep" } else { "" };
        fs::write(root.join(folder).join(format!("small {number}")), content(number * 7)).expect("a file");
    }
    fs::write(root.join("a b/deep/er/large"), content(2_000_003)).expect("a file");
    fs::write(root.join("exactly"), content(65_536)).expect("a file");
    fs::write(root.join("line\nfeed"), "x").expect("a file");
    fs::set_permissions(root.join("exactly"), fs::Permissions::from_mode(0o751)).expect("permissions");
    symlink("/etc/passwd", root.join("link")).expect("a link");
}

/// Compares two trees with `diff`, apart from the link.
fn assert_same_tree(first: &Path, second: &Path) {
    let output = std::process::Command::new("diff")
        .args(["--recursive", "--brief", "--exclude=link"])
        .args([first, second])
        .output()
        .expect("diffutils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Copies a tree with some small files in both directions with these options.
fn copies_directories(service: &Telarchd, way: WayIn, options: &[&str], small: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let [here, there, back] = ["here", "there", "back"].map(|name| folder.path().join(name));
    fs::create_dir(&here).expect("a folder");
    write_tree(&here, small);
    let source = here.to_str().expect("UTF-8");
    let target = remote(service, way, &there);
    let run = cp(way, &[&["-r", source, &target, "-v", "-p"], options].concat());
    let (out, errors, code) = run.text();
    assert!(code == 0 && out.contains(&format!("({} files, ", small + 3)), "{run:?}");
    assert!(errors.contains("link: symbolic links are not copied"), "{errors}");
    assert_same_tree(&here, &there);
    assert!(fs::symlink_metadata(there.join("link")).is_err());
    assert_eq!(fs::metadata(there.join("exactly")).expect("a copy").mode() & 0o777, 0o751);

    // The copy in an existing directory has the name of its source.
    symlink("/etc/passwd", there.join("link")).expect("a link");
    fs::create_dir(&back).expect("a folder");
    let back_path = back.to_str().expect("UTF-8");
    let run = cp(way, &[&["-r", &target, back_path, "--format", "json"], options].concat());
    let report: Value = serde_json::from_str(run.text().0).expect("JSON");
    assert_eq!((run.code, &report[0]["directories"][0]["files"]), (0, &json!(small + 3)), "{run:?}");
    assert!(run.text().1.contains("link: it is a symbolic link"), "{run:?}");
    assert_same_tree(&here, &back.join("there"));
    let run = cp(way, &[&["-r", source, &remote(service, way, &back)], options].concat());
    assert_eq!(run.code, 0, "{run:?}");
    assert_same_tree(&here, &back.join("here"));
}

/// Copies a tree in which one file and one directory cannot be written, and then a missing one.
fn reports_failures_below_directories(service: &Telarchd, way: WayIn, options: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    fs::create_dir_all(here.join("sub")).expect("a folder");
    for name in ["a", "sub/b", "taken", "z"] {
        fs::write(here.join(name), name).expect("a file");
    }
    fs::create_dir_all(there.join("here/taken")).expect("a folder");
    fs::write(there.join("here/sub"), "old").expect("a file");
    fs::write(there.join("here/z"), "old").expect("a file");
    let source = here.to_str().expect("UTF-8");
    let run = cp(way, &[&["-r", source, &remote(service, way, &there)], options].concat());
    assert!(run.code == 1 && run.text().1.contains("taken") && run.text().1.contains("sub"), "{run:?}");
    assert_eq!(names(&there.join("here")), [&b"a"[..], b"sub", b"taken", b"z"]);
    assert_eq!(fs::read(there.join("here/sub")).expect("the old file"), b"old");
    assert_eq!(fs::read(there.join("here/z")).expect("a copy"), b"z");
    let missing = remote(service, way, &folder.path().join("missing"));
    let run = cp(way, &[&["-r", &missing, source], options].concat());
    assert!(run.code == 1 && run.text().1.contains("missing"), "{run:?}");
    assert_eq!(names(&here).len(), 4);
}

/// Copies a tree over a symbolic link, in both directions.
fn follows_no_link(service: &Telarchd, way: WayIn, options: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let [here, there, outside] = ["here", "there", "outside"].map(|name| folder.path().join(name));
    fs::create_dir_all(here.join("sub")).expect("a folder");
    fs::write(here.join("sub/small"), "x").expect("a file");
    fs::write(here.join("sub/large"), content(100_000)).expect("a file");
    for folder in [&there, &outside] {
        fs::create_dir(folder).expect("a folder");
    }
    fs::create_dir(there.join("here")).expect("a folder");
    symlink(&outside, there.join("here/sub")).expect("a link");
    let source = here.to_str().expect("UTF-8");
    let upload = cp(way, &[&["-r", source, &remote(service, way, &there)], options].concat());
    assert!(upload.code == 1 && upload.text().1.contains("is a symbolic link"), "{upload:?}");
    let target = there.to_str().expect("UTF-8");
    let download = cp(way, &[&["-r", &remote(service, way, &here), target], options].concat());
    assert!(download.code == 1 && download.text().1.contains("is a symbolic link"), "{download:?}");
    assert!(names(&outside).is_empty());
}

#[test]
fn directories_are_copied_in_both_directions() {
    let way = WayIn::BasicOverHttps;
    copies_directories(&Telarchd::start_for(way), way, &[], 300);
}

#[test]
fn directories_are_copied_by_commands_without_the_file_resource() {
    let way = WayIn::BasicOverHttps;
    let service = Telarchd::start_for(way);
    disable_file_resource(&service, way);
    copies_directories(&service, way, &[], 12);
    reports_failures_below_directories(&service, way, &[]);
    follows_no_link(&service, way, &[]);
}

#[test]
fn failures_below_a_directory_are_reported_and_the_rest_is_copied() {
    let way = WayIn::BasicOverHttps;
    reports_failures_below_directories(&Telarchd::start_for(way), way, &[]);
}

#[test]
fn a_symbolic_link_below_the_destination_is_not_followed() {
    let way = WayIn::BasicOverHttps;
    follows_no_link(&Telarchd::start_for(way), way, &[]);
}
