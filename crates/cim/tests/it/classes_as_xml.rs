//! Classes in the form of CIM-XML.

use telarch_cim::cimxml::{ClassDetail, write_class};

use crate::{cimv2, declaration};

fn written(detail: ClassDetail) -> String {
    let mut schema = cimv2();
    let text = "[Description(\"a\")] class Site : CIM_Service { [Write] uint32 Rank = 5; string Notes[4]; \
        Win32_Service REF Runs; [Static] boolean Sort([In] uint8 By[], [Out] Win32_Service REF First); };";
    let class = schema.add(&declaration(text)).unwrap();
    let mut out = xml::Writer::new();
    write_class(&mut out, &class, detail);
    out.finish()
}

#[test]
fn only_the_class_s_own_is_told_unless_asked_for() {
    assert_eq!(
        written(ClassDetail::default()),
        "<CLASS NAME=\"Site\" SUPERCLASS=\"CIM_Service\"><PROPERTY.ARRAY NAME=\"Notes\" TYPE=\"string\" ARRAYSIZE=\"4\">\
         </PROPERTY.ARRAY><PROPERTY NAME=\"Rank\" TYPE=\"uint32\"><VALUE>5</VALUE></PROPERTY>\
         <PROPERTY.REFERENCE NAME=\"Runs\" REFERENCECLASS=\"Win32_Service\"></PROPERTY.REFERENCE>\
         <METHOD NAME=\"Sort\" TYPE=\"boolean\"><PARAMETER.ARRAY NAME=\"By\" TYPE=\"uint8\"></PARAMETER.ARRAY>\
         <PARAMETER.REFERENCE NAME=\"First\" REFERENCECLASS=\"Win32_Service\"></PARAMETER.REFERENCE></METHOD></CLASS>"
    );
}

#[test]
fn each_detail_is_told_when_asked_for() {
    let hierarchy = written(ClassDetail { inheritance_hierarchy: true, ..ClassDetail::default() });
    assert!(hierarchy.contains(" DERIVATION=\"CIM_Service,CIM_LogicalElement,CIM_ManagedSystemElement\""));
    let qualifiers = written(ClassDetail { qualifiers: true, ..ClassDetail::default() });
    assert!(qualifiers.contains(
        "<QUALIFIER NAME=\"Description\" TYPE=\"string\" TRANSLATABLE=\"true\"><VALUE>a</VALUE></QUALIFIER>"
    ));
    assert!(
        qualifiers.contains("<QUALIFIER NAME=\"Write\" TYPE=\"boolean\"><VALUE>true</VALUE></QUALIFIER>")
    );
    assert!(!qualifiers.contains("Abstract"), "what is restricted to a superclass was told of a subclass");
    let inherited =
        written(ClassDetail { inherited_elements: true, class_origin: true, ..ClassDetail::default() });
    assert!(inherited.contains(
        "<PROPERTY NAME=\"Caption\" TYPE=\"string\" CLASSORIGIN=\"CIM_ManagedSystemElement\" PROPAGATED=\"true\">"
    ));
    assert!(inherited.contains(
        "<METHOD NAME=\"StartService\" TYPE=\"uint32\" CLASSORIGIN=\"CIM_Service\" PROPAGATED=\"true\">"
    ));
    assert!(inherited.contains("<PROPERTY NAME=\"Rank\" TYPE=\"uint32\" CLASSORIGIN=\"Site\">"));
}
