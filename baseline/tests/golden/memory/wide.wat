(module
  (memory i64 1)
  (memory 1)
  (func (param i64) (result i64) (i64.load offset=8 (local.get 0)))
  (func (param i64) (result i64) (i64.load offset=0x4000000 (local.get 0)))
  (func (param i64) (result i64) (i64.load offset=0x100000000 (local.get 0)))
  (func (param i64 i32) (i32.store (local.get 0) (local.get 1)))
  (func (param i32) (i32.store (i64.const 16) (local.get 0)))
  (func (param i32) (i32.store (i64.const 0x10000) (local.get 0)))
  (func (param i32) (result i32) (i32.load 1 (local.get 0)))
  (func (param i64) (result i64) (memory.grow (local.get 0)))
  (func (param i64 i32 i32) (memory.copy 0 1 (local.get 0) (local.get 1) (local.get 2)))
)

;; === expected code ===
;; def0 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  cmp rsi, [rdi+8]
;;   10  ja 20h
;;   16  mov rax, [rdi+rsi+11008h] ; trap: out of bounds memory access
;;   1e  leave
;;   1f  ret
;;   20  ud2 ; trap: out of bounds memory access
;; def1 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov r11, rsi
;;    f  add r11, 4000008h
;;   16  jb 30h
;;   1c  cmp r11, [rdi+8]
;;   20  ja 32h
;;   26  mov rax, [rdi+rsi+4011000h] ; trap: out of bounds memory access
;;   2e  leave
;;   2f  ret
;;   30  ud2 ; trap: out of bounds memory access
;;   32  ud2 ; trap: out of bounds memory access
;; def2 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov r11, 100000008h
;;   16  add r11, rsi
;;   19  jb 33h
;;   1f  cmp r11, [rdi+8]
;;   23  ja 35h
;;   29  mov rax, [rdi+r11+10FF8h] ; trap: out of bounds memory access
;;   31  leave
;;   32  ret
;;   33  ud2 ; trap: out of bounds memory access
;;   35  ud2 ; trap: out of bounds memory access
;; def3 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov edx, edx
;;    e  cmp rsi, [rdi+8]
;;   12  ja 21h
;;   18  mov [rdi+rsi+11000h], edx ; trap: out of bounds memory access
;;   1f  leave
;;   20  ret
;;   21  ud2 ; trap: out of bounds memory access
;; def4 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov [rdi+11010h], esi ; trap: out of bounds memory access
;;   14  leave
;;   15  ret
;; def5 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov eax, 10000h
;;   13  cmp rax, [rdi+8]
;;   17  ja 26h
;;   1d  mov [rdi+rax+11000h], esi ; trap: out of bounds memory access
;;   24  leave
;;   25  ret
;;   26  ud2 ; trap: out of bounds memory access
;; def6 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov rax, [rdi+30h]
;;   12  mov eax, [rax+rsi] ; trap: out of bounds memory access
;;   16  leave
;;   17  ret
;; def7 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 2Fh
;;   16  mov [rbp-8], rdi
;;   1a  mov [rbp-18h], rsi
;;   1e  mov rdx, rsi
;;   21  xor esi, esi
;;   23  call qword ptr [29h] ; builtin[memory_grow]
;;   29  mov rdi, [rbp-8]
;;   2d  leave
;;   2e  ret
;;   2f  ud2 ; trap: call stack exhausted
;; def8 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 4Eh
;;   16  mov [rbp-8], rdi
;;   1a  mov edx, edx
;;   1c  mov ecx, ecx
;;   1e  mov [rbp-28h], ecx
;;   21  mov [rbp-20h], edx
;;   24  mov [rbp-18h], rsi
;;   28  mov r8, rdx
;;   2b  mov r9, rcx
;;   2e  mov rcx, rsi
;;   31  xor esi, esi
;;   33  mov edx, 1
;;   38  call qword ptr [3Eh] ; builtin[memory_copy]
;;   3e  test eax, eax
;;   40  jne 4Ch
;;   46  mov rdi, [rbp-8]
;;   4a  leave
;;   4b  ret
;;   4c  ud2 ; trap: out of bounds memory access
;;   4e  ud2 ; trap: call stack exhausted
