//! `telarch mgmt users`: manager users and their permissions.

use std::fs::File;

use auth::Secret;
use cli::secret::{PasswordSource, ask_on};
use cli_command::format::Format;
use cli_command::paths::IfMissing;
use cli_command::{Arguments, Failure};
use management::{Grant, Permissions, UserChange, UserRecord, Users, is_system_user};
use serde_json::json;

use crate::locations::{directory, failed};
use crate::{FORMAT, PASSWORD_STDIN, WHAT_IF};

/// Lists or changes users. A running service sees changes within a second, and permissions when it starts again.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let directory = directory(arguments, IfMissing::Create)?;
    let users = Users::open(directory.users()).map_err(failed)?;
    let permissions = Permissions::open(directory.permissions()).map_err(failed)?;
    if arguments.is_given(&WHAT_IF) {
        return preview(arguments, &users);
    }
    match arguments.words().as_slice() {
        [] => list(arguments, &users, &permissions),
        ["add", name] => {
            let user = users.add(name, password(arguments, name)?, "").map_err(failed)?;
            let role =
                if user.is_administrator { "a server administrator" } else { "a user without permissions" };
            Ok(format!("added {} as {role}\n", user.name))
        }
        ["set-password", name] => {
            let change = UserChange::Password(password(arguments, name)?);
            let user = users.change(name, change).map_err(failed)?;
            Ok(format!("changed the password of {}\n", user.name))
        }
        ["enable", name] => {
            Ok(format!("enabled {}\n", users.change(name, UserChange::Enable).map_err(failed)?.name))
        }
        ["disable", name] => {
            Ok(format!("disabled {}\n", users.change(name, UserChange::Disable).map_err(failed)?.name))
        }
        ["remove", name] => {
            users.remove(name).map_err(failed)?;
            permissions.forget(name).map_err(failed)?;
            Ok(format!("removed {name}\n"))
        }
        [action @ ("allow" | "revoke"), name, grant] => {
            let grant: Grant = grant.parse().map_err(|error| arguments.usage_error(error))?;
            if !is_system_user(name) {
                require_user(&users, name)?;
            }
            let text = permission(&grant);
            if *action == "allow" {
                permissions.allow(name, grant).map_err(failed)?;
                Ok(format!("{name} may {text}\n"))
            } else {
                permissions.remove(name, &grant).map_err(failed)?;
                Ok(format!("{name} may no longer {text}\n"))
            }
        }
        _ => Err(usage(arguments)),
    }
}

/// Returns the effect of a change, and changes nothing.
fn preview(arguments: &Arguments, users: &Users) -> Result<String, Failure> {
    match arguments.words().as_slice() {
        ["add", name] if find_user(users, name)?.is_some() => {
            Err(failed(format!("the user {name} exists already")))
        }
        ["add", name] => Ok(format!("would add {name}\n")),
        ["set-password", name] => {
            require_user(users, name)?;
            Ok(format!("would change the password of {name}\n"))
        }
        [action @ ("enable" | "disable" | "remove"), name] => {
            require_user(users, name)?;
            Ok(format!("would {action} {name}\n"))
        }
        [action @ ("allow" | "revoke"), name, grant] => {
            let grant: Grant = grant.parse().map_err(|error| arguments.usage_error(error))?;
            if !is_system_user(name) {
                require_user(users, name)?;
            }
            let verb = if *action == "allow" { "permit" } else { "no longer permit" };
            Ok(format!("would {verb} {name} to {}\n", permission(&grant)))
        }
        _ => Err(usage(arguments)),
    }
}

fn usage(arguments: &Arguments) -> Failure {
    arguments.usage_error(
        "expected add NAME, set-password NAME, enable NAME, disable NAME, remove NAME, allow NAME \
         /SITE|terminal or revoke NAME /SITE|terminal",
    )
}

fn find_user(users: &Users, name: &str) -> Result<Option<UserRecord>, Failure> {
    Ok(users.list().map_err(failed)?.into_iter().find(|user| user.name.eq_ignore_ascii_case(name)))
}

fn require_user(users: &Users, name: &str) -> Result<(), Failure> {
    if find_user(users, name)?.is_some() {
        return Ok(());
    }
    Err(Failure::failed(format!("there is no manager user {name}"), "telarch mgmt users lists the users"))
}

/// Returns the permitted action in words.
fn permission(grant: &Grant) -> String {
    match grant {
        Grant::Site(scope) => format!("administer {}", scope.as_str()),
        Grant::Terminal => "open terminals".to_owned(),
    }
}

fn list(arguments: &Arguments, users: &Users, permissions: &Permissions) -> Result<String, Failure> {
    let mut values = Vec::new();
    let mut text = String::new();
    for user in users.list().map_err(failed)? {
        let role = if user.is_administrator {
            management::Role::Administrator
        } else {
            permissions.role(&user.name)
        };
        let scopes = permissions.grants(&user.name);
        let state = if user.is_enabled { "enabled" } else { "disabled" };
        text.push_str(&format!("{}  {role}  {state}  {}\n", user.name, scopes.join(" ")));
        values.push(json!({
            "name": user.name,
            "role": role.to_string(),
            "enabled": user.is_enabled,
            "scopes": scopes,
        }));
    }
    let is_json = arguments.keyword(&FORMAT) == Some(Format::Json);
    Ok(if is_json { format!("{:#}\n", serde_json::Value::Array(values)) } else { text })
}

fn password(arguments: &Arguments, name: &str) -> Result<Secret, Failure> {
    if arguments.is_given(&PASSWORD_STDIN) {
        return PasswordSource::StandardInput.resolve(name, "this machine").map_err(failed);
    }
    let terminal = terminal()?;
    let first = ask_on(&terminal, &format!("New password for {name}: ")).map_err(failed)?;
    let second = ask_on(&terminal, "Repeat the password: ").map_err(failed)?;
    if first.matches(&second) {
        Ok(first)
    } else {
        Err(Failure::Failed("the two passwords differ; nothing was changed".to_owned()))
    }
}

/// Opens the terminal for a prompt, also if the standard streams are redirected.
pub(crate) fn terminal() -> Result<File, Failure> {
    File::options().read(true).write(true).open("/dev/tty").map_err(|error| {
        Failure::failed(format!("cannot prompt for the password: {error}"), "use --password-stdin")
    })
}
