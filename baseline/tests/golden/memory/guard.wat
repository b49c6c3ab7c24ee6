(module
  (memory 1)
  (func (export "copy") (param i32 i32)
    (i64.store offset=8 (local.get 0) (i64.load offset=16 (local.get 1))))
  (func (export "bytes") (param i32) (result i32)
    (i32.store8 (local.get 0) (i32.const 7))
    (i32.load8_s offset=3 (local.get 0)))
  (func (export "constant address") (result f64) (f64.load (i32.const 1024)))
  (func (export "far") (param i32) (result i32) (i32.load offset=0xfffffff0 (local.get 0)))
  (func (export "grow") (param i32) (result i32)
    (drop (memory.grow (local.get 0)))
    (memory.size)))

;; === expected code ===
;; def0 copy
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  mov rax, [rdi+rdx+8000010h] ; trap: out of bounds memory access
;;   18  mov [rdi+rsi+8000008h], rax ; trap: out of bounds memory access
;;   20  leave
;;   21  ret
;; def1 bytes
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov byte ptr [rdi+rsi+8000000h], 7 ; trap: out of bounds memory access
;;   16  movsx eax, byte ptr [rdi+rsi+8000003h] ; trap: out of bounds memory access
;;   1e  leave
;;   1f  ret
;; def2 constant address
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  movsd xmm0, [rdi+8000400h] ; trap: out of bounds memory access
;;   14  leave
;;   15  ret
;; def3 far
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov r11d, 0FFFFFFF0h
;;   14  add r11, rsi
;;   17  mov eax, [rdi+r11+8000000h] ; trap: out of bounds memory access
;;   1f  leave
;;   20  ret
;; def4 grow
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 3Ah
;;   16  mov [rbp-8], rdi
;;   1a  mov esi, esi
;;   1c  mov [rbp-18h], esi
;;   1f  mov rdx, rsi
;;   22  xor esi, esi
;;   24  call qword ptr [2Ah] ; builtin[memory_grow]
;;   2a  mov rdi, [rbp-8]
;;   2e  mov eax, eax
;;   30  mov rax, [rdi+8]
;;   34  shr rax, 10h
;;   38  leave
;;   39  ret
;;   3a  ud2 ; trap: call stack exhausted
