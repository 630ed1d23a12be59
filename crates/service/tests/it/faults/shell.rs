//! Faults of shells and commands (MS-WSMV 3.1.4.5 and 3.1.4.10 onwards).

use wsman::namespace::{SHELL, SHELL_CMD};
use wsman::{Code, Subcode, code};

use super::{ANY_SHELL, Row};
use crate::message::Message;

pub(crate) fn create(id: &str) -> Message {
    opening(&format!(
        "<rsp:Shell ShellId=\"{id}\"><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
    ))
}

fn opening(body: &str) -> Message {
    Message::transfer(SHELL_CMD, "Create").body(body)
}

pub(crate) fn command(shell: &str, id: &str, line: &str) -> Message {
    verb(
        "Command",
        shell,
        &format!("<rsp:CommandLine CommandId=\"{id}\"><rsp:Command>{line}</rsp:Command></rsp:CommandLine>"),
    )
}

pub(crate) fn send(shell: &str, command: &str, stream: &str, base64: &str) -> Message {
    verb(
        "Send",
        shell,
        &format!(
            "<rsp:Send><rsp:Stream Name=\"{stream}\" CommandId=\"{command}\">{base64}</rsp:Stream></rsp:Send>"
        ),
    )
}

pub(crate) fn receive(shell: &str, command: &str) -> Message {
    receiving(shell, command, "stdout stderr")
}

fn receiving(shell: &str, command: &str, streams: &str) -> Message {
    verb(
        "Receive",
        shell,
        &format!(
            "<rsp:Receive><rsp:DesiredStream CommandId=\"{command}\">{streams}</rsp:DesiredStream></rsp:Receive>"
        ),
    )
}

fn signal(shell: &str, command: &str, name: &str) -> Message {
    verb(
        "Signal",
        shell,
        &format!(
            "<rsp:Signal CommandId=\"{command}\"><rsp:Code>{SHELL}/signal/{name}</rsp:Code></rsp:Signal>"
        ),
    )
}

fn verb(verb: &str, shell: &str, body: &str) -> Message {
    Message::shell(verb).selector("ShellId", shell).body(body)
}

/// Adds to the row a shell that waits for input.
fn there(message: Message, subcode: Subcode, code: Code) -> Row {
    Row::new(message, subcode, code).after(create("OURS")).after(command("OURS", "ONE", "exec cat"))
}

pub(super) fn rows() -> Vec<Row> {
    [opening_a_shell(), finding_one(), running_commands()].into_iter().flatten().collect()
}

fn opening_a_shell() -> Vec<Row> {
    let schema =
        |body: &str| Row::new(opening(body), Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR);
    let directory = |path: &str| {
        let body = format!("<rsp:Shell><rsp:WorkingDirectory>{path}</rsp:WorkingDirectory></rsp:Shell>");
        Row::new(opening(&body), Subcode::InternalError, code::DIRECTORY_INVALID)
    };
    vec![
        schema(""),
        schema("<rsp:Nothing/>"),
        schema("<rsp:Shell><rsp:IdleTimeOut>soon</rsp:IdleTimeOut></rsp:Shell>"),
        schema("<rsp:Shell><rsp:Lifetime>-PT1S</rsp:Lifetime></rsp:Shell>"),
        schema(
            "<rsp:Shell><rsp:Environment><rsp:Variable Name=\"\">x</rsp:Variable></rsp:Environment></rsp:Shell>",
        ),
        schema(
            "<rsp:Shell><rsp:Environment><rsp:Variable Name=\"A=B\">x</rsp:Variable></rsp:Environment></rsp:Shell>",
        ),
        directory("/nowhere/at/all"),
        directory("/etc/passwd"),
        Row::new(
            create("OURS").option("WINRS_CODEPAGE", "1200"),
            Subcode::InvalidOptions,
            code::INVALID_OPTION_VALUE,
        )
        .detail("InvalidValue"),
        Row::new(
            create("OURS").option("WINRS_NOTHING", "x"),
            Subcode::InvalidOptions,
            code::OPTION_NOT_SUPPORTED,
        )
        .detail("NotSupported"),
        Row::new(create("not an identifier"), Subcode::InvalidParameter, code::INVALID_PARAMETER),
        Row::new(create("ours"), Subcode::AlreadyExists, code::ALREADY_EXISTS).after(create("OURS")),
        Row::new(
            Message::transfer(ANY_SHELL, "Create").body("<rsp:Shell/>"),
            Subcode::ActionNotSupported,
            code::ACTION_NOT_SUPPORTED,
        ),
    ]
}

