;; values.wasm is this in the binary format.
(module
    (import "host" "split" (func $split (param i64) (result i32 i32)))
    (global $count (export "count") (mut i32) (i32.const 5))
    (global (export "ratio") f64 (f64.const 0.5))
    (func (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
    (func (export "count_up") (global.set $count (i32.add (global.get $count) (i32.const 1))))
    (func (export "parts") (param i64) (result i32 i32) (call $split (local.get 0))))
