//! The verdict of the parser is that of Apache, for files with random mistakes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, thread};

use telarch_apache::{Document, SyntaxProblem};

/// Folder of the modules of Debian.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Parts of a file. They write no files and open no sockets.
const PARTS: &[&str] = &[
    "<VirtualHost *:80>\n    ServerName a.example\n    ServerAlias \"b.example\" 'c.example' \\\n        d.example\n</VirtualHost>\n",
    "# A comment \\\n of two lines <x>\nAlias \"/a b\" /srv/a\\\\b\n",
    "<Directory \"/srv/www\">\n    <RequireAny>\n        Require all granted\n        Require all denied\n    </RequireAny>\n</Directory>\n",
    "<IfModule alias_module>\n    Redirect 301 /old \"http://example.com/new\"\n</IfModule>\n",
    "<Location /x>\n\tRequire all denied\n</Location>\nServerName localhost\nUseCanonicalName Off\n",
    "<IfModule core.c>\n<Files \"*.txt\">\n    Require all granted\n</Files>\n</IfModule>\nTimeout 60\n",
    "LogFormat \"%h \\\"%r\\\" %>s\" short\nDefine NAME value\nServerAdmin ${NAME}@example.com\n",
];

/// Bytes with a meaning, inserted more often than others.
const SPECIAL: &[&[u8]] = &[
    b"<",
    b">",
    b"</",
    b"\"",
    b"'",
    b"\\",
    b"#",
    b"$",
    b"${",
    b"\\\n",
    b"\\\r\n",
    b" ",
    b"\n",
    b"\t",
    b"\r",
    b"a",
    b"</Directory>\n",
    b"<Location />\n",
    b"</IfModule>\n",
    b"\x0b",
    b"\xff",
    b"/",
    b"\"<",
    b"</>",
];

/// Random numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// Verdicts over many files.
#[derive(Default)]
struct Counts {
    accepted: usize,
    structure: usize,
    other: usize,
}

#[test]
fn thousands_of_mutated_files_have_the_verdict_of_apache() {
    let Some(apache) = apache() else {
        skips::skip!("Apache is missing: apt-get install apache2-bin");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let threads = thread::available_parallelism().map_or(2, usize::from).min(8);
    let counts: Vec<Counts> = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                let (apache, folder) = (apache.as_path(), folder.path().join(thread.to_string()));
                scope.spawn(move || compare(apache, &folder, thread, 1_200 / threads))
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let accepted: usize = counts.iter().map(|count| count.accepted).sum();
    let structure: usize = counts.iter().map(|count| count.structure).sum();
    let other: usize = counts.iter().map(|count| count.other).sum();
    assert!(
        accepted > 100 && structure > 100 && other > 100,
        "accepted {accepted}, structure {structure}, other {other}"
    );
}

fn compare(apache: &Path, folder: &Path, thread: usize, count: usize) -> Counts {
    fs::create_dir_all(folder).unwrap();
    let mut random = Random(u64::try_from(thread).unwrap() * 7_919 + 1);
    let mut counts = Counts::default();
    for _ in 0..count {
        let text = mutated(folder, &mut random);
        check(apache, folder, &text, &mut counts);
    }
    counts
}

/// Compares the verdicts over a file.
fn check(apache: &Path, folder: &Path, text: &[u8], counts: &mut Counts) {
    let path = folder.join("apache2.conf");
    fs::write(&path, text).unwrap();
    let ours = Document::parse(text);
    if let Ok(document) = &ours {
        assert_eq!(document.text(), text);
    }
    let output = Command::new(apache).arg("-t").arg("-d").arg(folder).arg("-f").arg(&path).output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown = String::from_utf8_lossy(text).into_owned();
    if output.status.success() {
        counts.accepted += 1;
        match &ours {
            Ok(_) => {}
            // Stricter than Apache, so that added lines never continue others and sections end in their file.
            Err(error) if error.problem == SyntaxProblem::UnendedLine => {}
            Err(error) => match &error.problem {
                SyntaxProblem::UnendedSection(name) if name.eq_ignore_ascii_case("IfModule") => {}
                _ => panic!("Apache accepts, but {error}\n{shown}"),
            },
        }
        return;
    }
    let is_structure = ["without matching <", "missing closing '>'", "Expected </", "was not closed."]
        .iter()
        .any(|part| messages.contains(part));
    if !is_structure {
        counts.other += 1;
        return;
    }
    counts.structure += 1;
    let Err(error) = ours else { panic!("Apache: {messages}, but the parser accepts\n{shown}") };
    // Apache stops at the first error of the structure, unless an unknown directive or a condition comes first.
    let is_end = messages.contains("without matching") || messages.contains("but saw");
    let line =
        messages.split_once("on line ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u32>().ok());
    // In a section whose condition does not hold, Apache reports the line of its start.
    let has_condition = shown.contains("<If");
    if is_end && !has_condition && !matches!(error.problem, SyntaxProblem::MissingBracket(_)) {
        assert_eq!(Some(error.line), line, "Apache: {messages}, parser: {error}\n{shown}");
    }
}

fn mutated(folder: &Path, random: &mut Random) -> Vec<u8> {
    let mut parts = Vec::new();
    for _ in 0..=random.below(3) {
        parts.extend(PARTS[random.below(PARTS.len())].as_bytes());
    }
    for _ in 0..random.below(3) {
        let at = random.below(parts.len() + 1);
        match random.below(4) {
            0 if at < parts.len() => {
                parts.remove(at);
            }
            1 => {
                let end = (at + random.below(12)).min(parts.len());
                let copied = parts[at..end].to_vec();
                let target = random.below(parts.len() + 1);
                parts.splice(target..target, copied);
            }
            _ => {
                let inserted = SPECIAL[random.below(SPECIAL.len())];
                parts.splice(at..at, inserted.iter().copied());
            }
        }
    }
    [head(folder).as_bytes(), &parts].concat()
}

/// Returns the beginning of a file, with all written files below a folder.
fn head(folder: &Path) -> String {
    let folder = folder.display();
    let modules = ["mpm_event", "authz_core", "authz_host", "alias"]
        .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
        .concat();
    format!(
        "ServerRoot \"{folder}\"\nPidFile {folder}/pid\nErrorLog {folder}/error.log\nServerName localhost\nListen 127.0.0.1:80\n{modules}"
    )
}

fn apache() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("apache2")).find(|program| program.is_file());
    found.filter(|_| Path::new(MODULES).is_dir())
}
