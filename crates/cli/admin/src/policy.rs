//! `telarch policy`: policies in force, their files, and explanations of single policies.

mod explain;
mod list;

use std::path::PathBuf;

use cli_command::format::TEXT_OR_JSON;
use cli_command::{Action, Arguments, Command, Failure, Opt, Scope, Value};
use config::{Paths, Policies, Policy, PolicyKind, PolicyTarget, PolicyValue, Setting, Store};

use crate::configuration;

use self::list::Selection;

/// The command `telarch policy`.
pub static POLICY: Command = Command::new("policy", "list the policies in force, and explain policies", run)
    .examples(&[
        "telarch policy list",
        "telarch policy explain AllowBasic_1",
        "telarch policy explain Service.Auth.Basic",
        r"telarch policy explain 'WinRM\Service\AllowBasic'",
    ])
    .actions(&[
        Action::new("list", &[("", "list the values that policies enforce, with file and line")]),
        Action::new(
            "explain",
            &[(
                "NAME",
                r"describe a policy: its effect, its values, the file that sets it, and the value in force; NAME is a policy, a setting, or KEY\VALUE of the registry, whose beginning may be omitted",
            )],
        )
        .takes(1, 1),
    ])
    .options(&[&ALL, &FORMAT, &FILE])
    .notes(&[
        "Policies are read from the directory policy.d beside the settings file, in the order of their file names; \
         later files win. Files named *.toml contain settings; files named *.pol are Registry.pol as Windows and \
         Samba write it. Policies override the settings file.",
        "Client settings in /etc/telarch/policy.d apply to the clients of every user.",
        "The files are read directly, not the running service, which applies changes by itself and logs them.",
    ]);

static ALL: Opt =
    Opt::new("all", Value::None, "also list policies that are not configured").only_with(&[LIST]);
static FORMAT: Opt = TEXT_OR_JSON.only_with(&[LIST]);
static FILE: Opt = Opt::new(
    "file",
    Value::Path("PATH"),
    "settings file (default: /etc/telarch/config.toml for root, and telarch/config.toml in $XDG_CONFIG_HOME or \
     ~/.config for others)",
);

const LIST: Scope = Scope::Action("list");

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let sources = PolicySources::read(arguments.path(&FILE))?;
    if arguments.action() == "explain" {
        return explain::explain(&sources, &arguments.words().concat());
    }
    let selection = if arguments.is_given(&ALL) { Selection::All } else { Selection::Configured };
    Ok(list::list(&sources, selection, arguments.keyword(&FORMAT).unwrap_or_default()))
}

/// The settings file and the policy directories that apply to this user.
struct PolicySources {
    /// The settings with policies applied; `None` if the directory of the settings file does not exist.
    store: Option<Store>,
    /// The policy directory beside the settings file.
    directory: PathBuf,
    /// The policies in `directory`.
    policies: Policies,
    /// Machine-wide policy directory with its policies for every user's clients, if it is another directory.
    machine: Option<(PathBuf, Policies)>,
}

impl PolicySources {
    fn read(file: Option<PathBuf>) -> Result<Self, Failure> {
        let (path, store) = configuration::open(file)?;
        let policies = store.as_ref().map(|store| Policies::clone(&store.state().policies));
        let beside = store.as_ref().and_then(Store::policy_folder).map(PathBuf::from);
        let directory = beside.unwrap_or_else(|| Policies::folder_beside(&path));
        let machine_wide = Some(Paths::of_machine().policies).filter(|machine| *machine != directory);
        let machine = match machine_wide {
            Some(machine) => Some((machine.clone(), Policies::of_folder(&machine)?)),
            None => None,
        };
        Ok(Self { store, directory, policies: policies.unwrap_or_default(), machine })
    }

    /// All demands in force. Machine-wide demands apply to clients only and override others for the same setting.
    fn demands(&self) -> impl Iterator<Item = &PolicyValue> {
        let own = self.policies.iter().filter(|demand| {
            !self.machine_demands().any(|other| is_for_clients(other) && other.target == demand.target)
        });
        own.chain(self.machine_demands().filter(|demand| is_for_clients(demand)))
    }

    fn machine_demands(&self) -> impl Iterator<Item = &PolicyValue> {
        self.machine.iter().flat_map(|(_, policies)| policies.iter())
    }

    /// The demand for a setting.
    fn of_setting(&self, setting: &Setting) -> Option<&PolicyValue> {
        self.demands().find(
            |demand| matches!(demand.target, PolicyTarget::Setting(other) if other.path() == setting.path()),
        )
    }

    /// The demands that result from a policy: for its settings, its switch, or the entries of its list.
    fn of_policy(&self, policy: &'static Policy) -> Vec<&PolicyValue> {
        match policy.kind() {
            PolicyKind::AutoConfig | PolicyKind::Flag { .. } | PolicyKind::List { .. } => self
                .demands()
                .filter(|demand| {
                    matches!(&demand.target, PolicyTarget::Policy { policy: other, .. } if *other == policy)
                })
                .collect(),
            _ => policy.settings().filter_map(|setting| self.of_setting(setting)).collect(),
        }
    }

    /// The state of a policy as the Group Policy Editor names it.
    fn state_of(&self, policy: &'static Policy) -> &'static str {
        let demands = self.of_policy(policy);
        let Some(first) = demands.first() else { return "not configured" };
        let enabled = match policy.kind() {
            PolicyKind::Switch { enabled, .. } => first.value == (*enabled == 1).to_string(),
            PolicyKind::AutoConfig | PolicyKind::Flag { .. } => first.value == "true",
            _ => true,
        };
        if enabled { "enabled" } else { "disabled" }
    }
}

fn is_for_clients(demand: &PolicyValue) -> bool {
    matches!(demand.target, PolicyTarget::Setting(setting) if setting.path().starts_with("Client/"))
}

#[cfg(test)]
mod tests {
    use cli_command::format::Format;

    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Arguments>, Failure> {
        Arguments::parse_words(&POLICY, words)
    }

    #[test]
    fn options_are_accepted_in_any_order() {
        for words in [
            ["list", "--all", "--format", "json", "--file", "/x"],
            ["--file", "/x", "--format", "json", "--all", "list"],
        ] {
            let arguments = parse(&words).ok().flatten().expect("a valid command line");
            assert_eq!((arguments.action(), arguments.is_given(&ALL)), ("list", true));
            assert_eq!(arguments.keyword(&FORMAT), Some(Format::Json));
            assert_eq!(arguments.path(&FILE), Some(PathBuf::from("/x")));
        }
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&["explain", "--help"]), Ok(None)));
    }

    #[test]
    fn invalid_command_lines_are_rejected() {
        for (words, part) in [
            (&["explain"][..], "missing argument; usage: telarch policy explain NAME"),
            (&["explain", "a", "b"], "unexpected argument \"b\""),
            (&["explain", "a", "--all"], "--all is only valid with list"),
            (&["set"], "unknown action \"set\""),
            (&["list", "--format", "xml"], "invalid value \"xml\""),
            (&["list", "--al"], "--al"),
            (&["list", "--file", "x", "--file", "y"], "--file is given twice"),
            (&["list", "--all", "--all"], "--all is given twice"),
            (&["list", "--format", "json", "--format", "text"], "--format is given twice"),
        ] {
            let failure = parse(words).map(|_| ()).expect_err("an invalid command line").to_string();
            assert!(failure.contains(part), "{failure} does not contain {part}");
        }
    }
}
