//! The classes of the crate, and added classes.

use telarch_cim::{
    CimType, Class, ClassDeclaration, DateTime, Error, Instance, Name, Namespace, ObjectPath, Schema, Status,
    Type, Value, mof,
};

use crate::{cimv2, declaration};

#[test]
fn operating_system_classes_have_all_their_properties() {
    let schema = cimv2();
    let (mut classes, mut properties, mut methods) = (0, 0, 0);
    for (name, _) in schema.names() {
        let class = schema.require(name.as_str()).unwrap();
        classes += 1;
        properties += class.properties().len();
        methods += class.methods().len();
        assert!(
            class.properties().is_sorted_by(|left, right| left.name < right.name),
            "the properties of {name} are not in the order of the wire, or not unique"
        );
        assert!(class.derivation().count() < 10, "{name}");
    }
    // 168 classes with all their properties, 8 of descriptors and shares, 6 of printers, 18 of events and timers, 4 of the
    // registry, 43 of further devices, counters and associations, and 52 superclasses that only have a name.
    assert_eq!(classes, 299);
    assert!(properties > 3_126 && methods >= 291, "{properties} properties, {methods} methods");
}

#[test]
fn classes_named_by_properties_exist_with_one_exception() {
    let schema = cimv2();
    let mut unknown: Vec<String> = Vec::new();
    for (name, _) in schema.names() {
        for property in schema.require(name.as_str()).unwrap().properties() {
            if let CimType::Reference(Some(class)) | CimType::Object(Some(class)) = &property.kind.element
                && schema.class(class.as_str()).is_none()
            {
                unknown.push(class.to_string());
            }
        }
    }
    unknown.sort();
    unknown.dedup();
    assert_eq!(unknown, ["Win32_FolderRedirectionHealth"]);
}

#[test]
fn a_class_inherits_from_all_superclasses() {
    let class = cimv2().require("win32_service").unwrap();
    assert_eq!(class.name().as_str(), "Win32_Service");
    let above: Vec<_> = class.derivation().map(|class| class.name().as_str()).collect();
    assert_eq!(above, ["Win32_BaseService", "CIM_Service", "CIM_LogicalElement", "CIM_ManagedSystemElement"]);
    assert_eq!(class.dynasty().as_str(), "CIM_ManagedSystemElement");
    assert!(class.is_a("cim_service") && !class.is_a("CIM_Process"));
    let caption = class.property(class.column("caption").unwrap()).unwrap();
    assert_eq!((caption.origin.as_str(), caption.propagated), ("CIM_ManagedSystemElement", true));
    let keys: Vec<_> = class.keys().iter().map(|key| class.property(*key).unwrap().name.as_str()).collect();
    assert_eq!(keys, ["Name"], "CIM_Key does not define keys");
    let start = class.method("startservice").unwrap();
    assert_eq!(start.method.origin.as_str(), "CIM_Service");
    assert_eq!(start.output.properties().last().unwrap().name.as_str(), "ReturnValue");
}

#[test]
fn method_parameters_keep_their_order_of_declaration() {
    let create = cimv2().require("Win32_Process").unwrap().method("Create").unwrap().clone();
    assert!(create.method.is_static());
    let names = |class: &Class| class.properties().iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&create.input), ["CommandLine", "CurrentDirectory", "ProcessStartupInformation"]);
    assert_eq!(names(&create.output), ["ProcessId", "ReturnValue"]);
    let startup = create.input.property(create.input.column("processstartupinformation").unwrap()).unwrap();
    assert_eq!(startup.kind.to_string(), "object:Win32_ProcessStartup");
    let key = cimv2().require("StdRegProv").unwrap().method("EnumKey").unwrap().clone();
    assert_eq!(Instance::with_defaults(key.input.clone()).value("hDefKey"), Some(&2_147_483_650_u32.into()));
    assert_eq!(names(&key.output), ["sNames", "ReturnValue"]);
}

#[test]
fn subclasses_are_found_at_any_depth() {
    let schema = cimv2();
    let names: Vec<_> =
        schema.subclasses("cim_service").iter().map(|class| class.name().to_string()).collect();
    assert_eq!(
        names,
        [
            "Win32_BaseService",
            "Win32_PnPSignedDriver",
            "Win32_PrinterDriver",
            "Win32_Service",
            "Win32_SystemDriver"
        ]
    );
    assert!(schema.subclasses("CIM_LogicalElement").len() > 50);
    assert_eq!(schema.subclasses("Missing").len(), 0);
}

