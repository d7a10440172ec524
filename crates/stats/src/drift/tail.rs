//! Tail probabilities of the normal, Student and chi-square distributions.
//!
//! Each is computed in its own tail, never as one minus a distribution function, so that small
//! p-values keep their digits.

use statrs::function::beta::checked_beta_reg;
use statrs::function::erf::erfc;
use statrs::function::gamma::checked_gamma_ur;

/// P(Z >= z) of the standard normal distribution.
pub(super) fn normal_survival(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// P(|T| >= |t|) of Student's distribution; none when the arguments are not numbers.
pub(super) fn student_two_sided(t: f64, degrees: f64) -> Option<f64> {
    let share = degrees / (degrees + t * t);
    checked_beta_reg(degrees / 2.0, 0.5, share).ok().filter(|p| p.is_finite())
}

/// P(X >= statistic) of the chi-square distribution; none when the arguments are not numbers.
pub(super) fn chi_square_survival(statistic: f64, degrees: f64) -> Option<f64> {
    if statistic <= 0.0 {
        return Some(1.0);
    }
    if statistic.is_infinite() {
        return Some(0.0);
    }
    checked_gamma_ur(degrees / 2.0, statistic / 2.0).ok().filter(|p| p.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 1e-7 * expected, "{actual} is not {expected}");
    }

    // scipy 1.17.1: norm.sf, 2 * t.sf, chi2.sf.
    #[test]
    fn tails_equal_scipy() {
        assert_close(normal_survival(-3.0), 0.9986501019683699);
        assert_close(normal_survival(0.0), 0.5);
        assert_close(normal_survival(0.5), 0.3085375387259869);
        assert_close(normal_survival(1.96), 0.024997895148220435);
        assert_close(normal_survival(6.0), 9.865876450376946e-10);
        assert_close(normal_survival(12.0), 1.776482112077653e-33);
        assert_close(normal_survival(30.0), 4.906713927147908e-198);
        assert_close(student_two_sided(0.1, 3.0).unwrap(), 0.9266523488008059);
        assert_close(student_two_sided(2.0, 10.0).unwrap(), 0.07338803477074037);
        assert_close(student_two_sided(2.0, 1598.0).unwrap(), 0.04566924693377449);
        assert_close(student_two_sided(10.6, 7998.0).unwrap(), 4.436068193326592e-26);
        assert_close(student_two_sided(0.01, 2000000.0).unwrap(), 0.9920212883681423);
        assert_close(student_two_sided(2.0, 2000000.0).unwrap(), 0.04550039887380676);
        assert_close(student_two_sided(30.0, 2000000.0).unwrap(), 1.0861192311773984e-197);
        assert_close(student_two_sided(0.7, 20000000.0).unwrap(), 0.4839273125881673);
        assert_close(chi_square_survival(0.01, 1.0).unwrap(), 0.920344325445942);
        assert_close(chi_square_survival(3.0, 3.0).unwrap(), 0.3916251762710877);
        assert_close(chi_square_survival(140.0, 3.0).unwrap(), 3.779722162902135e-30);
        assert_close(chi_square_survival(1000.0, 3.0).unwrap(), 1.7994208765314067e-216);
        assert_close(chi_square_survival(900.0, 1000.0).unwrap(), 0.9892827619087102);
        assert_close(chi_square_survival(1100.0, 1000.0).unwrap(), 0.014614408126295192);
        assert_close(chi_square_survival(100900.0, 100000.0).unwrap(), 0.022324573942617117);
    }
}
