;;! fuel counters
(module
  (import "" "call" (func $call))
  (memory i64 1)
  (func $loop (param $n i32) (param $sum i32) (result i32)
    (loop
      (if (i32.and (local.get $n) (i32.const 1))
        (then (local.set $sum (i32.add (local.get $sum) (local.get $n)))))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func $calls (param $n i32)
    (loop
      (call $call)
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $range (param $len i64)
    (memory.fill (i64.const 0) (i32.const 0) (local.get $len))
    (memory.fill (i64.const 0) (i32.const 0) (i64.const 100))))

;; === expected code ===
;; def0 loop
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  sub dword ptr [13h], 0Ah ; budget[def0]
;;   13  js 89h
;;   19  mov esi, esi
;;   1b  mov edx, edx
;;   1d  mov r11, [rdi+10h]
;;   21  sub qword ptr [r11+20h], 1
;;   26  jl 0A2h
;;   2c  mov r8d, [33h] ; budget[def0]
;;   33  sub r8d, 12Ch
;;   3a  jl 0ADh
;;   40  mov r11, [rdi+10h]
;;   44  sub qword ptr [r11+20h], 4
;;   49  jl 0F6h
;;   4f  mov rax, rsi
;;   52  and eax, 1
;;   55  je 66h
;;   5b  mov r11, [rdi+10h]
;;   5f  sub qword ptr [r11+20h], 4
;;   64  add edx, esi
;;   66  mov r11, [rdi+10h]
;;   6a  sub qword ptr [r11+20h], 5
;;   6f  sub esi, 1
;;   72  jne short 33h
;;   74  mov r11, [rdi+10h]
;;   78  sub qword ptr [r11+20h], 1
;;   7d  mov [84h], r8d ; budget[def0]
;;   84  mov rax, rdx
;;   87  leave
;;   88  ret
;;   89  push 0
;;   8e  push 0FFFFFFFFFFFFFFFFh
;;   93  call qword ptr [99h] ; builtin[tier_up]
;;   99  add rsp, 10h
;;   9d  jmp 19h
;;   a2  call qword ptr [0A8h] ; builtin[out_of_fuel]
;;   a8  jmp 2Ch
;;   ad  mov [0B4h], r8d ; budget[def0]
;;   b4  mov [rbp-20h], edx
;;   b7  mov [rbp-18h], esi
;;   ba  push 0
;;   bf  push 0
;;   c4  call qword ptr [0CAh] ; builtin[tier_up]
;;   ca  lea rsp, [rsp+8]
;;   cf  pop r11
;;   d1  jmp short 0E5h
;;   d3  mov rdi, [rbp-8]
;;   da  mov rsi, rbp
;;   dd  call r11
;;   e0  jmp 87h
;;   e5  test r11, r11
;;   e8  jne short 0D3h
;;   ea  mov r8d, [0F1h] ; budget[def0]
;;   f1  jmp 40h
;;   f6  call qword ptr [0FCh] ; builtin[out_of_fuel]
;;   fc  jmp 4Fh
;; def1 calls
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 0E4h
;;   16  push rbx
;;   18  mov [rbp-8], rdi
;;   1c  sub dword ptr [23h], 0Ah ; budget[def1]
;;   23  js 7Dh
;;   29  mov esi, esi
;;   2b  mov r11, [rdi+10h]
;;   2f  sub qword ptr [r11+20h], 1
;;   34  jl 96h
;;   3a  mov rbx, rsi
;;   3d  sub dword ptr [47h], 12Ch ; budget[def1]
;;   47  js 0A1h
;;   4d  mov r11, [rdi+10h]
;;   51  sub qword ptr [r11+20h], 1
;;   56  jl 0D9h
;;   5c  mov r11, [rdi+30h]
;;   60  mov rdi, [rdi+38h]
;;   64  call qword ptr [r11]
;;   67  mov rdi, [rbp-8]
;;   6b  mov r11, [rdi+10h]
;;   6f  sub qword ptr [r11+20h], 5
;;   74  sub ebx, 1
;;   77  jne short 3Dh
;;   79  pop rbx
;;   7b  leave
;;   7c  ret
;;   7d  push 1
;;   82  push 0FFFFFFFFFFFFFFFFh
;;   87  call qword ptr [8Dh] ; builtin[tier_up]
;;   8d  add rsp, 10h
;;   91  jmp 29h
;;   96  call qword ptr [9Ch] ; builtin[out_of_fuel]
;;   9c  jmp 3Ah
;;   a1  mov [rbp-18h], ebx
;;   a4  push 1
;;   a9  push 0
;;   ae  call qword ptr [0B4h] ; builtin[tier_up]
;;   b4  lea rsp, [rsp+8]
;;   b9  pop r11
;;   bb  jmp short 0CFh
;;   bd  mov rdi, [rbp-8]
;;   c4  mov rsi, rbp
;;   c7  call r11
;;   ca  jmp 79h
;;   cf  test r11, r11
;;   d2  jne short 0BDh
;;   d4  jmp 4Dh
;;   d9  call qword ptr [0DFh] ; builtin[out_of_fuel]
;;   df  jmp 5Ch
;;   e4  ud2 ; trap: call stack exhausted
;; def2 range
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 0ECh
;;   16  mov [rbp-8], rdi
;;   1a  sub dword ptr [21h], 0Ah ; budget[def2]
;;   21  js 0ACh
;;   27  mov r11, [rdi+10h]
;;   2b  sub qword ptr [r11+20h], 9
;;   30  jl 0C5h
;;   36  mov r11, rsi
;;   39  shr r11, 3Eh
;;   3d  jne 0D0h
;;   43  mov r11, rsi
;;   46  mov rdi, [rdi+10h]
;;   4d  sub [rdi+20h], r11
;;   54  mov rdi, [rbp-8]
;;   58  jl 0D2h
;;   5e  mov [rbp-18h], rsi
;;   62  mov r8, rsi
;;   65  xor esi, esi
;;   67  xor edx, edx
;;   69  xor ecx, ecx
;;   6b  call qword ptr [71h] ; builtin[memory_fill]
;;   71  test eax, eax
;;   73  jne 0DDh
;;   79  mov rdi, [rbp-8]
;;   7d  mov r11, [rdi+10h]
;;   81  sub qword ptr [r11+20h], 64h
;;   86  jl 0DFh
;;   8c  xor esi, esi
;;   8e  xor edx, edx
;;   90  xor ecx, ecx
;;   92  mov r8d, 64h
;;   98  call qword ptr [9Eh] ; builtin[memory_fill]
;;   9e  test eax, eax
;;   a0  jne 0EAh
;;   a6  mov rdi, [rbp-8]
;;   aa  leave
;;   ab  ret
;;   ac  push 2
;;   b1  push 0FFFFFFFFFFFFFFFFh
;;   b6  call qword ptr [0BCh] ; builtin[tier_up]
;;   bc  add rsp, 10h
;;   c0  jmp 27h
;;   c5  call qword ptr [0CBh] ; builtin[out_of_fuel]
;;   cb  jmp 36h
;;   d0  ud2 ; trap: all fuel consumed by WebAssembly
;;   d2  call qword ptr [0D8h] ; builtin[out_of_fuel]
;;   d8  jmp 5Eh
;;   dd  ud2 ; trap: out of bounds memory access
;;   df  call qword ptr [0E5h] ; builtin[out_of_fuel]
;;   e5  jmp 8Ch
;;   ea  ud2 ; trap: out of bounds memory access
;;   ec  ud2 ; trap: call stack exhausted
