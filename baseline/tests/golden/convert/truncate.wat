(module
  (func (export "signed") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
  (func (export "saturating") (param f32) (result i64) (i64.trunc_sat_f32_u (local.get 0)))
  (func (export "unsigned") (param i64) (result f64) (f64.convert_i64_u (local.get 0)))
  (func (export "sizes") (param i32) (result i64)
    (i64.add (i64.extend_i32_u (local.get 0)) (i64.extend_i32_s (local.get 0)))))

;; === expected code ===
;; def0 signed
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  cvttsd2si eax, xmm0
;;   11  cmp eax, 1
;;   14  jo 1Ch
;;   1a  leave
;;   1b  ret
;;   1c  ucomisd xmm0, xmm0
;;   21  jp short 44h
;;   23  movsd xmm15, [48h]
;;   2c  ucomisd xmm0, xmm15
;;   31  jbe short 42h
;;   33  xorps xmm15, xmm15
;;   37  ucomisd xmm0, xmm15
;;   3c  jb 1Ah
;;   42  ud2 ; trap: integer overflow
;;   44  ud2 ; trap: invalid conversion to integer
;;   46  data [cc, cc, 00, 00, 20, 00, 00, 00, e0, c1]
;; def1 saturating
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  cvttss2si rax, xmm0
;;   11  test rax, rax
;;   14  js 1Ch
;;   1a  leave
;;   1b  ret
;;   1c  ucomiss xmm0, xmm0
;;   20  jp short 66h
;;   22  movss xmm15, [70h]
;;   2b  ucomiss xmm0, xmm15
;;   2f  jb short 66h
;;   31  subss xmm15, xmm0
;;   36  xorps xmm15, [80h]
;;   3e  cvttss2si rax, xmm15
;;   43  test rax, rax
;;   46  js short 5Ah
;;   48  mov r11, 8000000000000000h
;;   52  xor rax, r11
;;   55  jmp 1Ah
;;   5a  mov rax, 0FFFFFFFFFFFFFFFFh
;;   61  jmp 1Ah
;;   66  xor eax, eax
;;   68  jmp 1Ah
;;   6d  data [cc, cc, cc]
;;   70  data [00, 00, 00, 5f, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00]
;;   80  data [00, 00, 00, 80, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00]
;; def2 unsigned
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  xorps xmm0, xmm0
;;   10  test rsi, rsi
;;   13  js 20h
;;   19  cvtsi2sd xmm0, rsi
;;   1e  leave
;;   1f  ret
;;   20  mov r11, rsi
;;   23  mov eax, esi
;;   26  and eax, 1
;;   2a  shr r11, 1
;;   2e  or r11, rax
;;   31  cvtsi2sd xmm0, r11
;;   36  addsd xmm0, xmm0
;;   3b  jmp 1Eh
;; def3 sizes
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov eax, esi
;;   10  movsxd rcx, esi
;;   13  add rax, rcx
;;   16  leave
;;   17  ret
