//! The command `telarch pwsh` in the table of commands.

use cli_command::fleet::{FAIL_FAST, HOST_TIME, MAX_FAILURES, TOTAL_TIME};
use cli_command::{Action, Arguments, Command, Failure, NoArguments, SingleDash};

use super::arguments::{
    COMPRESS, CONFIGURATION, CONNECT, FILE, INPUT, Invocation, NO_HISTORY, OUTPUT, SCRIPT,
};
use super::run;

/// The command `telarch pwsh`.
pub static PWSH: Command = Command::new("pwsh", "run PowerShell on another machine, or on many", start)
    .examples(&[
        "telarch pwsh server7 -c 'Get-Service -Name W32Time' -u CORP\\\\ann",
        "telarch pwsh server7 -c 'Get-Process | Select-Object -First 3 Name, Id' --output json",
        "telarch pwsh server7 -f report.ps1 2026 summary",
        "telarch pwsh -hosts:web[01-20] -parallel:10 -c 'Get-HotFix' --output jsonl",
        "seq 3 | telarch pwsh server7 --input lines -c '$input | ForEach-Object { 2 * $_ }'",
    ])
    .actions(&[Action::default(&[
        ("HOST -c SCRIPT [ARGUMENT...]", "run a script; $args contains the arguments"),
        ("HOST -f FILE [ARGUMENT...]", "run the script in a file of this machine; - is standard input"),
        ("HOST [ARGUMENT...] < FILE", "the same as -f -"),
        ("HOST", "on a terminal: start a console with history, completion and continuation lines"),
    ])
    .takes_any()])
    .options(&[&SCRIPT, &FILE, &OUTPUT, &INPUT, &CONFIGURATION, &COMPRESS, &CONNECT, &NO_HISTORY, &HOST_TIME, &TOTAL_TIME, &FAIL_FAST, &MAX_FAILURES])
    .exclusive(&[&[&SCRIPT, &FILE], &[&FAIL_FAST, &MAX_FAILURES]])
    .single_dash(SingleDash::Switches(&["r", "u", "remote", "username", "auth", "a"]))
    .without_arguments(NoArguments::Help)
    .exit_status_1("the script wrote an error, or the machine cannot be reached")
    .notes(&[
        "-u, -p, -auth, -ssl and the other switches of winrm set the user and the connection (winrm help auth). \
         -hosts:LIST and -parallel:N run the script on many machines; -r HOST is the same as HOST.",
        "Exit status: 0 if the script wrote no error, 1 if it wrote errors, 2 if an error ended it, 3 if it was stopped, \
         or the code of its exit statement. With -hosts: 0 if it is 0 for all machines, otherwise 1.",
    ]);

fn start(arguments: &Arguments) -> Result<String, Failure> {
    run::run(Invocation::new(arguments)?)
}
