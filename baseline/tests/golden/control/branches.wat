(module
  (func (export "if") (param i32 i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (local.get 1))
      (then (local.get 0))
      (else (i32.add (local.get 1) (i32.const 1)))))
  (func (export "if without else") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (local.set 0 (i32.const 9))))
    (local.get 0))
  (func (export "early return") (param i32) (result i32)
    (block $out
      (br_if $out (i32.gt_u (local.get 0) (i32.const 3)))
      (return (i32.const 1)))
    (i32.const 2))
  (func (export "table") (param i32) (result i32)
    (block $a (block $b (block $c (block $d
      (br_table $a $b $c $d $a (local.get 0)))
      (return (i32.const 10)))
      (return (i32.const 11)))
      (return (i32.const 12)))
    (i32.const 13))
  (func (export "select") (param i32 f64 f64) (result f64)
    (select (local.get 1) (local.get 2) (f64.lt (local.get 1) (local.get 2)))))

;; === expected code ===
;; def0 if
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  cmp esi, edx
;;   12  jge 20h
;;   18  mov rax, rsi
;;   1b  jmp 23h
;;   20  lea eax, [rdx+1]
;;   23  leave
;;   24  ret
;; def1 if without else
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  test esi, esi
;;   10  jne 1Bh
;;   16  mov esi, 9
;;   1b  mov rax, rsi
;;   1e  leave
;;   1f  ret
;; def2 early return
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  cmp esi, 3
;;   11  ja 21h
;;   17  mov eax, 1
;;   1c  jmp 26h
;;   21  mov eax, 2
;;   26  leave
;;   27  ret
;; def3 table
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov rax, rsi
;;   11  cmp eax, 4
;;   14  jae 49h
;;   1a  lea r11, [50h]
;;   21  movsxd rax, [r11+rax*4]
;;   25  add r11, rax
;;   28  jmp r11
;;   2b  mov eax, 0Ah
;;   30  jmp 4Eh
;;   35  mov eax, 0Bh
;;   3a  jmp 4Eh
;;   3f  mov eax, 0Ch
;;   44  jmp 4Eh
;;   49  mov eax, 0Dh
;;   4e  leave
;;   4f  ret
;;   50  data [f9, ff, ff, ff, ef, ff, ff, ff, e5, ff, ff, ff, db, ff, ff, ff]
;; def4 select
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  ucomisd xmm1, xmm0
;;   12  movaps xmm2, xmm0
;;   15  ja short 1Ah
;;   17  movaps xmm2, xmm1
;;   1a  movaps xmm0, xmm2
;;   1d  leave
;;   1e  ret
