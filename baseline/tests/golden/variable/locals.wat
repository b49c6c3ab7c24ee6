(module
  (global $g (mut i32) (i32.const 0))
  (func (export "old value survives") (param i32) (result i32)
    (local.get 0)
    (local.set 0 (i32.const 1))
    (i32.add (local.get 0)))
  (func (export "swap") (param i64 i64) (result i64 i64)
    (local.get 1) (local.get 0))
  (func (export "cleared") (local i64 i64 i64) (local.set 1 (local.get 2)))
  (func (export "global") (global.set $g (i32.add (global.get $g) (i32.const 1)))))

;; === expected code ===
;; def0 old value survives
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov r8d, 1
;;   14  add esi, r8d
;;   17  mov rax, rsi
;;   1a  leave
;;   1b  ret
;; def1 swap
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov rax, rdx
;;    f  mov rcx, rsi
;;   12  leave
;;   13  ret
;; def2 cleared
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  xorps xmm15, xmm15
;;   10  movups [rbp-20h], xmm15
;;   15  movsd [rbp-28h], xmm15
;;   1b  mov rsi, [rbp-28h]
;;   1f  leave
;;   20  ret
;; def3 global
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov eax, [rdi+30h]
;;    f  add eax, 1
;;   12  mov [rdi+30h], eax
;;   15  leave
;;   16  ret
