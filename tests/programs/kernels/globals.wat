;; Globals: a generator whose whole state is mutable globals, read and written on every step.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "globals     ")

  (global $a (mut i64) (i64.const 1))
  (global $b (mut i64) (i64.const 0x9E3779B97F4A7C15))
  (global $count (mut i32) (i32.const 0))
  (global $ratio (mut f64) (f64.const 1.5))
  (global $step i64 (i64.const 0x632BE59BD9B4E019))

  (func $next (result i64)
    (global.set $a (i64.rotl (i64.add (global.get $a) (global.get $step)) (i64.const 23)))
    (global.set $b (i64.xor (global.get $b) (i64.shl (global.get $a) (i64.const 5))))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.set $ratio
      (f64.sqrt (f64.add (global.get $ratio) (f64.convert_i32_u (global.get $count)))))
    (i64.add (global.get $a) (global.get $b)))

  (func $work (param $left i32) (result i64)
    (local $sum i64)
    (loop $again
      (local.set $sum (i64.xor (i64.rotl (local.get $sum) (i64.const 1)) (call $next)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    (i64.xor (local.get $sum) (i64.reinterpret_f64 (global.get $ratio))))

  (func $scale (result i32)
    (local $value i32) (local $at i32) (local $digit i32)
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (if (i32.lt_u (i32.load (i32.const 0)) (i32.const 2)) (then (return (i32.const 30000))))
    (drop (call $args_get (i32.const 256) (i32.const 512)))
    (local.set $at (i32.load (i32.const 260)))
    (loop $next
      (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
      (if (i32.lt_u (local.get $digit) (i32.const 10))
        (then
          (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10)) (local.get $digit)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next))))
    local.get $value)

  (func $print (param $sum i64)
    (local $at i32) (local $digit i32)
    (local.set $at (i32.const 92))
    (i32.store8 (local.get $at) (i32.const 10))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (local.set $digit (i32.and (i32.wrap_i64 (local.get $sum)) (i32.const 15)))
      (i32.store8 (local.get $at)
        (i32.add (local.get $digit)
          (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get $digit) (i32.const 9)))))
      (local.set $sum (i64.shr_u (local.get $sum) (i64.const 4)))
      (br_if $next (i32.gt_u (local.get $at) (i32.const 76))))
    (i32.store (i32.const 16) (i32.const 64))
    (i32.store (i32.const 20) (i32.const 29))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))

  (func (export "_start") (call $print (call $work (call $scale)))))
