//! `MSFT_NetFirewallProfile` and `MSFT_NetFirewallRule`: the filter of the machine's own traffic (nftables).

use std::rc::Rc;

use cim::Value;
use linux::firewall::filter::{Direction, Filter, FilterRule, Verdict};
use linux::firewall::is_installed;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{DataSource, Fill, Table, failure};

/// Defaults of the firewall for each category of networks.
pub(super) struct Profile;

/// Rules that accept or block traffic.
pub(super) struct Rule;

/// Defaults for networks of one category. The rules of Linux apply to networks of all categories.
pub(super) struct Row {
    name: &'static str,
    filter: Rc<Filter>,
}

/// Names of the profiles on Windows.
const PROFILES: [&str; 3] = ["Domain", "Private", "Public"];

const NFT: DataSource = DataSource { name: "nft", is_present: |machine| is_installed(machine) };

/// Returns the number of a verdict in `Action` (2 allow, 4 block).
fn action(verdict: Verdict) -> u16 {
    match verdict {
        Verdict::Accept => 2,
        Verdict::Block => 4,
    }
}

fn default_action(row: &Row, direction: Direction) -> Value {
    action(row.filter.default_verdict(direction)).into()
}

impl Table for Profile {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetFirewallProfile";

    const SOURCE: Option<DataSource> = Some(NFT);

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, row| row.name.into()),
        ("DefaultInboundAction", |_, row| default_action(row, Direction::Inbound)),
        ("DefaultOutboundAction", |_, row| default_action(row, Direction::Outbound)),
        ("Description", |_, _| "Rules of nftables, which apply to networks of every category".into()),
        ("ElementName", |_, row| row.name.into()),
        ("Enabled", |_, row| u16::from(row.filter.is_active()).into()),
        ("InstanceID", |_, row| format!("MSFT|FW|FirewallProfile|{}", row.name).into()),
        ("Name", |_, row| row.name.into()),
        // Linux does not tell users about closed ports.
        ("NotifyOnListen", |_, _| 0_u16.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let filter = match is_installed(machine) {
            true => Some(Rc::new(Filter::of(machine).map_err(failure)?)),
            false => None,
        };
        let rows = filter.into_iter().flat_map(|filter| PROFILES.map(|name| (name, Rc::clone(&filter))));
        Ok(rows.map(|(name, filter)| Row { name, filter }))
    }
}

/// Returns the chain of a rule.
fn chain(row: &FilterRule) -> String {
    ["family", "table", "chain"].map(|name| row.rule.text(name).unwrap_or_default()).join(" ")
}

/// Returns the key of a rule. A rule that both directions reach has a row for each.
fn id(row: &FilterRule) -> String {
    let direction = match row.direction {
        Direction::Inbound => "in",
        Direction::Outbound => "out",
    };
    format!("{} {} {direction}", chain(row), row.rule.number("handle").unwrap_or_default())
}

fn display_name(row: &FilterRule) -> String {
    row.rule.text("comment").unwrap_or_else(|| id(row))
}

impl Table for Rule {
    type Row = FilterRule;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetFirewallRule";

    const SOURCE: Option<DataSource> = Some(NFT);

    const COLUMNS: &'static [(&'static str, Fill<FilterRule>)] = &[
        ("Action", |_, row| action(row.verdict).into()),
        ("Caption", |_, row| display_name(row).into()),
        ("Description", |_, row| row.rule.expression().into()),
        ("Direction", |_, row| {
            match row.direction {
                Direction::Inbound => 1_u16,
                Direction::Outbound => 2,
            }
            .into()
        }),
        ("DisplayGroup", |_, row| chain(row).into()),
        ("DisplayName", |_, row| display_name(row).into()),
        ("ElementName", |_, row| display_name(row).into()),
        // A rule in the kernel is in force.
        ("Enabled", |_, _| 1_u16.into()),
        ("EnforcementStatus", |_, _| vec![1_u16].into()),
        ("InstanceID", |_, row| id(row).into()),
        ("PolicyRuleName", |_, row| id(row).into()),
        ("PolicyStoreSource", |_, _| "nftables".into()),
        // 1 is "Local".
        ("PolicyStoreSourceType", |_, _| 1_u16.into()),
        ("PrimaryStatus", |_, _| 1_u16.into()),
        // 0 is every profile.
        ("Profiles", |_, _| 0_u16.into()),
        ("RuleGroup", |_, row| chain(row).into()),
        ("Status", |_, _| "OK".into()),
        ("StatusCode", |_, _| 0_u32.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = FilterRule>, ProviderError> {
        Ok(Filter::of(machine).map_err(failure)?.rules().into_iter())
    }
}
