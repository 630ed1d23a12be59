//! The page of the terminal, with a real shell.

use std::os::fd::OwnedFd;

use browser::{Key, Page};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::accessibility::examine_everywhere;
use crate::machine::{ADMINISTRATOR, DELEGATED, Machine, PASSWORD, sign_in};

/// Opens the page of the terminal and signs a user in.
fn opened(machine: &Machine, user: &str) -> Page {
    let page = machine.open("/terminal");
    sign_in(&page, user, PASSWORD);
    page.wait_for_heading("Terminal");
    page
}

/// Opens a terminal with a shell that shows no prompt.
fn connected(machine: &Machine) -> Page {
    let page = opened(machine, ADMINISTRATOR);
    page.wait_for_text("Connected");
    page.evaluate("document.querySelector('.xterm-helper-textarea').focus()");
    run(&page, "exec sh");
    run(&page, "PS1='> '; clear; echo ready-$((1+1))");
    wait_for_output(&page, "ready-2");
    page
}

/// Types a line.
fn run(page: &Page, line: &str) {
    page.type_text(line);
    page.press(Key::Enter);
}

/// Lines of the screen, with no space at their ends.
const SCREEN: &str = "[...document.querySelectorAll('.xterm-rows > div')].map((row) => row.textContent.replaceAll('\\u00a0', ' ').trimEnd()).join('\\n')";

fn wait_for_output(page: &Page, text: &str) {
    page.wait_until(&format!("{SCREEN}.includes({})", serde_json::json!(text)));
}

/// Returns the text between the last `NAME:` and the following colon on the screen.
fn value(page: &Page, name: &str) -> String {
    let pattern = format!("/.*{name}:([0-9x]+):/s.exec({SCREEN})?.[1]");
    page.wait_until(&pattern);
    page.evaluate(&pattern).as_str().expect("a value").to_owned()
}

/// Returns a descriptor of a running process.
fn process(id: &str) -> OwnedFd {
    let id = id.parse().ok().and_then(Pid::from_raw).expect("a process ID");
    pidfd_open(id, PidfdFlags::empty()).expect("a running process")
}

#[test]
fn commands_run_and_follow_the_size_of_the_window() {
    let Some(machine) = Machine::start_with_terminals() else { return };
    let page = connected(&machine);
    run(&page, "echo sum-$((6*7)); printf '\\303\\244\\n'");
    wait_for_output(&page, "sum-42\nä");
    run(&page, "clear; echo wide:$(stty size | tr ' ' x):");
    let wide = value(&page, "wide");
    page.set_width(700);
    // The shell has the new size when it has shown the next line.
    page.wait_until("document.querySelector('.xterm-screen').clientWidth < 700");
    run(&page, "clear; echo narrow:$(stty size | tr ' ' x):");
    let narrow = value(&page, "narrow");
    let columns = |size: &str| size.split_once('x').expect("two numbers").1.parse::<u32>().expect("columns");
    assert!(columns(&wide) > 120 && columns(&narrow) < 100, "{wide} {narrow}");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn long_output_arrives_completely_and_in_order() {
    let Some(machine) = Machine::start_with_terminals() else { return };
    let page = connected(&machine);
    run(&page, "yes | head -n 200000; echo done-$((1+1))");
    wait_for_output(&page, "done-2");
    // A terminal of its own, whose whole output the test reads.
    let wrong = page.evaluate(
        "(async () => {
            const { csrf_token } = await (await fetch('/api/v1/session')).json();
            const created = await fetch('/api/v1/terminals', { method: 'POST', headers: { 'x-csrf-token': csrf_token } });
            const { ticket } = await created.json();
            const socket = new WebSocket(`wss://${location.host}/api/v1/terminals/socket`, ['telarch.terminal', ticket]);
            socket.binaryType = 'arraybuffer';
            socket.onopen = () => socket.send(new TextEncoder().encode('exec sh -c \"stty -opost; echo; echo begin; seq 1 200000; echo end\"\\r'));
            const pieces = [];
            socket.onmessage = ({ data }) => {
                pieces.push(data);
                socket.send(JSON.stringify({ acknowledged: data.byteLength }));
            };
            const { code, reason } = await new Promise((resolve) => (socket.onclose = resolve));
            if (code !== 1000) return `${code} ${reason}`;
            const lines = (await new Blob(pieces).text()).split('\\n');
            const numbers = lines.slice(lines.indexOf('begin') + 1, lines.lastIndexOf('end'));
            if (numbers.length !== 200000) return `${numbers.length} lines`;
            return numbers.find((line, index) => line !== String(index + 1)) ?? null;
        })()",
    );
    assert!(wrong.is_null(), "{wrong}");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn the_selection_is_copied_and_the_clipboard_pasted_with_the_keyboard() {
    let Some(machine) = Machine::start_with_terminals() else { return };
    let page = connected(&machine);
    page.permit_clipboard();
    run(&page, "clear; echo selected-$((40+2))");
    wait_for_output(&page, "selected-42");
    // A double click selects a word.
    page.double_click(
        "(() => {
            const rows = [...document.querySelectorAll('.xterm-rows > div')];
            const box = rows.find((row) => row.textContent.startsWith('selected-42')).getBoundingClientRect();
            return [box.left + 12, box.top + box.height / 2];
        })()",
    );
    page.press_ctrl_shift('c', "");
    assert_eq!(page.evaluate("navigator.clipboard.readText()"), "selected-42");
    // The shell has received no Ctrl-C, which would begin a new line, and receives the text.
    run(&page, "clear");
    // A text that arrives earlier is echoed before the screen is cleared.
    page.wait_until(&format!("{SCREEN}.trim() === '>'"));
    page.evaluate("navigator.clipboard.writeText('echo pasted-$((20+3))')");
    page.press_ctrl_shift('v', "pasteAndMatchStyle");
    wait_for_output(&page, "> echo pasted-$((20+3))");
    page.press(Key::Enter);
    wait_for_output(&page, "pasted-23");
    assert_eq!(page.take_errors(), [""; 0]);
}

