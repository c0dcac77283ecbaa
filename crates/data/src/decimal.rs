//! Decimal numbers kept exactly as they were written, and rounding that never meets a binary fraction.

/// Digits a written number may carry. With 24 of them every conversion of this crate stays inside an `i128`.
pub const MAX_DIGITS: u32 = 24;

/// Largest magnitude of a rounded value, in hundredths: below it the shortest `f64` text is the decimal itself.
pub const MAX_HUNDREDTHS: i64 = 1_000_000_000_000_000;

/// `mantissa × 10^-scale`, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// All digits as one integer, with the sign.
    pub mantissa: i128,
    /// How many of them stand behind the decimal point; at most [`MAX_DIGITS`] plus the places a conversion adds.
    pub scale: u32,
}

/// An exact linear conversion: `(x + add) × num / den`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// Added before scaling.
    pub add: i64,
    /// Numerator of the factor.
    pub num: i64,
    /// Denominator of the factor, positive.
    pub den: i64,
}

impl Linear {
    /// Leaves the value as it is.
    pub const SAME: Linear = Linear { add: 0, num: 1, den: 1 };

    /// A pure factor `num / den`.
    pub const fn factor(num: i64, den: i64) -> Linear {
        Linear { add: 0, num, den }
    }
}

impl Decimal {
    /// Reads a sign, digits and optional decimals from the front of `text`; gives the number and the rest.
    ///
    /// `None` when there are no digits, a decimal point has none behind it, or more than [`MAX_DIGITS`] digits count.
    pub fn leading(text: &str) -> Option<(Decimal, &str)> {
        let (negative, unsigned) = match text.strip_prefix(['-', '−']) {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, rest) = digits(unsigned);
        if whole.is_empty() {
            return None;
        }
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(behind) => {
                let (fraction, rest) = digits(behind);
                if fraction.is_empty() {
                    return None;
                }
                (fraction, rest)
            }
            None => ("", rest),
        };
        let number = Decimal::from_digits(whole, fraction)?;
        Some((if negative { Decimal { mantissa: -number.mantissa, ..number } } else { number }, rest))
    }

    /// Reads a JSON number, an exponent included. `None` when it needs more than [`MAX_DIGITS`] digits.
    pub fn from_json(text: &str) -> Option<Decimal> {
        let (number, rest) = Decimal::leading(text)?;
        let exponent: i32 = match rest.strip_prefix(['e', 'E']) {
            Some(exponent) => exponent.parse().ok()?,
            None if rest.is_empty() => 0,
            None => return None,
        };
        number.shifted(exponent)
    }

    fn from_digits(whole: &str, fraction: &str) -> Option<Decimal> {
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= MAX_DIGITS)?;
        if whole.len() + fraction.len() > MAX_DIGITS as usize {
            return None;
        }
        let mantissa = whole.bytes().chain(fraction.bytes()).fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        Some(Decimal { mantissa, scale })
    }

    fn shifted(self, exponent: i32) -> Option<Decimal> {
        if self.mantissa == 0 {
            return Some(Decimal { mantissa: 0, scale: 0 });
        }
        let scale = i64::from(self.scale) - i64::from(exponent);
        let limit = i64::from(MAX_DIGITS);
        if scale > limit || scale < -limit {
            return None;
        }
        let up = u32::try_from((-scale).max(0)).ok()?;
        let mantissa = self.mantissa.checked_mul(10i128.pow(up))?;
        if mantissa.unsigned_abs() >= 10u128.pow(MAX_DIGITS) {
            return None;
        }
        Some(Decimal { mantissa, scale: u32::try_from(scale.max(0)).ok()? })
    }

    /// `self - other`, exactly; `None` beyond `i128`.
    pub fn minus(self, other: Decimal) -> Option<Decimal> {
        if self.scale == other.scale {
            return Some(Decimal { mantissa: self.mantissa.checked_sub(other.mantissa)?, scale: self.scale });
        }
        let scale = self.scale.max(other.scale);
        let left = self.mantissa.checked_mul(10i128.checked_pow(scale - self.scale)?)?;
        let right = other.mantissa.checked_mul(10i128.checked_pow(scale - other.scale)?)?;
        Some(Decimal { mantissa: left.checked_sub(right)?, scale })
    }

    /// The value after an exact factor whose denominator is a power of ten; `None` beyond `i128`.
    pub fn times(self, num: i64, places: u32) -> Option<Decimal> {
        Some(Decimal { mantissa: self.mantissa.checked_mul(i128::from(num))?, scale: self.scale + places })
    }

    /// The converted value in hundredths, ties to even; `None` when it would reach [`MAX_HUNDREDTHS`].
    pub fn hundredths(self, linear: Linear) -> Option<i64> {
        let rounded = match self.hundredths_narrow(linear) {
            Some(rounded) => rounded,
            None => self.hundredths_wide(linear)?,
        };
        (rounded.abs() < MAX_HUNDREDTHS).then_some(rounded)
    }

    /// The same in 64 bits, which is enough for almost every reading and several times faster.
    fn hundredths_narrow(self, linear: Linear) -> Option<i64> {
        let mantissa = i64::try_from(self.mantissa).ok()?;
        // What the difference of two rain counters in inches needs, with no division by a variable.
        if linear == Linear::SAME && self.scale == 3 {
            return Some(half_even(mantissa.div_euclid(10), mantissa.rem_euclid(10), 10));
        }
        let unit = 10i64.checked_pow(self.scale)?;
        let shifted = mantissa.checked_add(linear.add.checked_mul(unit)?)?;
        let num = shifted.checked_mul(linear.num)?.checked_mul(100)?;
        let den = unit.checked_mul(linear.den)?;
        Some(half_even(num.div_euclid(den), num.rem_euclid(den), den))
    }

    fn hundredths_wide(self, linear: Linear) -> Option<i64> {
        let unit = 10i128.checked_pow(self.scale)?;
        let shifted = self.mantissa.checked_add(i128::from(linear.add).checked_mul(unit)?)?;
        let num = shifted.checked_mul(i128::from(linear.num))?.checked_mul(100)?;
        let den = unit.checked_mul(i128::from(linear.den))?;
        i64::try_from(round_half_even(num, den)).ok()
    }
}

