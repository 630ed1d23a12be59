//! `telarch account`: the accounts of the service.

mod import;
mod list;
mod nt_hash;
mod password;
mod show;

use std::path::Path;
use std::time::SystemTime;

use accounts::{AccountsError, IfMissing};
use auth::account_file::{
    AccountFile, AccountName, ChangeError, Comment, EnabledState, NewAccount, NewPassword, PasswordHash,
    Role, UnixTime,
};
use auth::ntlm::NtHash;
use cli_command::format::TEXT_OR_JSON;
use cli_command::{Action, Arguments, Command, Failure, Opt, Scope, Value, paths};

use self::import::{Existing, Import, ImportSource};
use self::nt_hash::NtHashSealer;
use self::password::PasswordInput;

/// The command `telarch account`.
pub static ACCOUNT: Command = Command::new("account", "manage the accounts of the service and their passwords", run)
    .examples(&[
        "telarch account add alice",
        "pass show winrm/bob | telarch account add bob --password-stdin --comment 'backup jobs'",
        "telarch account list --format json",
        "telarch account show alice",
        "pdbedit -L -w | telarch account import --smbpasswd -",
    ])
    .actions(&[
        Action::new("add", &[("NAME", "create an account and prompt for its password")]).takes(1, 1),
        Action::new(
            "set-password",
            &[("NAME", "change the password of an account; an account with NTLM sign-in keeps it")],
        )
        .takes(1, 1),
        Action::new("disable", &[("NAME", "disable an account for all authentication schemes")]).takes(1, 1),
        Action::new("enable", &[("NAME", "enable a disabled account")]).takes(1, 1),
        Action::new(
            "remove",
            &[("NAME", "delete an account; a new account of the same name gets another SID")],
        )
        .takes(1, 1),
        Action::new("list", &[("", "list the accounts and the credentials they can use")]),
        Action::new(
            "show",
            &[(
                "NAME",
                "show one account: origin, state, expiry, schemes, groups, and its access with the group that grants it",
            )],
        )
        .takes(1, 1),
        Action::new(
            "import",
            &[(
                "",
                "import accounts of Samba or of /etc/shadow, all as ordinary users; report each account that is \
                 skipped and why",
            )],
        ),
    ])
    .options(&[
        &FILE,
        &PASSWORD_STDIN,
        &ADMIN,
        &NO_ADMIN,
        &COMMENT,
        &NTLM,
        &NO_NTLM,
        &SMBPASSWD,
        &SHADOW,
        &REPLACE,
        &STATE,
        &FORMAT,
    ])
    .exclusive(&[&[&ADMIN, &NO_ADMIN], &[&NTLM, &NO_NTLM], &[&SMBPASSWD, &SHADOW]])
    .notes(&[
        "NAME is 1 to 64 letters, digits or . _ - $ ~ ! % & and is not case-sensitive. A password is one line of 1 to \
         256 bytes.",
        "NTLM needs the NT hash of a password, because the default hash cannot verify NTLM. An NT hash is as powerful \
         as the password itself. It is stored in the accounts file and encrypted with the file host-key in the state \
         directory, so that an attacker needs both files. Accounts imported from Samba have only an NT hash and can \
         sign in with NTLM only, until they are given a password.",
        "The list shows the origin of each account: service, or linux for the NT hash of a Linux user's password, which \
         the optional PAM module pam_telarch stores. Such a hash is outdated once the password is changed or locked, and \
         is not used then. set-password turns the account into one of the service.",
        "show also accepts users of this machine without an entry in the accounts file. The settings are those beside \
         the accounts file. A lock after too many failed sign-ins is read from the audit file in the state directory. \
         Expiry and lock of a Linux user are shown to root.",
        "If the service runs as root, the group winrm-admins decides who is an administrator, not --admin.",
        "A running service applies changes within a second.",
    ]);

static FILE: Opt = Opt::new(
    "file",
    Value::Path("PATH"),
    "accounts file (default: /etc/telarch/accounts for root, and telarch/accounts in $XDG_CONFIG_HOME or ~/.config \
     for others)",
);
static PASSWORD_STDIN: Opt =
    Opt::new("password-stdin", Value::None, "read the password from the first line of standard input")
        .only_with(&[ADD, SET_PASSWORD]);
