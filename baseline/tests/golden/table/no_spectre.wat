;;! no-spectre
(module
  (type $t (func))
  (import "t" "t" (table $t 4 funcref))
  (func (export "get") (param i32) (result funcref) (table.get $t (local.get 0)))
  (func (export "call") (param i32) (call_indirect (type $t) (local.get 0))))

;; === expected code ===
;; def0 get
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov rax, [rdi+30h]
;;   12  cmp rsi, [rax+8]
;;   16  jae 27h
;;   1c  mov rax, [rax]
;;   20  mov rax, [rax+rsi*8]
;;   25  leave
;;   26  ret
;;   27  ud2 ; trap: out of bounds table access
;; def1 call
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 64h
;;   16  mov [rbp-8], rdi
;;   1a  mov esi, esi
;;   1c  mov r10, [rdi+30h]
;;   20  cmp rsi, [r10+8]
;;   24  jae 5Eh
;;   2a  mov r10, [r10]
;;   2e  mov r10, [r10+rsi*8]
;;   33  test r10, r10
;;   36  je 60h
;;   3c  cmp dword ptr [r10+10h], 0
;;   44  jne 62h
;;   4a  mov [rbp-18h], esi
;;   4d  mov rdi, [r10+8]
;;   51  mov r11, [r10]
;;   55  call qword ptr [r11]
;;   58  mov rdi, [rbp-8]
;;   5c  leave
;;   5d  ret
;;   5e  ud2 ; trap: undefined element
;;   60  ud2 ; trap: uninitialized element
;;   62  ud2 ; trap: indirect call type mismatch
;;   64  ud2 ; trap: call stack exhausted
