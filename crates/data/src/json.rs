//! Canonical JSON text: compact, keys in the order they came, numbers by value.

use serde_json::Value;

/// Writes a value canonically: integral numbers without a fraction, others as the shortest text of their `f64`.
pub fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (key, item)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
    }
}

fn write_number(number: &serde_json::Number, out: &mut String) {
    // 2^53: up to here every integer is an `f64` of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
            // The bound makes the cast exact; -0.0 becomes 0.
            out.push_str(&(float as i64).to_string());
        }
        _ => out.push_str(&number.to_string()),
    }
}

/// Writes a JSON string with the escapes serde_json writes.
pub fn write_string(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_by_value() {
        let value: Value = serde_json::from_str(r#"{"b":[1.0,-0.0,2.50,1e3,12345678901234567890],"a":"é\u0001/"}"#).unwrap();
        let mut out = String::new();
        write(&value, &mut out);
        assert_eq!(out, r#"{"b":[1,0,2.5,1000,12345678901234567890],"a":"é\u0001/"}"#);
    }
}
