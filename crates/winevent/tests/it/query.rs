//! Queries: every construct over recorded events, rejected XPath, query lists, explanations, bounds.

use telarch_winevent::event::Record;
use telarch_winevent::query::{
    Action, MAX_CHANNELS, MAX_CONDITIONS, MAX_DEPTH, MAX_EXPRESSION, MAX_STEPS, Query, StringCase, Verdict,
};
use telarch_winevent::{QueryList, Timestamp, WinEventError};

use crate::fixtures::events;

/// Expressions over the 75 events of the Security log, and the lines that they select. `timediff()` is relative
/// to 2016-07-16T00:44:06.064191Z, the time of line 54.
const SECURITY: &[(&str, &[usize])] = &[
    ("*[System[(EventID>=4722 and EventID<=4724)]]", &[18, 21, 38, 46]),
    ("Event[System[EventID=4724]]", &[21]),
    ("*[System/EventID=4724]", &[21]),
    ("*[4724 = System/EventID]", &[21]),
    ("*[System[Level=2 or Level=4]]", &[13, 34, 55]),
    ("*[System[Level!=0]]", &[13, 34, 55]),
    ("*[System[Level>1 and Level<4]]", &[55]),
    ("*[UserData]", &[13, 34, 55]),
    ("*[UserData/*]", &[13, 34, 55]),
    ("*[System[Provider[@Name='Microsoft-Windows-Eventlog']]]", &[13, 34, 55]),
    ("*[System/Provider/@Name=\"Microsoft-Windows-Eventlog\"]", &[13, 34, 55]),
    ("*[System[band(Keywords,0x10000000000000)]]", &[58, 59, 61, 62, 64, 66, 67, 68, 69, 70]),
    ("*[System[band(Keywords,4503599627370496)]]", &[58, 59, 61, 62, 64, 66, 67, 68, 69, 70]),
    ("*[System[Keywords=0x8010000000000000]]", &[58, 59, 61, 62, 64, 66, 67, 68, 69, 70]),
    ("*[System[Computer='temporal']]", &[64, 65, 66, 67, 68, 69, 70]),
    (
        "*[System[TimeCreated[@SystemTime>='2016-07-16T00:44:06.060191Z' \
         and @SystemTime<'2017-01-01T00:00:00.000Z']]]",
        &[51, 52, 53, 54],
    ),
    ("*[System[TimeCreated[@SystemTime='2016-07-16T00:44:06.0601910Z']]]", &[51, 52]),
    ("*[System[TimeCreated[timediff(@SystemTime) <= 520]]]", &[51, 52, 53, 54, 55]),
    ("*[System[TimeCreated[timediff(@SystemTime) <= 521]]]", &[50, 51, 52, 53, 54, 55]),
    ("*[System[TimeCreated[timediff(@SystemTime,'2013-10-23T16:22:40.0Z') >= 0]]]", &[71, 72, 73]),
    ("*[EventData[Data[@Name='TargetUserName']='SYSTEM']]", &[1, 7, 56, 57]),
    ("*[EventData[Data[@Name='TargetUserName'] and (Data='SYSTEM')]]", &[1, 7, 56, 57]),
    ("*[EventData/Data[@Name='LogonType']]", &[1, 7, 47, 48, 61, 62, 67]),
    (
        "*[EventData[Data[1]=\"S-1-5-18\"]]",
        &[
            7, 8, 27, 29, 30, 31, 32, 33, 35, 39, 40, 41, 42, 44, 50, 51, 52, 53, 54, 56, 57, 61, 62, 63, 65,
            67, 70,
        ],
    ),
    (
        "*[EventData[Data[position()=1]='s-1-5-18']]",
        &[
            7, 8, 27, 29, 30, 31, 32, 33, 35, 39, 40, 41, 42, 44, 50, 51, 52, 53, 54, 56, 57, 61, 62, 63, 65,
            67, 70,
        ],
    ),
    ("*[System[Provider[@Guid='{FC65DDD8-D6EF-4962-83D5-6E5CFE9CE148}']]]", &[13, 34, 55]),
    ("*[System[EventID=1101]]/UserData", &[55]),
    ("*[System[EventID=1101]]/EventData", &[]),
    ("*[System[EventID='4624']]", &[1, 7]),
    ("*[System[EventRecordID>319457800 and Computer]]", &[65, 66, 67, 68, 69, 70]),
    ("*[System[Computer=Channel]]", &[]),
    ("*[System[Level=Opcode and Task>13825]]", &[3, 4, 5, 6, 16, 20, 22, 36, 49, 66, 71, 73, 74]),
    ("*[System[Version>Opcode and EventID=4616]]", &[31, 44]),
    ("*[System[child::EventID=4723]]", &[46]),
    ("*[System[TimeCreated[attribute::SystemTime] and EventID=4723]]", &[46]),
    ("*[System[EventID[text()='4723']]]", &[46]),
    ("*[System[EventID/text()=4723]]", &[46]),
    ("*[*[*[@*='Microsoft-Windows-Eventlog']]]", &[13, 34, 55]),
    ("*[System[Missing!=1]]", &[]),
    ("*[System[Computer=0]]", &[]),
    ("*[System[Computer!=0]]", &[]),
];

