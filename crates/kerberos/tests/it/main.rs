//! Our client and our service in a test realm; without MIT's KDC the tests are skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod binding;
mod failures;
mod handover;
mod sealing;
mod service_name;
mod sign_in;

use std::sync::Arc;

use auth::{Account, AuthError, Binding, Secret, Step};
use telarch_kerberos::{
    Acceptors, Accounts, AuthenticatedService, Client, Context, Credentials, FoundAccount, Initiator,
    KerberosError, Library, Principal, PrincipalRules, Privilege, Spn,
};
use telarch_peers::{PASSWORD, REALM, USER};

/// User accounts: the test user and root.
struct Machine;

impl Accounts for Machine {
    fn find(&self, name: &str) -> Result<Option<FoundAccount>, AuthError> {
        let privilege = match name {
            USER | "robot" => Privilege::Ordinary,
            "root" => Privilege::Superuser,
            _ => return Ok(None),
        };
        Ok(Some(FoundAccount { account: Account { name: name.to_owned() }, privilege }))
    }
}

fn library() -> Arc<Library> {
    Library::load().expect("the KDC needs it, too")
}

fn rules() -> PrincipalRules {
    PrincipalRules::new(Arc::new(Machine)).allow_realm(REALM)
}

fn service() -> Acceptors {
    Acceptors::new(library(), Arc::new(rules()))
}

fn principal(name: &str) -> Principal {
    Principal::parse(&format!("{name}@{REALM}")).unwrap()
}

fn password(password: &str) -> Credentials {
    Credentials::Password { principal: principal(USER), password: Secret::new(password.to_owned()) }
}

fn client(credentials: Credentials) -> Initiator {
    Initiator::new(library(), credentials, Spn::http("localhost").unwrap())
}

/// Returns the first token of a client.
fn token(initiator: &mut Initiator) -> Result<Vec<u8>, KerberosError> {
    match initiator.advance(None)? {
        Step::Continue(token) => Ok(token),
        Step::Done { .. } => panic!("completed before mutual authentication"),
    }
}

/// Authenticates a client to a service.
fn meet(
    mut initiator: Initiator,
    service: &Acceptors,
) -> Result<(Client, AuthenticatedService), KerberosError> {
    let token = token(&mut initiator)?;
    let Step::Done { token: Some(answer), outcome: client } =
        service.acceptor(Binding::default()).accept(&token)?
    else {
        panic!("the service did not complete with a response");
    };
    let Step::Done { token: None, outcome: reached } = initiator.advance(Some(&answer))? else {
        panic!("the client did not complete");
    };
    Ok((client, reached))
}

/// Returns both contexts after authentication by password: the service's and the client's.
fn contexts() -> (Context, Context) {
    let (client, reached) = meet(self::client(password(PASSWORD)), &service()).unwrap();
    (client.context, reached.context)
}
