//! The Python interpreter of the tests, named by the environment.

use std::path::PathBuf;
use std::process::Command;

/// The interpreter that has `xgboost` installed.
pub(crate) fn python() -> PathBuf {
    std::env::var_os("BATON_TEST_PYTHON").map(PathBuf::from).expect(
        "set BATON_TEST_PYTHON to a Python interpreter with the packages `xgboost` and `numpy` (`cargo xtask test` \
         does)",
    )
}

/// The ONNX Runtime library of the wheel.
pub(crate) fn onnxruntime() -> PathBuf {
    std::env::var_os("BATON_TEST_ONNXRUNTIME").map(PathBuf::from).expect(
        "set BATON_TEST_ONNXRUNTIME to the library `onnxruntime/capi/libonnxruntime.so.*` of the wheel that `pip \
         install onnxruntime` installs (`cargo xtask test` does)",
    )
}

/// Runs a script in a folder and gives what it wrote to `predictions.f64`.
pub(crate) fn run(script: &str, folder: &std::path::Path) -> Vec<f64> {
    let output = Command::new(python()).arg("-c").arg(script).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(folder.join("predictions.f64")).unwrap();
    let (values, []) = bytes.as_chunks::<8>() else { panic!("the script wrote {} bytes", bytes.len()) };
    values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}
