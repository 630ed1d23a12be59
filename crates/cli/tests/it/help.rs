//! Help pages.

use telarch_cli::help::{self, Page};

#[test]
fn the_general_page_begins_with_a_title_and_an_example() {
    let page = Page::General.text();
    assert!(page.starts_with("winrm - "), "{page}");
    assert!(page.contains("\n\n    winrm identify -remote:server7\n\n"), "{page}");
    for word in ["get", "enumerate, e, enum", "quickconfig", "uris", "filters", "security"] {
        assert!(page.contains(word), "{word} is missing in {page}");
    }
}

#[test]
fn the_page_of_an_operation_lists_its_switches() {
    let page = Page::find(Some("enum")).text();
    assert!(page.contains("Usage: winrm enumerate RESOURCE_URI [-SWITCH[:VALUE] ...]"), "{page}");
    assert!(page.contains("-returntype:object|epr|objectandepr"), "{page}");
    assert!(page.contains("-remote:ENDPOINT  (-r, -machine)"), "{page}");
    assert!(!page.contains("-quiet"), "{page}");
}

#[test]
fn an_unknown_topic_shows_the_general_page() {
    assert_eq!(Page::find(Some("customremoteshell")), Page::General);
    assert_eq!(Page::find(None), Page::General);
}

#[test]
fn all_pages_are_separated_by_dashes() {
    let all = Page::All.text();
    let dashes = "-".repeat(79);
    assert!(all.contains(&format!("\n{dashes}\nTOPIC: get\n\n")), "get is missing");
    assert!(all.contains(&format!("\n{dashes}\nTOPIC: filters\n\n")), "filters is missing");
    assert_eq!(all.matches(&dashes).count(), all.matches("\nTOPIC: ").count());
}

#[test]
fn error_codes_are_explained_in_every_spelling() {
    let explained = help::message("0x80338012");
    assert!(explained.starts_with("cannot connect\n  "), "{explained}");
    assert!(
        explained.contains(
            "name    ERROR_WSMAN_DESTINATION_UNREACHABLE\nnumber  2150858770, -2144108526, 0x80338012\n"
        ),
        "{explained}"
    );
    for spelling in ["-2144108526", "2150858770", "destination_unreachable"] {
        assert_eq!(help::message(spelling), explained, "of {spelling}");
    }
    assert!(help::message("0x80070005").starts_with("access denied\n"));
    assert_eq!(help::message("nonsense"), Page::Operation("helpmsg").text());
}

#[test]
fn winrs_has_one_page() {
    let page = help::winrs();
    assert!(page.starts_with("winrs - run a command on a local or remote machine\n\n    winrs "), "{page}");
    assert!(page.contains("-environment:NAME=VALUE  (-env)"), "{page}");
}

#[test]
fn the_version_is_one_line() {
    assert!(help::version("winrm").starts_with("winrm (Telarch) "));
    assert!(help::version("winrm").ends_with('\n'));
}
