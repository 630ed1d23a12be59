//! Deployments of archives to a site.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use browser::Page;

use crate::machine::{ADMINISTRATOR, Machine, Nginx};

/// Chooses an archive in the form.
fn choose_archive(page: &Page, archive: &[u8]) {
    let content = STANDARD.encode(archive);
    page.evaluate(&format!(
        "(() => {{
            const bytes = Uint8Array.from(atob('{content}'), (one) => one.charCodeAt(0));
            const files = new DataTransfer();
            files.items.add(new File([bytes], 'release.tar.gz'));
            document.querySelector('input[type=file]').files = files.files;
        }})()"
    ));
}

#[test]
fn an_archive_is_previewed_deployed_and_taken_back() {
    let Some(machine) = Machine::start() else { return };
    let root = machine.nginx.root();
    fs::create_dir(root.join("release")).expect("a directory");
    fs::write(root.join("release/index.html"), "the new shop").expect("a file");
    fs::write(root.join("release/offers.html"), "offers").expect("a file");
    let archive = root.join("release.tar.gz");
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&archive).arg("-C").arg(root.join("release")).arg(".");
    assert!(tar.status().expect("tar").success());

    let page = machine.signed_in(ADMINISTRATOR, "/");
    let site = machine.shop(&page);
    machine.go(&page, &format!("/web/sites/{site}"));
    page.click_link("Deployments");
    page.wait_for_heading("Deployments");
    page.wait_for_text("Nothing was deployed yet.");
    choose_archive(&page, &fs::read(&archive).expect("the archive"));
    page.click_button("Upload and preview");
    page.wait_for_text("offers.html");
    assert!(Nginx::get(machine.nginx.port, "/").ends_with("the shop"), "nothing changes before");
    page.fill("Reason, for the history", "spring offers");
    page.click_button("Deploy");
    page.wait_for_text("Deployment 1: 1 added, 1 changed, 0 removed");
    page.wait_for_text("spring offers");
    assert!(Nginx::get(machine.nginx.port, "/").ends_with("the new shop"));
    assert!(Nginx::get(machine.nginx.port, "/offers.html").ends_with("offers"));

    page.click_button("Restore the content before deployment 1");
    page.wait_for_text("Restore the content before deployment 1");
    page.click_button("Restore");
    page.wait_for_text("Deployment 2: 0 added, 1 changed, 1 removed");
    assert!(Nginx::get(machine.nginx.port, "/").ends_with("the shop"));
    assert_eq!(page.take_errors(), [""; 0]);
}
