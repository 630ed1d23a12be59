//! ansible-core 2.19, over its connection plug-in `winrm`.

use telarch_peers::{Ansible, Telarchd, WayIn};

for_each_way_in! {
    a_wrong_password_makes_the_host_unreachable,
}

fn a_wrong_password_makes_the_host_unreachable(way: WayIn) {
    let service = Telarchd::start_for(way);
    let run = Ansible::against(&service, way).with_password("wrong").raw("echo 'hi'");
    assert_eq!(run.code, 4, "{run:?}");
    let (stdout, stderr, _) = run.text();
    assert!(format!("{stdout}{stderr}").contains("credentials were rejected"), "{run:?}");
}
