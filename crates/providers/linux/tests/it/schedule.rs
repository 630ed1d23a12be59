//! Tests of cron jobs and autostart entries, in a tree of files.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cim::{DateTime, Namespace, Status, Value};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use telarch_provider_linux::Machine;
use wmi::Context;

use crate::system::made_of;
use crate::tree::Tree;
use crate::world::{in_world, run, sh};
use crate::{call_on, engine, rows_of, text};

async fn described(machine: &Arc<Machine>, class: &str, names: &[&str]) -> Vec<String> {
    let found = rows_of(machine, &format!("SELECT * FROM {class}")).await;
    let line = |row| names.iter().map(|name| text(row, name)).collect::<Vec<_>>().join("|");
    let mut lines: Vec<String> = found.iter().map(line).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn cron_jobs_are_listed_created_and_deleted() {
    let (machine, folder) = made_of(&[
        (
            "etc/crontab",
            b"SHELL=/bin/sh\n# m h dom mon dow user command\n17 *\t* * *\troot\tcd / && run-parts hourly\n",
        ),
        ("etc/cron.d/backup", b"30 4 1 * 1-5 backup /usr/bin/backup --all\n"),
        ("etc/cron.d/backup.dpkg-old", b"0 0 * * * root gone\n"),
        ("var/spool/cron/crontabs/alice", b"@daily true\n"),
    ]);
    let columns = ["Name", "Owner", "Command", "DaysOfMonth", "DaysOfWeek"];
    assert_eq!(
        described(&machine, "Win32_ScheduledJob", &columns).await,
        [
            "/etc/cron.d/backup|backup|/usr/bin/backup --all|1|31",
            "/etc/crontab|root|cd / && run-parts hourly||",
            "/var/spool/cron/crontabs/alice|alice|true||",
        ]
    );
    let at = described(&machine, "Win32_ScheduledJob", &["StartTime"]).await;
    assert!(at.iter().any(|at| at.starts_with("********043000.000000")), "{at:?}");

    let every_day = DateTime::parse("********123000.000000+***").unwrap();
    let wanted = [
        ("Command", Value::text("/bin/report 100%")),
        ("StartTime", Value::DateTime(every_day)),
        ("RunRepeatedly", true.into()),
        // Monday and Sunday.
        ("DaysOfWeek", 65_u32.into()),
    ];
    let made = call_on(&machine, "Win32_ScheduledJob", "Create", &wanted).await.unwrap();
    assert_eq!(text(&made, "ReturnValue"), "0");
    let number = text(&made, "JobId");
    let found = rows_of(&machine, &format!("SELECT * FROM Win32_ScheduledJob WHERE JobId = {number}")).await;
    let [job] = found.as_slice() else { panic!("{} jobs", found.len()) };
    assert_eq!((text(job, "DaysOfWeek"), text(job, "Owner")), ("65".into(), "root".into()));
    let file = folder.path().join(text(job, "Name").trim_start_matches('/'));
    let line = fs::read_to_string(&file).unwrap();
    assert!(line.ends_with("\n30 12 * * 1,0 root /bin/report 100\\%\n"), "{line}");
    let path = format!("Win32_ScheduledJob.JobId={number}");
    assert_eq!(text(&call_on(&machine, &path, "Delete", &[]).await.unwrap(), "ReturnValue"), "0");
    assert!(!file.exists());
    assert_eq!(call_on(&machine, &path, "Delete", &[]).await.unwrap_err().status(), Status::NotFound);

    for (changed, expected) in [
        (("Command", Value::text("a\n* * * * * root b")), "21"),
        (("Command", Value::text(" ")), "21"),
        // Cron would reject the whole file.
        (("Command", Value::text("x".repeat(999))), "21"),
        (("StartTime", Value::Null), "21"),
        (("DaysOfWeek", 128_u32.into()), "21"),
        (("RunRepeatedly", false.into()), "1"),
        (("InteractWithDesktop", true.into()), "1"),
    ] {
        let mut parameters: Vec<_> = wanted.iter().filter(|(name, _)| *name != changed.0).cloned().collect();
        let reported = format!("{changed:?}");
        parameters.push(changed);
        let made = call_on(&machine, "Win32_ScheduledJob", "Create", &parameters).await.unwrap();
        assert_eq!(text(&made, "ReturnValue"), expected, "{reported}");
    }
    let others = rows_of(&machine, "SELECT JobId FROM Win32_ScheduledJob WHERE Owner = 'alice'").await;
    let path = format!("Win32_ScheduledJob.JobId={}", text(&others[0], "JobId"));
    let stored = call_on(&machine, &path, "Delete", &[]).await.unwrap();
    assert_eq!(text(&stored, "ReturnValue"), "1", "it is a line of a table that somebody else wrote");
    let (bare, _folder) = made_of(&[("etc/hostname", b"x")]);
    let made = call_on(&bare, "Win32_ScheduledJob", "Create", &wanted).await.unwrap();
    assert_eq!(text(&made, "ReturnValue"), "22", "there is no cron");
}

#[tokio::test]
async fn carriage_returns_do_not_hide_lines() {
    // The hashes of alice's first two lines collide.
    let alice = "* * * * * true 122789\n* * * * * true 339192\n*/5 * * * * x\n*/7 * * * * x\n\
                 @daily same\n@daily same\n0!x 5 * * * strange\n0=\" 5 * * * odd\n0 5 * * * \u{a0}\n";
    let long = format!("#{}\n0 5 * * * far\n", "x".repeat(5 << 20));
    let (machine, _folder) = made_of(&[
        ("etc/crontab", b"0 5 * * * root whole\n"),
        ("var/spool/cron/crontabs/alice", alice.as_bytes()),
        ("var/spool/cron/crontabs/bob", long.as_bytes()),
    ]);
    let expected =
        ["far", "odd", "same", "same", "strange", "true 122789", "true 339192", "whole", "x", "x", "\u{a0}"];
    assert_eq!(described(&machine, "Win32_ScheduledJob", &["Command"]).await, expected);
    let numbers = described(&machine, "Win32_ScheduledJob", &["JobId", "Command"]).await;
    let mut found = Vec::new();
    for line in &numbers {
        let (number, command) = line.split_once('|').unwrap();
        let query = format!("SELECT * FROM Win32_ScheduledJob WHERE JobId = {number}");
        let [job] = rows_of(&machine, &query).await.try_into().unwrap();
        assert_eq!((text(&job, "JobId"), text(&job, "Command")), (number.to_owned(), command.to_owned()));
        found.push(number);
    }
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), expected.len());
}

