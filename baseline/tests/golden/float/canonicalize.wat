;;! canonicalize plain
(module
  (func (export "sqrt") (param f32) (result f32) (f32.sqrt (local.get 0)))
  (func (export "round") (param f64) (result f64) (f64.floor (local.get 0))))

;; === expected code ===
;; def0 sqrt
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  movaps xmm1, xmm0
;;    f  sqrtss xmm1, xmm1
;;   13  ucomiss xmm1, xmm1
;;   16  jp 21h
;;   1c  movaps xmm0, xmm1
;;   1f  leave
;;   20  ret
;;   21  movss xmm1, [30h]
;;   29  jmp 1Ch
;;   2e  data [cc, cc]
;;   30  data [00, 00, c0, 7f]
;; def1 round
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 42h
;;   16  mov [rbp-8], rdi
;;   1a  movsd [rbp-18h], xmm0
;;   1f  call qword ptr [25h] ; builtin[f64_floor]
;;   25  mov rdi, [rbp-8]
;;   29  ucomisd xmm0, xmm0
;;   2d  jp 35h
;;   33  leave
;;   34  ret
;;   35  movsd xmm0, [48h]
;;   3d  jmp 33h
;;   42  ud2 ; trap: call stack exhausted
;;   44  data [cc, cc, cc, cc, 00, 00, 00, 00, 00, 00, f8, 7f]
