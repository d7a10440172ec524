//! Which of this server's files an artifact URI means.

use baton_tracking::artifact::ArtifactPath;

use super::error::ArtifactFailure;

/// The path of `mlflow-artifacts:/…`; files elsewhere are fetched by clients themselves.
pub(crate) fn path_of(uri: &str) -> Result<ArtifactPath, ArtifactFailure> {
    let elsewhere = || {
        ArtifactFailure::not_implemented(format!("artifacts at `{uri}` are not kept by this server; read them there"))
    };
    Ok(ArtifactPath::of_uri(uri).ok_or_else(elsewhere)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_left_out_and_other_stores_refused() {
        for uri in ["mlflow-artifacts:/1/r/artifacts", "mlflow-artifacts://host:5000/1/r/artifacts"] {
            assert_eq!(path_of(uri).unwrap().to_string(), "1/r/artifacts");
        }
        assert!(path_of("mlflow-artifacts:/").unwrap().is_root());
        assert!(path_of("s3://bucket/x").is_err());
        assert!(path_of("mlflow-artifacts:/../x").is_err());
    }
}
