//! Validation of planned files in a copy of the configuration.
//!
//! The copy has the same paths below a temporary folder. `Include` is changed to paths in that folder, in the line where it
//! is, so that line numbers stay. The server root remains the live one, so that certificates and password files with
//! relative paths are found. `apache2 -t` opens no log and no socket.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use apache::{Editor, parent};

use super::configuration::ApacheConfiguration;
use super::program::{Invocation, problems};
use crate::engine::{Checked, run};
use crate::error::WebServerError;
use crate::plan::Validation;

/// Lets Apache check files.
pub(super) fn validate(
    invocation: &Invocation,
    checked: &Checked<'_, ApacheConfiguration>,
) -> Result<Validation, WebServerError> {
    let stage = checked.stage;
    let root = stage.0.to_string_lossy().into_owned();
    // The state of the files is private, and Apache never reads the stage as another user.
    let mut includes: BTreeMap<&str, Vec<Include>> = BTreeMap::new();
    checked.planned.visit(&mut |_, visited, environment| {
        let directive = visited.directive;
        if let Some(path) = directive.word(1)
            && (directive.is("Include") || directive.is("IncludeOptional"))
        {
            let path = environment.path(path);
            includes.entry(visited.file).or_default().push(Include { start: directive.span().start, path });
        }
    });
    for (path, file) in checked.planned.closure.files() {
        let includes = includes.get(path).map_or(&[][..], Vec::as_slice);
        let target = PathBuf::from(format!("{root}{path}"));
        create_parent(&target)?;
        fs::write(&target, staged(file, &root, includes)?).map_err(WebServerError::disk("write", &target))?;
    }
    for include in includes.values().flatten() {
        create_parent(&PathBuf::from(format!("{root}{}", include.path)))?;
    }
    let staged = Invocation { main: format!("{root}{}", invocation.main), ..invocation.clone() };
    let (status, output) = run(staged.command().arg("-t"), &stage.0.join("output"))?;
    let output = output.replace(&root, "");
    let accepted = status.success();
    Ok(Validation { accepted, problems: problems(&output, accepted), output })
}

/// An `Include` with its absolute path.
struct Include {
    /// Offset of the directive.
    start: usize,
    path: String,
}

fn create_parent(target: &std::path::Path) -> Result<(), WebServerError> {
    let folder = target.to_str().map_or("/", parent);
    fs::create_dir_all(folder).map_err(WebServerError::disk("create", target))
}

/// Returns the content of a file with its includes below `root`.
fn staged(file: &apache::ClosureFile, root: &str, includes: &[Include]) -> Result<Vec<u8>, WebServerError> {
    // Apache reports the syntax error itself.
    let Ok(document) = file.document() else { return Ok(file.content().to_vec()) };
    let mut editor = Editor::new(document);
    let mut waiting: Vec<_> = document.directives().iter().collect();
    while let Some(directive) = waiting.pop() {
        let found = includes.iter().find(|include| include.start == directive.span().start);
        if let Some(include) = found {
            editor.set_words(directive, &[directive.name(), &format!("{root}{}", include.path)])?;
        }
        waiting.extend(directive.children());
    }
    Ok(editor.finish())
}
