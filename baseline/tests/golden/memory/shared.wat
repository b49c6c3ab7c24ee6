(module
  (memory 1 2 shared)
  (func (export "size") (result i32) (memory.size))
  (func (export "load and increment") (param i32) (result i32)
    (drop (i32.atomic.rmw.add (local.get 0) (i32.const 1)))
    (i32.load offset=8 (local.get 0))))

;; === expected code ===
;; def0 size
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov rax, [rdi]
;;   10  mov rax, [rax+8]
;;   14  shr rax, 10h
;;   18  leave
;;   19  ret
;; def1 load and increment
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov eax, 1
;;   13  test sil, 3
;;   17  jne 38h
;;   1d  mov rcx, [rdi]
;;   21  mov rcx, [rcx]
;;   25  lock add [rcx+rsi], eax ; trap: out of bounds memory access
;;   2a  mov rax, [rdi]
;;   2e  mov rax, [rax]
;;   32  mov eax, [rax+rsi+8] ; trap: out of bounds memory access
;;   36  leave
;;   37  ret
;;   38  ud2 ; trap: unaligned atomic
