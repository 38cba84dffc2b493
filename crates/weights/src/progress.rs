//! Progress reports of `pull` and `import`. Drawn by the CLI, logged by the worker; this crate never prints.

/// How far a pull or an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done now.
    pub stage: Stage,
    /// Bytes of this stage that are done.
    pub bytes_done: u64,
    /// Bytes this stage has in all; `None` where the source does not say.
    pub bytes_total: Option<u64>,
}

/// The steps of a pull or an import, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Bytes come from the network.
    Download,
    /// The downloaded bytes are hashed and compared.
    Verify,
    /// CTranslate2 tensors are written as a ggml file.
    Convert,
}
