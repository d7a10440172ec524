//! Golden figures of Evidently 0.7.23 and NannyML 0.13.1 from contracts/statistics.md 5.9, and
//! the rules of choice, threshold and refusal.

use super::golden::{assert_close, current_categories, current_numbers, reference_categories, reference_numbers};
use super::*;

const DISTANCE: f64 = 1e-9;
const P_VALUE: f64 = 1e-6;

fn numbers(reference: u64, current: u64) -> (Sample, Sample) {
    (Sample::Numeric(reference_numbers(reference)), Sample::Numeric(current_numbers(current)))
}

fn letters(reference: u64, current: u64) -> (Sample, Sample) {
    (Sample::Categorical(reference_categories(reference)), Sample::Categorical(current_categories(current)))
}

/// Category a against the rest; "a" sorts first, so it is the tested one.
fn is_a(reference: u64, current: u64) -> (Sample, Sample) {
    let binary = |values: Vec<String>| {
        Sample::categorical(values.into_iter().map(|value| if value == "a" { "a" } else { "other" }))
    };
    (binary(reference_categories(reference)), binary(current_categories(current)))
}

fn evidently(samples: (Sample, Sample), method: Method) -> DriftResult {
    drift(&samples.0, &samples.1, method, Convention::Evidently, None).unwrap()
}

#[test]
fn evidently_numeric_column() {
    let expected = [
        (Method::Ks, 3.879583455949269e-4, 9.270210496931914e-18, P_VALUE),
        (Method::Wasserstein, 0.25611420568236615, 0.2537590212249673, DISTANCE),
        (Method::Psi, 0.07977455995109396, 0.07489186892028632, DISTANCE),
        (Method::JensenShannon, 0.09862118023740847, 0.09589330723779246, DISTANCE),
        (Method::KlDivergence, 0.03469063348913387, 0.033670915677998896, DISTANCE),
        (Method::Hellinger, 0.10222140821388667, 0.09785007636029215, DISTANCE),
        (Method::CramerVonMises, 5.299652344636918e-6, 2.8005707752853937e-9, P_VALUE),
        (Method::MannWhitney, 1.8510082951893869e-6, 4.055474173256847e-24, P_VALUE),
        (Method::TTest, 1.3731312629576164e-6, 6.148725287692606e-26, P_VALUE),
        (Method::EnergyDistance, 0.19169248817855825, 0.1909253939424041, DISTANCE),
    ];
    for (method, small, large, tolerance) in expected {
        assert_close(&method.to_string(), evidently(numbers(900, 700), method).score, small, tolerance);
        assert_close(&method.to_string(), evidently(numbers(5000, 3000), method).score, large, tolerance);
    }
}

#[test]
fn evidently_categorical_column() {
    let expected = [
        (Method::ChiSquare, 4.2139151531003356e-8, 5.005432019267052e-31, P_VALUE),
        (Method::Psi, 0.04685830250208809, 0.04289233501478136, DISTANCE),
        (Method::JensenShannon, 0.0763259878982, 0.07305099974659968, DISTANCE),
        (Method::KlDivergence, 0.02257952155944365, 0.02074212996063096, DISTANCE),
        (Method::Hellinger, 0.07642899956973816, 0.07313645809985257, DISTANCE),
    ];
    for (method, small, large, tolerance) in expected {
        assert_close(&method.to_string(), evidently(letters(900, 700), method).score, small, tolerance);
        assert_close(&method.to_string(), evidently(letters(5000, 3000), method).score, large, tolerance);
    }
}

#[test]
fn evidently_proportion_test() {
    assert_close("z", evidently(is_a(900, 700), Method::Z).score, 9.773492360307667e-4, P_VALUE);
    // Evidently computes 2 (1 - cdf), which near 1 is only exact to 1.1e-16 per unit.
    let large = evidently(is_a(5000, 3000), Method::Z).score;
    assert!((large - 2.9201085993690867e-12).abs() < 4e-16, "{large}");
}

