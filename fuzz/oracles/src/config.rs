//! The configuration file, policies and address filters.

use config::file::{LocatedError, edit, edit_preset};
use config::{
    Address, AddressFilter, Draft, FileError, IPv4Filter, IPv6Filter, Listener, ListenerAddress, ListenerKey,
    Policies, Preset, RegistryPol, SecurityEntry, Setting, Source, Transport, file,
};

/// Checks that any text is parsed or rejected without a panic, and that a parsed file can be edited and parsed again.
///
/// # Panics
/// If the property does not hold.
pub fn toml(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok((preset, first)) = read(text) else { return };
    again(text, &first, &first);
    again(text, &first, &changed(&first));

    for other in Preset::ALL {
        presets(text, other);
    }

    let header = if preset == Preset::default() { String::new() } else { format!("Preset = \"{preset}\"\n") };
    let mut untouched = Draft::default();
    untouched.config = preset.config();
    again(&header, &untouched, &first);
}

/// Checks that any text is parsed as an address filter or rejected without a panic, and that the printed filter is
/// parsed as the same filter.
///
/// # Panics
/// If the property does not hold.
pub fn filter(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    check_filter(IPv4Filter::parse(text).ok());
    check_filter(IPv6Filter::parse(text).ok());
}

/// Checks that any bytes are decoded as a `Registry.pol` or rejected without a panic, and that the decoded file is
/// encoded as the same bytes.
///
/// Its policies must apply to the settings or be rejected, and must survive serialization as text.
///
/// # Panics
/// If the property does not hold.
pub fn registry_pol(octets: &[u8]) {
    if let Ok(read) = RegistryPol::decode(octets) {
        assert_eq!(read.encode(), octets);
    }
    policies(&[("a.pol".into(), octets.to_vec())]);
}

/// Checks that any text is parsed as a policy file or rejected without a panic, and that its values apply.
///
/// # Panics
/// If the property does not hold.
pub fn policy_toml(octets: &[u8]) {
    policies(&[("a.toml".into(), octets.to_vec())]);
}

fn policies(files: &[(std::path::PathBuf, Vec<u8>)]) {
    let Ok(policies) = Policies::of_files(files) else { return };
    let (_, governed) =
        file::read("", &policies).map_err(|mistake| mistake.error).expect("an empty text is valid");
    for setting in Setting::all() {
        let expected = policies.of_setting(setting).map(|entry| entry.value.as_str());
        assert_eq!(governed.config.source(setting) == Source::Policy, expected.is_some());
        assert!(expected.is_none_or(|value| value == setting.show(&governed.config)), "{}", setting.path());
    }
    let again = Policies::of_text(&policies.to_text()).expect("serialized policies can be parsed");
    assert!(again.iter().eq(policies.iter()), "{again:?} is not {policies:?}");
}

/// Parses a configuration file without policies.
fn read(text: &str) -> Result<(Preset, Draft), LocatedError> {
    file::read(text, &Policies::default())
}

/// Checks that the edited text contains the requested values.
fn again(text: &str, before: &Draft, after: &Draft) {
    let edited = edit(text, before, after).expect("a parsed text allows every change");
    let (_, read) = read(&edited).map_err(|mistake| mistake.error).expect("an edited text can be parsed");
    let different: Vec<_> = read.config.differences(&after.config).map(Setting::path).collect();
    assert!(different.is_empty(), "{different:?} differ after editing {text:?} to {edited:?}");
    assert_eq!(read.listeners, after.listeners, "after editing {text:?} to {edited:?}");
    assert_eq!(read.plugins, after.plugins, "after editing {text:?} to {edited:?}");
}

/// Checks that the edited text has the preset, unless it contains a value that only another preset allows or becomes
/// too large.
fn presets(text: &str, preset: Preset) {
    let edited = edit_preset(text, preset).expect("a parsed text allows every preset");
    match read(&edited).map_err(|mistake| mistake.error) {
        Ok((read, _)) => assert_eq!(read, preset, "after editing {text:?} to {edited:?}"),
        Err(FileError::Setting(_) | FileError::TooLarge) => {}
        Err(error) => panic!("{error} after editing {text:?} to {edited:?}"),
    }
}

/// Returns a draft with a change of every kind: a top-level setting, settings in sections and subsections, listeners
/// and plug-ins.
fn changed(before: &Draft) -> Draft {
    let mut after = before.clone();
    let flipped = (!before.config.service.auth.basic).to_string();
    for (name, value) in [
        ("MaxTimeoutms", different(before.config.max_timeoutms.get(), "500", "501")),
        ("Client/URLPrefix", "other/prefix"),
        ("Service/Auth/Basic", &flipped),
        ("Client/DefaultPorts/HTTP", different(before.config.client.default_ports.http.get(), "1", "2")),
        ("Service/IPv4Filter", "10.0.0.1-10.0.0.2"),
        ("Service/CertificateThumbprint", ""),
        ("Winrs/MaxShellsPerUser", "0"),
    ] {
        after.config.set(name, value).expect("a value that fits");
    }
    if let Some(first) = before.listeners.iter().next() {
        after.listeners.delete(first.key()).expect("a listener of the file");
    }
    if let Some(mut last) = after.listeners.iter().last().cloned() {
        last.enabled = !last.enabled;
        after.listeners.replace(last).expect("a listener of the file");
    }
    let key = ListenerKey { address: ListenerAddress::Mac([0xFE; 6]), transport: Transport::Https };
    let mut new = Listener::new(key, &after.config.service);
    new.enabled = false;
    let shell = after.plugins.find_mut("Shell").expect("the plug-in exists");
    shell.set_enabled(!shell.is_enabled()).expect("the shell can be disabled");
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
    let entry = SecurityEntry::parse(uri, "D:P(A;;GX;;;WD)", true).expect("an entry");
    shell.set_entries(vec![entry]).expect("an entry of the shell");
    // Fails if the file already contains this listener, which is acceptable.
    let _ = after.listeners.create(new);
    after
}

/// Returns the first text, unless it is the current value; then the second.
fn different(current: u32, first: &'static str, second: &'static str) -> &'static str {
    if current.to_string() == first { second } else { first }
}

fn check_filter<A: Address + std::fmt::Debug>(filter: Option<AddressFilter<A>>) {
    let Some(filter) = filter else { return };
    assert_eq!(AddressFilter::parse(&filter.to_string()).as_ref(), Ok(&filter));
    let AddressFilter::Ranges(ranges) = &filter else { return };
    for range in ranges.iter() {
        assert!(range.start() <= range.end() && filter.admits(*range.start()) && filter.admits(*range.end()));
    }
    for (before, after) in ranges.iter().zip(ranges.iter().skip(1)) {
        assert!(before.end() < after.start(), "{filter} has ranges out of order");
    }
}
