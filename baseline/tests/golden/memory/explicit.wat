;;! explicit
(module
  (import "m" "memory" (memory 1))
  (func (export "copy") (param i32 i32)
    (i32.store offset=8 (local.get 0) (i32.load (local.get 1)))))

;; === expected code ===
;; def0 copy
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  lea r11, [rdx+4]
;;   14  mov rax, [rdi+30h]
;;   18  cmp r11, [rax+8]
;;   1c  ja 46h
;;   22  mov rax, [rax]
;;   26  mov eax, [rax+rdx] ; trap: out of bounds memory access
;;   2a  lea r11, [rsi+0Ch]
;;   2e  mov rcx, [rdi+30h]
;;   32  cmp r11, [rcx+8]
;;   36  ja 48h
;;   3c  mov rcx, [rcx]
;;   40  mov [rcx+rsi+8], eax ; trap: out of bounds memory access
;;   44  leave
;;   45  ret
;;   46  ud2 ; trap: out of bounds memory access
;;   48  ud2 ; trap: out of bounds memory access
