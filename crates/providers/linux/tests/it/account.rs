//! Compares accounts with `getent` and `id`, and changes them where only the test sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use telarch_provider_linux::Machine;

use crate::tree::Tree;
use crate::world::{in_world, run, sh};
use crate::{call_on, engine, rows_of, text};

/// Returns this machine, with a fixed SID.
fn machine() -> Arc<Machine> {
    Arc::new(Machine::this().with_sid(sddl::DomainSid::new([1, 2, 3])))
}

fn lines(rows: &[cim::Instance], columns: &[&str]) -> BTreeSet<String> {
    let line = |row: &cim::Instance| columns.iter().map(|name| text(row, name)).collect::<Vec<_>>().join("|");
    rows.iter().map(line).collect()
}

fn lines_of(script: &str) -> BTreeSet<String> {
    sh(script).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn users_and_groups_are_those_of_the_machine() {
    let users = rows_of(&machine(), "SELECT * FROM Win32_UserAccount").await;
    let awk = "awk -F: '{split($5, g, \",\"); rid = $3 == 0 ? 500 : 1000 + 2 * $3; print $1 \"|\" g[1] \"|S-1-5-21-1-2-3-\" rid}' /etc/passwd";
    assert_eq!(lines(&users, &["Name", "FullName", "SID"]), lines_of(awk));
    let groups = rows_of(&machine(), "SELECT * FROM Win32_Group WHERE SID <> 'S-1-5-32-544'").await;
    let awk = "awk -F: '{print $1 \"|S-1-5-21-1-2-3-\" 1001 + 2 * $3}' /etc/group";
    assert_eq!(lines(&groups, &["Name", "SID"]), lines_of(awk));
    let root =
        rows_of(&machine(), "SELECT Name FROM Win32_UserAccount WHERE SID = 'S-1-5-21-1-2-3-500'").await;
    assert_eq!(text(&root[0], "Name"), "root");
}

#[tokio::test]
async fn group_memberships_match_id() {
    let machine = machine();
    let host = machine.host_name();
    for user in ["root", "daemon"] {
        let query = format!(
            "ASSOCIATORS OF {{Win32_UserAccount.Domain='{host}',Name='{user}'}} WHERE ResultClass=Win32_Group"
        );
        let mut groups = lines(&rows_of(&machine, &query).await, &["Name"]);
        groups.remove("Administrators");
        assert_eq!(groups, lines_of(&format!("id -Gn {user} | tr ' ' '\\n'")), "{user}");
    }
    let query = format!(
        "ASSOCIATORS OF {{Win32_Group.Domain='{host}',Name='Administrators'}} WHERE ResultClass=Win32_UserAccount"
    );
    assert!(lines(&rows_of(&machine, &query).await, &["Name"]).contains("root"));
}

#[tokio::test]
async fn sids_resolve_to_their_accounts() {
    let of = async |sid: &str| {
        let rows = rows_of(&machine(), &format!("SELECT * FROM Win32_SID WHERE SID = '{sid}'")).await;
        ["AccountName", "ReferencedDomainName", "SidLength"].map(|name| text(&rows[0], name))
    };
    let host = machine().host_name();
    assert_eq!(of("S-1-5-18").await, ["SYSTEM", "NT AUTHORITY", "12"]);
    assert_eq!(of("S-1-5-32-544").await, ["Administrators", "BUILTIN", "16"]);
    assert_eq!(of("S-1-5-21-1-2-3-500").await, ["root", &host, "28"]);
    assert_eq!(of("S-1-1-0").await, ["Everyone", "", "12"]);
}

/// Inventory programs query users this way. A user without failed logons has no faillock file.
#[tokio::test]
async fn user_without_faillock_record_is_not_locked() {
    let wrong = |count| [[0; 54].as_slice(), &[1], &[0; 9]].concat().repeat(count);
    let tree = Tree::new()
        .file(
            "etc/passwd",
            "ann:x:1001:1001::/:/bin/sh\nbob:x:1002:1002::/:/bin/sh\neve:x:1003:1003::/:/bin/sh\n",
        )
        .file("var/run/faillock/bob", wrong(2))
        .file("var/run/faillock/eve", wrong(3));
    let machine = Arc::new(Machine::at(tree.path()).with_sid(sddl::DomainSid::new([1, 2, 3])));
    let of = async |locked: &str| {
        let query =
            format!("SELECT Name FROM Win32_UserAccount WHERE Lockout='{locked}' AND LocalAccount='True'");
        lines(&rows_of(&machine, &query).await, &["Name"])
    };
    assert_eq!(of("False").await, ["ann", "bob"].map(str::to_owned).into());
    assert_eq!(of("True").await, ["eve".to_owned()].into());
}

#[tokio::test]
async fn sessions_are_those_that_logind_keeps() {
    let tree = Tree::new()
        .file("etc/passwd", "alice:x:1000:1000:Alice,,,:/home/alice:/bin/sh\n")
        .file("home/alice/.profile", "")
        .file(
            "run/systemd/sessions/4",
            "UID=1000\nUSER=alice\nTYPE=tty\nREMOTE=1\nSERVICE=sshd\nREALTIME=1700000000000000\n",
        )
        .file(
            "run/systemd/sessions/c1",
            "UID=1000\nUSER=alice\nTYPE=wayland\nREMOTE=0\nSERVICE=gdm\nCLASS=user\nSEAT=seat0\nACTIVE=1\n",
        )
        .file("run/systemd/sessions/c0", "UID=1000\nUSER=alice\nTYPE=unspecified\nCLASS=manager\nREMOTE=0\n")
        .file("run/systemd/sessions/c1.ref", "");
    let machine = Arc::new(Machine::at(tree.path()).with_sid(sddl::DomainSid::new([1, 2, 3])));
    let sessions = rows_of(&machine, "SELECT * FROM Win32_LogonSession").await;
    let expected = ["4|10|sshd", "c0|5|", "c1|2|gdm"].map(str::to_owned).into();
    assert_eq!(lines(&sessions, &["LogonId", "LogonType", "AuthenticationPackage"]), expected);
    let users = "ASSOCIATORS OF {Win32_LogonSession.LogonId='4'} WHERE AssocClass=Win32_LoggedOnUser";
    assert_eq!(text(&rows_of(&machine, users).await[0], "Name"), "alice");
    // `Win32_OperatingSystem` counts the same sessions.
    let counted = rows_of(&machine, "SELECT NumberOfUsers FROM Win32_OperatingSystem").await;
    assert_eq!(text(&counted[0], "NumberOfUsers"), "2");
    let console = rows_of(&machine, "SELECT UserName FROM Win32_ComputerSystem").await;
    assert_eq!(text(&console[0], "UserName"), format!("{}\\alice", machine.host_name()));
    let profiles = rows_of(&machine, "SELECT * FROM Win32_UserProfile").await;
    let columns = ["LocalPath", "Loaded", "Special", "SID"];
    assert_eq!(lines(&profiles, &columns), ["/home/alice|true|false|S-1-5-21-1-2-3-3000".to_owned()].into());
}

#[test]
fn accounts_are_renamed_and_changed() {
    let needed = ["useradd", "usermod", "groupmod", "chage"];
    in_world("account::accounts_are_renamed_and_changed", &needed, || {
        sh("mount -t tmpfs none /media && mkdir /media/u /media/w && \
            mount -t overlay none -o lowerdir=/etc,upperdir=/media/u,workdir=/media/w /etc && \
            useradd -c 'Old Name,Room 7' -p x1 -u 4711 telarchtest");
        let machine = machine();
        let host = machine.host_name();
        let path = |class: &str, name: &str| format!("{class}.Domain=\"{host}\",Name=\"{name}\"");
        let rename = |class: &str, from: &str, to: &'static str| {
            let input = [("Name", to.into())];
            text(&run(call_on(&machine, &path(class, from), "Rename", &input)).unwrap(), "ReturnValue")
        };
        let user = |name: &str| {
            let rows = run(rows_of(
                &machine,
                &format!("SELECT * FROM Win32_UserAccount WHERE Domain='{host}' AND Name='{name}'"),
            ));
            rows.into_iter().next().expect("the user")
        };
        let change = |name: &str, value: cim::Value| {
            let before = user("telarchtest");
            let column = before.class().column(name).into_iter().collect();
            let wanted = before.with(name, value).unwrap();
            let (context, namespace) = (wmi::Context::of_this_process("alice"), cim::Namespace::cimv2());
            run(engine(&machine).put(&context, &namespace, wanted, &column))
        };
        let before = user("telarchtest");
        assert_eq!(
            ["FullName", "Description", "Disabled"].map(|name| text(&before, name)),
            ["Old Name", "Room 7", "false"]
        );
        change("FullName", "New Name".into()).unwrap();
        assert_eq!(sh("getent passwd telarchtest | cut -d: -f5"), "New Name,Room 7");
        assert!(change("FullName", "a:0:0".into()).is_err());
        assert_eq!(text(&change("Disabled", true.into()).unwrap(), "Disabled"), "true");
        assert!(sh("getent shadow telarchtest").contains(":!x1:"));
        assert_eq!(text(&change("Disabled", false.into()).unwrap(), "Status"), "OK");
        sh("chage -M 30 telarchtest");
        assert_eq!(text(&user("telarchtest"), "PasswordExpires"), "true");
        assert_eq!(text(&change("PasswordExpires", false.into()).unwrap(), "PasswordExpires"), "false");
        assert_eq!(rename("Win32_UserAccount", "telarchtest", "root"), "2224");
        assert_eq!(rename("Win32_UserAccount", "telarchtest", "-o"), "2202");
        assert_eq!(rename("Win32_UserAccount", "telarchtest", "renamed"), "0");
        assert_eq!(text(&user("renamed"), "SID"), "S-1-5-21-1-2-3-10422", "it is the same account");
        assert_eq!(rename("Win32_Group", "telarchtest", "renamed"), "0");
        assert!(sh("getent group renamed").starts_with("renamed:"));
    });
}

