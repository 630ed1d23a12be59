//! Copies files to or from each machine.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cli::remote::{Machines, Remote, interrupted, message};
use cli::screen::{ByteCount, Progress, Screen};
use cli::{ClientSettings, SavedHosts};
use cli_command::{Failure, output};
use client::{FleetEvent, FleetHost, FleetLimits, FleetStop, run_fleet};
use copy::{CarrierChoice, Copied, CopiedTree, Copier, CopyError, CopyOptions, RemotePath};
use tokio::time::timeout;

use super::arguments::{Invocation, Request, local_target};
use super::report::{CopiedDirectory, CopiedFile, HostResult, Report};
use super::state::CopyState;

/// Copies the files of a command line and reports the results.
pub(super) fn run(invocation: Invocation) -> Result<String, Failure> {
    let Invocation { request, switches, options, carrier, is_recursive, is_verbose, format } = invocation;
    let Machines { members, parallel } = Machines::parse(&switches, &SavedHosts::of_this_process())?;
    if parallel.is_some() && matches!(request, Request::Download { .. }) {
        return Err(Failure::usage(
            "cp: files of many machines would overwrite each other",
            "copy them from one machine after the other, each to a directory of its own",
        ));
    }
    let subject = match members.as_slice() {
        [(name, _)] => name.clone(),
        many => format!("{} machines", many.len()),
    };
    let names = members.iter().map(|(name, _)| name.clone()).collect();
    let limits = FleetLimits::default();
    let limits =
        FleetLimits { parallel: parallel.and_then(NonZeroUsize::new).unwrap_or(limits.parallel), ..limits };
    let bytes = Arc::new(ByteCount::default());
    let progress = Progress::new(&Screen::of_this_process(), subject).of_bytes(Arc::clone(&bytes));
    let (mut out, mut errors) = (output::out(), output::errors());
    let mut report = Report::new(&mut *out, &mut errors, names, parallel.is_some(), format, is_verbose);
    let job = Arc::new(Job { request, options, carrier, is_recursive });
    let settings = ClientSettings::of_this_process();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut failed_output = None;
    let copying = run_fleet(
        members,
        limits,
        interrupted(),
        |(name, connection), host| {
            // The password is read here, so that it is prompted for once.
            let remote = Remote::new(&name, connection, &settings);
            let (job, state) = (Arc::clone(&job), CopyState::new(Arc::clone(&bytes)));
            async move {
                match remote {
                    Ok(remote) => job.run_on(&remote, &host, &state).await,
                    Err(failure) => HostResult::failed(message(&failure)),
                }
            }
        },
        |event| {
            progress.make_way();
            let FleetEvent::Ended(index, result) = event else { return ControlFlow::Continue(false) };
            match report.result(index, &result) {
                Ok(is_failed) => ControlFlow::Continue(is_failed),
                Err(error) => {
                    failed_output.get_or_insert(error);
                    ControlFlow::Break(())
                }
            }
        },
    );
    let summary = runtime.block_on(progress.during(copying));
    if let Some(error) = failed_output {
        return Err(error.into());
    }
    let is_complete = report.finish(&summary)?;
    match summary.stop {
        Some(FleetStop::Interrupted) => Err(Failure::INTERRUPTED),
        _ if is_complete => Ok(String::new()),
        _ => Err(Failure::Ended(1)),
    }
}

/// Files to copy, and how.
struct Job {
    request: Request,
    options: CopyOptions,
    carrier: CarrierChoice,
    is_recursive: bool,
}

impl Job {
    /// Copies the files to or from a machine until they are copied or the copy must end.
    async fn run_on(
        &self,
        remote: &Remote,
        host: &FleetHost<(), HostResult>,
        state: &CopyState,
    ) -> HostResult {
        let copying = self.copy(remote, state);
        tokio::pin!(copying);
        let reason = tokio::select! {
            result = &mut copying => return result,
            reason = host.stopped() => reason,
        };
        state.cancel();
        // Time to remove temporary files.
        let _ = timeout(END_TIMEOUT, copying).await;
        HostResult::failed(reason.to_string())
    }

    async fn copy(&self, remote: &Remote, state: &CopyState) -> HostResult {
        let copier = match Copier::open(remote.session(), self.carrier).await {
            Ok(copier) => copier,
            Err(error) => return HostResult::failed(text(error, remote)),
        };
        let mut result = HostResult { carrier: Some(copier.carrier()), ..HostResult::default() };
        match &self.request {
            Request::Upload { sources, target } => {
                for source in sources {
                    let copied = self.upload(&copier, source, target, sources.len() > 1, state).await;
                    result.add(source.display().to_string(), copied, remote);
                }
            }
            Request::Download { sources, target } => {
                for source in sources {
                    let copied = self.download(&copier, source, target, state).await;
                    result.add(source.to_string(), copied, remote);
                }
            }
        }
        // The files are copied, so a failure to close the shell is no failure of the copy.
        let _ = timeout(END_TIMEOUT, copier.close()).await;
        result.skipped = state.take_skipped();
        result
    }

    /// Copies a local file or directory. With several sources, the target must be a directory.
    async fn upload(
        &self,
        copier: &Copier,
        source: &Path,
        target: &RemotePath,
        has_more: bool,
        state: &CopyState,
    ) -> Result<Done, CopyError> {
        let name = source.file_name();
        if self.is_recursive && source.is_dir() {
            let root = match name {
                Some(name) if has_more || copier.check_directory(target).await? => target.join(name),
                _ => target.clone(),
            };
            return copier.upload_tree(source, &root, self.options, state).await.map(Done::Tree);
        }
        let copied = match name {
            Some(name) if has_more => {
                copier.upload(source, &target.join(name), None, self.options, state).await
            }
            name => copier.upload(source, target, name, self.options, state).await,
        };
        copied.map(Done::File)
    }

    async fn download(
        &self,
        copier: &Copier,
        source: &RemotePath,
        target: &Path,
        state: &CopyState,
    ) -> Result<Done, CopyError> {
        let path = local_target(target, source)?;
        if self.is_recursive && copier.check_directory(source).await? {
            return copier.download_tree(source, &path, self.options, state).await.map(Done::Tree);
        }
        copier.download(source, &path, self.options, state).await.map(Done::File)
    }
}

/// Result of one source.
enum Done {
    File(Copied),
    Tree(CopiedTree),
}

impl HostResult {
    fn add(&mut self, source: String, done: Result<Done, CopyError>, remote: &Remote) {
        match done {
            Ok(Done::File(copied)) => self.files.push(CopiedFile { source, copied }),
            Ok(Done::Tree(mut copied)) => {
                self.errors.append(&mut copied.failed);
                self.trees.push(CopiedDirectory { source, copied });
            }
            Err(error) => self.errors.push(text(error, remote)),
        }
    }
}

/// Returns the message for an error: what failed and, on the next lines, what to do.
fn text(error: CopyError, remote: &Remote) -> String {
    match error {
        CopyError::Request(error) => remote.message(error),
        other => other.to_string(),
    }
}

/// Time to end what was started on a machine.
const END_TIMEOUT: Duration = Duration::from_secs(10);