static ADMIN: Opt = Opt::new(
    "admin",
    Value::None,
    "make the account an administrator of a service that runs as an ordinary user (default for the first account)",
)
.only_with(&[ADD]);
static NO_ADMIN: Opt =
    Opt::new("no-admin", Value::None, "do not make the account an administrator").only_with(&[ADD]);
static COMMENT: Opt =
    Opt::new("comment", Value::Text("TEXT"), "comment of up to 200 characters without colons")
        .only_with(&[ADD]);
static NTLM: Opt = Opt::new(
    "ntlm",
    Value::None,
    "allow NTLM, which most clients use for Negotiate and CredSSP without Kerberos; see below",
)
.only_with(&[ADD, SET_PASSWORD]);
static NO_NTLM: Opt = Opt::new("no-ntlm", Value::None, "no longer allow NTLM").only_with(&[SET_PASSWORD]);
static SMBPASSWD: Opt = Opt::new(
    "smbpasswd",
    Value::Path("FILE"),
    "import lines of Samba as pdbedit -L -w prints them; - is standard input",
)
.only_with(&[IMPORT]);
static SHADOW: Opt = Opt::new(
    "shadow",
    Value::Path("FILE"),
    "import lines of /etc/shadow with yescrypt or SHA-512 hashes; - is standard input",
)
.only_with(&[IMPORT]);
static REPLACE: Opt = Opt::new(
    "replace",
    Value::None,
    "replace the passwords of existing accounts; their SID, role, comment and disabled state remain",
)
.only_with(&[IMPORT]);
static STATE: Opt = Opt::new(
    "state",
    Value::Path("DIRECTORY"),
    "directory of the host key (default: /var/lib/telarch for root, and telarch in $XDG_STATE_HOME or \
     ~/.local/state for others)",
);
static FORMAT: Opt = TEXT_OR_JSON.only_with(&[Scope::Action("list"), Scope::Action("show")]);

const ADD: Scope = Scope::Action("add");
const SET_PASSWORD: Scope = Scope::Action("set-password");
const IMPORT: Scope = Scope::Action("import");

/// Whether an account can sign in with NTLM after a change of its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ntlm {
    /// No change; a new account cannot sign in with NTLM.
    Unchanged,
    Allowed,
    Denied,
}

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let is_first = matches!(arguments.action(), "add" | "import");
    let name = arguments.words().concat();
    let new_name = match arguments.action() {
        "add" => Some(AccountName::parse(&name).map_err(|error| Failure::Usage(error.to_string()))?),
        _ => None,
    };
    let path = match arguments.path(&FILE) {
        Some(path) => path,
        None => {
            let if_missing = if is_first { paths::IfMissing::Create } else { paths::IfMissing::Leave };
            paths::settings_directory(if_missing)?.join("accounts")
        }
    };
    match (arguments.action(), new_name) {
        (_, Some(name)) => add(&path, arguments, name),
        ("set-password", _) => set_password(&path, arguments, name),
        ("disable", _) => set_state(&path, &name, EnabledState::Disabled),
        ("enable", _) => set_state(&path, &name, EnabledState::Enabled),
        ("remove", _) => {
            change(&path, IfMissing::Fail, |file| {
                file.remove(&name).map_err(|error| change_failure(error, &path))
            })?;
            Ok(format!("removed {name} from {}\n", path.display()))
        }
        ("import", _) => import(&path, arguments),
        ("show", _) => {
            show::show(&path, arguments.path(&STATE), name, arguments.keyword(&FORMAT).unwrap_or_default())
        }
        _ => {
            let file = accounts::read(&path)?;
            Ok(list::list(file.records(), arguments.keyword(&FORMAT).unwrap_or_default()))
        }
    }
}

