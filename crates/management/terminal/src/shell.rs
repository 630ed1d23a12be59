//! The process that becomes the login shell.

use std::error::Error;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Returns the first argument for an account: its UID and groups, or nothing to keep those of this process.
pub(crate) fn ids(uid: u32, groups: Option<&[u32]>) -> String {
    let numbers: Vec<String> = groups
        .map(|groups| [&[uid], groups].concat())
        .unwrap_or_default()
        .iter()
        .map(u32::to_string)
        .collect();
    numbers.join(",")
}

/// Makes the terminal on standard input the controlling terminal of a new session, switches to the user, and executes the
/// login shell in the home directory.
pub(crate) fn run(ids: &str, shell: &str, home: &str) -> Result<(), Box<dyn Error>> {
    confinement::close_all();
    rustix::process::setsid()?;
    rustix::process::ioctl_tiocsctty(std::io::stdin())?;
    let numbers = ids.split(',').filter(|number| !number.is_empty());
    let numbers = numbers.map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    if let [uid, groups @ ..] = numbers.as_slice() {
        confinement::set_groups(groups)?;
        confinement::become_user(*uid, *groups.first().ok_or("the account has no group")?)?;
    }
    if let Err(error) = std::env::set_current_dir(home) {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "telarch: cannot enter the home directory {home}: {error}");
        std::env::set_current_dir("/")?;
    }
    let name = Path::new(shell).file_name().unwrap_or_default().to_string_lossy();
    // A name that begins with a minus makes a shell a login shell.
    let error = Command::new(shell).arg0(format!("-{name}")).exec();
    Err(format!("cannot execute the login shell {shell}: {error}").into())
}