fn finding_one() -> Vec<Row> {
    let unknown = |message| {
        Row::new(message, Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS).detail("UnexpectedSelectors")
    };
    let unnamed = |message: Message| {
        Row::new(message, Subcode::InvalidSelectors, code::INSUFFICIENT_SELECTORS)
            .detail("InsufficientSelectors")
    };
    let unsupported = |message| there(message, Subcode::ActionNotSupported, code::ACTION_NOT_SUPPORTED);
    let ours = |resource: &str, verb: &str| Message::transfer(resource, verb).selector("ShellId", "OURS");
    vec![
        unknown(ours(ANY_SHELL, "Get")),
        unknown(ours(SHELL_CMD, "Delete")),
        unknown(command("OURS", "ONE", "true")),
        unknown(send("OURS", "ONE", "stdin", "AAAA")),
        unknown(receive("OURS", "ONE")),
        unknown(signal("OURS", "ONE", "terminate")),
        unknown(ours(SHELL_CMD, "Delete")).after(create("OURS")).after(ours(SHELL_CMD, "Delete")),
        unnamed(Message::transfer(SHELL_CMD, "Delete")),
        unnamed(Message::transfer(SHELL_CMD, "Delete").selector("Name", "x")),
        unnamed(Message::shell("Receive").body("<rsp:Receive/>")),
        unsupported(ours(SHELL_CMD, "Get")),
        unsupported(ours(SHELL_CMD, "Put").body("<rsp:Shell/>")),
        unsupported(verb("Disconnect", "OURS", "<rsp:Disconnect/>")),
        unsupported(verb("Reconnect", "OURS", "")),
        unsupported(verb("Connect", "OURS", "<rsp:Connect/>")),
    ]
}

fn running_commands() -> Vec<Row> {
    let schema = |message| there(message, Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR);
    let parameter = |message| there(message, Subcode::InvalidParameter, code::INVALID_PARAMETER);
    let unknown = |message| {
        there(message, Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS).detail("UnexpectedSelectors")
    };
    let directly = |program: &str| command("OURS", "TWO", program).option("WINRS_SKIP_CMD_SHELL", "TRUE");
    vec![
        schema(verb("Command", "OURS", "")),
        schema(verb("Command", "OURS", "<rsp:Receive/>")),
        schema(verb("Send", "OURS", "")),
        schema(verb("Send", "OURS", "<rsp:Send/>")),
        schema(send("OURS", "ONE", "", "AAAA")),
        schema(send("OURS", "ONE", "stdin", "not base64!")),
        schema(send("OURS", "ONE", "stdin", "AA<x/>AA")),
        schema(send("OURS", "ONE", "stdin", "<x>AAAA</x>")),
        schema(verb("Receive", "OURS", "")),
        schema(verb("Receive", "OURS", "<rsp:Receive/>")),
        schema(verb("Signal", "OURS", "")),
        unknown(send("OURS", "TWO", "stdin", "AAAA")),
        unknown(receive("OURS", "TWO")),
        unknown(signal("OURS", "TWO", "ctrl_c")),
        parameter(send("OURS", "not an identifier", "stdin", "AAAA")),
        parameter(receive("OURS", "not an identifier")),
        parameter(receive("OURS", "")),
        there(receiving("OURS", "ONE", "stdin"), Subcode::InvalidParameter, code::INVALID_DESIRED_STREAMS),
        parameter(receiving("OURS", "ONE", "")),
        parameter(signal("OURS", "ONE", "hup")),
        parameter(signal("OURS", "not an identifier", "terminate")),
        parameter(command("OURS", "one", "true")),
        there(
            receiving("OURS", "ONE", "stdout pr"),
            Subcode::InvalidParameter,
            code::INVALID_DESIRED_STREAMS,
        ),
        Row::new(
            receiving("OURS", "ONE", "stdout stderr"),
            Subcode::InvalidParameter,
            code::INVALID_DESIRED_STREAMS,
        )
        .after(opening(
            "<rsp:Shell ShellId=\"OURS\"><rsp:OutputStreams>stdout</rsp:OutputStreams></rsp:Shell>",
        ))
        .after(command("OURS", "ONE", "exec cat"))
        .word("no such stream"),
        there(send("OURS", "ONE", "stdout", "AAAA"), Subcode::InvalidParameter, code::UNDECLARED_STREAM),
        there(send("OURS", "ONE", "pr", "AAAA"), Subcode::InvalidParameter, code::UNDECLARED_STREAM),
        there(directly("/nowhere/at/all"), Subcode::InternalError, code::FILE_NOT_FOUND),
        there(directly("/etc/passwd"), Subcode::InternalError, code::ACCESS_DENIED),
        there(command("OURS", "TWO", &"x".repeat(200_000)), Subcode::InternalError, code::NAME_TOO_LONG),
        there(
            receive("OURS", "ONE").header("<w:OperationTimeout>PT0.5S</w:OperationTimeout>"),
            Subcode::TimedOut,
            code::TIMED_OUT,
        )
        .word("OperationTimeout"),
    ]
}
