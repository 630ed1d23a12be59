//! The scripts of the benches.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use psrp::Command;
use psrp::clixml::{Object, Primitive, Value};

use crate::Result;

/// A script whose input has not ended.
pub(super) enum Script {
    /// Returns objects with three properties.
    Objects { count: i32 },
    /// Returns strings.
    Strings { count: usize, length: usize },
    /// Returns the number of its input objects.
    CountInput { count: i32 },
    /// Returns each object of its input.
    ReadInput,
    /// Returns a text.
    Text(&'static str),
    /// The script of `telarch cp` that appends its input to the partial file.
    Receive(File),
    /// The script of `telarch cp` that verifies and renames the partial file.
    Finish { partial: PathBuf, path: PathBuf, digest: String },
    /// The script of `telarch cp` that returns a file.
    Send(PathBuf),
    /// pypsrp's `copy.ps1`.
    Copy { path: PathBuf, temporary: tempfile::NamedTempFile, digest: digest::Context, last: Option<Vec<u8>> },
    /// pypsrp's `fetch.ps1`.
    Fetch(PathBuf),
}

impl Script {
    /// Returns the script that a command runs.
    pub(super) fn of(command: &Command) -> Result<Self> {
        let text = command.text.as_str();
        if let Some(count) = text.strip_prefix("objs:") {
            return Ok(Self::Objects { count: count.parse()? });
        }
        if let Some((count, length)) = text.strip_prefix("blob:").and_then(|rest| rest.split_once(':')) {
            return Ok(Self::Strings { count: count.parse()?, length: length.parse()? });
        }
        match text {
            "countinput" => return Ok(Self::CountInput { count: 0 }),
            "readinput" => return Ok(Self::ReadInput),
            _ => {}
        }
        if text.contains("SHA1CryptoServiceProvider") {
            let path = PathBuf::from(text_of(command, None)?);
            return match text.contains("FromBase64String") {
                true => Self::copy(path),
                false => Ok(Self::Fetch(path)),
            };
        }
        Self::of_telarch(text, command)
    }

    fn copy(path: PathBuf) -> Result<Self> {
        let temporary = tempfile::NamedTempFile::new_in(parent(&path)?)?;
        let digest = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        Ok(Self::Copy { path, temporary, digest, last: None })
    }

    /// Returns a script of `telarch cp`, which is recognized by a line that only it has.
    fn of_telarch(text: &str, command: &Command) -> Result<Self> {
        if text.contains("SessionState.LanguageMode") {
            return Ok(Self::Text("FullLanguage"));
        }
        let path = PathBuf::from(text_of(command, Some("path"))?);
        if text.contains(",$piece") {
            return Ok(Self::Send(path));
        }
        let partial = parent(&path)?.join(format!(".telarch-{}.part", text_of(command, Some("key"))?));
        if text.contains("$to.Write($piece") {
            let offset = argument(command, Some("offset")).and_then(Value::as_i64).ok_or("no offset")?;
            let how = text_of(command, Some("how"))?;
            let mut options = OpenOptions::new();
            options.write(true).create(how == "OpenOrCreate").create_new(how == "CreateNew");
            let mut file = options.open(partial)?;
            file.set_len(u64::try_from(offset)?)?;
            file.seek(SeekFrom::End(0))?;
            return Ok(Self::Receive(file));
        }
        if text.contains("SetLastWriteTimeUtc") {
            let digest = text_of(command, Some("digest"))?.to_owned();
            return Ok(Self::Finish { partial, path, digest });
        }
        Err(format!("unknown script: {}", text.escape_default()).into())
    }

    /// Takes an object of the input, and returns the script's output for it.
    pub(super) fn take(&mut self, value: Value) -> Result<Option<Value>> {
        match self {
            Self::CountInput { count } => *count += 1,
            Self::ReadInput => return Ok(Some(value)),
            Self::Receive(file) => file.write_all(value.as_bytes().ok_or("the input is no byte array")?)?,
            Self::Copy { temporary, digest, last, .. } => {
                if let Some(piece) = last.take() {
                    digest.update(&piece);
                    temporary.write_all(&piece)?;
                }
                *last = Some(STANDARD.decode(value.as_str().ok_or("the input is no string")?)?);
            }
            _ => {}
        }
        Ok(None)
    }

    /// Does the rest of the work after the end of the input.
    pub(super) fn finish(self, mut output: impl FnMut(Value) -> Result<()>) -> Result<()> {
        match self {
            Self::Objects { count } => (0..count).try_for_each(|number| output(object(number))),
            Self::Strings { count, length } => (0..count).try_for_each(|_| output("x".repeat(length).into())),
            Self::CountInput { count } => output(count.into()),
            Self::ReadInput | Self::Receive(_) => Ok(()),
            Self::Text(text) => output(text.into()),
            Self::Finish { partial, path, digest } => {
                if hexadecimal(digest::digest(&digest::SHA256, &fs::read(&partial)?)) != digest {
                    return Err("the SHA-256 of the received data does not match".into());
                }
                fs::rename(partial, &path)?;
                output(path.to_string_lossy().as_ref().into())
            }
            Self::Send(path) => send(&path, output),
            Self::Copy { path, temporary, digest, last } => {
                if last != Some(hexadecimal(digest.finish()).into_bytes()) {
                    return Err("Transport failure, hash mismatch".into());
                }
                temporary.persist(&path)?;
                output(path.to_string_lossy().as_ref().into())
            }
            Self::Fetch(path) => {
                let content = fs::read(path)?;
                output(STANDARD.encode(&content).into())?;
                output(hexadecimal(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &content)).into())
            }
        }
    }
}

/// Returns a file as the script of `telarch cp` does: a line about it, and its content in pieces.
fn send(path: &Path, mut output: impl FnMut(Value) -> Result<()>) -> Result<()> {
    const PIECE: usize = 196_608;
    let content = fs::read(path)?;
    let metadata = fs::metadata(path)?;
    let digest = hexadecimal(digest::digest(&digest::SHA256, &content));
    let mode = metadata.mode() & 0o7777;
    output(format!("{} {mode:o} {} {digest} 0", content.len(), metadata.mtime()).into())?;
    content.chunks(PIECE).try_for_each(|piece| output(Value::Primitive(Primitive::Bytes(piece.to_vec()))))
}

fn object(number: i32) -> Value {
    let name = format!("name {number}");
    let properties =
        [("Number", number.into()), ("Name", name.into()), ("Even", Value::from(number % 2 == 0))];
    let names = ["System.Management.Automation.PSCustomObject", "System.Object"];
    Object::with_properties(properties).typed(&names).into()
}

/// Returns the first argument with this name; with `None`, the first one without a name.
fn argument<'a>(command: &'a Command, name: Option<&str>) -> Option<&'a Value> {
    let found = command.arguments.iter().find(|argument| argument.name.as_deref() == name);
    found.map(|argument| &argument.value)
}

fn text_of<'a>(command: &'a Command, name: Option<&str>) -> Result<&'a str> {
    let text = argument(command, name).and_then(Value::as_str);
    text.ok_or_else(|| format!("the argument {} is missing", name.unwrap_or("path")).into())
}

fn parent(path: &Path) -> Result<&Path> {
    path.parent().ok_or_else(|| "the path has no directory".into())
}

fn hexadecimal(digest: digest::Digest) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
