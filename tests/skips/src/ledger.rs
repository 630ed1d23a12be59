//! The file of skips: one line per skip, appended by the tests and read by the report.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// Environment variable with the path of the file.
const FILE: &str = "TELARCH_SKIPS";

/// Prefix of the reason if only a part of the test was skipped.
const PART: &str = "in part: ";

/// How much of a test was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// The whole test, from here on.
    Whole,
    /// A part of a test.
    Part,
}

/// A recorded skip.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skip {
    /// Package and test, such as `telarchd audit::a_denial_is_on_record`.
    pub test: String,
    /// How much of the test was skipped.
    pub extent: Extent,
    /// Why, in one line.
    pub reason: String,
}

impl Skip {
    /// Parses the lines of the file. A test may skip the same thing several times; duplicates are dropped.
    #[must_use]
    pub fn parse_all(text: &str) -> BTreeSet<Self> {
        text.lines().filter_map(Self::parse).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let (test, reason) = line.split_once('\t')?;
        let (extent, reason) = match reason.strip_prefix(PART) {
            Some(reason) => (Extent::Part, reason),
            None => (Extent::Whole, reason),
        };
        Some(Self { test: test.to_owned(), extent, reason: reason.to_owned() })
    }

    fn line(&self) -> String {
        let part = if self.extent == Extent::Part { PART } else { "" };
        format!("{}\t{part}{}\n", self.test, self.reason)
    }
}

/// Records a skip of the calling test; see [`skip!`](crate::skip) and [`skip_part!`](crate::skip_part).
///
/// # Panics
/// When `TELARCH_SKIPS` names a file that cannot be written.
pub fn record(extent: Extent, reason: &str) {
    let skip = Skip { test: test_name(), extent, reason: one_line(reason) };
    let part = if extent == Extent::Part { PART } else { "" };
    eprintln!("SKIPPED: {part}{}", skip.reason);
    if let Some(path) = std::env::var_os(FILE) {
        append(Path::new(&path), &skip.line());
    }
}

/// Appends with a single `write` to a file opened for appending, so that lines of parallel tests do not mix.
fn append(path: &Path, line: &str) {
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write(line.as_bytes()))
        .unwrap_or_else(|error| panic!("cannot record a skipped test in {FILE}={}: {error}", path.display()));
    assert_eq!(written, line.len(), "{FILE}={} took a part of a line", path.display());
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Name of the package and the running test.
fn test_name() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let package = variable("CARGO_PKG_NAME").or_else(program).unwrap_or_else(|| "unknown".to_owned());
    // Both runners of a test process name it: nextest by a variable, libtest by the name of the test's thread. A test
    // that was started again in a namespace of its own is named by its arguments.
    let test = variable("NEXTEST_TEST_NAME").or_else(thread_name).or_else(exact_argument);
    format!("{package} {}", test.unwrap_or_else(|| "(a thread without a name)".to_owned()))
}

fn thread_name() -> Option<String> {
    std::thread::current().name().filter(|name| *name != "main").map(str::to_owned)
}

fn exact_argument() -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--exact");
    arguments.nth(1)
}

/// Name of the test program without the hash that Cargo appends.
fn program() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    let stem = path.file_stem()?.to_str()?;
    Some(stem.rsplit_once('-').map_or(stem, |(name, _)| name).to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_parsed_back_into_the_skip_it_was_written_for() {
        for extent in [Extent::Whole, Extent::Part] {
            let skip = Skip { test: "a b::c".to_owned(), extent, reason: "there is no d".to_owned() };
            assert_eq!(Skip::parse_all(&skip.line().repeat(2)), BTreeSet::from([skip]));
        }
    }

    #[test]
    fn a_reason_of_several_lines_becomes_one_line_of_the_file() {
        assert_eq!(one_line("no wsman\n\tinstall it\n"), "no wsman install it");
    }

    #[test]
    fn a_skip_is_named_after_its_package_and_test() {
        let expected = "telarch-skips ledger::tests::a_skip_is_named_after_its_package_and_test";
        assert_eq!(test_name(), expected);
    }

    #[test]
    fn lines_of_parallel_tests_do_not_mix() {
        let path = std::env::temp_dir().join(format!("telarch-skips-{}", std::process::id()));
        let lines: Vec<String> = (0..8).map(|number| format!("p t{number}\t{}\n", "x".repeat(500))).collect();
        std::thread::scope(|scope| {
            for line in &lines {
                scope.spawn(|| (0..50).for_each(|_| append(&path, line)));
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text.lines().count(), 400);
        assert_eq!(Skip::parse_all(&text).len(), 8);
    }
}
