//! Reports of invalid command lines.

use telarch_cli::failure::{Kind, Program};
use telarch_cli::{Error, Failure, Format};

#[test]
fn an_invalid_command_line_is_reported_with_advice() {
    let failure = Failure::from(Error::NamelessSwitch { text: "-".to_owned() });
    assert_eq!(
        failure.report(Program::Winrm, Format::Text),
        "Error: switch without a name: '-'\n  write -name or -name:value\n"
    );
    assert_eq!(failure.kind(), Kind::Usage);
    let syntax = Failure::from(Error::InputSyntax).report(Program::Winrm, Format::Text);
    assert!(
        syntax
            .starts_with("Error: Syntax Error: input must be of the form {KEY=\"VALUE\"[;KEY=\"VALUE\"]}\n"),
        "{syntax}"
    );
}
