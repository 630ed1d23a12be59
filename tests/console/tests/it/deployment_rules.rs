//! Deployment rules.

use browser::Page;
use serde_json::{Value, json};

use crate::accessibility::examine_everywhere;
use crate::machine::{ADMINISTRATOR, Machine};

fn rules(page: &Page) -> Value {
    page.evaluate("fetch('/api/v1/management/deployment-rules').then((response) => response.json())")["rules"]
        .clone()
}

#[test]
fn rules_are_added_changed_and_removed() {
    let Some(machine) = Machine::start() else { return };
    let page = machine.signed_in(ADMINISTRATOR, "/management/deployment-rules");
    page.wait_for_text("There is no rule: only administrators deploy.");
    page.click_button("Add rule");
    page.click_button("Add rule");
    page.wait_for_text("One field needs a correction.");
    page.fill("user 1 > User name", "ben");
    page.fill("Path", "{userScope}/img");
    page.click_button("Add rule");
    page.wait_for_text("The rule is added.");
    let added = json!({
        "users": ["ben"], "actions": ["Read", "Write"], "path": "{userScope}/img", "pathType": "PathPrefix",
        "enabled": true,
    });
    assert_eq!(rules(&page), json!([added]));
    page.wait_for_text("{userScope}/img");
    examine_everywhere(&page, "deployment rules");

    page.click_button("Change rule 1");
    page.click_button("Add user");
    page.wait_until("document.activeElement === pageOfTest.find('field', 'user 2 > User name')");
    page.type_text("*");
    page.choose("The path of the file", "ends with this text");
    page.fill("Path", ".html");
    page.click_field("Enabled");
    page.click_button("Change rule");
    page.wait_for_text("Rule 1 is changed.");
    let changed = json!({
        "users": ["ben", "*"], "actions": ["Read", "Write"], "path": ".html", "pathType": "StringSuffix",
        "enabled": false,
    });
    assert_eq!(rules(&page), json!([changed]));

    page.click_button("Remove rule 1");
    page.wait_for_text("Remove rule 1?");
    page.click_button("Cancel");
    page.click_button("Remove rule 1");
    page.click_button("Remove");
    page.wait_for_text("There is no rule: only administrators deploy.");
    assert_eq!(rules(&page), json!([]));
    assert_eq!(page.take_errors(), [""; 0]);
}
