(module
  (type $t (func (param i32) (result i32)))
  (table 4 funcref)
  (func (export "call") (param i32 i32) (result i32)
    (call_indirect (type $t) (local.get 0) (local.get 1))))

;; === expected code ===
;; def0 call
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 67h
;;   16  mov [rbp-8], rdi
;;   1a  mov esi, esi
;;   1c  mov edx, edx
;;   1e  cmp rdx, [rdi+28h]
;;   22  jae 61h
;;   28  mov r10, [rdi+20h]
;;   2c  mov r10, [r10+rdx*8]
;;   31  test r10, r10
;;   34  je 63h
;;   3a  cmp dword ptr [r10+10h], 0
;;   42  jne 65h
;;   48  mov [rbp-20h], edx
;;   4b  mov [rbp-18h], esi
;;   4e  mov rdi, [r10+8]
;;   52  mov r11, [r10]
;;   56  call qword ptr [r11]
;;   59  mov rdi, [rbp-8]
;;   5d  mov eax, eax
;;   5f  leave
;;   60  ret
;;   61  ud2 ; trap: undefined element
;;   63  ud2 ; trap: uninitialized element
;;   65  ud2 ; trap: indirect call type mismatch
;;   67  ud2 ; trap: call stack exhausted
