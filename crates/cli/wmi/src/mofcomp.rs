//! `telarch mofcomp`: compiles MOF into the WMI repository, and exports the repository.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cim::Namespace;
use cli_command::{Action, Arguments, Command, Failure, Keyword, Opt, Value, keywords, paths};
use repository::{ClassFlags, Compiler, Contents, Error, Report, Repository};

/// The command `telarch mofcomp`.
pub static MOFCOMP: Command =
    Command::new("mofcomp", "compile MOF into the WMI repository, or export the repository", run)
        .examples(&[
            "telarch mofcomp site.mof",
            "telarch mofcomp --check --namespace root/cimv2 site.mof",
            "telarch mofcomp --export > backup.mof",
        ])
        .actions(&[Action::default(&[("FILE...", "MOF files; - is standard input")]).takes_any()])
        .options(&[&NAMESPACE, &CLASS, &CHECK, &EXPORT, &REPOSITORY])
        .exclusive(&[&[&CHECK, &EXPORT]])
        .notes(&[
            "Example of a file:",
            r#"  #pragma namespace("\\\\.\\root\\cimv2")
  class Site_Room { [Key] string Name; uint32 Seats = 4; };
  instance of Site_Room { Name = "Oslo"; };"#,
            "Files are compiled completely or, after an error, not at all. They are UTF-8, or UTF-16 with a byte order \
             mark. The pragmas namespace, include, deleteclass, deleteinstance, classflags, instanceflags and amendment \
             are supported; autorecover is ignored, because the repository is permanent.",
            "A running service detects the change. Over the network, the descriptor of the namespace controls who may \
             change the repository; here, the permissions of the file do.",
        ]);

static NAMESPACE: Opt = Opt::new(
    "namespace",
    Value::Text("NAMESPACE"),
    "namespace of classes whose file names none (default: root/default); with --export, the namespace to export",
)
.short('n');
static CLASS: Opt = Opt::new(
    "class",
    Value::OneOf("FLAG", keywords::<ClassUpdate>),
    "how to treat classes that exist: safeupdate (default) replaces a class if its subclasses and instances fit the new \
     one, createonly replaces none, updateonly creates none, forceupdate removes subclasses and instances that do not fit",
);
static CHECK: Opt = Opt::new("check", Value::None, "report what would be done, and change nothing");
static EXPORT: Opt = Opt::new(
    "export",
    Value::None,
    "print the contents of the repository as MOF that compiles to the same contents",
);
static REPOSITORY: Opt = Opt::new(
    "repository",
    Value::Path("PATH"),
    "repository file (default: /var/lib/telarch/repository.mof for root, and telarch/repository.mof in $XDG_STATE_HOME \
     or ~/.local/state for others)",
);

/// Rule for classes that exist already.
#[derive(Clone, Copy)]
struct ClassUpdate(ClassFlags);

impl Keyword for ClassUpdate {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("safeupdate", Self(ClassFlags::SafeUpdate)),
        ("createonly", Self(ClassFlags::CreateOnly)),
        ("updateonly", Self(ClassFlags::UpdateOnly)),
        ("forceupdate", Self(ClassFlags::ForceUpdate)),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Compile,
    Check,
    Export,
}

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let task = match (arguments.is_given(&CHECK), arguments.is_given(&EXPORT)) {
        (true, _) => Task::Check,
        (_, true) => Task::Export,
        _ => Task::Compile,
    };
    let files = arguments.words();
    match (task, files.is_empty()) {
        (Task::Export, false) => return Err(arguments.usage_error("--export takes no files")),
        (Task::Compile | Task::Check, true) => return Err(arguments.usage_error("no file given")),
        _ => {}
    }
    let namespace = namespace(arguments)?;
    let open = || open_repository(arguments.path(&REPOSITORY), task);
    if task == Task::Export {
        return Ok(open()?.export(namespace.as_ref()));
    }
    // The default namespace is that of mofcomp on Windows.
    let namespace = namespace.map_or_else(|| Namespace::parse("root/default"), Ok);
    let ClassUpdate(flags) = arguments.keyword(&CLASS).unwrap_or(ClassUpdate(ClassFlags::default()));
    let mut compiler = Compiler::new(namespace.map_err(failed)?).class_flags(flags);
    for file in files {
        add_file(&mut compiler, Path::new(file))?;
    }
    let repository = open()?;
    let report = if task == Task::Check {
        compiler.apply(&mut Contents::clone(&repository.contents()))
    } else {
        repository.update(|contents| compiler.apply(contents))
    };
    Ok(summary(&report.map_err(repository_failure)?, task))
}

