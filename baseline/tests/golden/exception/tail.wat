(module
  (import "" "call" (func $call (param i32) (result i32)))

  ;; The tail call restores what it knows of: the landing restores the others.
  (func (export "tail call first") (param i32) (result i32)
    (local i32)
    (local.set 1 (call $call (local.get 0)))
    (if (local.get 1) (then (return_call $call (local.get 1))))
    (block $caught
      (try_table (catch_all $caught)
        (drop (call $call (local.get 0)))))
    (return_call $call (local.get 1)))

  ;; All are restored.
  (func (export "tail call last") (param i32) (result i32)
    (block $caught
      (try_table (catch_all $caught)
        (drop (call $call (local.get 0)))
        (return_call $call (i32.const 1))))
    (return_call $call (i32.const 2))))

;; === expected code ===
;; def0 tail call first
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 0A3h
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  push r14
;;   1e  push r15
;;   20  mov [rbp-8], rdi
;;   24  mov esi, esi
;;   26  xorps xmm15, xmm15
;;   2a  movsd [rbp-20h], xmm15
;;   30  mov [rbp-18h], esi
;;   33  mov r11, [rdi+30h]
;;   37  mov rdi, [rdi+38h]
;;   3b  call qword ptr [r11]
;;   3e  mov rdi, [rbp-8]
;;   42  mov eax, eax
;;   44  test eax, eax
;;   46  je 5Bh
;;   4c  mov rsi, rax
;;   4f  leave
;;   50  mov r11, [rdi+30h]
;;   54  mov rdi, [rdi+38h]
;;   58  jmp qword ptr [r11]
;;   5b  mov [rbp-20h], eax
;;   5e  mov esi, [rbp-18h]
;;   61  mov r11, [rdi+30h]
;;   65  mov rdi, [rdi+38h]
;;   69  call qword ptr [r11]
;;   6c  mov rdi, [rbp-8]
;;   70  mov eax, eax
;;   72  mov esi, [rbp-20h]
;;   75  leave
;;   76  mov r11, [rdi+30h]
;;   7a  mov rdi, [rdi+38h]
;;   7e  jmp qword ptr [r11]
;;   81  mov r15, [rsp]
;;   86  mov r14, [rsp+8]
;;   8b  mov r13, [rsp+10h]
;;   90  mov r12, [rsp+18h]
;;   95  mov rbx, [rsp+20h]
;;   9a  mov rdi, [rbp-8]
;;   9e  jmp 72h
;;   a3  ud2 ; trap: call stack exhausted
;; def1 tail call last
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 28h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 97h
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  push r14
;;   1e  push r15
;;   20  mov [rbp-8], rdi
;;   24  mov esi, esi
;;   26  mov [rbp-18h], esi
;;   29  mov r11, [rdi+30h]
;;   2d  mov rdi, [rdi+38h]
;;   31  call qword ptr [r11]
;;   34  mov rdi, [rbp-8]
;;   38  mov eax, eax
;;   3a  mov esi, 1
;;   3f  mov r15, [rsp]
;;   44  mov r14, [rsp+8]
;;   49  mov r13, [rsp+10h]
;;   4e  mov r12, [rsp+18h]
;;   53  mov rbx, [rsp+20h]
;;   58  leave
;;   59  mov r11, [rdi+30h]
;;   5d  mov rdi, [rdi+38h]
;;   61  jmp qword ptr [r11]
;;   64  mov esi, 2
;;   69  mov r15, [rsp]
;;   6e  mov r14, [rsp+8]
;;   73  mov r13, [rsp+10h]
;;   78  mov r12, [rsp+18h]
;;   7d  mov rbx, [rsp+20h]
;;   82  leave
;;   83  mov r11, [rdi+30h]
;;   87  mov rdi, [rdi+38h]
;;   8b  jmp qword ptr [r11]
;;   8e  mov rdi, [rbp-8]
;;   92  jmp 64h
;;   97  ud2 ; trap: call stack exhausted
