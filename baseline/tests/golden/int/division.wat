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
;;   10  mov rax, rdx
;;   13  mov rcx, rax
;;   16  mov rax, rsi
;;   19  cmp ecx, 0FFFFFFFFh
;;   1c  je 27h
;;   22  cdq
;;   23  idiv ecx ; trap: integer divide by zero
;;   25  leave
;;   26  ret
;;   27  neg eax
;;   29  jo short 30h
;;   2b  jmp 25h
;;   30  ud2 ; trap: integer overflow
;; def1 remainder
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov rax, rdx
;;    f  mov rcx, rax
;;   12  mov rax, rsi
;;   15  cmp rcx, 0FFFFFFFFFFFFFFFFh
;;   19  je 29h
;;   1f  cqo
;;   21  idiv rcx ; trap: integer divide by zero
;;   24  mov rax, rdx
;;   27  leave
;;   28  ret
;;   29  xor edx, edx
;;   2b  jmp 24h
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
