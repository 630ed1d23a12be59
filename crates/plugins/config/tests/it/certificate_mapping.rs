//! Certificate mappings as a resource: accepted and rejected changes, and their faults.

use accounts::{ClientCertificateFile, HostKey};
use client::{EnumerateOptions, Error, Locator, Session};
use wsman::{ResourceUri, SelectorSet, Subcode};
use xml::Fragment;

use crate::running::{PASSWORD, Running, fragment};

const RESOURCE: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/certmapping";
const ISSUER: &str = "00112233445566778899AABBCCDDEEFF00112233";

fn all() -> Locator {
    Locator::new(ResourceUri::parse(RESOURCE).unwrap())
}

fn of(selectors: &[(&str, &str)]) -> Locator {
    all().with_selectors(
        selectors.iter().fold(SelectorSet::new(), |set, (name, value)| set.with(*name, *value)),
    )
}

fn mapping(subject: &str) -> Locator {
    of(&[("Issuer", ISSUER), ("Subject", subject), ("URI", "*")])
}

fn with(fields: &[(&str, &str)]) -> Fragment {
    fragment(|writer| {
        writer.start("cfg:CertMapping").namespace("cfg", RESOURCE);
        for (name, value) in fields {
            writer.element(&format!("cfg:{name}"), value);
        }
    })
}

fn ada() -> Fragment {
    with(&[("UserName", "ada"), ("Password", PASSWORD)])
}

/// Returns the elements of a mapping, in order.
async fn shown(session: &Session, locator: &Locator) -> Vec<(String, String)> {
    let answer = session.get(locator).await.unwrap();
    let content = answer.content().unwrap();
    assert_eq!((content.namespace(), content.name(), content.prefix()), (RESOURCE, "CertMapping", "cfg"));
    content.children().map(|child| (child.name().to_owned(), child.text().into_owned())).collect()
}

