use telarch_sddl::{ROOT_SDDL, SecurityDescriptor};

fn explain(sddl: &str) -> Vec<String> {
    SecurityDescriptor::parse(sddl).unwrap().explain().map(|explanation| explanation.to_string()).collect()
}

#[test]
fn the_default_explains_itself() {
    assert_eq!(
        explain(ROOT_SDDL),
        [r"BUILTIN\Administrators (BA): allowed GA", r"NT AUTHORITY\INTERACTIVE (IU): allowed GR"]
    );
}

#[test]
fn entries_for_one_principal_are_one_line_in_which_the_first_decides() {
    assert_eq!(
        explain("D:(D;;GX;;;BA)(A;;GR;;;BU)(A;;GA;;;BA)(D;;GW;;;BA)"),
        [r"BUILTIN\Administrators (BA): allowed SDRCWDWOGWGR, denied GX", r"BUILTIN\Users (BU): allowed GR"]
    );
}

#[test]
fn allowed_rights_of_several_entries_make_up_all_rights() {
    assert_eq!(explain("D:(A;;GXGWGR;;;WD)(A;;SDRCWDWO;;;WD)"), ["Everyone (WD): allowed GA"]);
}

#[test]
fn denied_and_empty_entries_are_shown_too() {
    assert_eq!(
        explain("D:(D;;GA;;;S-1-5-21-1-2-3-1000)(A;;;;;LG)"),
        ["S-1-5-21-1-2-3-1000: denied GA", "Guest (LG): no rights"]
    );
}

#[test]
fn entries_only_there_to_be_inherited_are_left_out() {
    assert!(explain("D:(A;OIIO;GA;;;WD)").is_empty());
    assert!(explain("D:").is_empty());
    assert!(explain("S:(AU;FA;GA;;;WD)").is_empty());
}
