//! The classes, the MOF and the patterns of `cim` in the eyes of programs that others wrote.

use std::collections::BTreeMap;

use cim::cimxml::{ClassDetail, write_class};
use cim::{CimType, ClassDeclaration, Namespace, Qualifiers, Schema, Type, mof, wql};
use serde_json::{Value, json};
use telarch_peers::{compile_mof, like, read_classes};

/// Declarations of the qualifiers of our classes: those of DSP0004 5.6, and those of WMI.
const QUALIFIERS: &str = "
Qualifier Abstract : boolean = false, Scope(class, association, indication), Flavor(Restricted);
Qualifier ArrayType : string = \"Bag\", Scope(property, parameter), Flavor(DisableOverride);
Qualifier Association : boolean = false, Scope(association), Flavor(DisableOverride);
Qualifier BitMap : string[], Scope(property, method, parameter);
Qualifier BitValues : string[], Scope(property, method, parameter), Flavor(Translatable);
Qualifier CounterType : uint32, Scope(property);
Qualifier CreateBy : string, Scope(class, association), Flavor(Restricted);
Qualifier DeleteBy : string, Scope(class, association), Flavor(Restricted);
Qualifier Dynamic : boolean = false, Scope(class, association), Flavor(Restricted);
Qualifier EmbeddedInstance : string = null, Scope(property, method, parameter);
Qualifier EmbeddedObject : boolean = false, Scope(property, method, parameter), Flavor(DisableOverride);
Qualifier ID : sint32, Scope(parameter), Flavor(DisableOverride);
Qualifier In : boolean = true, Scope(parameter), Flavor(DisableOverride);
Qualifier Key : boolean = false, Scope(property, reference), Flavor(DisableOverride);
Qualifier MappingStrings : string[], Scope(any);
Qualifier MaxLen : uint32 = null, Scope(property, method, parameter);
Qualifier Not_Null : boolean = false, Scope(property);
Qualifier Optional : boolean = false, Scope(parameter);
Qualifier Out : boolean = false, Scope(parameter), Flavor(DisableOverride);
Qualifier Override : string = null, Scope(property, reference, method), Flavor(Restricted);
Qualifier Privileges : string[], Scope(any);
Qualifier Provider : string, Scope(class, association), Flavor(Restricted);
Qualifier Read : boolean = true, Scope(property, reference);
Qualifier Singleton : boolean = false, Scope(class);
Qualifier Static : boolean = false, Scope(property, method), Flavor(DisableOverride);
Qualifier SupportsCreate : boolean = false, Scope(class, association), Flavor(Restricted);
Qualifier SupportsDelete : boolean = false, Scope(class, association), Flavor(Restricted);
Qualifier SupportsUpdate : boolean = false, Scope(class, association), Flavor(Restricted);
Qualifier UUID : string = null, Scope(class, association), Flavor(Restricted);
Qualifier Units : string = null, Scope(property, method, parameter), Flavor(Translatable);
Qualifier ValueMap : string[], Scope(property, method, parameter);
Qualifier Values : string[], Scope(property, method, parameter), Flavor(Translatable);
Qualifier Write : boolean = false, Scope(property);
";

#[test]
fn pywbem_reads_our_classes_as_we_do_and_we_read_what_it_writes() {
    let declarations = declarations(&Namespace::cimv2());
    // Classes come; that none is lost on the way is what counts.
    assert!(declarations.len() >= 242, "{}", declarations.len());
    both_read(&declarations, "");
}

#[test]
fn pywbem_reads_the_classes_of_the_network_and_of_storage_as_we_do() {
    // A class that no namespace has, but that methods would return.
    let job = "class CIM_ConcreteJob { [Key] string InstanceID; };";
    for (name, count) in [("root/standardcimv2", 57), ("root/microsoft/windows/storage", 20), ("root/wmi", 6)]
    {
        let namespace = Namespace::parse(name).expect("a namespace");
        let system = declarations(&Namespace::parse("root/nothing").expect("a namespace"));
        let mut all = declarations(&namespace);
        // Its methods return nothing, which other compilers do not know.
        all.retain(|class| class.name != *"Microsoft_IPMI");
        assert_eq!(all.len() - system.len(), count, "{name}");
        both_read(&all, job);
    }
}

