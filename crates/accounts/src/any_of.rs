//! Several sources of accounts, asked one after the other.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use auth::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};

/// A verifier that can also say of an account that another verifier has proven that it must not sign in.
pub trait AccountSource: PasswordVerifier {
    /// Whether the account may sign in as far as this source knows, whoever has proven it.
    ///
    /// A source that does not know the account has nothing against it.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] if it may not, [`AuthError::Unavailable`] if that cannot be found out.
    fn permits(&self, account: &Account) -> Result<(), AuthError>;
}

/// Lets in whoever one of several sources knows, unless another of them has something against it.
///
/// So `telarch account disable alice` also shuts out the user `alice` whom PAM knows. Every source is asked
/// until one is satisfied, so that the time it takes does not tell which of them knows a name.
pub struct AnyOf {
    sources: Vec<Box<dyn AccountSource>>,
    /// Which of them has let in an account last; names come only with a right password, so accounts bound them.
    let_in_by: Mutex<HashMap<String, usize>>,
}

impl AnyOf {
    /// Asks in this order. Without any source nobody is let in.
    #[must_use]
    pub fn new(sources: Vec<Box<dyn AccountSource>>) -> Self {
        Self { sources, let_in_by: Mutex::default() }
    }
}

impl AnyOf {
    fn let_in_by(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.let_in_by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PasswordVerifier for AnyOf {
    fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        let mut worst = AuthError::Unavailable;
        for (at, source) in self.sources.iter().enumerate() {
            match source.verify(user, password, from) {
                Ok(account) => {
                    self.sources.iter().try_for_each(|source| source.permits(&account))?;
                    self.let_in_by().insert(account.name.clone(), at);
                    return Ok(account);
                }
                // Somewhere the password was wrong: that counts, even if another source is out of order,
                // since otherwise nobody would count guesses while it is.
                Err(AuthError::WrongPassword) => worst = AuthError::WrongPassword,
                Err(AuthError::Unavailable) => {}
                // The password was right.
                Err(error) => return Err(error),
            }
        }
        Err(worst)
    }

    fn cost(&self) -> VerifierCost {
        let is_slow = self.sources.iter().any(|source| source.cost() == VerifierCost::Slow);
        if is_slow { VerifierCost::Slow } else { VerifierCost::Quick }
    }

    fn still_admits(&self, account: &Account, from: IpAddr) -> Result<(), AuthError> {
        self.sources.iter().try_for_each(|source| source.permits(account))?;
        let source = self.let_in_by().get(&account.name).and_then(|at| self.sources.get(*at));
        // Whoever came by a ticket or another proof was let in by none of them.
        source.map_or(Ok(()), |source| source.still_admits(account, from))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Knows one answer, and one account it has something against.
    struct Source(Result<&'static str, AuthError>, Option<(&'static str, AuthError)>);

    impl PasswordVerifier for Source {
        fn verify(&self, _: &str, _: &Secret, _: IpAddr) -> Result<Account, AuthError> {
            self.0.map(|name| Account { name: name.to_owned() })
        }

        fn cost(&self) -> VerifierCost {
            VerifierCost::Quick
        }

        /// It has changed its mind about everyone.
        fn still_admits(&self, _: &Account, _: IpAddr) -> Result<(), AuthError> {
            Err(AuthError::NotAllowed)
        }
    }

    impl AccountSource for Source {
        fn permits(&self, account: &Account) -> Result<(), AuthError> {
            self.1.filter(|(name, _)| account.name == *name).map_or(Ok(()), |(_, error)| Err(error))
        }
    }

    #[test]
    fn every_answer_of_two_sources_has_one_meaning() {
        use AuthError::{NotAllowed, Unavailable, WrongPassword};
        let table = [
            (Ok("a"), Ok("b"), Ok("a")),
            (Ok("a"), Err(Unavailable), Ok("a")),
            (Err(WrongPassword), Ok("b"), Ok("b")),
            (Err(Unavailable), Ok("b"), Ok("b")),
            (Err(NotAllowed), Ok("b"), Err(NotAllowed)),
            (Err(WrongPassword), Err(WrongPassword), Err(WrongPassword)),
            (Err(WrongPassword), Err(Unavailable), Err(WrongPassword)),
            (Err(Unavailable), Err(WrongPassword), Err(WrongPassword)),
            (Err(Unavailable), Err(Unavailable), Err(Unavailable)),
            (Err(WrongPassword), Err(NotAllowed), Err(NotAllowed)),
        ];
        for (first, second, verdict) in table {
            let both = AnyOf::new(vec![Box::new(Source(first, None)), Box::new(Source(second, None))]);
            assert_eq!(verify(&both), verdict.map(str::to_owned), "{first:?}, {second:?}");
        }
        assert_eq!(verify(&AnyOf::new(Vec::new())), Err(Unavailable));
    }

    #[test]
    fn what_one_source_has_against_an_account_holds_for_all() {
        for error in [AuthError::NotAllowed, AuthError::Unavailable] {
            let file = Source(Err(AuthError::WrongPassword), Some(("b", error)));
            let known = AnyOf::new(vec![Box::new(file), Box::new(Source(Ok("b"), None))]);
            assert_eq!(verify(&known), Err(error));
        }
    }

    #[test]
    fn whoever_has_let_in_an_account_is_asked_again_and_what_others_have_against_it_holds() {
        let (file, pam) = (Source(Err(AuthError::WrongPassword), None), Source(Ok("b"), None));
        let both = AnyOf::new(vec![Box::new(file), Box::new(pam)]);
        let account = Account { name: "b".to_owned() };
        assert_eq!(both.still_admits(&account, HERE), Ok(()), "it has come by another proof");
        verify(&both).unwrap();
        assert_eq!(both.still_admits(&account, HERE), Err(AuthError::NotAllowed));
        let out = Source(Err(AuthError::WrongPassword), Some(("b", AuthError::NotAllowed)));
        assert_eq!(AnyOf::new(vec![Box::new(out)]).still_admits(&account, HERE), Err(AuthError::NotAllowed));
    }

    fn verify(verifier: &AnyOf) -> Result<String, AuthError> {
        let password = Secret::new("x".to_owned());
        verifier.verify("any", &password, HERE).map(|account| account.name)
    }
}
