//! Files of the console.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::call::Call;
use crate::problem::Problem;
use crate::reply::{Content, Reply};

/// A file of the console.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Path below `console/`.
    pub path: &'static str,
    /// Content.
    pub bytes: &'static [u8],
}

/// Embeds files of the folder `console`.
macro_rules! console_files {
    ($($path:literal),* $(,)?) => {
        &[$(Asset { path: $path, bytes: include_bytes!(concat!("../../../../console/", $path)) }),*]
    };
}

/// All files of the console.
pub static CONSOLE: &[Asset] = console_files![
    "api.js",
    "app.js",
    "certificates.js",
    "changes.js",
    "deployment-rules.js",
    "deployments.js",
    "elevation.js",
    "events.js",
    "favicon.svg",
    "feature-fields.js",
    "feature.js",
    "fields.js",
    "form.js",
    "hardware.js",
    "iis.js",
    "index.html",
    "machine-run.js",
    "machines.js",
    "overview.js",
    "people.js",
    "pools.js",
    "remote-wsman.js",
    "remote.js",
    "router.js",
    "service.js",
    "sign-in.js",
    "sites.js",
    "state.js",
    "style.css",
    "terminal.css",
    "terminal.html",
    "terminal.js",
    "values.js",
    "vendor/htm-3.1.1/htm.mjs",
    "vendor/preact-11.2.0/hooks.mjs",
    "vendor/preact-11.2.0/preact.mjs",
    "vendor/signals-2.11.4/signals.mjs",
    "vendor/signals-core-1.14.5/signals-core.mjs",
    "vendor/xterm-6.0.0/xterm.css",
    "vendor/xterm-6.0.0/xterm.mjs",
    "vendor/xterm-addon-fit-0.11.0/addon-fit.mjs",
    "web.js",
    "wmi.js",
    "wsman-changes.js",
    "wsman.js",
];

/// Returns a file of the console. Paths of pages return the start page, which shows them itself.
pub(crate) fn reply(call: &Call) -> Result<Reply, Problem> {
    if !matches!(call.method.as_str(), "GET" | "HEAD") {
        return Err(Problem::new(405, "method-not-allowed", "allowed methods: GET"));
    }
    let path = call.path.strip_prefix('/').unwrap_or_default();
    // Names of sites may contain dots.
    let is_page = ["", "web", "wmi", "wsman", "events", "hardware", "machines", "machine-runs", "management"]
        .contains(&path.split('/').next().unwrap_or_default());
    let name = match path {
        "terminal" => "terminal.html",
        _ if is_page => "index.html",
        _ => path,
    };
    let asset = CONSOLE.iter().find(|asset| asset.path == name).ok_or_else(|| Problem::not_found("page"))?;
    let tag = TAGS.get(name).cloned().unwrap_or_default();
    let content = if call.header("if-none-match") == Some(tag.as_str()) {
        return Ok(Reply::new(304, Content::Empty).header("etag", tag).header("cache-control", "no-cache"));
    } else {
        Content::Asset(media_type(name), asset.bytes)
    };
    let reply = Reply::new(200, content).header("etag", tag).header("cache-control", "no-cache");
    Ok(if name == "terminal.html" {
        reply.header("content-security-policy", terminal_policy())
    } else {
        reply
    })
}

/// Entity tags of the files by path.
static TAGS: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    let hashes = CONSOLE.iter().map(|asset| (asset.path, STANDARD.encode(Sha256::digest(asset.bytes))));
    hashes.map(|(path, hash)| (path, format!("\"{hash}\""))).collect()
});

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    }
}

/// Returns the value of `Content-Security-Policy` for the page of the terminal: xterm.js sets styles of elements.
fn terminal_policy() -> String {
    content_security_policy().replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
}

/// Returns the value of `Content-Security-Policy`: scripts of this server only, and the import map by its hash.
pub(crate) fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let page = CONSOLE.iter().find(|asset| asset.path == "index.html").map(|asset| asset.bytes);
        let page = str::from_utf8(page.unwrap_or_default()).unwrap_or_default();
        let map = page.split_once("<script type=\"importmap\">").map_or("", |(_, rest)| rest);
        let map = map.split_once("</script>").map_or("", |(map, _)| map);
        let hash = STANDARD.encode(Sha256::digest(map.as_bytes()));
        format!(
            "default-src 'none'; script-src 'self' 'sha256-{hash}'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    });
    &POLICY
}
