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
;;   21  jp short 4Ah
;;   23  mov r11, 0C1E0000000200000h
;;   2d  movq xmm15, r11
;;   32  ucomisd xmm0, xmm15
;;   37  jbe short 48h
;;   39  xorps xmm15, xmm15
;;   3d  ucomisd xmm0, xmm15
;;   42  jb 1Ah
;;   48  ud2 ; trap: integer overflow
;;   4a  ud2 ; trap: invalid conversion to integer
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
;;   20  jp short 6Fh
;;   22  mov r11d, 5F000000h
;;   28  movd xmm15, r11d
;;   2d  ucomiss xmm0, xmm15
;;   31  jb short 6Fh
;;   33  subss xmm15, xmm0
;;   38  movd r11d, xmm15
;;   3d  btc r11d, 1Fh
;;   42  movd xmm15, r11d
;;   47  cvttss2si rax, xmm15
;;   4c  test rax, rax
;;   4f  js short 63h
;;   51  mov r11, 8000000000000000h
;;   5b  xor rax, r11
;;   5e  jmp 1Ah
;;   63  mov rax, 0FFFFFFFFFFFFFFFFh
;;   6a  jmp 1Ah
;;   6f  xor eax, eax
;;   71  jmp 1Ah
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
