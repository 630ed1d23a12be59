//! Tests of real file systems, mounted where only the test sees them.

use std::time::{Duration, Instant};

use crate::world::{in_world, random_uuid, run, sh};
use crate::{call, put, rows, text};

/// Makes an image with ext4 on a loop device, and a layer for `/etc`. Returns the loop device.
fn furnish(uuid: &str) -> String {
    sh(&format!(
        "mount -t tmpfs none /media && mkdir /media/place /media/empty /media/u /media/w && \
        truncate -s 32M /media/image && mkfs.ext4 -q -L first -U {uuid} /media/image && \
        losetup --find --show /media/image"
    ))
}

#[test]
fn volume_is_mounted_labelled_and_unmounted() {
    let needed = ["mkfs.ext4", "losetup", "e2label", "tune2fs", "e2fsck", "blkid"];
    in_world("storage::mounted::volume_is_mounted_labelled_and_unmounted", &needed, || {
        let uuid = random_uuid();
        let device = furnish(&uuid);
        let _detach = Detach(device.clone());
        sh("mount -t overlay none -o lowerdir=/etc,upperdir=/media/u,workdir=/media/w /etc");
        std::fs::write("/etc/fstab", format!("{device} /media/place ext4 defaults 0 0\n")).unwrap();
        let id = format!("/dev/disk/by-uuid/{uuid}");
        let path = format!("Win32_Volume.DeviceID=\"{id}\"");
        let returns = |method: &str| text(&run(call(&path, method, &[])), "ReturnValue");
        let column = |name: &str| {
            let rows = run(rows(&format!("SELECT * FROM Win32_Volume WHERE DeviceID = '{id}'")));
            text(rows.first().expect("the volume"), name)
        };
        assert_eq!([column("DriveLetter"), column("Label"), column("Capacity")], ["", "first", "33554432"]);
        assert_eq!(returns("Chkdsk"), "0", "what is not mounted is checked at once");
        assert_eq!(returns("Mount"), "0");
        assert_eq!(column("DriveLetter"), "/media/place");
        assert_eq!(column("Capacity"), sh("df -B1 --output=size /media/place | tail -1"));
        assert_eq!(returns("Chkdsk"), "1", "what is mounted is checked at the next start");
        let disk = "Win32_LogicalDisk.DeviceID=\"/media/place\"";
        let named = run(put(disk, "VolumeName", "other name".into()));
        assert_eq!(text(&named, "VolumeName"), "other name");
        assert_eq!(sh(&format!("blkid -p -s LABEL -o value {device}")), "other name");
        let places = cim::Value::Array([cim::Value::text("/media/place"), "/media".into()].into());
        let schedule = |places: cim::Value| {
            text(
                &run(call("Win32_LogicalDisk", "ScheduleAutoChk", &[("LogicalDisk", places)])),
                "ReturnValue",
            )
        };
        assert_eq!(schedule(places), "3", "a folder is no disk");
        assert_eq!(schedule(vec!["/media/place"].into()), "0");
        assert!(sh("cat /etc/fstab").ends_with("0\t2"), "{}", sh("cat /etc/fstab"));
        let added = run(call(&path, "AddMountPoint", &[("Directory", "/media/empty".into())]));
        assert_eq!(text(&added, "ReturnValue"), "0");
        let places = run(rows(&format!(
            "REFERENCES OF {{{}}} WHERE ResultClass=Win32_MountPoint",
            path.replace('"', "'")
        )));
        assert_eq!(places.len(), 2);
        assert_eq!(returns("Dismount"), "0");
        assert_eq!(column("DriveLetter"), "");
        assert_eq!(sh("findmnt -n /media/place || echo none"), "none");
    });
}

/// A FUSE file system whose server never answers, like an NFS mount whose server is down.
#[test]
fn unresponsive_file_system_affects_only_its_own_row() {
    in_world(
        "storage::mounted::unresponsive_file_system_affects_only_its_own_row",
        &["python3", "df"],
        || {
            sh("mount -t tmpfs none /media && mkdir /media/hung /media/hung2");
            // The owner of /dev/fuse is the server; this one only keeps it open until its input ends.
            let script = "import ctypes, os, sys\n\
            libc = ctypes.CDLL(None, use_errno=True)\n\
            held = [os.open('/dev/fuse', os.O_RDWR) for _ in range(2)]\n\
            for place, server in zip((b'/media/hung', b'/media/hung2'), held):\n\
            \x20   options = b'fd=%d,rootmode=40000,user_id=0,group_id=0' % server\n\
            \x20   if libc.mount(b'server:/gone', place, b'fuse.sshfs', 0, options):\n\
            \x20       sys.exit(os.strerror(ctypes.get_errno()))\n\
            print('mounted', flush=True)\n\
            sys.stdin.read()\n";
            let server = std::process::Command::new("python3")
                .args(["-c", script])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn();
            let mut server = Server(server.unwrap());
            let mut line = String::new();
            let mut output = std::io::BufReader::new(server.0.stdout.take().unwrap());
            std::io::BufRead::read_line(&mut output, &mut line).unwrap();
            if line != "mounted\n" {
                skips::skip!("the kernel has no FUSE here");
                return;
            }
            let machine = crate::machine();
            let query = "SELECT DeviceID, DriveType, Size, Status FROM Win32_LogicalDisk";
            let row = |disks: &[cim::Instance], id: &str| {
                let disk = disks.iter().find(|disk| text(disk, "DeviceID") == id).unwrap();
                ["DriveType", "Size", "Status"].map(|name| text(disk, name))
            };
            run(async {
                let engine = crate::engine(&machine);
                let disks = crate::rows_from(&engine, query).await;
                for hung in ["/media/hung", "/media/hung2"] {
                    assert_eq!(row(&disks, hung), ["4", "", "Degraded"]);
                }
                assert_eq!(row(&disks, "/")[2], "OK");
                wait_for_unanswered_queries(2);
                // Later queries do not ask it again.
                let again = crate::rows_from(&engine, query).await;
                assert_eq!(row(&again, "/media/hung"), ["4", "", "Degraded"]);
                wait_for_unanswered_queries(2);
            });
        },
    );
}

/// Waits until this number of threads of this process wait for a file system. Threads whose file system has answered
/// end without an event.
fn wait_for_unanswered_queries(count: usize) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")));
        let found = names.filter(|name| name.as_ref().is_ok_and(|name| name == "statvfs\n")).count();
        if found == count {
            return;
        }
        assert!(Instant::now() < until, "{found} queries instead of {count}");
        std::thread::yield_now();
    }
}

/// The server ends with the test, which releases its file systems.
struct Server(std::process::Child);

impl Drop for Server {
    fn drop(&mut self) {
        // The server may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Detaches a loop device when dropped.
struct Detach(String);

impl Drop for Detach {
    fn drop(&mut self) {
        // If the test fails, the device may still be in use; it is detached when that ends.
        let _ = std::process::Command::new("losetup").args(["-d", &self.0]).status();
    }
}
