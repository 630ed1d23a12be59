//! Power of a machine with a management controller.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use telarch_peers::telarch;
use telarch_simulated_bmc::SimulatedBmc;

use crate::accessibility::examine_everywhere;
use crate::machine::{ADMINISTRATOR, Machine};

/// Adds the controller as `node7` to the service with a state directory.
pub(crate) fn add(bmc: &SimulatedBmc, state: &Path) {
    let password = state.join("password-of-node7");
    fs::write(&password, "admin-pw\n").expect("a file");
    fs::set_permissions(&password, Permissions::from_mode(0o600)).expect("its mode");
    let (password, state, address) =
        (password.display().to_string(), state.display().to_string(), bmc.address());
    let mut arguments = vec!["ipmi", "host", "add", "node7", &address, "-U", "admin"];
    arguments.extend(["--password-file", &password, "--state", &state]);
    let added = telarch(&arguments, "");
    assert_eq!(added.code, 0, "{added:?}");
}

#[test]
fn power_is_switched_after_the_name_of_the_machine_is_typed() {
    let Some(bmc) = SimulatedBmc::start() else { return };
    let Some(machine) = Machine::start_stored(|state| add(&bmc, state)) else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/hardware");
    page.wait_for_text("CPU1 Temp");
    page.wait_for_text("node7");
    examine_everywhere(&page, "hardware");
    page.click_button("Power off");
    page.wait_for_heading("Power off: node7");
    page.wait_for_text("unsaved data is lost");
    let before = bmc.chassis_log();
    assert_eq!(page.evaluate("pageOfTest.find('button', 'Power off').disabled"), true);
    page.type_text("node");
    page.press(browser::Key::Enter);
    assert_eq!(page.evaluate("pageOfTest.find('button', 'Power off').disabled"), true);
    assert_eq!(bmc.chassis_log(), before, "nothing happens without the name");
    examine_everywhere(&page, "the confirmation of a power action");
    page.type_text("7");
    page.click_button("Power off");
    page.wait_for_text("Power off: node7 has accepted it.");
    assert!(bmc.chassis_log().lines().any(|line| line == "power=0"), "{}", bmc.chassis_log());
    page.wait_until("!document.querySelector('dialog')");
    assert_eq!(page.take_errors(), [""; 0]);
}
