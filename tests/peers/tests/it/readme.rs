//! The sections of README.md about installation and first use, line by line in a fresh Debian system.

use std::fs;
use std::process::Command;

use telarch_peers::{Debian, Packages, python_of_peers, repository, succeed};

#[test]
fn the_commands_of_the_readme_work_and_print_its_output() {
    let name = "readme::the_commands_of_the_readme_work_and_print_its_output";
    Debian::in_fresh(name, |debian| {
        let readme = fs::read_to_string(repository().join("README.md")).expect("README.md");
        let steps = steps(&readme);
        assert!(steps.len() > 12, "{steps:?}");
        prepare(debian);
        // Consecutive commands share a shell, as at a terminal.
        for session in steps.chunk_by(|one, next| one.user == next.user) {
            run(debian, session);
        }
        check_python(&readme);
    });
}

/// A command of README.md.
#[derive(Debug)]
struct Step {
    user: User,
    /// Lines of the command, of a document in it as well.
    command: String,
    /// Output that README.md shows; empty if it shows none.
    expected: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    Root,
    Ordinary,
}

/// Way in which the test runs a command.
enum Way {
    /// As it is printed.
    Plain,
    /// Not at all; another test covers it, or it needs another machine.
    Not,
    /// At a terminal, with these answers.
    AtTerminal(&'static str),
    /// In the background, until the end of the test.
    Service,
}

/// Commands that are not run as they are printed, by their beginnings.
const WAYS: &[(&str, Way)] = &[
    // The packages of this build are used.
    ("packaging/build", Way::Not),
    // `installation` runs the script.
    ("./install", Way::Not),
    // `quick_config` answers its questions; it needs systemd.
    ("winrm quickconfig", Way::Not),
    ("usermod", Way::Not),
    ("winrs -r:server7", Way::Not),
    // There is no management controller.
    ("telarch ipmi", Way::Not),
    ("telarch account add", Way::AtTerminal(PASSWORD)),
];

impl Step {
    fn way(&self) -> &'static Way {
        if self.command == "telarchd" {
            return &Way::Service;
        }
        let way = WAYS.iter().find(|(beginning, _)| self.command.starts_with(beginning));
        way.map_or(&Way::Plain, |(_, way)| way)
    }

    /// Returns the lines of the shell that run the command.
    fn script(&self) -> String {
        match self.way() {
            Way::Not => String::from("true"),
            Way::Plain => self.command.clone(),
            Way::AtTerminal(answer) => {
                let command = self.command.split("  #").next().unwrap_or_default().trim();
                // Prompts discard what was typed before, so each answer waits for its prompt.
                format!(
                    "for prompt in 'New password' 'Repeat'; do \
                     until grep -q \"$prompt\" typed 2>/dev/null; do sleep 0.05; done; \
                     echo '{answer}'; done | script -qefc '{command}' typed"
                )
            }
            Way::Service => "telarchd >log 2>&1 & disown\n\
                             until grep -q Ready log; do kill -0 $! || cat log || exit 1; sleep 0.1; done"
                .to_owned(),
        }
    }
}

/// Reads the commands of the sections about installation and first use.
fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut end_of_document: Option<String> = None;
    for line in example_lines(readme) {
        if let Some(end) = &end_of_document {
            let step = steps.last_mut().expect("a document belongs to a command");
            step.command.push_str(&format!("\n{line}"));
            if line == *end {
                end_of_document = None;
            }
            continue;
        }
        let command = [("# ", User::Root), ("$ ", User::Ordinary)]
            .into_iter()
            .find_map(|(prompt, user)| Some((user, line.strip_prefix(prompt)?)));
        if let Some((user, command)) = command {
            let document = command.split_once("<<'").and_then(|(_, rest)| rest.split_once('\''));
            end_of_document = document.map(|(end, _)| end.to_owned());
            steps.push(Step { user, command: command.to_owned(), expected: Vec::new() });
        } else if let Some(step) = steps.last_mut() {
            step.expected.push(line.to_owned());
        }
    }
    steps
}

/// Returns the lines of the examples for the shell.
fn example_lines(readme: &str) -> Vec<&str> {
    blocks(readme).into_iter().filter(|block| !block.starts_with(">>>")).flat_map(str::lines).collect()
}

/// Returns the examples of the sections about installation and first use.
fn blocks(readme: &str) -> Vec<&str> {
    let (_, rest) = readme.split_once("\n## Install\n").expect("the section");
    let (sections, _) = rest.split_once("\n## Who can talk to it\n").expect("the next section");
    // The demo checks the transcript that it records.
    let (begin, end) = ("<!-- ./demo --record: begin -->", "<!-- ./demo --record: end -->");
    let (before, after) = match (sections.split_once(begin), sections.split_once(end)) {
        (Some((before, _)), Some((_, after))) => (before, after),
        _ => (sections, ""),
    };
    let parts = [before, after].into_iter();
    parts.flat_map(|part| part.split("```\n").skip(1).step_by(2)).collect()
}

/// Puts the packages where README.md has them, for the user who reads it.
fn prepare(debian: &Debian) {
    let folder = debian.path("/root/target/packages");
    fs::create_dir_all(&folder).expect("a folder");
    for package in Packages::built().current {
        let name = package.file_name().expect("a name").to_owned();
        fs::copy(&package, folder.join(name)).expect("a copy");
    }
    let _ = debian.output("echo 'APT::Get::Assume-Yes \"true\";' >/etc/apt/apt.conf.d/yes");
    let _ = debian.output("useradd -m -s /bin/bash reader");
}

/// Runs commands of one user and compares their output.
fn run(debian: &Debian, steps: &[Step]) {
    let mut script = format!("export TELARCH_PASSWORD='{PASSWORD}'\n");
    for step in steps {
        // `$?` of the next command is that of this one.
        script.push_str(&format!("{}\nstatus=$?; echo \"{MARK}$status\"; (exit $status)\n", step.script()));
    }
    let user = if steps.first().is_some_and(|step| step.user == User::Root) { "root" } else { "reader" };
    let ended = debian.script(user, &format!("exec 2>&1 </dev/null\n{script}"));
    let shown = String::from_utf8_lossy(&ended.stdout).into_owned();
    let mut outputs = shown.split(MARK);
    let mut output = outputs.next().unwrap_or_default().to_owned();
    for (number, step) in steps.iter().enumerate() {
        let (status, next) = outputs.next().and_then(|rest| rest.split_once('\n')).unwrap_or_default();
        // The status is shown by the command after it, if there is one that asks for it.
        let asks = steps.get(number + 1).is_some_and(|next| next.command == "echo $?");
        assert!(status == "0" || asks, "{}: status {status}: {output}\n{shown}", step.command);
        if !step.expected.is_empty() && !matches!(step.way(), Way::Not) {
            let printed: Vec<&str> = output.lines().collect();
            assert_eq!(printed, step.expected, "{}", step.command);
        }
        output = next.to_owned();
    }
}

/// Runs the examples of Python against the service that the commands have started.
fn check_python(readme: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("examples.txt");
    let examples: Vec<&str> = blocks(readme).into_iter().filter(|block| block.starts_with(">>>")).collect();
    assert!(!examples.is_empty(), "README.md has examples of Python");
    fs::write(&file, format!(">>> password = {PASSWORD:?}\n{}", examples.concat())).expect("a file");
    let _ = succeed(Command::new(python_of_peers()).args(["-m", "doctest"]).arg(&file));
}

const PASSWORD: &str = "Reader:secret1";
const MARK: &str = "@@@ ";
