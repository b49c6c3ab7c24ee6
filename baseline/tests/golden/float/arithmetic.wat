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
;;   13  subsd xmm2, [20h]
;;   1b  movaps xmm0, xmm2
;;   1e  leave
;;   1f  ret
;;   20  data [00, 00, 00, 00, 00, 00, f8, 3f]
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
;;    f  andpd xmm2, [40h]
;;   17  movaps xmm3, xmm1
;;   1a  xorpd xmm3, [50h]
;;   22  andpd xmm2, [40h]
;;   2a  andpd xmm3, [50h]
;;   32  orpd xmm2, xmm3
;;   36  movaps xmm0, xmm2
;;   39  leave
;;   3a  ret
;;   3b  data [cc, cc, cc, cc, cc]
;;   40  data [ff, ff, ff, ff, ff, ff, ff, 7f, 00, 00, 00, 00, 00, 00, 00, 00]
;;   50  data [00, 00, 00, 00, 00, 00, 00, 80, 00, 00, 00, 00, 00, 00, 00, 00]
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
