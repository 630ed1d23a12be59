//! Responses from memory, which are those of the ordinary handlers.

use management::Settings;
use serde_json::json;

use super::{Fixture, call, headers, json_of};
use crate::reply::Content;

#[test]
fn a_session_is_shown_from_memory_as_by_its_handler() {
    let fixture = Fixture::new(Settings::default());
    let browser = fixture.browser("viewer");
    let request = call("GET", "/session", &json!({}), &browser);
    let quick = fixture.console.answer_quickly(&request).unwrap();
    assert_eq!((quick.status, json_of(&quick)), (200, json_of(&fixture.console.answer(&request))));
    assert_eq!(json_of(&quick)["role"], "viewer");
    let head = call("HEAD", "/session", &json!({}), &browser);
    assert!(matches!(fixture.console.answer_quickly(&head).unwrap().content, Content::Empty));
}

#[test]
fn requests_that_are_not_admitted_or_not_quick_have_no_answer_from_memory() {
    let fixture = Fixture::new(Settings::default());
    let browser = fixture.browser("viewer");
    let foreign_host: Vec<_> =
        headers(&[("host", "evil.example")]).into_iter().chain(browser.clone()).collect();
    let with_key: Vec<_> =
        headers(&[("authorization", "Bearer x")]).into_iter().chain(browser.clone()).collect();
    for (method, path, sent) in [
        ("GET", "/session", Vec::new()),
        ("GET", "/session", headers(&[("cookie", "__Host-telarch=unknown")])),
        ("GET", "/session", foreign_host),
        ("GET", "/session", with_key),
        ("DELETE", "/session", browser.clone()),
        ("GET", "/machine", browser.clone()),
        ("GET", "/web/sites", browser),
    ] {
        let answer = fixture.console.answer_quickly(&call(method, path, &json!({}), &sent));
        assert!(answer.is_none(), "{method} {path} {sent:?}: {answer:?}");
    }
}
