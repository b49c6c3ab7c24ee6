(module
  (type $unary (func (param i32) (result i32)))
  (elem declare func $id)
  (func $id (export "id") (type $unary) (local.get 0))
  (func (export "call") (param (ref null $unary) i32) (result i32)
    (call_ref $unary (local.get 1) (local.get 0)))
  (func (export "tail call") (param (ref $unary) i32) (result i32)
    (return_call_ref $unary (local.get 1) (local.get 0)))
  (func (export "as non-null") (param (ref null $unary)) (result (ref $unary))
    (ref.as_non_null (local.get 0)))
  (func (export "br on null") (param (ref null $unary)) (result i32)
    (block $null
      (return (call_ref $unary (i32.const 1) (br_on_null $null (local.get 0)))))
    (i32.const 0))
  (func (export "br on non-null") (param (ref null $unary)) (result (ref $unary))
    (block $some (result (ref $unary))
      (br_on_non_null $some (local.get 0))
      (ref.func $id))))

;; === expected code ===
;; def0 id
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov rax, rsi
;;   11  leave
;;   12  ret
;; def1 call
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 47h
;;   16  mov [rbp-8], rdi
;;   1a  mov edx, edx
;;   1c  mov r10, rsi
;;   1f  test r10, r10
;;   22  je 45h
;;   28  mov [rbp-20h], edx
;;   2b  mov [rbp-18h], rsi
;;   2f  mov rsi, rdx
;;   32  mov rdi, [r10+8]
;;   36  mov r11, [r10]
;;   3a  call qword ptr [r11]
;;   3d  mov rdi, [rbp-8]
;;   41  mov eax, eax
;;   43  leave
;;   44  ret
;;   45  ud2 ; trap: null reference
;;   47  ud2 ; trap: call stack exhausted
;; def2 tail call
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov edx, edx
;;    e  mov r10, rsi
;;   11  test r10, r10
;;   14  je 29h
;;   1a  mov rsi, rdx
;;   1d  leave
;;   1e  mov rdi, [r10+8]
;;   22  mov r11, [r10]
;;   26  jmp qword ptr [r11]
;;   29  ud2 ; trap: null reference
;; def3 as non-null
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  test rsi, rsi
;;    f  je 1Ah
;;   15  mov rax, rsi
;;   18  leave
;;   19  ret
;;   1a  ud2 ; trap: null reference
;; def4 br on null
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 54h
;;   16  mov [rbp-8], rdi
;;   1a  test rsi, rsi
;;   1d  je 4Eh
;;   23  mov r10, rsi
;;   26  test r10, r10
;;   29  je 52h
;;   2f  mov [rbp-18h], rsi
;;   33  mov esi, 1
;;   38  mov rdi, [r10+8]
;;   3c  mov r11, [r10]
;;   40  call qword ptr [r11]
;;   43  mov rdi, [rbp-8]
;;   47  mov eax, eax
;;   49  jmp 50h
;;   4e  xor eax, eax
;;   50  leave
;;   51  ret
;;   52  ud2 ; trap: null reference
;;   54  ud2 ; trap: call stack exhausted
;; def5 br on non-null
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  test rsi, rsi
;;    f  jne 1Bh
;;   15  lea rax, [rdi+30h]
;;   19  leave
;;   1a  ret
;;   1b  mov rax, rsi
;;   1e  jmp 19h
