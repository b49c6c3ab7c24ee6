(module
  (import "" "imported" (tag $imported (param i32)))
  (import "" "other" (tag $other (param i32)))
  (type $many (func (result i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (tag $mixed (param i32 i64 f64 v128))
  (tag $own (param i32))
  (func $callee (param i32 i64 f64 i32) (result i32) local.get 0)
  (func $two (param i32 i32) (result i32 i32) local.get 0 local.get 1)

  ;; Arguments change places: cycles of two and three, of both classes.
  (func $swapped (param i32 i32 i32 f64 f64) (result i32)
    (call $swapped (local.get 1) (local.get 0) (local.get 2) (local.get 4) (local.get 3)))
  (func $rotated (param i32 i32 i32 f64 f64) (result i32)
    (call $rotated (local.get 1) (local.get 2) (local.get 0) (local.get 4) (local.get 3)))

  ;; Locals change places at the back edge: cycles of two and three, of both classes.
  (func $cycles (param $a i32) (param $b i32) (param $c i32) (param $x f64) (param $y f64) (result i32)
    (loop $top
      local.get $a local.get $b local.get $c
      local.set $a local.set $c local.set $b
      local.get $x local.get $y
      local.set $x local.set $y
      local.get $a
      local.get $x i32.trunc_f64_s
      i32.add
      local.get $b i32.lt_s
      br_if $top)
    local.get $a local.get $b i32.sub local.get $c i32.xor)

  ;; Branches from states that differ in registers and dirty slots.
  (func $forward (param $a i32) (param $b i32) (param $c i64) (result i32)
    (local $d i32) (local $x f32)
    (block $out (result i32)
      (block $in
        local.get $a
        br_if $in
        local.get $b i32.const 7 i32.add local.set $b
        local.get $b i32.const 100 i32.gt_s
        br_if $in
        local.get $a local.get $b i32.mul local.tee $d
        i32.const 3 i32.add local.set $a
        local.get $a
        local.get $d
        br_if $out
        drop
        (call $callee (local.get $a) (local.get $c) (f64.const 1.5) (local.get $d))
        local.set $d)
      local.get $d
      local.get $x i32.trunc_f32_s
      i32.add
      local.get $b i32.add)
    local.get $a i32.add
    local.get $c i32.wrap_i64 i32.add)

  ;; A local is in one register at both branches, but only at the second one newer than its slot.
  (func $newer (param $a i32) (param $b i32) (result i32)
    (block $out
      (drop (call $callee (local.get $a) (i64.const 1) (f64.const 2) (local.get $b)))
      local.get $a i32.const 9 i32.lt_u
      br_if $out
      local.get $a i32.const 1 i32.add local.set $a
      local.get $a i32.const 20 i32.gt_u
      br_if $out
      (drop (call $callee (local.get $b) (i64.const 1) (f64.const 2) (local.get $a))))
    local.get $a)

  ;; if with and without else, parameters, results; a call in one arm.
  (func $arms (param $a i32) (param $b i32) (result i32)
    (local $c i32)
    local.get $a i32.const 5 i32.add local.set $c
    (if (local.get $a)
      (then local.get $b i32.const 1 i32.add local.set $b))
    local.get $b
    (if (param i32) (result i32) (local.get $c)
      (then (call $callee (local.get $a) (i64.const 1) (f64.const 2) (local.get $b)) i32.add)
      (else local.get $c i32.add local.set $a local.get $a))
    local.get $c i32.add
    local.get $b i32.add)

  ;; Operands wait below blocks and calls; a table of targets, some twice.
  (func $table (param $a i32) (param $b i32) (param $x f64) (result f64)
    (local $n i32)
    local.get $x local.get $x f64.add
    local.get $a i32.const 3 i32.shl local.set $n
    (block $0 (result f64)
      (block $1
        (block $2
          (block $3
            local.get $a local.get $n i32.add local.set $b
            local.get $a
            br_table $1 $2 $3 $2 $1 $3)
          local.get $b i32.const 9 i32.mul local.set $n
          local.get $n local.get $a i32.lt_u
          br_if $1)
        local.get $x f64.const 2.5 f64.mul local.set $x
        local.get $x
        br $0)
      local.get $n f64.convert_i32_s)
    local.get $x f64.sub
    f64.add
    local.get $b f64.convert_i32_s f64.add)

  ;; A loop with parameters, calls, and locals that it sets first.
  (func $loops (param $n i32) (param $s i64) (result i64)
    (local $i i32) (local $t i64)
    local.get $n
    (loop $outer (param i32)
      local.set $i
      (block $done
        (loop $inner
          local.get $i i32.eqz
          br_if $done
          local.get $i i64.extend_i32_u local.set $t
          local.get $s local.get $t i64.add local.set $s
          local.get $i i32.const 1 i32.sub local.set $i
          br $inner))
      (call $callee (local.get $n) (local.get $s) (f64.const 0) (local.get $i))
      i32.const 1 i32.sub local.tee $n
      local.get $n i32.const 0 i32.gt_s
      (if (param i32) (then br $outer) (else drop)))
    local.get $s)

  ;; Many values move down the stack at once.
  (func $many (param $a i32) (result i32)
    (local $i i32)
    i32.const 1
    (block $b (type $many)
      local.get $a
      local.get $a i32.const 1 i32.add
      i32.const 3 local.get $a i32.const 5 i32.const 6 i32.const 7 i32.const 8 i32.const 9
      i32.const 10 local.get $a i32.const 12 i32.const 13 i32.const 14 i32.const 15 i32.const 16
      i32.const 17 i32.const 18 i32.const 19 i32.const 20 local.get $a
      local.get $i br_if $b
      br $b)
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add)

  ;; More locals than registers; results of calls; values that stay on the stack.
  (func $pressure (param $a i32) (param $b i32) (result i32)
    (local $c i32) (local $d i32) (local $e i32) (local $f i32) (local $g i32) (local $h i32)
    (local $i i32) (local $j i32) (local $k i32) (local $l i32) (local $m i32)
    local.get $a i32.const 1 i32.add local.set $c
    local.get $b i32.const 2 i32.add local.set $d
    local.get $c i32.const 3 i32.add local.set $e
    local.get $d i32.const 4 i32.add local.set $f
    local.get $e i32.const 5 i32.add local.set $g
    local.get $f i32.const 6 i32.add local.set $h
    (loop $top
      local.get $g local.get $c i32.add local.set $i
      local.get $h local.get $d i32.add local.set $j
      local.get $i local.get $e i32.add local.set $k
      local.get $j local.get $f i32.add local.set $l
      local.get $k local.get $l i32.add local.set $m
      local.get $a local.get $m i32.add
      local.get $b local.get $k i32.add
      call $two
      local.get $i i32.add
      local.set $b
      local.set $a
      local.get $c local.get $d local.set $c local.set $d
      local.get $a local.get $b i32.lt_s
      br_if $top)
    local.get $a local.get $b i32.add local.get $c i32.add local.get $d i32.add local.get $e i32.add
    local.get $f i32.add local.get $g i32.add local.get $h i32.add local.get $i i32.add
    local.get $j i32.add local.get $k i32.add local.get $l i32.add local.get $m i32.add)

  ;; Exceptional edges: dirty locals in all kinds of registers, operands below, clauses that take
  ;; values of every kind to labels of states that differ.
  (func $catches (param $a i32) (param $b i64) (param $c f64) (param $v v128) (result i32)
    (local $d i32) (local $unused i64)
    (local.set $d (i32.mul (local.get $a) (i32.const 3)))
    (drop (call $callee (local.get $d) (local.get $b) (local.get $c) (local.get $a)))
    (local.set $a (i32.add (local.get $a) (i32.const 1)))
    local.get $d
    (block $out (result i32)
      (block $all (result exnref)
        (block $mixed (result i32 i64 f64 v128)
          (try_table (catch $imported $out) (catch $mixed $mixed) (catch_all_ref $all)
            (local.set $b (i64.add (local.get $b) (i64.const 5)))
            (local.set $c (f64.add (local.get $c) (f64.const 5)))
            (local.set $v (i32x4.add (local.get $v) (local.get $v)))
            (local.set $d (call $callee
              (local.get $a) (local.get $b) (local.get $c) (local.get $d)))
            (local.set $a (i32.sub (local.get $a) (local.get $d)))
            (if (local.get $a) (then
              (throw $mixed (local.get $a) (local.get $b) (local.get $c) (local.get $v))))
            (if (local.get $d) (then (throw $other (local.get $d))))
            (br $out (call $two (local.get $a) (local.get $d)) (drop)))
          (unreachable))
        local.set $v local.set $c local.set $b
        (br $out))
      throw_ref)
    i32.add
    local.get $a i32.add
    local.get $b i32.wrap_i64 i32.add
    local.get $c i32.trunc_f64_s i32.add
    local.get $v i32x4.extract_lane 1 i32.add)

  ;; A loop in a region: what its header takes for dead must not be what a handler reads.
  (func $loop_in_region (param $a i32) (param $b i32) (result i32)
    (local $x i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $own $caught)
        (loop $top (result i32)
          (drop (call $two (local.get $b) (local.get $a)) (drop))
          (local.set $x (i32.add (local.get $a) (i32.const 1)))
          (if (i32.gt_u (local.get $x) (i32.const 7)) (then (throw $imported (local.get $x))))
          (local.tee $a (i32.sub (local.get $a) (i32.const 1)))
          (local.get $a)
          br_if $top)))
    local.get $x i32.add)

  ;; The older form: values of a catch, rethrow from a block within, delegate.
  (func $tries (param $a i32) (param $b i64) (result i32)
    (local $x i32) (local $v v128)
    local.get $a
    try $outer (result i32)
      (local.set $x (i32.add (local.get $a) (i32.const 1)))
      try $inner (result i32)
        (local.set $a (call $callee (local.get $x) (local.get $b) (f64.const 1) (local.get $a)))
        try
          (local.set $x (i32.add (local.get $a) (local.get $x)))
          (call $two (local.get $a) (local.get $x))
          drop
          (throw $own)
        delegate $outer
        local.get $x
      catch $mixed
        local.set $v drop local.set $b
        (if (i32.eqz (local.get $a)) (then (rethrow $inner)))
      catch_all
        local.get $a
        (call $callee (local.get $x) (local.get $b) (f64.const 1) (local.get $a))
        drop
        rethrow 0
      end
    catch $own
      local.get $x
      i32.add
    end
    i32.add
    local.get $b i32.wrap_i64 i32.add
    local.get $v i32x4.extract_lane 1 i32.add)

  ;; More values than are moved one by one.
  (type $values (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)))
  (type $thrown (func (result i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)))
  (tag $many (type $values))
  (func $throws_many (param $a i64) (result i64)
    (block $caught (type $thrown)
      (try_table (catch $imported 1) (catch $many $caught)
        (call $throws_none)
        (throw $many (local.get $a)
          (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
          (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11) (i64.const 12)
          (i64.const 13) (i64.const 14) (i64.const 15) (i64.const 16) (i64.const 17)))
      (unreachable))
    return)
  (func $throws_none)
)
