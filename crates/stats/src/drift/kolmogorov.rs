//! Survival function of the one-sample Kolmogorov-Smirnov statistic for n observations.
//!
//! Chooses between exact and series forms by the rules of Simard & L'Ecuyer (2011), "Computing
//! the two-sided Kolmogorov-Smirnov distribution", J. Stat. Softw. 39(11). Where they use
//! Pomeranz' recursion this file uses Durbin's matrix, which is exact as well.

use std::f64::consts::PI;

use statrs::function::gamma::ln_gamma;

/// Up to this many observations every form is exact.
const SMALL_ROWS: u64 = 140;

/// Returns P(D >= distance) for `rows` observations, in [0, 1].
pub(super) fn survival(rows: u64, distance: f64) -> f64 {
    let n = rows as f64;
    let scaled = n * distance;
    let probability = if distance >= 1.0 {
        0.0
    } else if scaled <= 0.5 {
        1.0
    } else if scaled <= 1.0 {
        1.0 - shortest_distance(rows, scaled)
    } else if scaled >= n - 1.0 {
        2.0 * (1.0 - distance).powf(n)
    } else {
        middle(rows, distance)
    };
    probability.clamp(0.0, 1.0)
}

fn middle(rows: u64, distance: f64) -> f64 {
    let n = rows as f64;
    let square = n * distance * distance;
    let one_sided_from = if rows <= SMALL_ROWS { 4.0 } else { 2.2 };
    if square >= 370.0 {
        return 0.0;
    }
    if distance >= 0.5 || square >= one_sided_from {
        return 2.0 * one_sided(rows, distance);
    }
    if rows <= SMALL_ROWS || (rows <= 100_000 && n * distance.powf(1.5) <= 1.4) {
        return 1.0 - durbin_matrix(rows, distance);
    }
    1.0 - pelz_good(n, distance)
}

/// P(D <= d) for 1/2n <= d <= 1/n: n! (2d - 1/n)^n, by Ruben and Gambino.
fn shortest_distance(rows: u64, scaled: f64) -> f64 {
    (1..=rows).map(|row| row as f64 / rows as f64 * (2.0 * scaled - 1.0)).product()
}

/// P(D+ >= d) by Smirnov's sum, whose terms are all positive:
/// d * sum over j of C(n, j) (d + j/n)^(j-1) (1 - d - j/n)^(n-j).
fn one_sided(rows: u64, distance: f64) -> f64 {
    let n = rows as f64;
    let last = (n * (1.0 - distance)).floor() as u64;
    let ln_factorial = ln_gamma(n + 1.0);
    let sum: f64 = (0..=last)
        .map(|j| {
            let step = j as f64;
            let rest = 1.0 - distance - step / n;
            if rest <= 0.0 {
                return 0.0;
            }
            let ln_choose = ln_factorial - ln_gamma(step + 1.0) - ln_gamma(n - step + 1.0);
            (ln_choose + (step - 1.0) * (distance + step / n).ln() + (n - step) * rest.ln()).exp()
        })
        .sum();
    distance * sum
}

/// P(D <= d) as n!/n^n times the centre of the n-th power of Durbin's matrix
/// (Marsaglia, Tsang & Wang 2003, J. Stat. Softw. 8(18)).
fn durbin_matrix(rows: u64, distance: f64) -> f64 {
    let scaled = rows as f64 * distance;
    let centre = scaled.ceil() as usize;
    let power = Scaled::power(&durbin_base(centre, centre as f64 - scaled), rows);
    let mut probability = power.matrix.at(centre - 1, centre - 1);
    let mut exponent = power.exponent;
    for row in 1..=rows {
        probability *= row as f64 / rows as f64;
        if probability < SCALE.recip() {
            probability *= SCALE;
            exponent -= SCALE_BITS;
        }
    }
    probability * 2.0_f64.powi(exponent)
}

/// The (2k-1) square matrix with 1/(i-j+1)! on and below the first superdiagonal, corrected in
/// the first column and the last row for the fraction h = k - n d.
fn durbin_base(centre: usize, fraction: f64) -> Matrix {
    let size = 2 * centre - 1;
    let mut matrix = Matrix::zeros(size);
    for row in 0..size {
        for column in 0..size.min(row + 2) {
            let order = row + 1 - column;
            let mut numerator = 1.0;
            if column == 0 {
                numerator -= fraction.powi(row as i32 + 1);
            }
            if row == size - 1 {
                numerator -= fraction.powi((size - column) as i32);
            }
            if column == 0 && row == size - 1 {
                numerator += (2.0 * fraction - 1.0).max(0.0).powi(size as i32);
            }
            matrix.set(row, column, numerator / factorial(order));
        }
    }
    matrix
}

fn factorial(order: usize) -> f64 {
    (2..=order).map(|factor| factor as f64).product()
}

