//! `telarch mofcomp`: compiles texts of MOF into the repository of WMI, and prints what is in it.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cim::Namespace;
use lexopt::{Arg, Parser, ValueExt as _};
use repository::{ClassFlags, Compiler, Contents, Error, Report, Repository};

use cli_command::Failure;
use cli_command::{Subcommand, paths};

/// The command `telarch mofcomp`.
pub const SUBCOMMAND: Subcommand = Subcommand {
    name: "mofcomp",
    about: "compile classes and instances of WMI, or print those that were added",
    help: HELP,
    run,
};

/// What the command line asks for.
#[derive(Debug, Default)]
struct Invocation {
    files: Vec<PathBuf>,
    namespace: Option<Namespace>,
    flags: ClassFlags,
    task: Task,
    /// The file of the repository, if it is not the usual one.
    repository: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Task {
    #[default]
    Compile,
    Check,
    Export,
}

fn run(parser: Parser) -> Result<String, Failure> {
    let Some(invocation) = Invocation::parse(parser)? else { return Ok(HELP.to_owned()) };
    if invocation.task == Task::Export {
        return Ok(invocation.open()?.export(invocation.namespace.as_ref()));
    }
    // Classes of a text without a namespace go where mofcomp of Windows puts them.
    let namespace = invocation.namespace.clone().map_or_else(|| Namespace::parse("root/default"), Ok);
    let mut compiler = Compiler::new(namespace.map_err(failed)?).class_flags(invocation.flags);
    for file in &invocation.files {
        if file == Path::new("-") {
            let mut octets = Vec::new();
            let most = 2 * cim::mof::MAX_TEXT as u64 + 1;
            io::stdin().lock().take(most).read_to_end(&mut octets).map_err(failed)?;
            compiler.octets(Path::new("standard input"), &octets).map_err(repository_failure)?;
        } else {
            compiler.file(file).map_err(repository_failure)?;
        }
    }
    let repository = invocation.open()?;
    let report = if invocation.task == Task::Check {
        compiler.apply(&mut Contents::clone(&repository.contents())).map_err(repository_failure)?
    } else {
        repository.update(|contents| compiler.apply(contents)).map_err(repository_failure)?
    };
    Ok(told(&report, invocation.task))
}

fn told(report: &Report, task: Task) -> String {
    let counted = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let done = if task == Task::Check { "would be compiled" } else { "compiled" };
    let mut text = format!(
        "{} and {} {done}",
        counted(report.classes, "class", "classes"),
        counted(report.instances, "instance", "instances")
    );
    if report.removed > 0 {
        text += &format!(", {} removed", report.removed);
    }
    if report.same > 0 {
        text += &format!(", {} the same as before", report.same);
    }
    text.push('\n');
    if let Some(first) = report.builtin.first() {
        let others = match report.builtin.len() {
            1 => String::new(),
            count => format!(" and {} others", count - 1),
        };
        text += &format!("note: {first}{others} come with the system and stay as they are\n");
    }
    for note in &report.notes {
        text += &format!("note: {note}\n");
    }
    text
}

impl Invocation {
    /// Reads what follows the word `mofcomp`; none if it asks for help.
    fn parse(mut parser: Parser) -> Result<Option<Self>, Failure> {
        let mut invocation = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(file) => invocation.files.push(file.into()),
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Short('n') | Arg::Long("namespace") => {
                    let text = parser.value()?.string()?;
                    invocation.namespace = Some(Namespace::parse(&text).map_err(wrong)?);
                }
                Arg::Long("class") => invocation.flags = flags(&parser.value()?.string()?)?,
                Arg::Long("check") => invocation.task = Task::Check,
                Arg::Long("export") => invocation.task = Task::Export,
                Arg::Long("repository") => invocation.repository = Some(parser.value()?.into()),
                other => return Err(wrong(other.unexpected())),
            }
        }
        match (invocation.task, invocation.files.as_slice()) {
            (Task::Export, []) => Ok(Some(invocation)),
            (Task::Export, _) => Err(wrong("--export prints what there is, and takes no files")),
            (_, []) => Ok(None),
            _ => Ok(Some(invocation)),
        }
    }

    fn open(&self) -> Result<Repository, Failure> {
        let path = match &self.repository {
            Some(path) => path.clone(),
            None => paths::repository(match self.task {
                Task::Compile => paths::IfMissing::Make,
                Task::Check | Task::Export => paths::IfMissing::Leave,
            })?,
        };
        // Where there is no folder yet there is nothing in it.
        let is_new = self.task != Task::Compile && path.parent().is_some_and(|folder| !folder.exists());
        if is_new { Ok(Repository::in_memory()) } else { Repository::open(&path).map_err(repository_failure) }
    }
}