#[test]
fn directory_accounts_are_found_by_name_and_listed_if_enabled() {
    if !std::path::Path::new("/lib/x86_64-linux-gnu/libnss_systemd.so.2").exists() {
        skips::skip!("there is no libnss_systemd here, whose accounts are in no file");
        return;
    }
    let name = "account::directory_accounts_are_found_by_name_and_listed_if_enabled";
    in_world(name, &["getent"], || {
        // systemd keeps accounts in files of its own.
        sh("mount -t tmpfs none /media && mkdir /media/u /media/w && \
            mount -t overlay none -o lowerdir=/etc,upperdir=/media/u,workdir=/media/w /etc && \
            printf 'passwd: files systemd\\ngroup: files systemd\\n' >/etc/nsswitch.conf && \
            mkdir -p /etc/telarch /etc/userdb");
        let record =
            r#"{"userName":"dir","uid":61000,"gid":100,"realName":"Of a directory","shell":"/bin/sh"}"#;
        std::fs::write("/etc/userdb/dir.user", record).unwrap();
        sh("ln -s dir.user /etc/userdb/61000.user && getent passwd dir");
        let machine = machine();
        let host = machine.host_name();
        let found = |condition: &str| {
            let query = format!("SELECT * FROM Win32_UserAccount {condition}");
            lines(&run(rows_of(&machine, &query)), &["Name", "SID"])
        };
        let of_directory = BTreeSet::from(["dir|S-1-5-21-1-2-3-123000".to_owned()]);
        assert_eq!(found(&format!("WHERE Domain='{host}' AND Name='dir'")), of_directory);
        assert!(found(&format!("WHERE Domain='{host}' AND Name='61000'")).is_empty(), "a number is no name");
        assert!(found("").is_disjoint(&of_directory), "only files are listed");
        std::fs::write("/etc/telarch/wmi.toml", "accounts = \"all\"\n").unwrap();
        assert!(found("").is_superset(&of_directory), "all are listed");
    });
}
