//! Forms that are not in the recordings: embedded instances, references, NULL arrays, parameters, other spellings.

use telarch_cim::uri::UriForm;
use telarch_cim::wscim::{NullArrays, PropertyTypes, Reader, Selection, Writer};
use telarch_cim::{DateTime, Error, Instance, Name, ObjectPath, Schema, Status, Value};
use xml::{Bounds, Document};

use crate::{cimv2, origin};

const ENVELOPE: &str = "<s xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
    xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\">";

fn writer() -> Writer {
    Writer::new(UriForm::Wmi, origin())
}

fn written(writer: &Writer, instance: &Instance) -> String {
    let mut out = xml::Writer::new();
    writer.instance(&mut out, instance);
    out.finish()
}

fn new(schema: &Schema, class: &str) -> Instance {
    Instance::new(schema.require(class).unwrap())
}

/// Returns the properties inside the element of an instance.
fn inside(text: &str) -> &str {
    let from = text.find('>').unwrap() + 1;
    &text[from..text.rfind("</").unwrap()]
}

/// Reads an element with the prefixes of an envelope.
fn read(schema: &Schema, element: &str) -> Result<Instance, Error> {
    let document = Document::parse(format!("{ENVELOPE}{element}</s>"), &Bounds::default()).unwrap();
    let element = document.root().children().next().unwrap();
    Reader::new(schema).instance(element).map(|read| read.instance)
}

#[test]
fn references_are_endpoint_references_in_the_form_of_the_request() {
    let schema = cimv2();
    let path = ObjectPath::parse("Win32_Service.Name=\"a & b\"").unwrap();
    let row = new(&schema, "Win32_DependentService").with("Antecedent", path).unwrap();
    let text = written(&writer(), &row);
    assert_eq!(
        inside(&text),
        "<p:Antecedent><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address>\
         <a:ReferenceParameters>\
         <w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service</w:ResourceURI>\
         <w:SelectorSet><w:Selector Name=\"Name\">a &amp; b</w:Selector></w:SelectorSet>\
         </a:ReferenceParameters></p:Antecedent><p:Dependent xsi:nil=\"true\"/><p:TypeOfDependency xsi:nil=\"true\"/>"
    );
    let again = read(&schema, &text).unwrap();
    let Some(Value::Reference(path)) = again.value("Antecedent") else { panic!("{again:?}") };
    assert_eq!(path.to_string(), "root\\cimv2:Win32_Service.Name=\"a & b\"");
    let dmtf = written(&Writer::new(UriForm::Dmtf, origin()), &row);
    assert!(dmtf.contains(
        "<w:ResourceURI>http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/Win32_Service</w:ResourceURI>"
    ));
    assert!(dmtf.contains("<w:Selector Name=\"__cimnamespace\">root/cimv2</w:Selector>"));
    assert_eq!(read(&schema, &dmtf).unwrap(), again);
}

#[test]
fn embedded_instances_name_their_class() {
    let schema = cimv2();
    let trustee =
        new(&schema, "Win32_Trustee").with("Name", "root").unwrap().with("SID", vec![1_u8, 5]).unwrap();
    let entry = new(&schema, "Win32_ACE").with("Trustee", trustee.clone()).unwrap();
    let row = new(&schema, "Win32_SecurityDescriptor")
        .with("Owner", trustee)
        .and_then(|row| row.with("DACL", vec![entry.clone(), entry]))
        .unwrap();
    let text = written(&writer(), &row);
    let base = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2";
    assert!(text.contains(&format!(
        "<p:Owner xmlns:p1=\"{base}/Win32_Trustee\" xsi:type=\"p1:Win32_Trustee_Type\">"
    )));
    assert!(text.contains(&format!(
        "<p1:Trustee xmlns:p2=\"{base}/Win32_Trustee\" xsi:type=\"p2:Win32_Trustee_Type\">"
    )));
    assert!(text.contains("<p1:SID>1</p1:SID><p1:SID>5</p1:SID>"), "{text}");
    assert_eq!(text.matches("<p:DACL ").count(), 2);
    assert_eq!(read(&schema, &text).unwrap(), row);
}

