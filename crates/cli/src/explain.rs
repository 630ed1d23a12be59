//! Explanations of error codes: `winrm helpmsg` and `telarch explain`.

use crate::codes::Code;
use crate::failure::Hint;
use crate::format::Tree;

/// Explanation of an error code.
#[derive(Clone, Debug)]
pub struct Explanation {
    code: Code,
    hint: Option<&'static Hint>,
}

/// An unknown error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown error code \"{text}\"")]
pub struct Unexplained {
    text: String,
    /// Symbolic names that contain the text.
    pub like: Vec<String>,
}

impl Explanation {
    /// Looks up an error code given as a decimal, negative or hexadecimal number, or as a symbolic name.
    ///
    /// # Errors
    /// [`Unexplained`], with similar names, if the text is not an error code.
    pub fn of(text: &str) -> Result<Self, Unexplained> {
        let Some(code) = Code::parse(text) else {
            let like = Code::search(text, MOST_ALIKE).into_iter().map(|(_, name)| name.to_owned()).collect();
            return Err(Unexplained { text: text.to_owned(), like });
        };
        Ok(Self { code, hint: Hint::find(code) })
    }

    /// Returns whether the code has a symbolic name or a hint.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.hint.is_some() || self.code.symbol().is_some()
    }

    /// Returns the explanation as text: meaning, advice, and every spelling, one per line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{}\n", self.what());
        for line in self.way_out() {
            out.push_str(&format!("  {line}\n"));
        }
        if let Some(symbol) = self.code.symbol() {
            out.push_str(&format!("name    {symbol}\n"));
        }
        let Code(number) = self.code;
        let signed = self.code.signed();
        let negative = if signed < 0 { format!(" {signed},") } else { String::new() };
        out.push_str(&format!("number  {number},{negative} 0x{number:X}\n"));
        if let Some(inner) = self.code.win32().filter(|inner| *inner != number) {
            out.push_str(&format!("inside  {inner}, 0x{inner:X}\n"));
        }
        out.push_str(&format!("layer   {}\n", self.code.layer()));
        out
    }

    /// Returns the explanation as structured data.
    #[must_use]
    pub fn tree(&self) -> Tree {
        let text = |name: &str, text: String| (name.to_owned(), Tree::Text(text));
        let Code(number) = self.code;
        let symbol = self.code.symbol().map_or(Tree::Null, Tree::from);
        Tree::Map(vec![
            text("what", self.what()),
            ("way_out".to_owned(), Tree::List(self.way_out().into_iter().map(Tree::Text).collect())),
            ("name".to_owned(), symbol),
            text("number", number.to_string()),
            text("signed", self.code.signed().to_string()),
            text("hex", format!("0x{number:X}")),
            text("layer", self.code.layer().to_owned()),
        ])
    }

    fn what(&self) -> String {
        match (self.hint, self.code.words()) {
            (Some(hint), _) => hint.summary.to_owned(),
            (None, Some(words)) => words,
            (None, None) if self.code == Code(0) => "success".to_owned(),
            (None, None) => "unknown error code".to_owned(),
        }
    }

    fn way_out(&self) -> Vec<String> {
        let lines = self.hint.map_or(&[][..], |hint| hint.way_out);
        lines.iter().map(|line| line.replace("{host}", "the remote machine")).collect()
    }
}

const MOST_ALIKE: usize = 12;
