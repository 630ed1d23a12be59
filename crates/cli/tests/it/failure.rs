//! What is said of a command line that was not understood.

use telarch_cli::failure::{Kind, Program};
use telarch_cli::{Error, Failure, Format};

#[test]
fn a_wrong_command_line_is_one_line_and_a_way_out() {
    let failure = Failure::from(Error::NamelessSwitch { text: "-".to_owned() });
    assert_eq!(
        failure.report(Program::Winrm, Format::Text),
        "Error: switch without a name: \"-\"\n  write -name or -name:value\n"
    );
    assert_eq!(failure.kind(), Kind::Usage);
    let syntax = Failure::from(Error::InputSyntax).report(Program::Winrm, Format::Text);
    assert!(
        syntax
            .starts_with("Error: Syntax Error: input must be of the form {KEY=\"VALUE\"[;KEY=\"VALUE\"]}\n"),
        "{syntax}"
    );
}
