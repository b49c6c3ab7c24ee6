//! What a guest may see of the system.

use std::path::Path;

use anyhow::Context as _;
use wasi_common::sync::{Dir, WasiCtxBuilder as Inner, ambient_authority};
pub use wasi_common::{WasiCtx, WasiFile};

use crate::Result;

/// Collects what a guest may see; at first nothing: no arguments, no variables, empty streams.
#[derive(Default)]
pub struct WasiCtxBuilder {
    args: Vec<String>,
    env: Vec<(String, String)>,
    stdin: Option<Box<dyn WasiFile>>,
    stdout: Option<Box<dyn WasiFile>>,
    stderr: Option<Box<dyn WasiFile>>,
    dirs: Vec<(Dir, String)>,
}

impl WasiCtxBuilder {
    /// A builder for a guest that sees nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an argument; the first one is the program's name.
    pub fn arg(&mut self, arg: impl Into<String>) -> &mut Self {
        self.args.push(arg.into());
        self
    }

    /// Appends arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn env(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets all environment variables of this process whose text is Unicode.
    pub fn inherit_env(&mut self) -> &mut Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        self.env.extend(std::env::vars_os().filter_map(text));
        self
    }

    /// What the guest reads as its standard input; see [`pipe`](super::pipe).
    pub fn stdin(&mut self, file: impl WasiFile + 'static) -> &mut Self {
        self.stdin = Some(Box::new(file));
        self
    }

    /// Where the guest's standard output goes; see [`pipe`](super::pipe).
    pub fn stdout(&mut self, file: impl WasiFile + 'static) -> &mut Self {
        self.stdout = Some(Box::new(file));
        self
    }

    /// Where the guest's standard error goes; see [`pipe`](super::pipe).
    pub fn stderr(&mut self, file: impl WasiFile + 'static) -> &mut Self {
        self.stderr = Some(Box::new(file));
        self
    }

    /// Gives the guest the three standard streams of this process.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.stdin(wasi_common::sync::stdio::stdin())
            .stdout(wasi_common::sync::stdio::stdout())
            .stderr(wasi_common::sync::stdio::stderr())
    }

    /// Gives the guest a directory of the host, under a name of its own.
    ///
    /// # Errors
    ///
    /// If the directory can't be opened.
    pub fn preopened_dir(
        &mut self,
        host_path: impl AsRef<Path>,
        guest_path: impl Into<String>,
    ) -> Result<&mut Self> {
        let host_path = host_path.as_ref();
        let dir = Dir::open_ambient_dir(host_path, ambient_authority())
            .with_context(|| format!("cannot open the directory `{}`", host_path.display()))?;
        self.dirs.push((dir, guest_path.into()));
        Ok(self)
    }

    /// Makes the context, and leaves an empty builder.
    ///
    /// # Errors
    ///
    /// If arguments or variables are too large to describe to a guest (4 GiB).
    pub fn build(&mut self) -> Result<WasiCtx> {
        let collected = std::mem::take(self);
        let mut inner = Inner::new();
        inner.args(&collected.args)?.envs(&collected.env)?;
        if let Some(file) = collected.stdin {
            inner.stdin(file);
        }
        if let Some(file) = collected.stdout {
            inner.stdout(file);
        }
        if let Some(file) = collected.stderr {
            inner.stderr(file);
        }
        for (dir, guest_path) in collected.dirs {
            inner.preopened_dir(dir, guest_path)?;
        }
        Ok(inner.build())
    }
}

impl std::fmt::Debug for WasiCtxBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasiCtxBuilder")
            .field("args", &self.args)
            .field("env", &self.env)
            .finish_non_exhaustive()
    }
}
