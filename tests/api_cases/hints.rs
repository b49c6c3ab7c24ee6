//! Branch hints: they change where code lies and nothing else, in every mode.

use std::fmt::Write;

use crate::{in_every_mode, instance};

/// Writes random code with conditions, loops and branches that change local 1, hinted at random.
struct Writer {
    rng: fastrand::Rng,
    text: String,
    /// Labels around the current position; those of loops are not branched to.
    labels: Vec<bool>,
}

impl Writer {
    fn condition(&mut self) -> String {
        let mask = 1 << self.rng.u32(..6);
        format!("(i32.and (local.get 1) (i32.const {mask}))")
    }

    fn hint(&mut self) {
        match self.rng.u32(..4) {
            0 => self.text.push_str(" (@metadata.code.branch_hint \"\\00\")"),
            1 => self.text.push_str(" (@metadata.code.branch_hint \"\\01\")"),
            _ => {}
        }
    }

    fn change(&mut self) {
        let number = self.rng.u32(..);
        let _ = write!(
            self.text,
            " (local.set 1 (i32.add (i32.rotl (local.get 1) (i32.const 5)) (i32.const {number})))"
        );
    }

    fn code(&mut self, depth: u32) {
        for _ in 0..self.rng.u32(1..4) {
            self.change();
            match self.rng.u32(..6) {
                0 | 1 if depth > 0 => {
                    let condition = self.condition();
                    self.hint();
                    self.text.push_str(" (if ");
                    self.text.push_str(&condition);
                    self.labels.push(true);
                    self.text.push_str(" (then ");
                    self.code(depth - 1);
                    self.text.push(')');
                    if self.rng.bool() {
                        self.text.push_str(" (else ");
                        self.code(depth - 1);
                        self.text.push(')');
                    }
                    self.labels.pop();
                    self.text.push(')');
                }
                2 if depth > 0 => {
                    self.text.push_str(" (block ");
                    self.labels.push(true);
                    self.code(depth - 1);
                    self.labels.pop();
                    self.text.push(')');
                }
                3 if depth > 0 => {
                    self.text.push_str(" (loop ");
                    self.labels.push(false);
                    self.code(depth - 1);
                    // At most as often as the fuel in local 0 lasts.
                    self.text
                        .push_str(" (local.set 0 (i32.sub (local.get 0) (i32.const 1)))");
                    self.hint();
                    self.text
                        .push_str(" (br_if 0 (i32.gt_s (local.get 0) (i32.const 0)))");
                    self.labels.pop();
                    self.text.push(')');
                }
                4 => {
                    let forward: Vec<_> = self.labels.iter().rev().enumerate().collect();
                    let forward = forward.iter().filter(|(_, forward)| **forward);
                    let forward: Vec<_> = forward.map(|(depth, _)| *depth).collect();
                    if let Some(&label) = self.rng.choice(&forward) {
                        let condition = self.condition();
                        self.hint();
                        let _ = write!(self.text, " (br_if {label} {condition})");
                    }
                }
                _ => {}
            }
        }
    }
}

/// A module with functions of fuel and a number, the same for each seed but for the hints.
fn module(seed: u64) -> String {
    let mut text = String::from("(module");
    let mut rng = fastrand::Rng::with_seed(seed);
    for n in 0..30 {
        let mut writer = Writer {
            rng: rng.fork(),
            text: String::new(),
            labels: Vec::new(),
        };
        writer.code(4);
        let _ = write!(
            text,
            "(func (export \"f{n}\") (param i32 i32) (result i32) {} (local.get 1))",
            writer.text
        );
    }
    text + ")"
}

#[test]
fn hints_change_no_result() {
    for seed in 0..8 {
        let hinted = module(seed);
        let plain = hinted
            .replace("(@metadata.code.branch_hint \"\\00\")", "")
            .replace("(@metadata.code.branch_hint \"\\01\")", "");
        assert!(hinted.len() > plain.len() + 1000, "there are hints");
        in_every_mode(|engine| {
            let mut machines = [&plain, &hinted].map(|text| instance(engine, text));
            for n in 0..30 {
                for (fuel, number) in [(0, 0), (7, 1), (100, -5), (20_000, 0x1234_5678)] {
                    let [expected, found] = machines.each_mut().map(|(store, instance)| {
                        let name = format!("f{n}");
                        let func = instance.get_typed_func::<(i32, i32), i32>(&mut *store, &name);
                        func.unwrap().call(store, (fuel, number)).unwrap()
                    });
                    assert_eq!(found, expected, "f{n} of {fuel} and {number}, seed {seed}");
                }
            }
        });
    }
}
