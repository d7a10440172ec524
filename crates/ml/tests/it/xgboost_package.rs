//! The `xgboost` package loads stored trees and predicts the same; and the other way round.

use crate::python::run;
use crate::{Fitted, fit, largest_difference};
use baton_ml::data::Task;
use baton_ml::explain::shap_row;
use baton_ml::runtime::{RuntimeOptions, load};
use baton_ml::{FeatureEncoder, StoredModel};

const READ_ROWS: &str = "
import numpy, xgboost
rows = numpy.fromfile('rows.f32', dtype='<f4').reshape(-1, 3)
";

fn folder_with_rows(fitted: &Fitted) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = fitted.rows.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(folder.path().join("rows.f32"), bytes).unwrap();
    folder
}

#[test]
fn the_package_predicts_the_same_from_stored_trees() {
    let cases = [
        ("boosted_trees", Task::BinaryClassification),
        ("random_forest", Task::BinaryClassification),
        ("boosted_trees", Task::Regression),
    ];
    for (algorithm, task) in cases {
        let fitted = fit(algorithm, task);
        let folder = folder_with_rows(&fitted);
        std::fs::write(folder.path().join("model.ubj"), &fitted.stored.bytes).unwrap();
        let script = format!(
            "{READ_ROWS}
booster = xgboost.Booster(model_file='model.ubj')
booster.predict(xgboost.DMatrix(rows)).astype('<f8').tofile('predictions.f64')
"
        );
        let theirs = run(&script, folder.path());
        let ours = fitted.trained.predict(&fitted.rows.values).unwrap();
        let difference = largest_difference(&ours, &theirs);
        assert!(difference <= 1e-6, "{algorithm} {task} differs by {difference}");
    }
}

#[test]
fn contributions_are_those_of_the_package() {
    let fitted = fit("boosted_trees", Task::BinaryClassification);
    let folder = folder_with_rows(&fitted);
    std::fs::write(folder.path().join("model.ubj"), &fitted.stored.bytes).unwrap();
    let script = format!(
        "{READ_ROWS}
booster = xgboost.Booster(model_file='model.ubj')
matrix = xgboost.DMatrix(rows[:50])
booster.predict(matrix, pred_contribs=True).astype('<f8').tofile('predictions.f64')
"
    );
    let theirs = run(&script, folder.path());
    for (row, theirs) in fitted.rows.values.chunks(3).zip(theirs.chunks(4)) {
        let explained = shap_row(&fitted.stored, row).unwrap();
        let mut ours: Vec<f64> = explained.contributions.iter().map(|(_, part)| *part).collect();
        ours.push(explained.bias);
        let difference = largest_difference(&ours, theirs);
        assert!(difference <= 1e-4, "{ours:?} against {theirs:?}");
    }
}

#[test]
fn a_model_of_the_package_comes_in() {
    let fitted = fit("boosted_trees", Task::BinaryClassification);
    let folder = folder_with_rows(&fitted);
    for file in ["theirs.ubj", "theirs.json"] {
        let script = format!(
            "{READ_ROWS}
labels = (numpy.nan_to_num(rows[:, 0] + rows[:, 1]) > 1).astype('f4')
matrix = xgboost.DMatrix(rows, label=labels)
booster = xgboost.train({{'objective': 'binary:logistic', 'max_depth': 4}}, matrix, 20)
booster.save_model('{file}')
booster.predict(matrix).astype('<f8').tofile('predictions.f64')
"
        );
        let theirs = run(&script, folder.path());
        let bytes = std::fs::read(folder.path().join(file)).unwrap();
        let encoder = FeatureEncoder::numeric(&["a", "b", "c"].map(str::to_owned));
        let imported = StoredModel::import(&bytes, encoder, Task::BinaryClassification).unwrap();
        let loaded = load(&imported, &RuntimeOptions::default()).unwrap();
        let ours = loaded.predict(&fitted.rows.values, theirs.len()).unwrap();
        let difference = largest_difference(&ours, &theirs);
        assert!(difference <= 1e-6, "{file} differs by {difference}");
    }
}
