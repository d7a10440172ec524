//! What the contenders of a benchmark took: as a table for people, as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::list::Benchmark;

/// What one turn of a contender took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Turn {
    /// On the clock on the wall.
    seconds: f64,
    /// Of the processor, on all cores together.
    cpu_seconds: Option<f64>,
    /// The most memory that it held.
    peak_mib: Option<f64>,
    /// Rows or steps that it went through.
    items: Option<f64>,
    /// How good what came of it is; more is better.
    score: Option<f64>,
}

impl Turn {
    /// Reads the last line of a contender: seconds, or an object with what else it measured.
    pub(super) fn parse(line: &str) -> Option<Self> {
        match serde_json::from_str(line.trim()).ok()? {
            Value::Number(seconds) => Some(Self { seconds: seconds.as_f64()?, ..Self::default() }),
            Value::Object(said) => {
                let number = |name: &str| said.get(name).and_then(Value::as_f64);
                Some(Self {
                    seconds: number("seconds")?,
                    cpu_seconds: number("cpu_seconds"),
                    peak_mib: number("peak_mib"),
                    items: number("items"),
                    score: number("score"),
                })
            }
            _ => None,
        }
    }

    /// Rows or steps in one of these seconds: those on the wall, or those of a core.
    fn rate_in(&self, seconds: Option<f64>) -> Option<f64> {
        seconds.zip(self.items).map(|(seconds, items)| items / seconds)
    }
}

/// What all turns of a benchmark took, the shortest of each contender first.
pub(super) struct Report {
    benchmark: &'static Benchmark,
    turns: Vec<Vec<Turn>>,
}

impl Report {
    pub(super) fn of(benchmark: &'static Benchmark, mut turns: Vec<Vec<Turn>>) -> Self {
        turns.iter_mut().for_each(|turns| turns.sort_by(|one, other| one.seconds.total_cmp(&other.seconds)));
        Self { benchmark, turns }
    }

    /// The lines below the benchmark's name.
    pub(super) fn table(&self) -> String {
        let medians: Vec<Turn> = self.turns.iter().map(|turns| median(turns)).collect();
        let measures_more = medians.iter().any(|median| median.cpu_seconds.is_some() || median.peak_mib.is_some());
        let counts = medians.iter().any(|median| median.items.is_some());
        let mut text = format!("  {:<26}{:>12}{:>12}{:>16}", "", "least", "median", "first / this");
        if measures_more {
            text.push_str(&format!("{:>12}{:>12}", "CPU", "peak"));
        }
        if counts {
            text.push_str(&format!("{:>14}{:>14}", "a second", "a CPU second"));
        }
        let is_judged = medians.iter().any(|median| median.score.is_some());
        text.push_str(&if is_judged { format!("{:>12}", "score") } else { String::new() });
        text.push('\n');
        let ours = medians.first().map_or(f64::NAN, |median| median.seconds);
        for (place, (contender, median)) in self.benchmark.contenders.iter().zip(&medians).enumerate() {
            let least = self.turns[place].first().map_or(f64::NAN, |turn| turn.seconds);
            let ratio = if place == 0 { String::new() } else { format!("{:.2}", ours / median.seconds) };
            // Text in memory takes everything.
            let _never_fails =
                write!(text, "  {:<26}{:>12}{:>12}{ratio:>16}", contender.name(), shown(least), shown(median.seconds));
            if measures_more {
                let peak = median.peak_mib.map(|mib| format!("{mib:.0} MiB")).unwrap_or_default();
                text.push_str(&format!("{:>12}{peak:>12}", median.cpu_seconds.map(shown).unwrap_or_default()));
            }
            if counts {
                let rate = |seconds: Option<f64>| median.rate_in(seconds).map(grouped).unwrap_or_default();
                text.push_str(&format!("{:>14}{:>14}", rate(Some(median.seconds)), rate(median.cpu_seconds)));
            }
            if let Some(score) = median.score {
                text.push_str(&format!("{:>12}", format!("{score:.5}")));
            }
            text.push('\n');
        }
        text
    }

    fn json(&self) -> Value {
        let ours = self.turns.first().map_or(f64::NAN, |turns| median(turns).seconds);
        let contender = |(place, turns): (usize, &Vec<Turn>)| {
            let median = median(turns);
            json!({
                "name": self.benchmark.contenders[place].name(),
                "seconds": turns.iter().map(|turn| turn.seconds).collect::<Vec<_>>(),
                "median_seconds": median.seconds,
                "cpu_seconds": median.cpu_seconds,
                "peak_mib": median.peak_mib,
                "items": median.items,
                "items_a_second": median.rate_in(Some(median.seconds)),
                "items_a_cpu_second": median.rate_in(median.cpu_seconds),
                "score": median.score,
                "first_to_this": ours / median.seconds,
            })
        };
        json!({
            "benchmark": self.benchmark.name,
            "about": self.benchmark.about,
            "contenders": self.turns.iter().enumerate().map(contender).collect::<Vec<_>>(),
        })
    }
}

