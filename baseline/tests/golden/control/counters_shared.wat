;;! counters
;; Each instance has its own budgets, as it may run on another thread.
(module
  (memory 1 2 shared)
  (func $half (param i32) (result i32)
    (i32.shr_u (local.get 0) (i32.const 1)))
  (func (export "count") (param i32) (result i32)
    (local i32)
    (loop $next
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (loop $calling
      (br_if $calling (local.tee 1 (call $half (local.get 1)))))
    (local.get 1)))

;; === expected code ===
;; def0 half
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  sub dword ptr [rdi+30h], 0Ah
;;   10  js 20h
;;   16  mov esi, esi
;;   18  mov rax, rsi
;;   1b  shr eax, 1
;;   1e  leave
;;   1f  ret
;;   20  push 0
;;   25  push 0FFFFFFFFFFFFFFFFh
;;   2a  call qword ptr [30h] ; builtin[tier_up]
;;   30  add rsp, 10h
;;   34  jmp 16h
;; def1 count
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 38h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 107h
;;   16  push rbx
;;   18  mov [rbp-8], rdi
;;   1c  sub dword ptr [rdi+34h], 0Ah
;;   20  js 86h
;;   26  mov esi, esi
;;   28  xorps xmm15, xmm15
;;   2c  movsd [rbp-20h], xmm15
;;   32  mov r8d, [rbp-20h]
;;   36  mov r9d, [rdi+34h]
;;   3a  sub r9d, 12Ch
;;   41  jl 9Fh
;;   47  add r8d, esi
;;   4a  sub esi, 1
;;   4d  jne short 3Ah
;;   4f  mov [rdi+34h], r9d
;;   53  mov [rbp-18h], esi
;;   56  mov rbx, r8
;;   59  sub dword ptr [rdi+34h], 12Ch
;;   60  js 0E3h
;;   66  mov rsi, rbx
;;   69  call qword ptr [6Fh] ; slot[def0]
;;   6f  mov rdi, [rbp-8]
;;   73  mov eax, eax
;;   75  test eax, eax
;;   77  je 82h
;;   7d  mov rbx, rax
;;   80  jmp short 59h
;;   82  pop rbx
;;   84  leave
;;   85  ret
;;   86  push 1
;;   8b  push 0FFFFFFFFFFFFFFFFh
;;   90  call qword ptr [96h] ; builtin[tier_up]
;;   96  add rsp, 10h
;;   9a  jmp 26h
;;   9f  mov [rdi+34h], r9d
;;   a3  mov [rbp-18h], esi
;;   a6  mov [rbp-20h], r8d
;;   aa  push 1
;;   af  push 0
;;   b4  call qword ptr [0BAh] ; builtin[tier_up]
;;   ba  lea rsp, [rsp+8]
;;   bf  pop r11
;;   c1  jmp short 0D5h
;;   c3  mov rdi, [rbp-8]
;;   ca  mov rsi, rbp
;;   cd  call r11
;;   d0  jmp 82h
;;   d5  test r11, r11
;;   d8  jne short 0C3h
;;   da  mov r9d, [rdi+34h]
;;   de  jmp 47h
;;   e3  mov [rbp-20h], ebx
;;   e6  push 1
;;   eb  push 1
;;   f0  call qword ptr [0F6h] ; builtin[tier_up]
;;   f6  lea rsp, [rsp+8]
;;   fb  pop r11
;;   fd  test r11, r11
;;  100  jne short 0C3h
;;  102  jmp 66h
;;  107  ud2 ; trap: call stack exhausted
