use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::thread;

use tempfile::TempDir;

use super::*;

/// UID of a user that is neither root nor, most likely, the user of the test.
const STRANGER: u32 = 3_001;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn put(folder: &TempDir, name: &str, mode: u32) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, "content").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    TrustedFile::readable(path).read(100)
}

/// Returns whether this test may change owners. If not, it reports that the test is skipped.
fn is_root(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("SKIPPED: {test} needs root");
    }
    is_root
}

#[test]
fn modes_that_grant_others_too_much_are_rejected() {
    let folder = folder();
    for (mode, readable, private) in
        [(0o600, true, true), (0o644, true, false), (0o660, false, false), (0o602, false, false)]
    {
        let path = put(&folder, "file", mode);
        assert_eq!(read(&path).is_ok(), readable, "{mode:o}");
        assert_eq!(TrustedFile::private(&path).read(100).is_ok(), private, "{mode:o}");
        assert_eq!(TrustedFile::private(&path).append().is_ok(), private, "{mode:o}");
    }
    assert!(read(&folder.path().join("missing")).unwrap().is_none());
    assert!(matches!(read(folder.path()), Err(FileError::NotAFile { .. })));
    let path = put(&folder, "large", 0o600);
    assert!(matches!(TrustedFile::readable(&path).read(6), Err(FileError::TooLarge { most: 6, .. })));
    assert_eq!(TrustedFile::readable(&path).read(7).unwrap().unwrap(), b"content");
}

#[test]
fn a_fifo_is_rejected_without_blocking() {
    let folder = folder();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(read(&path), Err(FileError::NotAFile { .. })));
    assert!(matches!(TrustedFile::private(&path).append(), Err(FileError::NotAFile { .. })));
    // Also with a reader, which could receive what is written.
    let reader = OFlags::RDONLY | OFlags::NONBLOCK;
    let _reader = rustix::fs::open(&path, reader, rustix::fs::Mode::empty()).unwrap();
    assert!(matches!(TrustedFile::private(&path).append(), Err(FileError::NotAFile { .. })));
}

#[test]
fn a_file_of_another_user_is_rejected_whatever_its_mode() {
    if !is_root("a_file_of_another_user_is_rejected_whatever_its_mode") {
        return;
    }
    let folder = folder();
    let path = put(&folder, "file", 0o600);
    chown(&path, Some(STRANGER), None).unwrap();
    let is_foreign =
        |outcome: Option<FileError>| matches!(outcome, Some(FileError::ForeignOwner { owner: STRANGER, .. }));
    assert!(is_foreign(read(&path).err()));
    let file = TrustedFile::private(&path);
    assert!(is_foreign(file.append().err()));
    assert!(is_foreign(file.update(100, |_| Ok::<_, FileError>(Vec::new())).err()));
    assert_eq!(fs::read(&path).unwrap(), b"content");

    // The home directory of a user, which `sudo` may leave in the environment.
    chown(folder.path(), Some(STRANGER), None).unwrap();
    let new = TrustedFile::private(folder.path().join("deep/new"));
    assert!(is_foreign(new.update(100, |_| Ok::<_, FileError>(Vec::new())).err()));
    assert!(!folder.path().join("deep").exists());
}

#[test]
fn only_links_of_this_user_and_of_root_are_followed() {
    let folder = folder();
    let path = put(&folder, "file", 0o600);
    let link = folder.path().join("link");
    symlink("file", &link).unwrap();
    assert_eq!(read(&link).unwrap().unwrap(), b"content");
    TrustedFile::private(&link).update(100, |_| Ok::<_, FileError>(b"changed".to_vec())).unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(&path).unwrap(), b"changed");

    let ring = folder.path().join("ring");
    symlink("ring", &ring).unwrap();
    assert!(matches!(read(&ring), Err(FileError::TooManyLinks { .. })));
    if is_root("only_links_of_this_user_and_of_root_are_followed") {
        lchown(&link, Some(STRANGER), None).unwrap();
        assert!(matches!(read(&link), Err(FileError::ForeignOwner { .. })));
        assert!(matches!(TrustedFile::private(&link).append(), Err(FileError::ForeignOwner { .. })));
    }
}

#[test]
fn concurrent_changes_lose_nothing_and_keep_the_permissions() {
    let folder = folder();
    let path = folder.path().join("deep/er/list");
    let file = TrustedFile::readable(&path);
    thread::scope(|scope| {
        for writer in 0..8_u8 {
            let file = &file;
            scope.spawn(move || {
                for _ in 0..20 {
                    file.update(1_000, |content| {
                        let mut content = content.unwrap_or_default();
                        content.push(writer);
                        Ok::<_, FileError>(content)
                    })
                    .unwrap();
                }
            });
        }
    });
    let mut content = file.read(1_000).unwrap().unwrap();
    content.sort_unstable();
    assert_eq!(content, (0..8).flat_map(|writer| [writer; 20]).collect::<Vec<_>>());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(folder.path().join("deep")).unwrap().mode() & 0o777, 0o700);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    file.update(1_000, |_| Ok::<_, FileError>(Vec::new())).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
}

#[test]
fn a_failed_change_leaves_the_file_unchanged() {
    let folder = folder();
    let path = put(&folder, "file", 0o600);
    let too_large = |_| Err(FileError::TooLarge { path: PathBuf::new(), most: 0 });
    assert!(TrustedFile::private(&path).update(100, too_large).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"content");
}

#[test]
fn only_descriptors_of_this_process_are_recognized() {
    for path in ["/dev/stderr", "/dev/fd/63", "/proc/self/fd/0", "/dev/null", "/dev/tty"] {
        assert!(own_descriptor(Path::new(path)), "{path}");
    }
    for path in ["/dev/shm/x", "/dev/fd/", "/dev/fd/../shm/x", "/dev/fd/1/x", "/proc/1/fd/0", "dev/null"] {
        assert!(!own_descriptor(Path::new(path)), "{path}");
    }
    assert!(TrustedFile::private("/dev/null").append().is_ok());
}

#[test]
fn a_folder_is_read_in_the_order_of_names() {
    let folder = folder();
    let rules = FolderRules { extension: "xml", access: Access::Read, max_files: 2, max_size: 10 };
    for name in ["b.xml", "a.xml", "c.txt", ".d.xml.new"] {
        put(&folder, name, 0o644);
    }
    let names = |rules| -> Result<Vec<String>, FileError> {
        let files = read_folder(folder.path(), rules)?;
        Ok(files.iter().map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
    };
    assert_eq!(names(rules).unwrap(), ["a.xml", "b.xml"]);
    let too_many = names(FolderRules { max_files: 1, ..rules });
    assert!(matches!(too_many, Err(FileError::TooManyFiles { most: 1, .. })), "{too_many:?}");
    let too_large = names(FolderRules { max_size: 3, ..rules });
    assert!(matches!(too_large, Err(FileError::TooLarge { .. })), "{too_large:?}");
    put(&folder, "b.xml", 0o666);
    assert!(matches!(names(rules), Err(FileError::Writable { .. })));
    let missing = folder.path().join("missing");
    assert!(read_folder(&missing, rules).unwrap().is_empty());
}
