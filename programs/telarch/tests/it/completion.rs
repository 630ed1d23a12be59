//! Shell completion in bash, zsh and fish.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::telarch;

/// A shell that has loaded the script, with its own home directory and saved hosts.
struct CompletingShell {
    shell: &'static str,
    home: tempfile::TempDir,
    hosts: PathBuf,
}

impl CompletingShell {
    /// Starts every installed shell.
    fn all(hosts: &str) -> Vec<Self> {
        let is_installed = |shell: &&str| {
            let is_installed = Command::new(shell).arg("--version").output().is_ok();
            if !is_installed {
                skips::skip_part!(
                    "{} is not installed (./test --install, or the package of that name)",
                    shell
                );
            }
            is_installed
        };
        let begin = |shell| {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("hosts.toml");
            let script = telarch(&["completion", shell]).output().unwrap().stdout;
            std::fs::write(home.path().join("script"), script).unwrap();
            std::fs::write(&file, hosts).unwrap();
            Self { shell, home, hosts: file }
        };
        ["bash", "zsh", "fish"].into_iter().filter(is_installed).map(begin).collect()
    }

    /// Returns the completions at the end of a line.
    fn offers(&self, line: &str) -> Vec<String> {
        let mut command = Command::new(self.shell);
        match self.shell {
            "bash" => command.args(["--norc", "--noprofile", "-c", ASKING_BASH, "bash"]),
            "zsh" => command.args(["-f", "-c", ASKING_ZSH, "zsh"]),
            _ => command.args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"]),
        };
        let command = command.args(["script", line]).current_dir(self.home.path());
        let command = command.env("TELARCH_HOSTS", &self.hosts).env("HOME", self.home.path());
        let programs = Path::new(env!("CARGO_BIN_EXE_telarch")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let command = command.env("PATH", path);
        let output = command.output().expect("the shell runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let offered = text.lines().map(|line| line.split('\t').next().unwrap_or_default());
        offered.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Asserts the completions of a line, in any order.
    fn assert_completes(&self, line: &str, expected: &[&str]) {
        // Text in quotation marks is one word.
        let query = line.split_once('\'').map(|(_, query)| query);
        let typed = query.or_else(|| line.rsplit(' ').next()).unwrap_or_default().to_lowercase();
        // bash completes only the part after a colon.
        let before = typed.rsplit_once(':').map(|(before, _)| format!("{before}:"));
        let before = before.filter(|_| self.shell == "bash").unwrap_or_default();
        let offered = self.offers(line).into_iter().map(|word| (before.clone() + &word).to_lowercase());
        // fish also offers words that contain the letters elsewhere.
        let mut offered: Vec<String> = offered.filter(|word| word.starts_with(&typed)).collect();
        offered.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(offered, expected, "{} of {line:?}", self.shell);
    }
}

/// Asks bash for completions; file names come from compgen if bash would complete them itself.
const ASKING_BASH: &str = "compopt() { [[ $2 != default ]] || \
                           readarray -t COMPREPLY < <(compgen -f -- \"$telarch_current\"); }; source \"./$1\"; COMP_LINE=$2; COMP_POINT=${#COMP_LINE}; COMP_CWORD=0; \
                           COMP_WORDS=(\"${2##* }\"); [[ $2 != *\\'* ]] || COMP_WORDS=(\"'${2#*\\'}\"); _telarch_${2%% *}; \
                           printf '%s\\n' \"${COMPREPLY[@]}\"";

/// Types a line in a zsh terminal and prints the words that compadd finds.
const ASKING_ZSH: &str = r#"
zmodload zsh/zpty
zpty asked zsh -f -i
zpty -w asked "PS1=; fpath=(\$PWD/functions \$fpath); autoload -Uz compinit && compinit -u; source ./${(q)1}
compadd() {
    if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd \"\$@\"; return; fi
    local -a found
    builtin compadd -A found \"\$@\"
    (( \$#found )) && print -rl -- \$IPREFIX\${^found} >> offered
    builtin compadd \"\$@\"
}
told() { exit }
comppostfuncs=(told)
bindkey '^I' complete-word
setopt no_beep"
rm -f offered
zpty -n -w asked "$2"$'\t'
while zpty -r asked line; do :; done
[[ -e offered ]] && sort -u offered || true
"#;

#[test]
fn operations_and_switches_of_winrm_are_offered() {
    let cases = [
        ("winrm en", &["enumerate"][..]),
        ("winrm i", &["invoke", "identify"]),
        ("winrm get winr", &["winrm/"]),
        (
            "winrm get winrm/config/se",
            &["winrm/config/service", "winrm/config/service/auth", "winrm/config/service/certmapping"],
        ),
        ("winrm help fil", &["filters"]),
        ("winrm ? fil", &["filters"]),
        ("winrm e shell -ret", &["-returntype:object", "-returntype:epr", "-returntype:objectandepr"]),
        ("winrm get x -ret", &[]),
        ("winrm GET x -REM", &["-remote:"]),
        ("winrm qc -trans", &["-transport:http", "-transport:https"]),
        // Only the part after the colon is completed.
        ("winrm qc -transport:ht", &["-transport:http", "-transport:https"]),
        ("winrm doctor server7 -sta", &["-state:"]),
        ("winrm doctor server7 -state:scr", &["-state:script"]),
        ("winrm get x -keyfile:scr", &["-keyfile:script"]),
        ("winrs -nop", &["-noprofile"]),
        (
            "winrs -auth",
            &[
                "-authentication:none",
                "-authentication:basic",
                "-authentication:digest",
                "-authentication:negotiate",
                "-authentication:kerberos",
                "-authentication:certificate",
                "-authentication:credssp",
            ],
        ),
        ("winrs dir ", &[]),
    ];
    for requested in CompletingShell::all("") {
        for (line, expected) in cases {
            requested.assert_completes(line, expected);
        }
    }
}

#[test]
fn saved_hosts_are_offered_where_an_endpoint_goes() {
    let hosts = "[web1]\nAddress = \"x\"\n\n[\"web2.corp\"] # the other\nAddress = \"[::1]:1\"\n[db]\nAddress = \"y\"\n";
    for requested in CompletingShell::all(hosts) {
        for (line, expected) in [
            ("winrm id -r:we", &["-r:web1", "-r:web2.corp"][..]),
            ("winrm id -REMOTE:d", &["-remote:db"]),
            ("winrm id -hosts:w", &["-hosts:web1", "-hosts:web2.corp"]),
            ("winrs -r:d", &["-r:db"]),
            ("winrm hosts w", &["web1", "web2.corp"]),
            ("winrm trust d", &["db"]),
            ("winrm id -r:x", &[]),
        ] {
            requested.assert_completes(line, expected);
        }
    }
}

#[test]
fn commands_actions_options_and_values_of_telarch_are_offered() {
    for requested in CompletingShell::all("[web1]\nAddress = \"x\"\n") {
        for (line, expected) in [
            ("telarch acc", &["access", "account"][..]),
            ("telarch completion ", &["bash", "fish", "zsh"]),
            ("telarch help mo", &["mofcomp"]),
            ("telarch account imp", &["import"]),
            ("telarch policy list --fo", &["--format"]),
            ("telarch mofcomp scr", &["script"]),
            ("telarch ipmi power cy", &["cycle"]),
            ("telarch ipmi chas", &["chassis"]),
            ("telarch ipmi power status --level op", &["operator"]),
            ("telarch wmi desc", &["describe"]),
            ("telarch wmi describe win32_operatings", &["win32_operatingsystem"]),
            ("telarch wmi -r w", &["web1"]),
            ("telarch wmi --form", &["--format"]),
            ("telarch wmi 'SELECT * FROM win32_operatings", &["select * from win32_operatingsystem"]),
            ("winrm get wmicimv2/win32_operatings", &["wmicimv2/win32_operatingsystem"]),
            ("winrm get wmi/root/cimv2/win32_operatings", &["wmi/root/cimv2/win32_operatingsystem"]),
        ] {
            requested.assert_completes(line, expected);
        }
    }
}

#[test]
fn zsh_finds_the_script_among_its_functions() {
    for requested in CompletingShell::all("").iter().filter(|requested| requested.shell == "zsh") {
        let (script, functions) =
            (requested.home.path().join("script"), requested.home.path().join("functions"));
        std::fs::create_dir(&functions).unwrap();
        std::fs::rename(&script, functions.join("_telarch")).unwrap();
        std::fs::write(script, "").unwrap();
        requested.assert_completes("winrm en", &["enumerate"]);
        requested.assert_completes("winrs -nop", &["-noprofile"]);
        requested.assert_completes("telarch acc", &["access", "account"]);
    }
}