#[test]
fn each_namespace_has_the_system_classes() {
    let of = |namespace: &str| Schema::of(Namespace::parse(namespace).unwrap());
    for namespace in ["root", "root/default", "ROOT\\CIMV2", "root/hardware"] {
        assert!(of(namespace).class("__Namespace").is_some(), "{namespace}");
    }
    assert!(of("root/default").class("StdRegProv").is_some() && of("root").class("StdRegProv").is_none());
    assert!(of("root/default").class("Win32_Process").is_none());
    assert_eq!(of("root").require("Win32_Process").expect_err("not there").status(), Status::InvalidClass);
}

#[test]
fn only_new_classes_are_added_and_only_leaf_classes_removed() {
    let mut schema = cimv2();
    schema.add(&declaration("class Site_Service : Win32_Service { uint32 Rank = 5; };")).unwrap();
    let below = schema.add(&declaration("class Site_Deep : Site_Service { [write] string Note; };")).unwrap();
    assert!(below.is_a("CIM_Service") && below.column("Rank").is_some());
    assert_eq!(schema.subclasses("Win32_Service").len(), 2);
    let refused =
        |result: Result<_, Error>| result.map(|_: std::sync::Arc<Class>| ()).expect_err("refused").status();
    assert_eq!(refused(schema.add(&declaration("class SITE_DEEP { };"))), Status::AlreadyExists);
    assert_eq!(refused(schema.add(&declaration("class Win32_Process { };"))), Status::AlreadyExists);
    assert_eq!(refused(schema.add(&declaration("class A : Missing { };"))), Status::InvalidSuperclass);
    assert_eq!(refused(schema.remove("Site_Service")), Status::ClassHasChildren);
    assert_eq!(refused(schema.remove("Win32_Process")), Status::InvalidClass);
    schema.remove("site_deep").unwrap();
    schema.remove("Site_Service").unwrap();
    assert!(schema.class("Site_Service").is_none());
}

#[test]
fn contradictory_classes_are_rejected() {
    for (text, status) in [
        ("class A { string a; uint8 A; };", Status::InvalidObject),
        ("class A { void m(); void M(); };", Status::InvalidObject),
        ("class A { void m(string a, string A); };", Status::InvalidObject),
        ("class A { uint32 m([out] uint32 ReturnValue); };", Status::InvalidObject),
        ("class A : Win32_Service { uint32 Caption; };", Status::UpdateTypeMismatch),
        ("class A : Win32_Service { string Caption[]; };", Status::UpdateTypeMismatch),
        ("class A : Win32_Service { [key] string Another; };", Status::CannotChangeKeyInheritance),
        ("class A : Win32_Service { uint32 StartService(string a); };", Status::UpdatePropagatedMethod),
        ("class A : Win32_Service { [key(FALSE)] string Name; };", Status::OverrideNotAllowed),
        ("[singleton] class A { [key] string a; };", Status::CannotBeSingleton),
        ("class A { [key] string a[]; };", Status::CannotBeKey),
        ("class A { [key] real32 a; };", Status::CannotBeKey),
        ("class A { [key] strin a; };", Status::CannotBeKey),
    ] {
        let mut schema = cimv2();
        let error = schema.add(&declaration(text)).expect_err(text);
        assert_eq!(error.status(), status, "{text}: {error}");
    }
    let misspelt =
        cimv2().add(&declaration("class A { [key] strin a; };")).expect_err("no such type").to_string();
    assert!(
        misspelt.contains("strin, which is not a simple type") && misspelt.contains("\n  keys are"),
        "{misspelt}"
    );
    let missing = declaration("class A : Win32_Service { };");
    let error = Class::derive(&missing, None).expect_err("without its superclass");
    assert_eq!(error.status(), Status::InvalidSuperclass);
}

