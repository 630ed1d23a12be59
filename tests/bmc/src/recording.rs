//! A scan of one controller whose records are known already, in memory: what it costs without any network, and what
//! goes over one.

use std::net::Ipv4Addr;
use std::time::Instant;

use ipmi_proto::responder::Responder;
use ipmi_proto::sensor::GetReading;
use ipmi_proto::storage::GetSdrRepositoryInfo;
use ipmi_proto::{
    Command as _, Destination, Event, Frames, Login, Password, Privilege, Request, Session, Timing, UserName,
    device_id,
};

use crate::board::Board;
use crate::controller_group::settings;

/// Recorded conversation, which each end can repeat.
#[derive(Debug)]
pub struct Recording {
    flights: Vec<Flight>,
    requests: Vec<(Destination, Request)>,
}

/// Datagrams that are on their way together, and those that answer them.
#[derive(Debug, Default)]
pub struct Flight {
    /// From the console.
    pub requests: Frames,
    /// From the controller.
    pub answered: Frames,
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
        recording.console(now, |requests, answered| {
            controller.answer(requests, answered, now);
            flights.push(Flight { requests: requests.clone(), answered: answered.clone() });
        });
        recording.flights = flights;
        recording
    }

    /// Datagrams in both directions.
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
        self.console(Instant::now(), |requests, answered| {
            let flight = flights.next().expect("as many flights as before");
            assert_eq!(*requests, flight.requests);
            answered.clone_from(&flight.answered);
        });
    }

    /// The controller's end of it alone.
    ///
    /// # Panics
    /// When it does not say the same as before.
    pub fn play_controller(&self) {
        let (mut controller, now) = (Controller::new(), Instant::now());
        let mut answered = Frames::new();
        for flight in &self.flights {
            controller.answer(&flight.requests, &mut answered, now);
            assert_eq!(answered, flight.answered);
            answered.clear();
        }
    }

    fn console(&self, now: Instant, mut other_end: impl FnMut(&Frames, &mut Frames)) {
        let name = UserName::new("admin").expect("a name");
        let password = Password::new(b"admin-pw").expect("a password");
        let login = Login::new(name, password).privilege(Privilege::User);
        let mut session = Session::start(login, [7; 32], Timing::default(), now);
        session.set_initial_limit(Timing::default().open_requests);
        for (destination, request) in &self.requests {
            session.request_at(*destination, request.clone());
        }
        let (mut requests, mut answers, mut answered) = (Frames::new(), Frames::new(), 0);
        loop {
            requests.clear();
            session.transmit_into(&mut requests, now);
            if requests.is_empty() {
                break;
            }
            answers.clear();
            other_end(&requests, &mut answers);
            for answer in answers.iter() {
                session.receive(answer, now).expect("a genuine answer");
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

    fn answer(&mut self, requests: &Frames, answers: &mut Frames, now: Instant) {
        for frame in requests.iter() {
            let taken =
                self.responder.receive(frame, Ipv4Addr::LOCALHOST.into(), &mut self.board, now, answers);
            taken.expect("an answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_say_the_same_again() {
        let recording = Recording::of_warm_scan();
        let requests: usize = recording.flights().iter().map(|flight| flight.requests.len()).sum();
        // Three steps of the login, two questions about the records, each sensor, and the end.
        assert_eq!(requests, 3 + 2 + 29 + 1);
        recording.play_console();
        recording.play_controller();
    }
}
