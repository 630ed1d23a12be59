//! `telarch account`: the accounts that the service itself keeps.

mod arguments;
mod import;
mod list;
mod nt_hash;
mod password;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use accounts::{AccountsError, IfMissing};
use auth::account_file::{
    AccountFile, ChangeError, EnabledState, NewAccount, NewPassword, PasswordHash, Role, UnixTime,
};
use auth::ntlm::NtHash;
use lexopt::Parser;

use self::arguments::{Action, Add, Invocation, NewRole, Ntlm, PasswordFrom};
use self::nt_hash::Sealing;
use crate::failure::Failure;
use crate::{Subcommand, place};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "account",
    about: "who may sign in to the service, and with which password",
    help: HELP,
    run,
};

fn run(parser: Parser) -> Result<String, Failure> {
    let Some(Invocation { action, file, state }) = Invocation::parse(parser)? else {
        return Ok(HELP.to_owned());
    };
    let path = match file {
        Some(path) => path,
        None => {
            let is_first = matches!(action, Action::Add { .. } | Action::Import { .. });
            let if_missing = if is_first { place::IfMissing::Make } else { place::IfMissing::Leave };
            place::folder(if_missing)?.join("accounts")
        }
    };
    match action {
        Action::Add(new) => add(&path, new, state),
        Action::SetPassword { name, password, ntlm } => set_password(&path, name, password, ntlm, state),
        Action::SetStanding { name, standing } => {
            change(&path, IfMissing::Fail, |file| {
                file.set_state(&name, standing).map_err(|error| refused(error, &path))
            })?;
            let standing = match standing {
                EnabledState::Enabled => "enabled",
                EnabledState::Disabled => "disabled",
            };
            Ok(format!("{standing} {name} in {}\n", path.display()))
        }
        Action::Remove { name } => {
            change(&path, IfMissing::Fail, |file| file.remove(&name).map_err(|error| refused(error, &path)))?;
            Ok(format!("removed {name} from {}\n", path.display()))
        }
        Action::List { format } => {
            let file = accounts::read(&path)?;
            Ok(list::shown(file.records(), format))
        }
        Action::Import { from, existing } => import::import(&path, &from, existing, state),
    }
}

fn add(path: &Path, new: Add, state: Option<PathBuf>) -> Result<String, Failure> {
    let Add { name, password, role, comment, ntlm } = new;
    if let Some(known) = if_present(path)?.as_ref().and_then(|file| file.find(name.as_str())) {
        return Err(refused(ChangeError::Exists(known.name.clone()), path));
    }
    let sealing = (ntlm == Ntlm::Can).then(|| Sealing::open(state)).transpose()?;
    let secret = password::ask(name.as_str(), password)?;
    let password = hashed(&secret)?;
    let changed = now();
    let shown = name.to_string();
    let role = change(path, IfMissing::Create, |file| {
        let role = match role {
            NewRole::Usual => file.usual_role(),
            NewRole::Chosen(role) => role,
        };
        let added = NewAccount { name, password, role, changed, comment };
        file.add(added).map_err(|error| refused(error, path))?;
        if let Some(sealing) = &sealing {
            sealing.seal(file, &shown, &NtHash::of_password(secret.secret()))?;
        }
        Ok(role)
    })?;
    let role = match role {
        Role::Administrator => "an administrator",
        Role::User => "a user",
    };
    let ntlm = sealing.map(|sealing| sealing.told(&shown)).unwrap_or_default();
    Ok(format!("added {shown} to {} as {role}\n{ntlm}", path.display()))
}

fn set_password(
    path: &Path,
    name: String,
    password: PasswordFrom,
    ntlm: Ntlm,
    state: Option<PathBuf>,
) -> Result<String, Failure> {
    let file = accounts::read(path)?;
    let Some(record) = file.find(&name) else {
        return Err(refused(ChangeError::Unknown(name), path));
    };
    let had_ntlm = record.nt_hash.is_some();
    let has_ntlm = match ntlm {
        Ntlm::AsBefore => had_ntlm,
        Ntlm::Can => true,
        Ntlm::Cannot => false,
    };
    let sealing = has_ntlm.then(|| Sealing::open(state)).transpose()?;
    if let (Ntlm::AsBefore, Some(sealing)) = (ntlm, &sealing) {
        sealing.fits(record)?;
    }
    let secret = password::ask(&name, password)?;
    let password = hashed(&secret)?;
    let changed = now();
    change(path, IfMissing::Fail, |file| {
        file.set_password(&name, password, changed).map_err(|error| refused(error, path))?;
        match &sealing {
            Some(sealing) => sealing.seal(file, &name, &NtHash::of_password(secret.secret())),
            None => Ok(()),
        }
    })?;
    let ntlm = match (sealing, had_ntlm) {
        (Some(sealing), _) => sealing.told(&name),
        (None, true) => format!("{name} can no longer sign in with NTLM\n"),
        (None, false) => String::new(),
    };
    Ok(format!("{name} has another password in {}\n{ntlm}", path.display()))
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
    change: impl FnOnce(&mut AccountFile) -> Result<T, Failure>,
) -> Result<T, Failure> {
    accounts::update(path, if_missing, change)
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
  pdbedit -L -w | telarch account import --smbpasswd -

Actions:
  add NAME           make an account; its password is asked for twice
  set-password NAME  give an account another password; if it could sign in with NTLM, it still can
  disable NAME       let an account no longer sign in, whatever proves who it is
  enable NAME        let it sign in again
  remove NAME        delete an account; another of the same name later is not the same
  list               show the accounts, and what each can prove itself with
  import             take over accounts of Samba or users of a Linux machine, all of them as users and none as
                     administrator; says of each that is left why

Options:
  --file PATH        the file of the accounts; if left away, /etc/telarch/accounts for root, and
                     telarch/accounts in $XDG_CONFIG_HOME or ~/.config for others
  --password-stdin   read the password from the first line of standard input (add, set-password)
  --admin            make it an administrator of a service that runs as one user (add);
                     the first account is one unless --no-admin says otherwise
  --no-admin         make it none (add)
  --comment TEXT     a remark of up to 200 characters, without colons (add)
  --ntlm             let it sign in with NTLM, which is what most clients mean by Negotiate and CredSSP without
                     Kerberos (add, set-password); see below
  --no-ntlm          let it no longer (set-password)
  --smbpasswd FILE   lines of Samba, as pdbedit -L -w prints them; - is standard input (import)
  --shadow FILE      lines as in /etc/shadow, with yescrypt or SHA-512; - is standard input (import)
  --replace          give accounts that exist already the password that is imported; they keep their number,
                     role and comment, and one that is disabled stays so (import)
  --state DIR        where the host key is; if left away, /var/lib/telarch for root, and telarch in
                     $XDG_STATE_HOME or ~/.local/state for others
  --format FORMAT    text, or json (list)
  -h, --help         print this text

A name is 1 to 64 letters, digits or any of . _ - $ ~ ! % & and the case of letters does not count.
A password is 1 to 256 octets in one line.
NTLM cannot be judged by the hash that passwords are otherwise kept as. With --ntlm, and for accounts of Samba, the
file also has an NT hash, and whoever knows that can sign in as if with the password. It is sealed with the file
host-key in the state directory, so that neither file alone gives it away; who can read both, as root can, has it.
An account of Samba has nothing but that: until it is given a password, it signs in with NTLM only.
Where the service runs as root and each user of the machine has processes of its own, who is an administrator
is decided by the group winrm-admins and not by --admin.
A service that is running sees a change within a second.
The exit status is 0, 1 if something failed, and 2 if the command line was not understood.
";
