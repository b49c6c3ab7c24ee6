;;! explicit spectre
(module
  (memory 1)
  (func (export "copy") (param i32 i32)
    (i32.store offset=8 (local.get 0) (i32.load8_u offset=0x7fffffff (local.get 1)))))

;; === expected code ===
;; def0 copy
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  mov r11d, 80000000h
;;   16  add r11, rdx
;;   19  cmp r11, [rdi+8]
;;   1d  ja 4Eh
;;   23  cmova r11, [rdi+8]
;;   28  movzx eax, byte ptr [rdi+r11+10FFFh] ; trap: out of bounds memory access
;;   31  lea r11, [rsi+0Ch]
;;   35  cmp r11, [rdi+8]
;;   39  ja 50h
;;   3f  cmova r11, [rdi+8]
;;   44  mov [rdi+r11+10FFCh], eax ; trap: out of bounds memory access
;;   4c  leave
;;   4d  ret
;;   4e  ud2 ; trap: out of bounds memory access
;;   50  ud2 ; trap: out of bounds memory access
