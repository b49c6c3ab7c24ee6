;;! sse41
(module
  (memory 1)
  (func (export "axpy") (param i32 f32) (param v128) (result v128)
    (f32x4.add (f32x4.mul (v128.load offset=16 (local.get 0)) (f32x4.splat (local.get 1)))
      (local.get 2)))
  (func (export "constants") (param v128) (result v128)
    (i16x8.sub (v128.and (local.get 0) (i8x16.splat (i32.const 15)))
      (v128.const i64x2 0x0102030405060708 0x1112131415161718)))
  (func (export "sum") (param i32) (result i32)
    (local $sum v128) (local $i i32)
    (loop $next
      (local.set $sum (i32x4.add (local.get $sum) (v128.load (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $i) (local.get 0))))
    (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $sum)) (i32x4.extract_lane 1 (local.get $sum)))
      (i32.add (i32x4.extract_lane 2 (local.get $sum)) (i32x4.extract_lane 3 (local.get $sum)))))
  (func (export "find") (param i32 i32) (result i32)
    (if (result i32)
      (v128.any_true (i8x16.eq (v128.load (local.get 0)) (i8x16.splat (local.get 1))))
      (then (i32.ctz (i8x16.bitmask (i8x16.eq (v128.load (local.get 0))
        (i8x16.splat (local.get 1))))))
      (else (i32.const -1))))
  (func (export "swap") (param i32 v128) (result v128)
    (v128.store (local.get 0) (i8x16.shuffle 3 2 1 0 7 6 5 4 11 10 9 8 15 14 13 12
      (local.get 1) (local.get 1)))
    (v128.load64_lane 1 (local.get 0) (local.get 1)))
  (func (export "min") (param v128 v128) (result v128)
    (f64x2.min (local.get 0) (local.get 1)))
  (func (export "shift") (param v128 i32) (result v128)
    (i8x16.shr_s (i64x2.shl (local.get 0) (i32.const 3)) (local.get 1)))
  (func (export "call") (param v128) (result v128)
    (i64x2.add (call 0 (i32.const 0) (f32.const 1) (local.get 0)) (local.get 0))))

