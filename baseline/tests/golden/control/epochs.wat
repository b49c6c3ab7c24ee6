;;! epochs counters
(module
  (import "" "call" (func $call))
  (func $loop (param $n i32) (param $sum i32) (result i32)
    (loop
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func $calls (param $n i32)
    (loop
      (call $call)
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))

;; === expected code ===
;; def0 loop
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  sub dword ptr [13h], 0Ah ; budget[def0]
;;   13  js 68h
;;   19  mov r11, [rdi+20h]
;;   1d  mov r11, [r11]
;;   21  cmp r11, [rdi+28h]
;;   25  jae 81h
;;   2b  mov esi, esi
;;   2d  mov edx, edx
;;   2f  mov r8d, [36h] ; budget[def0]
;;   36  sub r8d, 12Ch
;;   3d  jl 8Ch
;;   43  mov r11, [rdi+20h]
;;   47  mov r11, [r11]
;;   4b  cmp r11, [rdi+28h]
;;   4f  jae 0D5h
;;   55  add edx, esi
;;   57  sub esi, 1
;;   5a  jne short 36h
;;   5c  mov [63h], r8d ; budget[def0]
;;   63  mov rax, rdx
;;   66  leave
;;   67  ret
;;   68  push 0
;;   6d  push 0FFFFFFFFFFFFFFFFh
;;   72  call qword ptr [78h] ; builtin[tier_up]
;;   78  add rsp, 10h
;;   7c  jmp 19h
;;   81  call qword ptr [87h] ; builtin[new_epoch]
;;   87  jmp 2Bh
;;   8c  mov [93h], r8d ; budget[def0]
;;   93  mov [rbp-20h], edx
;;   96  mov [rbp-18h], esi
;;   99  push 0
;;   9e  push 0
;;   a3  call qword ptr [0A9h] ; builtin[tier_up]
;;   a9  lea rsp, [rsp+8]
;;   ae  pop r11
;;   b0  jmp short 0C4h
;;   b2  mov rdi, [rbp-8]
;;   b9  mov rsi, rbp
;;   bc  call r11
;;   bf  jmp 66h
;;   c4  test r11, r11
;;   c7  jne short 0B2h
;;   c9  mov r8d, [0D0h] ; budget[def0]
;;   d0  jmp 43h
;;   d5  call qword ptr [0DBh] ; builtin[new_epoch]
;;   db  jmp 55h
;; def1 calls
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 0E1h
;;   16  push rbx
;;   18  mov [rbp-8], rdi
;;   1c  sub dword ptr [23h], 0Ah ; budget[def1]
;;   23  js 7Ah
;;   29  mov r11, [rdi+20h]
;;   2d  mov r11, [r11]
;;   31  cmp r11, [rdi+28h]
;;   35  jae 93h
;;   3b  mov esi, esi
;;   3d  mov rbx, rsi
;;   40  sub dword ptr [4Ah], 12Ch ; budget[def1]
;;   4a  js 9Eh
;;   50  mov r11, [rdi+20h]
;;   54  mov r11, [r11]
;;   58  cmp r11, [rdi+28h]
;;   5c  jae 0D6h
;;   62  mov r11, [rdi+30h]
;;   66  mov rdi, [rdi+38h]
;;   6a  call qword ptr [r11]
;;   6d  mov rdi, [rbp-8]
;;   71  sub ebx, 1
;;   74  jne short 40h
;;   76  pop rbx
;;   78  leave
;;   79  ret
;;   7a  push 1
;;   7f  push 0FFFFFFFFFFFFFFFFh
;;   84  call qword ptr [8Ah] ; builtin[tier_up]
;;   8a  add rsp, 10h
;;   8e  jmp 29h
;;   93  call qword ptr [99h] ; builtin[new_epoch]
;;   99  jmp 3Bh
;;   9e  mov [rbp-18h], ebx
;;   a1  push 1
;;   a6  push 0
;;   ab  call qword ptr [0B1h] ; builtin[tier_up]
;;   b1  lea rsp, [rsp+8]
;;   b6  pop r11
;;   b8  jmp short 0CCh
;;   ba  mov rdi, [rbp-8]
;;   c1  mov rsi, rbp
;;   c4  call r11
;;   c7  jmp 76h
;;   cc  test r11, r11
;;   cf  jne short 0BAh
;;   d1  jmp 50h
;;   d6  call qword ptr [0DCh] ; builtin[new_epoch]
;;   dc  jmp 62h
;;   e1  ud2 ; trap: call stack exhausted