/// Holds what pywbem makes of classes against what we make of them, and the other way round.
fn both_read(declarations: &[ClassDeclaration], also: &str) {
    let items: Vec<_> = declarations.iter().cloned().map(mof::Item::Class).collect();
    let compiled = compile_mof(&format!("{QUALIFIERS}{also}{}", mof::print(&items)));
    let classes = compiled["classes"].as_object().expect("classes");
    for declaration in declarations {
        let theirs = &classes[declaration.name.as_str()];
        assert_eq!(described(declaration), without_mof(theirs), "{}", declaration.name);
        let text = theirs["mof"].as_str().expect("a text");
        let [mof::Item::Class(again)] =
            &mof::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))[..]
        else {
            panic!("not one class: {text}")
        };
        assert_eq!(described(again), described(declaration), "{text}");
    }
}

#[test]
fn pywbem_reads_our_classes_as_xml() {
    let schema = Schema::of(Namespace::cimv2());
    let detail = ClassDetail { qualifiers: true, ..ClassDetail::default() };
    let element = |declaration: &ClassDeclaration| {
        let mut out = xml::Writer::new();
        write_class(&mut out, &schema.require(declaration.name.as_str()).expect("it has a name"), detail);
        out.finish()
    };
    let declarations = declarations(&Namespace::cimv2());
    let read = read_classes(&declarations.iter().map(element).collect::<Vec<_>>());
    for declaration in &declarations {
        // What superclasses say goes on, in the XML as well.
        let class = schema.require(declaration.name.as_str()).expect("it has a name");
        let mut whole = declaration.clone();
        whole.qualifiers = class.qualifiers().clone();
        for own in &mut whole.properties {
            own.qualifiers = class
                .property(class.column(own.name.as_str()).expect("its own"))
                .expect("its own")
                .qualifiers
                .clone();
        }
        assert_eq!(
            described(&whole),
            without_mof(&read["classes"][declaration.name.as_str()]),
            "{}",
            declaration.name
        );
    }
}

