(module
  (import "" "e" (tag $e (param i32)))
  (import "" "call" (func $call (param i32) (result i32)))
  (tag $pair (param i64 f64))

  (func (export "catches") (param i32) (result i32)
    try (result i32)
      (call $call (local.get 0))
    catch $e
    catch $pair
      drop
      i32.wrap_i64
    catch_all
      i32.const 9
    end)

  (func (export "rethrows") (param i32)
    try
      (drop (call $call (local.get 0)))
    catch_all
      (drop (call $call (i32.const 2)))
      rethrow 0
    end)

  (func (export "delegates") (param i32) (result i32)
    try $outer (result i32)
      try $inner (result i32)
        try (result i32)
          (throw $e (call $call (local.get 0)))
        delegate $outer
      catch_all
        i32.const 1
      end
    catch $e
    end)

  (func (export "delegates to the caller") (param i32) (result i32)
    try (result i32)
      try (result i32)
        (call $call (local.get 0))
      delegate 1
    catch_all
      i32.const 1
    end)

  (func (export "has nothing to catch") (result i32)
    try (result i32)
      i32.const 1
    catch_all
      i32.const 2
    end))

;; === expected code ===
;; def0 catches
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 38h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 93h
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  push r14
;;   1e  push r15
;;   20  mov [rbp-8], rdi
;;   24  mov esi, esi
;;   26  mov [rbp-18h], esi
;;   29  mov r11, [rdi+30h]
;;   2d  mov rdi, [rdi+38h]
;;   31  call qword ptr [r11]
;;   34  mov rdi, [rbp-8]
;;   38  mov eax, eax
;;   3a  jmp 62h
;;   3f  mov ecx, [rax+10h]
;;   42  mov rax, rcx
;;   45  jmp 62h
;;   4a  mov rcx, [rax+10h]
;;   4e  movsd xmm0, [rax+18h]
;;   53  mov ecx, ecx
;;   55  mov rax, rcx
;;   58  jmp 62h
;;   5d  mov eax, 9
;;   62  pop r15
;;   64  pop r14
;;   66  pop r13
;;   68  pop r12
;;   6a  pop rbx
;;   6c  leave
;;   6d  ret
;;   6e  mov rdi, [rbp-8]
;;   72  mov r11, [rdi+40h]
;;   76  cmp r11, [rax]
;;   7a  je 3Fh
;;   80  mov r11, [rdi+48h]
;;   84  cmp r11, [rax]
;;   88  je 4Ah
;;   8e  jmp 5Dh
;;   93  ud2 ; trap: call stack exhausted
;; def1 rethrows
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 7Ah
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  push r14
;;   1e  push r15
;;   20  mov [rbp-8], rdi
;;   24  mov esi, esi
;;   26  mov [rbp-18h], esi
;;   29  mov r11, [rdi+30h]
;;   2d  mov rdi, [rdi+38h]
;;   31  call qword ptr [r11]
;;   34  mov rdi, [rbp-8]
;;   38  mov eax, eax
;;   3a  jmp 65h
;;   3f  mov [rbp-20h], rax
;;   43  mov esi, 2
;;   48  mov r11, [rdi+30h]
;;   4c  mov rdi, [rdi+38h]
;;   50  call qword ptr [r11]
;;   53  mov rdi, [rbp-8]
;;   57  mov eax, eax
;;   59  mov rsi, [rbp-20h]
;;   5d  call qword ptr [63h] ; builtin[throw]
;;   63  ud2
;;   65  pop r15
;;   67  pop r14
;;   69  pop r13
;;   6b  pop r12
;;   6d  pop rbx
;;   6f  leave
;;   70  ret
;;   71  mov rdi, [rbp-8]
;;   75  jmp 3Fh
;;   7a  ud2 ; trap: call stack exhausted
;; def2 delegates
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 93h
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  push r14
;;   1e  push r15
;;   20  mov [rbp-8], rdi
;;   24  mov esi, esi
;;   26  mov [rbp-18h], esi
;;   29  mov r11, [rdi+30h]
;;   2d  mov rdi, [rdi+38h]
;;   31  call qword ptr [r11]
;;   34  mov rdi, [rbp-8]
;;   38  mov eax, eax
;;   3a  mov [rbp-20h], eax
;;   3d  xor esi, esi
;;   3f  mov edx, 1
;;   44  call qword ptr [4Ah] ; builtin[exception_new]
;;   4a  mov rdi, [rbp-8]
;;   4e  movss xmm15, [rbp-20h]
;;   54  movss [rax+10h], xmm15
;;   5a  jmp 75h
;;   5f  mov ecx, [rax+10h]
;;   62  mov rax, rcx
;;   65  pop r15
;;   67  pop r14
;;   69  pop r13
;;   6b  pop r12
;;   6d  pop rbx
;;   6f  leave
;;   70  ret
;;   71  mov rdi, [rbp-8]
;;   75  jmp 7Ah
;;   7a  mov r11, [rdi+40h]
;;   7e  cmp r11, [rax]
;;   82  je 5Fh
;;   88  mov rsi, rax
;;   8b  call qword ptr [91h] ; builtin[throw]
;;   91  ud2
;;   93  ud2 ; trap: call stack exhausted
;; def3 delegates to the caller
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 5Ah
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  push r14
;;   1e  push r15
;;   20  mov [rbp-8], rdi
;;   24  mov esi, esi
;;   26  mov [rbp-18h], esi
;;   29  mov r11, [rdi+30h]
;;   2d  mov rdi, [rdi+38h]
;;   31  call qword ptr [r11]
;;   34  mov rdi, [rbp-8]
;;   38  mov eax, eax
;;   3a  jmp 3Fh
;;   3f  pop r15
;;   41  pop r14
;;   43  pop r13
;;   45  pop r12
;;   47  pop rbx
;;   49  leave
;;   4a  ret
;;   4b  mov rdi, [rbp-8]
;;   4f  mov rsi, rax
;;   52  call qword ptr [58h] ; builtin[throw]
;;   58  ud2
;;   5a  ud2 ; trap: call stack exhausted
;; def4 has nothing to catch
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov eax, 1
;;   11  jmp 16h
;;   16  leave
;;   17  ret