/// Rounds `floor + rest / den` (`0 <= rest < den`), ties to even.
pub(crate) fn half_even(floor: i64, rest: i64, den: i64) -> i64 {
    let up = match rest.cmp(&(den - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => floor & 1 != 0,
    };
    floor + i64::from(up)
}

/// `num / den` (`den > 0`) rounded to an integer, ties to even.
pub fn round_half_even(num: i128, den: i128) -> i128 {
    let floor = num.div_euclid(den);
    let rest = num.rem_euclid(den);
    // `rest < den`, so the comparison cannot overflow where `den - rest` is used instead of `2 * rest`.
    let up = match rest.cmp(&(den - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => floor % 2 != 0,
    };
    floor + i128::from(up)
}

/// Bytes [`put_hundredths`] may touch: sign, twenty digits, point and two decimals, rounded up.
pub(crate) const TEXT: usize = 32;

/// Whole numbers below 10,000 as text, left-aligned.
static WHOLE: [[u8; 4]; 10_000] = whole_numbers();
/// Point and decimals of the hundredths 0 to 99, and in the last byte how many bytes count.
static DECIMALS: [[u8; 4]; 100] = decimals();

const fn whole_numbers() -> [[u8; 4]; 10_000] {
    let mut table = [[b'0'; 4]; 10_000];
    let mut value = 0;
    while value < table.len() {
        let (mut rest, mut at) = (value, digits_of(value as u64));
        while at > 0 {
            at -= 1;
            table[value][at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        value += 1;
    }
    table
}

const fn decimals() -> [[u8; 4]; 100] {
    let mut table = [[b'.', b'0', b'0', 0]; 100];
    let mut value = 1;
    while value < table.len() {
        let [tens, ones] = [(value / 10) as u8, (value % 10) as u8];
        table[value] = [b'.', b'0' + tens, b'0' + ones, if ones == 0 { 2 } else { 3 }];
        value += 1;
    }
    table
}

/// How many digits a whole number below 10,000 has.
const fn digits_of(value: u64) -> usize {
    1 + (value > 9) as usize + (value > 99) as usize + (value > 999) as usize
}

/// Writes hundredths as the shortest decimal: `630` is `6.3`, `9500` is `95`.
pub fn write_hundredths(value: i64, out: &mut Vec<u8>) {
    let mut text = [0; TEXT];
    let end = put_hundredths(value, &mut text);
    out.extend_from_slice(text.get(..end).unwrap_or_default());
}

/// The same into a buffer; gives where the text ends. Bytes behind the end may be overwritten.
#[inline(always)]
pub(crate) fn put_hundredths(value: i64, text: &mut [u8; TEXT]) -> usize {
    text[0] = b'-';
    let sign = usize::from(value < 0);
    let value = value.unsigned_abs();
    let (whole, part) = (value / 100, (value % 100) as usize);
    let end = match WHOLE.get(whole as usize) {
        Some(digits) => {
            text[sign..sign + 4].copy_from_slice(digits);
            sign + digits_of(whole)
        }
        None => put_large(whole, text, sign),
    };
    let decimals = &DECIMALS[part];
    text[end..end + 4].copy_from_slice(decimals);
    end + usize::from(decimals[3])
}

#[cold]
fn put_large(mut value: u64, text: &mut [u8; TEXT], at: usize) -> usize {
    let mut length = 1;
    while 10u64.checked_pow(length as u32).is_some_and(|power| power <= value) {
        length += 1;
    }
    for slot in text[at..at + length].iter_mut().rev() {
        *slot = b'0' + (value % 10) as u8;
        value /= 10;
    }
    at + length
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Decimal> {
        Decimal::leading(text).map(|(number, _)| number)
    }

    fn text(hundredths: i64) -> String {
        let mut out = Vec::new();
        write_hundredths(hundredths, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn signs_digits_and_units_come_apart() {
        assert_eq!(Decimal::leading("-12.50 °F"), Some((Decimal { mantissa: -125, scale: 1 }, " °F")));
        assert_eq!(Decimal::leading("+007mb"), Some((Decimal { mantissa: 7, scale: 0 }, "mb")));
        assert_eq!(read("−3"), Some(Decimal { mantissa: -3, scale: 0 }));
        for bad in ["", "-", ".5", "5.", "abc", "1234567890123456789012345"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn json_numbers_may_carry_an_exponent() {
        assert_eq!(Decimal::from_json("1.5e1"), Some(Decimal { mantissa: 15, scale: 0 }));
        assert_eq!(Decimal::from_json("25e-3"), Some(Decimal { mantissa: 25, scale: 3 }));
        assert_eq!(Decimal::from_json("1e400"), None);
        assert_eq!(Decimal::from_json("0e400"), Some(Decimal { mantissa: 0, scale: 0 }));
    }

    #[test]
    fn ties_go_to_even_and_zero_has_no_sign() {
        let same = |text: &str| read(text).unwrap().hundredths(Linear::SAME).unwrap();
        assert_eq!([same("0.125"), same("0.135"), same("-0.125"), same("0.1250001"), same("-0.004")], [12, 14, -12, 13, 0]);
        assert_eq!([text(0), text(630), text(9500), text(-5), text(101)], ["0", "6.3", "95", "-0.05", "1.01"]);
    }

    /// The slow reference: long division, digit by digit, on strings of decimal digits.
    fn reference(number: Decimal, linear: Linear) -> i64 {
        let mut power = 1i128;
        for _ in 0..number.scale {
            power *= 10;
        }
        let num = (number.mantissa + i128::from(linear.add) * power) * i128::from(linear.num);
        let den = power * i128::from(linear.den);
        let (negative, mut rest) = (num < 0, num.abs());
        let mut quotient = 0i128;
        for place in (0..=2).rev() {
            let digit = rest / den;
            quotient = quotient * if place == 2 { 1 } else { 10 } + digit;
            rest = (rest - digit * den) * if place == 0 { 1 } else { 10 };
        }
        if rest * 2 > den || (rest * 2 == den && quotient % 2 == 1) {
            quotient += 1;
        }
        i64::try_from(if negative { -quotient } else { quotient }).unwrap()
    }

    proptest! {
        #[test]
        fn rounding_is_exact(mantissa in -9_999_999_999i128..9_999_999_999, scale in 0u32..7, which in 0usize..6) {
            let table = [
                Linear::SAME,
                Linear { add: -32, num: 5, den: 9 },
                Linear::factor(338_638_866_667, 10_000_000_000),
                Linear::factor(1_609_344, 1_000_000),
                Linear::factor(1_852, 1_000),
                Linear::factor(254, 10),
            ];
            let number = Decimal { mantissa, scale };
            prop_assert_eq!(number.hundredths(table[which]), Some(reference(number, table[which])));
            prop_assert_eq!(number.hundredths_wide(table[which]), Some(reference(number, table[which])));
        }

        #[test]
        fn the_text_is_the_shortest_that_reads_back(value in -MAX_HUNDREDTHS + 1..MAX_HUNDREDTHS) {
            let written = text(value);
            let float: f64 = written.parse().unwrap();
            prop_assert_eq!(&float.to_string(), &written);
            prop_assert_eq!(read(&written).unwrap().hundredths(Linear::SAME), Some(value));
        }

        #[test]
        fn anything_may_stand_in_a_cell(text in "\\PC*") {
            let _ = Decimal::leading(&text);
            let _ = Decimal::from_json(&text);
        }
    }
}
