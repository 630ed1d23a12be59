//! Numbers of the collector between its process and the gateway.

use broker::wire::{Malformed, Reader, Writer};
use metrics::{CollectorStatistics, Distribution, OutputStatistics};

/// Number of a message that has the numbers of the collector, instead of the number of a call.
pub(crate) const STATISTICS: u64 = u64::MAX;

/// Encodes the numbers as a message.
pub(crate) fn encode(statistics: &CollectorStatistics) -> Vec<u8> {
    let mut w = Writer::default();
    w.u64(STATISTICS);
    let CollectorStatistics { stored, repeated, failed, events, bytes, quarantined, .. } = *statistics;
    for number in [stored, repeated, failed, events, bytes, quarantined] {
        w.u64(number);
    }
    put_distribution(&mut w, &statistics.storing);
    put_distribution(&mut w, &statistics.lag);
    for number in statistics.sources {
        w.u64(number);
    }
    let outputs = statistics.outputs.get(..MAX_OUTPUTS).unwrap_or(&statistics.outputs);
    w.u32(u32::try_from(outputs.len()).unwrap_or(u32::MAX));
    for output in outputs {
        w.text(&output.name).u64(output.spooled).u64(output.sent).u64(output.failures).u64(output.dropped);
        put_distribution(&mut w, &output.sending);
    }
    w.finish().to_vec()
}

/// Decodes the numbers if a message has them; returns `None` for another message.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<CollectorStatistics>, Malformed> {
    let mut r = Reader::new(bytes);
    if r.u64()? != STATISTICS {
        return Ok(None);
    }
    let mut statistics = CollectorStatistics {
        stored: r.u64()?,
        repeated: r.u64()?,
        failed: r.u64()?,
        events: r.u64()?,
        bytes: r.u64()?,
        quarantined: r.u64()?,
        storing: distribution(&mut r)?,
        lag: distribution(&mut r)?,
        ..CollectorStatistics::default()
    };
    for number in &mut statistics.sources {
        *number = r.u64()?;
    }
    let count = usize::try_from(r.u32()?).unwrap_or(usize::MAX);
    if count > MAX_OUTPUTS {
        return Err(Malformed("too many outputs"));
    }
    for _ in 0..count {
        statistics.outputs.push(OutputStatistics {
            name: r.text()?.to_owned(),
            spooled: r.u64()?,
            sent: r.u64()?,
            failures: r.u64()?,
            dropped: r.u64()?,
            sending: distribution(&mut r)?,
        });
    }
    r.finish()?;
    Ok(Some(statistics))
}

fn put_distribution(w: &mut Writer, times: &Distribution) {
    w.u64(times.sum);
    for count in times.counts {
        w.u64(count);
    }
}

fn distribution(r: &mut Reader<'_>) -> Result<Distribution, Malformed> {
    let mut times = Distribution { sum: r.u64()?, ..Distribution::default() };
    for count in &mut times.counts {
        *count = r.u64()?;
    }
    Ok(times)
}

/// Maximum number of outputs whose numbers are sent.
const MAX_OUTPUTS: usize = 100;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_survive_the_way_between_processes() {
        let mut statistics = CollectorStatistics { stored: 1, repeated: 2, failed: 3, ..Default::default() };
        (statistics.events, statistics.bytes, statistics.quarantined) = (4, 5, 6);
        statistics.sources = [1, 2, 3, 4, 5, 6];
        statistics.storing.observe(Duration::from_millis(3));
        statistics.lag.observe(Duration::from_secs(100_000));
        let mut output = OutputStatistics { name: "siem".to_owned(), spooled: 7, ..Default::default() };
        (output.sent, output.failures, output.dropped) = (8, 9, 10);
        output.sending.observe(Duration::from_secs(2));
        statistics.outputs = vec![output; 2];
        let bytes = encode(&statistics);
        assert_eq!(decode(&bytes), Ok(Some(statistics)));
        for length in 8..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length}");
        }
        assert_eq!(decode(&7_u64.to_le_bytes()), Ok(None), "an answer");
    }
}
