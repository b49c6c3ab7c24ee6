;;! explicit spectre
(module
  (import "m" "memory" (memory 1))
  (func (export "copy") (param i32 i32)
    (i64.store offset=8 (local.get 0) (i64.load (local.get 1)))))

;; === expected code ===
;; def0 copy
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  lea r11, [rdx+8]
;;   14  mov rax, [rdi+30h]
;;   18  cmp r11, [rax+8]
;;   1c  ja 52h
;;   22  cmova r11, [rax+8]
;;   27  mov rax, [rax]
;;   2b  mov rax, [rax+r11-8] ; trap: out of bounds memory access
;;   30  lea r11, [rsi+10h]
;;   34  mov rcx, [rdi+30h]
;;   38  cmp r11, [rcx+8]
;;   3c  ja 54h
;;   42  cmova r11, [rcx+8]
;;   47  mov rcx, [rcx]
;;   4b  mov [rcx+r11-8], rax ; trap: out of bounds memory access
;;   50  leave
;;   51  ret
;;   52  ud2 ; trap: out of bounds memory access
;;   54  ud2 ; trap: out of bounds memory access
