//! Reading and changing the IPv6 configuration (IPMI 2.0, table 23-4).

use std::net::Ipv6Addr;

use ipmi_proto::Command;
use ipmi_proto::channel::ChannelNumber;
use ipmi_proto::lan6::{
    AddressFamilies, AddressSlots, GetAddress, GetAddressFamilies, GetAddressSlots, GetRouter, GetRouterUse,
    Ipv6Address, Lan6Change, Origin, RouterUse, SetLan6Parameter,
};

use crate::lan::{ChangeOutcome, verify_change};
use crate::read_back::verify;
use crate::{Connection, IpmiError};

/// IPv6 configuration of a controller; `None` for values that it does not report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lan6 {
    /// Address families in use.
    pub families: AddressFamilies,
    /// Number of supported addresses.
    pub slots: Option<AddressSlots>,
    /// Static addresses by slot; disabled slots are omitted.
    pub fixed: Vec<(u8, Ipv6Address)>,
    /// Dynamic addresses by slot; empty slots are omitted.
    pub dynamic: Vec<(u8, Ipv6Address)>,
    /// Router configuration in use.
    pub router_use: Option<RouterUse>,
    /// First static router.
    pub router: Option<Ipv6Addr>,
}

impl Connection {
    /// Returns the IPv6 configuration; `None` if the controller does not support IPv6.
    ///
    /// # Errors
    /// If the controller does not respond.
    pub async fn lan6(&self, channel: ChannelNumber) -> Result<Option<Lan6>, IpmiError> {
        let Some(families) = self.if_known(&GetAddressFamilies(channel)).await? else { return Ok(None) };
        let slots = self.if_known(&GetAddressSlots(channel)).await?;
        let (most_fixed, most_dynamic) = slots.map_or((1, 0), |slots| (slots.fixed, slots.dynamic));
        let mut addresses = [Vec::new(), Vec::new()];
        for (found, (origin, most)) in
            addresses.iter_mut().zip([(Origin::Fixed, most_fixed), (Origin::Dynamic, most_dynamic)])
        {
            for slot in 0..most.min(MOST_SLOTS) {
                let address = self.if_known(&GetAddress { channel, origin, slot }).await?;
                if let Some(address) =
                    address.filter(|used| used.is_enabled && !used.address.is_unspecified())
                {
                    found.push((slot, address));
                }
            }
        }
        let [fixed, dynamic] = addresses;
        let router_use = self.if_known(&GetRouterUse(channel)).await?;
        let router = self.if_known(&GetRouter(channel)).await?.filter(|router| !router.is_unspecified());
        Ok(Some(Lan6 { families, slots, fixed, dynamic, router_use, router }))
    }

    /// Changes the IPv6 configuration, and reads it back. A lost connection is not an error.
    ///
    /// # Errors
    /// If the controller rejects the change; [`IpmiError::Unchanged`] if the change has no effect.
    pub async fn change_lan6(
        &self,
        channel: ChannelNumber,
        change: Lan6Change,
    ) -> Result<ChangeOutcome, IpmiError> {
        let set = SetLan6Parameter { channel, change };
        if self.in_lan_transaction(channel, async || self.run(&set).await).await?
            == ChangeOutcome::Unreachable
        {
            return Ok(ChangeOutcome::Unreachable);
        }
        match change {
            Lan6Change::Families(wanted) => {
                verify_change(self.run(&GetAddressFamilies(channel)).await, |read| {
                    verify("the address families in use", &wanted, &read)
                })
            }
            Lan6Change::Address(slot, wanted) => {
                let get = GetAddress { channel, origin: Origin::Fixed, slot };
                let wanted = wanted.map_or_else(|| "off".to_owned(), |network| network.to_string());
                verify_change(self.run(&get).await, |read| {
                    verify("the IPv6 address", &wanted, &read.setting())
                })
            }
            Lan6Change::RouterUse(wanted) => verify_change(self.run(&GetRouterUse(channel)).await, |read| {
                verify("the routers in use", &wanted, &read)
            }),
            Lan6Change::Router(wanted) => verify_change(self.run(&GetRouter(channel)).await, |read| {
                verify("the static router", &wanted, &read)
            }),
            _ => Ok(ChangeOutcome::Unverified),
        }
    }

    /// Runs a command; `None` if the controller does not support it or its response is not valid.
    async fn if_known<C: Command>(&self, command: &C) -> Result<Option<C::Reply>, IpmiError> {
        match self.run(command).await {
            Ok(reply) => Ok(Some(reply)),
            Err(IpmiError::Completion(_)) => Ok(None),
            Err(IpmiError::Proto(error)) if error.is_about_octets() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Maximum number of slots that are read, whatever count the controller reports.
const MOST_SLOTS: u8 = 32;
