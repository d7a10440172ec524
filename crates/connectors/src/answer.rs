//! How long somebody who takes a connection may say nothing: a server that hangs, or something else that listens there.

use std::future::Future;
use std::time::Duration;

use crate::ConnectorError;

/// How long connecting may take, from the first packet until the session is set up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What `connecting` comes to, if it does within `patience`; `origin` is what messages call the other side.
///
/// # Errors
/// Those of `connecting`, and one that may pass when nobody answers.
pub(crate) async fn within<T>(
    patience: Duration,
    origin: &str,
    connecting: impl Future<Output = Result<T, ConnectorError>>,
) -> Result<T, ConnectorError> {
    let silent = |_| ConnectorError::Origin {
        origin: origin.to_owned(),
        reason: format!("takes the connection, and has said nothing for {} s", patience.as_secs_f32()),
        hint: "look whether it hangs, and whether `url` leads to it".to_owned(),
        is_transient: true,
    };
    tokio::time::timeout(patience, connecting).await.map_err(silent)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_says_nothing_is_named_and_an_answer_is_handed_on() {
        let patience = Duration::from_millis(10);
        let silent = within::<()>(patience, "postgres at db:5432/shop", std::future::pending()).await.unwrap_err();
        assert!(silent.is_transient(), "{silent}");
        expect_test::expect![[
            r"postgres at db:5432/shop takes the connection, and has said nothing for 0.01 s; look whether it hangs, and whether `url` leads to it"
        ]]
        .assert_eq(&silent.to_string());
        assert_eq!(within(patience, "db", async { Ok(7) }).await.unwrap(), 7);
    }
}
