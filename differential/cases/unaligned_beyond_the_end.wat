;; An address that is unaligned, and with its offset beyond what 32 bits hold: Wasmtime traps for
;; the second reason, as it adds the offset first.
;; arguments: 1
(module
  (memory 1)
  (func (export "notify") (result i32)
    i32.const -2
    i32.const 1
    memory.atomic.notify offset=8)
  (memory $shared 1 1 shared)
  (func (export "wait") (result i32)
    i32.const -2
    i32.const 0
    i64.const 0
    memory.atomic.wait32 $shared offset=8)
)