/// Expressions over the 144 events of the System log, and the lines that they select.
const SYSTEM: &[(&str, &[usize])] = &[
    ("*[System[Level=2]]", &[20, 24, 25, 69, 80, 81, 85, 96, 110, 129, 132]),
    ("*[System[(Level=3)]]", &[30, 36, 62, 65, 74, 76, 84, 128, 134]),
    ("*[System[EventID[@Qualifiers=49152]]]", &[20, 24, 25, 27, 69, 71, 85]),
    ("*[System/Correlation/@ActivityID]", &[19, 41, 42, 64, 77, 79, 90, 111, 112, 113, 114, 115, 116]),
    (
        "*[System[Correlation[@ActivityID='{285750f7-fb33-0000-686b-572833fbd201}']]]",
        &[111, 112, 113, 114, 115, 116],
    ),
    ("*[EventData[Data[2]=15063]]", &[0, 50]),
    ("*[EventData/Data[position()>1 and position()<3]='15063']", &[0, 50]),
    ("*[UserData/InstallDeviceID/DriverName]", &[31, 37]),
    ("*[UserData[InstallDeviceID[UpgradeDevice='true']]]", &[31]),
    ("*[System[Security[@UserID='S-1-5-20']]]", &[76, 84]),
    ("*[System[Execution[@ThreadID<20]] and UserData]", &[]),
    ("*[System[EventID=104]]", &[142, 143]),
];

fn select(text: &str, all: &[Record]) -> Vec<usize> {
    let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let now = Timestamp::parse("2016-07-16T00:44:06.064191Z").unwrap();
    let selected = all.iter().enumerate().filter(|(_, record)| {
        let selected = query.is_match(record, now);
        assert_eq!(query.explain(record, now).0, selected, "{text}");
        selected
    });
    selected.map(|(line, _)| line).collect()
}

#[test]
fn every_construct_selects_the_expected_recorded_events() {
    let Some(folder) = skips::recordings("events") else { return };
    for (name, cases) in [("security", SECURITY), ("system", SYSTEM)] {
        let all: Vec<_> = events(&folder, name).iter().map(|text| Record::parse(text).unwrap()).collect();
        for (text, expected) in cases {
            assert_eq!(select(text, &all), *expected, "{text}");
        }
        assert_eq!(select("*", &all).len(), all.len());
        assert_eq!(select("Event/System/Computer", &all).len(), all.len());
    }
}

#[test]
fn the_subscription_of_logons_suppresses_the_system_account() {
    let Some(folder) = skips::recordings("events") else { return };
    let text = crate::fixtures::text(&folder, "wecutil/palantir-Authentication.xml");
    let subscription = telarch_winevent::Subscription::parse(&text).unwrap().subscription;
    let list = QueryList::parse(&subscription.query).unwrap();
    let all: Vec<_> = events(&folder, "security").iter().map(|text| Record::parse(text).unwrap()).collect();
    let now = Timestamp::new(0, 0);
    let selected: Vec<usize> = (0..all.len()).filter(|line| list.is_selected(&all[*line], now)).collect();
    // 4624, 4625, 4634, 4647, 4672 and 4776, without those whose first value is S-1-5-18: 7, 8, 61, 62, 67.
    assert_eq!(selected, [1, 9, 43, 45, 47, 48, 66]);
    let explanation = list.explain(&all[7], now);
    assert!(!explanation.is_selected);
    let matching: Vec<_> = explanation.rules.iter().filter(|rule| rule.is_match).collect();
    assert_eq!(matching.len(), 2);
    assert_eq!((matching[0].action, matching[1].action), (Action::Select, Action::Suppress));
    assert_eq!(matching[1].expression, "*[EventData[Data[1]=\"S-1-5-18\"]]");
}

