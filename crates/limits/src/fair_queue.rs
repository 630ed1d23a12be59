//! Fair order in which attempts receive one of a few slots.

use std::collections::HashMap;
use std::hash::Hash;

use crate::{Origin, Prefix, Priority};

/// Numbers of slots and waiting places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Maximum number of items that run at the same time. At least 1.
    pub running: usize,
    /// Maximum number of items that wait. At least 1.
    pub waiting: usize,
}

/// Origin and urgency of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<K> {
    /// Source address.
    pub origin: Origin,
    /// Account name, if it is known before the attempt is judged.
    pub account: Option<K>,
    /// Urgency.
    pub priority: Priority,
}

/// A used slot. Release it with [`FairQueue::finish`].
#[derive(Debug)]
#[must_use = "the slot stays in use until it is given back"]
pub struct Slot<K> {
    origin: Origin,
    account: Option<K>,
    priority: Priority,
}

/// Schedules items fairly between the networks that they come from.
///
/// **Slots.** A quarter of the slots is for [`Priority::Proven`] only, and [`Priority::Failing`] uses at most half of
/// them. So there is usually a free slot for a source without failures, however many others fail. Slots of
/// [`Priority::KnownSource`] count as those of [`Priority::Unknown`]: it starts sooner, but an attacker with a valid
/// account cannot reach the reserved quarter by guessing other names at the same source. One origin uses at
/// most half of what each priority may use, and so does one account with [`Priority::Proven`].
///
/// **Order.** Items of higher priority start first; a few starts are kept for the lower ones so that none waits for
/// ever. Within a priority, the network that was served least recently is next: first by /48, then /56, then /64 or
/// IPv4 address, then account name ([`Origin::prefixes`]). With [`Priority::Proven`] the account comes before the
/// networks: its name is real, so an account that signs in from many addresses has one turn. Among networks that were
/// never served, those that were refused least often come first, so a wave of sources that keep retrying does not delay
/// a new one. Among these, the newest and the oldest item alternate: the newest is served in time even when many new
/// sources arrive at once, and the oldest is not overtaken for ever.
///
/// **Waiting places.** When all are used, the newest item of the network with the most waiting items gives way, and
/// among equals one that was refused most often before. Its priority is the lowest one that uses more than a quarter
/// of the places. A new item is refused only if it belongs to that network itself.
///
/// Every operation takes time that is linear in the number of waiting items.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    limits: QueueLimits,
    /// INVARIANT: at most `limits.waiting`, in the order of arrival.
    waiting: Vec<Waiting<K, T>>,
    running: Running,
    /// Used slots by source. INVARIANT: no entry without a slot.
    origins: HashMap<Origin, Running>,
    /// Used slots of accounts with [`Priority::Proven`]. INVARIANT: no entry without a slot.
    proven: HashMap<K, usize>,
    /// When each network and account was served last, as the number of that start. INVARIANT: at most [`MAX_SERVED`].
    served: HashMap<Node<K>, u64>,
    /// How often items of a site were refused since it was served. INVARIANT: at most [`MAX_SERVED`].
    refused: HashMap<Prefix, u32>,
    starts: u64,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiting<K, T> {
    claim: Claim<K>,
    arrival: u64,
    item: T,
}

/// Numbers of used slots by priority; those of known sources are among the unknown ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Running {
    failing: usize,
    unknown: usize,
    proven: usize,
}

/// A level of the hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node<K> {
    Network(Prefix),
    /// An account that has signed in recently, from any source.
    Proven(K),
    Account(Origin, Option<K>),
}

impl<K: Eq + Hash + Clone, T> FairQueue<K, T> {
    /// Creates an empty queue.
    #[must_use]
    pub fn new(limits: QueueLimits) -> Self {
        let QueueLimits { running, waiting } = limits;
        Self {
            limits: QueueLimits { running: running.max(1), waiting: waiting.max(1) },
            waiting: Vec::new(),
            running: Running::default(),
            origins: HashMap::new(),
            proven: HashMap::new(),
            served: HashMap::new(),
            refused: HashMap::new(),
            starts: 0,
            arrivals: 0,
        }
    }

