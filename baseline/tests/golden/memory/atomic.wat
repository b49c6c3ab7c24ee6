(module
  (memory 1)
  (func (export "load and store") (param i32) (result i64)
    (i32.atomic.store8 (local.get 0) (i32.atomic.load offset=3 (local.get 0)))
    (i64.atomic.load32_u offset=8 (local.get 0)))
  (func (export "used") (param i32 i64) (result i64)
    (i64.atomic.rmw.add offset=8 (local.get 0) (local.get 1))
    (i64.atomic.rmw16.sub_u (local.get 0) (local.get 1))
    (i64.atomic.rmw8.xchg_u (local.get 0) (local.get 1))
    (i64.add)
    (i64.add))
  (func (export "loop") (param i32 i32) (result i32)
    (i32.atomic.rmw.or (local.get 0) (local.get 1)))
  (func (export "dropped") (param i32 i32)
    (drop (i32.atomic.rmw.add (local.get 0) (i32.const 1)))
    (drop (i32.atomic.rmw16.xor_u (local.get 0) (local.get 1))))
  (func (export "compare and exchange") (param i32 i64 i64) (result i64)
    (i64.atomic.rmw32.cmpxchg_u (local.get 0) (local.get 1) (local.get 2)))
  (func (export "constant addresses") (result i32)
    (drop (i32.atomic.load (i32.const 1023)))
    (i32.atomic.load (i32.const 1024)))
  (func (export "fence") (atomic.fence))
  (func (export "wait and notify") (param i32 i64) (result i32 i32)
    (memory.atomic.wait32 offset=16 (local.get 0) (i32.const 0) (local.get 1))
    (memory.atomic.notify (local.get 0) (i32.const -1))))

;; === expected code ===
;; def0 load and store
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  lea r11, [rsi+3]
;;   12  test r11b, 3
;;   16  jne 3Dh
;;   1c  mov eax, [rdi+rsi+8000003h] ; trap: out of bounds memory access
;;   23  xchg [rdi+rsi+8000000h], al ; trap: out of bounds memory access
;;   2a  test sil, 3
;;   2e  jne 3Fh
;;   34  mov eax, [rdi+rsi+8000008h] ; trap: out of bounds memory access
;;   3b  leave
;;   3c  ret
;;   3d  ud2 ; trap: unaligned atomic
;;   3f  ud2 ; trap: unaligned atomic
;; def1 used
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov rax, rdx
;;   11  test sil, 7
;;   15  jne 59h
;;   1b  lock xadd [rdi+rsi+8000008h], rax ; trap: out of bounds memory access
;;   25  mov rcx, rdx
;;   28  neg rcx
;;   2b  test sil, 1
;;   2f  jne 5Bh
;;   35  lock xadd [rdi+rsi+8000000h], cx ; trap: out of bounds memory access
;;   3f  movzx ecx, cx
;;   42  mov r8, rdx
;;   45  xchg [rdi+rsi+8000000h], r8b ; trap: out of bounds memory access
;;   4d  movzx r8d, r8b
;;   51  add rcx, r8
;;   54  add rax, rcx
;;   57  leave
;;   58  ret
;;   59  ud2 ; trap: unaligned atomic
;;   5b  ud2 ; trap: unaligned atomic
;; def2 loop
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  test sil, 3
;;   14  jne 33h
;;   1a  mov eax, [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   21  mov rcx, rax
;;   24  or ecx, edx
;;   26  lock cmpxchg [rdi+rsi+8000000h], ecx ; trap: out of bounds memory access
;;   2f  jne short 21h
;;   31  leave
;;   32  ret
;;   33  ud2 ; trap: unaligned atomic
;; def3 dropped
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  mov eax, 1
;;   15  test sil, 3
;;   19  jne 3Ch
;;   1f  lock add [rdi+rsi+8000000h], eax ; trap: out of bounds memory access
;;   27  test sil, 1
;;   2b  jne 3Eh
;;   31  lock xor [rdi+rsi+8000000h], dx ; trap: out of bounds memory access
;;   3a  leave
;;   3b  ret
;;   3c  ud2 ; trap: unaligned atomic
;;   3e  ud2 ; trap: unaligned atomic
;; def4 compare and exchange
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  test sil, 3
;;   12  jne 28h
;;   18  mov rax, rdx
;;   1b  lock cmpxchg [rdi+rsi+8000000h], ecx ; trap: out of bounds memory access
;;   24  mov eax, eax
;;   26  leave
;;   27  ret
;;   28  ud2 ; trap: unaligned atomic
;; def5 constant addresses
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  ud2 ; trap: unaligned atomic
;;    e  mov eax, [rdi+80003FFh] ; trap: out of bounds memory access
;;   14  mov eax, [rdi+8000400h] ; trap: out of bounds memory access
;;   1a  leave
;;   1b  ret
;; def6 fence
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 10h
;;    8  mov [rbp-8], rdi
;;    c  lock or dword ptr [rsp], 0
;;   14  leave
;;   15  ret
;; def7 wait and notify
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 63h
;;   16  mov [rbp-8], rdi
;;   1a  mov esi, esi
;;   1c  mov [rbp-20h], rdx
;;   20  mov [rbp-18h], esi
;;   23  mov rcx, rsi
;;   26  mov r9, rdx
;;   29  xor esi, esi
;;   2b  mov edx, 10h
;;   30  xor r8d, r8d
;;   33  call qword ptr [39h] ; builtin[memory_atomic_wait32]
;;   39  mov rdi, [rbp-8]
;;   3d  mov eax, eax
;;   3f  mov [rbp-28h], eax
;;   42  xor esi, esi
;;   44  xor edx, edx
;;   46  mov ecx, [rbp-18h]
;;   49  mov r8d, 0FFFFFFFFh
;;   4f  call qword ptr [55h] ; builtin[memory_atomic_notify]
;;   55  mov rdi, [rbp-8]
;;   59  mov eax, eax
;;   5b  mov rcx, rax
;;   5e  mov eax, [rbp-28h]
;;   61  leave
;;   62  ret
;;   63  ud2 ; trap: call stack exhausted
