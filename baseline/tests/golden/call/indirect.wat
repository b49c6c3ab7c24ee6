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
;;   10  jb 6Eh
;;   16  mov [rbp-8], rdi
;;   1a  mov esi, esi
;;   1c  mov edx, edx
;;   1e  xor r11d, r11d
;;   21  cmp rdx, [rdi+38h]
;;   25  jae 68h
;;   2b  cmovb r11d, edx
;;   2f  mov r10, [rdi+30h]
;;   33  mov r10, [r10+r11*8]
;;   38  test r10, r10
;;   3b  je 6Ah
;;   41  cmp dword ptr [r10+10h], 0
;;   49  jne 6Ch
;;   4f  mov [rbp-20h], edx
;;   52  mov [rbp-18h], esi
;;   55  mov rdi, [r10+8]
;;   59  mov r11, [r10]
;;   5d  call qword ptr [r11]
;;   60  mov rdi, [rbp-8]
;;   64  mov eax, eax
;;   66  leave
;;   67  ret
;;   68  ud2 ; trap: undefined element
;;   6a  ud2 ; trap: uninitialized element
;;   6c  ud2 ; trap: indirect call type mismatch
;;   6e  ud2 ; trap: call stack exhausted
