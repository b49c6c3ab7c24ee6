;; Tables: function references moved between table slots while they are being called.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "table_moves ")

  (type $step (func (param i64) (result i64)))
  (table $steps 8 funcref)
  (elem (table $steps) (i32.const 0) func $add $xor $shift $mul)
  (elem $spare func $mul $add)

  (func $add (param i64) (result i64) (i64.add (local.get 0) (i64.const 0x1234567)))
  (func $xor (param i64) (result i64) (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 9))))
  (func $shift (param i64) (result i64) (i64.rotl (local.get 0) (i64.const 11)))
  (func $mul (param i64) (result i64) (i64.mul (local.get 0) (i64.const 0x2545F4914F6CDD1D)))

  ;; Swaps two slots through a local, then calls what one of them holds now.
  (func $work (param $left i32) (result i64)
    (local $sum i64) (local $to i32) (local $held funcref)
    (table.init $steps $spare (i32.const 4) (i32.const 0) (i32.const 2))
    (table.copy $steps $steps (i32.const 6) (i32.const 0) (i32.const 2))
    (local.set $sum (i64.const 1))
    (loop $again
      (local.set $to (i32.and (i32.wrap_i64 (i64.shr_u (local.get $sum) (i64.const 17))) (i32.const 7)))
      (local.set $held (table.get $steps (local.get $to)))
      (table.set $steps (local.get $to) (table.get $steps (i32.and (local.get $left) (i32.const 7))))
      (table.set $steps (i32.and (local.get $left) (i32.const 7)) (local.get $held))
      (local.set $sum
        (i64.add
          (call_indirect $steps (type $step) (local.get $sum) (local.get $to))
          (i64.extend_i32_u (ref.is_null (local.get $held)))))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    local.get $sum)

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
