use crate::{DOMAIN, MACHINE, generator::Generator, token};
use telarch_sddl::{
    AccessKind, AccessMask, Guard, Principal, ROOT_SDDL, SHELL_SDDL, SecurityDescriptor, Token, Verdict,
};

fn verdict(sddl: &str, groups: &str, desired: &str) -> Verdict {
    SecurityDescriptor::parse(sddl).unwrap().access_check(&token(groups), AccessMask::parse(desired).unwrap())
}

fn by(ace: usize) -> Verdict {
    Verdict::GrantedByAce { ace }
}

fn refused(ace: usize, rights: &str) -> Verdict {
    Verdict::DeniedByAce { ace, rights: AccessMask::parse(rights).unwrap() }
}

fn missing(rights: &str) -> Verdict {
    Verdict::DeniedByDefault { missing: AccessMask::parse(rights).unwrap() }
}

#[test]
fn the_access_check_decides_as_the_table_says() {
    let table = [
        // Default descriptor of the service.
        (ROOT_SDDL, "BA WD AU NU", "GX", by(0)),
        (ROOT_SDDL, "BA WD AU NU", "GXGWGR", by(0)),
        (ROOT_SDDL, "BU WD AU NU", "GR", missing("GR")),
        (ROOT_SDDL, "IU WD AU", "GR", by(1)),
        (ROOT_SDDL, "IU WD AU", "GRGX", missing("GX")),
        (SHELL_SDDL, "RM WD AU NU", "GX", by(1)),
        (SHELL_SDDL, "WD AU NU", "GX", missing("GX")),
        // DACLs without entries for the user.
        ("D:", "BA SY LA", "GR", missing("GR")),
        ("D:P", "BA SY LA", "GA", missing("SDRCWDWOGXGWGR")),
        // The order of entries decides.
        ("D:(D;;GX;;;AU)(A;;GA;;;BA)", "AU BA", "GX", refused(0, "GX")),
        ("D:(A;;GA;;;BA)(D;;GX;;;AU)", "AU BA", "GX", by(0)),
        ("D:(D;;GX;;;AU)(A;;GA;;;BA)", "AU BA", "GR", by(1)),
        ("D:(A;;GR;;;AU)(D;;GR;;;AU)(A;;GX;;;AU)", "AU", "GRGX", by(2)),
        ("D:(A;;GR;;;AU)(D;;GA;;;AU)(A;;GX;;;AU)", "AU", "GRGX", refused(1, "GX")),
        // Rights add up over entries; entries with rights that are not requested have no effect.
        ("D:(A;;GR;;;AU)(A;;GX;;;BU)", "AU BU", "GRGX", by(1)),
        ("D:(A;;GR;;;AU)(A;;GX;;;BU)", "AU", "GRGX", missing("GX")),
        ("D:(D;;GW;;;AU)(A;;GR;;;AU)", "AU", "GR", by(1)),
        // GA in the entry and in the request.
        ("D:(A;;GA;;;AU)", "AU", "GA", by(0)),
        ("D:(A;;GA;;;AU)", "AU", "SDRCWDWO", by(0)),
        ("D:(A;;SDRCWDWOGXGWGR;;;AU)", "AU", "GA", by(0)),
        ("D:(A;;GXGWGR;;;AU)", "AU", "GA", missing("SDRCWDWO")),
        ("D:(D;;GA;;;AU)(A;;GX;;;AU)", "AU", "GX", refused(0, "GX")),
        ("D:(A;;GA;;;AU)", "AU", "CC", missing("CC")),
        ("D:(A;;CCWP;;;AU)", "AU", "CCWP", by(0)),
        // Inherit-only entries.
        ("D:(D;IO;GA;;;AU)(A;;GA;;;AU)", "AU", "GX", by(1)),
        ("D:(A;OICIIO;GA;;;AU)", "AU", "GX", missing("GX")),
        ("D:(A;OICIID;GA;;;AU)", "AU", "GX", by(0)),
        // The user's own SID.
        ("D:(A;;GX;;;S-1-5-21-1-2-3-3000)", "", "GX", by(0)),
        ("D:(A;;GX;;;S-1-5-21-1-2-3-3002)", "", "GX", missing("GX")),
        // The owner.
        ("O:AUD:", "AU", "RC", Verdict::GrantedToOwner),
        ("O:AUD:", "AU", "RCWD", Verdict::GrantedToOwner),
        ("O:AUD:", "AU", "RCWDWO", missing("WO")),
        ("O:AUD:", "AU", "GR", missing("GR")),
        ("O:AUD:(A;;GR;;;AU)", "AU", "GRRC", by(0)),
        ("O:AUD:(D;;RC;;;AU)", "AU", "RC", Verdict::GrantedToOwner),
        ("O:BAD:", "AU", "RC", missing("RC")),
        ("G:AUD:", "AU", "RC", missing("RC")),
        // Entries for OWNER RIGHTS replace the implicit rights of the owner.
        ("O:AUD:(A;;RC;;;OW)", "AU", "RC", by(0)),
        ("O:AUD:(A;;RC;;;OW)", "AU", "WD", missing("WD")),
        ("O:AUD:(D;;WD;;;OW)", "AU", "WD", refused(0, "WD")),
        ("O:AUD:(A;IO;RC;;;OW)", "AU", "WD", Verdict::GrantedToOwner),
        ("O:BAD:(A;;GA;;;OW)", "AU", "GX", missing("GX")),
        // Placeholders match no token, even a token that was created with them.
        ("O:BAD:(A;;GA;;;OW)", "AU OW", "GX", missing("GX")),
        ("D:(A;;GA;;;CO)(A;;GA;;;CG)", "CO CG", "GX", missing("GX")),
        // An empty request, and a descriptor without DACL: Windows would grant both.
        ("D:(A;;GA;;;AU)", "AU", "", missing("")),
        ("O:BA", "AU", "GX", missing("GX")),
    ];
    for (sddl, groups, desired, expected) in table {
        assert_eq!(verdict(sddl, groups, desired), expected, "{desired} on {sddl} for {groups}");
    }
}

