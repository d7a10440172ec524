//! Rows for tests that any language can make again: `u(m, M)_i = ((i * m) mod M) / M` for `i` from 1.
//!
//! Three features: `a`, `b` (every seventh row missing) and the category `c` (codes 0, 1, 2 for 50, 30 and 20
//! percent of the rows). The class is 1 where `u(5113, 10009) < sigmoid(2a - 1.5b + 0.8[c = 2] - 0.4)`, the number
//! is `3a - b + 0.5[c = 1] + u(5113, 10009)`.

/// Encoded rows with both kinds of labels.
pub(crate) struct Rows {
    pub(crate) values: Vec<f32>,
    pub(crate) classes: Vec<f32>,
    pub(crate) numbers: Vec<f32>,
}

pub(crate) const N_FEATURES: usize = 3;

/// The category counts that go with the rows.
pub(crate) const N_CATEGORIES: [Option<usize>; 3] = [None, None, Some(3)];

fn u(i: u64, multiplier: u64, modulus: u64) -> f64 {
    ((i * multiplier) % modulus) as f64 / modulus as f64
}

/// The first `n_rows` rows.
pub(crate) fn rows(n_rows: u64) -> Rows {
    let mut made = Rows { values: Vec::new(), classes: Vec::new(), numbers: Vec::new() };
    for i in 1..=n_rows {
        let (a, b) = (u(i, 7919, 10007) as f32, u(i, 4639, 10009) as f32);
        let category = match u(i, 6421, 10037) {
            share if share < 0.5 => 0.0,
            share if share < 0.8 => 1.0,
            _ => 2.0,
        };
        let flag = |code: f32| f64::from(u8::from(category == code));
        let (wide_a, wide_b, noise) = (f64::from(a), f64::from(b), u(i, 5113, 10009));
        let margin = 2.0 * wide_a - 1.5 * wide_b + 0.8 * flag(2.0) - 0.4;
        made.values.extend([a, if i % 7 == 0 { f32::NAN } else { b }, category]);
        made.classes.push(f32::from(u8::from(noise < 1.0 / (1.0 + (-margin).exp()))));
        made.numbers.push((3.0 * wide_a - wide_b + 0.5 * flag(1.0) + noise) as f32);
    }
    made
}
