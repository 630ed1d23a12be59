use crate::token;
use telarch_sddl::{AccessMask, Outcome, ROOT_SDDL, SecurityDescriptor, Verdict};

#[test]
fn the_sacl_asks_for_a_record_as_the_table_says() {
    use Outcome::{Denied, Granted};
    let table = [
        // Default descriptor: every failure, and every success of GX and GW.
        (ROOT_SDDL, "WD", "GR", Denied, true),
        (ROOT_SDDL, "WD", "GX", Denied, true),
        (ROOT_SDDL, "WD", "GR", Granted, false),
        (ROOT_SDDL, "WD", "GX", Granted, true),
        (ROOT_SDDL, "WD", "GW", Granted, true),
        (ROOT_SDDL, "WD", "GRGW", Granted, true),
        (ROOT_SDDL, "WD", "GA", Granted, true),
        // Only the named users and rights.
        ("S:(AU;SAFA;GA;;;BU)", "WD", "GX", Denied, false),
        ("S:(AU;SAFA;GX;;;WD)", "WD", "GR", Denied, false),
        ("S:(AU;;GA;;;WD)", "WD", "GX", Denied, false),
        ("S:(AU;IOFA;GA;;;WD)", "WD", "GX", Denied, false),
        ("S:(AL;FA;GA;;;WD)", "WD", "GX", Denied, true),
        ("S:(AU;SA;GX;;;BU)(AU;SA;GX;;;WD)", "WD", "GX", Granted, true),
        ("O:WDS:(AU;SA;WD;;;OW)", "WD", "WD", Granted, true),
        ("O:BAS:(AU;SA;WD;;;OW)", "WD", "WD", Granted, false),
        ("S:", "WD", "GX", Denied, false),
        ("D:(A;SAFA;GA;;;WD)", "WD", "GX", Granted, false),
    ];
    for (sddl, groups, desired, outcome, expected) in table {
        let descriptor = SecurityDescriptor::parse(sddl).unwrap();
        let recorded = descriptor.audit(&token(groups), AccessMask::parse(desired).unwrap(), outcome);
        assert_eq!(recorded, expected, "{outcome:?} {desired} on {sddl} for {groups}");
    }
}

#[test]
fn a_verdict_is_an_outcome() {
    assert_eq!(Outcome::from(Verdict::GrantedToOwner), Outcome::Granted);
    assert_eq!(Outcome::from(Verdict::GrantedByAce { ace: 0 }), Outcome::Granted);
    assert_eq!(
        Outcome::from(Verdict::DeniedByDefault { missing: AccessMask::GENERIC_READ }),
        Outcome::Denied
    );
}
