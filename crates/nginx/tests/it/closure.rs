//! Files are found through `include`.

use std::collections::BTreeMap;
use std::convert::Infallible;

use telarch_nginx::{Closure, Files};

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

fn closure(files: &[(&'static str, &'static str)]) -> Closure {
    Closure::read("/c/nginx.conf", &mut Memory(files.iter().copied().collect())).unwrap().unwrap()
}

#[test]
fn patterns_skip_hidden_files_but_not_backups() {
    let closure = closure(&[
        ("/c/nginx.conf", "http { include sites/*; include /o/*/x.conf; }"),
        ("/c/sites/b~", "server { listen 2; }"),
        ("/c/sites/a", "server { listen 1; }"),
        ("/c/sites/.hidden", "server { listen 3; }"),
        ("/o/1/x.conf", "server { listen 4; }"),
        ("/o/1/y.conf", "server { listen 5; }"),
    ]);
    let mut ports = Vec::new();
    closure.visit(&mut |parents, visited| {
        if visited.directive.name() == "listen" {
            assert_eq!(
                parents.iter().map(|parent| parent.directive.name()).collect::<Vec<_>>(),
                ["http", "server"]
            );
            ports.push(visited.directive.word(1).unwrap().to_owned());
        }
    });
    assert_eq!(ports, ["1", "2", "4"]);
    assert_eq!(closure.files().count(), 4);
    assert!(closure.problems().is_empty());
}

#[test]
fn a_missing_file_is_a_problem_only_without_a_pattern() {
    let closure = closure(&[("/c/nginx.conf", "\ninclude missing.conf;\ninclude none/*.conf;")]);
    let problems: Vec<String> = closure.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["/c/nginx.conf:2: /c/missing.conf does not exist"]);
}

#[test]
fn files_that_include_each_other_end() {
    let closure = closure(&[
        ("/c/nginx.conf", "include a; include a;"),
        ("/c/a", "x 1; include b; include b;"),
        ("/c/b", "include a; include a;"),
    ]);
    let mut visits = 0;
    closure.visit(&mut |_, _| visits += 1);
    assert!((1..=1_000_000).contains(&visits), "{visits}");
}
