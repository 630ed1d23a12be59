//! Move of the content of a file of SQLite to a database of PostgreSQL.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::StoreSettings;
use super::content::Occupied;
use super::node::Node;
use super::postgres::import;
use super::sqlite::FileExport;
use crate::error::CollectorError;

/// Content that was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Number of subscriptions.
    pub subscriptions: usize,
    /// Number of sources.
    pub sources: usize,
    /// Number of bookmarks, at most one for each source and subscription.
    pub bookmarks: usize,
    /// Path of the file, which has another name now, so that no collector uses its old bookmarks.
    pub renamed: PathBuf,
}

/// Moves subscriptions, sources, bookmarks and lengths of files from a file of SQLite to a database, in one transaction. The
/// file is locked meanwhile, and renamed afterwards. Blocks the thread, which must not be one of a runtime.
///
/// # Errors
/// [`CollectorError`] if the file does not exist or is in use, if `target` is no database or has content, or if one of
/// them cannot be used. The database is unchanged then, unless only the renaming has failed.
pub fn move_to_database(
    file: &Path,
    target: &StoreSettings,
    occupied: Occupied,
) -> Result<Moved, CollectorError> {
    let StoreSettings::Database { settings, node_file } = target else {
        return Err(CollectorError::NoDatabase);
    };
    let export = FileExport::open(file)?;
    let content = export.content()?;
    let node = Node::load(node_file)?;
    import(settings, &node, &content, occupied)?;
    // Closing the file merges its write-ahead log.
    drop(export);
    let renamed = rename(file).map_err(CollectorError::file("rename", file))?;
    Ok(Moved {
        subscriptions: content.subscriptions.len(),
        sources: content.sources.len(),
        bookmarks: content.states.iter().filter(|state| state.bookmark.is_some()).count(),
        renamed,
    })
}

/// Renames a file to its name with `.moved`, or with `.moved.1` and so on if there is an earlier one.
fn rename(file: &Path) -> io::Result<PathBuf> {
    let mut number = 0_u32;
    let renamed = loop {
        let mut name = OsString::from(file);
        name.push(".moved");
        if number > 0 {
            name.push(format!(".{number}"));
        }
        let path = PathBuf::from(name);
        if !path.try_exists()? {
            break path;
        }
        number = number.saturating_add(1);
    };
    fs::rename(file, &renamed)?;
    File::open(files::folder(file))?.sync_all()?;
    Ok(renamed)
}