fn flags(text: &str) -> Result<ClassFlags, Failure> {
    match text {
        "safeupdate" => Ok(ClassFlags::SafeUpdate),
        "createonly" => Ok(ClassFlags::CreateOnly),
        "updateonly" => Ok(ClassFlags::UpdateOnly),
        "forceupdate" => Ok(ClassFlags::ForceUpdate),
        other => Err(wrong(format!(
            "--class: {other:?} is none of safeupdate, createonly, updateonly and forceupdate"
        ))),
    }
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("mofcomp: {what}"), "telarch mofcomp --help shows whole command lines")
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

pub(crate) fn repository_failure(error: Error) -> Failure {
    match &error {
        Error::File(config::StoreError::Disk { source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            Failure::failed(error, "run this as root, or name a file of your own with --repository")
        }
        _ => Failure::Failed(error.to_string()),
    }
}

const HELP: &str = r#"telarch mofcomp: compile classes and instances of WMI, or print those that were added.

Examples:
  telarch mofcomp site.mof
  telarch mofcomp --check --namespace root/cimv2 site.mof
  telarch mofcomp --export > backup.mof

  #pragma namespace("\\\\.\\root\\cimv2")
  class Site_Room { [Key] string Name; uint32 Seats = 4; };
  instance of Site_Room { Name = "Oslo"; };

Options:
  -n, --namespace NS   where classes belong whose text does not say so (root/default), or what to export
  --class FLAGS        what to do with classes that there are already: safeupdate replaces those whose subclasses and
                       instances fit the new one, and is the default; createonly replaces none, updateonly makes none,
                       forceupdate removes what does not fit
  --check              say what would be done, and do nothing
  --export             print what was added, as MOF that compiles to the same
  --repository PATH    the file of the repository. If left away, /var/lib/telarch/repository.mof for root, and
                       telarch/repository.mof in $XDG_STATE_HOME or ~/.local/state for others
  -h, --help           print this text

Everything is compiled or, after an error, nothing. A file named - is standard input; texts are UTF-8, or UTF-16 with a
byte order mark. These pragmas count: namespace, include, deleteclass, deleteinstance, classflags, instanceflags and
amendment; autorecover is not needed, because everything is kept.
A service notices a change by itself. Who may change the repository through a service is said by the descriptor of the
namespace; here it is whoever may write the file.
The exit status is 0, 1 if something is wrong with a text or a file, and 2 if the command line was not understood.
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Invocation>, Failure> {
        Invocation::parse(Parser::from_args(arguments))
    }

    #[test]
    fn options_stand_anywhere() {
        for arguments in [
            ["a.mof", "--check", "-n", "root\\Site", "--class", "createonly"],
            ["--class", "createonly", "-n", "root/site", "--check", "a.mof"],
        ] {
            let Ok(Some(invocation)) = parse(&arguments) else { panic!("{arguments:?}") };
            assert_eq!((invocation.task, invocation.flags), (Task::Check, ClassFlags::CreateOnly));
            assert_eq!(
                invocation.namespace.map(|namespace| namespace.to_string()).as_deref(),
                Some("root/site")
            );
        }
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&["a.mof", "--help"]), Ok(None)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (arguments, part) in [
            (&["--export", "a.mof"][..], "takes no files"),
            (&["--class", "x", "a.mof"], "\"x\" is none of"),
            (&["-n", "root//x", "a.mof"], "not a namespace"),
            (&["--chek", "a.mof"], "--chek"),
        ] {
            let failure = parse(arguments).map(|_| ()).expect_err("a wrong command line").to_string();
            assert!(failure.contains(part), "{failure} does not name {part}");
        }
    }
}
