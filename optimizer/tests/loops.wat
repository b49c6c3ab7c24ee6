;; Shapes that OSR entries must cope with: each loop of each function is an entry.
(module
  (memory 1)
  (func $effect (param i32))

  ;; Nested, with locals of every type that live across.
  (func (param $n i32) (param $x f64) (result f64)
    (local $i i32) (local $j i64) (local $f f32)
    (loop $outer
      (local.set $j (i64.const 0))
      (loop $inner
        (local.set $x (f64.add (local.get $x) (f64.convert_i64_s (local.get $j))))
        (local.set $j (i64.add (local.get $j) (i64.const 1)))
        (br_if $inner (i64.lt_s (local.get $j) (i64.const 10))))
      (local.set $f (f32.add (local.get $f) (f32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $outer (i32.lt_s (local.get $i) (local.get $n))))
    (f64.add (local.get $x) (f64.promote_f32 (local.get $f))))

  ;; Operands below the loop, at several depths, used behind it.
  (func (param $n i32) (result i32)
    (local $i i32)
    (i32.mul (local.get $n) (i32.const 3))
    (block (result i32)
      (i32.const 5)
      (block (result i32)
        (i32.add (local.get $n) (i32.const 7))
        (loop
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if 0 (i32.lt_s (local.get $i) (local.get $n)))
          (br_if 2 (i32.const 9) (i32.eq (local.get $i) (i32.const 3)))
          (drop)))
      (i32.add))
    (i32.sub))

  ;; Loop parameters and results.
  (func (param $n i32) (result i64 f32)
    (i64.const 1)
    (f32.const 2)
    (i32.const 3)
    (loop (param i64 f32 i32) (result i64 f32)
      (drop)
      (f32.const 1)
      (f32.add)
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if 0 (local.get $n) (local.get $n))
      (drop)))

  ;; Inside both arms of an `if` with parameters and results, and operands below.
  (func (param $n i32) (result i32)
    (i32.const 100)
    (i32.const 200)
    (if (param i32) (result i32) (i32.and (local.get $n) (i32.const 1))
      (then
        (local.get $n)
        (loop (param i32) (result i32)
          (i32.const 1)
          (i32.sub)
          (local.tee $n)
          (br_if 0 (local.get $n) (i32.gt_s (local.get $n) (i32.const 0)))
          (drop))
        (i32.add))
      (else
        (loop (param i32) (result i32)
          (i32.const 1)
          (i32.add)
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br_if 0 (local.get $n)))))
    (i32.add))

  ;; An `if` without `else` around the loop.
  (func (param $n i32) (result i32)
    (local.get $n)
    (if (param i32) (result i32) (local.get $n)
      (then
        (loop (param i32) (result i32)
          (i32.const 2)
          (i32.mul)
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br_if 0 (local.get $n))))))

  ;; From an inner loop to outer labels through a table.
  (func (param $n i32) (result i32)
    (local $i i32)
    (block $exit (result i32)
      (loop $a
        (loop $b
          (loop $c
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $exit (local.get $i) (i32.gt_u (local.get $i) (i32.const 1000)))
            (drop)
            (call $effect (local.get $i))
            (br_table $a $b $c $b (i32.and (local.get $i) (i32.const 3))))))
      (unreachable)))

  ;; Two loops that end one after the other; the second is entered without the first having run.
  (func (param $n i32) (result i32)
    (local $s i32) (local $i i32)
    (loop
      (local.set $s (i32.add (local.get $s) (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if 0 (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $s)
    (loop
      (local.set $s (i32.xor (local.get $s) (local.get $i)))
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (br_if 0 (local.get $i)))
    (i32.mul (local.get $s)))

  ;; Operands kept by a frame that ends and is followed by others at the same height.
  (func (param $n i32) (result i32)
    (local $i i32)
    (i32.const 1)
    (block
      (i32.const 2)
      (block
        (i32.const 3)
        (block
          (loop
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $i) (local.get $n)))))
        (drop))
      (block (result i32) (i32.const 4) (loop (br_if 0 (local.get $n))))
      (i32.add)
      (drop))
    (i32.const 5)
    (loop (result i32)
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (br_if 0 (local.get $i))
      (i32.const 6))
    (i32.add)
    (i32.add))

  ;; A path around the loop joins behind it, above an operand of another type than the result.
  (func (param $n i32) (result f64)
    (f64.const 1)
    (block (result i32)
      (drop (br_if 0 (i32.const 2) (local.get $n)))
      (loop
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if 0 (local.get $n)))
      (i32.const 3))
    (f64.convert_i32_s)
    (f64.add))

  ;; Loops in unreachable code are counted.
  (func (param $n i32)
    (block
      (br 0)
      (loop (loop (br 0))))
    (loop
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if 0 (local.get $n))))

  ;; The function's results go through the result area, and the loop ends in `return` or a tail call.
  (func $area (param $n i32) (result i32 i32 i32 i32 i32 i32)
    (loop
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if 0 (i32.gt_s (local.get $n) (i32.const 10)))
      (if (local.get $n) (then (return_call $area (i32.sub (local.get $n) (i32.const 1))))))
    (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6))

  ;; Recursion from inside a loop: an OSR entry is not the function.
  (func $again (param $n i32) (result i32)
    (local $s i32)
    (loop
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (local.set $s (i32.add (local.get $s) (call $again (local.get $n))))
      (br_if 0 (i32.gt_s (local.get $n) (i32.const 0))))
    (local.get $s)))