#[test]
fn nannyml_distances_and_learned_thresholds() {
    let (x, x_chunk) = numbers(6000, 1000);
    let (k, k_chunk) = letters(6000, 1000);
    let expected = [
        (&x, &x_chunk, Method::Ks, 0.1035, 0.00387832407908892),
        (&x, &x_chunk, Method::JensenShannon, 0.11892483396439336, 0.02569548025963648),
        (&x, &x_chunk, Method::Wasserstein, 0.2519894858333334, 0.007511863515481386),
        (&x, &x_chunk, Method::Hellinger, 0.10237156686056788, 0.0256218634881486),
        (&k, &k_chunk, Method::JensenShannon, 0.08894994705565694, 0.003705613235534459),
        (&k, &k_chunk, Method::LInfinity, 0.08100000000000002, 0.0026541660633264347),
        (&k, &k_chunk, Method::Hellinger, 0.07414999417091447, 0.003085134089738796),
    ];
    for (reference, chunk, method, distance, threshold) in expected {
        let learned = learn_threshold(reference, method, Some(1000)).unwrap();
        assert_close(&method.to_string(), learned.upper, threshold, DISTANCE);
        let result = drift(reference, chunk, method, Convention::NannyMl, Some(learned.upper)).unwrap();
        assert_close(&method.to_string(), result.score, distance, DISTANCE);
        assert!(result.drifted);
    }
}

#[test]
fn nannyml_chi_square_reports_its_statistic() {
    let (reference, chunk) = letters(6000, 1000);
    let result = drift(&reference, &chunk, Method::ChiSquare, Convention::NannyMl, None).unwrap();
    assert_close("chi-square", result.statistic.unwrap(), 40.80736546995185, DISTANCE);
    assert_eq!((result.threshold, result.drifted), (0.05, true));
}

#[test]
fn nannyml_counts_mass_outside_the_reference() {
    let reference = Sample::Numeric((0..200).map(f64::from).collect());
    let outside = Sample::Numeric(vec![1000.0; 50]);
    let result = drift(&reference, &outside, Method::JensenShannon, Convention::NannyMl, Some(0.1)).unwrap();
    assert_close("all mass outside", result.score, 1.0, DISTANCE);
}

#[test]
fn automatic_method_follows_type_and_size() {
    let choose = |samples: (Sample, Sample)| evidently(samples, Method::Auto).method;
    assert_eq!(choose(numbers(900, 700)), Method::Ks);
    assert_eq!(choose(numbers(1001, 700)), Method::Wasserstein);
    assert_eq!(choose(letters(1000, 700)), Method::ChiSquare);
    assert_eq!(choose(letters(1001, 700)), Method::JensenShannon);
    assert_eq!(choose(is_a(900, 700)), Method::Z);
    let few = |rows: u32| Sample::Numeric((0..rows).map(|row| f64::from(row % 4)).collect());
    assert_eq!(choose((few(900), few(700))), Method::ChiSquare);
    assert_eq!(choose((few(1100), few(700))), Method::JensenShannon);
}

#[test]
fn verdicts_follow_the_default_thresholds() {
    let verdict = |method| evidently(numbers(900, 700), method).drifted;
    assert!(verdict(Method::Ks) && verdict(Method::Wasserstein) && verdict(Method::TTest));
    assert!(!verdict(Method::Psi) && !verdict(Method::JensenShannon) && !verdict(Method::KlDivergence));
    let (reference, current) = numbers(900, 700);
    assert!(drift(&reference, &current, Method::Psi, Convention::Evidently, Some(0.05)).unwrap().drifted);
}

