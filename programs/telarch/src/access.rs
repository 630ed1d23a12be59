//! `telarch access`: what somebody may do with the service, and what stops them.

mod arguments;
mod gates;
mod resource;
#[cfg(test)]
mod tests;

use accounts::{AccountsError, FileAccounts, LocalPrincipals, MachineSid, Pam, ServiceScope, UnixUsers};
use config::{Paths, State, Store};
use lexopt::Parser;

use self::arguments::Invocation;
use self::gates::Asked;
use crate::Subcommand;
use crate::failure::Failure;

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "access",
    about: "what somebody may do with the service, and what stops them",
    help: HELP,
    run,
};

fn run(parser: Parser) -> Result<String, Failure> {
    let Some(Invocation { user, resource, config, accounts, state }) = Invocation::parse(parser)? else {
        return Ok(HELP.to_owned());
    };
    let usual = Paths::of_this_process();
    let unknown = || {
        Failure::failed(
            "neither XDG_CONFIG_HOME nor HOME says where your files are",
            "name them: --config and --state",
        )
    };
    let paths = match (config, state, usual) {
        (Some(config), Some(state), _) => Paths::new(&config, &state),
        (Some(config), None, Some(usual)) => Paths::new(&config, &usual.state),
        (None, Some(state), Some(usual)) => Paths::new(&usual.config, &state),
        (None, None, Some(usual)) => usual,
        _ => return Err(unknown()),
    };
    let accounts = match FileAccounts::open(accounts.unwrap_or_else(|| paths.accounts.clone())) {
        Ok(accounts) => Some(accounts),
        Err(AccountsError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let me = rustix::process::geteuid();
    let serving =
        if me.is_root() { ServiceScope::Machine } else { ServiceScope::OneUser { uid: me.as_raw() } };
    let machine = MachineSid::load(&paths.state)?;
    let settings = settings(&paths, machine)?;
    let users = UnixUsers::of_this_machine();
    let groups = std::sync::Arc::clone(&settings.groups);
    let principals = LocalPrincipals::new(serving, users.clone(), accounts.clone())
        .with_groups(move || std::sync::Arc::clone(&groups));
    let has_pam = serving == ServiceScope::Machine && Pam::load("winrm").is_ok();
    let asked =
        Asked { user, resource, paths, settings, serving, users, accounts, principals, machine, has_pam };
    Ok(asked.report())
}

/// The settings of the file; where there is none yet, the defaults.
fn settings(paths: &Paths, machine: Option<MachineSid>) -> Result<State, Failure> {
    let has_folder =
        paths.config.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.exists());
    if !has_folder {
        return Ok(State::default());
    }
    let store = Store::open(&paths.config)?;
    if let Some(machine) = machine {
        store.set_machine(machine.domain());
    }
    Ok(State::clone(&*store.state()))
}

const HELP: &str = "\
telarch access: what somebody may do with the service, and what stops them.

Examples:
  telarch access show alice
  telarch access show alice --resource winrm/config
  telarch access show bob --resource shell/cmd

Actions:
  show USER        print every gate between USER and what the service answers for, whether it is open, and
                   the one that stops them

Options:
  --resource URI   only this resource, with the aliases of winrm; if left away, the configuration, the command
                   shell, and WMI where this version has it
  --config PATH    the file of the settings
  --accounts PATH  the file of the accounts; if left away, the one beside the settings
  --state PATH     the directory of what the service keeps itself
  -h, --help       print this text

The files are those of the machine's service for root, and of one's own for others, unless options name others.
The files are read, not the running service, which need not run: what telarchd got by --set is not in them.
Each gate is +, which lets them through, or -, which does not; a line with a dot only tells something.
The exit status is 0, 1 if something failed, and 2 if the command line was not understood.
";
