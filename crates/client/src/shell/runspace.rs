//! PowerShell remoting (MS-PSRP): runspace pools and pipelines over shells of the service.

mod events;
mod keeper;
mod options;
mod pace;
mod pipeline;
mod pool;
mod shared;

pub use events::{PipelineEvent, PipelineOutcome};
pub use options::PoolOptions;
pub use pipeline::{Pipeline, PipelineControls};
pub use pool::{DisconnectedPool, RunspacePool};
