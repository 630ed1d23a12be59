//! Many controllers of ours in this process, each on a port of its own, behind a network that may be bad.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ipmi_proto::responder::{Account, Responder, Settings};
use ipmi_proto::{AuthenticationType, CipherSuite, Frames, Password, Privilege, UserName};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use crate::board::Board;
use crate::loopback::{Arrivals, Loopback};

/// Controllers that answer until this is dropped.
#[derive(Debug)]
pub struct ControllerGroup {
    addresses: Vec<SocketAddr>,
    boards: Vec<Arc<Mutex<Board>>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Faults of the network in both directions, the same in every run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// How many of a hundred are lost.
    pub lost: u64,
    /// How many of a hundred arrive twice.
    pub twice: u64,
    /// How long each answer takes at least.
    pub delay: Duration,
    /// How much longer it may take; a datagram that takes longer is overtaken.
    pub jitter: Duration,
}

impl Network {
    fn is_perfect(&self) -> bool {
        self.lost == 0 && self.twice == 0 && self.delay.is_zero() && self.jitter.is_zero()
    }
}

/// Returns responder settings with the users of `ipmi_sim`, suites 3 and 17, and IPMI 1.5.
#[must_use]
pub fn settings(number: usize) -> Settings {
    let mut guid = [0xa1; 16];
    let number = u64::try_from(number).unwrap_or_default().to_le_bytes();
    guid.iter_mut().zip(number).for_each(|(to, from)| *to = from);
    let users = [
        ("admin", "admin-pw", Privilege::Administrator),
        ("oper", "oper-pw", Privilege::Operator),
        ("viewer", "viewer-pw", Privilege::User),
    ];
    let kinds = vec![
        AuthenticationType::None,
        AuthenticationType::Md2,
        AuthenticationType::Md5,
        AuthenticationType::Password,
    ];
    users.into_iter().fold(Settings::new(guid).lan15(kinds), |settings, (name, password, limit)| {
        let name = UserName::new(name).expect("a name");
        let password = Password::new(password.as_bytes()).expect("a password");
        settings.account(Account { name, password, limit })
    })
}

/// Returns [`settings`] with these cipher suites.
#[must_use]
pub fn settings_with_suites(numbers: &[u8]) -> Settings {
    settings(0).suites(numbers.iter().map(|number| CipherSuite::new(*number).expect("a suite")).collect())
}

impl ControllerGroup {
    /// Starts so many, all alike but for their GUIDs.
    #[must_use]
    pub fn start(count: usize, network: Network) -> Self {
        Self::of((0..count).map(|number| (settings(number), Board::default())).collect(), network)
    }

    /// Starts these.
    #[must_use]
    pub fn of(machines: Vec<(Settings, Board)>, network: Network) -> Self {
        let boards: Vec<_> = machines.iter().map(|(_, board)| Arc::new(Mutex::new(board.clone()))).collect();
        let (end, ended) = oneshot::channel();
        let (report, reported) = std::sync::mpsc::channel();
        let running: Vec<_> =
            machines.into_iter().map(|(settings, _)| settings).zip(boards.iter().cloned()).collect();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let here = LocalSet::new();
            here.block_on(&runtime.expect("a runtime"), async move {
                let (mut addresses, arrivals) = (Vec::new(), Rc::default());
                let mut machines = running.into_iter().enumerate().peekable();
                while machines.peek().is_some() {
                    let socket = Loopback::bind().expect("a socket");
                    let port = socket.port();
                    let some = machines.by_ref().take(ON_ONE_SOCKET);
                    let members: Vec<_> = some.map(|machine| Member::new(port, machine)).collect();
                    addresses.extend(members.iter().map(|member| SocketAddr::from((member.address, port))));
                    spawn_local(serve(Rc::new(socket), members, network, Rc::clone(&arrivals)));
                }
                report.send(addresses).expect("somebody waits for the addresses");
                let _ = ended.await;
            });
        });
        let addresses = reported.recv().expect("addresses");
        Self { addresses, boards, end: Some(end), thread: Some(thread) }
    }

    /// Returns the addresses.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Looks at the first of them, or changes it.
    pub fn first<T>(&self, look: impl FnOnce(&mut Board) -> T) -> T {
        let mut board = self.boards.first().expect("a board").lock().expect("a board");
        look(&mut board)
    }
}

/// Each has one of its own, because FreeIPMI keeps its cache by address, without the port.
fn address(number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).unwrap_or_default() + 1;
    Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + number)
}

