//! Pauses of the guest's thread, alone and in clusters.
//!
//! Several short pauses in quick succession are felt as one long pause. Hölzle and Ungar (*A
//! third-generation SELF implementation: reconciling responsiveness with performance*, OOPSLA 1994)
//! join them to a cluster: it begins and ends with a pause, pauses take at least half of its time,
//! and no time without a pause in it is longer than half a second.

/// The longest time without a pause within a cluster, in nanoseconds.
const LONGEST_GAP: f64 = 0.5e9;

/// The lengths of clusters of pauses, which are given by their begin and end, in order.
///
/// Each pause is joined to the cluster before it, if the rules hold then.
pub fn clusters(pauses: &[(f64, f64)]) -> Vec<f64> {
    // Begin, end, and the time of pauses.
    let mut found: Vec<(f64, f64, f64)> = Vec::new();
    for &(begin, end) in pauses {
        let paused = end - begin;
        match found.last_mut() {
            Some((first, last, sum))
                if begin - *last <= LONGEST_GAP && 2.0 * (*sum + paused) >= end - *first =>
            {
                *last = end;
                *sum += paused;
            }
            _ => found.push((begin, end, paused)),
        }
    }
    found
        .into_iter()
        .map(|(begin, end, _)| end - begin)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_by_hand() {
        // 10 of pause, 10 without, 10 of pause: two thirds.
        assert_eq!(clusters(&[(0.0, 10.0), (20.0, 30.0)]), [30.0]);
        // 20 without: exactly half. 21: less.
        assert_eq!(clusters(&[(0.0, 10.0), (30.0, 40.0)]), [40.0]);
        assert_eq!(clusters(&[(0.0, 10.0), (31.0, 41.0)]), [10.0, 10.0]);
        // Half a second without a pause ends a cluster, however long its pauses.
        let long = [(0.0, 1e9), (1.6e9, 3e9)];
        assert_eq!(clusters(&long), [1e9, 1.4e9]);
        assert_eq!(clusters(&[]), [0.0; 0]);
    }
}