#[tokio::test]
async fn overlong_crontab_is_an_omission() {
    let long = format!("0 5 * * * near\n#{}\n0 5 * * * far\n", "x".repeat(16 << 20));
    let (machine, _folder) = made_of(&[
        ("etc/crontab", b"0 5 * * * root whole\n"),
        ("var/spool/cron/crontabs/alice", long.as_bytes()),
    ]);
    let (context, query) = (Context::of_this_process("alice"), "SELECT * FROM Win32_ScheduledJob");
    let mut rows = engine(&machine).query(&context, &Namespace::cimv2(), query).unwrap();
    let mut commands = Vec::new();
    while let Some(row) = rows.next().await {
        let row = row.unwrap();
        commands.push((text(&row, "Command"), text(&row, "JobId")));
    }
    commands.sort_unstable();
    let [(near, _), (whole, number)] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!((near.as_str(), whole.as_str()), ("near", "whole"));
    let omissions = rows.take_omissions();
    let [omission] = omissions.as_slice() else { panic!("{omissions:?}") };
    assert!(omission.reason().contains("/var/spool/cron/crontabs/alice"), "{omission}");
    // The table that is too long does not prevent queries for single jobs.
    let query = format!("{query} WHERE JobId = {number}");
    assert_eq!(rows_of(&machine, &query).await.len(), 1);
}

