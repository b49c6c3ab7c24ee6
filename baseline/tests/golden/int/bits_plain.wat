;;! plain
(module
  (func (export "shift") (param i32 i32) (result i32)
    (i32.shl (local.get 0) (local.get 1)))
  (func (export "count") (param i32) (result i32)
    (i32.add (i32.clz (local.get 0)) (i32.add (i32.ctz (local.get 0)) (i32.popcnt (local.get 0))))))

;; === expected code ===
;; def0 shift
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  mov rcx, rdx
;;   13  mov rax, rsi
;;   16  shl eax, cl
;;   18  leave
;;   19  ret
;; def1 count
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  bsr eax, esi
;;   12  mov r11d, 3Fh
;;   18  cmove eax, r11d
;;   1c  xor eax, 1Fh
;;   20  bsf ecx, esi
;;   24  mov r11d, 20h
;;   2a  cmove ecx, r11d
;;   2e  mov rdx, rsi
;;   31  mov r11, rdx
;;   34  shr r11d, 1
;;   38  mov r8d, 55555555h
;;   3e  and r11d, r8d
;;   41  sub edx, r11d
;;   44  mov r8d, 33333333h
;;   4a  mov r11, rdx
;;   4d  shr r11d, 2
;;   51  and r11d, r8d
;;   54  and edx, r8d
;;   57  add edx, r11d
;;   5a  mov r11, rdx
;;   5d  shr r11d, 4
;;   61  add edx, r11d
;;   64  mov r8d, 0F0F0F0Fh
;;   6a  and edx, r8d
;;   6d  mov r8d, 1010101h
;;   73  imul edx, r8d
;;   77  shr edx, 18h
;;   7a  add ecx, edx
;;   7c  add eax, ecx
;;   7e  leave
;;   7f  ret
