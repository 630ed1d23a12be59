//! Process that collects events: stores what sources send, as the user of the gateway, in the folder `events` of the
//! state directory.

use std::error::Error;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use broker::{CollectorCommand, Link};
use config::Config;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::child_process::stdin_socket;
use crate::event_collector::{PersistentCollector, folder_in};
use crate::event_layers::begin_log;
use crate::open_files::OpenFiles;

/// Runs the process until the broker closes its socket.
pub(super) fn run(uid: u32, gid: u32, state: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let link = Link::from_inherited(stdin_socket()?)?;
    begin_log(None);
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    OpenFiles::raise();
    let folder = make_folder(state, uid, gid)?;
    std::env::set_current_dir("/")?;
    confinement::require_one_thread()?;
    confinement::set_groups(&[])?;
    confinement::become_user(uid, gid)?;
    confinement::confine_collector(&folder)?;

    let Some(frame) = link.receive()? else { return Ok(ExitCode::SUCCESS) };
    let CollectorCommand::Begin { settings, files } = CollectorCommand::decode(&frame.message)? else {
        return Err("the broker has not sent the settings".into());
    };
    let mut config = Config::default();
    for (name, value) in settings {
        config.enforce(&name, &value)?;
    }
    let runtime = crate::runtime()?;
    runtime.block_on(async {
        let collector = PersistentCollector::open(&config, &folder, files).await?;
        collector.begin_pulling();
        let (sender, mut tasks) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || receive_commands(&link, &sender))?;
        while let Some(task) = tasks.recv().await {
            match task {
                Task::Serve(socket) => {
                    let plugin = collector.plugin();
                    tokio::spawn(async move {
                        if let Err(error) = plugin_events::serve(plugin, socket).await {
                            tracing::warn!(%error, "Invalid message from a gateway");
                        }
                    });
                }
                Task::Subscriptions { files, passwords } => {
                    collector.set_subscriptions(files, &passwords).await;
                }
            }
        }
        collector.end().await;
        Ok::<_, Box<dyn Error>>(())
    })?;
    // Batches that are not stored by then are repeated by their sources.
    runtime.shutdown_timeout(Duration::from_millis(500));
    Ok(ExitCode::SUCCESS)
}

/// Creates the folder for a user, as root. A folder of another user is not used: this user could replace files in it.
fn make_folder(state: &Path, uid: u32, gid: u32) -> Result<PathBuf, Box<dyn Error>> {
    let path = folder_in(state);
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(format!("cannot create the directory {}: {error}", path.display()).into());
        }
        _ => {}
    }
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW;
    let folder: File = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(&path)
        .map_err(|error| format!("cannot open the directory {}: {error}", path.display()))?;
    let owner = folder.metadata()?.uid();
    if owner == 0 {
        std::os::unix::fs::fchown(&folder, Some(uid), Some(gid))?;
    } else if owner != uid {
        return Err(format!(
            "the directory {0} belongs to user {owner}, but the collector runs as user {uid}\n  change its owner: chown -R {uid}:{gid} {0}",
            path.display()
        )
        .into());
    }
    Ok(path)
}

/// Task from the broker.
enum Task {
    Serve(UnixStream),
    Subscriptions { files: Vec<broker::CollectorFile>, passwords: Zeroizing<Vec<u8>> },
}

/// Receives commands of the broker until it closes the link.
fn receive_commands(link: &Link, tasks: &mpsc::UnboundedSender<Task>) {
    while let Ok(Some(mut frame)) = link.receive() {
        let task = match (CollectorCommand::decode(&frame.message), frame.descriptors.pop()) {
            (Ok(CollectorCommand::ServeGateway), Some(socket)) => Task::Serve(UnixStream::from(socket)),
            (Ok(CollectorCommand::Subscriptions { files, passwords }), None) => {
                Task::Subscriptions { files, passwords }
            }
            _ => {
                tracing::error!("Invalid message from the broker");
                return;
            }
        };
        if tasks.send(task).is_err() {
            return;
        }
    }
}
