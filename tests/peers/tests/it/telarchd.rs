//! The service as a process.

use telarch_peers::Telarchd;

#[test]
fn two_services_run_at_once_and_remove_their_files() {
    let first = Telarchd::start(&[]);
    let second = Telarchd::start(&[]);
    assert_ne!((first.http(), first.https()), (second.http(), second.https()));
    let folders = [first.state_folder().to_owned(), second.state_folder().to_owned()];
    assert!(folders.iter().all(|folder| folder.is_dir()), "{folders:?}");
    drop(first);
    assert!(!folders[0].exists() && folders[1].is_dir(), "{folders:?}");
    drop(second);
    assert!(!folders[1].exists(), "{folders:?}");
}

#[test]
fn each_start_creates_its_own_certificate() {
    let thumbprints = [(); 2].map(|()| Telarchd::start(&[]).thumbprint().to_owned());
    assert_ne!(thumbprints[0], thumbprints[1]);
    for thumbprint in thumbprints {
        let upper_case =
            thumbprint.bytes().all(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit));
        assert!(thumbprint.len() == 40 && upper_case, "{thumbprint}");
    }
}

#[test]
#[should_panic(expected = "telarchd ended before it listened")]
fn an_unknown_setting_prevents_the_start() {
    let _ = Telarchd::start(&[("Service.NoSuchSetting", "true")]);
}
