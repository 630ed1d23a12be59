//! The tests that a Python client brings along in its source distribution, run against our service.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::python::{environment, python};
use crate::run::{Run, run, tail};
use crate::telarchd::Telarchd;

/// Test file of a third-party client.
///
/// They were written against Windows; `words` says what is changed so that they ask a POSIX machine the same.
pub struct Suite {
    /// The source distribution, such as `pywinrm-0.5.0`.
    pub distribution: &'static str,
    /// The file in it.
    pub file: &'static str,
    /// Other files whose words are changed.
    pub beside: &'static [&'static str],
    /// Replacements in these files: old and new text; each old text must occur in one of them.
    pub words: &'static [(&'static str, &'static str)],
    /// Tests that are left out, each with the reason.
    pub left_out: &'static [(&'static str, &'static str)],
    /// Tests that must pass.
    pub passing: &'static [&'static str],
    /// Tests that their authors expect to fail.
    pub failing_as_expected: &'static [&'static str],
}

impl Suite {
    /// Runs the tests with these variables and checks that exactly those passed that must.
    ///
    /// # Panics
    ///
    /// When they did not, when the suite is not installed, or when it does not end in time.
    pub fn run(&self, service: &Telarchd, variables: &[(&str, &str)]) {
        self.run_by(&[], service, variables);
    }

    /// Runs them as [`Suite::run`] does, by another client with the same face: `imports` says by which words it is
    /// imported in place of theirs. Each must be found in one of the files.
    ///
    /// # Panics
    ///
    /// As [`Suite::run`].
    pub fn run_by(&self, imports: &[(&str, &str)], service: &Telarchd, variables: &[(&str, &str)]) {
        let unpacked = self.unpack();
        self.change_words(imports, &unpacked.path().join(self.distribution));
        let mut pytest = python();
        pytest.args(["-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--color=no"]);
        for (name, _) in self.left_out {
            pytest.arg("--deselect").arg(format!("{}::{name}", self.file));
        }
        pytest.arg(self.file).current_dir(unpacked.path().join(self.distribution));
        // Whoever runs the tests may have settings for suites of their own.
        for name in ["PYTEST_ADDOPTS", "PYTEST_PLUGINS"] {
            pytest.env_remove(name);
        }
        pytest.envs(variables.iter().copied());
        let ended = run(&mut pytest, b"", LIMIT);
        let report = || format!("{}\nand the service said:\n{}", tail(&ended.stdout), service.log());
        assert_eq!(names(&ended, "PASSED"), set(self.passing), "{}", report());
        assert_eq!(names(&ended, "XFAIL"), set(self.failing_as_expected), "{}", report());
        // Errors outside of tests appear in the exit code only.
        assert_eq!(ended.code, 0, "{}", report());
    }

    fn unpack(&self) -> TempDir {
        let archive = environment().join("sources").join(format!("{}.tar.gz", self.distribution));
        let missing = "is missing\n  install the peers with: ./test --install";
        assert!(archive.exists(), "{} {missing}", archive.display());
        let folder =
            tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder for its files");
        let mut unpack = python();
        unpack.args(["-m", "tarfile", "--extract"]).arg(&archive);
        // With -m, Python imports from the current directory, so this one is empty.
        unpack.current_dir(folder.path());
        let ended = run(&mut unpack, b"", LIMIT);
        assert_eq!(ended.code, 0, "{} cannot be unpacked: {}", archive.display(), tail(&ended.stderr));
        folder
    }

    fn change_words(&self, imports: &[(&str, &str)], folder: &Path) {
        let mut found = BTreeSet::new();
        for file in self.beside.iter().chain([&self.file]) {
            let path = folder.join(file);
            let mut text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
            for (old, new) in self.words.iter().chain(imports) {
                if text.contains(old) {
                    text = text.replace(old, new);
                    found.insert(*old);
                }
            }
            fs::write(&path, text).expect("it was just unpacked");
        }
        let words = self.words.iter().chain(imports);
        let unused: Vec<_> = words.filter(|(old, _)| !found.contains(old)).collect();
        assert!(unused.is_empty(), "these words are not in {}: {unused:?}", self.distribution);
    }
}

/// The names after a verdict in the closing list of pytest: `PASSED path::Class::name[parameters]`.
fn names(ended: &Run, verdict: &str) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(&ended.stdout);
    let lines = text.lines().filter_map(|line| line.strip_prefix(verdict)?.strip_prefix(' '));
    // A reason may follow the name of an expected failure.
    let identifiers = lines.filter_map(|line| line.split(" - ").next());
    let names = identifiers.filter_map(|identifier| identifier.split_once("::"));
    names.map(|(_, name)| name.split('[').next().unwrap_or(name).to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A suite that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);
