//! Paths as web servers resolve them: relative to a folder, without resolving `..` or links.

/// Returns an absolute path: `path` itself, or `path` below `folder`.
#[must_use]
pub fn full_path(folder: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else if folder.ends_with('/') {
        format!("{folder}{path}")
    } else {
        format!("{folder}/{path}")
    }
}

/// Returns the folder of an absolute path.
#[must_use]
pub fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}
