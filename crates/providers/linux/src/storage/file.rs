//! `CIM_DataFile` and `Win32_Directory`: single files by path, or the files of a folder.

use std::ffi::OsStr;
use std::io;
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use cim::{DateTime, Instance, Status, Value};
use linux::mounts::{Mount, Mounts};
use linux::storage::file;
use rustix::fs::{Access, AtFlags, CWD, Statx, StatxFlags, StatxTimestamp};
use wmi::{EventSource, Lookup, MethodCall, ProviderError, Scan, Target, Watch};

use crate::Machine;
use crate::events::WatchedFolders;
use crate::table::{Fill, Push, Table, returned, text_key};

/// Files of one kind.
#[derive(Default)]
pub(crate) struct File<K> {
    watched: WatchedFolders,
    kind: PhantomData<K>,
}

/// Everything except folders: `CIM_DataFile`.
#[derive(Default)]
pub(crate) struct Plain;

/// Folders: `Win32_Directory`.
#[derive(Default)]
pub(crate) struct Directory;

/// Kind of files that a class contains.
pub(crate) trait Kind: Send + Sync + 'static {
    const CLASS: &'static str;
    const IS_FOLDER: bool;
}

impl Kind for Plain {
    const CLASS: &'static str = "CIM_DataFile";
    const IS_FOLDER: bool = false;
}

impl Kind for Directory {
    const CLASS: &'static str = "Win32_Directory";
    const IS_FOLDER: bool = true;
}

/// A file.
pub(crate) struct Row {
    /// Name as the client gives it.
    name: PathBuf,
    /// Path on this machine.
    path: PathBuf,
    facts: Statx,
    mounts: Rc<Mounts>,
}

impl Row {
    /// Finds a file by its absolute path; links are followed.
    pub(super) fn find(machine: &Machine, name: &Path, mounts: &Rc<Mounts>) -> Option<Self> {
        let path = machine.path(name.strip_prefix("/").ok()?);
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let facts = rustix::fs::statx(CWD, &path, AtFlags::empty(), wanted).ok()?;
        Some(Self { name: name.to_owned(), path, facts, mounts: Rc::clone(mounts) })
    }

    pub(super) fn is_folder(&self) -> bool {
        rustix::fs::FileType::from_raw_mode(self.facts.stx_mode.into()).is_dir()
    }

    fn mount(&self, machine: &Machine) -> Option<&Mount> {
        self.mounts.holding(machine, &self.name)
    }

    /// Returns whether the caller has this access to the file.
    fn admits(&self, access: Access) -> bool {
        rustix::fs::accessat(CWD, &self.path, access, AtFlags::EACCESS).is_ok()
    }

    /// Returns an attribute; `None` if the file system does not support it.
    fn attribute(&self, flag: rustix::fs::StatxAttributes) -> Option<bool> {
        self.facts.stx_attributes_mask.contains(flag).then(|| self.facts.stx_attributes.contains(flag))
    }

    /// Returns the creation time; `None` if the file system does not store it.
    fn made(&self, machine: &Machine) -> Option<DateTime> {
        let has = StatxFlags::from_bits_retain(self.facts.stx_mask).contains(StatxFlags::BTIME);
        // For files created by mkfs, some file systems report the epoch.
        let knows = has && self.facts.stx_btime.tv_sec > 0;
        knows.then(|| time(machine, self.facts.stx_btime))?
    }
}

fn time(machine: &Machine, at: StatxTimestamp) -> Option<DateTime> {
    machine.timestamp(at.tv_sec.checked_mul(1_000_000)?.checked_add(i64::from(at.tv_nsec / 1_000))?)
}

fn lossy(text: Option<&OsStr>) -> Option<String> {
    text.map(|text| text.to_string_lossy().into_owned())
}

/// Access masks of Windows for reading, writing and executing (MS-DTYP 2.4.3).
pub(crate) const READ: u32 = 0x0012_0089;
pub(crate) const WRITE: u32 = 0x0012_0116;
pub(crate) const EXECUTE: u32 = 0x0012_00A0;

impl<K: Kind> Table for File<K> {
    type Row = Row;

    const CLASS: &'static str = K::CLASS;

