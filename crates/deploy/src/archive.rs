//! Reads archives from untrusted users.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive};
use tar::EntryType;

use crate::error::DeployError;
use crate::limits::{MAX_CONTENT, MAX_ENTRIES};
use crate::path::ContentPath;

/// Format of an archive, by its first bytes.
enum ArchiveFormat {
    /// ZIP with entries that are stored or deflated.
    Zip,
    /// POSIX tar (ustar, pax and GNU).
    Tar,
    /// tar in gzip.
    TarGz,
}

/// Kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    Folder,
}

/// Receiver of the entries of an archive.
pub(crate) trait EntryVisitor {
    /// Receives an entry. The content of a file must be read before the function returns; that of a folder is empty.
    fn visit(
        &mut self,
        path: ContentPath,
        kind: EntryKind,
        content: &mut dyn Read,
    ) -> Result<(), DeployError>;
}

impl ArchiveFormat {
    /// Detects the format; any other one is an error.
    fn detect(file: &mut File) -> Result<Self, DeployError> {
        let mut begin = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        file.take(512).read_to_end(&mut begin).map_err(unreadable)?;
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        if begin.starts_with(b"PK\x03\x04") || begin.starts_with(b"PK\x05\x06") {
            Ok(Self::Zip)
        } else if begin.starts_with(&[0x1f, 0x8b]) {
            Ok(Self::TarGz)
        } else if begin.get(257..262) == Some(b"ustar") {
            Ok(Self::Tar)
        } else {
            Err(DeployError::Archive("it is neither ZIP nor tar nor gzip".to_owned()))
        }
    }
}

/// Passes all entries of an archive to a visitor, in the order of the archive.
///
/// # Errors
/// If the archive is damaged, has a forbidden entry, or the visitor rejects one.
pub(crate) fn read(file: &mut File, visitor: &mut dyn EntryVisitor) -> Result<(), DeployError> {
    match ArchiveFormat::detect(file)? {
        ArchiveFormat::Zip => read_zip(file, visitor),
        ArchiveFormat::Tar => read_tar(BufReader::new(file), visitor),
        ArchiveFormat::TarGz => read_tar(MultiGzDecoder::new(BufReader::new(file)), visitor),
    }
}

fn read_zip(file: &File, visitor: &mut dyn EntryVisitor) -> Result<(), DeployError> {
    let file = file.try_clone().map_err(unreadable)?;
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(damaged)?;
    let mut entries = archive.entries(&mut buffer);
    let mut number = 0;
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        number += 1;
        if number > MAX_ENTRIES {
            return Err(too_many());
        }
        let name = entry.file_path();
        let name =
            str::from_utf8(name.as_bytes()).map_err(|_| damaged("the name of an entry is not UTF-8"))?;
        let Some(path) = ContentPath::of_entry(name)? else { continue };
        match entry.mode().value() & S_IFMT {
            S_IFDIR => {
                visitor.visit(path, EntryKind::Folder, &mut io::empty())?;
                continue;
            }
            0 | S_IFREG => {}
            S_IFLNK => return Err(forbidden(&path, "symbolic link")),
            _ => return Err(forbidden(&path, "special file")),
        }
        if entry.flags().is_encrypted() {
            return Err(DeployError::Archive(format!("{path} is encrypted")));
        }
        let method = entry.compression_method();
        let entry = archive.get_entry(entry.wayfinder()).map_err(damaged)?;
        let content: &mut dyn Read = match method {
            CompressionMethod::STORE => &mut entry.verifying_reader(entry.reader()),
            CompressionMethod::DEFLATE => {
                &mut entry.verifying_reader(DeflateDecoder::new(BufReader::new(entry.reader())))
            }
            other => return Err(DeployError::Archive(format!("{path} is compressed with {other}"))),
        };
        visitor.visit(path, EntryKind::File, content)?;
    }
    Ok(())
}

fn read_tar(reader: impl Read, visitor: &mut dyn EntryVisitor) -> Result<(), DeployError> {
    // Bounds the work for headers that describe no file, such as empty pax headers.
    let mut archive = tar::Archive::new(reader.take(MAX_TAR));
    for (number, entry) in archive.entries().map_err(damaged)?.enumerate() {
        let mut entry = entry.map_err(damaged)?;
        if number >= MAX_ENTRIES {
            return Err(too_many());
        }
        let name = entry.path_bytes();
        let name = str::from_utf8(&name).map_err(|_| damaged("the name of an entry is not UTF-8"))?;
        let path = ContentPath::of_entry(name)?;
        let kind = entry.header().entry_type();
        let kind = match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Ok(EntryKind::File),
            EntryType::Directory => Ok(EntryKind::Folder),
            EntryType::XGlobalHeader => continue,
            EntryType::Symlink => Err("symbolic link"),
            EntryType::Link => Err("hard link"),
            _ => Err("special file"),
        };
        let Some(path) = path else { continue };
        let kind = kind.map_err(|kind| forbidden(&path, kind))?;
        visitor.visit(path, kind, &mut entry)?;
    }
    // The checksum of gzip is at its end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop).map_err(damaged)
}

fn forbidden(path: &ContentPath, kind: &'static str) -> DeployError {
    DeployError::Kind { path: path.to_string(), kind }
}

fn damaged(reason: impl ToString) -> DeployError {
    let reason: String = reason.to_string().chars().take(200).collect();
    DeployError::Archive(reason.escape_debug().to_string())
}

fn unreadable(error: io::Error) -> DeployError {
    damaged(error)
}

fn too_many() -> DeployError {
    DeployError::Limit { what: "the number of entries of the archive", limit: format!("{MAX_ENTRIES}") }
}

/// Maximum number of bytes that are read from a tar archive: the content and the headers.
const MAX_TAR: u64 = MAX_CONTENT + (256 << 20);
/// Bits of the file type in the mode of a Unix file, and their values.
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;
