//! Headers of the PROXY protocol.

use proxyprotocol::{Header, MAX_HEADER, Progress, decode, has_signature};

/// Checks any bytes as the beginning of a connection.
///
/// Reading only the missing bytes ends within the bounds, never reads a byte behind the header, and decides as all bytes
/// at once do. An IPv4-mapped address is reported as IPv4.
///
/// # Panics
/// If one of these properties does not hold.
pub fn header(data: &[u8]) {
    let mut length = 0;
    let header = loop {
        let received = &data[..length];
        match decode(received) {
            Ok(Progress::Complete(header)) => break header,
            Ok(Progress::Missing(count)) => {
                length += count.get();
                assert!(length <= MAX_HEADER, "{length}");
                if length > data.len() {
                    return;
                }
            }
            Err(error) => return assert!(error.to_string().len() <= 120, "{error}"),
        }
    };
    let (one, behind) = data.split_at(length);
    assert!(has_signature(one));
    for cut in 0..one.len() {
        let progress = decode(&one[..cut]);
        assert!(matches!(progress, Ok(Progress::Missing(count)) if cut + count.get() <= length), "{cut}");
    }
    if let Some(next) = behind.first() {
        assert!(decode(&[one, &[*next]].concat()).is_err(), "bytes behind the header are not part of it");
    }
    if let Header::Proxied { client } = header {
        assert_eq!(client.ip().to_canonical(), client.ip());
    }
}