/// P(D <= d) by the four-term series of Pelz and Good (1976), fast for small z = d sqrt(n).
fn pelz_good(n: f64, distance: f64) -> f64 {
    let z = distance * n.sqrt();
    let (z2, pi2) = (z * z, PI * PI);
    let terms = (16.0 * z / PI).ceil() as u32 + 1;
    let odd = |weight: &dyn Fn(f64) -> f64| -> f64 {
        (1..=terms).map(|k| f64::from(2 * k - 1).powi(2)).map(|m2| weight(m2) * (-pi2 * m2 / (8.0 * z2)).exp()).sum()
    };
    let all = |weight: &dyn Fn(f64) -> f64| -> f64 {
        (1..=terms).map(|k| f64::from(k).powi(2)).map(|k2| weight(k2) * (-pi2 * k2 / (2.0 * z2)).exp()).sum()
    };
    let first = odd(&|_| 1.0) / z;
    let second = odd(&|m2| pi2 / 4.0 * m2 - z2) / (6.0 * z2.powi(2));
    let third_odd = odd(&|m2| {
        let square = pi2 * m2 / 4.0;
        6.0 * z2.powi(3) + 2.0 * z2.powi(2) + (2.0 * z2.powi(2) - 5.0 * z2) * square + (1.0 - 2.0 * z2) * square.powi(2)
    });
    let third = third_odd / (72.0 * z.powi(7)) - pi2 * all(&|k2| k2) / (36.0 * z.powi(3));
    let fourth_odd = odd(&|m2| {
        let square = pi2 * m2 / 4.0;
        -30.0 * z2.powi(3) - 90.0 * z2.powi(4)
            + (135.0 * z2.powi(2) - 96.0 * z2.powi(3)) * square
            + (212.0 * z2.powi(2) - 60.0 * z2) * square.powi(2)
            + (5.0 - 30.0 * z2) * square.powi(3)
    });
    let fourth_all = pi2 * all(&|k2| (3.0 * z2 - pi2 * k2) * k2);
    let fourth = fourth_odd / (6480.0 * z.powi(10)) + fourth_all / (216.0 * z2.powi(3));
    (2.0 * PI).sqrt() * (first + second / n.sqrt() + third / n + fourth / n.powf(1.5))
}

const SCALE_BITS: i32 = 128;
const SCALE: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;

/// A square matrix in row order.
#[derive(Clone)]
struct Matrix {
    size: usize,
    cells: Vec<f64>,
}

impl Matrix {
    fn zeros(size: usize) -> Self {
        Self { size, cells: vec![0.0; size * size] }
    }

    fn identity(size: usize) -> Self {
        let mut matrix = Self::zeros(size);
        for index in 0..size {
            matrix.set(index, index, 1.0);
        }
        matrix
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    fn set(&mut self, row: usize, column: usize, value: f64) {
        self.cells[row * self.size + column] = value;
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = Self::zeros(self.size);
        for row in 0..self.size {
            for inner in 0..self.size {
                let factor = self.at(row, inner);
                for column in 0..self.size {
                    product.cells[row * self.size + column] += factor * other.at(inner, column);
                }
            }
        }
        product
    }
}

/// A matrix times a power of two, so that high powers stay in range.
struct Scaled {
    matrix: Matrix,
    exponent: i32,
}

impl Scaled {
    fn power(base: &Matrix, mut power: u64) -> Self {
        let mut result = Self { matrix: Matrix::identity(base.size), exponent: 0 };
        let mut square = Self { matrix: base.clone(), exponent: 0 };
        while power > 0 {
            if power % 2 == 1 {
                result = result.times(&square);
            }
            square = square.times(&square);
            power /= 2;
        }
        result
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = Self { matrix: self.matrix.times(&other.matrix), exponent: self.exponent + other.exponent };
        let centre = product.matrix.size / 2;
        if product.matrix.at(centre, centre) > SCALE {
            product.matrix.cells.iter_mut().for_each(|cell| *cell /= SCALE);
            product.exponent += SCALE_BITS;
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1: kstwo.sf(distance, rows), one point or more per branch.
    const SURVIVAL: [(u64, f64, f64); 27] = [
        (1, 0.7, 0.6000000000000001),
        (2, 0.6, 0.32000000000000006),
        (5, 0.15, 0.9988),
        (5, 0.11, 0.999999616),
        (10, 0.3, 0.27053557479999946),
        (10, 0.05, 1.0),
        (20, 0.2, 0.352720173623415),
        (100, 0.05, 0.9532159710635725),
        (100, 0.1, 0.2526927570063874),
        (100, 0.19, 0.0012339926382722768),
        (100, 0.25, 5.408871776434847e-06),
        (140, 0.16, 0.0013440163244194184),
        (150, 0.0045, 1.0),
        (150, 0.004, 1.0),
        (500, 0.03, 0.7473166700457021),
        (500, 0.06, 0.05243463489026223),
        (1000, 0.05, 0.013012074781090332),
        (1000, 0.02, 0.8108971656895577),
        (5000, 0.01, 0.6954557253913853),
        (5000, 0.03, 0.00024159234422666817),
        (20000, 0.005, 0.6974088406327613),
        (200000, 0.002, 0.39995085369038097),
        (200000, 0.006, 1.110220331461174e-06),
        (1000000, 0.003, 3.039812751939269e-08),
        (3, 0.9, 0.0019999999999999987),
        (50, 0.55, 9.869988245761123e-15),
        (50, 0.985, 1.2752430004281557e-91),
    ];

    #[test]
    fn survival_equals_scipy() {
        for (rows, distance, expected) in SURVIVAL {
            let actual = survival(rows, distance);
            assert!((actual - expected).abs() <= 1e-8 * expected, "{rows} {distance}: {actual} is not {expected}");
        }
    }
}
