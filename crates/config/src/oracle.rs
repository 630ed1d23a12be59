//! What must hold for any octets at all; fuzz targets and the corpus test call these.

use crate::file::Mistake;
use crate::file::{edit, edit_preset};
use crate::value::Address;
use crate::{
    AddressFilter, Draft, FileError, IPv4Filter, IPv6Filter, Listener, ListenerAddress, ListenerKey,
    Policies, Preset, RegistryPol, SecurityEntry, Setting, Source, Transport, file,
};

/// Any text is read or refused without panic, and what was read can be written, changed and read again.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn config_toml(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok((preset, first)) = read(text) else { return };
    again(text, &first, &first);
    again(text, &first, &changed(&first));

    for other in Preset::ALL {
        presets(text, other);
    }

    let header = if preset == Preset::default() { String::new() } else { format!("Preset = \"{preset}\"\n") };
    let untouched = Draft { config: preset.config(), ..Draft::default() };
    again(&header, &untouched, &first);
}

/// Any text is an address filter or refused without panic; what is printed is read as the same filter.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn config_filter(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    filter(IPv4Filter::parse(text).ok());
    filter(IPv6Filter::parse(text).ok());
}

/// Any octets are a `Registry.pol` or refused without panic; what was read is written as the same octets.
///
/// What policies it has govern the settings or are refused, and are the same behind the text in which they are handed
/// over.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn config_registry_pol(octets: &[u8]) {
    if let Ok(read) = RegistryPol::decode(octets) {
        assert_eq!(read.encode(), octets);
    }
    policies(&[("a.pol".into(), octets.to_vec())]);
}

/// Any text is a file of policies or refused without panic, and what it demands holds.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn config_policy_toml(octets: &[u8]) {
    policies(&[("a.toml".into(), octets.to_vec())]);
}

fn policies(files: &[(std::path::PathBuf, Vec<u8>)]) {
    let Ok(policies) = Policies::of_files(files) else { return };
    let (_, governed) = file::read("", &policies).map_err(|mistake| mistake.error).expect("no text is wrong");
    for setting in Setting::all() {
        let demanded = policies.of_setting(setting).map(|demand| demand.value.as_str());
        assert_eq!(governed.config.source(setting) == Source::Policy, demanded.is_some());
        assert!(demanded.is_none_or(|value| value == setting.show(&governed.config)), "{}", setting.path());
    }
    let again = Policies::of_text(&policies.to_text()).expect("what was written can be read");
    assert!(again.iter().eq(policies.iter()), "{again:?} is not {policies:?}");
}

/// Where no policy says anything.
fn read(text: &str) -> Result<(Preset, Draft), Mistake> {
    file::read(text, &Policies::default())
}

/// The edited text says what was asked for.
fn again(text: &str, before: &Draft, after: &Draft) {
    let edited = edit(text, before, after).expect("what was read has a place for every change");
    let (_, read) = read(&edited).map_err(|mistake| mistake.error).expect("what was edited can be read");
    let different: Vec<_> = read.config.differences(&after.config).map(crate::Setting::path).collect();
    assert!(different.is_empty(), "{different:?} differ after editing {text:?} to {edited:?}");
    assert_eq!(read.listeners, after.listeners, "after editing {text:?} to {edited:?}");
    assert_eq!(read.plugins, after.plugins, "after editing {text:?} to {edited:?}");
}

/// The edited text has the preset, unless it names what only another one allows or becomes too large by it.
fn presets(text: &str, preset: Preset) {
    let edited = edit_preset(text, preset).expect("what was read has a place for a preset");
    match read(&edited).map_err(|mistake| mistake.error) {
        Ok((read, _)) => assert_eq!(read, preset, "after editing {text:?} to {edited:?}"),
        Err(FileError::Setting(_) | FileError::TooLarge) => {}
        Err(error) => panic!("{error} after editing {text:?} to {edited:?}"),
    }
}

/// A change in every kind of place: root, a section, a section in it, and the listeners.
fn changed(before: &Draft) -> Draft {
    let mut after = before.clone();
    let other =
        |now: u32, one: &'static str, two: &'static str| if now.to_string() == one { two } else { one };
    let flipped = (!before.config.service.auth.basic).to_string();
    for (name, value) in [
        ("MaxTimeoutms", other(before.config.max_timeoutms.get(), "500", "501")),
        ("Client/URLPrefix", "other/prefix"),
        ("Service/Auth/Basic", &flipped),
        ("Client/DefaultPorts/HTTP", other(before.config.client.default_ports.http.get(), "1", "2")),
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
    let shell = after.plugins.find_mut("Shell").expect("there is one");
    shell.enable(!shell.is_enabled()).expect("it is not needed");
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
    let entry = SecurityEntry::parse(uri, "D:P(A;;GX;;;WD)", true).expect("an entry");
    shell.secure(vec![entry]).expect("an entry of the shell");
    // Refused if the file has it already, which is as good.
    let _ = after.listeners.create(new);
    after
}

fn filter<A: Address + std::fmt::Debug>(filter: Option<AddressFilter<A>>) {
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
