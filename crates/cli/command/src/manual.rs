//! The manual page `telarch(1)` in roff (man(7)), made from the command table.

use cli::man::escape_inside;

use crate::program::Program;
use crate::table::Command;

impl Program {
    /// The manual page in roff.
    #[must_use]
    pub fn manual(&self) -> String {
        page(self, self.version)
    }
}

fn page(program: &Program, version: &str) -> String {
    let mut page = Page(format!(".TH TELARCH 1 \"\" \"Telarch {version}\"\n"));
    page.section("NAME");
    page.line(&format!("telarch - {}", program.about));
    page.section("SYNOPSIS");
    page.line("telarch COMMAND [ARGUMENT...]");
    page.section("COMMANDS");
    for command in program.commands {
        page.item(command.name, command.about);
    }
    page.section("EXAMPLES");
    page.literal(&program.examples.join("\n"));
    for command in program.commands.iter().flat_map(|command| command.with_subcommands()) {
        page.command(command);
    }
    page.0
}

struct Page(String);

impl Page {
    fn command(&mut self, command: &Command) {
        self.section(&format!("TELARCH {}", command.name.to_uppercase()));
        self.line(&format!("telarch {}: {}", command.name, command.about));
        self.literal(&command.usages().join("\n"));
        if !command.examples.is_empty() {
            self.subsection("Examples");
            self.literal(&command.examples.join("\n"));
        }
        self.subsection("Actions and arguments");
        for action in command.listed_actions() {
            for (parameters, about) in action.forms {
                self.item(format!("{} {parameters}", action.name).trim(), about);
            }
        }
        self.subsection("Options");
        for option in command.options {
            self.item(&option.usage(), &option.description());
        }
        self.item("-h, --help", "print help");
        self.subsection("Notes");
        for note in command.notes.iter().copied().chain([command.exit_status().as_str()]) {
            if note.starts_with("  ") {
                self.literal(note);
            } else {
                self.0.push_str(".PP\n");
                self.line(note);
            }
        }
    }

    fn section(&mut self, title: &str) {
        self.0.push_str(&format!(".SH {title}\n"));
    }

    fn subsection(&mut self, title: &str) {
        self.0.push_str(&format!(".SS {title}\n"));
    }

    fn item(&mut self, term: &str, text: &str) {
        self.0.push_str(&format!(".TP\n\\fB{}\\fR\n", escape_inside(term)));
        self.line(text);
    }

    fn literal(&mut self, text: &str) {
        self.0.push_str(".PP\n.nf\n");
        text.lines().for_each(|line| self.line(line));
        self.0.push_str(".fi\n");
    }

    /// A line of text; a dot or quotation mark at its beginning would be a request.
    fn line(&mut self, text: &str) {
        let guard = if text.starts_with(['.', '\'']) { "\\&" } else { "" };
        self.0.push_str(&format!("{guard}{}\n", escape_inside(text)));
    }
}