/// All reports as JSON.
pub(super) fn json(reports: &[Report]) -> Value {
    reports.iter().map(Report::json).collect()
}

/// The turn in the middle of those that are in order.
fn median(turns: &[Turn]) -> Turn {
    turns.get(turns.len() / 2).copied().unwrap_or(Turn { seconds: f64::NAN, ..Turn::default() })
}

/// Seconds in the unit that suits them.
fn shown(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        _ if seconds < 1.0 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

/// A whole number with its thousands apart.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let place = |place: usize| place > 0 && (digits.len() - place).is_multiple_of(3);
    let mut text = String::new();
    for (number, digit) in digits.chars().enumerate() {
        if place(number) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::list::{Contender, Ground};

    const TWO: &Benchmark = &Benchmark {
        name: "two",
        about: "of two",
        ground: Ground::Own,
        turns: 3,
        contenders: &[Contender::Ours("ours", "two"), Contender::Peer("theirs", "two.py")],
    };

    fn turns(lines: &[&str]) -> Vec<Turn> {
        lines.iter().map(|line| Turn::parse(line).unwrap()).collect()
    }

    #[test]
    fn contenders_say_seconds_or_more() {
        assert_eq!(Turn::parse("0.5"), Some(Turn { seconds: 0.5, ..Turn::default() }));
        let more = Turn::parse(r#"{"seconds": 2, "cpu_seconds": 1.5, "peak_mib": 64, "items": 1000}"#).unwrap();
        assert_eq!(
            (more.seconds, more.cpu_seconds, more.peak_mib, more.items),
            (2.0, Some(1.5), Some(64.0), Some(1_000.0))
        );
        assert_eq!(["done", "{}", "", "[1]"].map(Turn::parse), [None; 4]);
    }

    #[test]
    fn the_table_has_the_columns_that_were_measured() {
        let plain = Report::of(TWO, vec![turns(&["0.3", "0.1", "0.2"]), turns(&["2", "4", "3"])]);
        let expected = "                                   least      median    first / this\n\
                        \x20 ours                         100.00 ms   200.00 ms                \n\
                        \x20 theirs                          2.00 s      3.00 s            0.07\n";
        assert_eq!(plain.table(), expected);
        let more = r#"{"seconds": 2, "cpu_seconds": 4, "peak_mib": 64, "items": 5000000}"#;
        let table = Report::of(TWO, vec![turns(&[more]), turns(&["3"])]).table();
        assert!(table.contains("64 MiB     2,500,000     1,250,000\n"), "{table}");
        let judged = Report::of(TWO, vec![turns(&[r#"{"seconds": 2, "score": 0.75}"#]), turns(&["3"])]).table();
        assert!(judged.lines().next().unwrap().ends_with("first / this       score"), "{judged}");
        assert!(judged.lines().nth(1).unwrap().ends_with("     0.75000"), "{judged}");
    }

    #[test]
    fn programs_read_every_turn() {
        let report = Report::of(TWO, vec![turns(&["0.5", "0.25", "1"]), turns(&["2", "1", "4"])]).json();
        assert_eq!(report["contenders"][0]["seconds"], json!([0.25, 0.5, 1.0]));
        assert_eq!(report["contenders"][1]["first_to_this"], 0.25);
        assert_eq!(report["contenders"][0]["items_a_cpu_second"], Value::Null);
        let counted = turns(&[r#"{"seconds": 2, "cpu_seconds": 4, "items": 5000000}"#]);
        let report = Report::of(TWO, vec![counted, turns(&["3"])]).json();
        assert_eq!(report["contenders"][0]["items_a_second"], 2_500_000.0);
        assert_eq!(report["contenders"][0]["items_a_cpu_second"], 1_250_000.0);
    }

    #[test]
    fn seconds_are_shown_in_a_unit_that_suits() {
        assert_eq!([shown(0.000_012), shown(0.0123), shown(1.234)], ["12.0 µs", "12.30 ms", "1.23 s"]);
        assert_eq!([grouped(999.0), grouped(1_000.4), grouped(1_234_567.0)], ["999", "1,000", "1,234,567"]);
    }
}
