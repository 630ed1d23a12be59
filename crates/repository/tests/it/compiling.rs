//! Tests of MOF texts in the form that `mofcomp` compiles.

use std::fs;

use cim::{Namespace, ObjectPath, Value};
use telarch_repository::{ClassFlags, Compiler, Contents, Existing, Repository};

use crate::{compile, default, error};

const SITE: &str = r#"
class Site_Place {
  [Key] string Name;
  uint32 Rooms = 2;
  string Tags[];
};
class Site_House : Site_Place { datetime Built; };
[Association] class Site_Next { [Key] Site_Place REF Left; [Key] Site_Place REF Right; };
instance of Site_Place as $Oslo { Name = "Oslo"; Tags = {"a", "b"}; };
instance of Site_House as $Rome { Name = "Rome"; Rooms = 7; Built = "20200102030405.000000+000"; };
instance of Site_Next { Left = $Oslo; Right = $Rome; };
"#;

fn value(contents: &Contents, path: &str, property: &str) -> Option<Value> {
    let path = ObjectPath::parse(path).unwrap();
    let instance = contents.namespace(&default()).unwrap().instance(&path).unwrap()?;
    instance.value(property).cloned()
}

#[test]
fn classes_instances_aliases_references_arrays_and_defaults_are_stored() {
    let mut contents = Contents::default();
    let report = compile(&mut contents, SITE).unwrap();
    assert_eq!((report.classes, report.instances), (3, 3));
    assert_eq!(value(&contents, "Site_Place.Name='oslo'", "Rooms"), Some(Value::from(2_u32)));
    assert_eq!(value(&contents, "Site_House='Rome'", "Rooms"), Some(Value::from(7_u32)));
    let next = "Site_Next.Left='Site_Place.Name=\"Oslo\"',Right='Site_House.Name=\"Rome\"'";
    assert!(value(&contents, next, "Left").is_some(), "the association is there");
    let again = compile(&mut contents, SITE).unwrap();
    assert_eq!((again.classes, again.instances, again.same), (0, 0, 6));
}

#[test]
fn keys_that_differ_only_in_upper_case_mapping_are_two_instances() {
    let mut contents = Contents::default();
    let street = |name: &str| format!("instance of Site_Place {{ Name = \"{name}\"; Rooms = 1; }};");
    let text = [SITE, &street("Straße"), &street("STRASSE")].concat();
    assert_eq!(compile(&mut contents, &text).unwrap().instances, 5);
    assert!(value(&contents, "Site_Place.Name='straße'", "Rooms").is_some());
    // The lower-case letters of these names differ, the upper-case letters do not.
    compile(&mut contents, &street("ΟΔΟΣ")).unwrap();
    assert!(value(&contents, "Site_Place.Name='οδοσ'", "Rooms").is_some());
    assert!(value(&contents, "Site_Place.Name='οδος'", "Rooms").is_some());
}

