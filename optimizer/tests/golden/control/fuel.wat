;;@ fuel
;;! clif 0
;;! vcode 0
;;! vcode 0 0
;;! clif 1
;;! clif 2
(module
  (import "" "call" (func $call))
  (memory i64 1)
  (func $loop (param $n i32) (param $sum i32) (result i32)
    (loop
      (if (i32.and (local.get $n) (i32.const 1))
        (then (local.set $sum (i32.add (local.get $sum) (local.get $n)))))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func $calls (param $n i32)
    (loop
      (call $call)
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $range (param $len i64)
    (memory.fill (i64.const 0) (i32.const 0) (local.get $len))
    (memory.fill (i64.const 0) (i32.const 0) (i64.const 100))))
;; clif 0
;;   function u0:0(i64 vmctx, i32, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 42 "fuel"
;;       sig0 = (i64) preserve_all
;;       fn0 = u1:2 sig0
;;
;;                                   block0(v0: i64, v1: i32, v2: i32):
;;                                       v3 = load.i64 notrap aligned readonly can_move region0 v0+16
;;                                       v4 = load.i64 notrap aligned region1 v3+32
;;                                       v5 = uextend.i64 v1
;;                                       v44 -> v5
;;                                       v6 = uextend.i64 v2
;;                                       v45 -> v6
;;   @0037                               v8 = iconst.i64 -1
;;   @0037                               v9 = iadd v4, v8  ; v8 = -1
;;   @0037                               store notrap aligned region1 v9, v3+32
;;   @0037                               v10 = iconst.i64 0
;;   @0037                               v11 = icmp slt v9, v10  ; v10 = 0
;;   @0037                               brif v11, block2, block3(v9)
;;
;;                                   block2 cold:
;;   @0037                               call fn0(v0)
;;   @0037                               v12 = load.i64 notrap aligned region1 v3+32
;;   @0037                               jump block3(v12)
;;
;;                                   block3(v43: i64):
;;   @0037                               jump block4(v43, v5, v6)
;;
;;                                   block4(v13: i64, v20: i64, v28: i64):
;;                                       v19 -> v20
;;                                       v36 -> v20
;;                                       v27 -> v28
;;   @0039                               v14 = iconst.i64 -4
;;   @0039                               v15 = iadd v13, v14  ; v14 = -4
;;   @0039                               store notrap aligned region1 v15, v3+32
;;   @0039                               v16 = iconst.i64 0
;;   @0039                               v17 = icmp slt v15, v16  ; v16 = 0
;;   @0039                               brif v17, block6, block7(v15)
;;
;;                                   block6 cold:
;;   @0039                               call fn0(v0)
;;   @0039                               v18 = load.i64 notrap aligned region1 v3+32
;;   @0039                               jump block7(v18)
;;
;;                                   block7(v24: i64):
;;   @0039                               v21 = ireduce.i32 v20
;;   @003b                               v22 = iconst.i32 1
;;   @003d                               v23 = band v21, v22  ; v22 = 1
;;   @003e                               brif v23, block8, block9
;;
;;                                   block8:
;;   @0040                               v25 = iconst.i64 -4
;;   @0040                               v26 = iadd.i64 v24, v25  ; v25 = -4
;;   @0040                               store notrap aligned region1 v26, v3+32
;;   @0040                               v29 = ireduce.i32 v28
;;   @0042                               v30 = ireduce.i32 v19
;;   @0044                               v31 = iadd v29, v30
;;   @0045                               v32 = uextend.i64 v31
;;   @0047                               jump block10(v26, v32)
;;
;;                                   block9:
;;   @0047                               jump block10(v24, v27)
;;
;;                                   block10(v33: i64, v46: i64):
;;   @0048                               v34 = iconst.i64 -5
;;   @0048                               v35 = iadd v33, v34  ; v34 = -5
;;   @0048                               store notrap aligned region1 v35, v3+32
;;   @0048                               v37 = ireduce.i32 v20
;;   @004a                               v38 = iconst.i32 1
;;   @004c                               v39 = isub v37, v38  ; v38 = 1
;;   @004d                               v40 = uextend.i64 v39
;;   @004f                               brif v39, block4(v35, v40, v46), block11
;;
;;                                   block11:
;;   @0051                               v41 = iconst.i64 -1
;;   @0051                               v42 = iadd.i64 v35, v41  ; v41 = -1
;;   @0051                               store notrap aligned region1 v42, v3+32
;;   @0051                               jump block5
;;
;;                                   block5:
;;   @0052                               v47 = ireduce.i32 v46
;;   @0054                               jump block1(v47)
;;
;;                                   block1(v7: i32):
;;   @0054                               return v7
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq 0x10(%rdi), %r8
;;     movq 0x20(%r8), %rax
;;     movl %esi, %ecx
;;     movl %edx, %edx
;;     movq %rdx, %rsi
;;     leaq -1(%rax), %r9
;;     movq %r9, 0x20(%r8)
;;     testq %r9, %r9
;;     jl      label2; j label1
;;   block1:
;;     jmp     label3
;;   block3:
;;     jmp     label4
;;   block4:
;;     leaq -4(%r9), %rdx
;;     movq %rdx, 0x20(%r8)
;;     testq %rdx, %rdx
;;     jl      label6; j label5
;;   block5:
;;     jmp     label7
;;   block7:
;;     testl $0x1, %ecx
;;     jnz     label9; j label8
;;   block8:
;;     movq %rsi, %rax
;;     jmp     label10
;;   block9:
;;     leaq -4(%rdx), %rdx
;;     movq %rdx, 0x20(%r8)
;;     movq %rsi, %rax
;;     leal (%rax, %rcx), %eax
;;     jmp     label10
;;   block10:
;;     leaq -5(%rdx), %r9
;;     movq %r9, 0x20(%r8)
;;     subl $0x1, %ecx
;;     testl %ecx, %ecx
;;     jnz     label11; j label12
;;   block11:
;;     movq %rax, %rsi
;;     jmp     label4
;;   block12:
;;     movq $0xffffffffffffffff, %rcx
;;     leaq -5(%rdx, %rcx), %rcx
;;     movq %rcx, 0x20(%r8)
;;     jmp     label13
;;   block13:
;;     jmp     label14
;;   block14:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;;   block2:
;;     load_ext_name userextname0+0, %rax
;;     call    *%rax
;;     movq 0x20(%r8), %r9
;;     jmp     label3
;;   block6:
;;     load_ext_name userextname0+0, %rax
;;     call    *%rax
;;     movq 0x20(%r8), %rdx
;;     jmp     label7
;; vcode 0 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq 0x10(%rdi), %r9
;;     movq 0x20(%r9), %rax
;;     jmp     label1
;;   block1:
;;     movq 0x20(%r9), %r8
;;     movl -0x18(%rsi), %ecx
;;     movl -0x20(%rsi), %eax
;;     movq %rax, %rsi
;;     jmp     label2
;;   block2:
;;     leaq -4(%r8), %rdx
;;     movq %rdx, 0x20(%r9)
;;     testq %rdx, %rdx
;;     jl      label4; j label3
;;   block3:
;;     jmp     label5
;;   block5:
;;     testl $0x1, %ecx
;;     jnz     label7; j label6
;;   block6:
;;     movq %rsi, %rax
;;     jmp     label8
;;   block7:
;;     leaq -4(%rdx), %rdx
;;     movq %rdx, 0x20(%r9)
;;     movq %rsi, %rax
;;     leal (%rax, %rcx), %eax
;;     jmp     label8
;;   block8:
;;     leaq -5(%rdx), %r8
;;     movq %r8, 0x20(%r9)
;;     subl $0x1, %ecx
;;     testl %ecx, %ecx
;;     jnz     label9; j label10
;;   block9:
;;     movq %rax, %rsi
;;     jmp     label2
;;   block10:
;;     movq $0xffffffffffffffff, %rcx
;;     leaq -5(%rdx, %rcx), %rcx
;;     movq %rcx, 0x20(%r9)
;;     jmp     label11
;;   block11:
;;     jmp     label12
;;   block12:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;;   block4:
;;     load_ext_name userextname0+0, %rax
;;     call    *%rax
;;     movq 0x20(%r9), %rdx
;;     jmp     label5
;; clif 1
;;   function u0:1(i64 vmctx, i32) tail {
;;       region0 = 0 "context"
;;       region1 = 42 "fuel"
;;       region2 = 4 "slot"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64) preserve_all
;;       sig1 = (i64 vmctx) tail
;;       fn0 = u1:2 sig0
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = load.i64 notrap aligned readonly can_move region0 v0+16
;;                                       v3 = load.i64 notrap aligned region1 v2+32
;;                                       v4 = uextend.i64 v1
;;                                       v29 -> v4
;;   @0057                               v5 = iconst.i64 -1
;;   @0057                               v6 = iadd v3, v5  ; v5 = -1
;;   @0057                               store notrap aligned region1 v6, v2+32
;;   @0057                               v7 = iconst.i64 0
;;   @0057                               v8 = icmp slt v6, v7  ; v7 = 0
;;   @0057                               brif v8, block2, block3(v6)
;;
;;                                   block2 cold:
;;   @0057                               call fn0(v0)
;;   @0057                               v9 = load.i64 notrap aligned region1 v2+32
;;   @0057                               jump block3(v9)
;;
;;                                   block3(v28: i64):
;;   @0057                               jump block4(v28, v4)
;;
;;                                   block4(v10: i64, v23: i64):
;;                                       v22 -> v23
;;   @0059                               v11 = iconst.i64 -1
;;   @0059                               v12 = iadd v10, v11  ; v11 = -1
;;   @0059                               store notrap aligned region1 v12, v2+32
;;   @0059                               v13 = iconst.i64 0
;;   @0059                               v14 = icmp slt v12, v13  ; v13 = 0
;;   @0059                               brif v14, block6, block7
;;
;;                                   block6 cold:
;;   @0059                               call fn0(v0)
;;   @0059                               v15 = load.i64 notrap aligned region1 v2+32
;;   @0059                               jump block7
;;
;;                                   block7:
;;   @0059                               v16 = load.i64 notrap aligned readonly can_move region0 v0+48
;;   @0059                               v17 = load.i64 notrap aligned readonly can_move region0 v0+56
;;   @0059                               v18 = load.i64 notrap aligned region2 v16
;;   @0059                               call_indirect sig1, v18(v17)
;;   @0059                               v19 = load.i64 notrap aligned region1 v2+32
;;   @005b                               v20 = iconst.i64 -5
;;   @005b                               v21 = iadd v19, v20  ; v20 = -5
;;   @005b                               store notrap aligned region1 v21, v2+32
;;   @005b                               v24 = ireduce.i32 v23
;;   @005d                               v25 = iconst.i32 1
;;   @005f                               v26 = isub v24, v25  ; v25 = 1
;;   @0060                               v27 = uextend.i64 v26
;;   @0062                               brif v26, block4(v21, v27), block8
;;
;;                                   block8:
;;   @0064                               jump block5
;;
;;                                   block5:
;;   @0065                               jump block1
;;
;;                                   block1:
;;   @0065                               return
;;   }
;; clif 2
;;   function u0:2(i64 vmctx, i64) tail {
;;       region0 = 0 "context"
;;       region1 = 42 "fuel"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64) preserve_all
;;       sig1 = (i64, i64, i64, i32, i64) -> i32 system_v
;;       sig2 = (i64, i32, i64, i32, i64) -> i32 system_v
;;       fn0 = u1:2 sig0
;;       fn1 = u1:9 sig1
;;       fn2 = u1:7 sig2
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       v11 -> v1
;;                                       v2 = load.i64 notrap aligned readonly can_move region0 v0+16
;;                                       v3 = load.i64 notrap aligned region1 v2+32
;;   @0068                               v4 = iconst.i64 -9
;;   @0068                               v5 = iadd v3, v4  ; v4 = -9
;;   @0068                               store notrap aligned region1 v5, v2+32
;;   @0068                               v6 = iconst.i64 0
;;   @0068                               v7 = icmp slt v5, v6  ; v6 = 0
;;   @0068                               brif v7, block2, block3(v5)
;;
;;                                   block2 cold:
;;   @0068                               call fn0(v0)
;;   @0068                               v8 = load.i64 notrap aligned region1 v2+32
;;   @0068                               jump block3(v8)
;;
;;                                   block3(v12: i64):
;;   @0068                               v9 = iconst.i64 0
;;   @006a                               v10 = iconst.i32 0
;;   @006e                               v13 = iconst.i64 62
;;   @006e                               v14 = ushr.i64 v1, v13  ; v13 = 62
;;   @006e                               trapnz v14, user16
;;   @006e                               v15 = isub v12, v1
;;   @006e                               store notrap aligned region1 v15, v2+32
;;   @006e                               v16 = iconst.i64 0
;;   @006e                               v17 = icmp slt v15, v16  ; v16 = 0
;;   @006e                               brif v17, block4, block5(v15)
;;
;;                                   block4 cold:
;;   @006e                               call fn0(v0)
;;   @006e                               v18 = load.i64 notrap aligned region1 v2+32
;;   @006e                               jump block5(v18)
;;
;;                                   block5(v29: i64):
;;   @006e                               v19 = iconst.i64 0
;;   @006e                               v20 = iadd.i64 v0, v19  ; v19 = 0
;;   <0> @006e                           v21 = call fn1(v0, v20, v9, v10, v1)  ; v9 = 0, v10 = 0
;;   @006e                               brif v21, block6, block7(v29)
;;
;;                                   block6 cold:
;;   @006e                               v22 = iconst.i32 0
;;   @006e                               v23 = call fn2(v0, v22, v9, v10, v1)  ; v22 = 0, v9 = 0, v10 = 0
;;   @006e                               v24 = load.i64 notrap aligned region1 v2+32
;;   @006e                               trapnz v23, heap_oob
;;   @006e                               jump block7(v24)
;;
;;                                   block7(v28: i64):
;;   @0071                               v25 = iconst.i64 0
;;   @0073                               v26 = iconst.i32 0
;;   @0075                               v27 = iconst.i64 100
;;   @0078                               v30 = iconst.i64 -100
;;   @0078                               v31 = iadd v28, v30  ; v30 = -100
;;   @0078                               store notrap aligned region1 v31, v2+32
;;   @0078                               v32 = iconst.i64 0
;;   @0078                               v33 = icmp slt v31, v32  ; v32 = 0
;;   @0078                               brif v33, block8, block9
;;
;;                                   block8 cold:
;;   @0078                               call fn0(v0)
;;   @0078                               v34 = load.i64 notrap aligned region1 v2+32
;;   @0078                               jump block9
;;
;;                                   block9:
;;   @0078                               v35 = iconst.i64 0
;;   @0078                               v36 = iadd.i64 v0, v35  ; v35 = 0
;;   <0> @0078                           v37 = call fn1(v0, v36, v25, v26, v27)  ; v25 = 0, v26 = 0, v27 = 100
;;   @0078                               brif v37, block10, block11
;;
;;                                   block10 cold:
;;   @0078                               v38 = iconst.i32 0
;;   @0078                               v39 = call fn2(v0, v38, v25, v26, v27)  ; v38 = 0, v25 = 0, v26 = 0, v27 = 100
;;   @0078                               v40 = load.i64 notrap aligned region1 v2+32
;;   @0078                               trapnz v39, heap_oob
;;   @0078                               jump block11
;;
;;                                   block11:
;;   @007b                               jump block1
;;
;;                                   block1:
;;   @007b                               return
;;   }