    /// Adds an item. Returns an item that has to be refused if there are too many, perhaps the new one.
    pub fn push(&mut self, claim: Claim<K>, item: T) -> Option<T> {
        self.arrivals = self.arrivals.saturating_add(1);
        self.waiting.push(Waiting { claim, arrival: self.arrivals, item });
        if self.waiting.len() <= self.limits.waiting {
            return None;
        }
        let refused = self.heaviest().map(|at| self.waiting.remove(at))?;
        self.mark_refused(refused.claim.origin);
        Some(refused.item)
    }

    /// Starts the next item for which there is a slot.
    pub fn start_next(&mut self) -> Option<(Slot<K>, T)> {
        let at = self.order().into_iter().find_map(|priority| self.next_of(priority))?;
        let Waiting { claim, item, .. } = self.waiting.remove(at);
        self.mark_served(&claim);
        let account = claim.proven_account().cloned();
        let Claim { origin, priority, .. } = claim;
        self.running.add(priority);
        self.origins.entry(origin).or_default().add(priority);
        if let Some(account) = &account {
            *self.proven.entry(account.clone()).or_default() += 1;
        }
        Some((Slot { origin, account, priority }, item))
    }

    /// Releases a slot. Call [`start_next`](Self::start_next) afterwards.
    pub fn finish(&mut self, slot: Slot<K>) {
        let Slot { origin, account, priority } = slot;
        self.running.remove(priority);
        if let Some(running) = self.origins.get_mut(&origin) {
            running.remove(priority);
            if *running == Running::default() {
                self.origins.remove(&origin);
            }
        }
        if let Some(account) = account
            && let Some(running) = self.proven.get_mut(&account)
        {
            *running = running.saturating_sub(1);
            if *running == 0 {
                self.proven.remove(&account);
            }
        }
    }

    /// Returns the number of items that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the number of used slots.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.up_to(Priority::Proven)
    }

    /// Returns the priorities in the order in which they are looked at for the next start.
    fn order(&self) -> [Priority; 4] {
        use Priority::{Failing, KnownSource, Proven, Unknown};
        match self.starts % 8 {
            7 => [Failing, Unknown, KnownSource, Proven],
            3 => [Unknown, Proven, KnownSource, Failing],
            _ => [Proven, KnownSource, Unknown, Failing],
        }
    }

    /// Returns the item of a priority that is next, if there is a slot for one.
    fn next_of(&self, priority: Priority) -> Option<usize> {
        if !self.running.has_room(priority, self.limits.running, 1) {
            return None;
        }
        let newest_first = self.starts.is_multiple_of(2);
        self.of_priority(priority)
            .filter(|(_, one)| self.has_room(&one.claim))
            .min_by_key(|(_, one)| self.rank(one, newest_first))
            .map(|(at, _)| at)
    }

    /// Returns the order of a waiting item within its priority; the lowest is next.
    fn rank(&self, waiting: &Waiting<K, T>, newest_first: bool) -> ([u64; 4], u32, u64) {
        let arrival = if newest_first { u64::MAX - waiting.arrival } else { waiting.arrival };
        (self.last_served(&waiting.claim), self.refusals(&waiting.claim), arrival)
    }

    /// Returns whether the source and the account of an item may use one more slot.
    fn has_room(&self, claim: &Claim<K>) -> bool {
        let origin = self.origins.get(&claim.origin);
        let account = claim.proven_account().and_then(|account| self.proven.get(account));
        let slots = self.limits.running;
        origin.is_none_or(|running| running.has_room(claim.priority, slots, 2))
            && account.is_none_or(|running| *running < slots.div_ceil(2))
    }

    /// Returns when the networks and the account of an item were served last, 0 for never.
    fn last_served(&self, claim: &Claim<K>) -> [u64; 4] {
        claim.nodes().map(|node| self.served.get(&node).copied().unwrap_or(0))
    }

    fn refusals(&self, claim: &Claim<K>) -> u32 {
        let [site, ..] = claim.origin.prefixes();
        self.refused.get(&site).copied().unwrap_or(0)
    }

    fn mark_refused(&mut self, origin: Origin) {
        let [site, ..] = origin.prefixes();
        if self.refused.len() >= MAX_SERVED && !self.refused.contains_key(&site) {
            // Sources that retry are counted again.
            self.refused.clear();
        }
        let count = self.refused.entry(site).or_default();
        *count = count.saturating_add(1);
    }

    fn mark_served(&mut self, claim: &Claim<K>) {
        self.starts = self.starts.saturating_add(1);
        let [site, ..] = claim.origin.prefixes();
        self.refused.remove(&site);
        if self.served.len() + 4 > MAX_SERVED {
            let mut starts: Vec<u64> = self.served.values().copied().collect();
            let middle = starts.len() / 2;
            let (_, median, _) = starts.select_nth_unstable(middle);
            let median = *median;
            self.served.retain(|_, start| *start > median);
        }
        for node in claim.nodes() {
            self.served.insert(node, self.starts);
        }
    }

    /// Returns the waiting items of a priority with their positions.
    fn of_priority(&self, priority: Priority) -> impl Iterator<Item = (usize, &Waiting<K, T>)> {
        self.waiting.iter().enumerate().filter(move |(_, one)| one.claim.priority == priority)
    }

    /// Returns the item that has to give way: the newest one of the network with the most waiting items.
    fn heaviest(&self) -> Option<usize> {
        let share = self.limits.waiting / 4;
        let priority = [Priority::Failing, Priority::Unknown, Priority::KnownSource, Priority::Proven]
            .into_iter()
            .find(|priority| self.of_priority(*priority).count() > share)?;
        let mut weights: HashMap<Node<K>, usize> = HashMap::new();
        for (_, one) in self.of_priority(priority) {
            let mut nodes = one.claim.nodes().to_vec();
            // The three prefixes of an IPv4 address are the same.
            nodes.dedup();
            for node in nodes {
                *weights.entry(node).or_default() += 1;
            }
        }
        self.of_priority(priority)
            .max_by_key(|(_, one)| {
                let weight = one.claim.nodes().map(|node| weights.get(&node).copied().unwrap_or(0));
                (weight, self.refusals(&one.claim), one.arrival)
            })
            .map(|(at, _)| at)
    }
}

