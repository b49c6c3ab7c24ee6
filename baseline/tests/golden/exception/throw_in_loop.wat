;;! counters
(module
  (tag $tag (param i32))

  ;; The exception is made by a builtin, which keeps no register: the budget is in memory before.
  (func (export "throw in a loop") (param i32)
    (loop $next
      (if (i32.eq (local.get 0) (i32.const 7))
        (then (throw $tag (local.get 0))))
      (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))

;; === expected code ===
;; def0 throw in a loop
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 0F0h
;;   16  mov [rbp-8], rdi
;;   1a  sub dword ptr [21h], 0Ah ; budget[def0]
;;   21  js 8Fh
;;   27  mov esi, esi
;;   29  mov r8d, [30h] ; budget[def0]
;;   30  sub r8d, 12Ch
;;   37  jl 0A8h
;;   3d  cmp esi, 7
;;   40  jne 81h
;;   46  mov [4Dh], r8d ; budget[def0]
;;   4d  mov [rbp-18h], esi
;;   50  xor esi, esi
;;   52  mov edx, 1
;;   57  call qword ptr [5Dh] ; builtin[exception_new]
;;   5d  mov rdi, [rbp-8]
;;   61  test rax, rax
;;   64  je 0EEh
;;   6a  movss xmm15, [rbp-18h]
;;   70  movss [rax+10h], xmm15
;;   76  mov rsi, rax
;;   79  call qword ptr [7Fh] ; builtin[throw]
;;   7f  ud2
;;   81  sub esi, 1
;;   84  jne short 30h
;;   86  mov [8Dh], r8d ; budget[def0]
;;   8d  leave
;;   8e  ret
;;   8f  push 0
;;   94  push 0FFFFFFFFFFFFFFFFh
;;   99  call qword ptr [9Fh] ; builtin[tier_up]
;;   9f  add rsp, 10h
;;   a3  jmp 27h
;;   a8  mov [0AFh], r8d ; budget[def0]
;;   af  mov [rbp-18h], esi
;;   b2  push 0
;;   b7  push 0
;;   bc  call qword ptr [0C2h] ; builtin[tier_up]
;;   c2  lea rsp, [rsp+8]
;;   c7  pop r11
;;   c9  jmp short 0DDh
;;   cb  mov rdi, [rbp-8]
;;   d2  mov rsi, rbp
;;   d5  call r11
;;   d8  jmp 8Dh
;;   dd  test r11, r11
;;   e0  jne short 0CBh
;;   e2  mov r8d, [0E9h] ; budget[def0]
;;   e9  jmp 3Dh
;;   ee  ud2 ; trap: out of memory
;;   f0  ud2 ; trap: call stack exhausted
