//! The table of security promises in `docs/security.md`, and the test functions that it names.

use std::fs;
use std::path::Path;

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Promise {
    /// Line of the file, from 1.
    pub line: usize,
    /// The promise in words.
    pub text: String,
    /// The tests that hold it.
    pub tests: Vec<Reference>,
}

/// A test as the table names it.
#[derive(Debug, PartialEq, Eq)]
pub enum Reference {
    /// `package function`, or `package module::function` where a package has several functions of that name.
    Function {
        /// Name of the package, such as `telarch-http`.
        package: String,
        /// Enclosing modules, as far as they are named; each is a file or a folder.
        modules: Vec<String>,
        /// Name of the function.
        function: String,
    },
    /// `fuzz target`: a target of `fuzz/fuzz_targets`.
    FuzzTarget(String),
}

/// A test function in the sources of a package.
#[derive(Debug, PartialEq, Eq)]
pub struct TestFunction {
    /// Folders and file that contain it, such as `tests`, `it`, `attacks`, `guessing`.
    pub modules: Vec<String>,
    /// Name of the function.
    pub name: String,
}

/// Parses the tables of a page whose columns are Promise and Tests, with the tests in backticks.
///
/// # Errors
/// The first row that has no promise, no test or another number of cells.
pub fn parse(page: &str) -> Result<Vec<Promise>, String> {
    let mut is_table_of_promises = false;
    let mut promises = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        if line == "| Promise | Tests |" || !line.starts_with('|') {
            is_table_of_promises = line.starts_with('|');
        } else if is_table_of_promises && !line.starts_with("|---") {
            promises.push(row(number, line)?);
        }
    }
    Ok(promises)
}

/// Returns the test functions in all Rust sources below a folder.
///
/// # Panics
/// When a source cannot be read.
#[must_use]
pub fn test_functions(folder: &Path) -> Vec<TestFunction> {
    let mut found = Vec::new();
    collect(folder, &mut Vec::new(), &mut found);
    found
}

impl TestFunction {
    /// Returns whether a reference of the table to this package means this function.
    #[must_use]
    pub fn is_meant(&self, modules: &[String], function: &str) -> bool {
        self.name == function && self.modules.ends_with(modules)
    }
}

fn row(line: usize, text: &str) -> Result<Promise, String> {
    let cells: Vec<&str> = text.trim_matches('|').split('|').map(str::trim).collect();
    let [promise, tests] = cells[..] else {
        return Err(format!("line {line}: a row has a promise and its tests, not {} cells", cells.len()));
    };
    // Every second piece stands between backticks.
    let tests: Option<Vec<_>> = tests.split('`').skip(1).step_by(2).map(reference).collect();
    match tests {
        Some(tests) if !tests.is_empty() && !promise.is_empty() => {
            Ok(Promise { line, text: promise.to_owned(), tests })
        }
        Some(_) => Err(format!("line {line}: a promise and a test are needed")),
        None => Err(format!("line {line}: a test is named `package function` or `fuzz target`")),
    }
}

fn reference(text: &str) -> Option<Reference> {
    let (package, path) = text.split_once(' ')?;
    if package == "fuzz" {
        return Some(Reference::FuzzTarget(path.to_owned()));
    }
    let mut modules: Vec<String> = path.split("::").map(str::to_owned).collect();
    let function = modules.pop()?;
    Some(Reference::Function { package: package.to_owned(), modules, function })
}

fn collect(folder: &Path, modules: &mut Vec<String>, found: &mut Vec<TestFunction>) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        let path = entry.path();
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && name != "target" {
            modules.push(name);
            collect(&path, modules, found);
            modules.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let modules = [&modules[..], &[name]].concat();
            let names = names_of_tests(&text);
            found.extend(names.map(|name| TestFunction { modules: modules.clone(), name: name.to_owned() }));
        }
    }
}

/// Names of functions that follow `#[test]` or `#[tokio::test]`, with or without arguments.
fn names_of_tests(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let name =
            line.split_once("fn ").filter(|_| is_test && !line.starts_with("//"))?.1.split('(').next()?;
        is_test = false;
        Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_tests_of_packages_and_fuzz_targets() {
        let page = "| Promise | Tests |\n|---|---|\n| It holds. | `a-b one`, `c it::two`; `fuzz three` |\n";
        let [promise] = &parse(page).unwrap()[..] else { panic!("one row") };
        assert_eq!((promise.line, promise.text.as_str()), (3, "It holds."));
        let function = |package: &str, modules: &[&str], function: &str| Reference::Function {
            package: package.to_owned(),
            modules: modules.iter().map(|module| (*module).to_owned()).collect(),
            function: function.to_owned(),
        };
        let fuzz = Reference::FuzzTarget("three".to_owned());
        assert_eq!(promise.tests, [function("a-b", &[], "one"), function("c", &["it"], "two"), fuzz]);
    }

    #[test]
    fn a_row_without_a_test_is_an_error() {
        for row in ["| It holds. | |", "| It holds. | by care |", "| It holds. | `one` |", "| It holds. |"] {
            assert!(parse(&format!("| Promise | Tests |\n{row}\n")).is_err(), "{row}");
            assert_eq!(parse(&format!("| Process | User |\n{row}\n")), Ok(Vec::new()), "{row}");
        }
    }

    #[test]
    fn only_functions_with_the_attribute_are_tests() {
        let text = "fn a() {}\n#[test]\nfn b() {}\n    #[tokio::test(start_paused = true)]\n    \
                    #[allow(x)]\n    async fn c() {}\nfn d() {}\n";
        assert_eq!(names_of_tests(text).collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn a_function_is_meant_by_its_name_or_by_its_name_behind_its_modules() {
        let modules = ["tests", "it", "x"].map(str::to_owned);
        let function = TestFunction { modules: modules.to_vec(), name: "f".to_owned() };
        assert!(function.is_meant(&[], "f") && function.is_meant(&modules[1..], "f"));
        assert!(!function.is_meant(&modules[..1], "f") && !function.is_meant(&[], "g"));
    }
}
