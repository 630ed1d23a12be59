//! Associations of services: `Win32_SystemServices` and `Win32_DependentService`.

use std::sync::Arc;

use cim::Value;
use linux::service::unit::{AT_ONCE, Detail, FileStates, UNIT, Unit};
use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::table::{DataSource, Fill, Push, Table, computer_system, failure, key_of, reference};

/// Services of the computer system.
pub(crate) struct SystemServices;

/// Pairs of services where the second requires the first.
pub(crate) struct DependentService;

/// A service that requires another.
pub(crate) struct Dependency {
    needed: String,
    needing: String,
}

impl Table for SystemServices {
    type Row = Unit;

    const CLASS: &'static str = "Win32_SystemServices";

    const COLUMNS: &'static [(&'static str, Fill<Unit>)] = &[
        ("GroupComponent", |machine, _| computer_system(machine)),
        ("PartComponent", |_, unit| service(&unit.name)),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Unit>,
    ) -> Result<(), ProviderError> {
        named(machine, scan, "PartComponent")?.into_iter().try_for_each(push)
    }
}

impl Table for DependentService {
    type Row = Dependency;

    const CLASS: &'static str = "Win32_DependentService";

    const SOURCE: Option<DataSource> = Some(super::SYSTEMD);

    const COLUMNS: &'static [(&'static str, Fill<Dependency>)] = &[
        ("Antecedent", |_, dependency| service(&dependency.needed)),
        ("Dependent", |_, dependency| service(&dependency.needing)),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        scan: &Scan,
        push: &mut Push<'_, Dependency>,
    ) -> Result<(), ProviderError> {
        // systemd lists the dependents only of loaded units, so every unit is asked what it requires.
        let units = named(machine, scan, "Dependent")?;
        for some in units.chunks(AT_ONCE) {
            Unit::prefetch(machine, some, |_| NEEDS.to_vec()).map_err(failure)?;
            for unit in some {
                for needed in needed_by(machine, unit) {
                    push(Dependency { needed, needing: unit.name.clone() })?;
                }
            }
        }
        Ok(())
    }
}

/// Returns the names of the services that a unit requires.
fn needed_by(machine: &Machine, unit: &Unit) -> Vec<String> {
    let details = unit.details(machine);
    let units = NEEDS.iter().flat_map(|(_, name)| details.map(|details| details.texts(name)));
    let names = units.flatten().filter_map(|unit| unit.strip_suffix(".service").map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Properties with the units that a unit requires.
const NEEDS: [Detail; 3] = [(UNIT, "Requires"), (UNIT, "BindsTo"), (UNIT, "Requisite")];

/// Returns the services that a query names in a property, or all services.
fn named(machine: &Machine, scan: &Scan, property: &str) -> Result<Vec<Unit>, ProviderError> {
    let Some(pinned) = scan.pinned(&[property]) else {
        return Unit::all(machine, FileStates::Unwanted).map_err(failure);
    };
    let mut units = Vec::new();
    for name in pinned.iter().flatten().filter_map(key_of) {
        units.extend(Unit::find(machine, &name).map_err(failure)?);
    }
    Ok(units)
}

fn service(name: &str) -> Value {
    reference("Win32_Service", "Name", name.to_owned())
}