impl<K: Clone> Claim<K> {
    /// Returns the levels of the hierarchy that this item belongs to, the widest first.
    fn nodes(&self) -> [Node<K>; 4] {
        let [site, customer, network] = self.origin.prefixes().map(Node::Network);
        match self.proven_account() {
            Some(account) => [Node::Proven(account.clone()), site, customer, network],
            None => [site, customer, network, Node::Account(self.origin, self.account.clone())],
        }
    }

    /// Returns the account if it has signed in recently from this source.
    fn proven_account(&self) -> Option<&K> {
        self.account.as_ref().filter(|_| self.priority == Priority::Proven)
    }
}

impl Running {
    fn add(&mut self, priority: Priority) {
        *self.of(priority) += 1;
    }

    fn remove(&mut self, priority: Priority) {
        let count = self.of(priority);
        *count = count.saturating_sub(1);
    }

    fn of(&mut self, priority: Priority) -> &mut usize {
        match priority {
            Priority::Failing => &mut self.failing,
            Priority::Unknown | Priority::KnownSource => &mut self.unknown,
            Priority::Proven => &mut self.proven,
        }
    }

    /// Returns the number of slots that this priority and the lower ones use.
    fn up_to(self, priority: Priority) -> usize {
        match priority {
            Priority::Failing => self.failing,
            Priority::Unknown | Priority::KnownSource => self.failing + self.unknown,
            Priority::Proven => self.failing + self.unknown + self.proven,
        }
    }

    /// Returns whether one more item may run. Each limit is divided by `divisor`, but never below 1.
    fn has_room(self, priority: Priority, slots: usize, divisor: usize) -> bool {
        [Priority::Failing, Priority::KnownSource, Priority::Proven]
            .into_iter()
            .filter(|at_least| *at_least >= priority)
            .all(|priority| self.up_to(priority) < limit(priority, slots).div_ceil(divisor).max(1))
    }
}

