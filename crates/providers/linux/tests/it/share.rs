//! Compares shares of Samba with its own programs, and tests exports of NFS.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cim::Value;
use telarch_provider_linux::Machine;

use crate::tree::Tree;
use crate::world::{in_world, run, sh};
use crate::{call_on, rows_of, text};

const CONFIGURATION: &str = "[global]\nworkgroup = X\nserver string = Node 7\nusershare max shares = 100\n\
    [homes]\n[printers]\nprintable = yes\npath = /var/tmp\n[print$]\npath = /var/lib/samba/printers\n\
    [pub]\ncomment = Für alle\npath = /srv\nmax connections = 5\nread only = no\n\
    [off]\npath = /srv\navailable = no\n[laser]\nprintable = yes\npath = /var/tmp\n";

fn names_of(rows: &[cim::Instance]) -> BTreeSet<String> {
    let columns = ["Name", "Type", "Path", "Description", "AllowMaximum", "MaximumAllowed"];
    rows.iter().map(|row| columns.map(|name| text(row, name)).join("|")).collect()
}

fn has(program: &str) -> bool {
    std::process::Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output()
        .unwrap()
        .status
        .success()
}

#[tokio::test]
async fn shares_are_those_of_the_configuration_and_of_users_and_exports() {
    let tree = Tree::new()
        .file("etc/samba/smb.conf", CONFIGURATION)
        .file(
            "var/lib/samba/usershares/mine",
            "#VERSION 2\npath=/srv/mine\ncomment=my own\nusershare_acl=S-1-1-0:R\n",
        )
        .file("var/lib/samba/usershares/pub", "#VERSION 2\npath=/elsewhere\n")
        .file("etc/exports", "/export node1(ro)\n")
        .file("etc/exports.d/more.exports", "/more *(rw)\n");
    let mut expected =
        BTreeSet::from(["/export|0|/export|NFS: node1(ro)|true|", "/more|0|/more|NFS: *(rw)|true|"]);
    if has("testparm") {
        expected.extend([
            "IPC$|2147483651||Node 7|true|",
            "print$|0|/var/lib/samba/printers||true|",
            "pub|0|/srv|Für alle|false|5",
            "laser|1|/var/tmp||true|",
            "mine|0|/srv/mine|my own|true|",
        ]);
    } else {
        skips::skip_part!("there is no testparm here (./test --install): only exports are looked at");
    }
    let (_tree, machine) = tree.machine_kept();
    let rows = rows_of(&machine, "SELECT * FROM Win32_Share").await;
    let of_samba: BTreeSet<_> = expected.iter().filter(|line| !line.contains("|NFS:")).copied().collect();
    let smb = crate::rows_in("root/microsoft/windows/smb", &machine, "SELECT * FROM MSFT_SmbShare").await;
    let reported: BTreeSet<String> =
        smb.iter().map(|row| ["Name", "Path", "Description"].map(|name| text(row, name)).join("|")).collect();
    let named = of_samba.iter().map(|line| {
        let fields: Vec<&str> = line.split('|').collect();
        [fields[0], fields[2], fields[3]].join("|")
    });
    assert_eq!(reported, named.collect());
    assert!(smb.iter().all(|row| (text(row, "ShareType") == "3") == (text(row, "Special") == "true")));
    assert_eq!(names_of(&rows), expected.into_iter().map(str::to_owned).collect());
    let folder = "ASSOCIATORS OF {Win32_Share.Name='/export'} WHERE AssocClass=Win32_ShareToDirectory";
    assert_eq!(rows_of(&machine, folder).await.len(), 0, "the tree has no such folder");
    let shares = rows_of(&machine, "SELECT * FROM Win32_ShareToDirectory").await;
    assert!(shares.iter().any(|row| text(row, "SharedElement") == "Win32_Directory.Name=\"/export\""));
}

#[tokio::test]
async fn user_share_files_are_read_up_to_the_limit_of_samba() {
    if !has("testparm") {
        return skips::skip!("there is no testparm here (./test --install)");
    }
    let large = format!("#VERSION 2\npath=/{}\ncomment=c\n", "x".repeat(1 << 20));
    let tree = Tree::new().file("etc/samba/smb.conf", CONFIGURATION).file("home/mallory/large", large);
    let target = tree.path().join("home/mallory/large");
    let tree = tree.link("var/lib/samba/usershares/one", target.to_str().unwrap());
    let (_tree, machine) = tree.machine_kept();
    let rows = rows_of(&machine, "SELECT Path FROM Win32_Share WHERE Name='one'").await;
    assert!(rows.len() == 1 && text(&rows[0], "Path").len() < 10 << 10);
}

