//! `telarch policy`: what policy demands of this machine, who says so, and what each policy does.

mod arguments;
mod explain;
mod list;

use std::path::PathBuf;

use config::{Demand, Paths, Policies, Policy, Reads, Setting, Store, Subject};
use lexopt::Parser;

use self::arguments::{Action, Invocation};
use cli_command::Failure;
use crate::configuration;
use cli_command::Subcommand;

/// The command.
pub const SUBCOMMAND: Subcommand = Subcommand {
    name: "policy",
    about: "what policy demands, who says so, and what each policy does",
    help: HELP,
    run,
};

fn run(parser: Parser) -> Result<String, Failure> {
    let Some(Invocation { action, file }) = Invocation::parse(parser)? else { return Ok(HELP.to_owned()) };
    let here = Here::read(file)?;
    match action {
        Action::List(which, format) => Ok(list::listed(&here, which, format)),
        Action::Explain(word) => explain::explained(&here, &word),
    }
}

/// What governs this machine, as far as it is this user's.
struct Here {
    /// The settings under policy; none where their folder is still to be made.
    store: Option<Store>,
    /// The folder of policies beside them.
    folder: PathBuf,
    /// What it demands.
    policies: Policies,
    /// What the folder of the machine demands of every user's clients, where it is another one.
    machine: Option<(PathBuf, Policies)>,
}

impl Here {
    fn read(file: Option<PathBuf>) -> Result<Self, Failure> {
        let (path, store) = configuration::open(file)?;
        let policies = store.as_ref().map(|store| Policies::clone(&store.state().policies));
        let beside = store.as_ref().and_then(Store::policy_folder).map(PathBuf::from);
        let folder = beside.unwrap_or_else(|| Policies::folder_beside(&path));
        let of_machine = Some(Paths::of_machine().policies).filter(|machine| *machine != folder);
        let machine = match of_machine {
            Some(machine) => Some((machine.clone(), Policies::of_folder(&machine)?)),
            None => None,
        };
        Ok(Self { store, folder, policies: policies.unwrap_or_default(), machine })
    }

    /// Everything that is demanded; that of the machine's folder is about clients only, and wins.
    fn demands(&self) -> impl Iterator<Item = &Demand> {
        let machine = self.machine.iter().flat_map(|(_, policies)| policies.iter());
        let of_clients = machine.filter(|demand| is_of_clients(demand));
        let own = self.policies.iter().filter(|demand| {
            let overruled = |other: &Demand| is_of_clients(other) && other.subject == demand.subject;
            !self.machine.iter().flat_map(|(_, policies)| policies.iter()).any(overruled)
        });
        own.chain(of_clients)
    }

    /// What is demanded of a setting.
    fn of_setting(&self, setting: &Setting) -> Option<&Demand> {
        let is_it = |demand: &&Demand| matches!(demand.subject, Subject::Setting(own) if own.path() == setting.path());
        self.demands().find(is_it)
    }

    /// What a policy amounts to: the demand for its setting, whoever makes it, its switch, or the entries of its list.
    fn of_policy(&self, policy: &'static Policy) -> Vec<&Demand> {
        let is_own = |demand: &&Demand| matches!(&demand.subject, Subject::Policy { policy: own, .. } if *own == policy);
        match policy.reads() {
            Reads::AutoConfig | Reads::Nothing { .. } | Reads::List { .. } => {
                self.demands().filter(is_own).collect()
            }
            _ => policy.settings().filter_map(|setting| self.of_setting(setting)).collect(),
        }
    }

    /// In the word of the editor of group policies: whether a policy is configured, and how.
    fn state_of(&self, policy: &'static Policy) -> &'static str {
        let demands = self.of_policy(policy);
        let Some(first) = demands.first() else { return "not configured" };
        let enabled = match policy.reads() {
            Reads::Switch { enabled, .. } => first.value == (*enabled == 1).to_string(),
            Reads::AutoConfig | Reads::Nothing { .. } => first.value == "true",
            _ => true,
        };
        if enabled { "enabled" } else { "disabled" }
    }
}

fn is_of_clients(demand: &Demand) -> bool {
    matches!(demand.subject, Subject::Setting(setting) if setting.path().starts_with("Client/"))
}

const HELP: &str = r"telarch policy: what policy demands, who says so, and what each policy does.

Examples:
  telarch policy list
  telarch policy explain AllowBasic_1
  telarch policy explain Service.Auth.Basic
  telarch policy explain 'WinRM\Service\AllowBasic'

Actions:
  list             print what is demanded, with the file and the place in it
  explain NAME     tell what a policy does, which values it has, who has set it, and what is in force; NAME is
                   that of the policy, of a setting, or KEY\VALUE of the registry, of which the beginning may be
                   left away

Options:
  --all            list also the policies that are not configured (list)
  --format FORMAT  text, or json (list)
  --file PATH      the file of the settings; policies are in the folder policy.d beside it. If left away,
                   /etc/telarch/config.toml for root, and telarch/config.toml in $XDG_CONFIG_HOME or ~/.config
                   for others
  -h, --help       print this text

Policies are read from files named *.toml, which have the names of settings, and *.pol, which are Registry.pol as
Windows and Samba write it, in the order of their names; later ones win. They win over the file of the settings.
What /etc/telarch/policy.d says of Client settings governs the clients of every user.
The files are read, not the running service, which takes over a change by itself and says so in its log.
The exit status is 0, 1 if something failed, and 2 if the command line was not understood.
";
