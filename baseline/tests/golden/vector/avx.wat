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
;;   16  vpshufd xmm3, xmm0, 0
;;   1c  vmulps xmm2, xmm2, xmm3
;;   21  vaddps xmm2, xmm2, xmm1
;;   26  movaps xmm0, xmm2
;;   29  leave
;;   2a  ret
;; def1 constants
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  vmovaps xmm1, [30h]
;;   15  vpand xmm1, xmm0, xmm1
;;   1a  vmovaps xmm2, [40h]
;;   23  vpsubw xmm1, xmm1, xmm2
;;   28  movaps xmm0, xmm1
;;   2b  leave
;;   2c  ret
;;   2d  data [cc, cc, cc]
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
;;   2e  vpaddd xmm1, xmm1, xmm0
;;   33  add r8d, 10h
;;   37  cmp r8d, esi
;;   3a  jb short 25h
;;   3c  vpextrd eax, xmm1, 0
;;   42  vpextrd ecx, xmm1, 1
;;   48  add eax, ecx
;;   4a  vpextrd ecx, xmm1, 2
;;   50  vpextrd edx, xmm1, 3
;;   56  add ecx, edx
;;   58  add eax, ecx
;;   5a  leave
;;   5b  ret
;; def3 find
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  movups xmm0, [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   18  movd xmm1, edx
;;   1d  vpxor xmm2, xmm2, xmm2
;;   22  vpshufb xmm1, xmm1, xmm2
;;   27  vpcmpeqb xmm0, xmm0, xmm1
;;   2c  vptest xmm0, xmm0
;;   31  je 65h
;;   37  movups xmm0, [rdi+rsi+8000000h] ; trap: out of bounds memory access
;;   3f  movd xmm1, edx
;;   44  vpxor xmm2, xmm2, xmm2
;;   49  vpshufb xmm1, xmm1, xmm2
;;   4e  vpcmpeqb xmm0, xmm0, xmm1
;;   53  vpmovmskb eax, xmm0
;;   58  tzcnt ecx, eax
;;   5d  mov rax, rcx
;;   60  jmp 6Ah
;;   65  mov eax, 0FFFFFFFFh
;;   6a  leave
;;   6b  ret
;; def4 swap
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  movaps xmm1, xmm0
;;   11  vpshufb xmm1, xmm1, [40h]
;;   1a  movups [rdi+rsi+8000000h], xmm1 ; trap: out of bounds memory access
;;   22  movaps xmm1, xmm0
;;   25  vpinsrq xmm1, xmm1, [rdi+rsi+8000000h], 1 ; trap: out of bounds memory access
;;   30  movaps xmm0, xmm1
;;   33  leave
;;   34  ret
;;   35  data [cc, cc, cc, cc, cc, cc, cc, cc, cc, cc, cc]
;;   40  data [03, 02, 01, 00, 07, 06, 05, 04, 0b, 0a, 09, 08, 0f, 0e, 0d, 0c]
;; def5 min
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 50h
;;    8  mov [rbp-8], rdi
;;    c  movaps xmm2, xmm0
;;    f  vminpd xmm3, xmm1, xmm2
;;   14  vminpd xmm2, xmm2, xmm1
;;   19  vorpd xmm2, xmm2, xmm3
;;   1e  vcmpunordpd xmm3, xmm2, xmm2
;;   24  vorpd xmm2, xmm2, xmm3
;;   29  vpsrlq xmm3, xmm3, 0Dh
;;   2f  vandnpd xmm3, xmm3, xmm2
;;   34  movaps xmm2, xmm3
;;   37  movaps xmm0, xmm2
;;   3a  leave
;;   3b  ret
;; def6 shift
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  vpsllq xmm1, xmm0, 3
;;   14  mov rax, rsi
;;   17  and eax, 7
;;   1a  movd xmm2, eax
;;   1f  vpunpckhbw xmm3, xmm1, xmm1
;;   24  vpunpcklbw xmm1, xmm1, xmm1
;;   29  vpsraw xmm3, xmm3, xmm2
;;   2e  vpsraw xmm3, xmm3, 8
;;   34  vpsraw xmm1, xmm1, xmm2
;;   39  vpsraw xmm1, xmm1, 8
;;   3f  vpacksswb xmm1, xmm1, xmm3
;;   44  movaps xmm0, xmm1
;;   47  leave
;;   48  ret
;; def7 call
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 40h
;;    8  mov r10, [rdi+10h]
;;    c  cmp rsp, [r10]
;;   10  jb 40h
;;   16  mov [rbp-8], rdi
;;   1a  movups [rbp-20h], xmm0
;;   1e  movaps xmm1, xmm0
;;   21  xor esi, esi
;;   23  movss xmm0, [44h]
;;   2b  call qword ptr [31h] ; slot[def0]
;;   31  mov rdi, [rbp-8]
;;   35  movups xmm1, [rbp-20h]
;;   39  vpaddq xmm0, xmm0, xmm1
;;   3e  leave
;;   3f  ret
;;   40  ud2 ; trap: call stack exhausted
;;   42  data [cc, cc, 00, 00, 80, 3f]
