//! How few functions give how much of what optimizing can gain.

/// The share of the sum that the greatest values have, of which there are a `share` of all, rounded
/// up. 1 if there is nothing to share.
pub fn part_of_greatest(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(|one, other| other.total_cmp(one));
    let count = (values.len() as f64 * share).ceil() as usize;
    let whole: f64 = values.iter().sum();
    let part: f64 = values.iter().take(count).sum();
    if whole > 0.0 { part / whole } else { 1.0 }
}

/// The least number of values that have a `share` of the sum.
pub fn count_for(values: &[f64], share: f64) -> usize {
    let mut values = values.to_vec();
    values.sort_by(|one, other| other.total_cmp(one));
    let mut left = values.iter().sum::<f64>() * share;
    let mut count = 0;
    for value in values {
        if left <= 0.0 {
            break;
        }
        left -= value;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_by_hand() {
        let values = [1.0, 70.0, 0.0, 20.0, 9.0];
        assert_eq!(part_of_greatest(&values, 0.2), 0.7);
        // A quarter of five functions are two.
        assert_eq!(part_of_greatest(&values, 0.25), 0.9);
        assert_eq!(part_of_greatest(&values, 1.0), 1.0);
        assert_eq!(part_of_greatest(&[0.0], 0.1), 1.0);
        assert_eq!(count_for(&values, 0.7), 1);
        assert_eq!(count_for(&values, 0.9), 2);
        assert_eq!(count_for(&values, 0.95), 3);
        assert_eq!(count_for(&[], 0.9), 0);
    }
}
