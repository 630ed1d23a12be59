//! Bodies of Create, of the method Finish, and of their responses.

use wsman::Fault;
use xml::{Element, Writer};

use crate::content::ContentDigest;
use crate::fields::{digest, invalid, missing, mode, number, path, text};
use crate::path::{RelativePath, encode_path};
use crate::{OFFSET, RESOURCE};

/// Body of Create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenTransfer {
    /// The client sends a file.
    Upload(Upload),
    /// The client receives a file.
    Download(Download),
}

/// Properties of a file that the client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Path of the file or directory.
    pub path: Vec<u8>,
    /// Name of the file if the path is a directory.
    pub name: Option<Vec<u8>>,
    /// Path of the file below the path, which is then a directory; missing directories are created.
    pub below: Option<RelativePath>,
    /// Size in bytes.
    pub size: u64,
    /// Permissions.
    pub mode: u32,
    /// Whether the file gets exactly these permissions; otherwise an existing file keeps its own, and a new one is
    /// subject to the umask.
    pub is_exact: bool,
    /// Time of modification in seconds since 1970, if it is to be set.
    pub modified: Option<u64>,
    /// Key of the temporary file, if the copy can be resumed.
    pub key: Option<String>,
}

/// File that the client requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Path of the file.
    pub path: Vec<u8>,
    /// Beginning of the file that the client has already.
    pub found: Option<Begun>,
}

/// Beginning of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Length in bytes.
    pub length: u64,
    /// Digest of these bytes.
    pub digest: ContentDigest,
}

/// Open transfer, as the service describes it in the response to Create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Size of the file in bytes.
    pub size: u64,
    /// Permissions.
    pub mode: u32,
    /// Time of modification in seconds since 1970.
    pub modified: u64,
    /// Maximum length of a piece in bytes.
    pub piece: usize,
    /// Download: position at which the content begins. Upload: beginning of the file that the service has already.
    pub begun: Option<Begun>,
}

/// Body of Finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// Digest of the content that was sent; `None` for a download.
    pub digest: Option<ContentDigest>,
}

/// Response to Finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Absolute path of the file.
    pub path: Vec<u8>,
    /// Digest of its content.
    pub digest: ContentDigest,
}

