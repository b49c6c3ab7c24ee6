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
;;   10  jb 0E5h
;;   16  mov [rbp-8], rdi
;;   1a  sub dword ptr [21h], 0Ah ; budget[def0]
;;   21  js 86h
;;   27  mov esi, esi
;;   29  mov r8d, [30h] ; budget[def0]
;;   30  sub r8d, 12Ch
;;   37  jl 9Fh
;;   3d  cmp esi, 7
;;   40  jne 78h
;;   46  mov [4Dh], r8d ; budget[def0]
;;   4d  mov [rbp-18h], esi
;;   50  xor esi, esi
;;   52  mov edx, 1
;;   57  call qword ptr [5Dh] ; builtin[exception_new]
;;   5d  mov rdi, [rbp-8]
;;   61  movss xmm15, [rbp-18h]
;;   67  movss [rax+10h], xmm15
;;   6d  mov rsi, rax
;;   70  call qword ptr [76h] ; builtin[throw]
;;   76  ud2
;;   78  sub esi, 1
;;   7b  jne short 30h
;;   7d  mov [84h], r8d ; budget[def0]
;;   84  leave
;;   85  ret
;;   86  push 0
;;   8b  push 0FFFFFFFFFFFFFFFFh
;;   90  call qword ptr [96h] ; builtin[tier_up]
;;   96  add rsp, 10h
;;   9a  jmp 27h
;;   9f  mov [0A6h], r8d ; budget[def0]
;;   a6  mov [rbp-18h], esi
;;   a9  push 0
;;   ae  push 0
;;   b3  call qword ptr [0B9h] ; builtin[tier_up]
;;   b9  lea rsp, [rsp+8]
;;   be  pop r11
;;   c0  jmp short 0D4h
;;   c2  mov rdi, [rbp-8]
;;   c9  mov rsi, rbp
;;   cc  call r11
;;   cf  jmp 84h
;;   d4  test r11, r11
;;   d7  jne short 0C2h
;;   d9  mov r8d, [0E0h] ; budget[def0]
;;   e0  jmp 3Dh
;;   e5  ud2 ; trap: call stack exhausted
