//! The tests of our own Python package, in the environment that `./test --install` has put it into.

use std::fs;
use std::time::Duration;

use crate::pwsh::Pwsh;
use crate::python::{environment, missing_modules, package_folder, python, served_pem};
use crate::run::{run, tail};
use crate::telarchd::{PASSWORD, Telarchd, USER};

/// A service for the tests of the package, with what Basic in plain text takes, and with stand-ins for PowerShell in
/// its `PATH` and its endpoint.
struct PackageService {
    service: Telarchd,
    _pwsh: Pwsh,
}

impl PackageService {
    /// Starts the service.
    fn start() -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("PATH={}:{path}", package_folder().join("stand-ins").display());
        let pwsh = Pwsh::new();
        let program = pwsh.program().display().to_string();
        let settings = [("Service.AllowUnencrypted", "true"), ("PowerShell.Program", &program)];
        Self { service: Telarchd::start_through(&["env", &path], &settings), _pwsh: pwsh }
    }
}

/// Runs one file of `python/tests` against a service.
///
/// # Panics
///
/// When a test fails, when the package is not installed, or when the tests do not end in time.
pub fn test_package(file: &str) {
    require_package();
    let PackageService { service, .. } = &PackageService::start();
    let files = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
    let pem = files.path().join("served.pem");
    fs::write(&pem, served_pem(service.https())).expect("a fresh file");
    let sources = package_folder().join("../../python");
    let mut pytest = python();
    pytest
        .args(["-m", "pytest", "-q", "--color=no", "--basetemp"])
        .arg(files.path().join("pytest"))
        .arg(file);
    // Here nothing but the installed package can be imported by its name.
    pytest.current_dir(sources.join("tests"));
    for name in ["PYTEST_ADDOPTS", "PYTEST_PLUGINS"] {
        pytest.env_remove(name);
    }
    pytest.envs([("TELARCH_TEST_HTTP", service.http()), ("TELARCH_TEST_HTTPS", service.https())]);
    pytest.envs([("TELARCH_TEST_USER", USER), ("TELARCH_TEST_PASSWORD", PASSWORD)]);
    pytest.env("TELARCH_TEST_PEM", &pem);
    pytest.env("TELARCH_TEST_README", sources.join("README.md"));
    pytest.env("TELARCH_TEST_SOURCES", environment().join("sources"));
    let ended = run(&mut pytest, b"", LIMIT);
    assert_eq!(ended.code, 0, "{}\nand the service said:\n{}", tail(&ended.stdout), service.log());
    let report = String::from_utf8_lossy(&ended.stdout);
    assert!(!report.contains("skipped"), "{report}");
}

/// Runs a checker of types over the package: `mypy` or `mypy.stubtest`.
///
/// # Panics
///
/// When it finds something, or the package is not installed.
pub fn check_package(checker: &[&str]) {
    require_package();
    let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
    let ended = run(python().arg("-m").args(checker).current_dir(folder.path()), b"", LIMIT);
    assert_eq!(ended.code, 0, "{}", tail(&ended.stdout));
}

fn require_package() {
    let missing = missing_modules("telarch");
    let install = "install it beside the peers with: ./test --install";
    assert!(missing.is_none(), "the Python package is missing: {}\n  {install}", missing.unwrap_or_default());
}

/// Commands that wait, a fork, and a session for each test.
const LIMIT: Duration = Duration::from_secs(180);
