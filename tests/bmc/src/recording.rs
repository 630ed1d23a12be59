//! A scan of one controller whose records are known already, in memory: what it costs without any network, and what
//! goes over one.

use std::time::Instant;

use ipmi_proto::responder::Responder;
use ipmi_proto::sensor::GetReading;
use ipmi_proto::storage::GetSdrRepositoryInfo;
use ipmi_proto::{
    Command as _, Destination, Event, Login, Password, Privilege, Request, Session, Timing, UserName,
    device_id,
};

use crate::board::Board;
use crate::crowd::settings;

/// What both ends have said, and how each of them comes to say it again.
#[derive(Debug)]
pub struct Recording {
    flights: Vec<Flight>,
    requests: Vec<(Destination, Request)>,
}

/// Datagrams that are on their way together, and those that answer them.
#[derive(Debug, Default)]
pub struct Flight {
    /// From the console.
    pub asked: Vec<Vec<u8>>,
    /// From the controller.
    pub answered: Vec<Vec<u8>>,
}

impl Recording {
    /// A login as a user, what tells whether the records are the same, every sensor, and the end of the session.
    #[must_use]
    pub fn of_warm_scan() -> Self {
        let board = Board::default();
        let readings = board.sensors.keys().map(|(unit, number)| {
            (Destination::unit(*unit).expect("a logical unit"), GetReading(*number).request())
        });
        let holdings = [device_id::GetDeviceId.request(), GetSdrRepositoryInfo.request()];
        let requests = holdings.map(|request| (Destination::CONTROLLER, request)).into_iter().chain(readings);
        let mut recording = Self { flights: Vec::new(), requests: requests.collect() };
        let (mut controller, now) = (Controller::new(), Instant::now());
        let mut flights = Vec::new();
        recording.console(now, |asked| {
            let answered = controller.answers(&asked, now);
            flights.push(Flight { asked, answered: answered.clone() });
            answered
        });
        recording.flights = flights;
        recording
    }

    /// What went to and fro.
    #[must_use]
    pub fn flights(&self) -> &[Flight] {
        &self.flights
    }

    /// The console's end of it alone.
    ///
    /// # Panics
    /// When it does not say the same as before.
    pub fn play_console(&self) {
        let mut flights = self.flights.iter();
        self.console(Instant::now(), |asked| {
            let flight = flights.next().expect("as many flights as before");
            assert_eq!(asked, flight.asked);
            flight.answered.clone()
        });
    }

    /// The controller's end of it alone.
    ///
    /// # Panics
    /// When it does not say the same as before.
    pub fn play_controller(&self) {
        let (mut controller, now) = (Controller::new(), Instant::now());
        for flight in &self.flights {
            assert_eq!(controller.answers(&flight.asked, now), flight.answered);
        }
    }

    fn console(&self, now: Instant, mut other_end: impl FnMut(Vec<Vec<u8>>) -> Vec<Vec<u8>>) {
        let name = UserName::new("admin").expect("a name");
        let password = Password::new(b"admin-pw").expect("a password");
        let login = Login::new(name, password).privilege(Privilege::User);
        let mut session = Session::start(login, [7; 32], Timing::default(), now);
        session.begin_with(Timing::default().open_requests);
        for (destination, request) in &self.requests {
            session.request_at(*destination, request.clone());
        }
        let mut answered = 0;
        loop {
            let asked: Vec<_> = std::iter::from_fn(|| session.transmit(now)).collect();
            if asked.is_empty() {
                break;
            }
            for answer in other_end(asked) {
                session.receive(&answer, now).expect("a genuine answer");
            }
            while let Some(event) = session.event() {
                answered += usize::from(matches!(event, Event::Answered { outcome: Ok(_), .. }));
                if answered == self.requests.len() && !matches!(event, Event::Ended(_)) {
                    session.close(now);
                }
            }
        }
        assert_eq!(answered, self.requests.len());
    }
}

struct Controller {
    responder: Responder,
    board: Board,
}

impl Controller {
    fn new() -> Self {
        Self { responder: Responder::new(settings(0), [9; 32]), board: Board::default() }
    }

    fn answers(&mut self, asked: &[Vec<u8>], now: Instant) -> Vec<Vec<u8>> {
        let Self { responder, board } = self;
        asked.iter().flat_map(|frame| responder.receive(frame, board, now).expect("answers")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_say_the_same_again() {
        let recording = Recording::of_warm_scan();
        let asked: usize = recording.flights().iter().map(|flight| flight.asked.len()).sum();
        // Three steps of the login, two questions about the records, each sensor, and the end.
        assert_eq!(asked, 3 + 2 + 29 + 1);
        recording.play_console();
        recording.play_controller();
    }
}
