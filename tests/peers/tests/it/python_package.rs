//! Our Python package, as pip has installed it, against our service.

use telarch_peers::{check_package, service_for_package, test_package};

#[test]
fn test_session_passes() {
    test_package(&service_for_package(), "test_session.py");
}

#[test]
fn test_asyncio_passes() {
    test_package(&service_for_package(), "test_asyncio.py");
}

#[test]
fn samples_for_windows_run_line_by_line() {
    test_package(&service_for_package(), "test_automation.py");
}

#[test]
fn the_examples_of_other_clients_run_with_their_imports_changed() {
    test_package(&service_for_package(), "test_readmes.py");
}

#[test]
fn its_types_pass_mypy_strict() {
    check_package(&["mypy", "--strict", "-p", "telarch"]);
}

#[test]
fn its_stubs_match_the_native_module() {
    check_package(&["mypy.stubtest", "telarch._telarch"]);
}
