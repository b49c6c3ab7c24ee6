(module
  (type $t (func (param i64) (result i64)))
  (table 4 funcref)
  (func $loop (export "loop") (param i64) (result i64)
    (return_call $loop (i64.sub (local.get 0) (i64.const 1))))
  (func (export "more arguments") (param i64)
    (return_call $six (local.get 0) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (local.get 0)))
  (func $six (param i64 i64 i64 i64 i64 i64))
  (func (export "indirect") (param i64 i32) (result i64)
    (return_call_indirect (type $t) (local.get 0) (local.get 1))))

;; === expected code ===
;; def0 loop
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  push rbx
;;    a  push r12
;;    c  push r13
;;    e  push r14
;;   10  push r15
;;   12  mov [rbp-8], rdi
;;   16  mov rax, rsi
;;   19  sub rax, 1
;;   1d  mov rsi, rax
;;   20  mov r15, [rsp]
;;   25  mov r14, [rsp+8]
;;   2a  mov r13, [rsp+10h]
;;   2f  mov r12, [rsp+18h]
;;   34  mov rbx, [rsp+20h]
;;   39  leave
;;   3a  jmp qword ptr [40h] ; slot[def0]
;; def1 more arguments
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 48h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 95h
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  push r14
;;   1e  push r15
;;   20  mov [rbp-8], rdi
;;   24  sub rsp, 10h
;;   2b  mov [rsp], rsi
;;   30  mov edx, 2
;;   35  mov ecx, 3
;;   3a  mov r8d, 4
;;   40  mov r9d, 5
;;   46  mov r15, [rsp+10h]
;;   4b  mov r14, [rsp+18h]
;;   50  mov r13, [rsp+20h]
;;   55  mov r12, [rsp+28h]
;;   5a  mov rbx, [rsp+30h]
;;   5f  mov r11, [rbp+8]
;;   63  mov rax, [rbp]
;;   67  movsd xmm15, [rsp+8]
;;   6e  movsd [rbp+8], xmm15
;;   74  movsd xmm15, [rsp]
;;   7b  movsd [rbp], xmm15
;;   81  lea rsp, [rbp-8]
;;   88  mov [rsp], r11
;;   8c  mov rbp, rax
;;   8f  jmp qword ptr [95h] ; slot[def2]
;;   95  ud2 ; trap: call stack exhausted
;; def2 six
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  movsd xmm15, [rbp+10h]
;;   12  movsd [rbp-40h], xmm15
;;   18  leave
;;   19  ret 10h
;; def3 indirect
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 38h
;;    8  push rbx
;;    a  push r12
;;    c  push r13
;;    e  push r14
;;   10  push r15
;;   12  mov [rbp-8], rdi
;;   16  mov edx, edx
;;   18  cmp rdx, [rdi+28h]
;;   1c  jae 67h
;;   22  mov r10, [rdi+20h]
;;   26  mov r10, [r10+rdx*8]
;;   2b  test r10, r10
;;   2e  je 69h
;;   34  cmp dword ptr [r10+10h], 0
;;   3c  jne 6Bh
;;   42  mov r15, [rsp]
;;   47  mov r14, [rsp+8]
;;   4c  mov r13, [rsp+10h]
;;   51  mov r12, [rsp+18h]
;;   56  mov rbx, [rsp+20h]
;;   5b  leave
;;   5c  mov rdi, [r10+8]
;;   60  mov r11, [r10]
;;   64  jmp qword ptr [r11]
;;   67  ud2 ; trap: undefined element
;;   69  ud2 ; trap: uninitialized element
;;   6b  ud2 ; trap: indirect call type mismatch