#[tokio::test]
async fn autostart_entries_are_listed() {
    let entry = b"# x\n[Desktop Entry]\nName = Agent\nExec=/usr/bin/agent --now\n[Other]\nExec=no\n";
    let (machine, folder) = made_of(&[
        ("etc/passwd", b"root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"),
        ("etc/xdg/autostart/agent.desktop", entry),
        ("etc/xdg/autostart/hidden.desktop", b"[Desktop Entry]\nName=H\nExec=h\nHidden=true\n"),
        ("home/alice/.config/autostart/chat.desktop", b"[Desktop Entry]\nExec=chat\n"),
    ]);
    // A user may create files of any type there; reading them as root must neither block nor have effects.
    let laid = folder.path().join("home/alice/.config/autostart");
    mknodat(CWD, laid.join("a.desktop"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    std::os::unix::fs::symlink("/dev/zero", laid.join("b.desktop")).unwrap();
    let columns = ["User", "Name", "Command", "Location"];
    assert_eq!(
        described(&machine, "Win32_StartupCommand", &columns).await,
        [
            "Public|Agent|/usr/bin/agent --now|/etc/xdg/autostart",
            "alice|chat|chat|/home/alice/.config/autostart",
        ]
    );
}

#[tokio::test]
async fn startup_entries_of_a_user_are_limited() {
    let large = format!("[Desktop Entry]\nExec=x\n#{}\nName=never read\n", "x".repeat(1 << 20));
    let (machine, folder) = made_of(&[
        ("etc/passwd", b"alice:x:1000:1000::/home/alice:/bin/sh\n"),
        ("home/alice/.config/autostart/0.desktop", large.as_bytes()),
    ]);
    let laid = folder.path().join("home/alice/.config/autostart");
    (1..2_000).for_each(|number| {
        std::os::unix::fs::symlink("0.desktop", laid.join(format!("{number}.desktop"))).unwrap();
    });
    let reported = described(&machine, "Win32_StartupCommand", &["Command", "Name"]).await;
    assert_eq!(reported.len(), 1_000);
    assert_eq!(reported[0], "x|0");
}

#[test]
fn created_job_runs_its_command() {
    let name = "schedule::created_job_runs_its_command";
    in_world(name, &["cron"], || {
        sh("for folder in /etc/cron.d /var/spool/cron /run; do mount -t tmpfs none $folder; done
            mkdir /var/spool/cron/crontabs; : > /run/empty; mount --bind /run/empty /etc/crontab");
        let machine = Arc::new(Machine::this());
        let commands = [
            "printf '%s' '50%' > /run/0",
            r"printf '%s' 'a\\b' > /run/1",
            r"printf '\\%s\%%' x > /run/2",
            r"printf '%s' '\\\% \\%' > /run/3; printf \\101 >> /run/3",
            &format!("{:x<998}", "printf ok > /run/4; : "),
            r#"eval "$(printf %b 'printf 0 > /run/5')""#,
        ];
        assert_eq!(commands[4].len(), 998);
        for command in commands {
            let every_day = DateTime::parse("********123000.000000+***").unwrap();
            let wanted = [
                ("Command", Value::text(command)),
                ("StartTime", Value::DateTime(every_day)),
                ("RunRepeatedly", true.into()),
            ];
            let made = run(call_on(&machine, "Win32_ScheduledJob", "Create", &wanted)).unwrap();
            assert_eq!(text(&made, "ReturnValue"), "0", "{command}");
        }
        let mut listed = run(described(&machine, "Win32_ScheduledJob", &["Command"]));
        listed.retain(|line| !line.is_empty());
        let mut expected = commands.to_vec();
        expected.sort_unstable();
        assert_eq!(listed, expected);
        // Replaces the time by `@reboot`, so that the test need not wait until half past twelve.
        sh("sed -i 's/^30 12 \\* \\* \\*/@reboot/' /etc/cron.d/telarch-job-*");
        let files: Vec<_> = (0..commands.len()).map(|number| format!("/run/{number}")).collect();
        let made_by_a_shell = |(command, file): (&&str, &String)| {
            sh(command);
            let made = fs::read(file).unwrap();
            fs::remove_file(file).unwrap();
            made
        };
        let expected: Vec<_> = commands.iter().zip(&files).map(made_by_a_shell).collect();
        let mut cron = Command::new("/usr/sbin/cron").arg("-f").spawn().unwrap();
        for ((command, file), expected) in commands.iter().zip(&files).zip(expected) {
            // cron does not report the end of a job.
            for attempt in 0.. {
                let found = fs::read(file).ok();
                if found.as_ref() == Some(&expected) {
                    break;
                }
                assert!(attempt < 6_000, "{command}: {found:?} and not {expected:?}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        cron.kill().unwrap();
        cron.wait().unwrap();
    });
}

#[tokio::test]
async fn scheduled_tasks_are_the_lines_of_cron() {
    let (_tree, machine) = Tree::new()
        .file(
            "etc/cron.d/site",
            "25 6 * * * root daily --now\n47 18 * * 0,3 ann weekly\n*/5 * * * * root often\n",
        )
        .machine_kept();
    let namespace = "root/microsoft/windows/taskscheduler";
    let found = crate::rows_in(namespace, &machine, "SELECT * FROM MSFT_ScheduledTask").await;
    assert_eq!(found.len(), 3);
    let object = |value: &cim::Value| match value {
        cim::Value::Object(object) => (**object).clone(),
        other => panic!("not an object: {other:?}"),
    };
    let first = |row: &cim::Instance, name: &str| object(&row.value(name).unwrap().elements()[0]);
    let of = |command: &str| {
        let is_own = |row: &&cim::Instance| text(&first(row, "Actions"), "Execute").starts_with(command);
        found.iter().find(is_own).unwrap()
    };
    let (daily, weekly, often) = (of("daily"), of("weekly"), of("often"));
    assert_eq!(text(&first(daily, "Actions"), "Execute"), "daily --now");
    assert!(text(&first(daily, "Triggers"), "StartBoundary").ends_with("T06:25:00"));
    assert_eq!(first(daily, "Triggers").class().name().as_str(), "MSFT_TaskDailyTrigger");
    let trigger = first(weekly, "Triggers");
    // Sunday is bit 0, Wednesday bit 3.
    assert_eq!(["DaysOfWeek", "WeeksInterval"].map(|name| text(&trigger, name)), ["9", "1"]);
    assert_eq!(text(&object(weekly.value("Principal").unwrap()), "UserId"), "ann");
    assert_eq!(first(often, "Triggers").class().name().as_str(), "MSFT_TaskTrigger");
    let names: std::collections::BTreeSet<String> = found.iter().map(|row| text(row, "URI")).collect();
    assert!(
        names.len() == 3 && names.iter().all(|name| name.starts_with("\\etc\\cron.d\\site-")),
        "{names:?}"
    );
}