impl Drop for ControllerGroup {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// As many as never send more at once than a kernel keeps for everybody.
const ON_ONE_SOCKET: usize = 32;

/// A controller, and what it has to send.
struct Member {
    address: Ipv4Addr,
    settings: Settings,
    responder: Responder,
    board: Arc<Mutex<Board>>,
    dice: Dice,
    /// By consoles. The first so many are in use; the others keep their memory.
    answers: Vec<(SocketAddr, Frames)>,
    used: usize,
}

impl Member {
    fn new(port: u16, (number, (settings, board)): (usize, (Settings, Arc<Mutex<Board>>))) -> Self {
        let seed = [u8::try_from(number % 251).unwrap_or_default() + 1; 32];
        let address = address(number);
        Self {
            address,
            responder: Responder::new(settings.clone(), seed),
            settings,
            board,
            dice: Dice((u64::from(port) << 17) + (u64::from(u32::from(address)) << 40) + 1),
            answers: Vec::new(),
            used: 0,
        }
    }

    /// Takes what has come over the network from a console.
    fn take<'d>(
        &mut self,
        datagrams: impl Iterator<Item = &'d [u8]>,
        console: SocketAddr,
        network: &Network,
        now: Instant,
    ) {
        let Self { answers, responder, dice, .. } = self;
        match answers.get_mut(self.used) {
            Some((free, _)) => *free = console,
            None => answers.push((console, Frames::new())),
        }
        let Some((_, answers)) = answers.get_mut(self.used) else { return };
        self.used += 1;
        let board = &mut *self.board.lock().expect("a board");
        for datagram in datagrams {
            for _ in 0..dice.times(network) {
                if board.silent_after.is_some_and(|after| board.commands >= after) {
                    continue;
                }
                if board.starts_again_after.is_some_and(|after| board.commands >= after) {
                    board.starts_again_after = None;
                    *responder = Responder::new(self.settings.clone(), [0x5a; 32]);
                }
                // Invalid requests get no response.
                let _ = responder.receive(datagram, console.ip(), board, now, answers);
            }
        }
    }

    fn send(&mut self, socket: &Rc<Loopback>, network: &Network) {
        for (console, answers) in self.answers.iter_mut().take(std::mem::take(&mut self.used)) {
            if network.is_perfect() {
                socket.send(answers, self.address, *console);
            } else {
                for answer in answers.iter() {
                    send_over(network, &mut self.dice, socket, (self.address, *console), answer);
                }
            }
            answers.clear();
        }
    }
}

/// All share the room for what arrives: each empties it before the next one has its turn.
async fn serve(
    socket: Rc<Loopback>,
    mut members: Vec<Member>,
    network: Network,
    arrivals: Rc<RefCell<Arrivals>>,
) {
    let Some(first) = members.first().map(|member| u32::from(member.address)) else { return };
    let mut touched = Vec::new();
    loop {
        let taken = socket.receive(&arrivals, |datagrams, to, console| {
            let place = u32::from(to).checked_sub(first).and_then(|place| usize::try_from(place).ok());
            let Some((place, member)) = place.and_then(|place| Some((place, members.get_mut(place)?))) else {
                return;
            };
            member.take(datagrams, console, &network, Instant::now());
            touched.push(place);
        });
        if taken.await.is_err() {
            return;
        }
        for place in touched.drain(..) {
            if let Some(member) = members.get_mut(place) {
                member.send(&socket, &network);
            }
        }
    }
}

/// Sends an answer once the network has taken its time, and as often as it does.
fn send_over(
    network: &Network,
    dice: &mut Dice,
    socket: &Rc<Loopback>,
    (from, console): (Ipv4Addr, SocketAddr),
    answer: &[u8],
) {
    for _ in 0..dice.times(network) {
        let wait = network.delay + network.jitter.mul_f64(dice.fraction());
        let (socket, mut later) = (Rc::clone(socket), Frames::new());
        later.push(answer);
        spawn_local(async move {
            tokio::time::sleep(wait).await;
            socket.send(&later, from, console);
        });
    }
}

/// Pseudo-random numbers (xorshift64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// How often a datagram arrives.
    fn times(&mut self, network: &Network) -> usize {
        let fate = self.throw() % 100;
        if fate < network.lost { 0 } else { 1 + usize::from(fate >= 100 - network.twice) }
    }

    fn fraction(&mut self) -> f64 {
        f64::from(u16::try_from(self.throw() % 1_000).unwrap_or_default()) / 1_000.0
    }
}