#[test]
fn errors_contain_the_position_and_a_remedy() {
    for (text, expected) in [
        ("class A { string X };", "site.mof:1:20: expected ';', found '}'"),
        ("\n  class A : B { };", "site.mof:2:3: class A: the superclass B is missing"),
        (
            "class A { [Key] string X; };\ninstance of A { Y = 1; };",
            "site.mof:2:1: A has no property \"Y\"\n  a query of meta_class lists the properties",
        ),
        ("instance of Missing { };", "site.mof:1:1: unknown class Missing"),
        (
            "#pragma namespace(\"root/subscription\")\ninstance of ActiveScriptEventConsumer { Name = \"run\"; };",
            "site.mof:2:1: unknown event consumer class ActiveScriptEventConsumer\n  \
             available classes: CommandLineEventConsumer, LogFileEventConsumer, NTEventLogEventConsumer, \
             SMTPEventConsumer",
        ),
        ("instance of Win32_Process { Handle = \"1\"; };", "site.mof:1:1: unknown class Win32_Process"),
        (
            "#pragma namespace(\"root/cimv2\")\ninstance of Win32_Process { Handle = \"1\"; };",
            "site.mof:2:1: instances of Win32_Process cannot be stored: a provider serves the class, or it is abstract",
        ),
        (
            "#pragma namespace(\"root/none\")",
            "site.mof:1:1: namespace root/none does not exist\n  \
             create an instance of __Namespace in its parent namespace",
        ),
        (
            "#pragma namespace(\"\\\\\\\\node7\\\\root\\\\cimv2\")",
            "site.mof:1:1: #pragma namespace: the path names another machine; use \\\\.\\ and compile it there",
        ),
        ("#pragma deleteclass(\"A\", FAIL)", "site.mof:1:1: class A does not exist"),
        (
            "#pragma deleteclass(\"__Event\", FAIL)",
            "site.mof:1:1: class __Event is built in and cannot be changed or removed",
        ),
        (
            "class A { [Key] string X; };\ninstance of A { X = \"1\"; };\n#pragma instanceflags(\"createonly\")\ninstance of A { X = \"1\"; };",
            "site.mof:4:1: A.X=\"1\" already exists\n  omit createonly to replace it",
        ),
        (
            "instance of __EventFilter { Name = \"a\"; QueryLanguage = \"WQL\"; Query = \"SELEC bad\"; };",
            "site.mof:1:1: invalid event filter: expected SELECT, ASSOCIATORS OF or REFERENCES OF, found SELEC \
             at byte 0 of the query",
        ),
        (
            "\ninstance of __EventFilter { Name = \"a\"; Query = \"SELECT * FROM __Event WHERE\"; };",
            "site.mof:2:1: invalid event filter: expected the name of a property, found the end of the query \
             at byte 27 of the query",
        ),
        (
            "instance of __EventFilter { Name = \"a\"; Query = \"REFERENCES OF {A='a'}\"; };",
            "site.mof:1:1: invalid event filter: an association query returns no events\n  \
             select from an event class",
        ),
        (
            "instance of __EventFilter { Name = \"a\"; QueryLanguage = \"SQL\"; Query = \"SELECT * FROM __Event\"; };",
            "site.mof:1:1: invalid event filter: QueryLanguage must be WQL",
        ),
        ("#pragma classflags(\"updateonly\")\nclass A { };", "site.mof:2:1: class A does not exist"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn pragmas_are_executed_and_unknown_ones_reported() {
    let mut contents = Contents::default();
    let text = r#"
#pragma autorecover
#pragma classflags("forceupdate")
#pragma deleteclass("Site_Old", NOFAIL)
#pragma unknown("x")
instance of __Namespace { Name = "Site"; };
#pragma namespace("\\\\.\\root\\default\\site")
class A { [Key] string X; };
class B : A { };
instance of A { X = "1"; };
instance of B { X = "2"; };
#pragma deleteinstance("A.X=\"1\"", FAIL)
#pragma deleteinstance("None.X=\"1\"", NOFAIL)
"#;
    let report = compile(&mut contents, text).unwrap();
    assert_eq!(report.notes, ["#pragma unknown has no meaning here and was passed over"]);
    let site = Namespace::parse("root/default/site").unwrap();
    assert_eq!(contents.namespace(&site).unwrap().instances().count(), 1);
    let text = "#pragma namespace(\"root/default/site\")\n#pragma deleteclass(\"A\", FAIL)";
    compile(&mut contents, text).unwrap();
    let stored = contents.namespace(&site).unwrap();
    assert!(stored.declarations().is_empty() && stored.instances().next().is_none());
    compile(&mut contents, "#pragma deleteinstance(\"__Namespace.Name='site'\", FAIL)").unwrap();
    contents.namespace(&site).unwrap_err();
}

#[test]
fn a_class_in_use_is_replaced_only_if_forced() {
    let mut contents = Contents::default();
    compile(&mut contents, SITE).unwrap();
    let grown = "class Site_Place { [Key] string Name; uint32 Rooms = 2; string Tags[]; boolean New; };";
    assert_eq!(compile(&mut contents, grown).unwrap().classes, 1);
    assert_eq!(value(&contents, "Site_House='Rome'", "New"), Some(Value::Null));
    let other = "class Site_Place { [Key] string Name; string Rooms; };";
    let error = compile(&mut contents.clone(), other).unwrap_err().to_string();
    assert!(error.starts_with("site.mof:1:1: ") && error.contains("forceupdate"), "{error}");
    compile(&mut contents, &format!("#pragma classflags(\"forceupdate\")\n{other}")).unwrap();
    let stored = contents.namespace(&default()).unwrap();
    assert!(stored.instances().all(|instance| !instance.class().is_a("Site_Place")));
}

#[test]
fn builtin_classes_are_not_replaced_but_reported() {
    let text = "class Win32_Process { [Key] string Mine; };";
    let mut compiler = Compiler::new(Namespace::cimv2());
    compiler.text("a.mof".as_ref(), text).unwrap();
    let mut contents = Contents::default();
    let report = compiler.apply(&mut contents).unwrap();
    assert_eq!((report.classes, report.builtin[0].as_str()), (0, "Win32_Process"));
    let mut compiler = Compiler::new(Namespace::cimv2()).class_flags(ClassFlags::CreateOnly);
    compiler.text("a.mof".as_ref(), text).unwrap();
    compiler.apply(&mut contents).unwrap_err();
}

#[test]
fn an_amendment_changes_only_qualifiers() {
    let mut contents = Contents::default();
    compile(&mut contents, SITE).unwrap();
    let text = r#"
#pragma amendment("MS_409")
[Description("a place") : Amended ToSubclass, AMENDMENT, LOCALE(0x409)]
class Site_Place { [Description("how many") : Amended ToSubclass] uint32 Rooms; };
"#;
    assert_eq!(compile(&mut contents, text).unwrap().classes, 1);
    let class = contents.namespace(&default()).unwrap().schema().require("Site_House").unwrap();
    let rooms = class.property(class.column("Rooms").unwrap()).unwrap();
    assert_eq!(rooms.qualifiers.text("Description"), Some("how many"));
    assert_eq!(rooms.default, Value::from(2_u32));
    assert_eq!(value(&contents, "Site_House='Rome'", "Rooms"), Some(Value::from(7_u32)));
}

#[test]
fn qualifiers_have_their_declared_defaults_and_flavors() {
    let text = r#"
Qualifier Rank : uint8 = 3, Scope(class), Flavor(DisableOverride, ToSubclass);
[Rank] class A { [Key] string X; };
class B : A { };
"#;
    let mut contents = Contents::default();
    compile(&mut contents, text).unwrap();
    let class = contents.namespace(&default()).unwrap().schema().require("B").unwrap();
    assert_eq!(class.qualifiers().find("Rank").unwrap().value, Value::from(3_i32));
    assert!(compile(&mut contents, "[Rank(4)] class C : A { };").is_err(), "it must not be overridden");
}

#[test]
fn included_files_are_found_beside_the_including_one_in_any_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    fs::create_dir(&below).unwrap();
    let utf16: Vec<u8> = "\u{feff}class B : A { string Größe; };"
        .replace('ö', "o")
        .replace('ß', "s")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(below.join("b.mof"), utf16).unwrap();
    fs::write(below.join("a.mof"), "class A { };\n#pragma include(\"b.mof\")\n").unwrap();
    fs::write(folder.path().join("all.mof"), "#pragma include(\"below\\\\a.mof\")\nclass C : B { };")
        .unwrap();
    let mut compiler = Compiler::new(default());
    compiler.file(&folder.path().join("all.mof")).unwrap();
    assert_eq!(compiler.apply(&mut Contents::default()).unwrap().classes, 3);

    fs::write(below.join("a.mof"), "\n#pragma include(\"a.mof\")\n").unwrap();
    let error = Compiler::new(default()).file(&folder.path().join("all.mof")).unwrap_err().to_string();
    assert!(
        error.contains("a.mof:2:1: cannot include") && error.ends_with("the file includes itself"),
        "{error}"
    );
    fs::write(below.join("a.mof"), "#pragma include(\"none.mof\")\n").unwrap();
    let error = Compiler::new(default()).file(&folder.path().join("all.mof")).unwrap_err().to_string();
    assert!(error.contains("a.mof:1:1: cannot include") && error.contains("none.mof"), "{error}");
    fs::write(below.join("a.mof"), [0xFF, 0xFE, 0x00]).unwrap();
    Compiler::new(default()).file(&below.join("a.mof")).unwrap_err();
}

#[test]
fn a_failed_compilation_leaves_the_repository_unchanged() {
    let repository = Repository::in_memory();
    let mut compiler = Compiler::new(default());
    compiler.text("a.mof".as_ref(), "class A { };\nclass B : C { };").unwrap();
    repository.update(|contents| compiler.apply(contents)).unwrap_err();
    assert!(repository.contents().namespace(&default()).unwrap().declarations().is_empty());
}

#[test]
fn an_export_compiles_to_the_same_contents() {
    let mut contents = Contents::default();
    compile(&mut contents, SITE).unwrap();
    let repository = Repository::in_memory();
    repository
        .update(|own| {
            *own = contents.clone();
            Ok(())
        })
        .unwrap();
    let text = repository.export(None);
    let mut compiler = Compiler::new(default());
    compiler.text("export.mof".as_ref(), &text).unwrap();
    let mut again = Contents::default();
    compiler.apply(&mut again).unwrap();
    assert_eq!(
        again
            .put_class(
                &default(),
                &contents.namespace(&default()).unwrap().declarations()[0],
                Existing::Replace
            )
            .unwrap(),
        telarch_repository::Change::Same
    );
    let instances = |contents: &Contents| {
        contents.namespace(&default()).unwrap().instances().cloned().collect::<Vec<_>>()
    };
    assert_eq!(instances(&again), instances(&contents));
}
