//! The `csv` crate reads records with quoted fields, and numbers are parsed.

use std::fmt::Write as _;

use libraries::{Random, mix, prose, run};

fn table(random: &mut Random) -> String {
    let mut text = String::new();
    for row in 0..1000 {
        let words = prose(random, 20).replace('\n', ", ");
        let (a, b) = (random.below(1 << 40), random.below(1000));
        writeln!(text, "{row},{a},\"{words}\",-{b}.25,\"\"\"{b}\"\"\"").expect("room");
    }
    text
}

fn main() {
    run("rust_csv", 1, |scale| {
        let text = table(&mut Random::default());
        let mut sum = 0;
        for _ in 0..scale {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .from_reader(text.as_bytes());
            let mut record = csv::StringRecord::new();
            while reader.read_record(&mut record).expect("well-formed") {
                let number: u64 = record[1].parse().expect("a number");
                let price: f64 = record[3].parse().expect("a number");
                sum = mix(sum, number ^ price.to_bits() ^ record[2].len() as u64);
            }
        }
        sum
    });
}
