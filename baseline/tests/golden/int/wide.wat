(module
  (func (param i64 i64 i64 i64) (result i64 i64)
    (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  (func (param i64 i64 i64) (result i64 i64)
    (i64.sub128 (local.get 0) (local.get 1) (local.get 2) (i64.const 0)))
  (func (param i64 i64) (result i64 i64)
    (i64.add128 (local.get 0) (local.get 1)
      (i64.const 0x123456789abcdef0) (i64.const 0x0fedcba987654321)))
  (func (param i64 i64) (result i64 i64)
    (i64.mul_wide_s (local.get 0) (local.get 1)))
  (func (param i64 i64 i64 i64) (result i64)
    (local.set 0 (local.set 1 (i64.mul_wide_u (local.get 0) (local.get 2))))
    (i64.add (local.get 0) (local.get 1)))
)

;; === expected code ===
;; def0 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov [rbp-8], rdi
;;    c  mov rax, rsi
;;    f  mov r9, rdx
;;   12  add rax, rcx
;;   15  adc r9, r8
;;   18  mov rcx, r9
;;   1b  leave
;;   1c  ret
;; def1 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov [rbp-8], rdi
;;    c  mov rax, rsi
;;    f  mov r8, rdx
;;   12  sub rax, rcx
;;   15  sbb r8, 0
;;   19  mov rcx, r8
;;   1c  leave
;;   1d  ret
;; def2 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov rax, rsi
;;    f  mov rcx, rdx
;;   12  mov r11, 123456789ABCDEF0h
;;   1c  mov r8, 0FEDCBA987654321h
;;   26  add rax, r11
;;   29  adc rcx, r8
;;   2c  leave
;;   2d  ret
;; def3 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov rcx, rdx
;;    f  mov rax, rsi
;;   12  imul rcx
;;   15  mov rcx, rdx
;;   18  leave
;;   19  ret
;; def4 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov r9, rdx
;;    f  mov rax, rsi
;;   12  mul rcx
;;   15  lea rsi, [rax+rdx]
;;   1a  mov rax, rsi
;;   1d  leave
;;   1e  ret
