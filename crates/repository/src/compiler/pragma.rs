//! Pragmas of DSP0004, and those of `mofcomp` on Windows.

use cim::wql::equal;
use cim::{Name, Namespace, ObjectPath};

use super::Run;
use crate::{Contents, Existing, Problem};

impl Run<'_> {
    pub(super) fn pragma(
        &mut self,
        contents: &mut Contents,
        name: &str,
        arguments: &[String],
    ) -> Result<(), Problem> {
        match name.to_ascii_lowercase().as_str() {
            "namespace" => {
                let namespace = namespace_of(name, arguments)?;
                contents.namespace(&namespace)?;
                self.namespace = namespace;
            }
            "deleteclass" => {
                let (class, must_be) = removal(name, arguments)?;
                let class = Name::parse(class)?;
                let was = contents.remove_class(&self.namespace, class.as_str())?;
                self.removed(was, must_be, || format!("class {class}"))?;
            }
            "deleteinstance" => {
                let (path, must_be) = removal(name, arguments)?;
                let path = ObjectPath::parse(path)?;
                // If the class does not exist, neither does the instance.
                let was = match self.remove(contents, &path) {
                    Err(Problem::Model(cim::Error::NoClass { .. })) if must_be == MustBe::MayBeMissing => {
                        false
                    }
                    removed => removed?,
                };
                self.removed(was, must_be, || path.to_string())?;
            }
            "classflags" => self.classes = flags(name, arguments)?,
            "instanceflags" => self.instances = flags(name, arguments)?,
            "amendment" => {
                let [locale] = arguments else {
                    return Err(wrong(name, "it takes one locale, such as MS_409"));
                };
                let number = locale.get(..3).filter(|ms| equal(ms, "MS_")).and_then(|_| locale.get(3..));
                if number.is_none_or(|number| u32::from_str_radix(number, 16).is_err()) {
                    return Err(wrong(name, "it takes a locale such as MS_409"));
                }
                self.is_amendment = true;
            }
            // All contents are stored, so recompilation after a failure is not needed.
            "autorecover" => {}
            // Language and location pragmas do not affect the result.
            "locale" | "instancelocale" | "translation" | "nonlocal" | "nonlocaltype" | "source"
            | "sourcetype" => {}
            _ => self.note(format!("#pragma {name} has no meaning here and was passed over")),
        }
        Ok(())
    }

    fn removed(&mut self, was: bool, must_be: MustBe, what: impl Fn() -> String) -> Result<(), Problem> {
        match (was, must_be) {
            (false, MustBe::There) => return Err(Problem::Missing(what())),
            (false, MustBe::MayBeMissing) => {}
            (true, _) => self.report.removed += 1,
        }
        Ok(())
    }
}

/// Whether the item to remove must exist: `FAIL` or `NOFAIL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MustBe {
    There,
    MayBeMissing,
}

fn removal<'a>(name: &str, arguments: &'a [String]) -> Result<(&'a str, MustBe), Problem> {
    match arguments {
        [what] => Ok((what, MustBe::There)),
        [what, how] if equal(how, "fail") => Ok((what, MustBe::There)),
        [what, how] if equal(how, "nofail") => Ok((what, MustBe::MayBeMissing)),
        _ => Err(wrong(name, "it takes what to delete, and FAIL or NOFAIL")),
    }
}

fn flags(name: &str, arguments: &[String]) -> Result<Existing, Problem> {
    let mut existing = Existing::Replace;
    for flag in arguments {
        existing = match flag.to_ascii_lowercase().as_str() {
            "createonly" => Existing::Refuse,
            "updateonly" => Existing::Require,
            "forceupdate" => Existing::Force,
            "safeupdate" => existing,
            _ => return Err(wrong(name, "it takes createonly, updateonly, safeupdate or forceupdate")),
        };
    }
    Ok(existing)
}

/// Returns the namespace of `#pragma namespace`: `\\.\root\cimv2`, `//./root/cimv2` or `root/cimv2`.
pub(crate) fn namespace_of(name: &str, arguments: &[String]) -> Result<Namespace, Problem> {
    let [path] = arguments else { return Err(wrong(name, "it takes one path, such as \\\\.\\root\\cimv2")) };
    let path = path.replace('\\', "/");
    let Some(rest) = path.strip_prefix("//") else { return Ok(Namespace::parse(&path)?) };
    match rest.split_once('/') {
        Some(("." | "localhost", path)) => Ok(Namespace::parse(path)?),
        _ => Err(wrong(name, "the path names another machine; use \\\\.\\ and compile it there")),
    }
}

fn wrong(name: &str, problem: &str) -> Problem {
    Problem::Pragma { name: name.to_owned(), problem: problem.to_owned() }
}
