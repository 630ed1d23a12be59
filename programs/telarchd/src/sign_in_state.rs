//! Report about the schemes that users can sign in with, for `--check`, the log and quickconfig.

use std::path::Path;
use std::sync::Arc;

use accounts::{ServiceScope, SignIn, SignInSources};
use auth::{Authenticator as _, Scheme, SignInFacts, SignInReport};
use config::{Paths, State, Store};

use crate::arguments::Persistent;
use crate::kerberos_setup;
use crate::log::one_line_of;

/// Source of reports about a running service.
#[derive(Clone)]
pub(crate) struct SignInState {
    pub(crate) store: Arc<Store>,
    pub(crate) paths: Paths,
    pub(crate) serving: ServiceScope,
    pub(crate) winbind: bool,
    pub(crate) sign_in: Arc<SignIn>,
}

impl SignInState {
    /// Returns the report. Blocks on files and libraries.
    pub(crate) fn report(&self) -> SignInReport {
        let state = self.store.state();
        let Self { paths, serving, winbind, .. } = self;
        let mut facts = facts(&state, paths, *serving, *winbind);
        // The service reads its keys only at its start.
        facts.kerberos = match (self.sign_in.supports(Scheme::Kerberos), facts.kerberos) {
            (true, _) => Ok(()),
            (false, Ok(())) => {
                Err("the keytab was created after the service was started; restart it".to_owned())
            }
            (false, error) => error,
        };
        SignInReport::new(&facts)
    }

    /// Logs a warning if no user can sign in over the network.
    pub(crate) fn warn(&self) {
        if let Some(problem) = self.report().problem() {
            tracing::warn!(error = one_line_of(&problem), "No user can sign in over the network");
        }
    }
}

/// Returns the report about the service that these arguments would start.
pub(crate) fn of_files(arguments: &Persistent, state: &State) -> SignInReport {
    let me = rustix::process::geteuid();
    let serving =
        if me.is_root() { ServiceScope::Machine } else { ServiceScope::OneUser { uid: me.as_raw() } };
    SignInReport::new(&facts(state, &arguments.paths, serving, arguments.winbind.is_some()))
}

fn facts(state: &State, paths: &Paths, serving: ServiceScope, winbind: bool) -> SignInFacts {
    let mut facts = SignInSources { state, paths, serving, winbind }.facts();
    let table = principals_table(&paths.config);
    if let (Ok(()), Err(error)) = (&facts.kerberos, kerberos_setup::check_table(&table)) {
        facts.kerberos = Err(error);
    }
    facts
}

/// Returns the path of the table that maps principals to accounts.
pub(crate) fn principals_table(config: &Path) -> std::path::PathBuf {
    config.with_file_name("principals")
}
