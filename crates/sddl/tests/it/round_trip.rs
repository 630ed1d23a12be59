use crate::generator::Generator;
use telarch_sddl::{Guard, Principal, ROOT_SDDL, SHELL_SDDL, SecurityDescriptor, Sid};

#[test]
fn a_printed_descriptor_parses_to_the_same() {
    let mut generator = Generator::new(1);
    for _ in 0..5_000 {
        let descriptor = generator.descriptor();
        let text = descriptor.to_string();
        assert_eq!(SecurityDescriptor::parse(&text).as_ref(), Ok(&descriptor), "{text}");
    }
}

#[test]
fn a_sid_survives_text_and_bytes() {
    let mut generator = Generator::new(2);
    for _ in 0..5_000 {
        let Principal::Sid(sid) = generator.principal() else { continue };
        assert_eq!(Sid::parse(&sid.to_string()), Ok(sid));
        assert_eq!(Sid::parse(&sid.numeric().to_string()), Ok(sid));
        assert_eq!(Sid::decode(&sid.encode()), Ok(sid));
    }
}

#[test]
fn canonical_texts_print_as_they_were_written() {
    for text in [
        ROOT_SDDL,
        SHELL_SDDL,
        "",
        "D:",
        "D:S:",
        "D:PARAIS:PARAI",
        "O:LAG:LGD:(A;;GA;;;DA)(D;;GA;;;EA)",
        "O:NSG:NSD:(A;;GA;;;DC)(A;;GA;;;NS)",
        "O:NSG:NSD:(A;;GA;;;DC)(A;;GA;;;NS)(A;;GA;;;DD)",
        "O:S-1-5-21-1-2-3-500G:S-1-22-2-7D:(A;OICINPIOID;0x120088;;;S-1-5-21-1-2-3-1000)",
        "D:(A;;;;;WD)",
        "S:(AL;SAFA;CCDCLCSWRPWPSDRCWDWOGAGXGWGR;;;WD)",
    ] {
        assert_eq!(
            SecurityDescriptor::parse(text).map(|descriptor| descriptor.to_string()).as_deref(),
            Ok(text)
        );
    }
}

#[test]
fn other_spellings_print_canonically() {
    for (written, canonical) in [
        ("D:AIARP", "D:PARAI"),
        ("D:PP(A;;GAGA;;;WD)", "D:P(A;;GA;;;WD)"),
        ("D:(A;IDIOCIOI;GWGX;;;WD)", "D:(A;OICIIOID;GXGW;;;WD)"),
        ("O:S-1-5-20D:(A;;0x10000000;;;S-1-5-32-544)", "O:NSD:(A;;GA;;;BA)"),
        ("O:S-1-0x000000000005-0000000018", "O:SY"),
    ] {
        assert_eq!(SecurityDescriptor::parse(written).unwrap().to_string(), canonical, "{written}");
    }
}

#[test]
fn the_documentation_form_of_the_default_equals_the_form_of_windows() {
    let documented = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GWGX;;;WD)";
    assert_eq!(Guard::parse(documented), Guard::parse(ROOT_SDDL));
    assert_eq!(Guard::parse(documented).unwrap().to_string(), ROOT_SDDL);
}

#[test]
fn a_tag_that_follows_two_letters_is_not_part_of_them() {
    let descriptor = SecurityDescriptor::parse("O:NSG:BAD:P(A;;GA;;;BA)").unwrap();
    assert_eq!(descriptor.owner(), Principal::parse("NS").ok());
    assert_eq!(descriptor.group(), Principal::parse("BA").ok());
    assert_eq!(descriptor.dacl().unwrap().aces.len(), 1);
    // The last digit of the number is followed by the letter of the tag, which is also a hexadecimal digit.
    let descriptor = SecurityDescriptor::parse("O:S-1-5-20G:S-1-5-32-544D:PS:").unwrap();
    assert_eq!(descriptor.owner(), Principal::parse("NS").ok());
    assert_eq!(descriptor.group(), Principal::parse("BA").ok());
    // SD and S both begin with the letter S.
    let descriptor = SecurityDescriptor::parse("O:SYG:SUS:(AU;SA;SD;;;SY)").unwrap();
    assert_eq!(descriptor.sacl().unwrap().aces.len(), 1);
}