const EVENT: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
    <Provider Name='P'/><EventID>7</EventID><Level>2</Level><Channel>Security</Channel><Computer>C</Computer>\
    </System><EventData><Data Name='a'>x</Data><Data Name='b'>true</Data><Data Name='c'>-5</Data>\
    <Data Name='a'>X</Data><Data>0x10</Data></EventData></Event>";

fn matches(text: &str) -> bool {
    let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    query.is_match(&Record::parse(EVENT).unwrap(), Timestamp::new(0, 0))
}

#[test]
fn literals_select_the_type_of_a_comparison() {
    for text in [
        "*[EventData[Data[@Name='b']='true']]",
        "*[EventData[Data[@Name='b']!='false']]",
        "*[EventData[Data[@Name='c']<'0x1']]",
        "*[EventData[Data[5]=16]]",
        "*[EventData[Data[5]='0x10']]",
        "*[EventData[Data[@Name='a'][2]='X']]",
        "*[EventData[Data[2]='true' and Data[@Name='c']<0]]",
        "*[EventData[Data[1]!=Data[4]]]",
        "*[EventData/Data[1]<EventData/Data[5] or EventData/Data[3]<EventData/Data[5]]",
        "*[((System))]",
        "*[(System/Level)=2]",
        "* [ System [ Level = 2 and ( EventID = 7 or EventID = 8 ) ] ] ",
        "*[not or System]",
        "*[System[band(EventID, Level)]]",
        "*[timediff('1970-01-01T00:00:00.000Z') = 0]",
    ] {
        assert!(matches(text), "{text} does not match");
    }
    for text in [
        "*[EventData[Data[@Name='a'][2]='x']]",
        "*[EventData[Data[5]='16']]",
        "*[EventData[Data[6]]]",
        "*[System[band(EventID, 8)]]",
        "*[System[TimeCreated[timediff(@SystemTime)<1]]]",
        "*[not and System]",
        "Event/Event",
    ] {
        assert!(!matches(text), "{text} matches");
    }
    let folded = Query::parse_with("*[EventData[Data[4]='x']]", StringCase::Insensitive).unwrap();
    assert!(folded.is_match(&Record::parse(EVENT).unwrap(), Timestamp::new(0, 0)));
    assert!(!matches("*[EventData[Data[4]='x']]"));
}

