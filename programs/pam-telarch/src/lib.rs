//! PAM module `pam_telarch.so`: stores the NT hash of a Linux user who signs in locally or changes the password.
//!
//! NTLM needs the NT hash of a password, which Linux does not store. With this module, users of the machine can sign in
//! to the service with Negotiate and their own password, as on Windows. `docs/pam.md` describes its setup and its
//! risks.
//!
//! - `pam_sm_authenticate` and `pam_sm_chauthtok` store the hash in the account file of the service, sealed with the
//!   host key.
//! - The password is verified with the shadow file first, so that the module may be anywhere in a stack.
//! - The module never decides: every function returns `PAM_IGNORE`, also after an error, which is logged.
//!
//! The module reads no environment variables, starts no threads and no programs, and waits for at most two seconds.

mod module;
mod options;
mod sign_in;

pub use module::{pam_sm_authenticate, pam_sm_chauthtok, pam_sm_setcred};
