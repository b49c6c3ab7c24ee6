;;! counters
(module
  (import "" "e" (tag $imported (param i32)))
  (import "" "f" (tag $other (param i32)))
  (import "" "call" (func $call (param i32) (result i32)))
  (tag $own (param i64 f64))
  (tag $empty)

  ;; Dirty locals are stored before the call, and all callee-saved registers are.
  (func (export "catches a call") (param i32) (result i32)
    (local.set 0 (i32.add (local.get 0) (i32.const 1)))
    (block $caught (result i32)
      (try_table (result i32) (catch $imported $caught)
        (call $call (local.get 0)))
      (i32.add (local.get 0)))
    (i32.add (local.get 0)))

  ;; Regions share the dispatch of the one around.
  (func (export "nested") (param i32) (result i64)
    (local exnref)
    (block $outer (result i64 f64)
      (block $all (result exnref)
        (try_table (catch $own $outer) (catch_all_ref $all)
          (drop (call $call (i32.const 1)))
          (block $inner
            (try_table (catch $empty $inner)
              (drop (call $call (i32.const 2)))))
          (drop (call $call (i32.const 3))))
        (return (i64.const 5)))
      (local.set 1)
      (throw_ref (local.get 1)))
    (drop))

  ;; No exception is made where the clause is known.
  (func (export "branches") (param i32) (result i32)
    (block $caught (result i32)
      (try_table (catch $imported $caught)
        (if (local.get 0) (then (throw $imported (local.get 0)))))
      (i32.const 7)))

  ;; Two imported tags may be the same one.
  (func (export "dispatches") (param i32) (result i32)
    (block $a (result i32)
      (block $b (result i32)
        (try_table (catch $other $b) (catch $imported $a)
          (throw $imported (local.get 0)))
        (unreachable))
      (drop) (i32.const 7)))

  (func (export "throws") (param i64) (param f64)
    (throw $own (local.get 0) (local.get 1)))

  ;; The budget's register is stored on the way out.
  (func (export "throws in a loop") (param i32) (result i32)
    (local i32)
    (block $caught
      (try_table (catch $empty $caught)
        (loop $next
          (local.set 1 (i32.add (local.get 1) (local.get 0)))
          (if (i32.gt_u (local.get 1) (i32.const 1000)) (then (throw $empty)))
          (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
    (local.get 1)))

;; === expected code ===
;; def0 catches a call
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 9Eh
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  push r14
;;   1e  push r15
;;   20  mov [rbp-8], rdi
;;   24  sub dword ptr [2Bh], 0Ah ; budget[def0]
;;   2b  js 60h
;;   31  mov esi, esi
;;   33  add esi, 1
;;   36  mov [rbp-18h], esi
;;   39  mov r11, [rdi+30h]
;;   3d  mov rdi, [rdi+38h]
;;   41  call qword ptr [r11]
;;   44  mov rdi, [rbp-8]
;;   48  mov eax, eax
;;   4a  mov ebx, [rbp-18h]
;;   4d  add eax, ebx
;;   4f  mov ebx, [rbp-18h]
;;   52  add eax, ebx
;;   54  pop r15
;;   56  pop r14
;;   58  pop r13
;;   5a  pop r12
;;   5c  pop rbx
;;   5e  leave
;;   5f  ret
;;   60  push 0
;;   65  push 0FFFFFFFFFFFFFFFFh
;;   6a  call qword ptr [70h] ; builtin[tier_up]
;;   70  add rsp, 10h
;;   74  jmp 31h
;;   79  mov rdi, [rbp-8]
;;   7d  mov r11, [rdi+40h]
;;   81  cmp r11, [rax]
;;   85  jne 93h
;;   8b  mov eax, [rax+10h]
;;   8e  jmp 4Fh
;;   93  mov rsi, rax
;;   96  call qword ptr [9Ch] ; builtin[throw]
;;   9c  ud2
;;   9e  ud2 ; trap: call stack exhausted
;; def1 nested
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 38h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 114h
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  push r14
;;   1e  push r15
;;   20  mov [rbp-8], rdi
;;   24  sub dword ptr [2Bh], 0Ah ; budget[def1]
;;   2b  js 0B0h
;;   31  mov esi, esi
;;   33  xorps xmm15, xmm15
;;   37  movsd [rbp-20h], xmm15
;;   3d  mov [rbp-18h], esi
;;   40  mov esi, 1
;;   45  mov r11, [rdi+30h]
;;   49  mov rdi, [rdi+38h]
;;   4d  call qword ptr [r11]
;;   50  mov rdi, [rbp-8]
;;   54  mov eax, eax
;;   56  mov esi, 2
;;   5b  mov r11, [rdi+30h]
;;   5f  mov rdi, [rdi+38h]
;;   63  call qword ptr [r11]
;;   66  mov rdi, [rbp-8]
;;   6a  mov eax, eax
;;   6c  mov esi, 3
;;   71  mov r11, [rdi+30h]
;;   75  mov rdi, [rdi+38h]
;;   79  call qword ptr [r11]
;;   7c  mov rdi, [rbp-8]
;;   80  mov eax, eax
;;   82  mov eax, 5
;;   87  jmp 0A4h
;;   8c  test rax, rax
;;   8f  je 112h
;;   95  mov rsi, rax
;;   98  call qword ptr [9Eh] ; builtin[throw]
;;   9e  ud2
;;   a0  mov rax, [rbp-28h]
;;   a4  pop r15
;;   a6  pop r14
;;   a8  pop r13
;;   aa  pop r12
;;   ac  pop rbx
;;   ae  leave
;;   af  ret
;;   b0  push 1
;;   b5  push 0FFFFFFFFFFFFFFFFh
;;   ba  call qword ptr [0C0h] ; builtin[tier_up]
;;   c0  add rsp, 10h
;;   c4  jmp 31h
;;   c9  mov rdi, [rbp-8]
;;   cd  mov r11, [rdi+58h]
;;   d1  cmp r11, [rax]
;;   d5  jne 0E0h
;;   db  jmp 6Ch
;;   e0  jmp 0E9h
;;   e5  mov rdi, [rbp-8]
;;   e9  mov r11, [rdi+50h]
;;   ed  cmp r11, [rax]
;;   f1  jne 10Dh
;;   f7  movsd xmm15, [rax+10h]
;;   fd  movsd [rbp-28h], xmm15
;;  103  movsd xmm0, [rax+18h]
;;  108  jmp 0A0h
;;  10d  jmp 8Ch
;;  112  ud2 ; trap: null reference
;;  114  ud2 ; trap: call stack exhausted
;; def2 branches
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  sub dword ptr [13h], 0Ah ; budget[def2]
;;   13  js 32h
;;   19  mov esi, esi
;;   1b  test esi, esi
;;   1d  je 2Bh
;;   23  mov rax, rsi
;;   26  jmp 30h
;;   2b  mov eax, 7
;;   30  leave
;;   31  ret
;;   32  push 2
;;   37  push 0FFFFFFFFFFFFFFFFh
;;   3c  call qword ptr [42h] ; builtin[tier_up]
;;   42  add rsp, 10h
;;   46  jmp 19h
;; def3 dispatches
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 0A5h
;;   16  mov [rbp-8], rdi
;;   1a  sub dword ptr [21h], 0Ah ; budget[def3]
;;   21  js 55h
;;   27  mov esi, esi
;;   29  mov [rbp-18h], esi
;;   2c  xor esi, esi
;;   2e  mov edx, 1
;;   33  call qword ptr [39h] ; builtin[exception_new]
;;   39  mov rdi, [rbp-8]
;;   3d  movss xmm15, [rbp-18h]
;;   43  movss [rax+10h], xmm15
;;   49  jmp 6Eh
;;   4e  mov eax, 7
;;   53  leave
;;   54  ret
;;   55  push 3
;;   5a  push 0FFFFFFFFFFFFFFFFh
;;   5f  call qword ptr [65h] ; builtin[tier_up]
;;   65  add rsp, 10h
;;   69  jmp 27h
;;   6e  mov r11, [rdi+48h]
;;   72  cmp r11, [rax]
;;   76  jne 84h
;;   7c  mov eax, [rax+10h]
;;   7f  jmp 4Eh
;;   84  mov r11, [rdi+40h]
;;   88  cmp r11, [rax]
;;   8c  jne 9Ah
;;   92  mov eax, [rax+10h]
;;   95  jmp 53h
;;   9a  mov rsi, rax
;;   9d  call qword ptr [0A3h] ; builtin[throw]
;;   a3  ud2
;;   a5  ud2 ; trap: call stack exhausted
;; def4 throws
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 80h
;;   16  mov [rbp-8], rdi
;;   1a  sub dword ptr [21h], 0Ah ; budget[def4]
;;   21  js 67h
;;   27  mov [rbp-18h], rsi
;;   2b  movsd [rbp-20h], xmm0
;;   30  mov esi, 2
;;   35  mov edx, 2
;;   3a  call qword ptr [40h] ; builtin[exception_new]
;;   40  mov rdi, [rbp-8]
;;   44  movsd xmm15, [rbp-18h]
;;   4a  movsd [rax+10h], xmm15
;;   50  movsd xmm15, [rbp-20h]
;;   56  movsd [rax+18h], xmm15
;;   5c  mov rsi, rax
;;   5f  call qword ptr [65h] ; builtin[throw]
;;   65  ud2
;;   67  push 4
;;   6c  push 0FFFFFFFFFFFFFFFFh
;;   71  call qword ptr [77h] ; builtin[tier_up]
;;   77  add rsp, 10h
;;   7b  jmp 27h
;;   80  ud2 ; trap: call stack exhausted
;; def5 throws in a loop
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  sub dword ptr [13h], 0Ah ; budget[def5]
;;   13  js 6Ah
;;   19  mov esi, esi
;;   1b  xorps xmm15, xmm15
;;   1f  movsd [rbp-20h], xmm15
;;   25  mov r8d, [rbp-20h]
;;   29  mov r9d, [30h] ; budget[def5]
;;   30  sub r9d, 12Ch
;;   37  jl 83h
;;   3d  add r8d, esi
;;   40  cmp r8d, 3E8h
;;   47  jbe 59h
;;   4d  mov [54h], r9d ; budget[def5]
;;   54  jmp 65h
;;   59  sub esi, 1
;;   5c  jne short 30h
;;   5e  mov [65h], r9d ; budget[def5]
;;   65  mov rax, r8
;;   68  leave
;;   69  ret
;;   6a  push 5
;;   6f  push 0FFFFFFFFFFFFFFFFh
;;   74  call qword ptr [7Ah] ; builtin[tier_up]
;;   7a  add rsp, 10h
;;   7e  jmp 19h
;;   83  mov [8Ah], r9d ; budget[def5]
;;   8a  mov [rbp-18h], esi
;;   8d  mov [rbp-20h], r8d
;;   91  push 5
;;   96  push 0
;;   9b  call qword ptr [0A1h] ; builtin[tier_up]
;;   a1  lea rsp, [rsp+8]
;;   a6  pop r11
;;   a8  jmp short 0BCh
;;   aa  mov rdi, [rbp-8]
;;   b1  mov rsi, rbp
;;   b4  call r11
;;   b7  jmp 68h
;;   bc  test r11, r11
;;   bf  jne short 0AAh
;;   c1  mov r9d, [0C8h] ; budget[def5]
;;   c8  jmp 3Dh
