//! Cranelift's target and settings from options: the only place that names a Cranelift setting.

use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable, SetError};

use crate::options::{Cpu, OptLevel, OptimizerOptions, Regalloc};

/// The reason why an optimizer could not be created.
#[derive(Debug, thiserror::Error)]
pub enum OptimizerError {
    /// Cranelift does not support the host.
    #[error("the optimizer does not support this host: {0}")]
    Host(&'static str),
    /// Cranelift refused a setting: a bug.
    #[error("Cranelift refused a setting: {0}")]
    Setting(#[from] SetError),
    /// Cranelift refused the combination of settings: a bug.
    #[error("Cranelift refused its settings: {0}")]
    Target(String),
}

/// The target for the options.
pub(crate) fn target(options: &OptimizerOptions) -> Result<OwnedTargetIsa, OptimizerError> {
    let detect = options.cpu == Cpu::Native;
    let mut target =
        cranelift_native::builder_with_options(detect).map_err(OptimizerError::Host)?;
    if options.cpu == Cpu::Sse41 {
        for feature in ["has_sse3", "has_ssse3", "has_sse41"] {
            target.enable(feature)?;
        }
    }
    let flags = settings::Flags::new(shared_flags(options)?);
    let isa = target.finish(flags);
    isa.map_err(|error| OptimizerError::Target(error.to_string()))
}

fn shared_flags(options: &OptimizerOptions) -> Result<settings::Builder, SetError> {
    let mut flags = settings::builder();
    flags.set(
        "opt_level",
        match options.opt_level {
            OptLevel::None => "none",
            OptLevel::Speed => "speed",
            OptLevel::SpeedAndSize => "speed_and_size",
        },
    )?;
    flags.set(
        "regalloc_algorithm",
        match options.regalloc {
            Regalloc::Backtracking => "backtracking",
            Regalloc::SinglePass => "single_pass",
        },
    )?;
    let mut switch = |name, on: bool| flags.set(name, if on { "true" } else { "false" });
    switch("enable_verifier", options.verify)?;
    switch("enable_nan_canonicalization", options.canonicalize_nans)?;
    // The frame walker needs frame pointers, and to know where a prologue moves its frame: unwind
    // information says that (see `artifact::frame_moves`) and serves for nothing else.
    switch("preserve_frame_pointers", true)?;
    switch("unwind_info", true)?;
    // Each prologue compares with the store's stack limit instead of touching pages.
    switch("enable_probestack", false)?;
    // A call of a symbol that is not colocated becomes a load from a rip-relative cell of a table
    // that the linker fills: exactly what slots and the builtins' table are.
    switch("is_pic", true)?;
    // For heaps and tables of Cranelift's, which nothing here uses: the translator masks indexes
    // itself.
    switch("enable_heap_access_spectre_mitigation", false)?;
    switch("enable_table_access_spectre_mitigation", false)?;
    Ok(flags)
}