#[test]
fn other_xpath_is_rejected_with_position_and_reason() {
    for (text, at, reason) in [
        ("", 0, "empty"),
        ("/Event", 0, "absolute"),
        ("//Data", 0, "absolute"),
        ("*//Data", 1, "//"),
        ("System", 0, "begins with"),
        ("@*", 0, "begins with"),
        ("*[/Event]", 2, "absolute"),
        ("*[System//EventID]", 8, "//"),
        ("*[..]", 2, "'..'"),
        ("*[.='x']", 2, "'.'"),
        ("*[System|EventData]", 8, "unions"),
        ("*[System/Level+1=2]", 14, "arithmetic"),
        ("*[System/Level=-1]", 15, "negative"),
        ("*[System[Level * 2 = 4]]", 15, "arithmetic"),
        ("*[System[Level mod 2 = 1]]", 15, "arithmetic"),
        ("*[not(System)]", 2, "functions"),
        ("*[EventData[contains(Data,'x')]]", 12, "functions"),
        ("*[EventData[starts-with(Data,'x')]]", 12, "functions"),
        ("*[last()]", 2, "functions"),
        ("*[count(EventData)=1]", 2, "functions"),
        ("*[e:System]", 2, "namespace"),
        ("*[$x]", 2, "variables"),
        ("*[parent::*]", 2, "axes"),
        ("*[System AND EventData]", 9, "lower case"),
        ("*[System && EventData]", 9, "word and"),
        ("*['x']", 2, "a text alone"),
        ("*[1=1]", 3, "one side"),
        ("*[1]", 2, "position"),
        ("*[System[1]]", 9, "position"),
        ("*[UserData/A[1]/B]", 13, "position"),
        ("*[System[position()]]", 9, "position() alone"),
        ("*[System[timediff(TimeCreated)]]", 9, "timediff() alone"),
        ("*[band(1)]", 8, "two arguments"),
        ("*[band('x',1)]", 7, "argument of band"),
        ("*[band(1,2)=1]", 11, "a condition"),
        ("*[timediff(1)=1]", 11, "argument of timediff"),
        ("*[timediff(System)='x']", 18, "milliseconds"),
        ("*[System/Level=1.5]", 15, "whole"),
        ("*[System/Level=18446744073709551616]", 15, "up to"),
        ("*[System/Level=0xg]", 15, "up to"),
        ("*[System/Level='x]", 15, "closing quote"),
        ("*[System/Computer<'x']", 17, "less or greater"),
        ("*[@Name/x]", 7, "below an attribute"),
        ("*[@text()]", 3, "attribute has no"),
        ("*[System", 8, "] is expected"),
        ("*[System]]", 9, "expected"),
        ("*[]", 2, "expected"),
        ("*[System=]", 9, "expected"),
        ("*[(System]", 9, ") is expected"),
        ("*[System or]", 11, "expected"),
        ("*[System/]", 9, "expected"),
        ("* x", 2, "expected"),
    ] {
        match Query::parse(text) {
            Err(WinEventError::Query { at: found, reason: why }) => {
                assert!(why.contains(reason), "{text}: {why}");
                assert_eq!(found, at, "{text}: {why}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn bounds_of_expressions_are_named() {
    let limit = |text: &str| match Query::parse(text) {
        Err(WinEventError::Limit { maximum, .. }) => maximum,
        other => panic!("{other:?}"),
    };
    let conditions = |count: usize| format!("*[System[{}EventID=0]]", "EventID=1 or ".repeat(count - 1));
    assert_eq!(Query::parse(&conditions(MAX_CONDITIONS)).unwrap().condition_count(), MAX_CONDITIONS);
    assert_eq!(limit(&conditions(MAX_CONDITIONS + 1)), MAX_CONDITIONS);
    assert_eq!(limit(&format!("*{}", "[a".repeat(MAX_DEPTH + 1))), MAX_DEPTH);
    assert_eq!(limit(&format!("*[{}", "(".repeat(100_000).get(..9_000).unwrap())), MAX_DEPTH);
    assert_eq!(limit(&format!("*{}", "/a".repeat(MAX_STEPS))), MAX_STEPS);
    assert_eq!(limit(&format!("*{}", " ".repeat(MAX_EXPRESSION))), MAX_EXPRESSION);
    assert_eq!(limit(&format!("*[a{}]", "[b]".repeat(9))), 8);
    assert!(QueryList::of_expression("Security", &conditions(20)).is_ok());
    let error = QueryList::of_expression("Security", &conditions(21)).unwrap_err();
    assert!(error.to_string().contains("outside a QueryList"), "{error}");
}

fn list(inner: &str) -> Result<QueryList, WinEventError> {
    QueryList::parse(&format!("<QueryList>{inner}</QueryList>"))
}

#[test]
fn lists_select_by_channel_and_suppress_within_a_query() {
    let record = Record::parse(EVENT).unwrap();
    let now = Timestamp::new(0, 0);
    let selected = |inner: &str| list(inner).unwrap().is_selected(&record, now);
    assert!(selected("<Query Path='security'><Select>*</Select></Query>"));
    assert!(!selected("<Query Path='System'><Select>*</Select></Query>"));
    assert!(selected("<Query Path='System'><Select Path='Security'>*</Select></Query>"));
    let suppressed = "<Query Id='0'><Select Path='Security'>*</Select>\
                      <Suppress Path='Security'>*[System[Level=2]]</Suppress></Query>";
    assert!(!selected(suppressed));
    assert!(selected(&format!("{suppressed}<Query Id='1' Path='Security'><Select>*</Select></Query>")));
    let all = list("<Query Path='ForwardedEvents'><Select>*</Select></Query>").unwrap();
    assert!(!all.is_selected(&record, now));
    assert!(all.is_selected_in("ForwardedEvents", &record, now));
    assert_eq!(all.paths(), ["forwardedevents"]);
}

#[test]
fn wrong_lists_are_rejected() {
    for (inner, reason) in [
        ("", "Query is missing"),
        ("<Query/>", "Select is missing"),
        ("<Query><Select>*</Select></Query>", "Path is missing"),
        ("<Query Path='a'><Suppress>*</Suppress></Query>", "Select is missing"),
        ("<Query Path='a'><Select>*</Select><Suppress Path='b'>*</Suppress></Query>", "Path of Suppress"),
        ("<Query Path='a'><Select>*</Select><Other/></Query>", "element of Query"),
        ("<Other/>", "element of QueryList"),
        ("<Query Id='x' Path='a'><Select>*</Select></Query>", "Id is"),
        (
            "<Query Id='1' Path='a'><Select>*</Select></Query><Query Path='a'><Select>*</Select></Query>",
            "Id of one of several",
        ),
        (
            "<Query Id='1' Path='a'><Select>*</Select></Query><Query Id='1' Path='a'><Select>*</Select></Query>",
            "Id of Query appears",
        ),
        ("<Query Path='a'><Select>*</Select><Select Path='file://c:\\x.evtx'>*</Select></Query>", "Path is"),
        ("<Query Path='a'><Select>//*</Select></Query>", "query: absolute"),
    ] {
        let error = list(inner).unwrap_err().to_string();
        assert!(error.contains(reason), "{inner}: {error}");
    }
    let many = |count: usize| {
        let selects = (0..count).map(|n| format!("<Select Path='{n}'>*</Select>"));
        list(&format!("<Query>{}</Query>", selects.collect::<String>()))
    };
    assert!(many(MAX_CHANNELS).is_ok());
    assert!(matches!(many(MAX_CHANNELS + 1), Err(WinEventError::Limit { maximum: MAX_CHANNELS, .. })));
    assert!(QueryList::parse("<Other/>").is_err());
}

#[test]
fn an_explanation_names_the_parts_that_matched() {
    let record = Record::parse(EVENT).unwrap();
    let list = list(
        "<Query Id='3' Path='Security'><Select>*[System[(EventID=7 or EventID=8) and Level=1] and \
         UserData[Missing=1]]</Select><Select Path='Other'>*</Select></Query>",
    )
    .unwrap();
    let explanation = list.explain(&record, Timestamp::new(0, 0));
    assert!(!explanation.is_selected);
    assert!(!explanation.rules[1].is_in_channel);
    let parts: Vec<_> = explanation.rules[0].parts.iter().map(|part| (part.text, part.verdict)).collect();
    assert_eq!(
        parts,
        [
            ("EventID=7", Verdict::True),
            ("EventID=8", Verdict::False),
            ("Level=1", Verdict::False),
            ("System[(EventID=7 or EventID=8) and Level=1]", Verdict::False),
            ("Missing=1", Verdict::NotReached),
            ("UserData[Missing=1]", Verdict::False),
        ]
    );
    let text = explanation.to_string();
    assert!(text.starts_with("not selected\nQuery 3, Select Security: does not match: *[System"), "{text}");
    assert!(text.contains("\n  true: EventID=7\n"), "{text}");
}

#[test]
fn evaluation_of_wide_events_stays_linear() {
    let data = "<Data Name='x'>1</Data>".repeat(20_000);
    let text = format!(
        "<Event><System><Provider/><EventID>1</EventID><Computer/></System><EventData>{data}</EventData></Event>"
    );
    let record = Record::parse(&text).unwrap();
    // Each part visits each value once; comparing all pairs would be 400 million comparisons.
    for text in [
        "*[EventData[Data=EventData/Data or Data[@Name='y'] or Data!=Data]]",
        "*[*[*[@*='y'] or *='y']]",
        "*[EventData/Data<EventData/Data]",
    ] {
        let query = Query::parse(text).unwrap();
        assert!(!query.is_match(&record, Timestamp::new(0, 0)), "{text}");
    }
}
