//! `Win32_Thread`.

use std::rc::Rc;
use std::sync::Arc;

use cim::Value;
use linux::folder::Folder;
use linux::now;
use linux::process::stat::{Stat, priority, ticks_to_100ns};
use linux::process::{Scene, is_unseen, number_from, numbers};
use wmi::{Lookup, ProviderError, Scan};

use crate::Machine;
use crate::system::operating_system::name_of;
use crate::table::{Fill, Push, Table, failure};

/// Threads of all processes.
pub(crate) struct Thread;

/// A thread of a process.
pub(crate) struct Row {
    scene: Rc<Scene>,
    process: u32,
    number: u32,
    stat: Stat,
}

impl Table for Thread {
    type Row = Row;

    const CLASS: &'static str = "Win32_Thread";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, row| row.stat.name.clone().into()),
        ("Description", |_, row| row.stat.name.clone().into()),
        ("ElapsedTime", |machine, row| {
            let age = row.scene.moment(machine, row.stat.start).and_then(|start| now().checked_sub(start));
            age.and_then(|age| u64::try_from(age / 1_000).ok()).into()
        }),
        ("ExecutionState", |_, row| match row.stat.state {
            'R' => 3_u16.into(),
            'S' | 'D' | 'I' => 4_u16.into(),
            'T' | 't' => 5_u16.into(),
            _ => 1_u16.into(),
        }),
        ("Handle", |_, row| row.number.to_string().into()),
        ("KernelModeTime", |_, row| (ticks_to_100ns(row.stat.kernel_time) / 10_000).into()),
        ("Name", |_, row| row.stat.name.clone().into()),
        ("OSCreationClassName", |_, _| "Win32_OperatingSystem".into()),
        ("OSName", |machine, row| name_of(row.scene.system(machine)).into()),
        ("Priority", |_, row| priority(row.stat.nice, row.stat.real_time_priority).into()),
        ("PriorityBase", |_, row| priority(row.stat.nice, row.stat.real_time_priority).into()),
        ("ProcessCreationClassName", |_, _| "Win32_Process".into()),
        ("ProcessHandle", |_, row| row.process.to_string().into()),
        // 2 is running, 4 terminated, 5 waiting.
        ("ThreadState", |_, row| match row.stat.state {
            'R' => 2_u32.into(),
            'Z' | 'X' => 4_u32.into(),
            _ => 5_u32.into(),
        }),
        ("UserModeTime", |_, row| (ticks_to_100ns(row.stat.user_time) / 10_000).into()),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Row>,
    ) -> Result<(), ProviderError> {
        let scene = Scene::of(machine).map_err(failure)?;
        let processes = match scan.pinned(&["ProcessHandle"]) {
            Some(pinned) => {
                pinned.iter().flatten().filter_map(|value| value.as_str().and_then(number_from)).collect()
            }
            None => scene.numbers().map_err(failure)?,
        };
        for process in processes {
            let Some(folder) = found(scene.folder(process))? else { continue };
            for number in found(numbers(&folder, "task"))?.unwrap_or_default() {
                if let Some(row) = read(&folder, &scene, process, number)? {
                    push(row)?;
                }
            }
        }
        Ok(())
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let mut keys = lookup.keys.iter().map(|key| Value::as_str(key).and_then(number_from));
        let (Some(Some(number)), Some(Some(process))) = (keys.next(), keys.next()) else { return Ok(None) };
        let scene = Scene::of(machine).map_err(failure)?;
        match found(scene.folder(process))? {
            Some(folder) => read(&folder, &scene, process, number),
            None => Ok(None),
        }
    }
}

fn read(folder: &Folder, scene: &Rc<Scene>, process: u32, number: u32) -> Result<Option<Row>, ProviderError> {
    // The folder of a process can also be opened by the number of one of its threads; that number does not
    // name a process.
    let stat = found(folder.read(&format!("task/{number}/stat"), Stat::parse))?.flatten();
    let is_whole = number == process || stat.as_ref().is_some_and(|stat| stat.is_follower);
    Ok(stat.filter(|_| is_whole).map(|stat| Row { scene: Rc::clone(scene), process, number, stat }))
}

/// Returns the value read; `None` if the process has ended or is hidden.
fn found<T>(read: std::io::Result<T>) -> Result<Option<T>, ProviderError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_unseen(&error) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}
