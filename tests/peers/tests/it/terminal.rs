//! Our command lines at a terminal: questions, Ctrl-C, progress, colours, and little room.

use std::net::TcpListener;

use telarch_peers::{PASSWORD, Telarchd, Tmux, USER};

/// A port where somebody takes connections and never says a word.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    (listener, format!("http://{address}"))
}

#[test]
fn a_password_is_asked_for_and_never_shown() {
    let service = Telarchd::start(&[]);
    let Some(terminal) = Tmux::start(100, "", &[]) else { return };
    terminal.line(&format!("winrm get winrm/config/winrs -r:{} -u:{USER}; echo end $?", service.http()));
    terminal.wait_for(&format!("Password for {USER} on 127.0.0.1:"));
    terminal.line(PASSWORD);
    let screen = terminal.seen("end 0");
    assert!(screen.contains("\n    MaxShellsPerUser = 30\n"), "{screen}");
    assert!(!screen.contains(PASSWORD), "{screen}");
}

#[test]
fn ctrl_c_at_the_question_ends_it_and_the_terminal_shows_what_is_typed_again() {
    let service = Telarchd::start(&[]);
    let Some(terminal) = Tmux::start(100, "", &[]) else { return };
    terminal.line(&format!("winrm id -r:{} -u:{USER}; echo end $?", service.http()));
    terminal.wait_for("Password for ");
    terminal.key("C-c");
    let screen = terminal.seen("end 1");
    assert!(screen.contains("Error: no password was entered"), "{screen}");
    terminal.clear();
    terminal.line("echo seen again");
    assert!(terminal.seen("\nseen again").contains(" echo seen again"), "typing is not shown");
    assert!(!service.log().contains("Sign-in"), "something was sent");
}

#[test]
fn a_wait_of_two_seconds_is_told_and_ctrl_c_leaves_nothing_of_it() {
    let (_listener, url) = silent();
    let Some(terminal) = Tmux::start(100, "", &[]) else { return };
    for program in ["winrm id -auth:none", "winrs -auth:negotiate -u:x -p:y"] {
        let behind = if program.starts_with("winrs") { "hostname" } else { "" };
        terminal.clear();
        terminal.line(&format!("{program} -r:{url} {behind}; echo end $?"));
        terminal.wait_for("waiting for 127.0.0.1, 2 s");
        terminal.wait_for("waiting for 127.0.0.1, 3 s");
        terminal.key("C-c");
        let screen = terminal.seen("end 130");
        assert!(!screen.contains("waiting for"), "{screen}");
    }
}

#[test]
fn what_is_quick_shows_no_progress() {
    let service = Telarchd::start(&[]);
    let Some(terminal) = Tmux::start(100, "", &[("TELARCH_PASSWORD", PASSWORD)]) else { return };
    terminal.line(&format!("winrm id -r:{} -u:{USER}; echo end $?", service.http()));
    assert!(!terminal.seen("end 0").contains("waiting for"));
}

#[test]
fn a_failure_stands_out_unless_colours_are_not_wanted() {
    for (variables, has_colour) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let Some(terminal) = Tmux::start(100, "", variables) else { return };
        terminal.line("winrm gett; echo end $?");
        terminal.wait_for("end 1");
        let coloured = terminal.coloured();
        let headline =
            coloured.lines().find(|line| line.contains("Error: unknown operation")).expect("it is there");
        assert_eq!(headline.contains("\x1b["), has_colour, "{coloured}");
        terminal.clear();
        terminal.line("winrm gett 2>&1 | cat; echo end $?");
        terminal.wait_for("\nend 0");
        let piped = terminal.coloured();
        let headline =
            piped.lines().find(|line| line.contains("Error: unknown operation")).expect("it is there");
        assert!(!headline.contains("\x1b["), "{piped}");
    }
}

#[test]
fn tables_fit_a_narrow_terminal_and_pipes_get_what_scripts_read() {
    let Some(terminal) = Tmux::start(44, "", &[]) else { return };
    for number in 1..=2 {
        terminal.line(&format!(
            "winrm hosts web{number} -r:web{number}.department.corp.example.com -u:operator{number}"
        ));
    }
    terminal.clear();
    terminal.line("winrm hosts; echo end");
    let screen = terminal.seen("\nend");
    let rows: Vec<&str> = screen.lines().filter(|line| line.starts_with("web")).collect();
    assert_eq!(rows.len(), 2, "{screen}");
    assert!(rows.iter().all(|row| row.contains('…') && row.chars().count() <= 44), "{screen}");
    terminal.clear();
    terminal.line("winrm hosts web1 | head -3; echo end");
    assert!(terminal.seen("\nend").contains("Host\n    Name = web1\n    Address = web1.department"));
}

#[test]
fn shells_are_a_table_and_ctrl_c_ends_the_command_in_one() {
    let service = Telarchd::start(&[]);
    let Some(terminal) = Tmux::start(110, "", &[("TELARCH_PASSWORD", PASSWORD)]) else { return };
    let to = format!("-r:{} -u:{USER}", service.http());
    terminal.line(&format!(
        "winrs {to} 'trap \"echo caught; exit 9\" INT; echo ready; while :; do sleep 0.05; done'; echo end $?"
    ));
    terminal.wait_for("\nready");
    terminal.key("C-c");
    let screen = terminal.seen("end 9");
    assert!(screen.contains("caught\n"), "{screen}");
    // The shell was closed behind it.
    terminal.line(&format!("clear; winrm shells {to}; echo that is all"));
    let screen = terminal.seen("\nthat is all");
    assert!(screen.contains("ShellId") && !screen.contains(USER), "{screen}");
}

#[test]
fn many_hosts_show_a_bar_and_then_the_verdict() {
    let (_first, one) = silent();
    let service = Telarchd::start(&[]);
    let Some(terminal) = Tmux::start(100, "", &[("TELARCH_PASSWORD", PASSWORD)]) else { return };
    terminal.line(&format!("winrm id -hosts:{},{one} -auth:none; echo end", service.http()));
    terminal.wait_for("1 of 2 hosts, ");
    let screen = terminal.seen("[###");
    assert!(screen.contains("== http://127.0.0.1:"), "what came is there already: {screen}");
    terminal.key("C-c");
    terminal.clear();
    terminal.line("echo back");
    terminal.wait_for("\nback");
}
