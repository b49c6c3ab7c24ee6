;;! counters
(module
  (func (export "count") (param i32) (result i32)
    (local i32)
    (loop $next
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1)))

;; === expected code ===
;; def0 count
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  sub dword ptr [16h], 0Ah ; budget[def0]
;;   16  js 4Fh
;;   1c  mov esi, esi
;;   1e  xorps xmm15, xmm15
;;   22  movsd [rbp-20h], xmm15
;;   28  mov r8d, [rbp-20h]
;;   2c  sub dword ptr [36h], 12Ch ; budget[def0]
;;   36  js 68h
;;   3c  add r8d, esi
;;   3f  sub esi, 1
;;   42  test esi, esi
;;   44  jne 2Ch
;;   4a  mov rax, r8
;;   4d  leave
;;   4e  ret
;;   4f  push 0
;;   54  push 0FFFFFFFFFFFFFFFFh
;;   59  call qword ptr [5Fh] ; builtin[tier_up]
;;   5f  add rsp, 10h
;;   63  jmp 1Ch
;;   68  mov [rbp-18h], esi
;;   6b  mov [rbp-20h], r8d
;;   6f  push 0
;;   74  push 0
;;   79  call qword ptr [7Fh] ; builtin[tier_up]
;;   7f  lea rsp, [rsp+8]
;;   84  pop r11
;;   86  jmp short 9Ah
;;   88  mov rdi, [rbp-8]
;;   8f  mov rsi, rbp
;;   92  call r11
;;   95  jmp 4Dh
;;   9a  test r11, r11
;;   9d  jne 88h
;;   a3  jmp 3Ch
