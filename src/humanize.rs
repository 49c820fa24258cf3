//! Numbers, durations and counted words as people read them.

use std::time::Duration;

/// `1 234 567`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `340 ms`, `1.2 s`, `2 min 05 s`, `1 h 02 min`.
pub fn duration(value: Duration) -> String {
    let (millis, seconds) = (value.as_millis(), value.as_secs());
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{}.{} s", seconds, value.subsec_millis() / 100),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Two durations that stand in one sentence: to the second where [`duration`] would tell them alike.
pub fn apart(one: Duration, other: Duration) -> [String; 2] {
    let told = [one, other].map(duration);
    if one.as_secs() == other.as_secs() || told[0] != told[1] {
        return told;
    }
    [one, other].map(|value| format!("{} {:02} s", duration(value), value.as_secs() % 60))
}

/// The form of a Russian word that goes with a number: of one, of two to four, of five.
pub fn plural(count: u64, [one, few, many]: [&'static str; 3]) -> &'static str {
    match (count % 10, count % 100) {
        (1, rest) if rest != 11 => one,
        (2..=4, rest) if !(12..=14).contains(&rest) => few,
        _ => many,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_their_word() {
        let word = |count| plural(count, ["строка", "строки", "строк"]);
        assert_eq!([1, 21, 101].map(word), ["строка"; 3]);
        assert_eq!([2, 4, 22].map(word), ["строки"; 3]);
        assert_eq!([5, 11, 12, 14, 20, 111].map(word), ["строк"; 6]);
    }

    #[test]
    fn what_is_too_long_reads_longer_than_what_is_allowed() {
        let hour = Duration::from_hours(1);
        let told = |seconds: u64| apart(hour + Duration::from_secs(seconds), hour);
        assert_eq!(told(8), ["1 h 00 min 08 s", "1 h 00 min 00 s"]);
        assert_eq!(told(60), ["1 h 01 min", "1 h 00 min"]);
        assert_eq!(apart(hour, hour), ["1 h 00 min", "1 h 00 min"]);
        let minute = Duration::from_mins(1);
        assert_eq!(apart(minute + Duration::from_secs(8), minute), ["1 min 08 s", "1 min 00 s"]);
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1 000", "1 234 567"]);
        let times =
            [7, 340, 1250, 59_999, 125_000, 3_725_000].map(|millis| duration(Duration::from_millis(millis)));
        assert_eq!(times, ["7 ms", "340 ms", "1.2 s", "59.9 s", "2 min 05 s", "1 h 02 min"]);
    }
}