impl OpenTransfer {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError`.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        match body.name() {
            "Upload" => Ok(Self::Upload(Upload {
                path: path(body, "Path")?.ok_or_else(|| missing("Path"))?,
                name: path(body, "Name")?,
                below: path(body, "Below")?.map(below).transpose()?,
                size: number(body, "Size")?.ok_or_else(|| missing("Size"))?,
                mode: mode(body)?.ok_or_else(|| missing("Mode"))?,
                is_exact: text(body, "Exact").is_some_and(|text| text == "true"),
                modified: number(body, "Modified")?,
                key: text(body, "Key").map(key).transpose()?,
            })),
            "Download" => Ok(Self::Download(Download {
                path: path(body, "Path")?.ok_or_else(|| missing("Path"))?,
                found: begun(body)?,
            })),
            other => Err(invalid(format!("the body must be Upload or Download, not {other}"))),
        }
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        match self {
            Self::Upload(upload) => {
                writer.start("f:Upload").namespace("f", RESOURCE);
                writer.element("f:Path", &encode_path(&upload.path));
                if let Some(name) = &upload.name {
                    writer.element("f:Name", &encode_path(name));
                }
                if let Some(below) = &upload.below {
                    writer.element("f:Below", &encode_path(below.as_bytes()));
                }
                writer.element("f:Size", &upload.size.to_string());
                writer.element("f:Mode", &format!("{:o}", upload.mode));
                writer.element("f:Exact", if upload.is_exact { "true" } else { "false" });
                if let Some(modified) = upload.modified {
                    writer.element("f:Modified", &modified.to_string());
                }
                if let Some(key) = &upload.key {
                    writer.element("f:Key", key);
                }
            }
            Self::Download(download) => {
                writer.start("f:Download").namespace("f", RESOURCE);
                writer.element("f:Path", &encode_path(&download.path));
                write_begun(writer, download.found.as_ref());
            }
        }
        writer.end();
    }
}

impl Opened {
    /// Parses the element `Opened` next to `ResourceCreated`.
    ///
    /// # Errors
    /// `w:SchemaValidationError`.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        let piece = number(body, "Piece")?.and_then(|piece| usize::try_from(piece).ok());
        Ok(Self {
            size: number(body, "Size")?.ok_or_else(|| missing("Size"))?,
            mode: mode(body)?.ok_or_else(|| missing("Mode"))?,
            modified: number(body, "Modified")?.unwrap_or_default(),
            piece: piece.filter(|piece| *piece > 0).ok_or_else(|| missing("Piece"))?,
            begun: begun(body)?,
        })
    }

    /// Writes the element.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("f:Opened").namespace("f", RESOURCE);
        writer.element("f:Size", &self.size.to_string());
        writer.element("f:Mode", &format!("{:o}", self.mode));
        writer.element("f:Modified", &self.modified.to_string());
        writer.element("f:Piece", &self.piece.to_string());
        write_begun(writer, self.begun.as_ref());
        writer.end();
    }
}

impl Finish {
    /// Parses the body.
    ///
    /// # Errors
    /// `w:SchemaValidationError`.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        Ok(Self { digest: digest(body)? })
    }

    /// Writes the body.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("f:Finish").namespace("f", RESOURCE);
        if let Some(digest) = &self.digest {
            writer.element("f:SHA256", digest.as_str());
        }
        writer.end();
    }
}

impl Finished {
    /// Parses the body of the response.
    ///
    /// # Errors
    /// `w:SchemaValidationError`.
    pub fn parse(body: Element<'_>) -> Result<Self, Fault> {
        Ok(Self {
            path: path(body, "Path")?.ok_or_else(|| missing("Path"))?,
            digest: digest(body)?.ok_or_else(|| missing("SHA256"))?,
        })
    }

    /// Writes the body of the response.
    pub fn write(&self, writer: &mut Writer) {
        writer.start("f:Finished").namespace("f", RESOURCE);
        writer.element("f:Path", &encode_path(&self.path));
        writer.element("f:SHA256", self.digest.as_str());
        writer.end();
    }
}

fn write_begun(writer: &mut Writer, begun: Option<&Begun>) {
    if let Some(Begun { length, digest }) = begun {
        writer.element("f:Offset", &length.to_string());
        writer.element("f:SHA256", digest.as_str());
    }
}

fn begun(body: Element<'_>) -> Result<Option<Begun>, Fault> {
    let Some(length) = number(body, OFFSET)? else { return Ok(None) };
    let digest = digest(body)?.ok_or_else(|| missing("SHA256"))?;
    Ok(Some(Begun { length, digest }))
}

fn below(path: Vec<u8>) -> Result<RelativePath, Fault> {
    RelativePath::new(path).ok_or_else(|| invalid("Below leads out of its directory"))
}

/// Checks the key of a temporary file, which becomes part of a file name.
fn key(text: String) -> Result<String, Fault> {
    let is_key = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_key { Ok(text) } else { Err(invalid("Key must have 16 hexadecimal digits")) }
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;
    use crate::{Entry, EntryKind};

    fn markup(write: impl FnOnce(&mut Writer)) -> Document {
        let mut writer = Writer::new();
        write(&mut writer);
        Document::parse(writer.finish(), &Bounds::default()).unwrap()
    }

    #[test]
    fn messages_are_read_as_written() {
        let digest = ContentDigest::of(&b"abc"[..], 3).unwrap();
        let begun = Some(Begun { length: 3, digest: digest.clone() });
        let upload = Upload {
            path: b"/tmp/\xff <b>".to_vec(),
            name: Some(b" a ".to_vec()),
            below: RelativePath::new("a/b"),
            size: u64::MAX,
            mode: 0o640,
            is_exact: true,
            modified: Some(7),
            key: Some("0123456789abcdef".to_owned()),
        };
        let download = Download { path: b"x".to_vec(), found: begun.clone() };
        let least =
            Upload { name: None, below: None, is_exact: false, modified: None, key: None, ..upload.clone() };
        for open in [
            OpenTransfer::Upload(upload),
            OpenTransfer::Upload(least),
            OpenTransfer::Download(download.clone()),
            OpenTransfer::Download(Download { found: None, ..download }),
        ] {
            assert_eq!(OpenTransfer::parse(markup(|writer| open.write(writer)).root()), Ok(open));
        }
        let opened = Opened { size: 5, mode: 0o755, modified: 9, piece: 100, begun };
        assert_eq!(Opened::parse(markup(|writer| opened.write(writer)).root()), Ok(opened));
        let finish = Finish { digest: Some(digest.clone()) };
        assert_eq!(Finish::parse(markup(|writer| finish.write(writer)).root()), Ok(finish));
        let entry = Entry { path: b"/x".to_vec(), kind: EntryKind::Other, size: 3 };
        assert_eq!(Entry::parse(markup(|writer| entry.write(writer)).root()), Ok(entry));
        let finished = Finished { path: b"/x".to_vec(), digest };
        assert_eq!(Finished::parse(markup(|writer| finished.write(writer)).root()), Ok(finished));
    }

    #[test]
    fn malformed_messages_are_refused() {
        for body in [
            "<Other/>",
            "<Upload/>",
            "<Upload><Path>a</Path><Size>-1</Size><Mode>644</Mode></Upload>",
            "<Upload><Path>a</Path><Size>1</Size><Mode>4755</Mode></Upload>",
            "<Upload><Path>a%00</Path><Size>1</Size><Mode>644</Mode></Upload>",
            "<Upload><Path>a</Path><Size>1</Size><Mode>644</Mode><Key>../../../../etc/x</Key></Upload>",
            "<Download><Path>a</Path><Offset>1</Offset></Download>",
            "<Download><Path>a</Path><Offset>1</Offset><SHA256>x</SHA256></Download>",
        ] {
            let document = Document::parse(body, &Bounds::default()).unwrap();
            assert!(OpenTransfer::parse(document.root()).is_err(), "{body}");
        }
    }
}
