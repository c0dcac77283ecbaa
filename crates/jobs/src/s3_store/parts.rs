//! How large the parts of an upload are, and how many of them travel at once.
//!
//! S3 takes at most 10,000 parts of 5 MiB to 5 GiB ("Amazon S3 multipart upload limits" in its user guide). A fixed size would
//! end at 80 GB or need large buffers from the start, so the size doubles every thousand parts: 5 TiB end in part 9,282.

/// Size of the first thousand parts, bytes.
pub(super) const FIRST: usize = 8 << 20;

/// Parts of one size.
const STEP: usize = 1000;

/// Parts under way at once.
const IN_FLIGHT: usize = 4;

/// What the parts under way may hold together, bytes, as long as one part fits.
const BUDGET: usize = 64 << 20;

/// S3's largest part number.
pub(super) const MOST: usize = 10_000;

/// Size of part `index` (from 0), bytes.
pub(super) fn size(index: usize) -> usize {
    FIRST << (index.min(MOST - 1) / STEP)
}

/// How many parts of the size of part `index` may be under way.
pub(super) fn in_flight(index: usize) -> usize {
    (BUDGET / size(index)).clamp(1, IN_FLIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_that_s3_takes_fits() {
        let mut left: u64 = 5 << 40;
        let mut index = 0;
        while left > 0 {
            left = left.saturating_sub(size(index) as u64);
            index += 1;
        }
        assert_eq!(index, 9_282);
        assert!((0..MOST).all(|index| (5 << 20..=5 << 30).contains(&size(index))));
    }

    #[test]
    fn memory_stays_within_the_budget_up_to_four_thousand_parts() {
        assert!((0..4 * STEP).all(|index| in_flight(index) * size(index) <= BUDGET));
        assert_eq!([0, 999, 1_000, 2_000, 3_000, 9_999].map(in_flight), [4, 4, 4, 2, 1, 1]);
    }
}
