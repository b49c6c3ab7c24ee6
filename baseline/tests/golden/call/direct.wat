(module
  (import "m" "f" (func $import (param i32) (result i32)))
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "import") (param i32) (result i32) (call $import (local.get 0)))
  (func (export "stack arguments") (param i64 i64) (result i64 i64 i64 i64 i64)
    (call $many (local.get 0) (local.get 1) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)))
  (func $many (param i64 i64 i64 i64 i64 i64) (result i64 i64 i64 i64 i64)
    (local.get 5) (local.get 4) (local.get 3) (local.get 2) (local.get 1)))

;; === expected code ===
;; def0 fib
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 65h
;;   16  mov [rbp-8], rdi
;;   1a  mov esi, esi
;;   1c  cmp esi, 2
;;   1f  jge 2Dh
;;   25  mov rax, rsi
;;   28  jmp 63h
;;   2d  mov rax, rsi
;;   30  sub eax, 1
;;   33  mov [rbp-18h], esi
;;   36  mov rsi, rax
;;   39  call qword ptr [3Fh] ; slot[def0]
;;   3f  mov rdi, [rbp-8]
;;   43  mov eax, eax
;;   45  mov ecx, [rbp-18h]
;;   48  sub ecx, 2
;;   4b  mov [rbp-20h], eax
;;   4e  mov rsi, rcx
;;   51  call qword ptr [57h] ; slot[def0]
;;   57  mov rdi, [rbp-8]
;;   5b  mov eax, eax
;;   5d  add eax, [rbp-20h]
;;   60  mov esi, [rbp-18h]
;;   63  leave
;;   64  ret
;;   65  ud2 ; trap: call stack exhausted
;; def1 import
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 32h
;;   16  mov [rbp-8], rdi
;;   1a  mov esi, esi
;;   1c  mov [rbp-18h], esi
;;   1f  mov r11, [rdi+30h]
;;   23  mov rdi, [rdi+38h]
;;   27  call qword ptr [r11]
;;   2a  mov rdi, [rbp-8]
;;   2e  mov eax, eax
;;   30  leave
;;   31  ret
;;   32  ud2 ; trap: call stack exhausted
;; def2 stack arguments
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 83h
;;   16  mov [rbp-8], rdi
;;   1a  mov [rbp-10h], rsi
;;   1e  mov [rbp-20h], rcx
;;   22  mov [rbp-18h], rdx
;;   26  sub rsp, 20h
;;   2d  mov qword ptr [rsp], 5
;;   36  mov qword ptr [rsp+8], 6
;;   3f  mov r8d, 3
;;   45  mov r9d, 4
;;   4b  lea rsi, [rsp+10h]
;;   53  call qword ptr [59h] ; slot[def3]
;;   59  mov rdi, [rbp-8]
;;   5d  movsd xmm15, [rsp]
;;   64  movsd [rbp-48h], xmm15
;;   6a  add rsp, 10h
;;   71  mov r11, [rbp-10h]
;;   75  movsd xmm15, [rbp-48h]
;;   7b  movsd [r11], xmm15
;;   81  leave
;;   82  ret
;;   83  ud2 ; trap: call stack exhausted
;; def3 many
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 70h
;;    8  mov [rbp-8], rdi
;;    c  mov [rbp-10h], rsi
;;   10  movsd xmm15, [rbp+10h]
;;   16  movsd [rbp-38h], xmm15
;;   1c  movsd xmm15, [rbp+18h]
;;   22  movsd [rbp-40h], xmm15
;;   28  mov r11, [rbp-10h]
;;   2c  mov [r11], rcx
;;   30  mov rdx, r9
;;   33  mov rsi, r8
;;   36  mov rax, [rbp-40h]
;;   3a  mov rcx, [rbp-38h]
;;   3e  leave
;;   3f  ret 10h
