//! Pools of back-end servers, and application pools of IIS.

use std::num::NonZeroU16;

use cli_command::{Arguments, Failure};
use linux::Machine;
use management::PoolUnit;
use serde_json::json;
use tokio::runtime::Runtime;
use webserver::{
    Change, ListenAddress, Pool, PoolMember, PoolName, PoolOperation, Snapshot, UnitName, WebServer,
};

use super::change::make;
use super::{MESSAGE, WHAT_IF, printed, show};
use crate::locations::failed;

/// Lists the pools of back-end servers with the states of their units, or the application pools of IIS.
pub(super) fn list(arguments: &Arguments, web: &dyn WebServer) -> Result<String, Failure> {
    if web.info().capabilities.pools {
        let snapshot = web.snapshot().map_err(failed)?;
        let units = units(&snapshot.pools)?;
        let value = || json!({ "pools": snapshot.pools, "units": units });
        return Ok(printed(arguments, value, || show::pools(&snapshot.pools, &units)));
    }
    let pools = web.application_pools().map_err(failed)?;
    Ok(printed(arguments, || json!(pools), || show::application_pools(&pools)))
}

/// Prints a pool.
pub(super) fn print(arguments: &Arguments, web: &dyn WebServer, name: &str) -> Result<String, Failure> {
    if web.info().capabilities.pools {
        let snapshot = web.snapshot().map_err(failed)?;
        let pool = pool_of(&snapshot, name)?;
        let units = units(std::slice::from_ref(pool))?;
        let value = || json!({ "pool": pool, "unit": units.first() });
        return Ok(printed(arguments, value, || show::pool(pool, units.first())));
    }
    let pools = web.application_pools().map_err(failed)?;
    let pool = pools.iter().find(|pool| pool.name.eq_ignore_ascii_case(name)).ok_or_else(|| missing(name))?;
    Ok(printed(arguments, || json!(pool), || show::application_pools(std::slice::from_ref(pool))))
}

/// Returns the states of the units of pools.
fn units(pools: &[Pool]) -> Result<Vec<PoolUnit>, Failure> {
    let named: Vec<&UnitName> = pools.iter().filter_map(|pool| pool.unit.as_ref()).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let machine = Machine::this();
    Ok(named.into_iter().map(|unit| PoolUnit::of(&machine, unit)).collect())
}

/// Returns a runtime for requests to systemd.
fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// Sets the unit of systemd that runs the servers of a pool; `none` removes it.
pub(super) fn set_unit(
    arguments: &Arguments,
    web: &dyn WebServer,
    name: &str,
    unit: &str,
) -> Result<String, Failure> {
    let unit = match unit {
        "none" => None,
        name if name.ends_with(".service") => Some(UnitName::parse(name)),
        name => Some(UnitName::parse(&format!("{name}.service"))),
    };
    let unit = unit.transpose().map_err(|error| arguments.usage_error(error))?;
    let snapshot = web.snapshot().map_err(failed)?;
    let pool = pool_of(&snapshot, name)?.name.clone();
    make(arguments, web, &snapshot.revision, Change::SetPoolUnit { pool, unit })
}

/// Creates a pool with these servers, or replaces the servers of a pool.
pub(super) fn set(
    arguments: &Arguments,
    web: &dyn WebServer,
    name: &str,
    servers: &[&str],
) -> Result<String, Failure> {
    let pool = PoolName::parse(name).map_err(|error| arguments.usage_error(error))?;
    let members = servers.iter().map(|server| member(server));
    let members = members.collect::<Result<Vec<_>, _>>().map_err(|error| arguments.usage_error(error))?;
    if members.is_empty() {
        return Err(arguments.usage_error("set needs at least one server, such as 10.0.0.1:8080"));
    }
    let base = web.snapshot().map_err(failed)?.revision;
    make(arguments, web, &base, Change::PutPool { pool, members })
}

/// Deletes a pool.
pub(super) fn delete(arguments: &Arguments, web: &dyn WebServer, name: &str) -> Result<String, Failure> {
    let snapshot = web.snapshot().map_err(failed)?;
    let pool = pool_of(&snapshot, name)?.name.clone();
    make(arguments, web, &snapshot.revision, Change::DeletePool { pool })
}

/// Starts, stops or recycles the unit of a pool, or an application pool of IIS.
pub(super) fn control(
    arguments: &Arguments,
    web: &dyn WebServer,
    name: &str,
    operation: PoolOperation,
) -> Result<String, Failure> {
    if arguments.is_given(&WHAT_IF) || arguments.is_given(&MESSAGE) {
        return Err(arguments
            .usage_error("a pool is controlled at once and without history; omit --what-if and --message"));
    }
    if web.info().capabilities.pools {
        let snapshot = web.snapshot().map_err(failed)?;
        let pool = pool_of(&snapshot, name)?;
        let unit = pool.unit.as_ref().ok_or_else(|| {
            Failure::failed(
                format!("the pool \"{name}\" names no unit of systemd"),
                "name the unit that runs its servers: telarch web pool POOL unit UNIT",
            )
        })?;
        let runtime = runtime()?;
        let _entered = runtime.enter();
        let unit = PoolUnit::control(&Machine::this(), unit, operation).map_err(failed)?;
        return Ok(printed(arguments, || json!(unit), || show::pool(pool, Some(&unit))));
    }
    let pool = web.control_application_pool(name, operation).map_err(failed)?;
    Ok(printed(arguments, || json!(pool), || show::application_pools(std::slice::from_ref(&pool))))
}

fn pool_of<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Pool, Failure> {
    snapshot.pools.iter().find(|pool| pool.name.as_str() == name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Failure {
    Failure::failed(format!("there is no pool \"{name}\""), "telarch web pools lists the pools")
}

/// Parses a server of a pool: an address and options, as nginx writes them.
fn member(text: &str) -> Result<PoolMember, String> {
    let mut words = text.split_whitespace();
    let address = words.next().ok_or("the address of a server is missing")?;
    let address = ListenAddress::parse(address).map_err(|error| error.to_string())?;
    let mut member = PoolMember { address, weight: None, backup: false, down: false };
    for word in words {
        match (word, word.strip_prefix("weight=").map(str::parse::<NonZeroU16>)) {
            (_, Some(Ok(weight))) => member.weight = Some(weight),
            ("backup", _) => member.backup = true,
            ("down", _) => member.down = true,
            _ => {
                return Err(format!(
                    "unknown option \"{word}\" of the server {}; expected weight=1 to weight=65535, backup or down",
                    member.address
                ));
            }
        }
    }
    Ok(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_the_options_of_nginx() {
        let parsed = member("10.0.0.1:8080 weight=3 backup").unwrap();
        assert_eq!((parsed.weight.map(NonZeroU16::get), parsed.backup, parsed.down), (Some(3), true, false));
        assert!(member("unix:/run/app.sock down").unwrap().down);
        for invalid in ["", "10.0.0.1:x", "10.0.0.1 weight=0", "10.0.0.1 max_conns=3"] {
            assert!(member(invalid).is_err(), "{invalid}");
        }
    }
}
