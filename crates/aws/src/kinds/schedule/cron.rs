//! From the five fields of Unix cron to EventBridge Scheduler's six.

/// Days of the week as EventBridge Scheduler names them, Sunday first as in Unix cron.
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Turns `0 3 * * *` into `cron(0 3 * * ? *)`. An expression that is EventBridge Scheduler's own (`cron(…)`, `rate(…)`,
/// `at(…)`) stays as it is.
///
/// # Errors
/// What is wrong: not five fields, a day of week that does not exist, or a day of month together with a day of week,
/// which EventBridge Scheduler cannot express (Unix cron takes either, it takes one).
pub fn expression(cron: &str) -> Result<String, String> {
    let cron = cron.trim();
    if ["cron(", "rate(", "at("].iter().any(|start| cron.starts_with(start)) {
        return if cron.ends_with(')') { Ok(cron.to_owned()) } else { Err(format!("`{cron}` has no closing bracket")) };
    }
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!("`{cron}` has {} fields instead of 5: minute, hour, day of month, month, day of week", fields.len()));
    };
    match (*day, *weekday) {
        (day, "*" | "?") => Ok(format!("cron({minute} {hour} {day} {month} ? *)")),
        ("*" | "?", weekday) => Ok(format!("cron({minute} {hour} ? {month} {} *)", weekdays(weekday)?)),
        _ => Err(format!("`{cron}` names a day of month and a day of week; EventBridge Scheduler takes one of them: make two schedules")),
    }
}

/// `1-5` as `MON,TUE,WED,THU,FRI`: Unix counts from Sunday = 0 (or 7), EventBridge Scheduler from Sunday = 1.
fn weekdays(field: &str) -> Result<String, String> {
    let mut chosen = [false; 7];
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, Ok(1)), |(range, step)| (range, step.parse::<usize>()));
        let step = step.ok().filter(|step| *step > 0).ok_or_else(|| format!("`{part}` has no step that counts"))?;
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None if range == "*" => (0, 6),
            None => (day(range)?, day(range)?),
        };
        // `5-7` and `FRI-MON` go over the weekend.
        let last = if last < first { last + 7 } else { last };
        for number in (first..=last).step_by(step) {
            if let Some(slot) = chosen.get_mut(number % 7) {
                *slot = true;
            }
        }
    }
    Ok(DAYS.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(name, _)| *name).collect::<Vec<_>>().join(","))
}

fn day(word: &str) -> Result<usize, String> {
    let by_name = DAYS.iter().position(|name| name.eq_ignore_ascii_case(word));
    by_name
        .or_else(|| word.parse().ok().filter(|number| *number <= 7))
        .ok_or_else(|| format!("`{word}` is no day of the week (0 to 7, SUN to SAT)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn five_fields_become_six() {
        let pairs = [
            ("0 3 * * *", "cron(0 3 * * ? *)"),
            ("*/15 8-18 1,15 * *", "cron(*/15 8-18 1,15 * ? *)"),
            ("0 3 * * 0", "cron(0 3 ? * SUN *)"),
            ("0 3 * 1-6 1-5", "cron(0 3 ? 1-6 MON,TUE,WED,THU,FRI *)"),
            ("0 3 * * 5-7", "cron(0 3 ? * SUN,FRI,SAT *)"),
            ("0 3 * * fri-mon", "cron(0 3 ? * SUN,MON,FRI,SAT *)"),
            ("0 3 * * */2", "cron(0 3 ? * SUN,TUE,THU,SAT *)"),
            ("rate(1 hour)", "rate(1 hour)"),
        ];
        for (unix, aws) in pairs {
            assert_eq!(expression(unix).as_deref(), Ok(aws), "{unix}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        for bad in ["", "0 3 * *", "0 3 1 * 1", "0 3 * * 8", "0 3 * * MONDAY", "0 3 * * 1/0", "cron(0 3 * * ? *"] {
            assert!(expression(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer_and_an_answer_stays(text in "[0-9*/,?A-Z -]{0,24}") {
            if let Ok(aws) = expression(&text) {
                prop_assert_eq!(expression(&aws), Ok(aws.clone()));
            }
        }
    }
}