#[test]
fn the_number_of_superclasses_is_limited() {
    let mut schema = cimv2();
    let name = |depth: usize| Name::parse(&format!("Deep{depth}")).unwrap();
    let mut depth = 0;
    let error = loop {
        let superclass = (depth > 0).then(|| name(depth - 1));
        match schema.add(&ClassDeclaration::new(name(depth), superclass)) {
            Ok(_) => depth += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((error.status(), depth), (Status::QuotaViolation, Class::MAX_DEPTH));
}

#[test]
fn own_and_inherited_properties_are_distinguished() {
    let text = "class Site : Win32_Service { uint32 Rank = 5; [Static] uint32 Sort([In] boolean Upward); };";
    let declared = declaration(text);
    let class = cimv2().add(&declared).unwrap();
    assert_eq!(ClassDeclaration::from(class.as_ref()), declared);
    assert_eq!(Type::scalar(CimType::Uint32).to_string(), "uint32");
}

#[test]
fn instances_accept_only_values_of_the_declared_types() {
    let class = cimv2().require("Win32_Process").unwrap();
    let row = Instance::new(class.clone());
    for (name, value, status) in [
        ("ProcessId", Value::from("4"), Status::TypeMismatch),
        ("ProcessId", Value::from(4_u64), Status::TypeMismatch),
        ("ProcessId", Value::from(vec![4_u32]), Status::TypeMismatch),
        ("Missing", Value::Null, Status::InvalidProperty),
    ] {
        assert_eq!(row.clone().with(name, value).expect_err(name).status(), status);
    }
    assert_eq!(row.path().expect_err("no key").status(), Status::IllegalNull);
    let row = row
        .with("Handle", "4")
        .unwrap()
        .with("CreationDate", DateTime::parse("20130415162843.488171+000").unwrap());
    assert_eq!(row.unwrap().path().unwrap().to_string(), "Win32_Process.Handle=\"4\"");
    let singleton = Instance::new(cimv2().require("Win32_OperatingSystem").unwrap());
    assert_eq!(singleton.path().unwrap().to_string(), "Win32_OperatingSystem=@");
}

#[test]
fn path_keys_take_the_types_of_the_class() {
    let schema = cimv2();
    let typed = |path: &str| {
        let path = ObjectPath::parse(path).unwrap();
        path.key_values(&schema.require(path.class.as_str()).unwrap()).map_err(|error| error.status())
    };
    let invalid = || Err(Status::InvalidObjectPath);
    assert_eq!(typed("Win32_Process.Handle=4"), Ok(vec!["4".into()]), "a number is accepted as a string");
    assert_eq!(typed("Win32_Process='4'"), Ok(vec!["4".into()]));
    assert_eq!(typed("Win32_OperatingSystem=@"), Ok(vec![]));
    assert_eq!(typed("Win32_OperatingSystem"), Ok(vec![]));
    assert_eq!(typed("Win32_UserAccount.name='a',DOMAIN='b'"), Ok(vec!["b".into(), "a".into()]));
    assert_eq!(typed("Win32_UserAccount.Name='a'"), invalid(), "a key is missing");
    assert_eq!(typed("Win32_UserAccount='a'"), invalid(), "the key is ambiguous");
    assert_eq!(typed("Win32_Process.Handle=4,Name='a'"), invalid(), "Name is not a key");
    assert_eq!(typed("Win32_Process=@"), invalid(), "not a singleton");
    assert_eq!(typed("Win32_Process"), invalid(), "a class, not an instance");
    let service =
        typed(r#"Win32_DependentService.Antecedent="Win32_Service=\"a\"",Dependent="Win32_Service=\"b\"""#);
    assert!(matches!(service.unwrap().as_slice(), [Value::Reference(_), Value::Reference(_)]));
}

#[test]
fn mof_instances_are_resolved() {
    let text = r#"
        instance of __EventFilter as $Filter { Name = "f"; Query = "SELECT * FROM X"; QueryLanguage = "WQL"; };
        instance of __FilterToConsumerBinding { Filter = $Filter; Consumer = "Log.Name=\"c\""; };
        instance of Win32_SecurityDescriptor { Owner = instance of Win32_Trustee { Name = "root"; SID = {1, 5}; }; };
        instance of Win32_SecurityDescriptor { Owner = instance of Win32_Process { }; };
    "#;
    let schema = cimv2();
    let items = mof::parse(text).unwrap();
    let declarations: Vec<_> = items
        .iter()
        .map(|item| if let mof::Item::Instance(one) = item { one } else { panic!("{item:?}") })
        .collect();
    let filter = declarations[0].resolve(&schema, &|_| None).unwrap();
    let binding =
        declarations[1].resolve(&schema, &|name| (name == "Filter").then(|| filter.clone())).unwrap();
    assert_eq!(
        binding.path().unwrap().to_string(),
        r#"__FilterToConsumerBinding.Consumer="Log.Name=\"c\"",Filter="__EventFilter.Name=\"f\"""#
    );
    assert!(declarations[1].resolve(&schema, &|_| None).is_err(), "the alias is undefined");
    let descriptor = declarations[2].resolve(&schema, &|_| None).unwrap();
    let Some(Value::Object(owner)) = descriptor.value("Owner") else { panic!("{descriptor:?}") };
    assert_eq!(owner.value("SID"), Some(&vec![1_u8, 5].into()));
    let error = declarations[3].resolve(&schema, &|_| None).expect_err("of another class");
    assert_eq!(error.status(), Status::TypeMismatch);
    let again = mof::print(&[mof::Item::Instance(mof::InstanceDeclaration::of(&descriptor))]);
    let [mof::Item::Instance(again)] = &mof::parse(&again).unwrap()[..] else { panic!("{again}") };
    assert_eq!(again.resolve(&schema, &|_| None).unwrap(), descriptor);
}

#[test]
fn documented_and_derived_qualifiers_are_present() {
    let schema = Schema::of(Namespace::cimv2());
    let class = |name: &str| schema.class(name).unwrap();
    let words = |class: &Class, property: &str, name: &str| -> Vec<String> {
        let own = class.property(class.column(property).unwrap()).unwrap();
        let values = own.qualifiers.find(name).map(|qualifier| qualifier.value.elements().to_vec());
        values.unwrap_or_default().iter().map(Value::to_text).collect()
    };
    let service = class("Win32_Service");
    assert!(service.qualifiers().says("Dynamic") && service.qualifiers().says("SupportsUpdate"));
    assert_eq!(service.qualifiers().text("Provider"), Some("CIMWin32"));
    // The words come from CIM_Service, and the override from the class itself.
    assert_eq!(words(&service, "StartMode", "Values"), ["Boot", "System", "Auto", "Manual", "Disabled"]);
    assert_eq!(words(&service, "Name", "Override"), ["Name"]);
    assert_eq!(words(&service, "ProcessId", "Read"), ["true"]);
    let disk = class("Win32_LogicalDisk");
    assert_eq!(words(&disk, "DriveType", "ValueMap").len(), words(&disk, "DriveType", "Values").len());
    assert_eq!(words(&disk, "DriveType", "Values")[3], "Local Disk");
    assert_eq!(words(&disk, "Size", "Units"), ["bytes"]);
    let process = class("Win32_Process");
    assert_eq!(process.qualifiers().text("CreateBy"), Some("Create"));
    let create = process.method("Create").unwrap();
    let ids = create.method.parameters.iter().map(|parameter| parameter.qualifiers.find("ID").unwrap());
    let ids: Vec<_> = ids.map(|id| id.value.as_integer().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    let processor = class("Win32_PerfRawData_PerfOS_Processor");
    assert_eq!(words(&processor, "PercentProcessorTime", "CounterType"), ["558957824"]);
    for (name, property, kind) in [
        ("Win32_PerfRawData_Tcpip_ICMP", "MessagesPersec", "272696320"),
        ("Win32_PerfRawData_PerfProc_Thread", "ElapsedTime", "807666944"),
        ("Win32_PerfFormattedData_PerfOS_Cache", "CopyReadHitsPercent", "549585920"),
    ] {
        assert_eq!(words(&class(name), property, "CounterType"), [kind], "{name}.{property}");
    }
    let job = class("Win32_ScheduledJob");
    assert_eq!(words(&job, "DaysOfWeek", "BitMap"), ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(words(&job, "DaysOfWeek", "BitValues")[6], "Sunday");
    assert!(job.qualifiers().find("Dynamic").is_some() && words(&job, "DaysOfWeek", "Values").is_empty());
    for without in ["CIM_Service", "Win32_ProcessStartup", "Win32_ProcessStartTrace", "__Namespace"] {
        assert!(class(without).qualifiers().find("Dynamic").is_none(), "{without}");
    }
}

#[test]
fn a_subclass_does_not_inherit_the_provider() {
    let mut schema = Schema::of(Namespace::cimv2());
    let text = "class Site_Service : Win32_Service { uint32 Rank; };";
    let Some(mof::Item::Class(declaration)) = mof::parse(text).unwrap().pop() else { panic!("{text}") };
    let class = schema.add(&declaration).unwrap();
    for name in ["Dynamic", "Provider", "SupportsUpdate"] {
        assert!(class.qualifiers().find(name).is_none(), "{name}");
    }
}
