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
;;   13  js 46h
;;   19  mov esi, esi
;;   1b  xorps xmm15, xmm15
;;   1f  movsd [rbp-20h], xmm15
;;   25  mov r8d, [rbp-20h]
;;   29  sub dword ptr [33h], 12Ch ; budget[def0]
;;   33  js 5Fh
;;   39  add r8d, esi
;;   3c  sub esi, 1
;;   3f  jne short 29h
;;   41  mov rax, r8
;;   44  leave
;;   45  ret
;;   46  push 0
;;   4b  push 0FFFFFFFFFFFFFFFFh
;;   50  call qword ptr [56h] ; builtin[tier_up]
;;   56  add rsp, 10h
;;   5a  jmp 19h
;;   5f  mov [rbp-18h], esi
;;   62  mov [rbp-20h], r8d
;;   66  push 0
;;   6b  push 0
;;   70  call qword ptr [76h] ; builtin[tier_up]
;;   76  lea rsp, [rsp+8]
;;   7b  pop r11
;;   7d  jmp short 91h
;;   7f  mov rdi, [rbp-8]
;;   86  mov rsi, rbp
;;   89  call r11
;;   8c  jmp 44h
;;   91  test r11, r11
;;   94  jne short 7Fh
;;   96  jmp 39h