fn fields(subject: &str, user: &str, enabled: &str) -> Vec<(String, String)> {
    [("URI", "*"), ("Subject", subject), ("Issuer", ISSUER), ("UserName", user), ("Enabled", enabled)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (Subcode, u32, String) {
    match outcome.expect_err("the request fails") {
        Error::Fault(fault) => (fault.subcode().clone(), fault.code(), fault.reason().to_owned()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_mapping_is_created_read_listed_changed_and_deleted() {
    let service = Running::start("").await;
    let session = service.session();
    let created = session.create(&mapping("*@corp.example"), &ada()).await.unwrap();
    let selectors = &created.reference.selectors;
    assert_eq!((selectors.text("Issuer"), selectors.text("URI")), (Some(ISSUER), Some("*")));
    assert_eq!(shown(&session, &mapping("*@corp.example")).await, fields("*@corp.example", "ada", "true"));
    // The issuer may be formatted as in Windows dialogs, and case is ignored.
    let spaced = of(&[("issuer", &ISSUER.to_lowercase()), ("subject", "*@CORP.example"), ("uri", "*")]);
    assert_eq!(shown(&session, &spaced).await, fields("*@corp.example", "ada", "true"));

    let off = with(&[("Enabled", "false")]);
    let answer = session.put(&mapping("*@corp.example"), &off).await.unwrap();
    assert!(answer.content().unwrap().source().contains("<cfg:Enabled>false<"), "{answer:?}");
    // A mapping can be put back unchanged.
    let whole = fields("*@corp.example", ".\\ada", "TRUE");
    let whole: Vec<_> = whole.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let refused = refusal(session.put(&mapping("*@corp.example"), &with(&whole)).await);
    assert_eq!(refused.1, 2_150_859_116, "another user requires a password: {refused:?}");
    let whole: Vec<_> = whole.into_iter().filter(|(name, _)| *name != "UserName").collect();
    session.put(&mapping("*@corp.example"), &with(&whole)).await.unwrap();
    assert_eq!(shown(&session, &mapping("*@corp.example")).await, fields("*@corp.example", "ada", "true"));

    session
        .create(&mapping("ben"), &with(&[("UserName", "ada"), ("Password", PASSWORD), ("Enabled", "0")]))
        .await
        .unwrap();
    let mut listed = session.enumerate(&all(), EnumerateOptions::default()).await.unwrap();
    let mut subjects = Vec::new();
    while let Some(item) = listed.next().await {
        let item = item.unwrap();
        let shown = item.xml();
        assert!(!shown.contains(PASSWORD), "{shown}");
        subjects.push(["*@corp.example", "ben"].map(|subject| shown.contains(&format!(">{subject}<"))));
    }
    assert_eq!(subjects, [[true, false], [false, true]]);
    session.delete(&mapping("ben")).await.unwrap();
    let gone = refusal(session.get(&mapping("ben")).await);
    assert_eq!((gone.0, gone.1), (Subcode::InvalidSelectors, 2_150_858_843));
    let again = refusal(session.delete(&mapping("ben")).await);
    assert_eq!(again.1, 2_150_858_843);
    service.stop().await;
}

#[tokio::test]
async fn an_invalid_mapping_is_rejected_and_not_created() {
    let service = Running::start("").await;
    let session = service.session();
    let long = "x".repeat(257);
    let user = ("UserName", "ada");
    let password = ("Password", PASSWORD);
    for (body, code, words) in [
        (with(&[user]), 2_150_859_116, "send UserName and Password"),
        (with(&[password]), 2_150_859_116, "send UserName and Password"),
        (with(&[user, ("Password", "")]), 2_150_859_115, "empty"),
        (with(&[user, ("Password", &long)]), 2_150_859_114, "256"),
        (with(&[user, ("Password", "wrong")]), 2_150_859_092, "ada cannot sign in to this machine"),
        (with(&[("UserName", "eve"), password]), 2_150_859_092, "eve cannot sign in to this machine"),
        (with(&[("UserName", "CORP\\ada"), password]), 2_150_859_092, "to local accounts"),
        (with(&[("UserName", "ada@corp.example"), password]), 2_150_859_092, "to local accounts"),
        (with(&[("UserName", ""), password]), 2_150_859_092, "empty"),
        (with(&[user, password, ("Enabled", "perhaps")]), 2_150_858_817, "perhaps"),
        (with(&[user, password, user]), 2_150_858_817, "more than once"),
        (with(&[user, password, ("Color", "red")]), 2_150_858_817, "unknown element CertMapping/Color"),
        (with(&[user, password, ("Subject", "ben")]), 2_150_859_122, "Subject"),
        (with(&[user, password, ("Issuer", &ISSUER.replace('0', "1"))]), 2_150_859_122, "Issuer"),
        (
            fragment(|writer| {
                writer.start("x:Other").namespace("x", "urn:x");
            }),
            2_150_858_817,
            "Other",
        ),
    ] {
        let (_, found, reason) = refusal(session.create(&mapping("ada"), &body).await);
        assert_eq!(found, code, "{reason}");
        assert!(
            reason.contains(words) && !reason.contains(PASSWORD) && !reason.contains("wrong"),
            "{reason}"
        );
    }
    let keys = |issuer, subject, uri| of(&[("Issuer", issuer), ("Subject", subject), ("URI", uri)]);
    for (locator, code) in [
        (keys("0011", "ada", "*"), 2_150_859_106),
        (keys(ISSUER, "a*a", "*"), 2_150_859_105),
        (keys(ISSUER, "ada", "*x"), 2_150_858_845),
        (of(&[("Issuer", ISSUER), ("Subject", "ada")]), 2_150_858_842),
        (of(&[("Issuer", ISSUER), ("Subject", "ada"), ("URI", "*"), ("User", "ada")]), 2_150_858_843),
    ] {
        let (subcode, found, reason) = refusal(session.create(&locator, &ada()).await);
        assert_eq!((subcode, found), (Subcode::InvalidSelectors, code), "{reason}");
    }
    session.create(&mapping("ada"), &ada()).await.unwrap();
    let exists = refusal(session.create(&mapping("ADA"), &ada()).await);
    assert_eq!((exists.0, exists.1), (Subcode::AlreadyExists, 2_150_858_803));
    let missing = refusal(session.put(&mapping("ben"), &ada()).await);
    assert_eq!(missing.1, 2_150_858_843);
    let wrong = refusal(session.put(&mapping("ada"), &with(&[("Password", "wrong")])).await);
    assert_eq!(wrong.1, 2_150_859_092);
    let file = std::fs::read_to_string(service.mappings()).unwrap();
    assert_eq!(file.lines().filter(|line| !line.starts_with('#')).count(), 1, "{file}");
    service.stop().await;
}

#[tokio::test]
async fn an_invalid_mapping_file_is_not_overwritten() {
    let service = Running::start("").await;
    let session = service.session();
    session.create(&mapping("ada"), &ada()).await.unwrap();
    let path = service.mappings();
    let text = std::fs::read_to_string(&path).unwrap() + "something else\n";
    std::fs::write(&path, &text).unwrap();
    for outcome in [
        session.create(&mapping("ben"), &ada()).await.map(drop),
        session.put(&mapping("ada"), &ada()).await.map(drop),
        session.delete(&mapping("ada")).await.map(drop),
        session.get(&mapping("ada")).await.map(drop),
    ] {
        let (subcode, _, reason) = refusal(outcome);
        assert_eq!(subcode, Subcode::InternalError);
        assert!(reason.contains("certmappings, line 3"), "{reason}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    service.stop().await;
}

/// Creates a mapping file and its other files in a directory.
pub(crate) fn file_in(folder: &std::path::Path) -> ClientCertificateFile {
    let key = HostKey::load_or_create(folder).unwrap();
    ClientCertificateFile::new(folder.join("certmappings"), folder.join("client-authorities"), key)
}
