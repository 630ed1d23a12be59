//! Policies that Samba has written, as `samba-gpupdate` hands them over.

use config::{RegistryPol, RegistryRecord, RegistryType};
use serde_json::{Value, json};
use telarch_peers::{Governed, Record, Samba};

const SERVICE: &str = r"Software\Policies\Microsoft\Windows\WinRM\Service";
const WINRS: &str = r"Software\Policies\Microsoft\Windows\WinRM\Service\WinRS";

/// As Samba shows it.
fn shown(record: &RegistryRecord) -> Record {
    let data: Value = match record.kind {
        RegistryType::Number => record.number().into(),
        RegistryType::Text | RegistryType::ExpandableText => record.text().into(),
        RegistryType::LongNumber => {
            u64::from_le_bytes(record.data.as_slice().try_into().expect("eight octets")).into()
        }
        _ => record.data.iter().map(|octet| format!("{octet:02x}")).collect::<String>().into(),
    };
    (record.key.clone(), record.value.clone(), record.kind.number(), data)
}

/// The same records for the same number, with every type that policies have.
fn generated(round: u32) -> RegistryPol {
    let mut state = u64::from(round) + 1;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let record = |at: u64, kind: u64, size: u64| {
        let (key, value) = (format!("{SERVICE}\\{at}"), format!("Värde;{kind}]"));
        match kind {
            0 => RegistryRecord::of_number(&key, &value, u32::try_from(size * 77_777).expect("small")),
            1 => {
                RegistryRecord::of_text(&key, &value, &"];[π𝄞".repeat(usize::try_from(size).expect("small")))
            }
            2 => RegistryRecord {
                kind: RegistryType::ExpandableText,
                ..RegistryRecord::of_text(&key, &value, "%HOME%")
            },
            3 => {
                let data = (0..size).map(|octet| u8::try_from(octet % 256).expect("an octet")).collect();
                RegistryRecord { key, value, kind: RegistryType::Binary, data }
            }
            _ => {
                let data = (size << 40).to_le_bytes().to_vec();
                RegistryRecord { key, value, kind: RegistryType::LongNumber, data }
            }
        }
    };
    let count = below(12);
    let records = (0..count).map(|at| record(at, below(5), below(300))).collect();
    RegistryPol { records }
}

#[test]
fn samba_and_we_read_a_hundred_policy_files_alike() {
    let Some(samba) = Samba::installed() else { return };
    let files: Vec<RegistryPol> = (0..100).map(generated).collect();
    let wanted: Vec<Vec<Record>> =
        files.iter().map(|file| file.records.iter().map(shown).collect()).collect();
    let ours: Vec<Vec<u8>> = files.iter().map(RegistryPol::encode).collect();
    let (theirs, read) = samba.registry_pol(&wanted, &ours);
    assert_eq!(read, wanted, "Samba reads what we have written");
    for ((file, ours), theirs) in files.iter().zip(&ours).zip(&theirs) {
        assert_eq!(RegistryPol::decode(theirs).as_ref(), Ok(file), "we read what Samba has written");
        assert!(ours == theirs, "both write the same octets: {ours:?} {theirs:?}");
    }
    assert!(files.iter().map(|file| file.records.len()).sum::<usize>() > 300);
}

#[test]
fn a_policy_written_by_samba_applies_and_is_shown_with_its_source() {
    let Some(samba) = Samba::installed() else { return };
    let record = |key: &str, value: &str, kind: RegistryType, data: Value| {
        (key.to_owned(), value.to_owned(), kind.number(), data)
    };
    let records = vec![
        record(SERVICE, "AllowBasic", RegistryType::Number, json!(0)),
        record(WINRS, "MaxShellsPerUser", RegistryType::Number, json!(3)),
        record(SERVICE, "CBTHardeningLevelStatus", RegistryType::Number, json!(1)),
        record(SERVICE, "CbtHardeningLevel", RegistryType::Text, json!("Strict")),
    ];
    let (written, _) = samba.registry_pol(&[records], &[]);
    let settings = "Service.Auth.Basic = true\nMaxTimeoutms = 70000\n";
    let service = Governed::start(settings, "10-domain.pol", &written[0]);
    let folder = service.file("").canonicalize().expect("its folder");
    let cut = |text: &str| text.replace(&format!("{}/", folder.display()), "");

    let reported = service.winrm(&["get", "winrm/config", "-sources"]);
    let (out, errors, code) = reported.text();
    assert_eq!((errors, code), ("", 0), "{reported:?}");
    let out = cut(out);
    for line in [
        "    MaxTimeoutms = 70000 [config.toml, line 2]\n",
        "    MaxBatchItems = 32000 [default]\n",
        "            Basic = false [Source=\"GPO\"] [policy.d/10-domain.pol, record 1]\n",
        "            CbtHardeningLevel = Strict [Source=\"GPO\"] [policy.d/10-domain.pol, record 4]\n",
        "        MaxShellsPerUser = 3 [Source=\"GPO\"] [policy.d/10-domain.pol, record 2]\n",
    ] {
        assert!(out.contains(line), "{line} is not in {out}");
    }
    // Others see what Windows would show.
    let plain = service.winrm(&["get", "winrm/config", "-format:xml"]);
    let (out, _, _) = plain.text();
    assert!(out.contains("Source=\"GPO\"") && !out.contains("Origin") && !out.contains("telarch"), "{out}");

    let refused = service.winrm(&["set", "winrm/config/winrs", "@{MaxShellsPerUser=\"4\"}"]);
    let (_, errors, code) = refused.text();
    assert!(code == 1 && errors.contains("0x8033808A") && errors.contains("set by policy"), "{refused:?}");

    let listed = service.telarch_policy(&["list"]);
    let (out, _, _) = listed.text();
    assert!(
        out.contains("CBTHardeningLevel_1") && cut(out).contains(" policy.d/10-domain.pol, record 4\n"),
        "{out}"
    );
    let explained = service.telarch_policy(&["explain", "AllowBasic_1"]);
    assert!(explained.text().0.starts_with("AllowBasic_1: disabled\n"), "{explained:?}");
}