fn namespace(arguments: &Arguments) -> Result<Option<Namespace>, Failure> {
    let namespace = arguments.text(&NAMESPACE)?.map(Namespace::parse).transpose();
    namespace.map_err(|error| arguments.usage_error(error))
}

fn add_file(compiler: &mut Compiler, file: &Path) -> Result<(), Failure> {
    if file != Path::new("-") {
        return compiler.file(file).map_err(repository_failure);
    }
    let mut bytes = Vec::new();
    let limit = 2 * cim::mof::MAX_TEXT as u64 + 1;
    io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(failed)?;
    compiler.octets(Path::new("standard input"), &bytes).map_err(repository_failure)
}

fn open_repository(path: Option<PathBuf>, task: Task) -> Result<Repository, Failure> {
    let path = match path {
        Some(path) => path,
        None => paths::repository(match task {
            Task::Compile => paths::IfMissing::Create,
            Task::Check | Task::Export => paths::IfMissing::Leave,
        })?,
    };
    // A repository whose directory does not exist is empty.
    let is_missing = task != Task::Compile && path.parent().is_some_and(|directory| !directory.exists());
    if is_missing { Ok(Repository::in_memory()) } else { Repository::open(&path).map_err(repository_failure) }
}

/// Returns what was compiled, and notes about it.
fn summary(report: &Report, task: Task) -> String {
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
        text += &format!(", {} unchanged", report.same);
    }
    text.push('\n');
    if let Some(first) = report.builtin.first() {
        let others = match report.builtin.len() {
            1 => String::new(),
            count => format!(" and {} others", count - 1),
        };
        text += &format!("note: {first}{others} are built in and were not changed\n");
    }
    for note in &report.notes {
        text += &format!("note: {note}\n");
    }
    text
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// Adds what to do if the repository file is not accessible.
pub(crate) fn repository_failure(error: Error) -> Failure {
    match &error {
        Error::File(config::StoreError::Disk { source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            Failure::failed(error, "run this as root, or select another file with --repository")
        }
        _ => Failure::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Arguments>, Failure> {
        Arguments::parse_words(&MOFCOMP, words)
    }

    #[test]
    fn options_are_accepted_in_any_order() {
        for words in [
            ["a.mof", "--check", "-n", "root\\Site", "--class", "createonly"],
            ["--class", "createonly", "-n", "root/site", "--check", "a.mof"],
        ] {
            let arguments = parse(&words).ok().flatten().expect("a valid command line");
            assert!(arguments.is_given(&CHECK));
            let flags = arguments.keyword(&CLASS).map(|ClassUpdate(flags)| flags);
            assert_eq!(flags, Some(ClassFlags::CreateOnly));
            let namespace = namespace(&arguments).ok().flatten();
            assert_eq!(namespace.map(|namespace| namespace.to_string()).as_deref(), Some("root/site"));
        }
        assert!(matches!(parse(&[]), Ok(None)));
        assert!(matches!(parse(&["a.mof", "--help"]), Ok(None)));
    }

    #[test]
    fn invalid_command_lines_are_rejected() {
        for (words, part) in [
            (&["--export", "a.mof"][..], "takes no files"),
            (&["--check"], "no file given"),
            (&["--check", "--export"], "--check and --export are mutually exclusive"),
            (&["--class", "x", "a.mof"], "invalid value \"x\""),
            (&["-n", "root//x", "a.mof"], "invalid namespace \"root//x\""),
            (&["--chek", "a.mof"], "unknown option --chek; did you mean --check?"),
        ] {
            let result = parse(words).and_then(|arguments| run(&arguments.expect("no request for help")));
            let failure = result.expect_err("an invalid command line").to_string();
            assert!(failure.contains(part), "{failure} does not contain {part}");
        }
    }
}
