//! The command table of `telarch`, and what its commands share.
//!
//! Each command is one [`Command`] value. The parser ([`Arguments`]), help, the manual page and shell completion all
//! read that value, so a command line is accepted exactly as it is documented.
//!
//! ```
//! use telarch_cli_command::{Action, Arguments, Command, Opt, Value};
//!
//! static LOUD: Opt = Opt::new("loud", Value::None, "greet in capital letters");
//! static GREET: Command = Command::new("greet", "greet someone", |arguments| {
//!     let name = arguments.words().join(" ");
//!     Ok(if arguments.is_given(&LOUD) { name.to_uppercase() } else { name })
//! })
//! .actions(&[Action::default(&[("NAME", "greet NAME")]).takes(1, 1)])
//! .options(&[&LOUD]);
//!
//! let arguments = Arguments::parse_words(&GREET, &["ann", "--loud"])?;
//! assert!(arguments.is_some_and(|arguments| arguments.is_given(&LOUD)));
//! # Ok::<(), telarch_cli_command::Failure>(())
//! ```

mod arguments;
mod completion;
pub mod date;
mod failure;
pub mod fleet;
pub mod format;
mod help;
mod manual;
pub mod output;
pub mod paths;
pub mod pattern;
mod program;
mod table;

pub use self::arguments::Arguments;
pub use self::failure::Failure;
pub use self::program::Program;
pub use self::table::{Action, Command, NoArguments, Opt, Scope, SingleDash, Value};
pub use cli::{Keyword, keywords};
