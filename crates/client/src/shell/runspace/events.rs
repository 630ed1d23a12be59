//! Events and results of pipelines.

use psrp::clixml::Value;
use psrp::{
    Body, ErrorRecord, HostCall, InformationRecord, InformationalRecord, PipelineState, PipelineStateRecord,
    ProgressRecord,
};

/// Record that a pipeline has written, or a call of its script to the host of the client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PipelineEvent {
    /// Object of the output.
    Output(Value),
    /// Error that did not end the pipeline.
    Error(Box<ErrorRecord>),
    /// Warning.
    Warning(InformationalRecord),
    /// Verbose message.
    Verbose(InformationalRecord),
    /// Debug message.
    Debug(InformationalRecord),
    /// Progress of an activity.
    Progress(Box<ProgressRecord>),
    /// Record of the information stream.
    Information(Box<InformationRecord>),
    /// Call to the host. If it has a response, the script waits for
    /// [`PipelineControls::respond`](super::PipelineControls::respond).
    HostCall(HostCall),
}

/// Result of a pipeline that has ended.
#[derive(Clone, Debug, PartialEq)]
pub enum PipelineOutcome {
    /// The pipeline ran to its end; it may have written errors.
    Completed,
    /// The client stopped the pipeline.
    Stopped,
    /// An error ended the pipeline.
    Failed(Box<ErrorRecord>),
}

/// Content of a message to a pipeline.
pub(super) enum Content {
    Event(PipelineEvent),
    End(PipelineOutcome),
    /// State that does not end the pipeline, or a message that clients ignore.
    Nothing,
}

impl Content {
    /// Converts a message.
    pub(super) fn of(body: Body) -> Self {
        Self::Event(match body {
            Body::PipelineOutput(value) => PipelineEvent::Output(value),
            Body::Error(record) => PipelineEvent::Error(record),
            Body::Warning(record) => PipelineEvent::Warning(record),
            Body::Verbose(record) => PipelineEvent::Verbose(record),
            Body::Debug(record) => PipelineEvent::Debug(record),
            Body::Progress(record) => PipelineEvent::Progress(record),
            Body::Information(record) => PipelineEvent::Information(record),
            Body::PipelineHostCall(call) => PipelineEvent::HostCall(call),
            Body::PipelineState(PipelineStateRecord { state, error }) => {
                return match state {
                    PipelineState::Completed => Self::End(PipelineOutcome::Completed),
                    PipelineState::Stopped => Self::End(PipelineOutcome::Stopped),
                    PipelineState::Failed => Self::End(PipelineOutcome::Failed(error.unwrap_or_default())),
                    _ => Self::Nothing,
                };
            }
            _ => return Self::Nothing,
        })
    }
}
