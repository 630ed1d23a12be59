//! Aggregation of events: `GROUP WITHIN … BY … HAVING` (WQL).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cim::wql::Group;
use cim::{Class, Instance, Name, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::queue::Queue;

/// Open groups. A group begins with its first event.
pub(super) struct Groups {
    group: Group,
    from: Name,
    /// The class `__AggregateEvent`.
    class: Arc<Class>,
    open: HashMap<Key, Open>,
    /// End times of the groups, earliest first, because all groups are open for the same time.
    ends: VecDeque<(Instant, Key)>,
}

/// Values that identify a group, as upper-case texts.
type Key = Vec<Option<String>>;

struct Open {
    count: u32,
    representative: Instance,
}

/// Maximum number of open groups.
const MOST: usize = 1_000;

/// Error: the maximum number of open groups is reached.
#[derive(Debug, PartialEq)]
pub(super) struct TooManyGroups;

impl Groups {
    pub(super) fn new(group: Group, from: Name, class: Arc<Class>) -> Self {
        Self { group, from, class, open: HashMap::new(), ends: VecDeque::new() }
    }

    fn add(&mut self, event: Instance, now: Instant) -> Result<(), TooManyGroups> {
        let key: Key = self.group.by.iter().map(|path| text(path.value(&event, &self.from))).collect();
        if let Some(open) = self.open.get_mut(&key) {
            open.count = open.count.saturating_add(1);
            return Ok(());
        }
        if self.open.len() >= MOST {
            return Err(TooManyGroups);
        }
        self.open.insert(key.clone(), Open { count: 1, representative: event });
        self.ends.push_back((now + self.group.within, key));
        Ok(())
    }

    fn next_end(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// Returns the events of groups that have ended and satisfy HAVING.
    fn ended(&mut self, now: Instant) -> Vec<Instance> {
        let mut ended = Vec::new();
        while self.next_end().is_some_and(|end| end <= now) {
            let Some(open) = self.ends.pop_front().and_then(|(_, key)| self.open.remove(&key)) else {
                continue;
            };
            let having = self.group.having;
            let is_wanted = having.is_none_or(|(operator, number)| operator.holds(open.count.cmp(&number)));
            if is_wanted {
                ended.extend(self.event(open));
            }
        }
        ended
    }

    /// Returns the event of a group. It is never `None`, because the class declares both properties.
    fn event(&self, open: Open) -> Option<Instance> {
        let event = Instance::new(self.class.clone()).with("NumberOfEvents", open.count).ok()?;
        event.with("Representative", Value::Object(Box::new(open.representative))).ok()
    }
}

fn text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_text().to_uppercase())
}

/// Aggregates events until the source has ended and all groups are closed.
pub(super) async fn count(mut groups: Groups, mut events: mpsc::Receiver<Instance>, queue: Arc<Queue>) {
    let mut is_open = true;
    while is_open || groups.next_end().is_some() {
        let end = groups.next_end();
        let ends = async {
            match end {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.recv(), if is_open => match event {
                Some(event) => if groups.add(event, Instant::now()).is_err() {
                    queue.push_dropped();
                },
                None => is_open = false,
            },
            () = ends => groups.ended(Instant::now()).into_iter().for_each(|event| queue.push(event)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cim::wql::{Query, parse};
    use cim::{Namespace, Schema};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn groups(text: &str) -> Groups {
        let schema = Schema::of(Namespace::cimv2());
        let Ok(Query::Select(select)) = parse(&format!("SELECT * FROM __TimerEvent GROUP {text}")) else {
            panic!("{text} is wrong");
        };
        let class = schema.class("__AggregateEvent").expect("a class of the system");
        Groups::new(select.group.expect("a group"), select.from, class)
    }

    fn event(id: &str) -> Instance {
        let class = Schema::of(Namespace::cimv2()).class("__TimerEvent").expect("a class of the system");
        Instance::new(class).with("TimerId", id.to_owned()).expect("a text")
    }

    fn counts(ended: &[Instance]) -> Vec<u32> {
        let count = |event: &Instance| match event.value("NumberOfEvents") {
            Some(Value::Uint32(count)) => *count,
            other => panic!("{other:?}"),
        };
        ended.iter().map(count).collect()
    }

    #[test]
    fn a_group_is_counted_from_its_first_event_on() {
        let now = Instant::now();
        let mut groups = groups("WITHIN 10");
        assert_eq!(groups.next_end(), None);
        for (second, id) in (0..).zip(["a", "b", "c"]) {
            groups.add(event(id), now + SECOND * second).expect("room");
        }
        assert_eq!(groups.next_end(), Some(now + SECOND * 10));
        assert_eq!(groups.ended(now + SECOND * 9), []);
        let ended = groups.ended(now + SECOND * 10);
        assert_eq!(counts(&ended), [3]);
        let first = Value::Object(Box::new(event("a")));
        assert_eq!(ended.first().and_then(|event| event.value("Representative")), Some(&first));
        assert_eq!(groups.next_end(), None);
    }

    #[test]
    fn group_by_ignores_case() {
        let now = Instant::now();
        let mut groups = groups("WITHIN 10 BY TimerId");
        for id in ["a", "b", "A", "a"] {
            groups.add(event(id), now).expect("room");
        }
        assert_eq!(counts(&groups.ended(now + SECOND * 10)), [3, 1]);
    }

    #[test]
    fn having_omits_groups_with_too_few_events() {
        let now = Instant::now();
        let mut groups = groups("WITHIN 10 BY TimerId HAVING NumberOfEvents > 1");
        for id in ["a", "b", "b"] {
            groups.add(event(id), now).expect("room");
        }
        assert_eq!(counts(&groups.ended(now + SECOND * 10)), [2]);
    }

    #[test]
    fn the_number_of_groups_is_limited() {
        let now = Instant::now();
        let mut groups = groups("WITHIN 10 BY TimerId");
        for id in 0..MOST {
            groups.add(event(&id.to_string()), now).expect("room");
        }
        assert_eq!(groups.add(event("one more"), now), Err(TooManyGroups));
        groups.add(event("7"), now).expect("room in a group there is");
    }
}