#[test]
fn projections_of_embedded_instances_with_times_bind_every_prefix() {
    let schema = cimv2();
    let started = DateTime::parse("20240229125959.123456+060").unwrap();
    let process = new(&schema, "Win32_Process").with("CreationDate", started).unwrap();
    let event = new(&schema, "__InstanceCreationEvent").with("TargetInstance", process).unwrap();
    for types in [PropertyTypes::Omitted, PropertyTypes::Written] {
        let writer = writer().with_property_types(types);
        let columns = event.class().columns();
        let mut out = xml::Writer::new();
        writer.projection(event.class(), &columns).write(&mut out, &event);
        let text = out.finish();
        // A row stands alone here, so a prefix of the SOAP envelope would be an error as well.
        let document = Document::parse(text.clone(), &Bounds::default())
            .unwrap_or_else(|error| panic!("{error} in {text}"));
        let read = Reader::new(&schema).properties(document.root(), event.class()).unwrap();
        assert_eq!(read.instance, event, "{text}");
    }
}

#[test]
fn null_arrays_are_marked_on_request() {
    let schema = cimv2();
    let null = new(&schema, "Win32_NetworkAdapterConfiguration");
    let empty = null.clone().with("IPAddress", Value::Array(Box::default())).unwrap();
    assert!(!written(&writer(), &null).contains("IPAddress"), "a NULL array is not written");
    assert!(!written(&writer(), &empty).contains("IPAddress"));
    let precise = writer().with_null_arrays(NullArrays::Marked);
    let marked = "<p:IPAddress xmlns:msftwinrm=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\" \
        msftwinrm:IsNullArray=\"true\" xsi:nil=\"true\"/>";
    assert!(written(&precise, &null).contains(marked));
    assert!(!written(&precise, &empty).contains("IPAddress"));
    assert_eq!(read(&schema, &written(&precise, &null)).unwrap(), null);
}

#[test]
fn property_types_are_written_on_request() {
    let schema = cimv2();
    let row = new(&schema, "Win32_Process").with("ProcessId", 4_u32).unwrap();
    let text = written(&writer().with_property_types(PropertyTypes::Written), &row);
    assert!(text.contains("<p:ProcessId xsi:type=\"cim:cimUnsignedInt\">4</p:ProcessId>"), "{text}");
    assert!(text.contains("<p:Caption xsi:type=\"cim:cimString\" xsi:nil=\"true\"/>"));
    assert!(text.contains("<p:CreationDate xsi:type=\"cim:cimDateTime\" xsi:nil=\"true\"/>"));
    assert_eq!(read(&schema, &text).unwrap(), row);
}

#[test]
fn subclass_rows_are_written_in_the_requested_form() {
    let mut schema = cimv2();
    let site =
        schema.add(&crate::declaration("class Site_Service : Win32_Service { uint32 Rank; };")).unwrap();
    let base = new(&schema, "Win32_Service").with("Name", "a").unwrap();
    let below = Instance::new(site).with("Name", "b").unwrap().with("Rank", 5_u32).unwrap();
    let rows = |selection: Selection| {
        let mut rows = writer().rows(selection);
        let mut out = xml::Writer::new();
        [&base, &below, &base].into_iter().for_each(|row| rows.write(&mut out, row));
        out.finish()
    };
    let name = |text: &str| Name::parse(text).unwrap();
    let whole = rows(Selection::Whole);
    assert_eq!(
        (whole.matches("<p:Win32_Service ").count(), whole.matches("<p:Site_Service ").count()),
        (2, 1)
    );
    assert!(whole.contains("wmi/root/cimv2/Site_Service\"") && whole.contains("<p:Rank>5</p:Rank>"));
    let as_class = rows(Selection::AsClass(name("win32_service")));
    assert_eq!(as_class.matches("<p:Win32_Service ").count(), 3);
    assert!(
        as_class.contains("<p:Name>b</p:Name>") && !as_class.contains("Rank") && !as_class.contains("Site")
    );
    let fragment = "<w:XmlFragment xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
        xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\">";
    assert_eq!(
        rows(Selection::Names([name("NAME"), name("__class"), name("Caption")].into())),
        [("Win32_Service", "a"), ("Site_Service", "b"), ("Win32_Service", "a")]
            .map(|(class, name)| format!(
                "{fragment}<__CLASS>{class}</__CLASS><Caption xsi:nil=\"true\"/><Name>{name}</Name></w:XmlFragment>"
            ))
            .concat()
    );
}

