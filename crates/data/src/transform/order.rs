//! The order of files: by name, with runs of digits compared as numbers.

use std::cmp::Ordering;

/// Compares names so that `part_9` comes before `part_10`. Equal numbers with different zeros fall back to the plain order.
pub fn natural(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left.as_bytes(), right.as_bytes());
    loop {
        let (Some(x), Some(y)) = (a.first(), b.first()) else {
            return a.len().cmp(&b.len()).then_with(|| left.cmp(right));
        };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let ((m, rest_a), (n, rest_b)) = (digits(a), digits(b));
            match m.len().cmp(&n.len()).then_with(|| m.cmp(n)) {
                Ordering::Equal => (a, b) = (rest_a, rest_b),
                unequal => return unequal,
            }
        } else if x == y {
            (a, b) = (a.get(1..).unwrap_or_default(), b.get(1..).unwrap_or_default());
        } else {
            return x.cmp(y);
        }
    }
}

/// A run of digits without its leading zeros, and what follows.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (run, rest) = text.split_at(end);
    let zeros = run.iter().take_while(|byte| **byte == b'0').count();
    (run.get(zeros..).unwrap_or_default(), rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = vec!["p/10.jsonl", "p/9.jsonl", "p/2025_10_24_1761343020000_0.jsonl", "p/09.jsonl", "p/a.jsonl"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["p/09.jsonl", "p/9.jsonl", "p/10.jsonl", "p/2025_10_24_1761343020000_0.jsonl", "p/a.jsonl"]);
    }

    proptest! {
        #[test]
        fn it_is_a_total_order(a in "[a0-9_]{0,6}", b in "[a0-9_]{0,6}", c in "[a0-9_]{0,6}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b) != Ordering::Greater && natural(&b, &c) != Ordering::Greater {
                prop_assert_ne!(natural(&a, &c), Ordering::Greater);
            }
        }
    }
}
