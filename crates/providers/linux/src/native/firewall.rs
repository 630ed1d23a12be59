//! `Linux_FirewallTable`, `Linux_FirewallChain` and `Linux_FirewallRule`: rules of nftables.

use linux::firewall::Object;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{self, Fill};

pub(super) struct Table;
pub(super) struct Chain;
pub(super) struct Rule;

impl table::Table for Table {
    type Row = Object;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_FirewallTable";

    const COLUMNS: &'static [(&'static str, Fill<Object>)] = &[
        ("Family", |_, object| object.text("family").into()),
        ("Handle", |_, object| object.number("handle").into()),
        ("Name", |_, object| object.text("name").into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Object>, ProviderError> {
        Ok(Object::all("table").map_err(table::failure)?.into_iter())
    }
}

impl table::Table for Chain {
    type Row = Object;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_FirewallChain";

    const COLUMNS: &'static [(&'static str, Fill<Object>)] = &[
        ("Family", |_, object| object.text("family").into()),
        ("Handle", |_, object| object.number("handle").into()),
        ("Hook", |_, object| object.text("hook").into()),
        ("Name", |_, object| object.text("name").into()),
        ("Policy", |_, object| object.text("policy").into()),
        ("Priority", |_, object| object.priority().into()),
        ("Table", |_, object| object.text("table").into()),
        ("Type", |_, object| object.text("type").into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Object>, ProviderError> {
        Ok(Object::all("chain").map_err(table::failure)?.into_iter())
    }
}

impl table::Table for Rule {
    type Row = Object;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_FirewallRule";

    const COLUMNS: &'static [(&'static str, Fill<Object>)] = &[
        ("Bytes", |_, object| object.counter("bytes").into()),
        ("Chain", |_, object| object.text("chain").into()),
        ("Comment", |_, object| object.text("comment").into()),
        ("Expression", |_, object| object.expression().into()),
        ("Family", |_, object| object.text("family").into()),
        ("Handle", |_, object| object.number("handle").into()),
        ("Packets", |_, object| object.counter("packets").into()),
        ("Table", |_, object| object.text("table").into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = Object>, ProviderError> {
        Ok(Object::all("rule").map_err(table::failure)?.into_iter())
    }
}