#[test]
fn quantile_bins_give_the_credit_scoring_figure() {
    // numpy: edges = quantile(ref, linspace(0, 1, 11)), outside clipped, sum (p - q) ln(p / q).
    let (reference, current) = numbers(5000, 3000);
    let result = drift(&reference, &current, Method::Psi, Convention::Quantile10, None).unwrap();
    assert_close("psi", result.score, 0.06498057009918663, DISTANCE);
    assert_eq!(result.edges.unwrap().len(), 11);
    assert_eq!(result.note.as_deref(), Some("stable: below 0.1"));
}

#[test]
fn quantile_bins_see_a_shift_of_few_values() {
    let flags = |ones: usize| Sample::Numeric((0..1000).map(|row| f64::from(u8::from(row < ones))).collect());
    let result = drift(&flags(100), &flags(500), Method::Psi, Convention::Quantile10, None).unwrap();
    // (0.1 - 0.5) ln(0.1 / 0.5) + (0.9 - 0.5) ln(0.9 / 0.5)
    assert_close("psi", result.score, 0.878889830934488, DISTANCE);
    let mostly_zero = Sample::Numeric((0..1000).map(|row| f64::from(row / 960 * row)).collect());
    assert!(drift(&mostly_zero, &flags(1), Method::Psi, Convention::Quantile10, None).is_err());
}

#[test]
fn missing_numbers_are_dropped() {
    let clean = Sample::Numeric((0..40).map(f64::from).collect());
    let dirty = [f64::NAN, f64::INFINITY].into_iter().chain((0..40).map(f64::from)).collect();
    let result = drift(&clean, &Sample::Numeric(dirty), Method::Auto, Convention::Evidently, None).unwrap();
    assert_eq!((result.reference_rows, result.current_rows), (40, 40));
    assert_eq!((result.score, result.drifted), (1.0, false));
}

#[test]
fn counts_are_worth_as_much_as_rows() {
    let (reference, current) = letters(900, 700);
    let counted = |sample: &Sample| match sample.prepare("sample").unwrap() {
        Prepared::Categories(counts) => Sample::Counts(counts),
        Prepared::Numbers(_) => unreachable!("letters are categories"),
    };
    let samples = (counted(&reference), counted(&current));
    assert_eq!(evidently(samples, Method::Psi), evidently((reference, current), Method::Psi));
}

#[test]
fn refusals_name_what_to_do() {
    let (x, _) = numbers(50, 50);
    let (k, _) = letters(50, 50);
    let refuse = |reference: &Sample, current: &Sample, method, convention| {
        drift(reference, current, method, convention, None).unwrap_err().to_string()
    };
    let empty = Sample::Numeric(vec![f64::NAN]);
    let messages = [
        refuse(&x, &empty, Method::Ks, Convention::Evidently),
        refuse(&x, &k, Method::Ks, Convention::Evidently),
        refuse(&k, &k, Method::Ks, Convention::Evidently),
        refuse(&x, &x, Method::Psi, Convention::NannyMl),
        refuse(&x, &x, Method::TTest, Convention::Quantile10),
        refuse(&Sample::Numeric(vec![1.0; 9]), &Sample::Numeric(vec![1.0; 9]), Method::TTest, Convention::Evidently),
        "kolmogorov".parse::<Method>().unwrap_err().to_string(),
    ];
    expect_test::expect![[r#"
        the current sample has no values; choose a window with rows
        the samples cannot be compared: one is numeric, the other categorical; read both as one type
        drift method `ks` of convention `evidently` does not score categorical samples; choose another method or `auto`
        drift method `psi` of convention `nannyml` does not score numeric samples; choose another method or `auto`
        drift method `t_test` of convention `quantile10` does not score numeric samples; choose another method or `auto`
        drift method `t_test` is undefined here: the samples have no variance or fewer than three rows together; choose another method or more rows
        unknown drift method `kolmogorov`; known are auto, ks, wasserstein, psi, kl_divergence, jensen_shannon, hellinger, cramer_von_mises, mann_whitney, t_test, energy_distance, chi_square, z, l_infinity"#]].assert_eq(&messages.join("\n"));
}
