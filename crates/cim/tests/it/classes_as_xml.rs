//! Classes in the form of CIM-XML.

use telarch_cim::cimxml::{ClassDetail, ReceivedClass, read_class, write_class};
use telarch_cim::{Class, Namespace, Schema};
use xml::{Bounds, Document};

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
fn only_own_elements_are_written_by_default() {
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
fn each_detail_is_written_on_request() {
    let hierarchy = written(ClassDetail { inheritance_hierarchy: true, ..ClassDetail::default() });
    assert!(hierarchy.contains(" DERIVATION=\"CIM_Service,CIM_LogicalElement,CIM_ManagedSystemElement\""));
    let qualifiers = written(ClassDetail { qualifiers: true, ..ClassDetail::default() });
    assert!(qualifiers.contains(
        "<QUALIFIER NAME=\"Description\" TYPE=\"string\" TRANSLATABLE=\"true\"><VALUE>a</VALUE></QUALIFIER>"
    ));
    assert!(
        qualifiers.contains("<QUALIFIER NAME=\"Write\" TYPE=\"boolean\"><VALUE>true</VALUE></QUALIFIER>")
    );
    assert!(
        !qualifiers.contains("Abstract"),
        "a qualifier restricted to a superclass was written for a subclass"
    );
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

fn written_and_read(class: &Class, detail: ClassDetail) -> ReceivedClass {
    let mut out = xml::Writer::new();
    write_class(&mut out, class, detail);
    let document = Document::parse(out.finish(), &Bounds::default()).unwrap();
    read_class(document.root()).unwrap()
}

const WHOLE: ClassDetail = ClassDetail {
    qualifiers: true,
    inherited_elements: true,
    inheritance_hierarchy: true,
    class_origin: true,
};

#[test]
fn classes_survive_a_round_trip_as_xml() {
    let schema = cimv2();
    for (name, _) in schema.names() {
        let class = schema.require(name.as_str()).unwrap();
        let received = written_and_read(&class, WHOLE).schema(Namespace::cimv2()).unwrap();
        let received = received.require(name.as_str()).unwrap();
        assert_eq!(written_and_read(&received, WHOLE), written_and_read(&class, WHOLE), "{name}");
        assert_eq!(received.keys(), class.keys(), "{name}");
        let names = |class: &Class| class.derivation().map(|one| one.name().clone()).collect::<Vec<_>>();
        assert_eq!(names(&received), names(&class));
    }
}

#[test]
fn the_classes_of_a_namespace_may_arrive_in_any_order() {
    let schema = cimv2();
    let mut names: Vec<_> = schema.names().map(|(name, _)| name).collect();
    names.sort();
    let one = |name: &&telarch_cim::Name| {
        written_and_read(&schema.require(name.as_str()).unwrap(), ClassDetail::default())
    };
    let received = Schema::from_received(Namespace::cimv2(), names.iter().map(one).collect());
    assert_eq!(received.names().count(), names.len());
    let service = received.require("win32_service").unwrap();
    assert!(service.is_a("CIM_Service") && service.column("StartMode").is_some());
    // Contradictory classes are omitted; the others remain.
    let of = |text: &str| read_class(Document::parse(text, &Bounds::default()).unwrap().root()).unwrap();
    let wrong = [
        of("<CLASS NAME=\"A\" SUPERCLASS=\"B\"/>"),
        of("<CLASS NAME=\"B\" SUPERCLASS=\"A\"/>"),
        of("<CLASS NAME=\"C\"/>"),
        of("<CLASS NAME=\"c\"/>"),
        of("<CLASS NAME=\"D\" SUPERCLASS=\"Nobody\"/>"),
    ];
    let received = Schema::from_received(Namespace::cimv2(), wrong.into());
    assert_eq!(received.names().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["C"]);
}

#[test]
fn invalid_classes_are_rejected() {
    for text in [
        "<INSTANCE NAME=\"A\"/>",
        "<CLASS/>",
        "<CLASS NAME=\"1\"/>",
        "<CLASS NAME=\"A\"><PROPERTY NAME=\"B\"/></CLASS>",
        "<CLASS NAME=\"A\"><PROPERTY NAME=\"B\" TYPE=\"text\"/></CLASS>",
        "<CLASS NAME=\"A\"><PROPERTY TYPE=\"string\"/></CLASS>",
        "<CLASS NAME=\"A\"><PROPERTY NAME=\"B\" TYPE=\"uint8\"><VALUE>256</VALUE></PROPERTY></CLASS>",
    ] {
        let document = Document::parse(text, &Bounds::default()).unwrap();
        assert!(read_class(document.root()).is_err(), "{text}");
    }
}
