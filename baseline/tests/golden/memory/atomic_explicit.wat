;;! explicit
(module
  (memory 1)
  (func (export "add") (param i32 i32) (result i32)
    (i32.atomic.rmw.add offset=4 (local.get 0) (local.get 1)))
  (func (export "loop") (param i32 i64) (result i64)
    (i64.atomic.rmw.xor offset=0x7fffffff (local.get 0) (local.get 1))))

;; === expected code ===
;; def0 add
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  mov rax, rdx
;;   13  test sil, 3
;;   17  jne 36h
;;   1d  lea r11, [rsi+8]
;;   21  cmp r11, [rdi+8]
;;   25  ja 38h
;;   2b  lock xadd [rdi+rsi+11004h], eax ; trap: out of bounds memory access
;;   34  leave
;;   35  ret
;;   36  ud2 ; trap: unaligned atomic
;;   38  ud2 ; trap: out of bounds memory access
;; def1 loop
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  lea r11, [rsi+7]
;;   12  test r11b, 7
;;   16  jne 4Bh
;;   1c  mov r11d, 80000007h
;;   22  add r11, rsi
;;   25  cmp r11, [rdi+8]
;;   29  ja 4Dh
;;   2f  mov rax, [rdi+r11+10FF8h] ; trap: out of bounds memory access
;;   37  mov rcx, rax
;;   3a  xor rcx, rdx
;;   3d  lock cmpxchg [rdi+r11+10FF8h], rcx ; trap: out of bounds memory access
;;   47  jne short 37h
;;   49  leave
;;   4a  ret
;;   4b  ud2 ; trap: unaligned atomic
;;   4d  ud2 ; trap: out of bounds memory access
