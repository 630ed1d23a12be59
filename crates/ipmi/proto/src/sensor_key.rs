//! Identity of a sensor: the controller that owns it, and its number there.

/// Channel, owner, logical unit and number of a sensor. Each logical unit of each controller numbers its own
/// sensors, and an address is unique on its channel only (IPMI 2.0, table 43-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SensorKey {
    /// Channel through which the owner is reached; 0 is the internal bus.
    pub channel: u8,
    /// Bus address of the owner; odd for system software.
    pub owner: u8,
    /// Logical unit of the owner, 0 to 3.
    pub unit: u8,
    /// Sensor number.
    pub number: u8,
}

impl SensorKey {
    /// Decodes the two bytes that name the owner in sensor data records and in event records: address, then
    /// channel in the upper four bits and logical unit in the lower two (IPMI 2.0, tables 32-1 and 43-1).
    #[must_use]
    pub fn new([owner, place]: [u8; 2], number: u8) -> Self {
        Self { channel: place >> 4, owner, unit: place & 3, number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_and_logical_unit_share_a_byte() {
        let key = SensorKey::new([0x82, 0x7d], 9);
        assert_eq!(key, SensorKey { channel: 7, owner: 0x82, unit: 1, number: 9 });
    }
}
