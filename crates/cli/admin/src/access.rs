//! `telarch access`: the checks between a user and the service.

mod checks;
mod resource;
pub(crate) mod status;
#[cfg(test)]
mod tests;

use accounts::{
    AccountsError, FileAccounts, LocalPrincipals, MachineSid, Pam, ServiceScope, SignInSources, UnixUsers,
};
use cli::locator::Locator;
use cli_command::{Action, Arguments, Command, Failure, Opt, Value};
use config::{Paths, State, Store};

pub(crate) use self::checks::AccessQuery;

/// The command `telarch access`.
pub static ACCESS: Command = Command::new("access", "show what a user may do, and what prevents it", run)
    .examples(&[
        "telarch access show alice",
        "telarch access show alice --resource winrm/config",
        "telarch access show bob --resource shell/cmd",
    ])
    .actions(&[Action::new(
        "show",
        &[("USER", "list every check between USER and the service, its result, and the one that denies access")],
    )
    .takes(1, 1)])
    .options(&[&RESOURCE, &CONFIG, &ACCOUNTS, &STATE])
    .notes(&[
        "Default paths are those of the machine's service for root, and of the user's own service for others.",
        "The files are read directly; the service need not run, and settings passed to telarchd with --set are not \
         considered.",
        "A line that begins with + is a check that passes, - one that denies access, . information.",
    ]);

static RESOURCE: Opt = Opt::new(
    "resource",
    Value::Text("URI"),
    "check only this resource, given as a URI or an alias of winrm (default: settings, command shell and WMI)",
);
static CONFIG: Opt = Opt::new("config", Value::Path("PATH"), "settings file");
static ACCOUNTS: Opt =
    Opt::new("accounts", Value::Path("PATH"), "accounts file (default: `accounts` beside the settings file)");
static STATE: Opt = Opt::new("state", Value::Path("PATH"), "state directory of the service");

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let mut paths = paths(arguments)?;
    if let Some(accounts) = arguments.path(&ACCOUNTS) {
        paths.accounts = accounts;
    }
    Ok(query(arguments.words().concat(), resource_uri(arguments)?, paths)?.report())
}

/// Prepares a question about a user, and reads the files of the service for it.
pub(crate) fn query(user: String, resource: Option<String>, paths: Paths) -> Result<AccessQuery, Failure> {
    let accounts = match FileAccounts::open(&paths.accounts) {
        Ok(accounts) => Some(accounts),
        Err(AccountsError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let me = rustix::process::geteuid();
    let serving =
        if me.is_root() { ServiceScope::Machine } else { ServiceScope::OneUser { uid: me.as_raw() } };
    let machine = MachineSid::find(&paths.state)?;
    let settings = settings(&paths, machine)?;
    let users = UnixUsers::of_this_machine();
    let groups = std::sync::Arc::clone(&settings.groups);
    let principals = LocalPrincipals::new(serving, users.clone(), accounts.clone())
        .with_groups(move || std::sync::Arc::clone(&groups));
    let has_pam = serving == ServiceScope::Machine && Pam::load(accounts::PAM_SERVICE).is_ok();
    let sign_in = SignInSources { state: &settings, paths: &paths, serving, winbind: false }.facts();
    Ok(AccessQuery {
        user,
        resource,
        paths,
        settings,
        serving,
        users,
        accounts,
        principals,
        machine,
        has_pam,
        sign_in,
    })
}

/// The URI of the only resource to check.
fn resource_uri(arguments: &Arguments) -> Result<Option<String>, Failure> {
    let Some(text) = arguments.text(&RESOURCE)? else { return Ok(None) };
    let locator = Locator::parse(text);
    let locator = locator.map_err(|error| arguments.usage_error(format!("--resource: {error}")))?;
    Ok(Some(locator.resource_uri().to_owned()))
}

fn paths(arguments: &Arguments) -> Result<Paths, Failure> {
    match (arguments.path(&CONFIG), arguments.path(&STATE), Paths::of_this_process()) {
        (Some(config), Some(state), _) => Ok(Paths::new(&config, &state)),
        (Some(config), None, Some(default)) => Ok(Paths::new(&config, &default.state)),
        (None, Some(state), Some(default)) => Ok(Paths::new(&default.config, &state)),
        (None, None, Some(default)) => Ok(default),
        _ => Err(Failure::failed(
            "cannot locate your files: neither XDG_CONFIG_HOME nor HOME is set",
            "name them with --config and --state",
        )),
    }
}

/// The settings in the file, or the defaults if its directory does not exist.
fn settings(paths: &Paths, machine: Option<MachineSid>) -> Result<State, Failure> {
    let has_directory =
        paths.config.parent().is_none_or(|directory| directory.as_os_str().is_empty() || directory.exists());
    if !has_directory {
        return Ok(State::default());
    }
    let store = Store::open(&paths.config)?;
    if let Some(machine) = machine {
        store.set_machine_sid(machine.domain());
    }
    Ok(State::clone(&*store.state()))
}
