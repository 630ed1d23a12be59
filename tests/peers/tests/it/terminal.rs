//! Our command lines at a terminal: questions, Ctrl-C, progress, colours, and narrow windows.

use std::net::TcpListener;

use telarch_peers::terminal::CTRL_C;
use telarch_peers::{PASSWORD, Telarchd, Terminal, Tmux, USER};

/// A port that accepts connections and never responds.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    (listener, format!("http://{address}"))
}

#[test]
fn a_password_prompt_never_shows_the_password() {
    let service = Telarchd::start(&[]);
    let mut terminal = Terminal::start(100, "", &[]);
    let get = format!("winrm get winrm/config/winrs -r:{} -u:{USER}", service.http());
    let ended = terminal.run_with(&get, |terminal| {
        terminal.seen(&format!("Password for {USER} on 127.0.0.1:"));
        terminal.line(PASSWORD);
    });
    assert_eq!(ended.status, 0, "{}", ended.screen);
    assert!(ended.screen.contains("\n    MaxShellsPerUser = 30\n"), "{}", ended.screen);
    assert!(!ended.screen.contains(PASSWORD), "{}", ended.screen);
}

#[test]
fn a_password_is_asked_for_in_tmux() {
    let service = Telarchd::start(&[]);
    let Some(tmux) = Tmux::start() else { return };
    tmux.line(&format!("winrm id -r:{} -u:{USER}; echo end $?", service.http()));
    let _ = tmux.seen(&format!("Password for {USER} on 127.0.0.1:"));
    tmux.line(PASSWORD);
    let screen = tmux.seen("end 0");
    assert!(screen.contains("ProductVendor") && !screen.contains(PASSWORD), "{screen}");
}

#[test]
fn ctrl_c_at_the_prompt_ends_it_and_restores_echo() {
    let service = Telarchd::start(&[]);
    let mut terminal = Terminal::start(100, "", &[]);
    let ended = terminal.run_with(&format!("winrm id -r:{} -u:{USER}", service.http()), |terminal| {
        terminal.seen("Password for ");
        terminal.keys(CTRL_C);
    });
    assert_eq!(ended.status, 1, "{}", ended.screen);
    assert!(ended.screen.contains("Error: no password was entered"), "{}", ended.screen);
    terminal.clear();
    let ended = terminal.run("echo seen again");
    assert!(ended.screen.contains(" echo seen again\nseen again"), "{}", ended.screen);
    assert!(!service.log().contains("Sign-in"), "something was sent");
}

#[test]
fn progress_is_shown_after_two_seconds_and_removed_by_ctrl_c() {
    let (_listener, url) = silent();
    let mut terminal = Terminal::start(100, "", &[]);
    for (program, command) in [("winrm id -auth:none", ""), ("winrs -auth:negotiate -u:x -p:y", "hostname")] {
        terminal.clear();
        let ended = terminal.run_with(&format!("{program} -r:{url} {command}"), |terminal| {
            let first = seconds_shown(terminal);
            assert!(first >= 2, "{first} s");
            // A busy machine may skip numbers.
            while seconds_shown(terminal) == first {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            terminal.keys(CTRL_C);
        });
        assert_eq!(ended.status, 130, "{}", ended.screen);
        assert!(!ended.screen.contains("waiting for"), "{}", ended.screen);
    }
}

/// Waits until the screen shows for how many seconds a program has been waiting.
fn seconds_shown(terminal: &Terminal) -> u64 {
    loop {
        let screen = terminal.seen("waiting for 127.0.0.1, ");
        let number = screen.split("waiting for 127.0.0.1, ").nth(1).and_then(|rest| rest.split_once(" s"));
        if let Some(seconds) = number.and_then(|(number, _)| number.parse().ok()) {
            return seconds;
        }
    }
}

#[test]
fn failures_are_coloured_unless_no_color_is_set_or_output_is_piped() {
    for (variables, has_colour) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let mut terminal = Terminal::start(100, "", variables);
        assert_eq!(terminal.run("winrm gett").status, 1);
        assert_eq!(headline(&terminal).contains("\x1b["), has_colour, "{}", terminal.coloured());
        terminal.clear();
        assert_eq!(terminal.run("winrm gett 2>&1 | cat").status, 0);
        assert!(!headline(&terminal).contains("\x1b["), "{}", terminal.coloured());
    }
}

