//! Environment variables of a user's session.

use crate::wire::{Malformed, Reader, Writer};

/// Environment variables that PAM has set for a user's session. Only the user's commands receive them.
///
/// Users control some of them (`pam_env` with `user_readenv=1`, environment of systemd-homed). They therefore never
/// enter the environment of a root process, and variables that affect how a program is loaded are dropped: those that
/// glibc ignores in setuid programs (ld.so(8), "Secure-execution mode") and those that sudo removes (sudoers(5),
/// "Command environment"). `TMPDIR` is kept, because `pam_tmpdir` exists to set it.
///
/// INVARIANT: at most [`MAX_COUNT`](Self::MAX_COUNT) variables with at most [`MAX_BYTES`](Self::MAX_BYTES) bytes in
/// total; names are not empty and contain no `=`, neither names nor values contain NUL, and no name is on the list of
/// dropped names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(Vec<(String, String)>);

impl Variables {
    /// Maximum number of variables.
    pub const MAX_COUNT: usize = 256;
    /// Maximum total size of names and values in bytes.
    pub const MAX_BYTES: usize = 64 << 10;

    /// Collects the variables that commands may have. Also returns the number of dropped variables.
    #[must_use]
    pub fn from_session(found: impl IntoIterator<Item = (String, String)>) -> (Self, usize) {
        let (mut variables, mut dropped) = (Self::default(), 0);
        for (name, value) in found {
            if !variables.push(name, value) {
                dropped += 1;
            }
        }
        (variables, dropped)
    }

    /// Returns the value of a variable. The last assignment counts, as with putenv(3).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Returns all names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds a variable if it is allowed; returns `false` if it was dropped.
    fn push(&mut self, name: String, value: String) -> bool {
        let size: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        let fits = self.0.len() < Self::MAX_COUNT && size + name.len() + value.len() <= Self::MAX_BYTES;
        let is_text = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
        let is_allowed = fits && is_text && !changes_loading(&name, &value);
        if is_allowed {
            self.0.push((name, value));
        }
        is_allowed
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        for (name, value) in &self.0 {
            w.text(name).text(value);
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut variables = Self::default();
        for _ in 0..r.u32()? {
            let (name, value) = (r.text()?.to_owned(), r.text()?.to_owned());
            if !variables.push(name, value) {
                return Err(Malformed("forbidden variable, or too many"));
            }
        }
        Ok(variables)
    }
}

/// Shows names only, because values may be secrets.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Returns whether a variable affects which code a program loads or runs, or is reserved for this service.
fn changes_loading(name: &str, value: &str) -> bool {
    const PREFIXES: [&str; 13] = [
        "LD_",
        "_RLD",
        "LDR_",
        "DYLD_",
        "MALLOC_",
        "GLIBC_",
        "TELARCH_",
        "BASH_FUNC_",
        "KRB5_CONFIG",
        "KRB5_KTNAME",
        "NOTIFY_",
        "LISTEN_",
        "WATCHDOG_",
    ];
    const NAMES: [&str; 55] = [
        "AUTHSTATE",
        "BASHOPTS",
        "BASH_ENV",
        "CDPATH",
        "DLC_ACE",
        "ENV",
        "FPATH",
        "GCONV_PATH",
        "GETCONF_DIR",
        "GLOBIGNORE",
        "HOSTALIASES",
        "IFS",
        "JAVA_TOOL_OPTIONS",
        "JOURNAL_STREAM",
        "LIBPATH",
        "LOCALDOMAIN",
        "LOCPATH",
        "NIS_PATH",
        "NLSPATH",
        "NODE_OPTIONS",
        "NODE_PATH",
        "NULLCMD",
        "OPENSSL_CONF",
        "OPENSSL_ENGINES",
        "OPENSSL_MODULES",
        "PATH_LOCALE",
        "PERL5DB",
        "PERL5LIB",
        "PERL5OPT",
        "PERLIO_DEBUG",
        "PERLLIB",
        "PS4",
        "PYTHONHOME",
        "PYTHONINSPECT",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONUSERBASE",
        "READNULLCMD",
        "RESOLV_HOST_CONF",
        "RES_OPTIONS",
        "RUBYLIB",
        "RUBYOPT",
        "SHELLOPTS",
        "SHLIB_PATH",
        "TERMCAP",
        "TERMINFO",
        "TERMINFO_DIRS",
        "TERMPATH",
        "TMPPREFIX",
        "TZDIR",
        "USR_ACE",
        "VAR_ACE",
        "XTABLES_LIBDIR",
        "ZDOTDIR",
        "_JAVA_OPTIONS",
    ];
    // Old shells import such a value as a function, whatever its name (CVE-2014-6271).
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name) || value.starts_with("()")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> (Variables, usize) {
        Variables::from_session(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn variables_that_affect_program_loading_are_dropped() {
        for name in [
            "LD_PRELOAD",
            "LD_AUDIT",
            "GLIBC_TUNABLES",
            "GCONV_PATH",
            "MALLOC_PERTURB_",
            "LOCPATH",
            "BASH_ENV",
        ] {
            assert_eq!(of(&[(name, "/tmp/x")]), (Variables::default(), 1), "{name}");
        }
        for (name, value) in
            [("TELARCH_SHELL", "x"), ("", "x"), ("A=B", "x"), ("A", "x\0y"), ("A", "() { :; }; id")]
        {
            assert_eq!(of(&[(name, value)]), (Variables::default(), 1), "{name} {value:?}");
        }
        let (variables, dropped) =
            of(&[("PATH", "/bin"), ("TMPDIR", "/tmp/ann"), ("LANG", "C"), ("LANG", "de")]);
        assert_eq!((dropped, variables.get("PATH"), variables.get("LANG")), (0, Some("/bin"), Some("de")));
        assert_eq!(format!("{variables:?}"), r#"["PATH", "TMPDIR", "LANG", "LANG"]"#);
    }

    #[test]
    fn number_and_total_size_of_variables_are_bounded() {
        let many = (0..1_000).map(|number| (format!("V{number}"), String::new()));
        let (variables, dropped) = Variables::from_session(many);
        assert_eq!((variables.iter().count(), dropped), (Variables::MAX_COUNT, 1_000 - Variables::MAX_COUNT));
        let large = ("V".to_owned(), "x".repeat(Variables::MAX_BYTES));
        assert_eq!(Variables::from_session([large]), (Variables::default(), 1));
    }

    #[test]
    fn a_message_with_a_forbidden_variable_is_malformed() {
        let mut w = Writer::default();
        w.u32(1).text("LD_PRELOAD").text("/tmp/x");
        assert!(Variables::read(&mut Reader::new(&w.finish())).is_err());
        let mut w = Writer::default();
        let (variables, _) = of(&[("A", "1"), ("B", "2")]);
        variables.write(&mut w);
        assert_eq!(Variables::read(&mut Reader::new(&w.finish())), Ok(variables));
    }
}
