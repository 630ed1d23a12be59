//! Setting thresholds, and seeing whether that was done (IPMI 2.0, 35.8 and 35.9).

use ipmi_proto::threshold::{GetThresholds, SetThresholds, Threshold, Thresholds};

use crate::{Connection, IpmiError};

impl Connection {
    /// The raw thresholds of a sensor that can be read.
    ///
    /// # Errors
    /// When the controller does not answer, or the sensor has none.
    pub async fn thresholds(&self, sensor: u8) -> Result<Thresholds, IpmiError> {
        self.run(&GetThresholds(sensor)).await
    }

    /// Sets a raw threshold, and reads it back: some controllers say that it was done and do not do it.
    ///
    /// # Errors
    /// When the controller does not answer, or refuses; and [`IpmiError::Unchanged`].
    pub async fn set_threshold(&self, sensor: u8, threshold: Threshold, raw: u8) -> Result<(), IpmiError> {
        let thresholds = Thresholds::default().with(threshold, raw);
        self.run(&SetThresholds { sensor, thresholds }).await?;
        let read = self.thresholds(sensor).await?.of(threshold);
        if read == Some(raw) { Ok(()) } else { Err(IpmiError::Unchanged { what: "the threshold" }) }
    }
}
