//! Copies single files over the chosen carrier.

use std::path::Path;

use client::Session;
use copy_proto::EntryKind;

use crate::error::CopyError;
use crate::file_by_file::{download_tree, upload_tree};
use crate::local::{LocalFile, LocalTarget};
use crate::local_tree::CopiedTree;
use crate::native::NativeCarrier;
use crate::options::{Copied, CopyOptions};
use crate::progress::Progress;
use crate::remote_path::RemotePath;
use crate::remoting::RemotingCarrier;
use crate::shell::ShellCarrier;

/// Copies files to and from one machine.
#[derive(Debug)]
pub struct Copier {
    carrier: Carrier,
}

#[derive(Debug)]
enum Carrier {
    Native(NativeCarrier),
    Remoting(RemotingCarrier),
    Shell(ShellCarrier),
}

/// Carriers that may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CarrierChoice {
    /// The file resource of Telarch's service; where there is none, PowerShell remoting; and commands where there is
    /// neither.
    #[default]
    Automatic,
    /// PowerShell remoting.
    Remoting,
    /// Commands of the remote shell.
    Shell,
}

impl Carrier {
    /// Returns the first carrier that the machine supports.
    async fn probe(session: &Session, is_windows: bool) -> Result<Self, CopyError> {
        if !is_windows && let Some(native) = NativeCarrier::probe(session).await? {
            return Ok(Self::Native(native));
        }
        match RemotingCarrier::probe(session, is_windows).await? {
            Some(remoting) => Ok(Self::Remoting(remoting)),
            None => Ok(Self::Shell(ShellCarrier::open(session, is_windows).await?)),
        }
    }
}

impl Copier {
    /// Identifies the remote machine, chooses a carrier, and opens it.
    ///
    /// # Errors
    /// [`CopyError::Request`] if a request fails.
    pub async fn open(session: &Session, choice: CarrierChoice) -> Result<Self, CopyError> {
        let is_windows = session.identify().await?.identity.is_windows();
        let carrier = match choice {
            CarrierChoice::Remoting => Carrier::Remoting(RemotingCarrier::open(session, is_windows).await?),
            CarrierChoice::Shell => Carrier::Shell(ShellCarrier::open(session, is_windows).await?),
            CarrierChoice::Automatic => Carrier::probe(session, is_windows).await?,
        };
        Ok(Self { carrier })
    }

    /// Description of the carrier for users.
    #[must_use]
    pub fn carrier(&self) -> &'static str {
        match &self.carrier {
            Carrier::Native(_) => "file resource",
            Carrier::Remoting(_) => "PowerShell remoting",
            Carrier::Shell(shell) => shell.description(),
        }
    }

    /// Copies a local file to the remote machine. If `remote` is a directory, the copy gets the name `name` in it, or
    /// without a name the copy fails.
    ///
    /// # Errors
    /// [`CopyError`]; an existing remote file is then unchanged.
    pub async fn upload(
        &self,
        local: &Path,
        remote: &RemotePath,
        name: Option<&std::ffi::OsStr>,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let source = LocalFile::open(local)?;
        progress.expect(source.size);
        match &self.carrier {
            Carrier::Native(native) => native.upload(&source, remote, name, options, progress).await,
            Carrier::Remoting(remoting) => remoting.upload(&source, remote, name, options, progress).await,
            Carrier::Shell(shell) => shell.upload(&source, remote, name, options, progress).await,
        }
    }

    /// Copies a file of the remote machine to the local path `local`.
    ///
    /// # Errors
    /// [`CopyError`]; an existing local file is then unchanged.
    pub async fn download(
        &self,
        remote: &RemotePath,
        local: &Path,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<Copied, CopyError> {
        let target = LocalTarget::open(local)?;
        match &self.carrier {
            Carrier::Native(native) => native.download(remote, &target, options, progress).await,
            Carrier::Remoting(remoting) => remoting.download(remote, &target, options, progress).await,
            Carrier::Shell(shell) => shell.download(remote, &target, options, progress).await,
        }
    }

    /// Returns whether a remote path is a directory.
    ///
    /// # Errors
    /// [`CopyError`]; [`CopyError::Remote`] if the carrier cannot copy directories.
    pub async fn check_directory(&self, remote: &RemotePath) -> Result<bool, CopyError> {
        let kind = match &self.carrier {
            Carrier::Native(native) => native.kind(remote).await?,
            Carrier::Remoting(remoting) => remoting.kind(remote).await?,
            Carrier::Shell(shell) => shell.kind(remote).await?,
        };
        Ok(kind == Some(EntryKind::Directory))
    }

    /// Copies the entries of a local directory into a remote one, which is created if it does not exist. Files that
    /// cannot be copied are reported in the result. Symbolic links and special files are skipped.
    ///
    /// # Errors
    /// [`CopyError`] if the copy ends early.
    pub async fn upload_tree(
        &self,
        local: &Path,
        remote: &RemotePath,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<CopiedTree, CopyError> {
        match &self.carrier {
            Carrier::Native(native) => native.upload_tree(local, remote, options, progress).await,
            Carrier::Remoting(remoting) => upload_tree(remoting, local, remote, options, progress).await,
            Carrier::Shell(shell) => shell.upload_tree(local, remote, options, progress).await,
        }
    }

    /// Copies the entries of a remote directory into a local one, which is created if it does not exist. Nothing is
    /// written outside that directory, whatever the remote machine sends.
    ///
    /// # Errors
    /// [`CopyError`] if the copy ends early.
    pub async fn download_tree(
        &self,
        remote: &RemotePath,
        local: &Path,
        options: CopyOptions,
        progress: &dyn Progress,
    ) -> Result<CopiedTree, CopyError> {
        match &self.carrier {
            Carrier::Native(native) => native.download_tree(remote, local, options, progress).await,
            Carrier::Remoting(remoting) => download_tree(remoting, remote, local, options, progress).await,
            Carrier::Shell(shell) => shell.download_tree(remote, local, options, progress).await,
        }
    }

    /// Closes the carrier on the remote machine.
    ///
    /// # Errors
    /// [`CopyError::Request`] if the request fails.
    pub async fn close(self) -> Result<(), CopyError> {
        match self.carrier {
            Carrier::Native(_) => Ok(()),
            Carrier::Remoting(remoting) => remoting.close().await,
            Carrier::Shell(shell) => shell.close().await,
        }
    }
}
