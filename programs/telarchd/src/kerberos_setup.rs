//! Kerberos, where this machine has it: keys in a keytab, and rules that say who a principal is here.

use std::path::Path;
use std::sync::Arc;

use kerberos::{Acceptors, Accounts, AuthToLocal, Library, Principal, PrincipalRules};

/// Ready to sign clients in; `None`, with a word to the log, where there is no Kerberos or no key.
///
/// `table` is a file with a principal and its account in each line, which may be missing.
pub(crate) fn acceptors(accounts: Arc<dyn Accounts>, table: Option<&Path>) -> Option<Acceptors> {
    match try_acceptors(accounts, table) {
        Ok(acceptors) => Some(acceptors),
        Err(error) => {
            let error = error.to_string().replace('\n', ";");
            tracing::info!(error, "Kerberos is not offered");
            None
        }
    }
}

fn try_acceptors(
    accounts: Arc<dyn Accounts>,
    table: Option<&Path>,
) -> Result<Acceptors, Box<dyn std::error::Error>> {
    let library = Library::load()?;
    let realm = library.default_realm()?;
    let mut rules = PrincipalRules::new(accounts).realm(&realm).auth_to_local(AuthToLocal::Followed);
    if let Some(path) = table {
        for (principal, account) in read(path)? {
            rules = rules.list(principal, &account);
        }
    }
    let acceptors = Acceptors::new(library, Arc::new(rules));
    acceptors.check()?;
    Ok(acceptors)
}

/// Reads lines of `PRINCIPAL ACCOUNT`; empty ones and those that begin with `#` do not count.
fn read(path: &Path) -> Result<Vec<(Principal, String)>, Box<dyn std::error::Error>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display()).into()),
    };
    let mut listed = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => {}
            (Some(word), ..) if word.starts_with('#') => {}
            (Some(principal), Some(account), None) => {
                let principal = Principal::parse(principal)
                    .map_err(|error| format!("{}, line {}: {error}", path.display(), number + 1))?;
                listed.push((principal, account.to_owned()));
            }
            _ => {
                let place = format!("{}, line {}", path.display(), number + 1);
                return Err(format!(
                    "{place}: it is not PRINCIPAL ACCOUNT, such as ann/admin@LAB.EXAMPLE root"
                )
                .into());
            }
        }
    }
    Ok(listed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_its_wrong_line_and_none_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("principals");
        assert!(read(&path).unwrap().is_empty());
        std::fs::write(&path, "# who is who\n\nann/admin@LAB.EXAMPLE  root\n").unwrap();
        let listed = read(&path).unwrap();
        assert_eq!(listed, [(Principal::parse("ann/admin@LAB.EXAMPLE").unwrap(), "root".to_owned())]);
        std::fs::write(&path, "ann@LAB.EXAMPLE\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("PRINCIPAL ACCOUNT"), "{error}");
    }
}