/// Pastes a text, as the browser does after a shortcut or from its menu.
fn paste(page: &Page, text: &str) {
    page.evaluate(&format!(
        "(() => {{
            const clipboardData = new DataTransfer();
            clipboardData.setData('text/plain', {text});
            const event = new ClipboardEvent('paste', {{ clipboardData, bubbles: true, cancelable: true }});
            document.querySelector('.xterm-helper-textarea').dispatchEvent(event);
        }})()"
    ));
}

#[test]
fn a_paste_beyond_the_limit_is_refused_with_the_reason() {
    let Some(machine) = Machine::start_with_terminals() else { return };
    let page = connected(&machine);
    paste(&page, "'#'.repeat(512 * 1024 + 1)");
    wait_for_output(
        &page,
        "[not pasted: the text has 524289 characters, and 524288 are the limit; upload a file]",
    );
    // The shell has received nothing of it, and a text within the limit arrives completely.
    run(&page, "clear; stty -echo; wc -c | tr -d ' ' | sed 's/.*/counted:&:/'");
    paste(&page, "'0123456789\\n'.repeat(20000) + '\\x04'");
    wait_for_output(&page, "counted:220000:");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn a_terminal_without_input_ends_and_says_why() {
    let Some(machine) = Machine::start_with_idle_limit() else { return };
    let page = connected(&machine);
    // Output is no input.
    run(&page, "while :; do sleep 1; printf .; done");
    wait_for_output(&page, "telarch: 10 seconds without input");
    page.wait_for_text("Closed: the terminal has ended.");
    page.click_button("New terminal");
    page.wait_for_text("Connected");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn closing_the_page_ends_the_shell_and_everything_that_it_has_started() {
    let Some(machine) = Machine::start_with_terminals() else { return };
    let page = connected(&machine);
    run(&page, "echo shell:$$:; trap '' HUP; setsid sh -c 'echo detached:$$:; exec sleep 1000' &");
    let (shell, detached) = (value(&page, "shell"), value(&page, "detached"));
    run(&page, "sh -c 'echo child:$$:; exec sleep 1000'");
    let running = [shell, detached, value(&page, "child")].map(|id| process(&id));
    page.open("about:blank");
    for process in &running {
        poll(&mut [PollFd::new(process, PollFlags::IN)], None).expect("its end");
    }
}

#[test]
fn a_shell_that_ends_can_be_replaced() {
    let Some(machine) = Machine::start_with_terminals() else { return };
    let page = connected(&machine);
    run(&page, "exit");
    page.wait_for_text("Closed: the terminal has ended.");
    page.click_button("New terminal");
    page.wait_for_text("Connected");
    page.wait_until("document.activeElement?.classList.contains('xterm-helper-textarea')");
    run(&page, "echo again-$((1+1))");
    wait_for_output(&page, "again-2");
    assert_eq!(page.take_errors(), [""; 0]);
}

#[test]
fn users_without_the_permission_read_why() {
    let Some(machine) = Machine::start_with_terminals() else { return };
    let page = opened(&machine, DELEGATED);
    page.wait_for_text("this requires the permission for terminals");
    machine.go(&page, "/");
    page.wait_for_button("Sign out");
    assert_eq!(
        page.evaluate(
            "[...document.querySelectorAll('nav a')].some((link) => link.textContent === 'Terminal')"
        ),
        false
    );
}

#[test]
fn terminals_are_disabled_unless_the_option_is_given() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/");
    assert_eq!(
        page.evaluate(
            "[...document.querySelectorAll('nav a')].some((link) => link.textContent === 'Terminal')"
        ),
        false
    );
    machine.go(&page, "/terminal");
    page.wait_for_text("Not connected");
}

#[test]
fn the_page_is_accessible_in_every_theme_and_width() {
    let Some(machine) = Machine::start_with_terminals() else { return };
    let page = connected(&machine);
    run(
        &page,
        "printf '\\033[31mred \\033[32mgreen \\033[33myellow \\033[34mblue \\033[35mmagenta \\033[36mcyan \\033[90mgrey\\033[0m\\n'; ls -l /",
    );
    wait_for_output(&page, "etc");
    examine_everywhere(&page, "terminal");
    run(&page, "exit");
    page.wait_for_button("New terminal");
    examine_everywhere(&page, "terminal that has ended");
}