fn import(path: &Path, arguments: &Arguments) -> Result<String, Failure> {
    let source = match (arguments.path(&SMBPASSWD), arguments.path(&SHADOW)) {
        (Some(file), _) => ImportSource::SmbPasswd(file),
        (_, Some(file)) => ImportSource::Shadow(file),
        _ => return Err(arguments.usage_error("import requires --smbpasswd FILE or --shadow FILE")),
    };
    let existing = if arguments.is_given(&REPLACE) { Existing::Replace } else { Existing::Keep };
    Import { path, source, existing, state: arguments.path(&STATE) }.run()
}

fn set_state(path: &Path, name: &str, standing: EnabledState) -> Result<String, Failure> {
    change(path, IfMissing::Fail, |file| {
        file.set_state(name, standing).map_err(|error| change_failure(error, path))
    })?;
    let standing = match standing {
        EnabledState::Enabled => "enabled",
        EnabledState::Disabled => "disabled",
    };
    Ok(format!("{standing} {name} in {}\n", path.display()))
}

fn password_input(arguments: &Arguments) -> PasswordInput {
    if arguments.is_given(&PASSWORD_STDIN) { PasswordInput::StandardInput } else { PasswordInput::Terminal }
}

fn ntlm(arguments: &Arguments) -> Ntlm {
    match (arguments.is_given(&NTLM), arguments.is_given(&NO_NTLM)) {
        (true, _) => Ntlm::Allowed,
        (_, true) => Ntlm::Denied,
        _ => Ntlm::Unchanged,
    }
}

fn add(path: &Path, arguments: &Arguments, name: AccountName) -> Result<String, Failure> {
    let comment = arguments.text(&COMMENT)?.map(Comment::parse).transpose();
    let comment = comment.map_err(|error| arguments.usage_error(error))?.unwrap_or_default();
    let role = match (arguments.is_given(&ADMIN), arguments.is_given(&NO_ADMIN)) {
        (true, _) => Some(Role::Administrator),
        (_, true) => Some(Role::User),
        _ => None,
    };
    if let Some(known) = read_existing(path)?.as_ref().and_then(|file| file.find(name.as_str())) {
        return Err(change_failure(ChangeError::Exists(known.name.clone()), path));
    }
    let allows_ntlm = ntlm(arguments) == Ntlm::Allowed;
    let sealer = allows_ntlm.then(|| NtHashSealer::open(arguments.path(&STATE))).transpose()?;
    let secret = password_input(arguments).read(name.as_str())?;
    let password = hash(&secret)?;
    let changed = now();
    let shown = name.to_string();
    let role = change(path, IfMissing::Create, |file| {
        let role = role.unwrap_or_else(|| file.usual_role());
        let added = NewAccount { name, password, role, changed, comment };
        file.add(added).map_err(|error| change_failure(error, path))?;
        if let Some(sealer) = &sealer {
            sealer.seal(file, &shown, &NtHash::of_password(secret.secret()))?;
        }
        Ok(role)
    })?;
    let role = match role {
        Role::Administrator => "an administrator",
        Role::User => "a user",
    };
    let ntlm = sealer.map(|sealer| sealer.notice(&shown)).unwrap_or_default();
    Ok(format!("added {shown} to {} as {role}\n{ntlm}", path.display()))
}

fn set_password(path: &Path, arguments: &Arguments, name: String) -> Result<String, Failure> {
    let ntlm = ntlm(arguments);
    let file = accounts::read(path)?;
    let Some(record) = file.find(&name) else {
        return Err(change_failure(ChangeError::Unknown(name), path));
    };
    let had_ntlm = record.nt_hash.is_some();
    let has_ntlm = match ntlm {
        Ntlm::Unchanged => had_ntlm,
        Ntlm::Allowed => true,
        Ntlm::Denied => false,
    };
    let sealer = has_ntlm.then(|| NtHashSealer::open(arguments.path(&STATE))).transpose()?;
    if let (Ntlm::Unchanged, Some(sealer)) = (ntlm, &sealer) {
        sealer.check_key(record)?;
    }
    let secret = password_input(arguments).read(&name)?;
    let password = hash(&secret)?;
    let changed = now();
    change(path, IfMissing::Fail, |file| {
        file.set_password(&name, password, changed).map_err(|error| change_failure(error, path))?;
        match &sealer {
            Some(sealer) => sealer.seal(file, &name, &NtHash::of_password(secret.secret())),
            None => Ok(()),
        }
    })?;
    let ntlm = match (sealer, had_ntlm) {
        (Some(sealer), _) => sealer.notice(&name),
        (None, true) => format!("{name} can no longer sign in with NTLM\n"),
        (None, false) => String::new(),
    };
    Ok(format!("changed the password of {name} in {}\n{ntlm}", path.display()))
}