#[test]
fn root_passes_only_where_administrators_pass() {
    let root = token("LA BA WD AU");
    assert!(
        !Guard::parse("D:(A;;GA;;;BU)").unwrap().access_check(&root, AccessMask::GENERIC_READ).is_granted()
    );
    assert!(
        Guard::parse("D:(A;;GA;;;BA)").unwrap().access_check(&root, AccessMask::GENERIC_READ).is_granted()
    );
}

#[test]
fn the_local_administrator_is_user_500_of_this_machine() {
    let guard = Guard::parse("D:(D;;GX;;;LA)(A;;GX;;;AU)").unwrap();
    let check = |token: &Token| guard.access_check(token, AccessMask::GENERIC_EXECUTE);
    assert_eq!(check(&token("LA AU")), refused(0, "GX"));
    assert_eq!(check(&token("AU S-1-5-21-4-5-6-500")), by(1));
}

#[test]
fn domain_aliases_match_no_account_without_a_domain() {
    for (alias, group) in [
        ("DA", "S-1-5-21-4-5-6-512"),
        ("DU", "S-1-5-21-4-5-6-513"),
        ("DC", "S-1-5-21-4-5-6-515"),
        ("DD", "S-1-5-21-4-5-6-516"),
        ("EA", "S-1-5-21-7-8-9-519"),
    ] {
        let guard = Guard::parse(&format!("D:(A;;GX;;;{alias})")).unwrap();
        let member = token(group);
        assert_eq!(guard.access_check(&member, AccessMask::GENERIC_EXECUTE), missing("GX"), "{alias}");
        let member = member.in_domain(DOMAIN);
        assert_eq!(guard.access_check(&member, AccessMask::GENERIC_EXECUTE), by(0), "{alias}");
        let machine_group = token("S-1-5-21-1-2-3-512 S-1-5-21-1-2-3-519").in_domain(DOMAIN);
        assert_eq!(guard.access_check(&machine_group, AccessMask::GENERIC_EXECUTE), missing("GX"), "{alias}");
    }
}

