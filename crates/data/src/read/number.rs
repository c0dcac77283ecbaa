//! Short decimal numbers, eight bytes at a time.
//!
//! The eight bytes are one 64-bit word, first byte lowest. A byte is a digit when it differs from `0` by less than ten;
//! that is asked of all eight at once, with sums that cannot carry from one byte into the next.

const ZEROS: u64 = 0x3030_3030_3030_3030;
const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const HIGH: u64 = 0x8080_8080_8080_8080;
/// Added to the low seven bits of a byte it reaches the eighth for everything from ten on.
const BEYOND_NINE: u64 = 0x7676_7676_7676_7676;
/// With so many digits before the point and two behind it the byte after the number is still one of the eight, and no
/// product of a conversion overflows.
const WHOLE: u32 = 4;

/// Reads `-`, one to four digits and at most two decimals; gives the number in hundredths, exactly, and what follows.
///
/// `None` for anything else. At least eight bytes must follow the sign, whatever they are.
#[inline(always)]
pub(super) fn hundredths(text: &[u8]) -> Option<(i64, &[u8])> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let values = u64::from_le_bytes(*text.first_chunk()?) ^ ZEROS;
    let others = (((values & LOW) + BEYOND_NINE) | values) & HIGH;
    let whole = others.trailing_zeros() / 8;
    if whole == 0 || whole > WHOLE {
        return None;
    }
    // Bytes before the first that is no digit.
    let before = (others & others.wrapping_neg()).wrapping_sub(1) >> 7;
    let (digits, length) = if text.get(whole as usize) == Some(&b'.') {
        let behind = others & (others - 1);
        let end = behind.trailing_zeros() / 8;
        if !matches!(end - whole, 2 | 3) {
            return None;
        }
        // The point goes, and with it everything behind the decimals.
        let joined = (values & before) | ((values >> 8) & !before);
        (joined & ((1 << (8 * (end - 1))) - 1), end)
    } else {
        (values & before, whole)
    };
    // Two places stand for the decimals, zeros where none were written.
    let number = eight(digits << (8 * (6 - whole)));
    Some((if negative { -number } else { number }, text.get(length as usize..)?))
}

/// The number of eight digits, the first one in the lowest byte: pairs, then fours, then all eight.
fn eight(digits: u64) -> i64 {
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(1 + (10_000 << 32)) >> 32) as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decimal::{Decimal, Linear};

    /// What the general reader says, where it says what this one may say.
    fn reference(text: &str) -> Option<(i64, &str)> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let whole = digits(unsigned);
        let (decimals, behind) = match unsigned.get(whole..)?.strip_prefix('.') {
            Some(rest) => (Some(digits(rest)), rest.get(digits(rest)..)?),
            None => (None, unsigned.get(whole..)?),
        };
        if !(1..=WHOLE as usize).contains(&whole) || !matches!(decimals, None | Some(1 | 2)) {
            return None;
        }
        let (decimal, _) = Decimal::leading(text)?;
        Some((decimal.hundredths(Linear::SAME)?, behind))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn it_reads_what_the_general_reader_reads(text in "-?[0-9]{0,7}(\\.[0-9]{0,3})?(\\.|-|\u{a0}°F|\"|[a-z]|\u{7f}|\u{0})?") {
            let padded = format!("{text}~~~~~~~~");
            let found = hundredths(padded.as_bytes()).map(|(number, rest)| (number, std::str::from_utf8(rest).unwrap().to_owned()));
            let expected = reference(&padded).map(|(number, rest)| (number, rest.to_owned()));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_bytes_may_come(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = hundredths(&bytes);
        }
    }
}
