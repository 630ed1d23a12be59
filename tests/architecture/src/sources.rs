//! Rust sources of the project.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust source file.
#[derive(Debug)]
pub struct Source {
    /// Path of the file.
    pub path: PathBuf,
    /// Text of the file.
    pub text: String,
}

impl Source {
    /// Returns every Rust source below a folder, without the folders `tests` and `target`.
    ///
    /// # Panics
    /// If a folder or a file cannot be read.
    #[must_use]
    pub fn below(folder: &Path) -> Vec<Self> {
        let mut found = Vec::new();
        let Ok(entries) = fs::read_dir(folder) else { return found };
        for entry in entries {
            let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
            if path.is_dir() && !path.ends_with("tests") && !path.ends_with("target") {
                found.extend(Self::below(&path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path);
                let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                found.push(Self { path, text });
            }
        }
        found
    }

    /// Returns the text without the module of unit tests at its end.
    ///
    /// An attribute `#[cfg(test)]` of another item, or of a module in a file of its own, ends nothing.
    #[must_use]
    pub fn product(&self) -> &str {
        let Some((product, rest)) = self.text.split_once("#[cfg(test)]\nmod ") else { return &self.text };
        let is_inline = rest.lines().next().is_some_and(|line| line.ends_with('{'));
        if is_inline { product } else { &self.text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_module_of_tests_in_the_same_file_is_cut_off() {
        for (text, product) in [
            ("a();\n#[cfg(test)]\nmod tests {\n}\n", "a();\n"),
            ("#[cfg(test)]\nmod replay;\na();\n", "#[cfg(test)]\nmod replay;\na();\n"),
            ("#[cfg(test)]\nuse x;\na();\n", "#[cfg(test)]\nuse x;\na();\n"),
        ] {
            let source = Source { path: PathBuf::new(), text: text.to_owned() };
            assert_eq!(source.product(), product);
        }
    }
}
