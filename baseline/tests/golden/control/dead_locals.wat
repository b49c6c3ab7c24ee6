(module
  (memory 1)
  (func (export "swap") (param i32 i32)
    (local $a i64) (local $b i64)
    (loop $next
      (local.set $a (i64.load (local.get 0)))
      (local.set $b (i64.load (local.get 1)))
      (i64.store (local.get 0) (local.get $b))
      (i64.store (local.get 1) (local.get $a))
      (local.set 1 (i32.add (local.get 1) (i32.const 8)))
      (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 8))))))
  (func (export "left_before") (param i32) (result i64)
    (local $a i64)
    (block $out
      (loop $next
        (br_if $out (i32.eqz (local.get 0)))
        (local.set $a (i64.load (local.get 0)))
        (i64.store (i32.const 0) (local.get $a))
        (local.set 0 (i32.sub (local.get 0) (i32.const 8)))
        (br $next)))
    (local.get $a)))

;; === expected code ===
;; def0 swap
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  xorps xmm15, xmm15
;;   14  movups [rbp-30h], xmm15
;;   19  mov rax, [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   21  mov rcx, [rdi+rdx+8000000h] ; trap: out of bounds memory access
;;   29  mov [rdi+rsi+8000000h], rcx ; trap: out of bounds memory access
;;   31  mov [rdi+rdx+8000000h], rax ; trap: out of bounds memory access
;;   39  add edx, 8
;;   3c  sub esi, 8
;;   3f  jne short 19h
;;   41  leave
;;   42  ret
;; def1 left_before
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  xorps xmm15, xmm15
;;   12  movsd [rbp-20h], xmm15
;;   18  test esi, esi
;;   1a  je 38h
;;   20  mov rax, [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   28  mov [rdi+8000000h], rax ; trap: out of bounds memory access
;;   2f  sub esi, 8
;;   32  mov [rbp-20h], rax
;;   36  jmp short 18h
;;   38  mov rax, [rbp-20h]
;;   3c  leave
;;   3d  ret
