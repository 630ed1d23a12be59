//! A page of the browser.

use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::browser::Theme;
use crate::connection::Connection;

/// A key that is no character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Tab.
    Tab,
    /// Tab with Shift.
    BackTab,
    /// Enter.
    Enter,
    /// Space.
    Space,
    /// Escape.
    Escape,
    /// Arrow down.
    Down,
    /// Arrow up.
    Up,
}

/// A page, with cookies and a storage of its own.
#[derive(Debug)]
pub struct Page {
    connection: Rc<RefCell<Connection>>,
    session: String,
    /// Identifier of its cookies and storage, for the browser.
    context: Value,
}

impl Page {
    pub(crate) fn new(
        connection: Rc<RefCell<Connection>>,
        session: String,
        context: Value,
        theme: Theme,
        width: u32,
    ) -> Self {
        let page = Self { connection, session, context };
        for domain in ["Page", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        // The service's certificate is self-signed.
        page.call("Security.setIgnoreCertificateErrors", &json!({ "ignore": true }));
        page.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": include_str!("page.js") }));
        // Only a page with the focus receives events of it.
        page.call("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
        page.set_theme(theme);
        page.set_width(width);
        page
    }

    /// Sets the preferred theme.
    ///
    /// # Panics
    /// If the browser refuses.
    pub fn set_theme(&self, theme: Theme) {
        let value = match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Sets the width of the window in CSS pixels.
    ///
    /// # Panics
    /// If the browser refuses.
    pub fn set_width(&self, width: u32) {
        let metrics = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Loads a URL.
    ///
    /// # Panics
    /// If it cannot be loaded.
    pub fn open(&self, url: &str) {
        // On a busy machine, a connection can take longer than the browser waits for it.
        let mut attempts = (0..ATTEMPTS).map(|_| self.call("Page.navigate", &json!({ "url": url })));
        let result = attempts.find(|result| result["errorText"] != "net::ERR_TIMED_OUT");
        let error = result.map_or_else(|| json!("timed out"), |result| result["errorText"].clone());
        assert!(error.is_null(), "{url}: {error}");
    }

    /// Evaluates an expression of JavaScript, waits for it if it is a promise, and returns its value.
    ///
    /// # Panics
    /// If it throws.
    pub fn evaluate(&self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.call("Runtime.evaluate", &parameters);
        let thrown = &result["exceptionDetails"];
        assert!(thrown.is_null(), "{}\nin {expression:.200}", thrown["exception"]["description"]);
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true. It is evaluated after each change of the document and of the focus.
    ///
    /// # Panics
    /// If it does not become true.
    pub fn wait_until(&self, condition: &str) {
        let description = json!(format!("is not true: {condition}"));
        self.evaluate(&format!("pageOfTest.until(() => ({condition}), {description}).then(() => true)"));
    }

    /// Waits until the visible text of the page contains a text.
    ///
    /// # Panics
    /// If it never does.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_until(&format!("document.body?.innerText.includes({})", json!(text)));
    }

    /// Waits until a heading is visible.
    ///
    /// # Panics
    /// If it never is.
    pub fn wait_for_heading(&self, name: &str) {
        self.wait_for("heading", name);
    }

    /// Waits until a button is visible.
    ///
    /// # Panics
    /// If it never is.
    pub fn wait_for_button(&self, name: &str) {
        self.wait_for("button", name);
    }

    fn wait_for(&self, kind: &str, name: &str) {
        self.evaluate(&format!("pageOfTest.waitFor({}, {}).then(() => true)", json!(kind), json!(name)));
    }

    /// Clicks a button. `SCOPE > NAME` is a button inside a group, a list item or a region with the name SCOPE.
    ///
    /// # Panics
    /// If there is no such button.
    pub fn click_button(&self, name: &str) {
        self.click("button", name);
    }

    /// Clicks a link.
    ///
    /// # Panics
    /// If there is no such link.
    pub fn click_link(&self, name: &str) {
        self.click("link", name);
    }

    /// Clicks a checkbox.
    ///
    /// # Panics
    /// If there is no such field.
    pub fn click_field(&self, name: &str) {
        self.click("field", name);
    }

    fn click(&self, kind: &str, name: &str) {
        self.evaluate(&format!("pageOfTest.click({}, {})", json!(kind), json!(name)));
    }

    /// Replaces the text of a field.
    ///
    /// # Panics
    /// If there is no such field.
    pub fn fill(&self, name: &str, text: &str) {
        self.evaluate(&format!("pageOfTest.select({})", json!(name)));
        if text.is_empty() {
            self.evaluate("document.execCommand('delete')");
        } else {
            self.type_text(text);
        }
    }

    /// Chooses an option of a selection list.
    ///
    /// # Panics
    /// If there is no such list or option.
    pub fn choose(&self, name: &str, option: &str) {
        self.evaluate(&format!("pageOfTest.choose({}, {})", json!(name), json!(option)));
    }

    /// Types text into the element that has the focus.
    ///
    /// # Panics
    /// If the browser refuses.
    pub fn type_text(&self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Presses and releases a key.
    ///
    /// # Panics
    /// If the browser refuses.
    pub fn press(&self, key: Key) {
        let (name, code, text) = match key {
            Key::Tab | Key::BackTab => ("Tab", 9, ""),
            Key::Enter => ("Enter", 13, "\r"),
            Key::Space => (" ", 32, " "),
            Key::Escape => ("Escape", 27, ""),
            Key::Down => ("ArrowDown", 40, ""),
            Key::Up => ("ArrowUp", 38, ""),
        };
        let modifiers = if key == Key::BackTab { SHIFT } else { 0 };
        let mut event = json!({
            "type": if text.is_empty() { "rawKeyDown" } else { "keyDown" },
            "key": name,
            "code": if key == Key::Space { "Space" } else { name },
            "windowsVirtualKeyCode": code,
            "modifiers": modifiers,
        });
        if !text.is_empty() {
            event["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", &event);
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", &event);
    }

    /// Presses and releases a letter with Ctrl and Shift. `command` is the editing command that the browser has for this
    /// shortcut, which it executes unless the page prevents it; empty for none.
    ///
    /// # Panics
    /// If the browser refuses.
    pub fn press_ctrl_shift(&self, letter: char, command: &str) {
        let letter = letter.to_ascii_uppercase();
        let commands: Vec<&str> = Some(command).into_iter().filter(|command| !command.is_empty()).collect();
        let mut event = json!({
            "type": "rawKeyDown",
            "key": letter.to_string(),
            "code": format!("Key{letter}"),
            "windowsVirtualKeyCode": u32::from(letter),
            "modifiers": CTRL | SHIFT,
            "commands": commands,
        });
        self.call("Input.dispatchKeyEvent", &event);
        event["type"] = json!("keyUp");
        event["commands"] = json!([]);
        self.call("Input.dispatchKeyEvent", &event);
    }

    /// Clicks twice with the mouse. `place` is an expression for the coordinates in the window, a list of two numbers.
    ///
    /// # Panics
    /// If the browser refuses, or the expression has another value.
    pub fn double_click(&self, place: &str) {
        let place = self.evaluate(place);
        let (x, y) = (place[0].as_f64().expect("a number"), place[1].as_f64().expect("a number"));
        for count in [1, 2] {
            for kind in ["mousePressed", "mouseReleased"] {
                let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": count });
                self.call("Input.dispatchMouseEvent", &event);
            }
        }
    }

    /// Permits pages of an origin to read and write the clipboard.
    ///
    /// # Panics
    /// If the browser refuses.
    pub fn permit_clipboard(&self) {
        let origin = self.evaluate("location.origin");
        let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        let parameters =
            json!({ "origin": origin, "browserContextId": self.context, "permissions": permissions });
        let result = self.connection.borrow_mut().call(None, "Browser.grantPermissions", &parameters);
        result.unwrap_or_else(|error| panic!("Browser.grantPermissions: {error}"));
    }

    /// Returns the whole page as PNG.
    ///
    /// # Panics
    /// If the browser refuses.
    #[must_use]
    pub fn screenshot(&self) -> Vec<u8> {
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        let result = self.call("Page.captureScreenshot", &parameters);
        STANDARD.decode(result["data"].as_str().expect("an image")).expect("base64")
    }

    /// Returns the errors since the last call: exceptions, messages of the console, violations of the content security
    /// policy, and failed requests.
    ///
    /// # Panics
    /// If the browser has ended.
    #[must_use]
    pub fn take_errors(&self) -> Vec<String> {
        // A command whose result follows all earlier events.
        self.evaluate("1");
        let events = self.connection.borrow_mut().take_events(&self.session);
        let errors = events.into_iter().filter_map(|event| {
            let parameters = event.parameters;
            let text = match event.method.as_str() {
                "Runtime.exceptionThrown" => &parameters["exceptionDetails"],
                "Runtime.consoleAPICalled" if parameters["type"] == "error" => &parameters["args"],
                "Log.entryAdded" if parameters["entry"]["level"] == "error" => &parameters["entry"],
                _ => return None,
            };
            Some(text.to_string())
        });
        errors.collect()
    }

    fn call(&self, method: &str, parameters: &Value) -> Value {
        let result = self.connection.borrow_mut().call(Some(&self.session), method, parameters);
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }
}

/// Bits of keys in `modifiers`.
const CTRL: u32 = 2;
const SHIFT: u32 = 8;
/// Attempts to load a URL.
const ATTEMPTS: usize = 3;
