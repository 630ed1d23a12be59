//! The command `telarch cp` in the table of commands.

use cli_command::{Action, Arguments, Command, Failure, SingleDash};

use super::arguments::{CARRIER, FORMAT, Invocation, PRESERVE, RECURSIVE, RESUME, VERBOSE};
use super::run;

/// The command `telarch cp`.
pub static CP: Command = Command::new("cp", "copy files to and from other machines", start)
    .examples(&[
        "telarch cp app.tar server7:/srv/ -u CORP\\\\ann",
        "telarch cp server7:/var/log/syslog .",
        "telarch cp setup.exe 'win3:C:\\Temp\\setup.exe' -u Administrator -ssl",
        "telarch cp -r site server7:/var/www/",
        "telarch cp motd :/etc/motd -hosts:web[01-20] -parallel:10",
    ])
    .actions(&[Action::default(&[
        ("FILE... HOST:PATH", "copy local files to another machine"),
        ("HOST:PATH... FILE", "copy files of another machine to this one"),
        ("FILE... :PATH -hosts:LIST", "copy local files to many machines"),
    ])
    .takes_any()])
    .options(&[&RECURSIVE, &RESUME, &PRESERVE, &CARRIER, &VERBOSE, &FORMAT])
    .single_dash(SingleDash::Switches(&["u", "remote", "username", "auth", "a"]))
    .exit_status_1("a file was not copied")
    .notes(&[
        "-u, -auth, -ssl and the other switches of winrm set the user and the connection (winrm help auth). \
         A machine with a port is a URL: https://server7:5986:PATH. A local name with a colon needs a slash before it: \
         ./a:b. If the last argument is a directory, copies get the names of their sources.",
        "-r copies the entries of a directory into HOST:PATH, or into a directory of the same name in it if it exists. \
         Symbolic links and special files are skipped.",
        "Copies replace an existing file only when they are complete and their SHA-256 is that of the source.",
        "Exit status: 0 if all files were copied, 1 if not, 130 after Ctrl-C.",
    ]);

fn start(arguments: &Arguments) -> Result<String, Failure> {
    run::run(Invocation::new(arguments)?)
}
