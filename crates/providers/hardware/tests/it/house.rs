//! A machine whose service knows several controllers.

use std::net::UdpSocket;
use std::sync::Arc;

use cim::{Instance, Namespace, ObjectPath, Schema, Value};
use telarch_hardware::{Hardware, Host, HostFile, OwnController, Secrets};
use telarch_simulated_bmc::SimulatedBmc;
use wmi::{Context, Engine, Error};

pub(crate) struct House {
    pub(crate) engine: Engine,
    pub(crate) hardware: Hardware,
    hosts: HostFile,
    folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = || HostFile::of_state(folder.path());
        let hardware =
            Hardware::new("keeper", open(), OwnController::Ignored, tokio::runtime::Handle::current());
        let mut builder = Engine::builder("keeper", 0);
        for (namespace, _) in wmi::Provider::classes(&hardware) {
            builder = builder.namespace(Schema::of(namespace));
        }
        let engine = builder.provider(Arc::new(hardware.clone())).build().unwrap();
        Self { engine, hardware, hosts: open(), folder }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Creates the machine with the simulator as `node7`.
    pub(crate) fn with(bmc: &SimulatedBmc) -> Self {
        let house = Self::new();
        house.add("node7", &bmc.address(), "admin", "admin-pw");
        house
    }

    pub(crate) fn add(&self, name: &str, address: &str, user: &str, password: &str) {
        self.add_at(ipmi::proto::Privilege::Administrator, name, address, user, password);
    }

    /// Adds a controller with a limit of the privilege level.
    pub(crate) fn add_at(
        &self,
        level: ipmi::proto::Privilege,
        name: &str,
        address: &str,
        user: &str,
        password: &str,
    ) {
        let host = Host {
            name: name.parse().unwrap(),
            address: address.parse().unwrap(),
            user: user.to_owned(),
            level,
            suite: None,
        };
        let password = zeroize::Zeroizing::new(password.as_bytes().to_vec());
        self.hosts.add(&host, &Secrets { password, group_key: None }).unwrap();
    }

    pub(crate) async fn rows(&self, query: &str) -> Result<Vec<Instance>, Error> {
        self.rows_in("root/hardware", query).await
    }

    pub(crate) async fn rows_in(&self, namespace: &str, query: &str) -> Result<Vec<Instance>, Error> {
        let namespace = Namespace::parse(namespace).unwrap();
        let mut rows = self.engine.query(&Context::of_this_process("ada"), &namespace, query)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await {
            all.push(row?);
        }
        Ok(all)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Instance, Error> {
        let path = ObjectPath::parse(path).unwrap();
        let namespace = Namespace::parse("root/hardware").unwrap();
        self.engine.get(&Context::of_this_process("ada"), &namespace, &path).await
    }

    pub(crate) async fn call(
        &self,
        namespace: &str,
        path: &str,
        method: &str,
        input: &[(&str, Value)],
    ) -> Result<Instance, Error> {
        let (path, namespace) = (ObjectPath::parse(path).unwrap(), Namespace::parse(namespace).unwrap());
        let context = Context::of_this_process("ada");
        let call = self.engine.invoke(&context, &namespace, &path, method, |operation| {
            input.iter().try_fold(Instance::new(operation.input.clone()), |instance, (name, value)| {
                instance.with(name, value.clone())
            })
        });
        call.await
    }

    /// Calls a method of `root/hardware` and returns its return value.
    pub(crate) async fn returned(&self, path: &str, method: &str, input: &[(&str, Value)]) -> i128 {
        let out = self.call("root/hardware", path, method, input).await.unwrap();
        out.value("ReturnValue").and_then(Value::as_integer).unwrap()
    }
}

/// Returns a value as readable text.
pub(crate) fn text(row: &Instance, property: &str) -> String {
    let mut text = String::new();
    match row.value(property).unwrap_or_else(|| panic!("no {property}")) {
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                value.write_text(&mut text);
            }
        }
        value => value.write_text(&mut text),
    }
    text
}

pub(crate) fn number(row: &Instance, property: &str) -> Option<i128> {
    row.value(property).and_then(Value::as_integer)
}

/// Returns a socket that never answers, and its address.
pub(crate) fn silence() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

pub(crate) const MACHINE: &str = "ComputerSystem.CreationClassName=\"ComputerSystem\",Name=\"node7\"";
