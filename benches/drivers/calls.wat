;; What a call costs, by kind. Each export makes `n` calls in a loop, every call's argument being the
;; last one's result, so that no call can be skipped or overlap the next; the loop is part of the
;; figure. `leaf` is also what the host calls to measure its own way in.
(module
  (import "host" "leaf" (func $host (param i32) (result i32)))
  (import "other" "leaf" (func $other (param i32) (result i32)))
  (type $leaf (func (param i32) (result i32)))
  ;; A mutable, exported table: the target is known at run time only.
  (table (export "table") 2 funcref)
  (elem (i32.const 0) $leaf $host)

  (func $leaf (export "leaf") (type $leaf)
    (i32.add (local.get 0) (i32.const 1)))

  (func (export "direct") (param $n i32) (result i32) (local $x i32)
    (loop $again
      (local.set $x (call $leaf (local.get $x)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))

  (func (export "indirect") (param $n i32) (result i32) (local $x i32)
    (loop $again
      (local.set $x (call_indirect (type $leaf) (local.get $x) (i32.const 0)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))

  (func (export "import") (param $n i32) (result i32) (local $x i32)
    (loop $again
      (local.set $x (call $other (local.get $x)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))

  (func (export "host") (param $n i32) (result i32) (local $x i32)
    (loop $again
      (local.set $x (call $host (local.get $x)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x)))