#[test]
fn the_verdict_names_the_deciding_entry() {
    for (verdict, text) in [
        (by(3), "granted by entry 3"),
        (Verdict::GrantedToOwner, "granted to the owner"),
        (refused(0, "GX"), "denied by entry 0, which refuses GX"),
        (missing("GR"), "denied, because no entry gives GR"),
        (missing("SDRCWDWOGXGWGR"), "denied, because no entry gives GA"),
        (missing(""), "denied, because no right was asked for"),
    ] {
        assert_eq!(verdict.to_string(), text);
    }
    assert_eq!(by(3).ace(), Some(3));
    assert_eq!(refused(0, "GX").ace(), Some(0));
    assert_eq!(missing("GR").ace(), None);
}

/// Returns the rights of a user by the shortest rule: for each bit, the first entry that contains it decides.
fn rights_by_first_entry(descriptor: &SecurityDescriptor, token: &Token) -> AccessMask {
    let owner_rights = Principal::parse("OW").unwrap();
    let owns = descriptor.owner().is_some_and(|owner| token.holds(owner));
    let aces: Vec<_> = descriptor.dacl().map_or(Vec::new(), |dacl| dacl.aces.clone());
    let effective: Vec<_> = aces.iter().filter(|ace| !ace.flags.to_string().contains("IO")).collect();
    let mut granted = 0;
    if owns && effective.iter().all(|ace| ace.principal != owner_rights) {
        granted |= 0x0006_0000;
    }
    for bit in (0..u32::BITS).map(|shift| 1 << shift) {
        let names_bit = |rights: AccessMask| {
            let all_of_generic_all = rights.bits() & 0x1000_0000 != 0 && 0xe00f_0000 & bit != 0;
            bit != 0x1000_0000 && (rights.bits() & bit != 0 || all_of_generic_all)
        };
        let decides = effective.iter().find(|ace| {
            names_bit(ace.rights) && (token.holds(ace.principal) || owns && ace.principal == owner_rights)
        });
        if decides.is_some_and(|ace| ace.kind == AccessKind::Allowed) {
            granted |= bit;
        }
    }
    AccessMask::from_bits(granted)
}

#[test]
fn generated_checks_agree_with_a_check_written_another_way() {
    let mut generator = Generator::new(3);
    let mut granted = 0;
    for _ in 0..20_000 {
        let descriptor = generator.descriptor();
        let dacl = descriptor.dacl().map_or(Vec::new(), |dacl| dacl.aces.clone());
        let mut groups: Vec<Principal> = dacl.iter().map(|ace| ace.principal).collect();
        groups.extend(descriptor.owner());
        let sids = groups.iter().filter(|_| generator.below(3) > 0).filter_map(|principal| match principal {
            Principal::Sid(sid) => Some(*sid),
            Principal::Relative(relative) => relative.resolve(MACHINE, Some(DOMAIN)),
        });
        let token = Token::new(MACHINE.account(3000), sids.collect::<Vec<_>>(), MACHINE).in_domain(DOMAIN);
        let desired = generator.desired();
        let has = rights_by_first_entry(&descriptor, &token);
        let expected = !desired.is_empty() && has.contains(desired.mapped());
        let verdict = descriptor.access_check(&token, desired);
        assert_eq!(verdict.is_granted(), expected, "{desired} on {descriptor} for {token:?}: {verdict}");
        granted += usize::from(expected);
    }
    assert!(
        (1_000..19_000).contains(&granted),
        "the generator grants {granted} of 20000, which tests one side only"
    );
}
