//! pywinrm 0.5.

use serde_json::json;
use telarch_peers::{Peer, Pywinrm, Run, Telarchd, WayIn};

use crate::command_shell::*;

command_shell_tests!(Pywinrm, its_own_first_example_works);

/// `winrm.Session(...).run_cmd(...)` asks for code page 437 and nothing else.
fn its_own_first_example_works<P: Peer>(way: WayIn) {
    let service = Telarchd::start_for(way);
    let command = json!({"command": "echo", "arguments": ["hi", "there"]});
    let answer = P::against(&service, way).ask("run_with_session", command).expect("not refused");
    assert_eq!(Run::from_json(&answer).text(), ("hi there\n", "", 0));
}
