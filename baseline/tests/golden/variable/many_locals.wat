(module
  (func (export "cleared in a loop") (result i64)
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (local.get 18)))

;; === expected code ===
;; def0 cleared in a loop
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 0B0h
;;    b  mov [rbp-8], rdi
;;    f  xorps xmm15, xmm15
;;   13  lea r11, [rbp-0A0h]
;;   1a  mov r10d, 9
;;   20  movups [r11], xmm15
;;   24  add r11, 10h
;;   28  dec r10d
;;   2b  jne short 20h
;;   2d  movsd [rbp-0A8h], xmm15
;;   36  mov rax, [rbp-0A8h]
;;   3d  leave
;;   3e  ret
