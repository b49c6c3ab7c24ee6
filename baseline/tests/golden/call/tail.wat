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
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov rax, rsi
;;    f  sub rax, 1
;;   13  mov rsi, rax
;;   16  leave
;;   17  jmp qword ptr [1Dh] ; slot[def0]
;; def1 more arguments
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 72h
;;   16  mov [rbp-8], rdi
;;   1a  sub rsp, 10h
;;   21  mov [rsp], rsi
;;   26  mov edx, 2
;;   2b  mov ecx, 3
;;   30  mov r8d, 4
;;   36  mov r9d, 5
;;   3c  mov r11, [rbp+8]
;;   40  mov rax, rbp
;;   43  mov rbp, [rbp]
;;   47  movsd xmm15, [rsp+8]
;;   4e  movsd [rax+8], xmm15
;;   54  movsd xmm15, [rsp]
;;   5b  movsd [rax], xmm15
;;   61  lea rsp, [rax-8]
;;   68  mov [rsp], r11
;;   6c  jmp qword ptr [72h] ; slot[def2]
;;   72  ud2 ; trap: call stack exhausted
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
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov edx, edx
;;    e  xor r11d, r11d
;;   11  cmp rdx, [rdi+38h]
;;   15  jae 4Bh
;;   1b  cmovb r11d, edx
;;   1f  mov r10, [rdi+30h]
;;   23  mov r10, [r10+r11*8]
;;   28  test r10, r10
;;   2b  je 4Dh
;;   31  cmp dword ptr [r10+10h], 0
;;   39  jne 4Fh
;;   3f  leave
;;   40  mov rdi, [r10+8]
;;   44  mov r11, [r10]
;;   48  jmp qword ptr [r11]
;;   4b  ud2 ; trap: undefined element
;;   4d  ud2 ; trap: uninitialized element
;;   4f  ud2 ; trap: indirect call type mismatch
