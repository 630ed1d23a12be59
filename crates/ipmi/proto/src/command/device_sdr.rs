//! Device SDRs: records that a controller stores about its own sensors, in addition to a repository (IPMI
//! 2.0, 35.2 to 35.5).

use super::Command;
use super::storage::{GetSdr, Piece};
use crate::linear::{AnalogFormat, Factors};
use crate::octets::Octets;
use crate::sdr::Exactness;
use crate::{NetFn, Privilege, ProtoError, Request, sdr};

/// Get Device SDR Info.
#[derive(Clone, Copy, Debug)]
pub struct GetDeviceSdrInfo;

/// Device SDR information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceSdrInfo {
    /// Number of records, over all logical units.
    pub records: u8,
    /// Change indicator of a dynamic sensor population: a different number means that records changed. `None`
    /// if the population is static.
    pub stamp: Option<u32>,
}

impl Command for GetDeviceSdrInfo {
    type Reply = DeviceSdrInfo;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        // Requests the number of records rather than of sensors.
        Request::new(NetFn::SENSOR, 0x20, &[1])
    }

    fn reply(&self, octets: &[u8]) -> Result<DeviceSdrInfo, ProtoError> {
        let mut octets = Octets::new("the answer to Get Device SDR Info", octets);
        let [records, flags] = octets.array()?;
        let is_dynamic = flags & 0x80 != 0;
        Ok(DeviceSdrInfo { records, stamp: if is_dynamic { Some(octets.u32()?) } else { None } })
    }
}

/// Reserve Device SDR Repository.
#[derive(Clone, Copy, Debug)]
pub struct ReserveDeviceSdrs;

impl Command for ReserveDeviceSdrs {
    type Reply = u16;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::SENSOR, 0x22, &[])
    }

    fn reply(&self, octets: &[u8]) -> Result<u16, ProtoError> {
        Octets::new("the answer to Reserve Device SDR Repository", octets).u16()
    }
}

/// Get Device SDR: like [`GetSdr`], for device SDRs.
#[derive(Clone, Copy, Debug)]
pub struct GetDeviceSdr(pub GetSdr);

impl Command for GetDeviceSdr {
    type Reply = Piece;
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::SENSOR, 0x21, &self.0.request().data)
    }

    fn reply(&self, octets: &[u8]) -> Result<Piece, ProtoError> {
        self.0.reply(octets)
    }
}

/// Get Sensor Reading Factors (IPMI 2.0, 35.5), for one raw value of a sensor that is not linear.
#[derive(Clone, Copy, Debug)]
pub struct GetReadingFactors {
    /// Sensor number.
    pub sensor: u8,
    /// Raw value.
    pub raw: u8,
    /// Format of raw values, from the sensor's record.
    pub format: AnalogFormat,
}

impl Command for GetReadingFactors {
    /// Conversion factors, tolerance and accuracy of the reading.
    type Reply = (Factors, Exactness);
    const PRIVILEGE: Privilege = Privilege::User;

    fn request(&self) -> Request {
        Request::new(NetFn::SENSOR, 0x23, &[self.sensor, self.raw])
    }

    fn reply(&self, octets: &[u8]) -> Result<(Factors, Exactness), ProtoError> {
        let mut octets = Octets::new("the answer to Get Sensor Reading Factors", octets);
        let [_next, m, m_high, b, b_high, accuracy, exponents] = octets.array()?;
        let factors = sdr::linear_factors([m, m_high, b, b_high, exponents], self.format);
        Ok((factors, Exactness::of([m_high, b_high, accuracy])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_device_sdrs_have_no_stamp() {
        assert_eq!(
            GetDeviceSdrInfo.reply(&[7, 0x81, 1, 0, 0, 0]),
            Ok(DeviceSdrInfo { records: 7, stamp: Some(1) })
        );
        assert_eq!(GetDeviceSdrInfo.reply(&[7, 0x01]), Ok(DeviceSdrInfo { records: 7, stamp: None }));
        assert!(GetDeviceSdrInfo.reply(&[7, 0x81, 1]).is_err());
    }

    #[test]
    fn reading_factors_are_decoded() {
        let ask = GetReadingFactors { sensor: 1, raw: 0x40, format: AnalogFormat::Unsigned };
        let (factors, exactness) = ask.reply(&[0x41, 2, 3, 0xff, 0xc5, 0x18, 0xf0]).unwrap();
        assert_eq!((exactness.tolerance, exactness.accuracy), (3, (0x45, 2)));
        assert_eq!((factors.m, factors.b, factors.result_exponent), (2, -1, -1));
        assert_eq!(factors.quantity(0x40).unwrap().to_string(), "12.7");
        assert!(ask.reply(&[0x41, 2, 0, 0xff, 0xc0, 0]).is_err());
    }
}
