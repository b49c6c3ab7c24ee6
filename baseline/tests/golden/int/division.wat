(module
  (func (export "signed") (param i32 i32) (result i32)
    (i32.div_s (local.get 0) (local.get 1)))
  (func (export "remainder") (param i64 i64) (result i64)
    (i64.rem_s (local.get 0) (local.get 1)))
  (func (export "unsigned by constants") (param i32) (result i32)
    (i32.add (i32.div_u (local.get 0) (i32.const 8)) (i32.rem_u (local.get 0) (i32.const 10)))))

;; === expected code ===
;; def0 signed
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  mov rcx, rdx
;;   13  mov rax, rsi
;;   16  cmp ecx, 0FFFFFFFFh
;;   19  je 24h
;;   1f  cdq
;;   20  idiv ecx ; trap: integer divide by zero
;;   22  leave
;;   23  ret
;;   24  neg eax
;;   26  jo short 2Dh
;;   28  jmp 22h
;;   2d  ud2 ; trap: integer overflow
;; def1 remainder
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov rcx, rdx
;;    f  mov rax, rsi
;;   12  cmp rcx, 0FFFFFFFFFFFFFFFFh
;;   16  je 26h
;;   1c  cqo
;;   1e  idiv rcx ; trap: integer divide by zero
;;   21  mov rax, rdx
;;   24  leave
;;   25  ret
;;   26  xor edx, edx
;;   28  jmp 21h
;; def2 unsigned by constants
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov rax, rsi
;;   11  shr eax, 3
;;   14  mov rcx, rax
;;   17  mov r8d, 0Ah
;;   1d  mov rax, rsi
;;   20  xor edx, edx
;;   22  div r8d ; trap: integer divide by zero
;;   25  add ecx, edx
;;   27  mov rax, rcx
;;   2a  leave
;;   2b  ret
