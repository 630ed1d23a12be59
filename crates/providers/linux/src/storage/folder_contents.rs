//! `Win32_SubDirectory` and `CIM_DirectoryContainsFile`: associations of folders with what they contain.
//!
//! A query must name the folder or what it contains, as ASSOCIATORS OF does.

use std::marker::PhantomData;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use cim::{Status, Value};
use linux::mounts::Mounts;
use wmi::{ProviderError, Scan};

use super::file::{Directory, Kind, Plain, Row as File};
use crate::Machine;
use crate::table::{Fill, Push, Table, key_of, reference};

/// Association of folders with their entries of one kind.
#[derive(Default)]
pub(crate) struct FolderContents<K>(PhantomData<K>);

/// An entry of a folder.
pub(crate) struct Entry {
    folder: String,
    name: String,
}

/// Entries that an association class contains.
pub(crate) trait Contents: Kind {
    const ASSOCIATION: &'static str;
}

impl Contents for Directory {
    const ASSOCIATION: &'static str = "Win32_SubDirectory";
}

impl Contents for Plain {
    const ASSOCIATION: &'static str = "CIM_DirectoryContainsFile";
}

impl<K: Contents> Table for FolderContents<K> {
    type Row = Entry;

    const CLASS: &'static str = K::ASSOCIATION;

    const COLUMNS: &'static [(&'static str, Fill<Entry>)] = &[
        ("GroupComponent", |_, entry| reference("Win32_Directory", "Name", entry.folder.clone())),
        ("PartComponent", |_, entry| reference(<K as Kind>::CLASS, "Name", entry.name.clone())),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Entry>,
    ) -> Result<(), ProviderError> {
        let mounts = Rc::default();
        if let Some(folders) = scan.pinned(&["GroupComponent"]) {
            for folder in folders.iter().flatten().filter_map(|value| path_in(value, "Win32_Directory")) {
                entries::<K>(machine, &folder, &mounts, push)?;
            }
            return Ok(());
        }
        if let Some(entries) = scan.pinned(&["PartComponent"]) {
            for name in entries.iter().flatten().filter_map(|value| path_in(value, <K as Kind>::CLASS)) {
                let is_there = find::<K>(machine, Path::new(&name), &mounts).is_some();
                let parent = Path::new(&name).parent().and_then(Path::to_str);
                if let Some(folder) = parent.filter(|_| is_there).map(str::to_owned) {
                    push(Entry { folder, name })?;
                }
            }
            return Ok(());
        }
        if *scan.requested_class() == *K::ASSOCIATION {
            let message = "cannot list all folders of the machine\n  add WHERE GroupComponent = \
                           'Win32_Directory.Name=\"/etc\"', or use ASSOCIATORS OF";
            return Err(ProviderError::failed(Status::QuotaViolation, message));
        }
        Ok(())
    }
}

/// Passes on the entries of a folder; a missing or unreadable folder has none.
fn entries<K: Contents>(
    machine: &Machine,
    folder: &str,
    mounts: &Rc<Mounts>,
    push: &mut Push<'_, Entry>,
) -> Result<(), ProviderError> {
    for name in machine.names(folder.trim_start_matches('/')).unwrap_or_default() {
        let path = Path::new(folder).join(name);
        // Names that are not valid UTF-8 cannot be part of a path.
        let Some(name) = path.to_str().map(str::to_owned) else { continue };
        if find::<K>(machine, &path, mounts).is_some() {
            push(Entry { folder: folder.to_owned(), name })?;
        }
    }
    Ok(())
}

/// Returns the file with this name if it is of the right kind.
fn find<K: Kind>(machine: &Machine, name: &Path, mounts: &Rc<Mounts>) -> Option<File> {
    File::find(machine, name, mounts).filter(|file| file.is_folder() == K::IS_FOLDER)
}

/// Returns the absolute path in a reference to a file of a class; `None` for other references.
fn path_in(value: &Value, class: &str) -> Option<String> {
    let Value::Reference(path) = value else { return None };
    let fits = path.class == *class || class == "Win32_Directory" && path.class == *"CIM_Directory";
    key_of(value).filter(|path| fits && path.starts_with('/'))
}
