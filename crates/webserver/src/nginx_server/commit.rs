//! Commits: validation, writing, reload, verdict, and recovery after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;

use locks::MutexGuard;

use super::configuration::{self, Configuration};
use super::disk::Disk;
use super::process::Reload;
use super::store::NewCommit;
use super::{Nginx, logs, stage, write};
use crate::error::WebServerError;
use crate::history::{Commit, CommitDetails, CommitKind, CommitRequest, Verdict};
use crate::plan::{Plan, PlannedFile, Validation};
use crate::value::CommitMessage;

/// Exclusive right to change the files.
pub(super) struct ChangeLock<'a> {
    _thread: MutexGuard<'a, ()>,
    /// Closing it releases the lock.
    _process: File,
}

impl Nginx {
    /// Waits for the exclusive right to change the files, and undoes a commit that a crash interrupted.
    pub(super) fn lock(&self) -> Result<ChangeLock<'_>, WebServerError> {
        let thread = self.changes.lock();
        let path = self.state.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(WebServerError::disk("open", &path))?;
        file.lock().map_err(WebServerError::disk("lock", &path))?;
        let lock = ChangeLock { _thread: thread, _process: file };
        self.recover(&lock)?;
        Ok(lock)
    }

    /// Undoes a commit whose process was killed. Its verdict is unknown, so the old files are restored, and a running
    /// nginx loads them again.
    fn recover(&self, lock: &ChangeLock<'_>) -> Result<(), WebServerError> {
        let Some(pending) = self.store.pending()? else { return Ok(()) };
        write::restore(&self.store, &self.roots, &pending)?;
        let configuration = self.read()?;
        let paths: Vec<&str> = pending.iter().map(|file| file.path.as_str()).collect();
        let text = format!("Undid an interrupted change of {}", paths.join(", "));
        let message = CommitMessage::parse(text.get(..1_000).unwrap_or(&text)).unwrap_or_default();
        self.insert(lock, &configuration, CommitKind::Recovery, &message)?;
        if let Some(master) = self.master(&configuration) {
            // A failure leaves the running configuration as it is.
            let _ = Reload::prepare(master, &self.error_logs(&configuration)).run()?;
        }
        Ok(())
    }

    /// Adds a commit to the history if the files were changed by others.
    pub(super) fn record_external(
        &self,
        lock: &ChangeLock<'_>,
        configuration: &Configuration,
    ) -> Result<(), WebServerError> {
        let last = self.store.last_applied()?;
        if last.is_some_and(|last| last.revision == configuration.revision()) {
            return Ok(());
        }
        self.insert(lock, configuration, CommitKind::External, &CommitMessage::default())
    }

    fn insert(
        &self,
        _lock: &ChangeLock<'_>,
        configuration: &Configuration,
        kind: CommitKind,
        message: &CommitMessage,
    ) -> Result<(), WebServerError> {
        let verdict = if self.master(configuration).is_some() { Verdict::Active } else { Verdict::Written };
        let commit = NewCommit {
            author: None,
            message,
            kind,
            revision: configuration.revision(),
            verdict: &verdict,
            validator: "",
            files: &contents(configuration),
        };
        self.store.insert(&commit).map(|_| ())
    }

    /// Lets nginx check the planned files.
    pub(super) fn validate_files(&self, plan: &Plan) -> Result<Validation, WebServerError> {
        let mut disk = Disk::default();
        for file in &plan.files {
            disk.planned.insert(file.path.clone(), file.after.clone());
        }
        let planned = Configuration::read(&self.invocation.main, &mut disk)?;
        let files = planned.closure.files().map(|(path, file)| (path, file.content()));
        let files: BTreeMap<&str, &[u8]> = files.collect();
        let deleted = plan.files.iter().filter(|file| file.after.is_none()).map(|file| file.path.as_str());
        let deleted: BTreeSet<&str> = deleted.collect();
        let logs = logs::files(&planned, &self.invocation, &self.build).into_iter().map(|log| log.path);
        let logs: Vec<String> = logs.collect();
        stage::validate(&self.invocation, &files, &deleted, &logs, &self.stage()?)
    }

    /// Validates, writes and activates a plan.
    pub(super) fn commit_plan(&self, plan: &Plan, request: &CommitRequest) -> Result<Commit, WebServerError> {
        let lock = self.lock()?;
        let before = self.read()?;
        self.record_external(&lock, &before)?;
        Self::require_base(&plan.base, &before)?;
        if plan.is_empty() {
            let action = "commit the plan".to_owned();
            return Err(WebServerError::Impossible { action, reason: "it changes nothing".to_owned() });
        }
        let validation = self.validate_files(plan)?;
        if !validation.accepted {
            return Err(WebServerError::Rejected(Box::new(validation)));
        }
        let reload = self.master(&before).map(|master| Reload::prepare(master, &self.error_logs(&before)));
        write::write(&self.store, &self.roots, &plan.files)?;
        let verdict = match reload.map(Reload::run).transpose() {
            Ok(None) => Verdict::Written,
            Ok(Some(Ok(()))) => Verdict::Active,
            Ok(Some(Err(reason))) => Verdict::Failed { reason },
            Err(error) => Verdict::Failed { reason: error.to_string() },
        };
        if let Verdict::Failed { reason } = &verdict
            && let Some(pending) = self.store.pending()?
        {
            write::restore(&self.store, &self.roots, &pending).map_err(|restore| {
                WebServerError::Unrestored { cause: reason.clone(), restore: restore.to_string() }
            })?;
        }
        let after = configuration::live(&self.invocation.main)?;
        let kind = plan.restores.map_or(CommitKind::Change, |to| CommitKind::Rollback { to });
        self.store.insert(&NewCommit {
            author: Some(&request.author),
            message: &request.message,
            kind,
            revision: after.revision(),
            verdict: &verdict,
            validator: &validation.output,
            files: &contents(&after),
        })
    }

    /// Returns a commit with the differences to the one before.
    pub(super) fn details(&self, number: u64) -> Result<CommitDetails, WebServerError> {
        let (commit, validator) =
            self.store.commit(number)?.ok_or_else(|| WebServerError::not_found("commit", &number))?;
        let after = self.store.files(number)?.ok_or_else(|| WebServerError::not_found("commit", &number))?;
        let before = match number.checked_sub(1) {
            Some(previous) => self.store.files(previous)?.unwrap_or_default(),
            None => BTreeMap::new(),
        };
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changed = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
        let diffs = changed.map(|path| {
            let file = PlannedFile {
                path: path.clone(),
                before: before.get(path).cloned(),
                after: after.get(path).cloned(),
            };
            file.diff()
        });
        Ok(CommitDetails { diffs: diffs.collect(), commit, validator })
    }
}

fn contents(configuration: &Configuration) -> BTreeMap<String, Vec<u8>> {
    let contents = configuration.contents().into_iter();
    contents.map(|(path, content)| (path.to_owned(), content.to_vec())).collect()
}
