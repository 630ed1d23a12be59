//! Measures Identify and Get in comparison with hyper, which sends the same bytes.

use crate::Result;
use crate::bare_server::BareServer;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::load::{Side, compare};
use crate::messages;
use crate::table::Row;
use crate::telarchd::Telarchd;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let service = Telarchd::start(&[])?;
    let operations =
        [("Identify", messages::identify(), IDENTIFY), ("Get winrm/config", messages::get_config(), GET)];
    let mut connection = Connection::plain(service.http())?;
    let answers = operations
        .iter()
        .map(|(_, request, _)| Ok(connection.exchange(request)?.to_vec()))
        .collect::<Result<Vec<_>>>()?;
    let bare = BareServer::hyper(&answers.iter().map(Vec::as_slice).collect::<Vec<_>>())?;

    let mut rows = Vec::new();
    for (number, (name, request, goal)) in operations.iter().enumerate() {
        for (count, connections) in [(1, "1 connection"), (64, "64 connections")] {
            let address = bare.address(number)?;
            let to_bare = (0..count).map(|_| Connection::plain(address)).collect::<Result<Vec<_>>>()?;
            let compared = compare(
                effort,
                request,
                Side { connections: service.plain(count)?, process: service.process() },
                Side { connections: to_bare, process: bare.process() },
            )?;
            let [ours, theirs, ratio] = compared.rates;
            rows.push(Row::at_least(
                &format!("{name}, {connections}: requests/s compared with bare hyper"),
                *goal,
                ratio,
                format!("{ratio:.2} ({ours:.0} to {theirs:.0})"),
            ));
            let [ours, theirs, ratio] = compared.micros;
            let generator = compared.generator_micros;
            rows.push(Row::at_least(
                &format!("{name}, {connections}: CPU per request, bare hyper compared with telarchd"),
                *goal,
                ratio,
                format!("{ratio:.2} ({theirs:.1} to {ours:.1} µs; generator {generator:.1} µs)"),
            ));
        }
    }
    Ok(rows)
}

const IDENTIFY: f64 = 0.60;
const GET: f64 = 0.40;
