//! Password guessing: its rate, and the information in responses.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use accounts::SignIn;
use auth::ntlm::{self, HostNames, NtHash, NtlmVerifier, Verified};
use auth::{Account, AuthError, Initiator, PasswordVerifier, Scheme, Secret, VerifierCost};
use tokio::task::JoinSet;

use super::client::{self, SignedInClient, ntlm_of};
use super::{HOST, guarded_by, names, refusal};
use crate::message::Message;
use crate::running::Running;
use crate::wire::{ADA, BEN, Wire, basic, post};

/// Password of dan, whose account is disabled.
const DAN: &str = "suspended";

/// Accounts that count password comparisons, which take most of the time.
struct Book {
    names: HostNames,
    compared: AtomicUsize,
    requested: Mutex<Vec<String>>,
}

impl Book {
    fn open() -> Arc<Self> {
        Arc::new(Self { names: names(), compared: AtomicUsize::new(0), requested: Mutex::default() })
    }

    fn password(name: Option<&str>) -> Option<&'static str> {
        match name? {
            "ada" => Some(ADA),
            "ben" => Some(BEN),
            "dan" => Some(DAN),
            _ => None,
        }
    }

    fn permit(name: &str) -> Result<Account, AuthError> {
        if name == "dan" { Err(AuthError::NotAllowed) } else { Ok(Account { name: name.to_owned() }) }
    }

    fn compared(&self) -> usize {
        self.compared.load(Ordering::SeqCst)
    }

    fn compare(&self, user: &str) {
        self.compared.fetch_add(1, Ordering::SeqCst);
        self.requested.lock().unwrap().push(user.to_owned());
    }
}

impl PasswordVerifier for Book {
    fn verify(&self, user: &str, password: &Secret, _: IpAddr) -> Result<Account, AuthError> {
        self.compare(user);
        match Self::password(Some(user)) {
            Some(right) if password.expose() == right => Self::permit(user),
            _ => Err(AuthError::WrongPassword),
        }
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }
}

impl NtlmVerifier for Book {
    fn verify(
        &self,
        domain: &str,
        user: &str,
        challenge: &[u8; 8],
        nt_response: &[u8],
    ) -> Result<Verified, AuthError> {
        self.compare(user);
        let name = self.names.local_account(domain, user);
        let hash = Self::password(name).map(|right| NtHash::of_password(&Secret::new(right.to_owned())));
        let base_key = ntlm::judge(hash.as_ref(), domain, user, challenge, nt_response)?;
        Ok(Verified { account: Self::permit(name.unwrap_or_default())?, base_key })
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Slow
    }
}

async fn guarded(book: &Arc<Book>) -> Running {
    guarded_by(SignIn::new(Arc::clone(book) as _).with_ntlm(Arc::clone(book) as _, names()), &[]).await
}

/// Returns the response to an attempt with any scheme, from a separate source address.
async fn attempt(running: &Running, from: u8, way: usize, user: &str, password: &str) -> String {
    let source = Ipv4Addr::new(127, 0, 0, from);
    if way == 3 {
        let mut wire = Wire::connect_tls_from(source, running.https).await;
        let request = post(Message::probe("echo", "guess")).header("Authorization", &basic(user, password));
        let answer = wire.ask(&request).await;
        return if answer.status == 200 { "in".to_owned() } else { refusal(&answer) };
    }
    let mut wire = Wire::connect_from(source, running.http).await;
    let (scheme, mut initiator) = client::every_way(user, password).into_iter().nth(way).unwrap();
    match client::sign_in(&mut wire, scheme, initiator.as_mut()).await {
        Ok(_) => "in".to_owned(),
        Err(client::Refused { answer, reason: None }) => refusal(&answer),
        // CredSSP encrypts its reason differently each time.
        Err(client::Refused { answer, reason: Some(reason) }) => {
            let said = refusal(&answer);
            let (before, token) = said.split_once("CredSSP ").unwrap();
            let (token, after) = token.split_once("\r\n").unwrap();
            format!("{before}CredSSP {} characters, {reason}\r\n{after}", token.len())
        }
    }
}

#[tokio::test]
async fn ten_wrong_passwords_over_all_schemes_lock_the_account() {
    let book = Book::open();
    let running = guarded(&book).await;
    for guess in 0..10 {
        assert_ne!(attempt(&running, 2, guess % 4, "ada", "wrong").await, "in");
    }
    assert_eq!(book.compared(), 10);
    for way in 0..4 {
        // The right password is rejected too, also from another address, with the same response as a wrong one.
        let right = attempt(&running, 3, way, "ada", ADA).await;
        assert_eq!(right, attempt(&running, 3, way, "ada", "wrong").await, "{way}");
        assert_ne!(right, "in", "{way}");
    }
    assert_eq!(book.compared(), 10);
    for way in 0..4 {
        assert_eq!(attempt(&running, 4, way, "ben", BEN).await, "in", "{way}");
    }
    running.stop().await;
}

