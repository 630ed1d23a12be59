//! Properties of journal records printed by `journalctl`.

use linux::journal::Record;

/// Checks that the fields of any JSON object can be read as text.
pub(super) fn record(octets: &[u8]) {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(octets) else { return };
    let names: Vec<String> = fields.keys().cloned().collect();
    let record = Record(fields);
    for name in names {
        let text = record.text(&name).unwrap_or_default();
        assert!(text.len() <= 3 * octets.len(), "{name}");
    }
    let _ = record.sequence();
    let digits = record.text("MESSAGE_ID").unwrap_or_default();
    let code = record.message_code();
    assert!(code == 0 || digits.to_lowercase().ends_with(&format!("{code:x}")));
}
