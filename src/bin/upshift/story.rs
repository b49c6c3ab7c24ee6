//! stub
use std::process::ExitCode;
use crate::options::Options;
pub fn tell(_: &Options) -> ExitCode { ExitCode::SUCCESS }
