//! The carrier against psrpcore, whose scripts run in an evaluator for a part of the language of PowerShell.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use client::{Credentials, Endpoint, Secret, Unencrypted};
use copy_proto::resumable_key;

use super::*;
use crate::file_by_file::{download_tree, upload_tree};
use crate::progress::NoProgress;

#[expect(unreachable_pub, reason = "the tests of the client use the same file")]
#[path = "../../../client/tests/it/powershell_peer.rs"]
mod powershell_peer;

use powershell_peer::PowerShellPeer;

async fn start() -> Option<(PowerShellPeer, RemotingCarrier)> {
    let peer = PowerShellPeer::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{}/wsman", peer.port)).unwrap();
    let session = Session::builder(endpoint)
        .credentials(Credentials { user: "ann".into(), password: Secret::new("pass word".into()) })
        .unencrypted(Unencrypted::Allowed);
    let carrier = RemotingCarrier::open(&session.build().unwrap(), false).await.unwrap();
    Some((peer, carrier))
}

/// Paths of a source and of two copies.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn remote(&self, name: &str) -> RemotePath {
        RemotePath::from(self.path(name).to_str().unwrap())
    }

    fn names(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index * 7_919 / 13 % 251).unwrap()).collect()
}

#[tokio::test]
async fn files_of_any_size_arrive_and_come_back() {
    let Some((_peer, carrier)) = start().await else { return };
    let files = Files::new();
    // The last size needs two pipelines.
    for size in [0, 1, 380_000, 17_000_003] {
        fs::write(files.path("here"), content(size)).unwrap();
        fs::set_permissions(files.path("here"), fs::Permissions::from_mode(0o757)).unwrap();
        let source = LocalFile::open(&files.path("here")).unwrap();
        let there = files.remote("it's $HOME");
        let copied =
            carrier.upload(&source, &there, None, CopyOptions::default(), &NoProgress).await.unwrap();
        assert_eq!((copied.path.as_str(), copied.size), (there.to_string().as_str(), size as u64));
        assert!(fs::read(files.path("it's $HOME")).unwrap() == content(size), "{size}");
        let target = LocalTarget::open(&files.path("back")).unwrap();
        carrier.download(&there, &target, CopyOptions::default(), &NoProgress).await.unwrap();
        assert!(fs::read(files.path("back")).unwrap() == content(size), "{size}");
        let mode = fs::metadata(files.path("it's $HOME")).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, files.names()), (0o755, 3), "{size}");
    }
    carrier.close().await.unwrap();
}

#[tokio::test]
async fn copies_are_resumed() {
    let Some((_peer, carrier)) = start().await else { return };
    let files = Files::new();
    let all = content(1_000_000);
    fs::write(files.path("here"), &all).unwrap();
    let source = LocalFile::open(&files.path("here")).unwrap();
    let options = CopyOptions { resume: true, preserve: true };
    for (begun, found) in [(&all[..300_000], 300_000), (&[1, 2, 3][..], 0)] {
        let there = files.remote("there");
        let digest = ContentDigest::of_bytes(&all);
        let key = resumable_key(there.as_bytes(), digest.as_str());
        fs::write(files.path(&format!(".telarch-{key}.part")), begun).unwrap();
        let copied = carrier.upload(&source, &there, None, options, &NoProgress).await.unwrap();
        assert_eq!((copied.found, fs::read(files.path("there")).unwrap() == all), (found, true));
        let target = LocalTarget::open(&files.path("back")).unwrap();
        let key = resumable_key(there.as_bytes(), "");
        fs::write(files.path(&format!(".telarch-{key}.part")), begun).unwrap();
        let copied = carrier.download(&there, &target, options, &NoProgress).await.unwrap();
        assert_eq!((copied.found, fs::read(files.path("back")).unwrap() == all), (found, true));
        assert_eq!(files.names(), 3);
    }
}

#[tokio::test]
async fn a_failed_copy_leaves_nothing() {
    let Some((_peer, carrier)) = start().await else { return };
    let files = Files::new();
    fs::write(files.path("here"), "content").unwrap();
    let source = LocalFile::open(&files.path("here")).unwrap();
    let options = CopyOptions::default();
    for target in [files.remote("missing/x"), RemotePath::from("/dev/null"), files.remote("")] {
        let refused = carrier.upload(&source, &target, None, options, &NoProgress).await;
        assert!(matches!(refused, Err(CopyError::Remote { .. })), "{target}: {refused:?}");
    }
    let target = LocalTarget::open(&files.path("here")).unwrap();
    for source in [files.remote("missing"), RemotePath::from("/dev/zero"), files.remote("")] {
        let refused = carrier.download(&source, &target, options, &NoProgress).await;
        assert!(matches!(refused, Err(CopyError::Remote { .. })), "{source}: {refused:?}");
    }
    assert_eq!((files.names(), fs::read(files.path("here")).unwrap()), (1, b"content".to_vec()));
    assert!(!Path::new("/dev").join(".telarch").exists());
}

#[tokio::test]
async fn directories_are_copied_and_links_below_them_are_not_followed() {
    let Some((_peer, carrier)) = start().await else { return };
    let (files, options) = (Files::new(), CopyOptions::default());
    let [here, there, back] = ["here", "there", "back"].map(|name| files.path(name));
    fs::create_dir_all(here.join("a b/c")).unwrap();
    fs::write(here.join("a b/it's"), "content").unwrap();
    symlink("/etc/passwd", here.join("link")).unwrap();
    let target = files.remote("there");
    let copied = upload_tree(&carrier, &here, &target, options, &NoProgress).await.unwrap();
    assert_eq!((copied.files, copied.size, &copied.failed[..]), (1, 7, &[][..]));
    assert_eq!(fs::read(there.join("a b/it's")).unwrap(), b"content");
    assert!(there.join("a b/c").is_dir() && fs::symlink_metadata(there.join("link")).is_err());

    symlink("/etc/passwd", there.join("link")).unwrap();
    let copied = download_tree(&carrier, &target, &back, options, &NoProgress).await.unwrap();
    assert_eq!((copied.files, copied.size, &copied.failed[..]), (1, 7, &[][..]));
    assert_eq!(fs::read(back.join("a b/it's")).unwrap(), b"content");
    assert!(back.join("a b/c").is_dir() && fs::symlink_metadata(back.join("link")).is_err());

    fs::rename(there.join("a b"), files.path("outside")).unwrap();
    symlink(files.path("outside"), there.join("a b")).unwrap();
    fs::write(here.join("a b/it's"), "new").unwrap();
    let copied = upload_tree(&carrier, &here, &target, options, &NoProgress).await.unwrap();
    assert!(copied.files == 0 && copied.failed.len() == 3, "{copied:?}");
    assert_eq!(fs::read(files.path("outside/it's")).unwrap(), b"content");
    let (missing, target) = (files.remote("missing"), files.path("x"));
    let refused = download_tree(&carrier, &missing, &target, options, &NoProgress).await;
    assert!(matches!(refused, Err(CopyError::Remote { .. })) && !target.exists(), "{refused:?}");
    carrier.close().await.unwrap();
}
