(module
  (memory 1)
  (func (export "sum") (param i32 i32) (result i32)
    (local i32)
    (loop $next
      (local.set 2 (i32.add (local.get 2) (i32.load (local.get 0))))
      (local.set 0 (i32.add (local.get 0) (i32.const 4)))
      (br_if $next (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (local.get 2)))

;; === expected code ===
;; def0 sum
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  xorps xmm15, xmm15
;;   14  movsd [rbp-28h], xmm15
;;   1a  mov r8d, [rbp-28h]
;;   1e  mov eax, [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   25  add r8d, eax
;;   28  add esi, 4
;;   2b  sub edx, 1
;;   2e  jne short 1Eh
;;   30  mov rax, r8
;;   33  leave
;;   34  ret