/// Returns the line of the failure with its colours.
fn headline(terminal: &Terminal) -> String {
    let screen = terminal.coloured();
    let line = screen.lines().find(|line| line.contains("unknown operation"));
    line.unwrap_or_else(|| panic!("no failure on the screen:\n{screen}")).to_owned()
}

#[test]
fn tables_fit_a_narrow_terminal_and_pipes_have_the_script_layout() {
    let mut terminal = Terminal::start(44, "", &[]);
    for number in 1..=2 {
        let host = format!("web{number}.department.corp.example.com");
        let saved = terminal.run(&format!("winrm hosts web{number} -r:{host} -u:operator{number}"));
        assert_eq!(saved.status, 0, "{}", saved.screen);
    }
    terminal.clear();
    let ended = terminal.run("winrm hosts");
    let rows: Vec<&str> = ended.screen.lines().filter(|line| line.starts_with("web")).collect();
    assert_eq!(rows.len(), 2, "{}", ended.screen);
    assert!(rows.iter().all(|row| row.contains('…') && row.chars().count() <= 44), "{}", ended.screen);
    terminal.clear();
    let piped = terminal.run("winrm hosts web1 | head -3").screen;
    assert!(piped.contains("Host\n    Name = web1\n    Address = web1.department"), "{piped}");
}

#[test]
fn shells_are_a_table_and_ctrl_c_ends_the_command_in_one() {
    let service = Telarchd::start(&[]);
    let mut terminal = Terminal::start(110, "", &[("TELARCH_PASSWORD", PASSWORD)]);
    let to = format!("-r:{} -u:{USER}", service.http());
    let script = "trap \"echo caught; exit 9\" INT; echo ready; while :; do sleep 0.05; done";
    let ended = terminal.run_with(&format!("winrs {to} '{script}'"), |terminal| {
        terminal.seen("\nready");
        terminal.keys(CTRL_C);
    });
    assert_eq!(ended.status, 9, "{}", ended.screen);
    assert!(ended.screen.contains("caught\n"), "{}", ended.screen);
    // winrs has closed the shell.
    terminal.clear();
    let list = terminal.run(&format!("winrm shells {to}"));
    let (_, table) = list.screen.split_once('\n').expect("more than the command line");
    assert!(table.contains("ShellId") && !table.contains(USER), "{}", list.screen);
}

#[test]
fn many_hosts_show_a_bar_and_results_as_they_arrive() {
    let (_first, one) = silent();
    let service = Telarchd::start(&[]);
    let mut terminal = Terminal::start(100, "", &[("TELARCH_PASSWORD", PASSWORD)]);
    let ended =
        terminal.run_with(&format!("winrm id -hosts:{},{one} -auth:none", service.http()), |terminal| {
            terminal.seen("1 of 2 hosts, ");
            let screen = terminal.seen("[###");
            assert!(screen.contains("== http://127.0.0.1:"), "the first result is missing: {screen}");
            terminal.keys(CTRL_C);
        });
    assert_ne!(ended.status, 0, "{}", ended.screen);
    let back = terminal.run("echo back");
    assert!(back.screen.contains("\nback"), "{}", back.screen);
}

#[test]
fn quick_requests_show_no_progress() {
    let service = Telarchd::start(&[]);
    let mut terminal = Terminal::start(100, "", &[("TELARCH_PASSWORD", PASSWORD)]);
    let ended = terminal.run(&format!("winrm id -r:{} -u:{USER}", service.http()));
    assert_eq!(ended.status, 0, "{}", ended.screen);
    assert!(!ended.screen.contains("waiting for"), "{}", ended.screen);
}
