//! `telarch explain`: what an error number means, without asking anybody.

use cli::explain::Explanation;
use lexopt::Parser;

use crate::Subcommand;
use crate::failure::Failure;

pub(crate) const SUBCOMMAND: Subcommand =
    Subcommand { name: "explain", about: "tell what an error number means and what to do", help: HELP, run };

const HELP: &str = "\
telarch explain CODE [--format text|json]

  telarch explain 0x80338012
  telarch explain -2144108526
  telarch explain QUOTA_MAX_SHELLS

CODE is an error number in any spelling: decimal, negative, hexadecimal with or
without 0x, or its name with or without what many begin with (ERROR_WSMAN_,
ERROR_, SEC_E_, WBEM_E_, STATUS_). Known are the numbers of WS-Management, Win32,
sockets and HTTP of Windows, RPC, sign-in, certificates, COM, WMI and NTSTATUS.
A part of a name lists the names that contain it. Nothing is sent anywhere.
The exit status is 0, 1 if it is no number and no name that is known, and 2 if the
command line was not understood.
";

fn run(mut parser: Parser) -> Result<String, Failure> {
    let wrong = |what: String| {
        Failure::usage(format!("explain: {what}"), "telarch explain --help shows whole command lines")
    };
    // A negative number looks like options.
    let mut words = Vec::new();
    for word in parser.raw_args()? {
        words.push(
            word.into_string().map_err(|word| wrong(format!("{} is not UTF-8", word.to_string_lossy())))?,
        );
    }
    let mut words = words.into_iter();
    let (mut code, mut json) = (None, false);
    while let Some(word) = words.next() {
        let format = match word.strip_prefix("--format") {
            Some("") => Some(words.next().unwrap_or_default()),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        match (word.as_str(), format.as_deref()) {
            ("-h" | "--help", _) => return Ok(HELP.to_owned()),
            (_, Some("json")) => json = true,
            (_, Some("text")) => json = false,
            (_, Some(other)) => return Err(wrong(format!("--format does not know {other:?}"))),
            (option, None) if option.starts_with("--") => {
                return Err(wrong(format!("unknown option {option}")));
            }
            _ if code.is_some() => return Err(wrong(format!("{word:?} is one word too many"))),
            _ => code = Some(word),
        }
    }
    let Some(code) = code else { return Ok(HELP.to_owned()) };
    match Explanation::of(&code) {
        Ok(explanation) if json => Ok(format!("{}\n", explanation.tree().json_line())),
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
        run(Parser::from_args(words)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn every_spelling_of_a_number_has_the_same_answer() {
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
        assert!(answer.starts_with("cannot connect\n  check the name and the port"), "{answer}");
        assert!(answer.ends_with(
            "name    ERROR_WSMAN_DESTINATION_UNREACHABLE\n\
             number  2150858770, -2144108526, 0x80338012\nlayer   WS-Management\n"
        ));
    }

    #[test]
    fn a_number_without_a_hint_tells_what_its_name_says() {
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
        assert!(explained(&["5", "6"]).expect_err("too much").contains("one word too many"));
    }

    #[test]
    fn programs_get_json() {
        let json = explained(&["5", "--format", "json"]).expect("a known number");
        assert_eq!(explained(&["--format=json", "5"]), Ok(json.clone()));
        assert!(
            json.contains(
                "\"name\":\"ERROR_ACCESS_DENIED\",\"number\":\"5\",\"signed\":\"5\",\"hex\":\"0x5\""
            ),
            "{json}"
        );
    }
}
