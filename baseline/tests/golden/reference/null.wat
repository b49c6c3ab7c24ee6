(module
  (func $f (export "is null") (param funcref) (result i32) (ref.is_null (local.get 0)))
  (func (export "func") (result funcref) (ref.func $f)))

;; === expected code ===
;; def0 f
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  test rsi, rsi
;;    f  sete al
;;   12  movzx eax, al
;;   15  leave
;;   16  ret
;; def1 func
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  lea rax, [rdi+30h]
;;   10  leave
;;   11  ret
