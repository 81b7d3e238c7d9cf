//! The worker process: one model, one llama.cpp context, and the socket to control on its standard input.

mod devices;
mod options;

pub use devices::{Device, DeviceKind, devices};
pub use options::{OptionsError, WorkerOptions};

/// Why a worker process ended other than by order. A model that can't be loaded is told to control first.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("standard input is no socket: a worker is started by `genset serve`, not by hand")]
    NoSocket,
    #[error("the model could not be loaded: {0}")]
    Load(String),
    #[error("the engine could not compute: {0}")]
    Engine(String),
    #[error("the socket to control failed")]
    Socket(#[from] std::io::Error),
}

/// Serves until control closes the socket or says stop. Blocks; needs no runtime.
///
/// # Errors
/// See [`WorkerError`]; control learns of it by the process's end, and starts another.
pub fn run(options: &WorkerOptions) -> Result<(), WorkerError> {
    let _ = options;
    Err(WorkerError::NoSocket)
}
