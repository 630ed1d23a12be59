//! A network of one's own, in which a test may write rules for the firewall.

use std::process::Command;
use std::time::Duration;

use crate::run::{run, tail};

/// Runs `body` in a process with a network of its own that has the loopback interface only: the test `name`, as the
/// test program lists it, is started again there. Where that is not possible, it says so and does nothing.
///
/// # Panics
/// When there is no such test, or when it fails there.
pub fn in_network(name: &str, body: impl FnOnce()) {
    if std::env::var_os(VARIABLE).is_some() {
        return body();
    }
    let missing = ["unshare", "ip", "nft"].into_iter().find(|program| {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        !found.is_ok_and(|found| found.status.success())
    });
    if let Some(program) = missing {
        skips::skip!("there is no {program} here (Debian: apt-get install util-linux iproute2 nftables)");
        return;
    }
    let mut trial = Command::new("unshare");
    let allowed = run(trial.args(["--net", "nft", "add", "table", "inet", "trial"]), b"", LIMIT);
    if allowed.code != 0 {
        skips::skip!("no network of one's own may be made here: {}", tail(&allowed.stderr));
        return;
    }
    let program = std::env::current_exe().expect("a test program knows its own path");
    let mut again = Command::new("unshare");
    again.args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]).arg(program);
    again.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(VARIABLE, "1");
    let ended = run(&mut again, b"", Duration::from_secs(600));
    let (stdout, stderr) = (tail(&ended.stdout), tail(&ended.stderr));
    assert_eq!(ended.code, 0, "in a network of its own:\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{name} is not the name of this test:\n{stdout}");
}

/// Gives the firewall of this network its rules, in the words of nft(8).
///
/// # Panics
/// When it does not take them.
pub fn firewall(rules: &str) {
    let mut nft = Command::new("nft");
    let ended = run(nft.args(["-f", "-"]), rules.as_bytes(), LIMIT);
    assert_eq!(ended.code, 0, "nft: {ended:?}");
}

/// Says to the process that it is the one in the network of its own.
const VARIABLE: &str = "TELARCH_TEST_NETWORK";
const LIMIT: Duration = Duration::from_secs(60);
