(module
  (func (export "add") (param f64 f64) (result f64)
    (f64.sub (f64.mul (local.get 0) (local.get 1)) (f64.const 1.5)))
  (func (export "min") (param f32 f32) (result f32) (f32.min (local.get 0) (local.get 1)))
  (func (export "sign") (param f64 f64) (result f64)
    (f64.copysign (f64.abs (local.get 0)) (f64.neg (local.get 1))))
  (func (export "round") (param f32) (result f32) (f32.nearest (local.get 0)))
  (func (export "equal") (param f64 f64) (result i32) (f64.eq (local.get 0) (local.get 1))))

;; === expected code ===
;; def0 add
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  movaps xmm2, xmm0
;;    f  mulsd xmm2, xmm1
;;   13  mov r11, 3FF8000000000000h
;;   1d  movq xmm3, r11
;;   22  subsd xmm2, xmm3
;;   26  movaps xmm0, xmm2
;;   29  leave
;;   2a  ret
;; def1 min
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  movaps xmm2, xmm0
;;    f  ucomiss xmm2, xmm1
;;   12  je 21h
;;   18  minss xmm2, xmm1
;;   1c  movaps xmm0, xmm2
;;   1f  leave
;;   20  ret
;;   21  jp short 28h
;;   23  orps xmm2, xmm1
;;   26  jmp short 2Ch
;;   28  addss xmm2, xmm1
;;   2c  jmp 1Ch
;; def2 sign
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  movaps xmm2, xmm0
;;    f  pcmpeqd xmm15, xmm15
;;   14  psrlq xmm15, 1
;;   1a  andpd xmm2, xmm15
;;   1f  movaps xmm3, xmm1
;;   22  pcmpeqd xmm15, xmm15
;;   27  psllq xmm15, 3Fh
;;   2d  xorpd xmm3, xmm15
;;   32  pcmpeqd xmm15, xmm15
;;   37  psllq xmm15, 3Fh
;;   3d  andpd xmm3, xmm15
;;   42  andnpd xmm15, xmm2
;;   47  movaps xmm2, xmm15
;;   4b  orps xmm2, xmm3
;;   4f  movaps xmm0, xmm2
;;   52  leave
;;   53  ret
;; def3 round
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 20h
;;    8  mov [rbp-8], rdi
;;    c  roundss xmm1, xmm0, 8
;;   13  movaps xmm0, xmm1
;;   16  leave
;;   17  ret
;; def4 equal
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  ucomisd xmm0, xmm1
;;   10  setnp r11b
;;   14  sete al
;;   17  and eax, r11d
;;   1a  movzx eax, al
;;   1d  leave
;;   1e  ret