/// Reads the accounts file if it exists.
fn read_existing(path: &Path) -> Result<Option<AccountFile>, Failure> {
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

/// Adds the file and what to do to the reason why a change was rejected.
fn change_failure(error: ChangeError, path: &Path) -> Failure {
    let what = format!("{error} in {}", path.display());
    match error {
        ChangeError::Exists(name) => {
            Failure::failed(what, &format!("telarch account set-password {name} changes its password"))
        }
        ChangeError::Unknown(_) => Failure::failed(what, "telarch account list lists the accounts"),
        _ => Failure::Failed(what),
    }
}

fn hash(password: &NewPassword) -> Result<PasswordHash, Failure> {
    Ok(PasswordHash::make(password, accounts::random()?))
}

fn now() -> UnixTime {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::new(since_1970.map_or(0, |since| since.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Arguments>, Failure> {
        Arguments::parse_words(&ACCOUNT, words)
    }

    #[test]
    fn options_are_accepted_in_any_order() {
        for words in [
            ["add", "alice", "--admin", "--file", "/x", "--comment", "a b"],
            ["--file=/x", "--admin", "--comment=a b", "add", "alice", "--password-stdin", "--"],
        ] {
            let arguments = parse(&words).ok().flatten().expect("a valid command line");
            assert_eq!(arguments.path(&FILE), Some(PathBuf::from("/x")));
            assert_eq!((arguments.action(), arguments.words()), ("add", vec!["alice"]));
            assert_eq!(arguments.text(&COMMENT).ok(), Some(Some("a b")));
            assert!(arguments.is_given(&ADMIN));
        }
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&["add", "-h"]), Ok(None)));
    }

    #[test]
    fn invalid_command_lines_are_rejected() {
        for (words, part) in [
            (&["add"][..], "missing argument; usage: telarch account add NAME"),
            (&["add", "a b"], "invalid account name \"a b\""),
            (&["add", "a", "b"], "unexpected argument \"b\""),
            (&["list", "a"], "unexpected argument \"a\""),
            (&["grow", "a"], "unknown action \"grow\""),
            (&["list", "--admin"], "--admin is only valid with add"),
            (&["remove", "a", "--password-stdin"], "--password-stdin is only valid with add or set-password"),
            (&["add", "a", "--admin", "--no-admin"], "--admin and --no-admin are mutually exclusive"),
            (&["add", "a", "--file", "x", "--file", "y"], "--file is given twice"),
            (&["add", "a", "--comment", "x:y", "--file", "/none/x"], "colon"),
            (&["set-password", "a", "--ntlm", "--no-ntlm"], "--ntlm and --no-ntlm are mutually exclusive"),
            (&["list", "--ntlm"], "--ntlm is only valid with"),
            (&["import", "--file", "/none/x"], "--smbpasswd FILE or --shadow FILE"),
            (
                &["import", "--smbpasswd", "a", "--shadow", "b"],
                "--smbpasswd and --shadow are mutually exclusive",
            ),
            (&["import", "--shadow", "a", "bob"], "unexpected argument \"bob\""),
            (&["add", "a", "--replace"], "--replace is only valid with import"),
            (&["add", "a", "--shadow", "b"], "--shadow is only valid with import"),
            (&["list", "--format", "xml"], "invalid value \"xml\""),
            (&["list", "--form"], "--form"),
            (&["list", "--format"], "--format requires a value"),
        ] {
            let result = parse(words).and_then(|arguments| run(&arguments.expect("no request for help")));
            match result {
                Err(failure @ Failure::Usage(_)) => {
                    assert!(failure.to_string().contains(part), "{failure} does not contain {part:?}");
                }
                other => panic!("{words:?}: {other:?}"),
            }
        }
    }
}
