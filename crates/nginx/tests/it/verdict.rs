//! The verdict of the parser is that of nginx, for files with random mistakes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, thread};

use telarch_nginx::{Document, SyntaxError};

/// Parts of a file in the block `http`. They write no files and open no sockets.
const PARTS: &[&str] = &[
    "map $http_host $name {\n    default 0;\n    example.com 1; # comment\n    \"~^www\\d+\" \"a;b\";\n    '' 'c\\'d';\n}\n",
    "types {\n    text/html html htm;\n    # image/gif gif;\n    \"text/css\" css;\n}\n",
    "server {\n    server_name a.example \"b.example\" 'c.example';\n    location / {\n        return 200 \"a{b}c\";\n    }\n}\n",
    "server {\n    server_name ~^(?<x>.+)\\.example$;\n    add_header X-A \"${host}x\" always;\n    location ~ \"^/\\d{3}$\" { return 204; }\n}\n",
    "split_clients \"${remote_addr}AAA\" $variant {\n    0.5% .one;\n    2.0% .two;\n    * \"\";\n}\n",
    "geo $geo {\n    default 0;\n    10.0.0.0/8 1;\n}\n",
    "log_format main '$remote_addr - $remote_user [$time_local] \"$request\" '\n    '$status $body_bytes_sent';\n",
    "upstream pool {\n    server 127.0.0.1:9000 weight=2; # first\n    server 127.0.0.1:9001 backup;\n}\n",
];

/// Bytes with a meaning, inserted more often than others.
const SPECIAL: &[&[u8]] = &[
    b";", b"{", b"}", b"\"", b"'", b"\\", b"#", b"$", b"${", b")", b" ", b"\n", b"\t", b"\r", b"a", b"\\n",
    b"\\\"", b";;", b"{}", b"\"\"", b"\0", b"\xff", b"\"x\"y", b"'a')b",
];

/// Random numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

#[test]
fn thousands_of_mutated_files_have_the_verdict_of_nginx() {
    let Some(nginx) = nginx() else {
        skips::skip!("nginx is missing: apt-get install nginx-light");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let threads = thread::available_parallelism().map_or(2, usize::from).min(8);
    let each = 2_400 / threads;
    let counts: Vec<[usize; 3]> = thread::scope(|scope| {
        let run = |thread: usize| {
            let (nginx, folder) = (nginx.clone(), folder.path().join(thread.to_string()));
            move || compare(&nginx, &folder, thread, each)
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(run(thread))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let sum = |index: usize| counts.iter().map(|count| count[index]).sum::<usize>();
    let (accepted, syntax, other) = (sum(0), sum(1), sum(2));
    assert!(
        accepted > 300 && syntax > 300 && other > 50,
        "accepted {accepted}, syntax {syntax}, other {other}"
    );
}

/// Compares the verdicts over `count` files. Returns how many nginx accepted, rejected for their syntax, and rejected for
/// another reason.
fn compare(nginx: &Path, folder: &Path, thread: usize, count: usize) -> [usize; 3] {
    fs::create_dir_all(folder).unwrap();
    let mut random = Random(u64::try_from(thread).unwrap() * 7_919 + 1);
    let mut counts = [0; 3];
    for _ in 0..count {
        let text = mutated(folder, &mut random);
        counts[check(nginx, folder, &text)] += 1;
    }
    counts
}

#[test]
fn limits_of_words_and_comments_are_those_of_nginx() {
    let Some(nginx) = nginx() else {
        skips::skip!("nginx is missing: apt-get install nginx-light");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let head = head(folder.path());
    for length in [4_090, 4_094, 4_095, 4_096, 4_097, 5_000, 9_000] {
        let long = "a".repeat(length);
        for rest in [
            format!("server_tokens off; # {long}\n}}"),
            format!("server_tokens off; # {long}"),
            format!("#{long}\nserver_tokens off; }}"),
            format!("log_format x \"{long}\"; }}"),
            format!("log_format x '{long}' y; }}"),
            format!("log_format x {long}; }}"),
            format!("log_format x {long}"),
            format!("log_format x \"{long}"),
            format!("{} log_format x y; }}", " ".repeat(length)),
            format!("log_format x \"{}\"   ; }}", "b".repeat(length - 3)),
        ] {
            check(&nginx, folder.path(), format!("{head}{rest}").as_bytes());
        }
    }
}

/// Compares the verdicts over a file. Returns 0 if nginx accepts it, 1 for a syntax error, 2 for another error.
fn check(nginx: &Path, folder: &Path, text: &[u8]) -> usize {
    let path = folder.join("nginx.conf");
    fs::write(&path, text).unwrap();
    let ours = Document::parse(text);
    if let Ok(document) = &ours {
        assert_eq!(document.text(), text);
    }
    let output = Command::new(nginx)
        .args(["-t", "-e", "stderr", "-p"])
        .arg(folder)
        .arg("-c")
        .arg(&path)
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown = String::from_utf8_lossy(text).into_owned();
    if output.status.success() {
        assert!(ours.is_ok(), "nginx accepts, but {ours:?}\n{shown}");
        return 0;
    }
    let emerg =
        messages.lines().find_map(|line| line.split_once("[emerg] ")).map_or("", |(_, message)| message);
    // With a log on standard error, PID and thread come first.
    let emerg = emerg
        .split_once("#")
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or(emerg, |(_, message)| message);
    let place = format!(" in {}:", path.display());
    let (message, line) = match emerg.rsplit_once(&place) {
        Some((message, line)) => (message, line.trim().parse::<u32>().ok()),
        None => (emerg, None),
    };
    let is_syntax = ["unexpected \"", "unexpected end of file", "too long parameter"]
        .iter()
        .any(|start| message.starts_with(start));
    if is_syntax {
        let Err(SyntaxError { line: ours, problem }) = ours else {
            panic!("nginx: {emerg}, but the parser accepts\n{shown}");
        };
        assert_eq!(Some(ours), line, "nginx: {emerg}, parser: {problem}\n{shown}");
        if message.is_ascii() && !message.contains('\\') && message.chars().all(|c| !c.is_control()) {
            assert_eq!(problem.to_string(), message, "{shown}");
        }
        return 1;
    }
    // nginx stops at the first error, so the parser may only find one in the same line or below.
    if let (Err(ours), Some(line)) = (&ours, line) {
        assert!(ours.line >= line, "nginx: {emerg}, parser: {ours}\n{shown}");
    }
    2
}

fn mutated(folder: &Path, random: &mut Random) -> Vec<u8> {
    let mut parts = Vec::new();
    for _ in 0..=random.below(3) {
        parts.extend(PARTS[random.below(PARTS.len())].as_bytes());
    }
    for _ in 0..random.below(4) {
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
    [head(folder).as_bytes(), &parts, b"}\n"].concat()
}

/// Returns the beginning of a file, with all written files below a folder.
fn head(folder: &Path) -> String {
    let folder = folder.display();
    let mut text = format!(
        "pid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\nserver_names_hash_bucket_size 256;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        text.push_str(&format!("{kind}_temp_path {folder}/{kind};\n"));
    }
    text
}

fn nginx() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("nginx")).find(|program| program.is_file())
}
