//! Faults of quotas and disabled features (the settings below `winrm/config/winrs` and `service`).

use wsman::{Subcode, code};

use super::{Row, shell};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new(shell::create("OURS"), Subcode::InternalError, code::SHELL_ACCESS_DISABLED)
            .setting("Winrs.AllowRemoteShellAccess", "false"),
        Row::new(shell::create("THIRD"), Subcode::QuotaLimit, code::MAX_SHELLS_PER_USER)
            .setting("Winrs.MaxShellsPerUser", "2")
            .after(shell::create("FIRST"))
            .after(shell::create("SECOND"))
            .word("winrm shells -mine -kill"),
        Row::new(shell::create("HERS"), Subcode::QuotaLimit, code::MAX_SHELL_USERS)
            .setting("Winrs.MaxConcurrentUsers", "1")
            .setting("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;WD)")
            .after(shell::create("OURS"))
            .by_ben()
            .word("MaxConcurrentUsers"),
    ]
}
