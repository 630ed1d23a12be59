//! The service as a process.

use telarch_peers::Telarchd;

#[test]
fn two_services_run_side_by_side_and_each_cleans_up_after_itself() {
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
fn each_start_has_a_certificate_of_its_own() {
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
fn a_setting_that_does_not_exist_stops_the_start() {
    let _ = Telarchd::start(&[("Service.NoSuchSetting", "true")]);
}
