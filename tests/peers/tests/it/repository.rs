//! Our compiler of MOF in the eyes of pywbem's: what is compiled, kept and exported means what was written.

use serde_json::{Value, json};
use telarch_peers::{compile_mof, telarch};

/// A text such as those of the DMTF: qualifiers that it declares itself, arrays, defaults, references, methods,
/// instances with an alias.
const TEXT: &str = r#"
Qualifier Abstract : boolean = false, Scope(class, association, indication), Flavor(Restricted);
Qualifier Association : boolean = false, Scope(association), Flavor(DisableOverride);
Qualifier Description : string = null, Scope(any), Flavor(Translatable);
Qualifier In : boolean = true, Scope(parameter), Flavor(DisableOverride);
Qualifier Key : boolean = false, Scope(property, reference), Flavor(DisableOverride);
Qualifier MaxLen : uint32 = null, Scope(property, method, parameter);
Qualifier Out : boolean = false, Scope(parameter), Flavor(DisableOverride);
Qualifier Override : string = null, Scope(property, reference, method), Flavor(Restricted);
Qualifier ValueMap : string[], Scope(property, method, parameter);
Qualifier Values : string[], Scope(property, method, parameter), Flavor(Translatable);
Qualifier Version : string = null, Scope(class, association, indication), Flavor(Restricted, Translatable);

   [Abstract, Version("2.1.0"), Description("A thing " "of two texts, with \"quotes\".")]
class EX_Element {
      [Key, MaxLen(256)] string InstanceID;
      [Description("What it is.\n")] string Caption;
};

   [Version("2.1.0")]
class EX_Machine : EX_Element {
      [ValueMap{"0", "1"}, Values{"Off", "On"}] uint16 State = 0;
      uint8 Address[6] = {0x0A, 11, 0, 255, 1, 0};
      string Tags[] = {"a", "b\\c", ""};
      real64 Load = 1.5e2;
      boolean Ready = true;
      sint64 Least = -9223372036854775808;
      uint64 Most = 18446744073709551615;
      datetime Since = "20200102030405.123456+060";
      char16 Letter = 'x';
      uint32 Start([In] string Mode, [In, Out] sint32 Count, [Out] EX_Machine REF Machine);
};

   [Association, Version("2.1.0")]
class EX_DependsOn {
      [Key] EX_Element REF Antecedent;
      [Key] EX_Element REF Dependent;
};

instance of EX_Machine as $One { InstanceID = "one"; Caption = "The first"; State = 1; Tags = {}; };
instance of EX_Machine as $Two { InstanceID = "two \"2\""; Load = -0.25; Since = "00000012103005.000000:000"; };
instance of EX_DependsOn { Antecedent = $One; Dependent = $Two; };
"#;

#[test]
fn pywbem_reads_an_exported_repository_like_its_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("repository.mof").display().to_string();
    let compiled = telarch(&["mofcomp", "-", "--repository", &file], TEXT);
    assert_eq!(compiled.text(), ("3 classes and 3 instances compiled\n", "", 0));
    let exported = telarch(&["mofcomp", "--export", "--repository", &file], "");
    let (exported, ..) = exported.text();
    // pywbem would look for the namespace in its own paths.
    let exported: String = exported
        .lines()
        .filter(|line| !line.starts_with("#pragma"))
        .map(|line| format!("{line}\n"))
        .collect();
    let declared: String = TEXT
        .lines()
        .take_while(|line| !line.contains("[Abstract,"))
        .map(|line| format!("{line}\n"))
        .collect();
    let (written, stored) = (compile_mof(TEXT), compile_mof(&format!("{declared}{exported}")));
    assert_eq!(without_mof(&stored["classes"]), without_mof(&written["classes"]));
    // pywbem leaves out what a class says of all its instances, and names the namespace of an alias.
    let defaults = json!({
        "Address": ["10", "11", "0", "255", "1", "0"], "Least": "-9223372036854775808", "Letter": "'x'",
        "Load": 150.0, "Most": "18446744073709551615", "Ready": true,
        "Since": "20200102030405.123456+060", "State": "0", "Tags": ["a", "b\\c", ""],
    });
    let mut written = written["instances"].as_array().expect("instances").clone();
    for machine in written.iter_mut().filter(|instance| instance[0] == "EX_Machine") {
        for (name, value) in defaults.as_object().expect("an object") {
            let properties = machine[1].as_object_mut().expect("properties");
            properties.entry(name).or_insert_with(|| value.clone());
        }
    }
    let written = sorted(&written.into()).into_iter().map(|text| text.replace("root/cimv2:", ""));
    assert_eq!(sorted(&stored["instances"]), written.collect::<Vec<_>>());
}

/// The classes without the texts that pywbem would write for them.
fn without_mof(classes: &Value) -> Value {
    let mut classes = classes.clone();
    for class in classes.as_object_mut().expect("classes").values_mut() {
        class.as_object_mut().expect("a class").remove("mof");
    }
    classes
}

/// The instances in one order, without what has no value.
fn sorted(instances: &Value) -> Vec<String> {
    let mut all: Vec<String> =
        instances.as_array().expect("instances").iter().map(ToString::to_string).collect();
    all.sort();
    assert_eq!(all.len(), 3, "{all:?}");
    all
}
