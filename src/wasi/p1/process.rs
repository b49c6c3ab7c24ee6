//! The functions for arguments, environment, clocks, random bytes and signals.

use crate::wasi::abi::ClockId;
use crate::wasi::call::{Call, Result};
use crate::wasi::errno::Errno;

pub(crate) fn args_get(call: &mut Call<'_>, argv: u32, argv_buf: u32) -> Result {
    Ok(call.ctx.args.write(&mut call.memory, argv, argv_buf)?)
}

pub(crate) fn args_sizes_get(call: &mut Call<'_>, argc: u32, argv_buf_size: u32) -> Result {
    let args = &call.ctx.args;
    Ok(args.write_sizes(&mut call.memory, argc, argv_buf_size)?)
}

pub(crate) fn environ_get(call: &mut Call<'_>, environ: u32, environ_buf: u32) -> Result {
    Ok(call.ctx.env.write(&mut call.memory, environ, environ_buf)?)
}

pub(crate) fn environ_sizes_get(call: &mut Call<'_>, count: u32, buf_size: u32) -> Result {
    Ok(call
        .ctx
        .env
        .write_sizes(&mut call.memory, count, buf_size)?)
}

pub(crate) fn clock_res_get(call: &mut Call<'_>, id: u32, resolution: u32) -> Result {
    let ticks = call.ctx.clocks.resolution(ClockId::from_guest(id)?)?;
    Ok(call.memory.write_u64(resolution, ticks)?)
}

pub(crate) fn clock_time_get(call: &mut Call<'_>, id: u32, _precision: u64, time: u32) -> Result {
    let now = call.ctx.clocks.now(ClockId::from_guest(id)?)?;
    Ok(call.memory.write_u64(time, now)?)
}

/// How many random bytes are generated before an interruption is checked for, and other threads may
/// use the context.
const RANDOM_PIECE: usize = 1 << 20;

pub(crate) fn random_get(call: &mut Call<'_>, buf: u32, buf_len: u32) -> Result {
    let (ctx, waiter) = (&mut call.ctx, &call.waiter);
    call.memory
        .fill_pieces(buf, buf_len, RANDOM_PIECE, |piece| {
            ctx.pause(waiter)?;
            Ok(ctx.random.fill(piece)?)
        })
}

/// Not supported: preview 1 lets a program end itself by a signal, which later previews dropped; no
/// known toolchain uses it.
pub(crate) fn proc_raise(_call: &mut Call<'_>, _signal: u32) -> Result {
    Err(Errno::Nosys.into())
}

pub(crate) fn sched_yield(_call: &mut Call<'_>) -> Result {
    std::thread::yield_now();
    Ok(())
}
