;; Multiple results: a function, a block and a loop that pass two and three values on the stack.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "multi_value ")

  ;; Quotient and remainder, both used by the caller.
  (func $divide (param $n i64) (param $by i64) (result i64 i64)
    (i64.div_u (local.get $n) (local.get $by))
    (i64.rem_u (local.get $n) (local.get $by)))

  (func $rotate3 (param i64 i64 i64) (result i64 i64 i64)
    local.get 1
    local.get 2
    local.get 0)

  ;; The loop carries its two sums as parameters instead of locals.
  (func $work (param $left i32) (result i64)
    (local $by i64) (local $a i64) (local $b i64)
    i64.const 1
    i64.const 2
    (loop $again (param i64 i64) (result i64 i64)
      (local.set $by (i64.extend_i32_u (i32.add (local.get $left) (i32.const 3))))
      local.set $b
      local.set $a
      (call $divide
        (i64.add (i64.mul (local.get $a) (i64.const 6364136223846793005)) (local.get $b))
        (local.get $by))
      (i64.const 99)
      call $rotate3
      (block $swap (param i64 i64 i64) (result i64 i64)
        i64.xor
        (br_if $swap (i32.and (local.get $left) (i32.const 1)))
        local.set $b
        local.set $a
        local.get $b
        local.get $a)
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    i64.add)

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
