//! Man pages.

use telarch_cli::man;

#[test]
fn a_man_page_has_its_sections_and_every_switch() {
    let page = man::winrm();
    assert!(page.starts_with(".TH WINRM 1 "), "{page}");
    for section in
        ["NAME", "SYNOPSIS", "OPERATIONS", "SWITCHES", "FILTERS", "EXIT STATUS", "FILES", "ENVIRONMENT"]
    {
        assert!(page.contains(&format!("\n.SH {section}\n")), "{section} is missing");
    }
    assert!(page.contains("\\fB\\-remote:ENDPOINT, \\-r, \\-machine\\fR"), "{page}");
    assert!(man::winrs().contains("\\fB\\-directory:PATH, \\-d\\fR"));
}

#[test]
fn text_is_never_parsed_as_a_roff_request() {
    let requests = [".TH", ".SH", ".TP", ".IP", ".nf", ".fi"];
    for line in [man::winrm(), man::winrs()].concat().lines() {
        let request = line.starts_with(['.', '\'']);
        assert!(!request || requests.iter().any(|known| line.starts_with(known)), "{line}");
    }
}
