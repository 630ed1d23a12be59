//! Commits: validation, writing, reload, verdict, and recovery after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;

use locks::MutexGuard;

use super::disk::Disk;
use super::store::NewCommit;
use super::{Checked, Configuration, Engine, Product, live, require_base, write};
use crate::error::WebServerError;
use crate::history::{Commit, CommitDetails, CommitKind, CommitRequest, Verdict};
use crate::plan::{Plan, PlannedFile, Validation};
use crate::value::CommitMessage;

/// Exclusive right to change the files.
pub(super) struct ChangeLock<'a, P> {
    product: &'a P,
    _thread: MutexGuard<'a, ()>,
    /// Closing it releases the lock.
    _process: File,
}

/// Waits for the exclusive right to change the files, and undoes a commit that a crash interrupted.
pub(super) fn lock<P: Product>(product: &P) -> Result<ChangeLock<'_, P>, WebServerError> {
    let engine = product.engine();
    let thread = engine.changes.lock();
    let path = engine.state.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(WebServerError::disk("open", &path))?;
    file.lock().map_err(WebServerError::disk("lock", &path))?;
    let lock = ChangeLock { product, _thread: thread, _process: file };
    lock.recover()?;
    Ok(lock)
}

impl<P: Product> ChangeLock<'_, P> {
    /// Undoes a commit whose process was killed. Its verdict is unknown, so the old files are restored, and a running
    /// web server loads them again.
    fn recover(&self) -> Result<(), WebServerError> {
        let product = self.product;
        let Engine { store, roots, .. } = product.engine();
        let Some(pending) = store.pending()? else { return Ok(()) };
        write::restore(store, roots, &pending)?;
        let configuration = live(product)?;
        let paths: Vec<&str> = pending.iter().map(|file| file.path.as_str()).collect();
        let text = format!("Undid an interrupted change of {}", paths.join(", "));
        let message = CommitMessage::parse(text.get(..1_000).unwrap_or(&text)).unwrap_or_default();
        self.insert(&configuration, CommitKind::Recovery, &message)?;
        if let Some(main_process) = product.main_process(&configuration) {
            // A failure leaves the running configuration as it is.
            let before = product.before_reload(main_process, &configuration);
            let _ = product.reload(before, &configuration)?;
        }
        Ok(())
    }

    /// Adds a commit to the history if the files were changed by others.
    pub(super) fn record_external(&self, configuration: &P::Configuration) -> Result<(), WebServerError> {
        let last = self.product.engine().store.last_applied()?;
        if last.is_some_and(|last| last.revision == configuration.revision()) {
            return Ok(());
        }
        self.insert(configuration, CommitKind::External, &CommitMessage::default())
    }

    fn insert(
        &self,
        configuration: &P::Configuration,
        kind: CommitKind,
        message: &CommitMessage,
    ) -> Result<(), WebServerError> {
        let is_running = self.product.main_process(configuration).is_some();
        let verdict = if is_running { Verdict::Active } else { Verdict::Written };
        let commit = NewCommit {
            author: None,
            message,
            kind,
            revision: configuration.revision(),
            verdict: &verdict,
            validator: "",
            files: &contents(configuration),
        };
        self.product.engine().store.insert(&commit).map(|_| ())
    }
}

/// Lets the web server check the planned files.
pub(super) fn validate<P: Product>(product: &P, plan: &Plan) -> Result<Validation, WebServerError> {
    let mut disk = Disk::default();
    for file in &plan.files {
        disk.planned.insert(file.path.clone(), file.after.clone());
    }
    let planned = product.read(&mut disk)?;
    let deleted = plan.files.iter().filter(|file| file.after.is_none()).map(|file| file.path.as_str());
    let deleted: BTreeSet<&str> = deleted.collect();
    let stage = product.engine().stage()?;
    product.check(&Checked { planned: &planned, deleted: &deleted, stage: &stage })
}

/// Validates, writes and activates a plan.
pub(super) fn commit<P: Product>(
    product: &P,
    plan: &Plan,
    request: &CommitRequest,
) -> Result<Commit, WebServerError> {
    let lock = lock(product)?;
    let before = live(product)?;
    lock.record_external(&before)?;
    require_base(&plan.base, &before)?;
    if plan.is_empty() {
        let action = "commit the plan".to_owned();
        return Err(WebServerError::Impossible { action, reason: "it changes nothing".to_owned() });
    }
    let validation = validate(product, plan)?;
    if !validation.accepted {
        return Err(WebServerError::Rejected(Box::new(validation)));
    }
    let verdict = product.apply(&before, &plan.files)?;
    let after = live(product)?;
    let kind = plan.restores.map_or(CommitKind::Change, |to| CommitKind::Rollback { to });
    product.engine().store.insert(&NewCommit {
        author: Some(&request.author),
        message: &request.message,
        kind,
        revision: after.revision(),
        verdict: &verdict,
        validator: &validation.output,
        files: &contents(&after),
    })
}

/// Writes files and lets a running web server load them. If it rejects them, the old ones are restored.
pub(super) fn replace_files<P: Product>(
    product: &P,
    before: &P::Configuration,
    files: &[PlannedFile],
) -> Result<Verdict, WebServerError> {
    let reload = product.main_process(before).map(|process| product.before_reload(process, before));
    let Engine { store, roots, .. } = product.engine();
    write::write(store, roots, files)?;
    let verdict = match reload.map(|reload| product.reload(reload, &live(product)?)).transpose() {
        Ok(None) => Verdict::Written,
        Ok(Some(Ok(()))) => Verdict::Active,
        Ok(Some(Err(reason))) => Verdict::Failed { reason },
        Err(error) => Verdict::Failed { reason: error.to_string() },
    };
    if let Verdict::Failed { reason } = &verdict
        && let Some(pending) = store.pending()?
    {
        let restored = write::restore(store, roots, &pending).and_then(|()| product.resume(&live(product)?));
        restored.map_err(|restore| WebServerError::Unrestored {
            cause: reason.clone(),
            restore: restore.to_string(),
        })?;
    }
    Ok(verdict)
}

impl Engine {
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
                link: None,
            };
            file.diff()
        });
        Ok(CommitDetails { diffs: diffs.collect(), commit, validator })
    }
}

fn contents<C: Configuration>(configuration: &C) -> BTreeMap<String, Vec<u8>> {
    let contents = configuration.contents().into_iter();
    contents.map(|(path, content)| (path.to_owned(), content.to_vec())).collect()
}
