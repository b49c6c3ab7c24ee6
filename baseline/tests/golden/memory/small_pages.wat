(module
  (memory 100 (pagesize 1))
  (memory i64 100 (pagesize 1))
  (func (param i32) (result i32) (i32.load offset=8 (local.get 0)))
  (func (param i64) (result i32) (i32.load 1 offset=8 (local.get 0)))
  (func (result i32) (memory.size 0))
)

;; === expected code ===
;; def0 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  lea r11, [rsi+0Ch]
;;   12  cmp r11, [rdi+8]
;;   16  ja 25h
;;   1c  mov eax, [rdi+rsi+11008h] ; trap: out of bounds memory access
;;   23  leave
;;   24  ret
;;   25  ud2 ; trap: out of bounds memory access
;; def1 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov r11, rsi
;;    f  add r11, 0Ch
;;   13  jb 2Dh
;;   19  cmp r11, [rdi+38h]
;;   1d  ja 2Fh
;;   23  mov rax, [rdi+30h]
;;   27  mov eax, [rax+rsi+8] ; trap: out of bounds memory access
;;   2b  leave
;;   2c  ret
;;   2d  ud2 ; trap: out of bounds memory access
;;   2f  ud2 ; trap: out of bounds memory access
;; def2 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov rax, [rdi+8]
;;   10  shr rax, 0
;;   14  leave
;;   15  ret
