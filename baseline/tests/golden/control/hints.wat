(module
  (func $cold (param i32) (result i32) (local.get 0))
  (func (param i32 i32) (result i32)
    (block $out (result i32)
      (local.get 1)
      (@metadata.code.branch_hint "\01")
      (br_if $out (local.get 0))
      (i32.add (i32.const 1))))
  (func (param i32 i32) (result i32)
    (local $i i32)
    (loop $again
      (local.set $i (i32.add (local.get $i) (local.get 1)))
      (local.set 1 (call $cold (local.get $i)))
      (@metadata.code.branch_hint "\00")
      (br_if $again (i32.lt_u (local.get $i) (local.get 0))))
    (local.get $i))
)

;; === expected code ===
;; def0 cold
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov rax, rsi
;;   11  leave
;;   12  ret
;; def1 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  test esi, esi
;;   12  je 20h
;;   18  mov rax, rdx
;;   1b  jmp 23h
;;   20  lea eax, [rdx+1]
;;   23  leave
;;   24  ret
;; def2 
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 38h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 65h
;;   16  push rbx
;;   18  push r12
;;   1a  push r13
;;   1c  mov [rbp-8], rdi
;;   20  mov esi, esi
;;   22  mov edx, edx
;;   24  xorps xmm15, xmm15
;;   28  movsd [rbp-28h], xmm15
;;   2e  mov ebx, [rbp-28h]
;;   31  mov r12, rdx
;;   34  mov r13, rsi
;;   37  add ebx, r12d
;;   3a  mov rsi, rbx
;;   3d  call qword ptr [43h] ; slot[def0]
;;   43  mov rdi, [rbp-8]
;;   47  mov eax, eax
;;   49  cmp ebx, r13d
;;   4c  jb 5Dh
;;   52  mov rax, rbx
;;   55  pop r13
;;   57  pop r12
;;   59  pop rbx
;;   5b  leave
;;   5c  ret
;;   5d  mov r12, rax
;;   60  jmp 37h
;;   65  ud2 ; trap: call stack exhausted
