//! Files that a process has mapped to execute them (proc_pid_maps(5)).

use std::collections::BTreeMap;

use crate::Machine;

/// A program or library in the memory of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Path of the file.
    pub path: String,
    /// Lowest address at which the file is mapped.
    pub base: u64,
}

/// Returns the files from which a process executes code, by path; empty if it has ended or the caller may not
/// see them. Deleted files are omitted.
pub fn modules(machine: &Machine, process: u32) -> Vec<Module> {
    machine.text(format!("proc/{process}/maps")).map(|text| parse(&text)).unwrap_or_default()
}

fn parse(text: &str) -> Vec<Module> {
    let mut files: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
    for (path, base, is_code) in text.lines().filter_map(mapping) {
        let (lowest, executes) = files.entry(path).or_insert((base, false));
        *lowest = (*lowest).min(base);
        *executes |= is_code;
    }
    let code = files.into_iter().filter(|(_, (_, executes))| *executes);
    code.map(|(path, (base, _))| Module { path: path.to_owned(), base }).collect()
}

/// Parses a line to the path of its file, its start address, and whether it is executable; `None` for memory
/// without a file.
fn mapping(line: &str) -> Option<(&str, u64, bool)> {
    let (range, rest) = line.split_once(' ')?;
    let base = u64::from_str_radix(range.split('-').next()?, 16).ok()?;
    let path = rest.get(rest.find(" /")? + 1..)?;
    let permissions = rest.split(' ').next()?;
    (!path.ends_with(" (deleted)")).then_some((path, base, permissions.contains('x')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_files_have_their_lowest_address() {
        let text = "\
            7f00-7f10 r--p 00000000 08:01 12    /usr/lib/a b.so\n\
            7f10-7f20 r-xp 00001000 08:01 12    /usr/lib/a b.so\n\
            8000-8010 r--p 00000000 08:01 13    /usr/share/data\n\
            9000-9010 r-xp 00000000 08:01 14    /tmp/old (deleted)\n\
            a000-a010 r-xp 00000000 00:00 0     [vdso]\n\
            b000-b010 rwxp 00000000 00:00 0 \n";
        assert_eq!(parse(text), [Module { path: "/usr/lib/a b.so".to_owned(), base: 0x7f00 }]);
        assert!(parse("x\n \n- /\n").is_empty());
    }
}