    // Both follow from the key, unless a file system is mounted above the file.
    const FIXED: &'static [&'static str] = &["Drive", "Path"];

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AccessMask", |_, row| {
            let rights = [(Access::READ_OK, READ), (Access::WRITE_OK, WRITE), (Access::EXEC_OK, EXECUTE)];
            let granted = rights.into_iter().filter(|(access, _)| row.admits(*access));
            granted.fold(0_u32, |all, (_, mask)| all | mask).into()
        }),
        ("Caption", |_, row| row.name.to_string_lossy().into_owned().into()),
        ("Compressed", |_, row| row.attribute(rustix::fs::StatxAttributes::COMPRESSED).into()),
        ("CreationDate", |machine, row| row.made(machine).into()),
        ("Description", |_, row| row.name.to_string_lossy().into_owned().into()),
        ("Drive", |machine, row| row.mount(machine).map(|mount| mount.place.clone()).into()),
        ("Encrypted", |_, row| row.attribute(rustix::fs::StatxAttributes::ENCRYPTED).into()),
        ("Extension", |_, row| lossy(row.name.extension()).into()),
        ("FileName", |_, row| lossy(row.name.file_stem()).into()),
        ("FileSize", |_, row| (!row.is_folder()).then_some(row.facts.stx_size).into()),
        ("FileType", |_, row| match (row.is_folder(), row.name.extension()) {
            (true, _) => "File Folder".into(),
            (false, Some(extension)) => format!("{} File", extension.to_string_lossy()).into(),
            (false, None) => "File".into(),
        }),
        ("FSCreationClassName", |_, _| "Win32_FileSystem".into()),
        ("FSName", |machine, row| row.mount(machine).map(|mount| mount.kind.clone()).into()),
        ("Hidden", |_, row| {
            row.name.file_name().is_some_and(|name| name.as_bytes().starts_with(b".")).into()
        }),
        ("InstallDate", |machine, row| row.made(machine).into()),
        ("LastAccessed", |machine, row| time(machine, row.facts.stx_atime).into()),
        ("LastModified", |machine, row| time(machine, row.facts.stx_mtime).into()),
        ("Name", |_, row| row.name.to_string_lossy().into_owned().into()),
        ("Path", |_, row| {
            let folder = row.name.parent().map(Path::to_string_lossy);
            folder.map(|folder| format!("{}/", folder.trim_end_matches('/'))).into()
        }),
        ("Readable", |_, row| row.admits(Access::READ_OK).into()),
        ("Status", |_, _| "OK".into()),
        ("Writeable", |_, row| row.admits(Access::WRITE_OK).into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        if let Some(folders) = scan.pinned(&["Path"]) {
            let mounts = Rc::default();
            for folder in folders.iter().filter_map(|values| values.first()?.as_str()) {
                let Some(inside) = folder.strip_prefix('/') else { continue };
                // A missing or unreadable folder has no files to list.
                for name in machine.names(inside).unwrap_or_default() {
                    match Row::find(machine, &Path::new(folder).join(name), &mounts) {
                        Some(row) if row.is_folder() == K::IS_FOLDER => push(row)?,
                        _ => {}
                    }
                }
            }
            return Ok(());
        }
        let asks_for_files = ["CIM_LogicalFile", "CIM_Directory", "Win32_Directory", "CIM_DataFile"]
            .iter()
            .any(|name| *scan.requested_class() == **name);
        if asks_for_files {
            let message = "cannot list all files of the machine\n  \
                add WHERE Name = '/etc/fstab' or WHERE Path = '/etc/'; in an event query \
                AND TargetInstance.Drive = '/' AND TargetInstance.Path = '/etc/'";
            return Err(ProviderError::failed(Status::QuotaViolation, message));
        }
        Ok(())
    }

    fn watch(
        &self,
        machine: &Arc<Machine>,
        watch: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        self.watched.watch(machine, watch)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let row = Row::find(machine, Path::new(text_key(lookup.keys)), &Rc::default());
        Ok(row.filter(|row| row.is_folder() == K::IS_FOLDER))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance(keys) = call.target else { return Err(ProviderError::NotCapable) };
        let name = text_key(keys);
        let row =
            Row::find(machine, Path::new(name), &Rc::default()).filter(|row| row.is_folder() == K::IS_FOLDER);
        let row = row.ok_or_else(|| ProviderError::failed(Status::NotFound, format!("{name} not found")))?;
        let given =
            call.input.value("FileName").and_then(Value::as_str).and_then(|name| name.strip_prefix('/'));
        let target = given.map(|name| machine.path(name));
        match call.operation.method.name.as_str() {
            "Copy" => returned(call, code(to_target(target, |to| file::copy(&row.path, to)))),
            "Rename" => returned(call, code(to_target(target, |to| file::rename(&row.path, to)))),
            "Delete" => returned(call, code(file::delete(&row.path, K::IS_FOLDER))),
            "TakeOwnerShip" => returned(call, code(file::take_ownership(&row.path))),
            "GetEffectivePermission" => {
                let wanted = call.input.value("Permissions").and_then(Value::as_integer).unwrap_or_default();
                returned(call, admits(|access| row.admits(access), wanted))
            }
            // The other methods are specific to NTFS.
            _ => returned(call, NOT_NTFS),
        }
    }
}

/// Runs an operation with the path from the parameters; a missing path is an error.
fn to_target(target: Option<PathBuf>, operation: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    operation(&target.ok_or(io::ErrorKind::InvalidInput)?)
}

/// Returns whether the caller has all rights of an access mask of Windows.
fn admits(has: impl Fn(Access) -> bool, wanted: i128) -> bool {
    // FILE_READ_DATA, FILE_WRITE_DATA with FILE_APPEND_DATA, FILE_EXECUTE (MS-DTYP 2.4.3).
    let rights = [(0x1, Access::READ_OK), (0x2 | 0x4, Access::WRITE_OK), (0x20, Access::EXEC_OK)];
    rights.into_iter().filter(|(mask, _)| wanted & mask != 0).all(|(_, access)| has(access))
}

/// Returns the code of a method of `CIM_LogicalFile`.
fn code(result: io::Result<()>) -> u32 {
    let Err(error) = result else { return 0 };
    match error.kind() {
        // Access denied.
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => 2,
        // Invalid object.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => 9,
        // Object already exists.
        io::ErrorKind::AlreadyExists => 10,
        // Drive not the same.
        io::ErrorKind::CrossesDevices => 13,
        // Directory not empty.
        io::ErrorKind::DirectoryNotEmpty => 14,
        // Sharing violation.
        io::ErrorKind::ResourceBusy => 15,
        // Invalid parameter.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => 21,
        // Unspecified failure.
        _ => 8,
    }
}

/// File system not NTFS.
const NOT_NTFS: u32 = 11;