#[test]
fn method_parameters_keep_their_order() {
    let schema = cimv2();
    let class = schema.require("Win32_Process").unwrap();
    let create = class.method("Create").unwrap();
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process";
    let output = Instance::new(create.output.clone())
        .with("ReturnValue", 0_u32)
        .and_then(|output| output.with("ProcessId", 4_u32))
        .unwrap();
    let mut out = xml::Writer::new();
    writer().output(&mut out, &class, create, &output);
    assert_eq!(
        out.finish(),
        format!(
            "<p:Create_OUTPUT xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:p=\"{uri}\" \
             xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\">\
             <p:ProcessId>4</p:ProcessId><p:ReturnValue>0</p:ReturnValue></p:Create_OUTPUT>"
        )
    );
    // In any order and namespace, with and without a type.
    let text = format!(
        "{ENVELOPE}<p:Create_INPUT xmlns:p=\"{uri}\" xsi:type=\"Create_INPUT_Type\">\
         <ProcessStartupInformation><ShowWindow>0</ShowWindow></ProcessStartupInformation>\
         <x:CommandLine xmlns:x=\"urn:other\">sleep 5</x:CommandLine></p:Create_INPUT></s>"
    );
    let document = Document::parse(text, &Bounds::default()).unwrap();
    let input =
        Reader::new(&schema).properties(document.root().children().next().unwrap(), &create.input).unwrap();
    assert_eq!(input.instance.value("CommandLine"), Some(&"sleep 5".into()));
    assert_eq!(input.present.len(), 2, "an omitted parameter differs from NULL");
    let Some(Value::Object(startup)) = input.instance.value("ProcessStartupInformation") else {
        panic!("{input:?}")
    };
    assert_eq!(startup.value("ShowWindow"), Some(&0_u16.into()));
}

#[test]
fn times_are_read_in_every_spelling() {
    let schema = cimv2();
    let value = |inside: &str| -> String {
        let text = format!("<Win32_Process><CreationDate>{inside}</CreationDate></Win32_Process>");
        match read(&schema, &text).unwrap_or_else(|error| panic!("{inside}: {error}")).value("CreationDate") {
            Some(Value::DateTime(value)) => value.to_string(),
            other => panic!("{inside}: {other:?}"),
        }
    };
    for (inside, cim) in [
        ("<cim:Datetime>2013-04-15T16:28:43.5Z</cim:Datetime>", "20130415162843.500000+000"),
        ("<Datetime>2013-04-15T16:28:43+02:00</Datetime>", "20130415162843.000000+120"),
        ("<cim:Interval>P1DT2H</cim:Interval>", "00000001020000.000000:000"),
        ("<cim:CIM_DateTime>2013041516****.******+000</cim:CIM_DateTime>", "2013041516****.******+000"),
        ("<cim:Date>2013-04-15</cim:Date>", "20130415000000.000000+000"),
        ("<cim:Time>16:28:43</cim:Time>", "********162843.000000+000"),
        ("20130415162843.488171-420", "20130415162843.488171-420"),
        ("2013-04-15T16:28:43Z", "20130415162843.000000+000"),
    ] {
        assert_eq!(value(inside), cim, "{inside}");
    }
    let partial = DateTime::parse("2013041516****.******+000").unwrap();
    let text = written(&writer(), &new(&schema, "Win32_Process").with("CreationDate", partial).unwrap());
    assert!(text.contains("<p:CreationDate><cim:CIM_DateTime>2013041516****.******+000</cim:CIM_DateTime>"));
}