#[test]
fn user_shares_are_created_changed_and_deleted() {
    let needed = ["testparm", "net", "ip"];
    in_world("share::user_shares_are_created_changed_and_deleted", &needed, || {
        sh(
            "ip link set lo up && mount -t tmpfs none /srv && mkdir -p /srv/a /srv/samba /srv/etc && mount --bind /srv/etc /etc/samba && \
            chmod 1770 /srv/samba",
        );
        let configuration = "[global]\nusershare max shares = 100\nusershare path = /srv/samba\nusershare owner only = no\n[fixed]\npath = /srv\n";
        std::fs::write("/etc/samba/smb.conf", configuration).unwrap();
        let machine = Arc::new(Machine::this().with_sid(sddl::DomainSid::new([1, 2, 3])));
        let create = |more: &[(&str, Value)]| {
            let given = [("Path", Value::from("/srv/a")), ("Name", "Alpha".into()), ("Type", 0_u32.into())];
            let input: Vec<_> =
                given.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name)).collect();
            let input = [input, more.to_vec()].concat();
            text(&run(call_on(&machine, "Win32_Share", "Create", &input)).unwrap(), "ReturnValue")
        };
        for (expected, more) in [
            ("9", ("Name", Value::from("a/b"))),
            ("9", ("Name", "-l".into())),
            ("24", ("Path", "/srv/nothing".into())),
            ("24", ("Path", "srv".into())),
            ("22", ("Name", "FIXED".into())),
            ("21", ("Type", 1_u32.into())),
            ("21", ("MaximumAllowed", 3_u32.into())),
            ("21", ("Password", "secret".into())),
            ("0", ("Description", "the first = one".into())),
            ("22", ("Name", "alpha".into())),
        ] {
            let (name, value) = more.clone();
            assert_eq!(create(&[(name, value)]), expected, "{more:?}");
        }
        // Samba's own program lists the same shares.
        let reported = || sh("net usershare info --long Alpha");
        assert!(
            reported().contains("path=/srv/a\ncomment=the first = one\nusershare_acl=S-1-1-0:R"),
            "{}",
            reported()
        );
        let share =
            |name: &str| run(rows_of(&machine, &format!("SELECT * FROM Win32_Share WHERE Name='{name}'")));
        assert_eq!(text(&share("alpha")[0], "Description"), "the first = one");
        let option = [("Description", Value::from("--help"))];
        let changed = run(call_on(&machine, "Win32_Share.Name=\"Alpha\"", "SetShareInfo", &option)).unwrap();
        assert_eq!(text(&changed, "ReturnValue"), "0");
        assert!(reported().contains("comment=--help\n"), "a remark is no option: {}", reported());
        let call = |path: &str, method: &str, input: &[(&str, Value)]| {
            run(call_on(&machine, path, method, input)).unwrap()
        };
        let path = "Win32_Share.Name=\"Alpha\"";
        assert_eq!(text(&call(path, "GetAccessMask", &[]), "ReturnValue"), 0x12_00a9.to_string());

        let sddl = "D:(A;;FA;;;S-1-5-21-1-2-3-500)(D;;FA;;;BG)(A;;FR;;;WD)";
        let access = call("Win32_SecurityDescriptorHelper", "SDDLToWin32SD", &[("SDDL", sddl.into())]);
        let access = access.value("Descriptor").unwrap().clone();
        assert_eq!(text(&call(path, "SetShareInfo", &[("Access", access)]), "ReturnValue"), "0");
        assert!(reported().contains("usershare_acl=S-1-22-1-0:F,S-1-5-32-546:D,S-1-1-0:R"), "{}", reported());
        let setting = call("Win32_LogicalShareSecuritySetting.Name=\"Alpha\"", "GetSecurityDescriptor", &[]);
        let back = [("Descriptor", setting.value("Descriptor").unwrap().clone())];
        let back = call("Win32_SecurityDescriptorHelper", "Win32SDToSDDL", &back);
        assert_eq!(text(&back, "SDDL"), "D:(A;;FA;;;S-1-5-21-1-2-3-500)(D;;FA;;;BG)(A;;0x1200a9;;;WD)");
        assert_eq!(text(&call(path, "GetAccessMask", &[]), "ReturnValue"), 0x1f_01ff.to_string());

        assert_eq!(text(&call("Win32_Share.Name=\"fixed\"", "Delete", &[]), "ReturnValue"), "2");
        assert_eq!(text(&call(path, "Delete", &[]), "ReturnValue"), "0");
        assert_eq!(sh("net usershare list"), "");
        assert!(run(call_on(&machine, path, "Delete", &[])).is_err(), "it is gone");
    });
}

/// Returns rows of a class as text, the values of each joined with "|".
fn texts(machine: &Arc<Machine>, namespace: &str, query: &str, columns: &[&str]) -> Vec<String> {
    let rows = run(crate::rows_in(namespace, machine, query));
    rows.iter().map(|row| columns.iter().map(|name| text(row, name)).collect::<Vec<_>>().join("|")).collect()
}

/// A file server, which ends with this value.
struct Smbd(Child);

