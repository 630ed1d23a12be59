//! A stand-in for `pwsh -s`, written with psrpcore.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::python::{environment, environment_program, package_folder};

/// A program that serves PowerShell remoting on its standard streams, with a toy language instead of PowerShell: see
/// `tests/peers/python/pwsh_server.py`.
pub struct Pwsh {
    program: PathBuf,
    _folder: TempDir,
}

impl Pwsh {
    /// Returns a program that behaves as PowerShell does.
    ///
    /// # Panics
    ///
    /// When the Python environment of the peers is not installed.
    #[must_use]
    pub fn new() -> Self {
        Self::in_mode("normal")
    }

    /// Returns a program that misbehaves: `dead`, `mute`, `restricted` or `stubborn`.
    ///
    /// # Panics
    ///
    /// As [`Pwsh::new`].
    #[must_use]
    pub fn in_mode(mode: &str) -> Self {
        Self::of_script("pwsh", &format!("pwsh_server.py' --mode '{mode}"))
    }

    /// Returns a program `powershell` that evaluates a part of the language in the argument of `-EncodedCommand`.
    ///
    /// # Panics
    ///
    /// As [`Pwsh::new`].
    #[must_use]
    pub fn of_commands() -> Self {
        Self::of_script("powershell", "powershell_command.py")
    }

    /// Returns a program that runs a script with arguments, which are within single quotes.
    fn of_script(name: &str, script: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("telarch-peers-").tempdir().expect("a folder");
        // Accounts other than that of the test start it as well.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let program = folder.path().join(name);
        let python = environment_program("python");
        let python = Path::new(python.get_program()).display();
        let script = package_folder().join("python").join(script);
        // Ordinary users may not reach the Python of root; the system's own has the same version where it is tested.
        let packages = environment().join("lib/python3.*/site-packages");
        let text = format!(
            "#!/bin/sh\nif test -x '{python}'; then exec '{python}' -BEs '{script}' \"$@\"; fi\n\
             for packages in {packages}; do export PYTHONPATH=\"$packages\"; done\n\
             exec python3 -Bs '{script}' \"$@\"\n",
            script = script.display(),
            packages = packages.display(),
        );
        fs::write(&program, text).expect("a fresh file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
        Self { program, _folder: folder }
    }

    /// The path of the program, for `telarchd --ephemeral --pwsh` or the setting `PowerShell.Program`.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }
}

impl Default for Pwsh {
    fn default() -> Self {
        Self::new()
    }
}
