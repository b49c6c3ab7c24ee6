(module
  (func (export "chain") (param i32 i32) (result i32)
    (i32.sub (i32.mul (i32.add (local.get 0) (i32.const 5)) (local.get 1)) (local.get 0)))
  (func (export "in place") (param i32 i32)
    (local.set 0 (i32.add (local.get 0) (i32.const 1)))
    (local.set 1 (i32.xor (local.get 0) (local.get 1))))
  (func (export "constants fold") (result i64)
    (i64.add (i64.const 40) (i64.shl (i64.const 1) (i64.const 1))))
  (func (export "wide constant") (param i64) (result i64)
    (i64.and (local.get 0) (i64.const 0x123456789abcdef0))))

;; === expected code ===
;; def0 chain
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  lea eax, [rsi+5]
;;   13  imul eax, edx
;;   16  sub eax, esi
;;   18  leave
;;   19  ret
;; def1 in place
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  add esi, 1
;;   13  xor edx, esi
;;   15  leave
;;   16  ret
;; def2 constants fold
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov eax, 2Ah
;;   11  leave
;;   12  ret
;; def3 wide constant
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov rax, rsi
;;    f  mov r11, 123456789ABCDEF0h
;;   19  and rax, r11
;;   1c  leave
;;   1d  ret
