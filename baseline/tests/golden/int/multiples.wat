(module
  (func (export "three") (param i64) (result i64) (i64.mul (local.get 0) (i64.const 3)))
  (func (export "five") (param i32) (result i32)
    (local.set 0 (i32.mul (i32.const 5) (local.get 0)))
    (i32.shl (local.get 0) (i32.const 1)))
  (func (export "nine") (param i32) (result i32)
    (i32.mul (i32.load (local.get 0)) (i32.const 9)))
  (func (export "seven") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 7)))
  (memory 1))

;; === expected code ===
;; def0 three
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  lea rax, [rsi+rsi*2]
;;   10  leave
;;   11  ret
;; def1 five
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  lea esi, [rsi+rsi*4]
;;   11  mov rax, rsi
;;   14  shl eax, 1
;;   17  leave
;;   18  ret
;; def2 nine
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov eax, [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   15  lea eax, [rax+rax*8]
;;   18  leave
;;   19  ret
;; def3 seven
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  imul eax, esi, 7
;;   11  leave
;;   12  ret
