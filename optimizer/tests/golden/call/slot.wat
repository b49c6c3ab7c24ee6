;;@ no-inline
;;! clif 0
;;! vcode 0
(module
  (func (param i32) (result i32) (i32.add (call $other (local.get 0)) (call $other (i32.const 1))))
  (func $other (param i32) (result i32) (local.get 0)))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64 vmctx, i32) -> i32 tail
;;       fn0 = u0:1 sig0
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @001c                               v4 = call fn0(v0, v1)
;;   @001e                               v5 = iconst.i32 1
;;   @0020                               v6 = call fn0(v0, v5)  ; v5 = 1
;;   @0022                               v7 = iadd v4, v6
;;   @0023                               jump block1(v7)
;;
;;                                   block1(v3: i32):
;;   @0023                               return v3
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     movq 0x10(%rdi), %r10
;;     movq (%r10), %r10
;;     addq $0x20, %r10
;;     cmpq %rsp, %r10
;;     jnbe #trap=stk_ovf
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 16 }
;;     subq $0x10, %rsp
;;     movq %r12, (%rsp)
;;     unwind SaveReg { clobber_offset: 0, reg: p12i }
;;     movq %r13, 8(%rsp)
;;     unwind SaveReg { clobber_offset: 8, reg: p13i }
;;   block0:
;;     movq %rdi, %r12
;;     load_ext_name userextname0+0, %r8
;;     call    *%r8
;;     movq %rax, %r13
;;     movl $0x1, %esi
;;     load_ext_name userextname0+0, %r8
;;     movq %r12, %rdi
;;     call    *%r8
;;     movq %r13, %rcx
;;     leal (%rcx, %rax), %eax
;;     jmp     label1
;;   block1:
;;     movq (%rsp), %r12
;;     movq 8(%rsp), %r13
;;     addq $0x10, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
