//! File systems mounted and checked at boot (fstab(5)).

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};

use crate::Machine;

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Source, as written in the file: a device, `UUID=…`, `LABEL=…` or `server:/export`.
    pub source: String,
    /// Mount point.
    pub place: String,
}

/// Returns all entries.
pub fn entries(machine: &Machine) -> Vec<Entry> {
    let text = machine.text("etc/fstab").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = fields(line)?;
            Some(Entry { source: fields.next()?.to_owned(), place: crate::mounts::unescaped(fields.next()?) })
        })
        .collect()
}

/// Entries, indexed by their sources.
pub struct Fstab {
    entries: Vec<Entry>,
    /// Index of the first entry of each source.
    first: HashMap<String, usize>,
}

impl Fstab {
    /// Reads the file of a machine.
    pub fn of(machine: &Machine) -> Self {
        let entries = entries(machine);
        let mut first = HashMap::new();
        for (number, entry) in entries.iter().enumerate() {
            first.entry(Self::name(&entry.source)).or_insert(number);
        }
        Self { entries, first }
    }

    /// Returns the first entry with one of these sources: a device, `UUID=…`, `LABEL=…` or `server:/export`.
    pub fn first_of<'n>(&self, names: impl Iterator<Item = &'n str>) -> Option<&Entry> {
        let number = names.filter_map(|name| self.first.get(name)).min()?;
        self.entries.get(*number)
    }

    /// Returns the canonical form of a source, which may be written in several ways.
    fn name(source: &str) -> String {
        if let Some(uuid) = source.strip_prefix("/dev/disk/by-uuid/") {
            return format!("UUID={uuid}");
        }
        match source.split_once('=') {
            Some((kind @ ("UUID" | "LABEL"), name)) => format!("{kind}={}", name.trim_matches('"')),
            _ => source.to_owned(),
        }
    }
}

/// Changes the fsck pass number of the entry with this mount point. Does nothing if there is no such entry.
///
/// # Errors
/// Errors of the operating system.
pub fn set_pass(machine: &Machine, place: &str, pass: impl Fn(u32) -> u32) -> io::Result<()> {
    let text = machine.text("etc/fstab")?;
    let changed: Vec<String> = text.lines().map(|line| with_pass(line, place, &pass)).collect();
    let changed = changed.join("\n") + "\n";
    if changed == text {
        return Ok(());
    }
    let path = machine.path("etc/fstab");
    let permissions = fs::metadata(&path)?.permissions();
    let mut file = tempfile::NamedTempFile::new_in(machine.path("etc"))?;
    file.write_all(changed.as_bytes())?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn with_pass(line: &str, place: &str, pass: impl Fn(u32) -> u32) -> String {
    let Some(all) = fields(line).map(Iterator::collect::<Vec<_>>) else { return line.to_owned() };
    let is_meant = all.get(1).is_some_and(|field| crate::mounts::unescaped(field) == place);
    let before = all.get(5).and_then(|field| field.parse().ok()).unwrap_or(0);
    let after = pass(before);
    if !is_meant || before == after || all.len() < 3 {
        return line.to_owned();
    }
    let mut fields: Vec<String> = all.iter().map(|field| (*field).to_owned()).collect();
    let defaults = ["", "", "", "defaults", "0"];
    for default in defaults.iter().skip(fields.len()) {
        fields.push((*default).to_owned());
    }
    fields.truncate(5);
    fields.push(after.to_string());
    fields.join("\t")
}

/// Returns the fields of a line; `None` for an empty line or a comment.
fn fields(line: &str) -> Option<impl Iterator<Item = &str>> {
    let line = line.trim();
    (!line.is_empty() && !line.starts_with('#')).then(|| line.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_of_the_mount_point_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("etc")).expect("a folder");
        let before = "# /srv is next\nUUID=1 / ext4 errors=remount-ro 0 1\n/dev/sdb1  /mnt/a\\040b xfs\n";
        fs::write(folder.path().join("etc/fstab"), before).expect("a file");
        let machine = Machine::at(folder.path());
        set_pass(&machine, "/nowhere", |_| 2).expect("a file that can be read");
        assert_eq!(machine.text("etc/fstab").expect("a file"), before);
        set_pass(&machine, "/", |_| 0).expect("a file that can be changed");
        set_pass(&machine, "/mnt/a b", |_| 2).expect("a file that can be changed");
        let after = "# /srv is next\nUUID=1\t/\text4\terrors=remount-ro\t0\t0\n/dev/sdb1\t/mnt/a\\040b\txfs\tdefaults\t0\t2\n";
        assert_eq!(machine.text("etc/fstab").expect("a file"), after);
        let places: Vec<_> = entries(&machine).into_iter().map(|entry| entry.place).collect();
        assert_eq!(places, ["/", "/mnt/a b"]);
    }
}
