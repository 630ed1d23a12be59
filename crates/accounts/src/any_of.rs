//! Several sources of accounts, tried in order.

use std::collections::HashMap;
use std::net::IpAddr;

use auth::{Account, AuthError, PasswordVerifier, Secret, VerifierCost};
use locks::Mutex;

/// A password verifier that can also reject accounts verified by other sources.
pub trait AccountSource: PasswordVerifier {
    /// Rejects an account that this source knows and forbids, even if another source verified its password.
    ///
    /// A source that does not know the account permits it.
    ///
    /// # Errors
    /// [`AuthError::NotAllowed`] if the account may not sign in, [`AuthError::Unavailable`] if the source cannot be
    /// read.
    fn permits(&self, account: &Account) -> Result<(), AuthError>;
}

/// Accepts a password that any of several sources accepts, unless another source forbids the account.
///
/// So `telarch account disable alice` also rejects the PAM user `alice`. The sources are tried in order until one
/// accepts; all of them are tried for a wrong password, so that timing does not reveal which of them has the account.
pub struct AnyOf {
    sources: Vec<Box<dyn AccountSource>>,
    /// Index of the source that last accepted each account. An entry requires a correct password, so its size is
    /// bounded by the number of accounts.
    accepted_by: Mutex<HashMap<String, usize>>,
}

impl AnyOf {
    /// Creates a verifier that tries the sources in this order. Without sources it rejects everyone.
    #[must_use]
    pub fn new(sources: Vec<Box<dyn AccountSource>>) -> Self {
        Self { sources, accepted_by: Mutex::default() }
    }
}

impl PasswordVerifier for AnyOf {
    fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        let mut worst = AuthError::Unavailable;
        for (at, source) in self.sources.iter().enumerate() {
            match source.verify(user, password, from) {
                Ok(account) => {
                    self.sources.iter().try_for_each(|source| source.permits(&account))?;
                    self.accepted_by.lock().insert(account.name.clone(), at);
                    return Ok(account);
                }
                // A wrong password in one source counts even if another source is unavailable; otherwise guesses would
                // not be counted during an outage.
                Err(AuthError::WrongPassword) => worst = AuthError::WrongPassword,
                Err(AuthError::Unavailable) => {}
                // The password was right, but the account is not allowed.
                Err(error) => return Err(error),
            }
        }
        Err(worst)
    }

    fn cost(&self) -> VerifierCost {
        self.sources.iter().map(|source| source.cost()).max().unwrap_or(VerifierCost::Quick)
    }

    fn still_admits(&self, account: &Account, from: IpAddr) -> Result<(), AuthError> {
        self.sources.iter().try_for_each(|source| source.permits(account))?;
        let source = self.accepted_by.lock().get(&account.name).and_then(|at| self.sources.get(*at));
        // An account that signed in with a ticket or another proof was accepted by none of the sources.
        source.map_or(Ok(()), |source| source.still_admits(account, from))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A source with a fixed verdict that forbids at most one account.
    struct Source(Result<&'static str, AuthError>, Option<(&'static str, AuthError)>);

    impl PasswordVerifier for Source {
        fn verify(&self, _: &str, _: &Secret, _: IpAddr) -> Result<Account, AuthError> {
            self.0.map(|name| Account { name: name.to_owned() })
        }

        fn cost(&self) -> VerifierCost {
            VerifierCost::Quick
        }

        /// Rejects every account, as if all had been disabled since their sign-in.
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
    fn verdicts_of_two_sources_combine() {
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
            let any = AnyOf::new(vec![Box::new(Source(first, None)), Box::new(Source(second, None))]);
            assert_eq!(verify(&any), verdict.map(str::to_owned), "{first:?}, {second:?}");
        }
        assert_eq!(verify(&AnyOf::new(Vec::new())), Err(Unavailable));
    }

    #[test]
    fn a_source_can_forbid_accounts_that_another_source_accepts() {
        for error in [AuthError::NotAllowed, AuthError::Unavailable] {
            let file = Source(Err(AuthError::WrongPassword), Some(("b", error)));
            let known = AnyOf::new(vec![Box::new(file), Box::new(Source(Ok("b"), None))]);
            assert_eq!(verify(&known), Err(error));
        }
    }

    #[test]
    fn still_admits_asks_the_accepting_source_and_all_vetoes() {
        let (file, pam) = (Source(Err(AuthError::WrongPassword), None), Source(Ok("b"), None));
        let any = AnyOf::new(vec![Box::new(file), Box::new(pam)]);
        let account = Account { name: "b".to_owned() };
        assert_eq!(
            any.still_admits(&account, HERE),
            Ok(()),
            "accounts proven by other means are not re-verified"
        );
        verify(&any).unwrap();
        assert_eq!(any.still_admits(&account, HERE), Err(AuthError::NotAllowed));
        let out = Source(Err(AuthError::WrongPassword), Some(("b", AuthError::NotAllowed)));
        assert_eq!(AnyOf::new(vec![Box::new(out)]).still_admits(&account, HERE), Err(AuthError::NotAllowed));
    }

    fn verify(verifier: &AnyOf) -> Result<String, AuthError> {
        let password = Secret::new("x".to_owned());
        verifier.verify("any", &password, HERE).map(|account| account.name)
    }
}
