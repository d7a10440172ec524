//! Mail by SMTP.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::courier::Answer;
use crate::form;
use crate::notice::Notice;

/// How long a relay may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the address of a relay may look like.
const ADDRESSES: &str = "`smtp://host`, `smtp://user:password@host?tls=required` or `smtps://user:password@host`";

/// Sends a mail by the relay at `url`: `smtp://` speaks openly, or encrypted with `?tls=required` (STARTTLS), `smtps://`
/// encrypted from the start. The relay's certificate is checked by those that the system trusts.
pub(crate) async fn send(url: &str, from: &str, to: &[String], notice: &Notice) -> Answer {
    let message = match message(from, to, notice) {
        Ok(message) => message,
        Err(reason) => return Answer::Refused { reason },
    };
    let relay = match relay(url) {
        Ok(relay) => relay,
        Err(reason) => return Answer::Refused { reason },
    };
    match relay.send(message).await {
        Ok(_) => Answer::Taken,
        Err(error) if error.is_permanent() => Answer::Refused { reason: error.to_string() },
        Err(error) => Answer::Later { after: None, reason: error.to_string() },
    }
}

/// What is wrong does not tell the address: it may hold a password.
fn relay(url: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let parsed = reqwest::Url::parse(url).map_err(|_| format!("its `url` is none of {ADDRESSES}"))?;
    let is_encrypted =
        parsed.scheme() == "smtps" || parsed.query_pairs().any(|pair| pair == ("tls".into(), "required".into()));
    if parsed.password().is_some() && !is_encrypted {
        return Err("its `url` has a password, which is only sent encrypted: add `?tls=required`, or write `smtps://`"
            .to_owned());
    }
    let relay = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
    let relay = relay.map_err(|_| format!("its `url` is none of {ADDRESSES}"))?;
    Ok(relay.timeout(Some(PATIENCE)).build())
}

fn message(from: &str, to: &[String], notice: &Notice) -> Result<Message, String> {
    let (subject, body) = form::mail(notice);
    let mut builder = Message::builder().subject(subject).header(ContentType::TEXT_PLAIN);
    builder = builder.from(from.parse().map_err(|_| format!("`from: {from}` is not a mail address"))?);
    for receiver in to {
        builder = builder.to(receiver.parse().map_err(|_| format!("`to: {receiver}` is not a mail address"))?);
    }
    builder.body(body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_sent_openly_and_not_told() {
        for url in ["smtp://relay", "smtp://relay:2525", "smtps://ann:pass@relay", "smtp://ann:pass@relay?tls=required"]
        {
            assert!(relay(url).is_ok(), "{url}");
        }
        let wrong = |url| relay(url).map(drop).unwrap_err();
        for open in ["smtp://ann:pass@relay", "smtp://ann:pass@relay?tls=opportunistic"] {
            let reason = wrong(open);
            assert!(reason.contains("only sent encrypted") && !reason.contains("pass@"), "{reason}");
        }
        for other in ["relay:25", "https://relay", "smtp://relay?tls=maybe", "mail"] {
            assert!(wrong(other).contains("none of `smtp://host`"), "{other}");
        }
    }
}