#[test]
fn pywbem_and_we_read_the_same_values() {
    let text = r#"
        class Site {
            [Key] string Name; uint8 Small; sint64 Big; real64 Part; boolean Flag; datetime When; string Lines[];
            uint16 Numbers[];
        };
        instance of Site {
            Name = "a\"\\\n\t\x0041z" "b"; Small = 0x1F; Big = -017; Part = 1.5e3; Flag = TRUE; When =
            "20130415162843.488171+060"; Lines = {"x", NULL, ""}; Numbers = {1, 101b};
        };
        instance of Site { Name = ""; Big = -9223372036854775808; Flag = FALSE; Lines = {}; };"#;
    let compiled = compile_mof(&format!("{QUALIFIERS}{text}"));
    let mut schema = Schema::of(Namespace::cimv2());
    let mut ours = Vec::new();
    for item in mof::parse(text).expect("the text is right") {
        match item {
            mof::Item::Class(declaration) => {
                schema.add(&declaration).expect("the class is right");
            }
            mof::Item::Instance(declaration) => {
                let instance = declaration.resolve(&schema, &|_| None).expect("the values fit");
                let values: BTreeMap<_, _> = instance
                    .class()
                    .properties()
                    .iter()
                    .zip(instance.values())
                    .filter(|(_, value)| !value.is_null())
                    .map(|(property, value)| (property.name.to_string(), plain(value)))
                    .collect();
                ours.push(json!(["Site", values]));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(json!(ours), compiled["instances"]);
}

#[test]
fn regular_expressions_agree_with_our_patterns() {
    const PIECES: [&str; 20] = [
        "%", "%", "_", "a", "B", "é", "0", "[a-c]", "[^a-c]", "[abC]", "[%]", "[_]", "[[]", "]", "-", "[-a]",
        "[a-]", "[]", "[^]", "[c-a]",
    ];
    const LETTERS: [&str; 14] = ["a", "A", "b", "c", "C", "d", "é", "É", "0", "%", "_", "[", "]", "-"];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % bound
    };
    let mut some = |pieces: &[&str], most: usize| -> String {
        (0..below(most + 1)).map(|_| pieces[below(pieces.len())]).collect()
    };
    let mut pairs: Vec<(String, String)> =
        (0..20_000).map(|_| (some(&PIECES, 5), some(&LETTERS, 4))).collect();
    pairs.push(("a[b".to_owned(), "a[b".to_owned()));
    let theirs = like(&pairs);
    assert_eq!(theirs.len(), pairs.len());
    let matched = theirs.iter().filter(|matches| **matches).count();
    assert!(matched > 1_000, "only {matched} pairs match: the test says little");
    for ((pattern, text), theirs) in pairs.iter().zip(theirs) {
        assert_eq!(wql::Pattern::new(pattern).matches(text), theirs, "{text:?} LIKE {pattern:?}");
    }
}

/// Every class that comes with a namespace, superclasses first, without what other compilers do not know.
fn declarations(namespace: &Namespace) -> Vec<ClassDeclaration> {
    let schema = Schema::of(namespace.clone());
    let mut classes: Vec<_> =
        schema.names().map(|(name, _)| schema.require(name.as_str()).expect("it has a name")).collect();
    classes.sort_by_key(|class| (class.derivation().count(), class.name().clone()));
    let mut declarations: Vec<_> =
        classes.iter().map(|class| ClassDeclaration::from(class.as_ref())).collect();
    let methods = declarations.iter_mut().flat_map(|class| &mut class.methods);
    // Only WMI has defaults of parameters.
    methods
        .flat_map(|method| &mut method.parameters)
        .for_each(|parameter| parameter.default = cim::Value::Null);
    declarations
}

fn described(class: &ClassDeclaration) -> Value {
    let properties: BTreeMap<_, _> = class
        .properties
        .iter()
        .map(|one| (one.name.to_string(), json!([kind(&one.kind), names(&one.qualifiers)])))
        .collect();
    let methods: BTreeMap<_, _> = class
        .methods
        .iter()
        .map(|method| {
            let parameters: Vec<_> = method
                .parameters
                .iter()
                .map(|one| json!([one.name.as_str(), kind(&one.kind), names(&one.qualifiers)]))
                .collect();
            (method.name.to_string(), json!([method.returns.as_ref().map(kind), parameters]))
        })
        .collect();
    json!({
        "superclass": class.superclass.as_ref().map(ToString::to_string),
        "qualifiers": names(&class.qualifiers),
        "properties": properties,
        "methods": methods,
    })
}

fn without_mof(class: &Value) -> Value {
    let mut class = class.clone();
    class.as_object_mut().expect("a class").remove("mof");
    class
}

fn kind(kind: &Type) -> String {
    let array = if kind.is_array() { "[]" } else { "" };
    match &kind.element {
        CimType::Reference(Some(class)) => format!("{class} ref{array}"),
        other => format!("{other}{array}"),
    }
}

fn names(qualifiers: &Qualifiers) -> Vec<String> {
    let mut names: Vec<_> = qualifiers.iter().map(|qualifier| qualifier.name.to_string()).collect();
    names.sort();
    names
}

fn plain(value: &cim::Value) -> Value {
    match value {
        cim::Value::Null => Value::Null,
        cim::Value::Boolean(value) => json!(value),
        cim::Value::Real64(number) => json!(number),
        cim::Value::Array(values) => values.iter().map(plain).collect(),
        other => {
            let mut text = String::new();
            other.write_text(&mut text);
            json!(text)
        }
    }
}
