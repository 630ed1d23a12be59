//! What command lines of several subcommands have in common.

/// Keeps what an option says.
///
/// # Errors
/// What is wrong if it was given before: which of the two is meant is not for a program to guess.
pub fn set<T>(slot: &mut Option<T>, option: &str, value: T) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{option} is given twice")),
    }
}
