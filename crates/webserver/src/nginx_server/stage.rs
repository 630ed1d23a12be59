//! Validation of planned files in a copy of the configuration.
//!
//! The copy has the same paths below a temporary folder. `include` and `pid` are changed to paths in that folder, in the
//! line where they are, so that line numbers stay. Other entries of the configuration folder become symbolic links, so
//! that certificates and password files with relative paths are found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nginx::{Directive, Document, Editor, parent};

use super::configuration::NginxConfiguration;
use super::program::{Invocation, problems};
use crate::engine::{Checked, names, run};
use crate::error::WebServerError;
use crate::plan::Validation;

/// Lets nginx check files. `logs` are log files of the planned configuration; nginx creates missing ones, which are
/// deleted again.
pub(crate) fn validate(
    invocation: &Invocation,
    checked: &Checked<'_, NginxConfiguration>,
    logs: &[String],
) -> Result<Validation, WebServerError> {
    let stage = checked.stage;
    let files = checked.planned.closure.files().map(|(path, file)| (path, file.content()));
    let files: BTreeMap<&str, &[u8]> = files.collect();
    let root = stage.0.to_string_lossy().into_owned();
    let main = invocation.main.as_str();
    let pid = format!("{root}/nginx.pid");
    let mut sets_pid = false;
    for (path, content) in &files {
        let (content, has_pid) = staged(content, &root, (*path == main).then_some(pid.as_str()));
        sets_pid |= has_pid;
        let target = PathBuf::from(format!("{root}{path}"));
        let folder = target.parent().unwrap_or(&stage.0);
        fs::create_dir_all(folder).map_err(WebServerError::disk("create", folder))?;
        fs::write(&target, content).map_err(WebServerError::disk("write", &target))?;
    }
    let conf = parent(main);
    let folders: BTreeSet<&str> = files.keys().map(|path| parent(path)).collect();
    mirror(conf, &root, &files, &folders, checked.deleted)?;
    let mut missing: Vec<&String> = logs.iter().collect();
    missing.retain(|log| !Path::new(log).exists());
    let staged = Invocation { main: format!("{root}{main}"), ..invocation.clone() };
    let mut command = staged.command();
    command.args(["-t", "-e", "stderr"]);
    if !sets_pid {
        command.arg("-g").arg(format!("pid {pid};"));
    }
    let (status, output) = run(&mut command, &stage.0.join("output"))?;
    for log in missing {
        if fs::metadata(log).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
            let _ = fs::remove_file(log);
        }
    }
    let output = output.replace(&root, "");
    Ok(Validation { accepted: status.success(), problems: problems(&output), output })
}

/// Returns the staged content of a file, and whether it sets the file of the PID.
fn staged(content: &[u8], root: &str, pid: Option<&str>) -> (Vec<u8>, bool) {
    // nginx reports the syntax error itself.
    let Ok(document) = Document::parse(content) else { return (content.to_vec(), false) };
    let mut editor = Editor::new(&document);
    let mut has_pid = false;
    let mut waiting: Vec<&Directive> = document.directives().iter().collect();
    for directive in document.directives() {
        if let (Some(pid), "pid") = (pid, directive.name()) {
            editor.set_words(directive, &["pid", pid]);
            has_pid = true;
        }
    }
    while let Some(directive) = waiting.pop() {
        if directive.name() == "include"
            && directive.words().len() == 2
            && let Some(path) = directive.word(1)
            && path.starts_with('/')
        {
            editor.set_words(directive, &["include", &format!("{root}{path}")]);
        }
        waiting.extend(directive.children());
    }
    (editor.finish(), has_pid)
}

/// Links the entries of a live folder that are not staged.
fn mirror(
    folder: &str,
    root: &str,
    files: &BTreeMap<&str, &[u8]>,
    folders: &BTreeSet<&str>,
    deleted: &BTreeSet<&str>,
) -> Result<(), WebServerError> {
    for name in names(folder)? {
        let live = if folder == "/" { format!("/{name}") } else { format!("{folder}/{name}") };
        let below = format!("{live}/");
        if files.contains_key(live.as_str()) || deleted.contains(live.as_str()) || live == root {
            continue;
        }
        if folders.iter().any(|staged| *staged == live || staged.starts_with(&below)) {
            mirror(&live, root, files, folders, deleted)?;
            continue;
        }
        let target = PathBuf::from(format!("{root}{live}"));
        symlink(&live, &target).map_err(WebServerError::disk("create the link", &target))?;
    }
    Ok(())
}