#[tokio::test]
async fn spellings_of_a_name_share_one_failure_count() {
    let book = Book::open();
    let running = guarded(&book).await;
    let short = HOST.split('.').next().unwrap();
    let spellings = [
        "ada".to_owned(),
        "ADA".to_owned(),
        format!("ada@{short}"),
        format!("ada@{HOST}"),
        format!("ada@{}", HOST.to_uppercase()),
        format!("{short}\\ada"),
        ".\\ada".to_owned(),
    ];
    for (guess, spelling) in spellings.iter().cycle().take(70).enumerate() {
        // Each attempt comes from a separate address, so that only the name counts.
        let from = u8::try_from(10 + guess).unwrap();
        let mut wire = Wire::connect_from(Ipv4Addr::new(127, 0, 0, from), running.http).await;
        let mut client = ntlm_of(spelling, "wrong", None);
        assert!(client::sign_in(&mut wire, Scheme::Negotiate, &mut client).await.is_err());
    }
    assert_eq!(book.compared(), 10, "{:?}", book.requested.lock().unwrap());
    assert_ne!(attempt(&running, 2, 0, "ada", ADA).await, "in");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_guesses_count_as_ten_and_others_sign_in() {
    let book = Book::open();
    let running = Arc::new(guarded(&book).await);
    let begin = std::time::Instant::now();
    let mut guesses = JoinSet::new();
    for worker in 0..20 {
        let running = Arc::clone(&running);
        guesses.spawn(async move {
            let source = Ipv4Addr::new(127, 0, 1, worker);
            for guess in 0..50 {
                // One connection per attempt, as an attacker would use.
                let password = format!("guess {worker} {guess}");
                if guess % 2 == 0 {
                    let mut wire = Wire::connect_from(source, running.http).await;
                    let mut client: Box<dyn Initiator> = Box::new(ntlm_of("ada", &password, None));
                    let outcome = client::sign_in(&mut wire, Scheme::Negotiate, client.as_mut()).await;
                    assert!(outcome.is_err());
                } else {
                    let mut wire = Wire::connect_tls_from(source, running.https).await;
                    let request = post("").header("Authorization", &basic("ada", &password));
                    assert_eq!(wire.ask(&request).await.status, 401);
                }
            }
        });
    }
    // Meanwhile ben authenticates repeatedly from another address.
    let mut times = 0;
    while !guesses.is_empty() {
        let wire = Wire::connect_from(Ipv4Addr::new(127, 0, 2, 1), running.http).await;
        let mut ben = SignedInClient::by_ntlm(wire, "ben", BEN).await;
        assert_eq!(ben.ask("unharmed").await, "ben");
        times += 1;
        while let Some(ended) = guesses.try_join_next() {
            ended.unwrap();
        }
    }
    eprintln!("1000 guesses in {:?}; meanwhile ben signed in {times} times", begin.elapsed());
    let requested = book.requested.lock().unwrap().iter().filter(|name| *name == "ada").count();
    assert_eq!(requested, 10);
    assert_ne!(attempt(&running, 9, 0, "ada", ADA).await, "in");
}

#[tokio::test]
async fn one_source_that_guesses_names_is_limited_and_others_are_not() {
    let book = Book::open();
    let running = guarded(&book).await;
    for guess in 0..60 {
        assert_ne!(attempt(&running, 2, [0, 1, 3][guess % 3], &format!("user{guess}"), "wrong").await, "in");
    }
    // A source may fail 30 times at once, then once every 6 seconds.
    assert!((30..45).contains(&book.compared()), "{}", book.compared());
    assert_eq!(attempt(&running, 3, 0, "ada", ADA).await, "in");
    assert_eq!(attempt(&running, 3, 3, "ada", ADA).await, "in");
    running.stop().await;
}

#[tokio::test]
async fn all_rejected_accounts_get_the_same_response_after_the_same_work() {
    let book = Book::open();
    let running = guarded(&book).await;
    let cases = [
        ("unknown", "nobody", ADA),
        ("wrong password", "ada", "wrong"),
        ("disabled, wrong password", "dan", "wrong"),
        ("disabled, right password", "dan", DAN),
        ("of another domain", "ada@elsewhere.example", ADA),
    ];
    for way in 0..4 {
        let mut answers = Vec::new();
        for (name, user, password) in cases {
            let before = book.compared();
            let answer = attempt(&running, 20 + u8::try_from(way).unwrap(), way, user, password).await;
            answers.push((answer, book.compared() - before));
            assert_eq!(answers.first(), answers.last(), "{name}, {way}");
        }
        let (answer, compared) = &answers[0];
        assert!(answer.starts_with("HTTP/1.1 401 Unauthorized"), "{answer}");
        assert_eq!(*compared, 1);
    }
    running.stop().await;
}