/// Returns the number of slots that a priority and the lower ones may use.
fn limit(priority: Priority, slots: usize) -> usize {
    match priority {
        Priority::Failing => slots / 2,
        Priority::Unknown | Priority::KnownSource if slots > 1 => slots - slots.div_ceil(4),
        Priority::Unknown | Priority::KnownSource | Priority::Proven => slots,
    }
}

/// Maximum number of networks and accounts whose last start is remembered.
const MAX_SERVED: usize = 4_096;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Queue = FairQueue<&'static str, &'static str>;

    fn queue(running: usize, waiting: usize) -> Queue {
        FairQueue::new(QueueLimits { running, waiting })
    }

    fn claim(address: &str, priority: Priority) -> Claim<&'static str> {
        Claim { origin: Origin::of(address.parse().unwrap()), account: None, priority }
    }

    /// Starts one item after the other, each ending before the next starts.
    fn drain(queue: &mut Queue) -> Vec<&'static str> {
        let next = || {
            let (slot, item) = queue.start_next()?;
            queue.finish(slot);
            Some(item)
        };
        std::iter::from_fn(next).collect()
    }

    /// Starts an item that never ends.
    fn start(queue: &mut Queue) -> Option<&'static str> {
        let (_slot, item) = queue.start_next()?;
        Some(item)
    }

    #[test]
    fn a_source_without_failures_starts_at_once_while_others_fail() {
        let mut queue = queue(8, 256);
        for number in 0..60_u8 {
            for _ in 0..3 {
                queue.push(claim(&format!("192.0.2.{number}"), Priority::Failing), "failing");
            }
        }
        let mut failing = 0;
        while let Some(item) = start(&mut queue) {
            assert_eq!(item, "failing");
            failing += 1;
        }
        assert_eq!(failing, 4);
        queue.push(claim("198.51.100.1", Priority::Unknown), "new");
        assert_eq!(start(&mut queue), Some("new"));
        assert_eq!(start(&mut queue), None);
    }

    #[test]
    fn new_sources_do_not_delay_proven_ones_and_delay_new_ones_by_one_start() {
        let mut queue = queue(8, 32);
        let mut slots = Vec::new();
        for number in 0..1_000_u16 {
            let [high, low] = number.to_be_bytes();
            queue.push(claim(&format!("10.0.{high}.{low}"), Priority::Unknown), "wave");
            while let Some((slot, _)) = queue.start_next() {
                slots.push(slot);
            }
        }
        assert_eq!((slots.len(), queue.waiting()), (6, 32));
        queue.push(claim("198.51.100.1", Priority::Proven), "proven");
        assert_eq!(start(&mut queue), Some("proven"));
        assert_eq!(start(&mut queue), None);

        // One of the wave has ended and another has been refused, so that there is a place.
        queue.push(claim("198.51.100.2", Priority::Unknown), "new");
        queue.finish(slots.pop().unwrap());
        let started: Vec<_> = (0..2)
            .map(|_| {
                let (slot, item) = queue.start_next().unwrap();
                queue.finish(slot);
                item
            })
            .collect();
        assert!(started.contains(&"new"), "{started:?}");
    }

    #[test]
    fn retrying_sources_do_not_delay_another_new_one() {
        let mut queue = queue(8, 32);
        let mut slots = Vec::new();
        let source = |number: u16| {
            let [high, low] = number.to_be_bytes();
            claim(&format!("10.0.{high}.{low}"), Priority::Unknown)
        };
        for _ in 0..2 {
            for number in 0..1_000 {
                queue.push(source(number), "wave");
                while let Some((slot, _)) = queue.start_next() {
                    slots.push(slot);
                }
            }
        }
        assert_eq!((slots.len(), queue.waiting()), (6, 32));
        assert_eq!(queue.push(claim("198.51.100.1", Priority::Unknown), "new"), Some("wave"));
        let mut started = Vec::new();
        while !started.contains(&"new") {
            for number in 0..1_000 {
                assert_eq!(queue.push(source(number), "wave"), Some("wave"));
            }
            queue.finish(slots.pop().unwrap());
            let (_slot, item) = queue.start_next().unwrap();
            started.push(item);
        }
        assert!(started.len() <= 2, "{started:?}");
    }

    #[test]
    fn networks_of_one_site_take_turns_as_one() {
        let mut queue = queue(1, 256);
        for number in 0..100_u8 {
            queue.push(claim(&format!("2001:db8:1:{number:x}::1"), Priority::Unknown), "site");
        }
        // The site is served, so the other one is next although it comes later.
        assert_eq!(
            queue.start_next().map(|(slot, item)| {
                queue.finish(slot);
                item
            }),
            Some("site")
        );
        queue.push(claim("2001:db8:2::1", Priority::Unknown), "other");
        queue.push(claim("2001:db8:2::1", Priority::Unknown), "other");
        let order = drain(&mut queue);
        assert_eq!(order.iter().take(4).copied().collect::<Vec<_>>(), ["other", "site", "other", "site"]);
        assert_eq!(order.len(), 101);
    }

    #[test]
    fn customers_of_a_site_and_networks_of_a_customer_take_turns() {
        let mut queue = queue(1, 256);
        for network in 0..16 {
            queue.push(claim(&format!("2001:db8:1:aa{network:02x}::1"), Priority::Unknown), "many");
        }
        for _ in 0..2 {
            queue.push(claim("2001:db8:1:bb00::1", Priority::Unknown), "few");
        }
        let order = drain(&mut queue);
        assert_eq!(order.iter().take(4).filter(|item| **item == "few").count(), 2, "{order:?}");
    }

    #[test]
    fn accounts_behind_one_address_take_turns() {
        let mut queue = queue(1, 256);
        let named = |account| Claim { account: Some(account), ..claim("192.0.2.1", Priority::Unknown) };
        for _ in 0..50 {
            queue.push(named("mallory"), "mallory");
        }
        assert_eq!(
            queue.start_next().map(|(slot, item)| {
                queue.finish(slot);
                item
            }),
            Some("mallory")
        );
        queue.push(named("ann"), "ann");
        assert_eq!(drain(&mut queue).first(), Some(&"ann"));
    }

    #[test]
    fn an_account_with_many_addresses_has_one_turn_and_half_of_the_slots() {
        let mut queue = queue(8, 256);
        let named =
            |address: &str, account| Claim { account: Some(account), ..claim(address, Priority::Proven) };
        for number in 0..100_u8 {
            queue.push(named(&format!("198.51.100.{number}"), "mallory"), "mallory");
        }
        let mut slots: Vec<_> = std::iter::from_fn(|| queue.start_next()).map(|(slot, _)| slot).collect();
        assert_eq!(slots.len(), 4);
        queue.push(named("192.0.2.1", "ann"), "ann");
        assert_eq!(start(&mut queue), Some("ann"));
        // The same when every slot is in use.
        let mut queue = self::queue(1, 256);
        for number in 0..100_u8 {
            queue.push(named(&format!("198.51.100.{number}"), "mallory"), "mallory");
        }
        slots.clear();
        slots.extend(queue.start_next().map(|(slot, _)| slot));
        queue.push(named("192.0.2.1", "ann"), "ann");
        slots.into_iter().for_each(|slot| queue.finish(slot));
        assert_eq!(drain(&mut queue).first(), Some(&"ann"));
        assert!(queue.proven.is_empty() && queue.origins.is_empty());
    }

    #[test]
    fn the_account_of_an_address_with_the_most_attempts_gives_way() {
        let mut queue = queue(1, 8);
        let named = |account| Claim { account: Some(account), ..claim("192.0.2.1", Priority::Unknown) };
        for _ in 0..8 {
            queue.push(named("mallory"), "mallory");
        }
        assert_eq!(queue.push(named("ann"), "ann"), Some("mallory"));
    }

    #[test]
    fn only_the_heaviest_network_gives_way() {
        let mut queue = queue(1, 8);
        for _ in 0..5 {
            assert_eq!(queue.push(claim("192.0.2.1", Priority::Unknown), "heavy"), None);
        }
        for number in 1..=3_u8 {
            assert_eq!(queue.push(claim(&format!("198.51.100.{number}"), Priority::Unknown), "light"), None);
        }
        assert_eq!(queue.push(claim("198.51.100.4", Priority::Unknown), "new"), Some("heavy"));
        assert_eq!(queue.push(claim("192.0.2.1", Priority::Unknown), "again"), Some("again"));
        // A hundred networks of one site weigh as one.
        for number in 0..100_u8 {
            queue.push(claim(&format!("2001:db8:1:{number:x}::1"), Priority::Unknown), "site");
        }
        for number in 5..=6_u8 {
            let refused = queue.push(claim(&format!("198.51.100.{number}"), Priority::Unknown), "light");
            assert!(matches!(refused, Some("heavy" | "site")), "{refused:?}");
        }
        assert_eq!(queue.waiting(), 8);
    }

    #[test]
    fn failing_sources_give_way_and_keep_a_share() {
        let mut queue = queue(1, 8);
        for number in 0..8_u8 {
            queue.push(claim(&format!("192.0.2.{number}"), Priority::Failing), "failing");
        }
        for number in 0..6_u8 {
            let refused = queue.push(claim(&format!("198.51.100.{number}"), Priority::Unknown), "unknown");
            assert_eq!(refused, Some("failing"));
        }
        assert_eq!(queue.push(claim("198.51.100.9", Priority::Unknown), "unknown"), Some("unknown"));
        for number in 0..4_u8 {
            let refused = queue.push(claim(&format!("203.0.113.{number}"), Priority::Proven), "proven");
            assert_eq!(refused, Some("unknown"));
        }
        let order = drain(&mut queue);
        assert_eq!(order.iter().filter(|item| **item == "failing").count(), 2, "{order:?}");
        assert_eq!(order.first(), Some(&"proven"));
    }

    #[test]
    fn one_source_uses_half_of_the_slots_and_leaves_some_to_proven_accounts() {
        let mut queue = queue(8, 256);
        for priority in [Priority::Failing, Priority::Unknown, Priority::Proven] {
            for _ in 0..10 {
                queue.push(claim("192.0.2.1", priority), "one");
            }
        }
        let mut started = Vec::new();
        while let Some((slot, _)) = queue.start_next() {
            started.push(slot);
        }
        assert_eq!(started.len(), 4);
        for slot in started.drain(..) {
            queue.finish(slot);
        }
        assert!(queue.origins.is_empty() && queue.running() == 0);
        let mut queue = self::queue(8, 256);
        for _ in 0..10 {
            queue.push(claim("192.0.2.1", Priority::Failing), "one");
        }
        assert_eq!(std::iter::from_fn(|| start(&mut queue)).count(), 2);
        queue.push(claim("192.0.2.1", Priority::Unknown), "unknown");
        queue.push(claim("192.0.2.1", Priority::Proven), "proven");
        assert_eq!(std::iter::from_fn(|| start(&mut queue)).count(), 2);
    }

    #[test]
    fn lower_priorities_do_not_wait_for_ever() {
        let mut queue = queue(1, 256);
        queue.push(claim("192.0.2.1", Priority::Failing), "failing");
        queue.push(claim("192.0.2.2", Priority::Unknown), "unknown");
        let mut started = Vec::new();
        for number in 0..8_u8 {
            queue.push(claim(&format!("203.0.113.{number}"), Priority::Proven), "proven");
            queue.push(claim(&format!("203.0.114.{number}"), Priority::Proven), "proven");
            let (slot, item) = queue.start_next().unwrap();
            queue.finish(slot);
            started.push(item);
        }
        assert!(started.contains(&"failing") && started.contains(&"unknown"), "{started:?}");
    }

    #[test]
    fn memory_is_bounded_whatever_the_number_of_sources() {
        let mut queue = queue(1, 8);
        for number in 0..20_000_u32 {
            let [_, high, middle, low] = number.to_be_bytes();
            let refused = queue.push(claim(&format!("10.{high}.{middle}.{low}"), Priority::Unknown), "");
            assert_eq!(refused, None);
            assert_eq!(drain(&mut queue).len(), 1);
        }
        assert!(queue.served.len() <= MAX_SERVED, "{}", queue.served.len());
        assert!(queue.origins.is_empty() && queue.waiting.is_empty());
    }
}
