//! WinRb 2.3, under Vagrant, Chef and Test Kitchen: `mustUnderstand` without a namespace, quotes around every command,
//! command identifiers of its own, base64 in lines.

use super::*;

#[test]
fn a_quoted_command_is_run_without_its_quotes() {
    let client = Client::new(&WINRB);
    let shell = client.open();
    for (command, arguments, output) in [
        // Nothing of this is a program, so the outer quotes come off.
        ("cd /; pwd", "", "/\n"),
        (r#"echo "two  words""#, "", "two  words\n"),
        (r#"printf '[%s]' "a" "b""#, "", "[a][b]"),
        // A program in quotes keeps them.
        ("/bin/echo", "hi", "hi\n"),
        ("printf", "'%s|' a 'b  c'", "a|b  c|"),
    ] {
        let arguments = if arguments.is_empty() {
            String::new()
        } else {
            format!("<rsp:Arguments>{arguments}</rsp:Arguments>")
        };
        // It escapes quotes, and takes that back for single ones.
        let command = command.replace('"', "&quot;");
        let body = format!("<rsp:Command>&quot;{command}&quot;</rsp:Command>{arguments}");
        assert_eq!(client.run(&shell, &body), (output.to_owned(), String::new(), 0), "{body}");
    }
    client.close(&shell);
}

#[test]
fn its_own_command_id_is_used() {
    let client = Client::new(&WINRB);
    let shell = client.open();
    let own = "1d9b2bc2-8b7a-4f1e-8f0c-b9a7c2d4e6f8";
    let body = format!(
        "<rsp:CommandLine CommandId=\"{own}\"><rsp:Command>&quot;exit 5&quot;</rsp:Command></rsp:CommandLine>"
    );
    let text = client.in_shell("Command", &shell, CONSOLE, &body);
    assert_eq!(element(&text, "rsp:CommandId"), own);
    assert_eq!(client.finish(&shell, own), (String::new(), String::new(), 5));
}

#[test]
fn input_in_lines_of_base64_arrives_complete() {
    let client = Client::new(&WINRB);
    let shell = client.open();
    let words = "some words that fill more than one line of base64, as Ruby writes it: sixty to each";
    let length = words.len();
    let command = client.start(&shell, &format!("<rsp:Command>&quot;head -c {length}&quot;</rsp:Command>"));
    let base64 = BASE64.encode(words);
    let lines: String =
        base64.as_bytes().chunks(60).map(|line| String::from_utf8_lossy(line) + "\n").collect();
    assert!(lines.lines().count() > 1, "{lines}");
    client.in_shell("Send", &shell, &[], &send_body(&command, &lines));
    assert_eq!(client.finish(&shell, &command), (words.to_owned(), String::new(), 0));
}

/// It writes an hour as no other client does.
#[test]
fn the_idle_timeout_is_returned_in_seconds_for_any_requested_form() {
    let client = Client::new(&WINRB);
    for (requested, form) in
        [("PT60M0S", "PT3600.000S"), ("PT2H0.000S", "PT7200.000S"), ("P1DT1S", "PT86401.000S")]
    {
        let (shell, text) = client.open_with(&format!("<rsp:IdleTimeOut>{requested}</rsp:IdleTimeOut>"));
        assert_eq!(element(&text, "rsp:IdleTimeOut"), form);
        let get = Message { action: GET, resource: SHELL, shell: Some(&shell), ..Message::default() };
        assert_eq!(element(&client.answer(&get), "rsp:IdleTimeOut"), form);
    }
}

/// On this code it opens a new shell and goes on.
#[test]
fn a_missing_shell_is_the_fault_after_which_it_opens_another() {
    let client = Client::new(&WINRB);
    let shell = client.open();
    client.close(&shell);
    let body = "<rsp:CommandLine><rsp:Command>&quot;echo&quot;</rsp:Command></rsp:CommandLine>";
    let action = format!("{SHELL}/Command");
    let message = Message {
        action: &action,
        resource: CMD,
        shell: Some(&shell),
        options: CONSOLE,
        body,
        ..Message::default()
    };
    assert_eq!(client.refusal(&message).0, UNKNOWN_SHELL);
}

const WINRB: Dialect = Dialect {
    envelope,
    charset: Charset::Utf8,
    request: as_it_is,
    open_options: UTF_8,
    command_options: CONSOLE,
    receive_options: &[("WSMAN_CMDSHELL_OPTION_KEEPALIVE", "TRUE")],
};

fn envelope(message: &Message<'_>, id: &str) -> String {
    let Message { action, resource, body, .. } = message;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope xmlns:env=\"{SOAP}\" {NAMESPACES}><env:Header>\
         <a:To>http://server:5985/wsman</a:To>\
         <a:ReplyTo><a:Address mustUnderstand=\"true\">{ANONYMOUS}</a:Address></a:ReplyTo>\
         <w:MaxEnvelopeSize mustUnderstand=\"true\">153600</w:MaxEnvelopeSize><a:MessageID>{id}</a:MessageID>\
         <p:SessionId mustUnderstand=\"false\">uuid:90B3A0E2-5A0B-4B0E-8A5C-6E7F8091A2B3</p:SessionId>\
         <w:Locale xml:lang=\"en-US\" mustUnderstand=\"false\"/>\
         <p:DataLocale xml:lang=\"en-US\" mustUnderstand=\"false\"/>\
         <w:OperationTimeout>PT60S</w:OperationTimeout>\
         <w:ResourceURI mustUnderstand=\"true\">{resource}</w:ResourceURI>\
         <a:Action mustUnderstand=\"true\">{action}</a:Action>{}{}</env:Header><env:Body>{body}</env:Body></env:Envelope>",
        option_set(message),
        selector_set(message),
    )
}
