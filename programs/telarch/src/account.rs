//! `telarch account`: the accounts that the service itself keeps.

mod arguments;
mod list;
mod password;

use std::path::Path;
use std::time::SystemTime;

use accounts::{AccountsError, IfMissing};
use auth::account_file::{
    AccountFile, ChangeError, NewAccount, NewPassword, PasswordHash, Role, Standing, UnixTime,
};
use lexopt::Parser;

use self::arguments::{Action, Invocation, NewRole};
use crate::failure::Failure;
use crate::{Subcommand, place};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "account",
    about: "who may sign in to the service, and with which password",
    help: HELP,
    run,
};

fn run(parser: Parser) -> Result<String, Failure> {
    let Some(Invocation { action, file }) = Invocation::parse(parser)? else { return Ok(HELP.to_owned()) };
    let path = match file {
        Some(path) => path,
        None => {
            let is_first = matches!(action, Action::Add { .. });
            let if_missing = if is_first { place::IfMissing::Make } else { place::IfMissing::Leave };
            place::folder(if_missing)?.join("accounts")
        }
    };
    match action {
        Action::Add { name, password, role, comment } => {
            if let Some(known) = if_present(&path)?.as_ref().and_then(|file| file.find(name.as_str())) {
                return Err(refused(ChangeError::Exists(known.name.clone()), &path));
            }
            let password = hashed(&password::ask(name.as_str(), password)?)?;
            let changed = now();
            let shown = name.to_string();
            let role = change(&path, IfMissing::Create, |file| {
                let role = match role {
                    NewRole::Usual => file.usual_role(),
                    NewRole::Chosen(role) => role,
                };
                file.add(NewAccount { name, password, role, changed, comment }).map(|_| role)
            })?;
            let role = match role {
                Role::Administrator => "an administrator",
                Role::User => "a user",
            };
            Ok(format!("added {shown} to {} as {role}\n", path.display()))
        }
        Action::SetPassword { name, password } => {
            let file = accounts::read(&path)?;
            if file.find(&name).is_none() {
                return Err(refused(ChangeError::Unknown(name), &path));
            }
            let password = hashed(&password::ask(&name, password)?)?;
            let changed = now();
            change(&path, IfMissing::Fail, |file| file.set_password(&name, password, changed))?;
            Ok(format!("{name} has another password in {}\n", path.display()))
        }
        Action::SetStanding { name, standing } => {
            change(&path, IfMissing::Fail, |file| file.set_standing(&name, standing))?;
            let standing = match standing {
                Standing::Enabled => "enabled",
                Standing::Disabled => "disabled",
            };
            Ok(format!("{standing} {name} in {}\n", path.display()))
        }
        Action::Remove { name } => {
            change(&path, IfMissing::Fail, |file| file.remove(&name))?;
            Ok(format!("removed {name} from {}\n", path.display()))
        }
        Action::List { format } => {
            let file = accounts::read(&path)?;
            Ok(list::shown(file.records(), format))
        }
    }
}

fn if_present(path: &Path) -> Result<Option<AccountFile>, Failure> {
    match accounts::read(path) {
        Ok(file) => Ok(Some(file)),
        Err(AccountsError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn change<T>(
    path: &Path,
    if_missing: IfMissing,
    change: impl FnOnce(&mut AccountFile) -> Result<T, ChangeError>,
) -> Result<T, Failure> {
    accounts::update(path, if_missing, |file| change(file).map_err(|error| refused(error, path)))
}

fn refused(error: ChangeError, path: &Path) -> Failure {
    let what = format!("{error} in {}", path.display());
    match error {
        ChangeError::Exists(name) => {
            Failure::failed(what, &format!("telarch account set-password {name} gives it another password"))
        }
        ChangeError::Unknown(_) => Failure::failed(what, "telarch account list shows which there are"),
        _ => Failure::Failed(what),
    }
}

fn hashed(password: &NewPassword) -> Result<PasswordHash, Failure> {
    Ok(PasswordHash::make(password, accounts::random()?))
}

fn now() -> UnixTime {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::new(since_1970.map_or(0, |since| since.as_secs()))
}

const HELP: &str = "\
telarch account: who may sign in to the service, and with which password.

Examples:
  telarch account add alice
  pass show winrm/bob | telarch account add bob --password-stdin --comment 'backup jobs'
  telarch account list --format json

Actions:
  add NAME           make an account; its password is asked for twice
  set-password NAME  give an account another password
  disable NAME       let an account no longer sign in, whatever proves who it is
  enable NAME        let it sign in again
  remove NAME        delete an account; another of the same name later is not the same
  list               show the accounts

Options:
  --file PATH        the file of the accounts; if left away, /etc/telarch/accounts for root, and
                     telarch/accounts in $XDG_CONFIG_HOME or ~/.config for others
  --password-stdin   read the password from the first line of standard input (add, set-password)
  --admin            make it an administrator of a service that runs as one user (add);
                     the first account is one unless --no-admin says otherwise
  --no-admin         make it none (add)
  --comment TEXT     a remark of up to 200 characters, without colons (add)
  --format FORMAT    text, or json (list)
  -h, --help         print this text

A name is 1 to 64 letters, digits or any of . _ - $ ~ ! % & and the case of letters does not count.
A password is 1 to 256 octets in one line.
Where the service runs as root and each user of the machine has processes of its own, who is an administrator
is decided by the group winrm-admins and not by --admin.
A service that is running sees a change within a second.
The exit status is 0, 1 if something failed, and 2 if the command line was not understood.
";
