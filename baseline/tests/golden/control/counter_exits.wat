;;! counters
(module
  (memory 1)
  (func (export "find") (param i32 i32) (result i32)
    (block $absent
      (loop $next
        (br_if $absent (i32.eqz (local.get 1)))
        (if (i32.eq (i32.load8_u (local.get 0)) (i32.const 10))
          (then (return (local.get 1))))
        (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
        (br $next)))
    (i32.const -1))
  (func (export "outer_in_memory") (param i32 i32)
    (loop $rows
      (loop $columns
        (br_if $columns (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (br_if $rows (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))))
  (func (export "calls_in_memory") (param i32)
    (loop $next
      (call 0 (local.get 0) (i32.const 1))
      drop
      (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))

;; === expected code ===
;; def0 find
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  sub dword ptr [13h], 0Ah ; budget[def0]
;;   13  js 68h
;;   19  mov esi, esi
;;   1b  mov edx, edx
;;   1d  mov r8d, [24h] ; budget[def0]
;;   24  sub r8d, 12Ch
;;   2b  jl 81h
;;   31  test edx, edx
;;   33  je 0CAh
;;   39  movzx eax, byte ptr [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   41  cmp eax, 0Ah
;;   44  jne 59h
;;   4a  mov [51h], r8d ; budget[def0]
;;   51  mov rax, rdx
;;   54  jmp 66h
;;   59  add esi, 1
;;   5c  sub edx, 1
;;   5f  jmp short 24h
;;   61  mov eax, 0FFFFFFFFh
;;   66  leave
;;   67  ret
;;   68  push 0
;;   6d  push 0FFFFFFFFFFFFFFFFh
;;   72  call qword ptr [78h] ; builtin[tier_up]
;;   78  add rsp, 10h
;;   7c  jmp 19h
;;   81  mov [88h], r8d ; budget[def0]
;;   88  mov [rbp-20h], edx
;;   8b  mov [rbp-18h], esi
;;   8e  push 0
;;   93  push 0
;;   98  call qword ptr [9Eh] ; builtin[tier_up]
;;   9e  lea rsp, [rsp+8]
;;   a3  pop r11
;;   a5  jmp short 0B9h
;;   a7  mov rdi, [rbp-8]
;;   ae  mov rsi, rbp
;;   b1  call r11
;;   b4  jmp 66h
;;   b9  test r11, r11
;;   bc  jne short 0A7h
;;   be  mov r8d, [0C5h] ; budget[def0]
;;   c5  jmp 31h
;;   ca  mov [0D1h], r8d ; budget[def0]
;;   d1  jmp 61h
;; def1 outer_in_memory
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  sub dword ptr [13h], 0Ah ; budget[def1]
;;   13  js 63h
;;   19  mov esi, esi
;;   1b  mov edx, edx
;;   1d  sub dword ptr [27h], 12Ch ; budget[def1]
;;   27  js 7Ch
;;   2d  mov [rbp-20h], edx
;;   30  mov r8d, [37h] ; budget[def1]
;;   37  sub r8d, 12Ch
;;   3e  jl 0B7h
;;   44  sub esi, 1
;;   47  jne short 37h
;;   49  mov [50h], r8d ; budget[def1]
;;   50  mov eax, [rbp-20h]
;;   53  sub eax, 1
;;   56  je 61h
;;   5c  mov rdx, rax
;;   5f  jmp short 1Dh
;;   61  leave
;;   62  ret
;;   63  push 1
;;   68  push 0FFFFFFFFFFFFFFFFh
;;   6d  call qword ptr [73h] ; builtin[tier_up]
;;   73  add rsp, 10h
;;   77  jmp 19h
;;   7c  mov [rbp-20h], edx
;;   7f  mov [rbp-18h], esi
;;   82  push 1
;;   87  push 0
;;   8c  call qword ptr [92h] ; builtin[tier_up]
;;   92  lea rsp, [rsp+8]
;;   97  pop r11
;;   99  jmp short 0ADh
;;   9b  mov rdi, [rbp-8]
;;   a2  mov rsi, rbp
;;   a5  call r11
;;   a8  jmp 61h
;;   ad  test r11, r11
;;   b0  jne short 9Bh
;;   b2  jmp 2Dh
;;   b7  mov [0BEh], r8d ; budget[def1]
;;   be  mov [rbp-18h], esi
;;   c1  push 1
;;   c6  push 1
;;   cb  call qword ptr [0D1h] ; builtin[tier_up]
;;   d1  lea rsp, [rsp+8]
;;   d6  pop r11
;;   d8  test r11, r11
;;   db  jne short 9Bh
;;   dd  mov r8d, [0E4h] ; budget[def1]
;;   e4  jmp 44h
;; def2 calls_in_memory
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 0ACh
;;   16  push rbx
;;   18  mov [rbp-8], rdi
;;   1c  sub dword ptr [23h], 0Ah ; budget[def2]
;;   23  js 5Bh
;;   29  mov esi, esi
;;   2b  mov rbx, rsi
;;   2e  sub dword ptr [38h], 12Ch ; budget[def2]
;;   38  js 74h
;;   3e  mov rsi, rbx
;;   41  mov edx, 1
;;   46  call qword ptr [4Ch] ; slot[def0]
;;   4c  mov rdi, [rbp-8]
;;   50  mov eax, eax
;;   52  sub ebx, 1
;;   55  jne short 2Eh
;;   57  pop rbx
;;   59  leave
;;   5a  ret
;;   5b  push 2
;;   60  push 0FFFFFFFFFFFFFFFFh
;;   65  call qword ptr [6Bh] ; builtin[tier_up]
;;   6b  add rsp, 10h
;;   6f  jmp 29h
;;   74  mov [rbp-18h], ebx
;;   77  push 2
;;   7c  push 0
;;   81  call qword ptr [87h] ; builtin[tier_up]
;;   87  lea rsp, [rsp+8]
;;   8c  pop r11
;;   8e  jmp short 0A2h
;;   90  mov rdi, [rbp-8]
;;   97  mov rsi, rbp
;;   9a  call r11
;;   9d  jmp 57h
;;   a2  test r11, r11
;;   a5  jne short 90h
;;   a7  jmp 3Eh
;;   ac  ud2 ; trap: call stack exhausted
