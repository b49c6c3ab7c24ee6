;; The other instance of calls.wat: the owner of its import `other.leaf`.
(module
  (func (export "leaf") (param i32) (result i32)
    (i32.add (local.get 0) (i32.const 1))))
