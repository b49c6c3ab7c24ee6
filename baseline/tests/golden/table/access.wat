(module
  (table $t 4 externref)
  (func (export "get") (param i32) (result externref) (table.get $t (local.get 0)))
  (func (export "set") (param i32 externref) (table.set $t (local.get 0) (local.get 1)))
  (func (export "fill") (param externref)
    (table.fill $t (i32.const 0) (local.get 0) (table.size $t))))

;; === expected code ===
;; def0 get
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  xor r11d, r11d
;;   11  cmp rsi, [rdi+38h]
;;   15  jae 2Ah
;;   1b  cmovb r11d, esi
;;   1f  mov rax, [rdi+30h]
;;   23  mov rax, [rax+r11*8]
;;   28  leave
;;   29  ret
;;   2a  ud2 ; trap: out of bounds table access
;; def1 set
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  xor r11d, r11d
;;   11  cmp rsi, [rdi+38h]
;;   15  jae 2Ah
;;   1b  cmovb r11d, esi
;;   1f  mov rax, [rdi+30h]
;;   23  mov [rax+r11*8], rdx
;;   28  leave
;;   29  ret
;;   2a  ud2 ; trap: out of bounds table access
;; def2 fill
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 41h
;;   16  mov [rbp-8], rdi
;;   1a  mov eax, [rdi+38h]
;;   1d  mov [rbp-18h], rsi
;;   21  mov rcx, rsi
;;   24  mov r8, rax
;;   27  xor esi, esi
;;   29  xor edx, edx
;;   2b  call qword ptr [31h] ; builtin[table_fill]
;;   31  test eax, eax
;;   33  jne 3Fh
;;   39  mov rdi, [rbp-8]
;;   3d  leave
;;   3e  ret
;;   3f  ud2 ; trap: out of bounds table access
;;   41  ud2 ; trap: call stack exhausted
