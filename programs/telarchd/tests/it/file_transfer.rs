//! File transfer with the rights of the calling user.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use copy::{CarrierChoice, Copier, CopyError, CopyOptions, NoProgress, RemotePath};

use crate::separated::{block_on, hosts, start};
use crate::test_user::TestUser;

#[test]
fn files_are_written_and_read_with_the_rights_of_the_user() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (telarchd, port) = start("");
    let folder = tempfile::tempdir().unwrap();
    let (here, back) = (folder.path().join("here"), folder.path().join("back"));
    let content: Vec<u8> = (0..=255).cycle().take(2_000_000).collect();
    fs::write(&here, &content).unwrap();
    let home = |user: &TestUser| PathBuf::from("/home").join(&user.name);
    let secret = home(&ben).join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(home(&ben), fs::Permissions::from_mode(0o755)).unwrap();
    block_on(async {
        let copier = Copier::open(&ann.session(port), CarrierChoice::Automatic).await.unwrap();
        assert_eq!(copier.carrier(), "file resource");
        let options = CopyOptions::default();
        // A relative path begins in the home directory of the user.
        let copied =
            copier.upload(&here, &RemotePath::from("copy"), None, options, &NoProgress).await.unwrap();
        let copy = home(&ann).join("copy");
        assert_eq!(copied.path, copy.to_str().unwrap());
        assert_eq!(
            (fs::metadata(&copy).unwrap().uid(), fs::read(&copy).unwrap() == content),
            (ann.uid, true)
        );
        copier.download(&RemotePath::from("copy"), &back, options, &NoProgress).await.unwrap();
        assert!(fs::read(&back).unwrap() == content);

        let foreign = RemotePath::from(secret.to_str().unwrap());
        let refused = copier.upload(&here, &foreign, None, options, &NoProgress).await.unwrap_err();
        assert!(
            matches!(&refused, CopyError::Remote { reason, .. } if reason.contains("denied")),
            "{refused}"
        );
        let refused = copier.download(&foreign, &back, options, &NoProgress).await.unwrap_err();
        assert!(
            matches!(&refused, CopyError::Remote { reason, .. } if reason.contains("denied")),
            "{refused}"
        );
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
        assert_eq!(hosts(&telarchd).len(), 1, "the host of ann");
    });
}
