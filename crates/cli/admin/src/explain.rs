//! `telarch explain`: the meaning of an error number, looked up locally.

use cli::explain::Explanation;
use cli_command::format::{Format, TEXT_OR_JSON};
use cli_command::{Action, Arguments, Command, Failure, Opt, SingleDash};

/// The command `telarch explain`.
pub static EXPLAIN: Command = Command::new("explain", "explain an error code and suggest a remedy", run)
    .examples(&[
        "telarch explain 0x80338012",
        "telarch explain -2144108526",
        "telarch explain QUOTA_MAX_SHELLS",
    ])
    .actions(&[Action::default(&[("CODE", "error code: a number or a name")]).takes(1, 1)])
    .options(&[&FORMAT])
    .single_dash(SingleDash::Words)
    .notes(&[
        "CODE is decimal, negative, or hexadecimal with or without 0x, or a name with or without its prefix \
         (ERROR_WSMAN_, ERROR_, SEC_E_, WBEM_E_, STATUS_). A part of a name lists the names that contain it.",
        "The codes of WS-Management, Win32, Windows sockets and HTTP, RPC, authentication, certificates, COM, WMI and \
         NTSTATUS are known. Nothing is sent over the network.",
    ])
    .exit_status_1("an unknown code");

static FORMAT: Opt = TEXT_OR_JSON;

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let format: Format = arguments.keyword(&FORMAT).unwrap_or_default();
    match Explanation::of(&arguments.words().concat()) {
        Ok(explanation) if format == Format::Json => Ok(format!("{}\n", explanation.tree().json_line())),
        Ok(explanation) => Ok(explanation.text()),
        Err(unexplained) if unexplained.like.is_empty() => Err(Failure::failed(
            unexplained,
            "write 2150858770, -2144108526, 0x80338012 or a name such as ACCESS_DENIED",
        )),
        Err(unexplained) => {
            let like = unexplained.like.join("\n    ");
            Err(Failure::failed(&unexplained, &format!("names that contain it:\n    {like}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(words: &[&str]) -> Result<String, String> {
        let arguments = Arguments::parse_words(&EXPLAIN, words).map_err(|failure| failure.to_string())?;
        run(&arguments.expect("no request for help")).map_err(|failure| failure.to_string())
    }

    #[test]
    fn every_spelling_of_a_number_has_the_same_explanation() {
        let answer = explained(&["0x80338012"]).expect("a known number");
        for text in [
            "2150858770",
            "-2144108526",
            "80338012",
            "DESTINATION_UNREACHABLE",
            "error_wsman_destination_unreachable",
        ] {
            assert_eq!(explained(&[text]).as_ref(), Ok(&answer), "{text}");
        }
        assert!(answer.starts_with("cannot connect\n  check the host name and the port"), "{answer}");
        assert!(answer.ends_with(
            "name    ERROR_WSMAN_DESTINATION_UNREACHABLE\n\
             number  2150858770, -2144108526, 0x80338012\nlayer   WS-Management\n"
        ));
    }

    #[test]
    fn a_number_without_a_hint_is_explained_by_its_name() {
        let answer = explained(&["0x80070142"]).expect("a known number");
        assert!(answer.contains("inside  322, 0x142\nlayer   Win32, as an HRESULT\n"), "{answer}");
        assert!(explained(&["0x8033FFFF"]).expect("a number").starts_with("unknown error code\n"));
        assert!(explained(&["0"]).expect("a number").starts_with("success\n"));
    }

    #[test]
    fn a_part_of_a_name_lists_the_names() {
        let error = explained(&["max_shells"]).expect_err("no whole name");
        assert!(error.contains("\n    ERROR_WSMAN_QUOTA_MAX_SHELLS"), "{error}");
        assert!(explained(&["nonsense"]).expect_err("nothing").contains("write 2150858770"));
        assert!(explained(&["5", "6"]).expect_err("too much").contains("unexpected argument \"6\""));
    }

    #[test]
    fn json_is_printed_on_request() {
        let json = explained(&["5", "--format", "json"]).expect("a known number");
        assert_eq!(explained(&["--format=json", "5"]), Ok(json.clone()));
        assert!(explained(&["5", "--format", "json", "--format", "text"]).is_err());
        assert!(
            json.contains(
                "\"name\":\"ERROR_ACCESS_DENIED\",\"number\":\"5\",\"signed\":\"5\",\"hex\":\"0x5\""
            ),
            "{json}"
        );
    }
}