;; === expected code ===
;; def0 axpy
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  movups xmm2, [rdi+rsi+8000010h] ; trap: out of bounds memory access
;;   16  pshufd xmm3, xmm0, 0
;;   1b  mulps xmm2, xmm3
;;   1e  addps xmm2, xmm1
;;   21  movaps xmm0, xmm2
;;   24  leave
;;   25  ret
;; def1 constants
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  movaps xmm1, [30h]
;;   13  movaps xmm2, xmm0
;;   16  pand xmm2, xmm1
;;   1a  movaps xmm1, [40h]
;;   21  psubw xmm2, xmm1
;;   25  movaps xmm0, xmm2
;;   28  leave
;;   29  ret
;;   2a  data [cc, cc, cc, cc, cc, cc]
;;   30  data [0f, 0f, 0f, 0f, 0f, 0f, 0f, 0f, 0f, 0f, 0f, 0f, 0f, 0f, 0f, 0f]
;;   40  data [08, 07, 06, 05, 04, 03, 02, 01, 18, 17, 16, 15, 14, 13, 12, 11]
;; def2 sum
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  xorps xmm15, xmm15
;;   12  movups [rbp-28h], xmm15
;;   17  movsd [rbp-30h], xmm15
;;   1d  movups xmm1, [rbp-28h]
;;   21  mov r8d, [rbp-30h]
;;   25  movups xmm0, [rdi+r8+8000000h] ; trap: out of bounds memory access
;;   2e  movaps xmm2, xmm1
;;   31  paddd xmm2, xmm0
;;   35  add r8d, 10h
;;   39  cmp r8d, esi
;;   3c  jae 47h
;;   42  movaps xmm1, xmm2
;;   45  jmp short 25h
;;   47  pextrd eax, xmm2, 0
;;   4d  pextrd ecx, xmm2, 1
;;   53  add eax, ecx
;;   55  pextrd ecx, xmm2, 2
;;   5b  pextrd edx, xmm2, 3
;;   61  add ecx, edx
;;   63  add eax, ecx
;;   65  leave
;;   66  ret
;; def3 find
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  movups xmm0, [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   18  movd xmm1, edx
;;   1d  pxor xmm2, xmm2
;;   21  pshufb xmm1, xmm2
;;   26  pcmpeqb xmm0, xmm1
;;   2a  ptest xmm0, xmm0
;;   2f  je 69h
;;   35  movups xmm0, [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   3d  movd xmm1, edx
;;   42  pxor xmm2, xmm2
;;   46  pshufb xmm1, xmm2
;;   4b  pcmpeqb xmm0, xmm1
;;   4f  pmovmskb eax, xmm0
;;   53  bsf ecx, eax
;;   57  mov r11d, 20h
;;   5d  cmove ecx, r11d
;;   61  mov rax, rcx
;;   64  jmp 6Eh
;;   69  mov eax, 0FFFFFFFFh
;;   6e  leave
;;   6f  ret
;; def4 swap
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  movaps xmm1, xmm0
;;   11  pshufb xmm1, [40h]
;;   1a  movups [rdi+rsi+8000000h], xmm1 ; trap: out of bounds memory access
;;   22  movaps xmm1, xmm0
;;   25  pinsrq xmm1, [rdi+rsi+8000000h], 1 ; trap: out of bounds memory access
;;   31  movaps xmm0, xmm1
;;   34  leave
;;   35  ret
;;   36  data [cc, cc, cc, cc, cc, cc, cc, cc, cc, cc]
;;   40  data [03, 02, 01, 00, 07, 06, 05, 04, 0b, 0a, 09, 08, 0f, 0e, 0d, 0c]
;; def5 min
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov [rbp-8], rdi
;;    c  movaps xmm2, xmm0
;;    f  movaps xmm3, xmm1
;;   12  minpd xmm3, xmm2
;;   16  minpd xmm2, xmm1
;;   1a  orpd xmm2, xmm3
;;   1e  movaps xmm3, xmm2
;;   21  cmpunordpd xmm3, xmm2
;;   26  orpd xmm2, xmm3
;;   2a  psrlq xmm3, 0Dh
;;   2f  andnpd xmm3, xmm2
;;   33  movaps xmm2, xmm3
;;   36  movaps xmm0, xmm2
;;   39  leave
;;   3a  ret
;; def6 shift
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  movaps xmm1, xmm0
;;   11  psllq xmm1, 3
;;   16  mov rax, rsi
;;   19  and eax, 7
;;   1c  movd xmm2, eax
;;   21  movaps xmm3, xmm1
;;   24  punpckhbw xmm3, xmm1
;;   28  punpcklbw xmm1, xmm1
;;   2c  psraw xmm3, xmm2
;;   30  psraw xmm3, 8
;;   35  psraw xmm1, xmm2
;;   39  psraw xmm1, 8
;;   3e  packsswb xmm1, xmm3
;;   42  movaps xmm0, xmm1
;;   45  leave
;;   46  ret
;; def7 call
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 3Fh
;;   16  mov [rbp-8], rdi
;;   1a  movups [rbp-20h], xmm0
;;   1e  movaps xmm1, xmm0
;;   21  xor esi, esi
;;   23  movss xmm0, [44h]
;;   2b  call qword ptr [31h] ; slot[def0]
;;   31  mov rdi, [rbp-8]
;;   35  movups xmm1, [rbp-20h]
;;   39  paddq xmm0, xmm1
;;   3d  leave
;;   3e  ret
;;   3f  ud2 ; trap: call stack exhausted
;;   41  data [cc, cc, cc, 00, 00, 80, 3f]
