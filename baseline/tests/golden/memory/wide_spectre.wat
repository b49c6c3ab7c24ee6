;;! spectre
(module
  (memory i64 1)
  (memory 1)
  (func (param i64) (result i64) (i64.load offset=8 (local.get 0)))
  (func (param i64) (result i64) (i64.load offset=0x4000000 (local.get 0)))
  (func (param i64) (result i64) (i64.load offset=0x100000000 (local.get 0)))
  (func (param i64 i32) (i32.store (local.get 0) (local.get 1)))
)

;; === expected code ===
;; def0 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  cmp rsi, [rdi+8]
;;   10  ja 28h
;;   16  mov r11, rsi
;;   19  cmova r11, [rdi+8]
;;   1e  mov rax, [rdi+r11+11008h] ; trap: out of bounds memory access
;;   26  leave
;;   27  ret
;;   28  ud2 ; trap: out of bounds memory access
;; def1 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov r11, rsi
;;    f  add r11, 4000008h
;;   16  jb 35h
;;   1c  cmp r11, [rdi+8]
;;   20  ja 37h
;;   26  cmova r11, [rdi+8]
;;   2b  mov rax, [rdi+r11+10FF8h] ; trap: out of bounds memory access
;;   33  leave
;;   34  ret
;;   35  ud2 ; trap: out of bounds memory access
;;   37  ud2 ; trap: out of bounds memory access
;; def2 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov r11, 100000008h
;;   16  add r11, rsi
;;   19  jb 38h
;;   1f  cmp r11, [rdi+8]
;;   23  ja 3Ah
;;   29  cmova r11, [rdi+8]
;;   2e  mov rax, [rdi+r11+10FF8h] ; trap: out of bounds memory access
;;   36  leave
;;   37  ret
;;   38  ud2 ; trap: out of bounds memory access
;;   3a  ud2 ; trap: out of bounds memory access
;; def3 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov edx, edx
;;    e  cmp rsi, [rdi+8]
;;   12  ja 2Ah
;;   18  mov r11, rsi
;;   1b  cmova r11, [rdi+8]
;;   20  mov [rdi+r11+11000h], edx ; trap: out of bounds memory access
;;   28  leave
;;   29  ret
;;   2a  ud2 ; trap: out of bounds memory access
