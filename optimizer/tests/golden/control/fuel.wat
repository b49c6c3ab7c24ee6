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
;;
;;                                   block0(v0: i64, v1: i32, v2: i32):
;;                                       v3 = load.i64 notrap aligned readonly can_move region0 v0+16
;;                                       v4 = uextend.i64 v1
;;                                       v5 = uextend.i64 v2
;;   @0037                               v7 = load.i64 notrap aligned region1 v3+32
;;   @0037                               v8 = iconst.i64 -1
;;   @0037                               v9 = iadd v7, v8  ; v8 = -1
;;   @0037                               store notrap aligned region1 v9, v3+32
;;   @0037                               v10 = iconst.i64 0
;;   @0037                               v11 = icmp slt v9, v10  ; v10 = 0
;;   @0037                               trapnz v11, user16
;;   @0037                               v12 = load.i64 notrap aligned region1 v3+32
;;   @0037                               jump block2(v12, v4, v5)
;;
;;                                   block2(v13: i64, v18: i64, v24: i64):
;;                                       v32 -> v18
;;   @0039                               v14 = iconst.i64 -4
;;   @0039                               v15 = iadd v13, v14  ; v14 = -4
;;   @0039                               store notrap aligned region1 v15, v3+32
;;   @0039                               v16 = iconst.i64 0
;;   @0039                               v17 = icmp slt v15, v16  ; v16 = 0
;;   @0039                               trapnz v17, user16
;;   @0039                               v19 = ireduce.i32 v18
;;   @003b                               v20 = iconst.i32 1
;;   @003d                               v21 = band v19, v20  ; v20 = 1
;;   @003e                               brif v21, block4, block5
;;
;;                                   block4:
;;   @0040                               v22 = iconst.i64 -4
;;   @0040                               v23 = iadd.i64 v15, v22  ; v22 = -4
;;   @0040                               store notrap aligned region1 v23, v3+32
;;   @0040                               v25 = ireduce.i32 v24
;;   @0042                               v26 = ireduce.i32 v18
;;   @0044                               v27 = iadd v25, v26
;;   @0045                               v28 = uextend.i64 v27
;;   @0047                               jump block6(v23, v28)
;;
;;                                   block5:
;;   @0047                               jump block6(v15, v24)
;;
;;                                   block6(v29: i64, v39: i64):
;;   @0048                               v30 = iconst.i64 -5
;;   @0048                               v31 = iadd v29, v30  ; v30 = -5
;;   @0048                               store notrap aligned region1 v31, v3+32
;;   @0048                               v33 = ireduce.i32 v18
;;   @004a                               v34 = iconst.i32 1
;;   @004c                               v35 = isub v33, v34  ; v34 = 1
;;   @004d                               v36 = uextend.i64 v35
;;   @004f                               brif v35, block2(v31, v36, v39), block7
;;
;;                                   block7:
;;   @0051                               v37 = iconst.i64 -1
;;   @0051                               v38 = iadd.i64 v31, v37  ; v37 = -1
;;   @0051                               store notrap aligned region1 v38, v3+32
;;   @0051                               jump block3
;;
;;                                   block3:
;;   @0052                               v40 = ireduce.i32 v39
;;   @0054                               jump block1(v40)
;;
;;                                   block1(v6: i32):
;;   @0054                               return v6
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq 0x10(%rdi), %rcx
;;     movl %esi, %r8d
;;     movl %edx, %eax
;;     movq 0x20(%rcx), %rdx
;;     leaq -1(%rdx), %rdx
;;     movq %rdx, 0x20(%rcx)
;;     testq %rdx, %rdx
;;     jl #trap=user16
;;     movq 0x20(%rcx), %rdi
;;     jmp     label1
;;   block1:
;;     leaq -4(%rdi), %rsi
;;     movq %rsi, 0x20(%rcx)
;;     testq %rsi, %rsi
;;     jl #trap=user16
;;     testl $0x1, %r8d
;;     jnz     label3; j label2
;;   block2:
;;     jmp     label4
;;   block3:
;;     movq $0xfffffffffffffffc, %rdx
;;     leaq -4(%rdi, %rdx), %rsi
;;     movq %rsi, 0x20(%rcx)
;;     leal (%rax, %r8), %eax
;;     jmp     label4
;;   block4:
;;     leaq -5(%rsi), %rdi
;;     movq %rdi, 0x20(%rcx)
;;     subl $0x1, %r8d
;;     testl %r8d, %r8d
;;     jnz     label5; j label6
;;   block5:
;;     jmp     label1
;;   block6:
;;     movq $0xffffffffffffffff, %rdx
;;     leaq -5(%rsi, %rdx), %rdx
;;     movq %rdx, 0x20(%rcx)
;;     jmp     label7
;;   block7:
;;     jmp     label8
;;   block8:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; vcode 0 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq 0x10(%rdi), %rdi
;;     jmp     label1
;;   block1:
;;     movq 0x20(%rdi), %r8
;;     movl -0x18(%rsi), %ecx
;;     movl -0x20(%rsi), %eax
;;     movq %rax, %rsi
;;     jmp     label2
;;   block2:
;;     leaq -4(%r8), %rdx
;;     movq %rdx, 0x20(%rdi)
;;     testq %rdx, %rdx
;;     jl #trap=user16
;;     testl $0x1, %ecx
;;     jnz     label4; j label3
;;   block3:
;;     movq %rsi, %rax
;;     jmp     label5
;;   block4:
;;     movq $0xfffffffffffffffc, %rax
;;     leaq -4(%r8, %rax), %rdx
;;     movq %rdx, 0x20(%rdi)
;;     movq %rsi, %rax
;;     leal (%rax, %rcx), %eax
;;     jmp     label5
;;   block5:
;;     leaq -5(%rdx), %r8
;;     movq %r8, 0x20(%rdi)
;;     subl $0x1, %ecx
;;     testl %ecx, %ecx
;;     jnz     label6; j label7
;;   block6:
;;     movq %rax, %rsi
;;     jmp     label2
;;   block7:
;;     movq $0xffffffffffffffff, %rcx
;;     leaq -5(%rdx, %rcx), %rcx
;;     movq %rcx, 0x20(%rdi)
;;     jmp     label8
;;   block8:
;;     jmp     label9
;;   block9:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; clif 1
;;   function u0:1(i64 vmctx, i32) tail {
;;       region0 = 0 "context"
;;       region1 = 42 "fuel"
;;       region2 = 4 "slot"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64 vmctx) tail
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = load.i64 notrap aligned readonly can_move region0 v0+16
;;                                       v3 = uextend.i64 v1
;;   @0057                               v4 = load.i64 notrap aligned region1 v2+32
;;   @0057                               v5 = iconst.i64 -1
;;   @0057                               v6 = iadd v4, v5  ; v5 = -1
;;   @0057                               store notrap aligned region1 v6, v2+32
;;   @0057                               v7 = iconst.i64 0
;;   @0057                               v8 = icmp slt v6, v7  ; v7 = 0
;;   @0057                               trapnz v8, user16
;;   @0057                               v9 = load.i64 notrap aligned region1 v2+32
;;   @0057                               jump block2(v9, v3)
;;
;;                                   block2(v10: i64, v21: i64):
;;   @0059                               v11 = iconst.i64 -1
;;   @0059                               v12 = iadd v10, v11  ; v11 = -1
;;   @0059                               store notrap aligned region1 v12, v2+32
;;   @0059                               v13 = iconst.i64 0
;;   @0059                               v14 = icmp slt v12, v13  ; v13 = 0
;;   @0059                               trapnz v14, user16
;;   @0059                               v15 = load.i64 notrap aligned readonly can_move region0 v0+48
;;   @0059                               v16 = load.i64 notrap aligned readonly can_move region0 v0+56
;;   @0059                               v17 = load.i64 notrap aligned region2 v15
;;   @0059                               call_indirect sig0, v17(v16)
;;   @0059                               v18 = load.i64 notrap aligned region1 v2+32
;;   @005b                               v19 = iconst.i64 -5
;;   @005b                               v20 = iadd v18, v19  ; v19 = -5
;;   @005b                               store notrap aligned region1 v20, v2+32
;;   @005b                               v22 = ireduce.i32 v21
;;   @005d                               v23 = iconst.i32 1
;;   @005f                               v24 = isub v22, v23  ; v23 = 1
;;   @0060                               v25 = uextend.i64 v24
;;   @0062                               brif v24, block2(v20, v25), block4
;;
;;                                   block4:
;;   @0064                               jump block3
;;
;;                                   block3:
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
;;       sig0 = (i64, i64, i64, i32, i64) -> i32 system_v
;;       sig1 = (i64, i32, i64, i32, i64) -> i32 system_v
;;       fn0 = u1:8 sig0
;;       fn1 = u1:6 sig1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       v2 = load.i64 notrap aligned readonly can_move region0 v0+16
;;   @0068                               v3 = load.i64 notrap aligned region1 v2+32
;;   @0068                               v4 = iconst.i64 -9
;;   @0068                               v5 = iadd v3, v4  ; v4 = -9
;;   @0068                               store notrap aligned region1 v5, v2+32
;;   @0068                               v6 = iconst.i64 0
;;   @0068                               v7 = icmp slt v5, v6  ; v6 = 0
;;   @0068                               trapnz v7, user16
;;   @0068                               v8 = iconst.i64 0
;;   @006a                               v9 = iconst.i32 0
;;   @006e                               v10 = load.i64 notrap aligned region1 v2+32
;;   @006e                               v11 = iconst.i64 62
;;   @006e                               v12 = ushr v1, v11  ; v11 = 62
;;   @006e                               trapnz v12, user16
;;   @006e                               v13 = isub v10, v1
;;   @006e                               store notrap aligned region1 v13, v2+32
;;   @006e                               v14 = iconst.i64 0
;;   @006e                               v15 = icmp slt v13, v14  ; v14 = 0
;;   @006e                               trapnz v15, user16
;;   @006e                               v16 = iconst.i64 0
;;   @006e                               v17 = iadd v0, v16  ; v16 = 0
;;   <0> @006e                           v18 = call fn0(v0, v17, v8, v9, v1)  ; v8 = 0, v9 = 0
;;   @006e                               brif v18, block2, block3
;;
;;                                   block2 cold:
;;   @006e                               v19 = iconst.i32 0
;;   @006e                               v20 = call fn1(v0, v19, v8, v9, v1)  ; v19 = 0, v8 = 0, v9 = 0
;;   @006e                               trapnz v20, heap_oob
;;   @006e                               jump block3
;;
;;                                   block3:
;;   @0071                               v21 = iconst.i64 0
;;   @0073                               v22 = iconst.i32 0
;;   @0075                               v23 = iconst.i64 100
;;   @0078                               v24 = load.i64 notrap aligned region1 v2+32
;;   @0078                               v25 = iconst.i64 -100
;;   @0078                               v26 = iadd v24, v25  ; v25 = -100
;;   @0078                               store notrap aligned region1 v26, v2+32
;;   @0078                               v27 = iconst.i64 0
;;   @0078                               v28 = icmp slt v26, v27  ; v27 = 0
;;   @0078                               trapnz v28, user16
;;   @0078                               v29 = iconst.i64 0
;;   @0078                               v30 = iadd.i64 v0, v29  ; v29 = 0
;;   <0> @0078                           v31 = call fn0(v0, v30, v21, v22, v23)  ; v21 = 0, v22 = 0, v23 = 100
;;   @0078                               brif v31, block4, block5
;;
;;                                   block4 cold:
;;   @0078                               v32 = iconst.i32 0
;;   @0078                               v33 = call fn1(v0, v32, v21, v22, v23)  ; v32 = 0, v21 = 0, v22 = 0, v23 = 100
;;   @0078                               trapnz v33, heap_oob
;;   @0078                               jump block5
;;
;;                                   block5:
;;   @007b                               jump block1
;;
;;                                   block1:
;;   @007b                               return
;;   }
