//! The native part of the Python package `telarch`.
//!
//! Every call returns an [`Operation`](operation::Operation), which `telarch/_session.py` waits for and
//! `telarch/_asyncio.py` awaits, so that both have the same behaviour.

mod arguments;
mod enumerator;
mod log;
mod operation;
mod raise;
mod remoting;
mod resource;
mod runtime;
mod session;
mod shell;
mod slot;
mod subscription;
mod value;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

/// glibc returns large buffers to the system after every request, and the next request has to request their pages again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[pymodule]
fn _telarch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    log::install();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<enumerator::Enumerator>()?;
    module.add_class::<operation::Operation>()?;
    module.add_class::<remoting::Pipeline>()?;
    module.add_class::<remoting::Runspaces>()?;
    module.add_class::<resource::Locator>()?;
    module.add_class::<resource::Resource>()?;
    module.add_class::<session::Client>()?;
    module.add_class::<shell::Command>()?;
    module.add_class::<shell::Finished>()?;
    module.add_class::<shell::Shell>()?;
    module.add_class::<subscription::Subscription>()?;
    module.add_class::<value::SecureString>()?;
    module.add_function(wrap_pyfunction!(session::error_message, module)?)?;
    module.add_function(wrap_pyfunction!(session::clean_clixml, module)?)?;
    module.add_function(wrap_pyfunction!(runtime::wait_for_cleanup, module)?)?;
    let wait_at_exit = wrap_pyfunction!(runtime::wait_at_exit, module)?;
    module.py().import("atexit")?.call_method1("register", (wait_at_exit,))?;
    Ok(())
}
