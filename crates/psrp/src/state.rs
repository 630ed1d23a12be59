//! States of runspace pools and pipelines.

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Returns the state with this number; `None` for an unknown number.
            #[must_use]
            pub fn from_code(code: i32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Returns the number on the wire.
            #[must_use]
            pub fn code(self) -> i32 {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// Returns the name of the state in PowerShell.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }
        }
    };
}

states! {
    /// State of a runspace pool (MS-PSRP 2.2.3.4).
    PoolState {
        /// Not opened yet.
        BeforeOpen = 0,
        /// Being opened.
        Opening = 1,
        /// Runs pipelines.
        Opened = 2,
        /// Closed.
        Closed = 3,
        /// Being closed.
        Closing = 4,
        /// Unusable after an error.
        Broken = 5,
        /// The capability was sent.
        NegotiationSent = 6,
        /// The capabilities of both ends fit.
        NegotiationSucceeded = 7,
        /// Being connected to.
        Connecting = 8,
        /// Disconnected; its pipelines continue.
        Disconnected = 9,
    }
}

states! {
    /// State of a pipeline (MS-PSRP 2.2.3.5).
    PipelineState {
        /// Not started yet.
        NotStarted = 0,
        /// Runs.
        Running = 1,
        /// Being stopped.
        Stopping = 2,
        /// Stopped by the client.
        Stopped = 3,
        /// Ended; it may have written errors.
        Completed = 4,
        /// Ended by an error.
        Failed = 5,
        /// Its pool is disconnected.
        Disconnected = 6,
    }
}

impl PipelineState {
    /// Returns whether the pipeline has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Completed | Self::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_number() {
        for code in 0..10 {
            assert_eq!(PoolState::from_code(code).map(PoolState::code), Some(code));
        }
        for code in 0..7 {
            assert_eq!(PipelineState::from_code(code).map(PipelineState::code), Some(code));
        }
        assert_eq!((PoolState::from_code(10), PipelineState::from_code(-1)), (None, None));
    }
}