#[test]
fn instances_that_do_not_match_the_class_are_rejected() {
    let schema = cimv2();
    for (text, status) in [
        ("<Win32_Missing/>", Status::InvalidClass),
        ("<x xsi:type=\"p:Win32_Missing_Type\"/>", Status::InvalidClass),
        ("<Win32_Process><Missing>1</Missing></Win32_Process>", Status::InvalidProperty),
        ("<Win32_Process><ProcessId>a</ProcessId></Win32_Process>", Status::TypeMismatch),
        ("<Win32_Process><ProcessId>-1</ProcessId></Win32_Process>", Status::ValueOutOfRange),
        ("<Win32_Process><ProcessId><x/></ProcessId></Win32_Process>", Status::InvalidParameter),
        ("<Win32_Process><Name>a</Name><NAME>b</NAME></Win32_Process>", Status::InvalidParameter),
        ("<Win32_Process><CreationDate>soon</CreationDate></Win32_Process>", Status::TypeMismatch),
        ("<Win32_Process><CreationDate><a/><b/></CreationDate></Win32_Process>", Status::InvalidParameter),
        (
            "<Win32_DependentService><Antecedent><x/></Antecedent></Win32_DependentService>",
            Status::InvalidParameter,
        ),
        (
            "<Win32_UserProfile><AppDataRoaming><x/></AppDataRoaming></Win32_UserProfile>",
            Status::InvalidParameter,
        ),
    ] {
        assert_eq!(read(&schema, text).map_err(|error| error.status()), Err(status), "{text}");
    }
}

#[test]
fn excessive_nesting_is_rejected_and_never_written() {
    let schema = cimv2();
    let kind = "xsi:type=\"p:__InstanceCreationEvent_Type\"";
    let nested = |depth: usize| {
        let (open, close) =
            (format!("<TargetInstance {kind}>").repeat(depth), "</TargetInstance>".repeat(depth));
        read(&schema, &format!("<x {kind}>{open}{close}</x>"))
    };
    assert!(nested(8).is_ok());
    assert_eq!(nested(9).map_err(|error| error.status()), Err(Status::QuotaViolation));
    let mut event = new(&schema, "__InstanceCreationEvent");
    for _ in 0..30 {
        event = new(&schema, "__InstanceCreationEvent").with("TargetInstance", event).unwrap();
    }
    read(&schema, &written(&writer(), &event)).unwrap();
    let reference = "<a:EndpointReference><a:ReferenceParameters><w:ResourceURI>\
        http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Service</w:ResourceURI><w:SelectorSet>\
        <w:Selector Name=\"Name\">";
    let (open, close) = (
        reference.repeat(5),
        "</w:Selector></w:SelectorSet></a:ReferenceParameters></a:EndpointReference>".repeat(5),
    );
    let text =
        format!("<Win32_DependentService><Antecedent>{open}{close}</Antecedent></Win32_DependentService>");
    assert_eq!(read(&schema, &text).map_err(|error| error.status()), Err(Status::QuotaViolation));
}

#[test]
fn external_text_is_escaped() {
    let schema = cimv2();
    let row =
        new(&schema, "Win32_Process").with("CommandLine", "</p:CommandLine><x a='\"'>&\u{1}\r\n").unwrap();
    let text = written(&writer(), &row);
    assert!(text.contains(
        "<p:CommandLine>&lt;/p:CommandLine&gt;&lt;x a=&apos;&quot;&apos;&gt;&amp;?&#xD;\n</p:CommandLine>"
    ));
    assert_eq!(
        read(&schema, &text).unwrap().value("CommandLine"),
        Some(&"</p:CommandLine><x a='\"'>&?\r\n".into())
    );
}
