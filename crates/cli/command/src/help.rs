//! Help texts, made from the command table.

use crate::table::Command;

/// Greatest width of a line of help.
const WIDTH: usize = 100;
/// Width of the column with names and parameters.
const COLUMN: usize = 22;

impl Command {
    /// The text that `--help` prints.
    #[must_use]
    pub fn help(&self) -> String {
        let Self { name, about, .. } = self;
        let mut text = format!("telarch {name}: {about}\n\nUsage:\n");
        for usage in self.usages() {
            text += &format!("  {usage}\n");
        }
        if !self.examples.is_empty() {
            text += "\nExamples:\n";
            self.examples.iter().for_each(|example| text += &format!("  {example}\n"));
        }
        if self.listed_actions().next().is_some() {
            let has_names = self.listed_actions().any(|action| !action.name.is_empty());
            text += if has_names { "\nActions:\n" } else { "\nArguments:\n" };
            for action in self.listed_actions() {
                for (parameters, about) in action.forms {
                    text += &row(format!("{} {parameters}", action.name).trim(), about);
                }
            }
            for subcommand in self.subcommands {
                let about = format!("{}; see telarch {} --help", subcommand.about, subcommand.name);
                text += &row(&format!("{} ACTION", subcommand.last_word()), &about);
            }
        }
        text += "\nOptions:\n";
        for option in self.options {
            text += &row(&option.usage(), &option.description());
        }
        text += &row("-h, --help", "print this help");
        for note in self.notes {
            text += &format!("\n{}", paragraph(note));
        }
        text + &format!("\n{}", paragraph(&self.exit_status()))
    }

    /// Forms of a whole command line.
    pub(crate) fn usages(&self) -> Vec<String> {
        let names = self.listed_actions().filter(|action| !action.name.is_empty()).count();
        let defaults = self.listed_actions().filter(|action| action.name.is_empty());
        let mut parameters: Vec<&str> =
            defaults.flat_map(|action| action.forms.iter().map(|(parameters, _)| *parameters)).collect();
        parameters.retain(|parameters| !parameters.starts_with('('));
        if names + self.subcommands.len() > 0 {
            parameters.push("ACTION [PARAMETER...]");
        }
        parameters
            .iter()
            .map(|parameters| format!("telarch {} {parameters} [OPTION...]", self.name))
            .collect()
    }

    pub(crate) fn exit_status(&self) -> String {
        format!("Exit status: 0 on success, 1 for {}, 2 for an invalid command line.", self.failure)
    }
}

/// Formats a list entry: a name, and its description in a column of its own.
pub(crate) fn row(name: &str, about: &str) -> String {
    let indent = COLUMN + 4;
    let lines = wrapped(about, WIDTH - indent);
    let mut text = String::new();
    let mut lines = lines.iter();
    if name.chars().count() <= COLUMN {
        let first = lines.next().map_or("", String::as_str);
        text += format!("  {name:<COLUMN$}  {first}").trim_end();
        text += "\n";
    } else {
        text += &format!("  {name}\n");
    }
    for line in lines {
        text += &format!("{:indent$}{line}\n", "");
    }
    text
}

/// Formats a paragraph, which is wrapped unless it begins with two spaces.
pub(crate) fn paragraph(text: &str) -> String {
    if text.starts_with("  ") {
        return format!("{text}\n");
    }
    wrapped(text, WIDTH).iter().map(|line| format!("{line}\n")).collect()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::{Action, Command, Opt, Scope, Value};

    static KIND: Opt = Opt::new("kind", Value::Text("KIND"), "kind of greeting (default: short)")
        .short('k')
        .only_with(&[Scope::Action("say")]);
    static GREET: Command = Command::new("greet", "greet someone", |_| Ok(String::new()))
        .examples(&["telarch greet say ann"])
        .actions(&[
            Action::new("say", &[("NAME", "greet NAME"), ("all", "greet everyone")]).takes(1, 1),
            Action::new("secret", &[("", "a hidden action")]).hidden(),
        ])
        .options(&[&KIND])
        .notes(&["Greetings are polite.", "  code"]);

    #[test]
    fn help_lists_actions_options_and_notes() {
        let expected = "\
telarch greet: greet someone

Usage:
  telarch greet ACTION [PARAMETER...] [OPTION...]

Examples:
  telarch greet say ann

Actions:
  say NAME                greet NAME
  say all                 greet everyone

Options:
  -k, --kind KIND         with say: kind of greeting (default: short)
  -h, --help              print this help

Greetings are polite.

  code

Exit status: 0 on success, 1 for a failure, 2 for an invalid command line.
";
        assert_eq!(GREET.help(), expected);
    }

    #[test]
    fn long_descriptions_are_wrapped_in_their_column() {
        let row = super::row("name", &"word ".repeat(30));
        assert!(row.lines().all(|line| line.chars().count() <= super::WIDTH), "{row}");
        assert!(row.lines().skip(1).all(|line| line.starts_with(&" ".repeat(26))), "{row}");
        let long = super::row("--a-very-long-option VALUE", "about");
        assert_eq!(long, format!("  --a-very-long-option VALUE\n{}about\n", " ".repeat(26)));
    }
}