impl Smbd {
    fn start() -> Self {
        // smbd signals its process group when it ends, and ends when its standard input is a closed pipe.
        let mut command = Command::new("smbd");
        command.args(["--foreground", "--no-process-group", "--debug-stdout"]).process_group(0);
        let output = std::fs::File::create("/srv/out").unwrap();
        let mut smbd = Self(command.stdin(Stdio::null()).stdout(output).spawn().unwrap());
        while std::net::TcpStream::connect("127.0.0.1:445").is_err() {
            smbd.assert_running();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        smbd
    }

    fn assert_running(&mut self) {
        let output = std::fs::read_to_string("/srv/out").unwrap();
        assert!(self.0.try_wait().unwrap().is_none(), "smbd has ended: {output}");
    }
}

impl Drop for Smbd {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn clients_of_samba_are_listed_with_their_connections_and_files() {
    // In namespaces of an ordinary user, smbd cannot change its groups.
    if !rustix::process::geteuid().is_root() {
        return skips::skip!("smbd is started as root only");
    }
    let needed = ["smbd", "smbclient", "smbstatus", "testparm", "ip"];
    in_world("share::clients_of_samba_are_listed_with_their_connections_and_files", &needed, || {
        sh(
            "ip link set lo up && mount -t tmpfs none /srv && cd /srv && mkdir pub etc private state cache lock pid rpc && \
            mount --bind /srv/etc /etc/samba && echo text >pub/notes.txt",
        );
        let folders = ["private dir", "state directory", "cache directory", "lock directory"];
        let folders = folders.iter().zip(["private", "state", "cache", "lock"]);
        let folders: String = folders.map(|(name, path)| format!("{name} = /srv/{path}\n")).collect();
        let configuration = format!(
            "[global]\nserver role = standalone server\n{folders}pid directory = /srv/pid\nncalrpc dir = /srv/rpc\n\
             log file = /srv/log\nmap to guest = Bad User\nguest account = root\ndisable netbios = yes\n\
             load printers = no\nrpc start on demand helpers = no\n[pub]\npath = /srv/pub\nguest ok = yes\nread only = no\n"
        );
        std::fs::write("/etc/samba/smb.conf", configuration).unwrap();
        let machine = Arc::new(Machine::this().with_sid(sddl::DomainSid::new([1, 2, 3])));
        assert!(texts(&machine, "root/cimv2", "SELECT * FROM Win32_ServerSession", &["UserName"]).is_empty());
        let mut server = Smbd::start();
        let mut client = Command::new("smbclient");
        let mut client = client
            .args(["-U", "guest%", "//127.0.0.1/pub"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = client.stdin.take().unwrap();
        input.write_all(b"open notes.txt\n").unwrap();
        let smb = "root/microsoft/windows/smb";
        let open_files = "SELECT * FROM MSFT_SmbOpenFile";
        while texts(&machine, smb, open_files, &["FileId"]).is_empty() {
            server.assert_running();
            assert!(client.try_wait().unwrap().is_none(), "smbclient has ended");
        }

        let sessions = "SELECT * FROM Win32_ServerSession";
        let columns =
            ["ComputerName", "UserName", "ClientType", "ResourcesOpened", "SessionType", "IdleTime"];
        assert_eq!(texts(&machine, "root/cimv2", sessions, &columns), ["127.0.0.1|root|SMB3_11|1|1|"]);
        let columns = ["ComputerName", "UserName", "ShareName", "NumberOfFiles", "NumberOfUsers"];
        let connections = "SELECT * FROM Win32_ServerConnection WHERE ShareName = 'pub'";
        assert_eq!(texts(&machine, "root/cimv2", connections, &columns), ["127.0.0.1|root|pub|1|1"]);
        let columns = ["ClientComputerName", "ClientUserName", "Dialect", "NumOpens"];
        let smb_sessions = texts(&machine, smb, "SELECT * FROM MSFT_SmbSession", &columns);
        assert_eq!(smb_sessions, ["127.0.0.1|root|3.1.1|1"]);
        let columns = ["Path", "ShareRelativePath", "ClientUserName", "Encrypted"];
        let files = texts(&machine, smb, open_files, &columns);
        assert_eq!(files, ["/srv/pub/notes.txt|notes.txt|root|false"]);
        let session = "ASSOCIATORS OF {Win32_ServerSession.ComputerName='127.0.0.1',UserName='root'}";
        assert_eq!(texts(&machine, "root/cimv2", session, &["ShareName"]), ["pub"]);
        let share = "ASSOCIATORS OF {Win32_Share.Name='pub'} WHERE AssocClass=Win32_ConnectionShare";
        assert_eq!(texts(&machine, "root/cimv2", share, &["ComputerName"]), ["127.0.0.1"]);

        drop(input);
        assert!(client.wait().unwrap().success());
        while !texts(&machine, "root/cimv2", sessions, &["UserName"]).is_empty() {
            server.assert_running();
        }
    });
}
