;;! counters
(module
  (func (export "count") (param i32) (result i32)
    (local i32)
    (loop $next
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1)))

;; === expected code ===
;; def0 count
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  sub dword ptr [13h], 0Ah ; budget[def0]
;;   13  js 51h
;;   19  mov esi, esi
;;   1b  xorps xmm15, xmm15
;;   1f  movsd [rbp-20h], xmm15
;;   25  mov r8d, [rbp-20h]
;;   29  mov r9d, [30h] ; budget[def0]
;;   30  sub r9d, 12Ch
;;   37  jl 6Ah
;;   3d  add r8d, esi
;;   40  sub esi, 1
;;   43  jne short 30h
;;   45  mov [4Ch], r9d ; budget[def0]
;;   4c  mov rax, r8
;;   4f  leave
;;   50  ret
;;   51  push 0
;;   56  push 0FFFFFFFFFFFFFFFFh
;;   5b  call qword ptr [61h] ; builtin[tier_up]
;;   61  add rsp, 10h
;;   65  jmp 19h
;;   6a  mov [71h], r9d ; budget[def0]
;;   71  mov [rbp-18h], esi
;;   74  mov [rbp-20h], r8d
;;   78  push 0
;;   7d  push 0
;;   82  call qword ptr [88h] ; builtin[tier_up]
;;   88  lea rsp, [rsp+8]
;;   8d  pop r11
;;   8f  jmp short 0A3h
;;   91  mov rdi, [rbp-8]
;;   98  mov rsi, rbp
;;   9b  call r11
;;   9e  jmp 4Fh
;;   a3  test r11, r11
;;   a6  jne short 91h
;;   a8  mov r9d, [0AFh] ; budget[def0]
;;   af  jmp 3Dh
