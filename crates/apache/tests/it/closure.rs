//! Files are found through `Include`, and only active sections are visited.

use std::collections::BTreeMap;
use std::convert::Infallible;

use telarch_apache::{BuiltIn, Closure, Files};

struct Memory(BTreeMap<&'static str, &'static str>);

impl Files for Memory {
    type Error = Infallible;

    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(path).map(|text| text.as_bytes().to_vec()))
    }

    fn names(&mut self, folder: &str) -> Result<Vec<String>, Infallible> {
        let folder = if folder == "/" { "/".to_owned() } else { format!("{folder}/") };
        let names = self.0.keys().filter_map(|path| path.strip_prefix(&folder));
        let mut names: Vec<String> =
            names.map(|rest| rest.split('/').next().unwrap_or(rest).to_owned()).collect();
        names.dedup();
        Ok(names)
    }
}

fn built_in() -> BuiltIn {
    BuiltIn {
        modules: ["core.c", "mod_so.c"].map(str::to_owned).into(),
        variables: [("SITES".to_owned(), "sites".to_owned())].into(),
        server_root: "/c".to_owned(),
    }
}

fn closure(files: &[(&'static str, &'static str)]) -> Closure {
    let mut files = Memory(files.iter().copied().collect());
    Closure::read("/c/apache2.conf", &built_in(), &mut files).unwrap().unwrap()
}

/// Returns the arguments of all active `Listen` directives.
fn listens(closure: &Closure) -> Vec<String> {
    let mut found = Vec::new();
    closure.visit(&built_in(), &mut |parents, visited, environment| {
        if visited.directive.is("Listen") {
            assert!(parents.is_empty());
            found.push(environment.expand(visited.directive.word(1).unwrap()));
        }
    });
    found
}

#[test]
fn only_active_sections_are_visited() {
    let closure = closure(&[
        (
            "/c/apache2.conf",
            "LoadModule ssl_module /m/mod_ssl.so\nDefine port 81\nListen ${port}\n<IfModule mod_ssl.c>\nListen 443\n\
             </IfModule>\n<IfModule !ssl_module>\nListen 1\nInclude missing\n</IfModule>\n<ifdefine port>\nListen 82\n\
             </IfDefine>\nUnDefine port\n<IfDefine port>\nListen 2\n</IfDefine>\n<IfModule core.c>\nListen 83\n</IfModule>\n\
             IncludeOptional ${SITES}/*.conf\nInclude /o\nListen ${unknown}\n",
        ),
        ("/c/sites/a.conf", "Listen 84\nDefine later\n"),
        ("/c/sites/b.conf", "<IfDefine later>\nInclude /late.conf\n</IfDefine>\n"),
        ("/c/sites/b.conf~", "Listen 3\n"),
        ("/c/sites/.hidden.conf", "Listen 3\n"),
        ("/late.conf", "Listen 85\n"),
        ("/o/x/1", "Listen 86\n"),
        ("/o/y", "Listen 87\n"),
    ]);
    assert_eq!(
        listens(&closure),
        ["81", "443", "82", "83", "84", "85", "86", "87", "${unknown}"],
        "{:?}",
        closure.problems()
    );
    assert!(closure.problems().is_empty());
}

#[test]
fn a_missing_file_is_a_problem_unless_it_is_optional() {
    let closure = closure(&[(
        "/c/apache2.conf",
        "\nInclude missing.conf\nIncludeOptional none/*.conf\nIncludeOptional none.conf\nInclude none/*\n",
    )]);
    let problems: Vec<String> = closure.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["/c/apache2.conf:2: /c/missing.conf does not exist", "/c/apache2.conf:5: /c/none/* does not exist"]
    );
}

#[test]
fn files_that_include_each_other_end() {
    let closure = closure(&[
        ("/c/apache2.conf", "Include a\nInclude a\n"),
        ("/c/a", "Listen 1\nInclude b\nInclude b\n"),
        ("/c/b", "Include a\nInclude a\n"),
    ]);
    let count = listens(&closure).len();
    assert!((1..=300_000).contains(&count), "{count}");
}
