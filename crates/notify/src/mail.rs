//! Mail by SMTP.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::courier::Answer;
use crate::form;
use crate::notice::Notice;

/// How long a relay may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a mail by the relay at `url` (`smtp://host:port`).
pub(crate) async fn send(url: &str, from: &str, to: &[String], notice: &Notice) -> Answer {
    let message = match message(from, to, notice) {
        Ok(message) => message,
        Err(reason) => return Answer::Refused { reason },
    };
    let Some((host, port)) = server(url) else {
        // The address is not told: it could hold a password.
        return Answer::Refused {
            reason: "its `url` is no `smtp://host:port`; a relay is spoken to without TLS".to_owned(),
        };
    };
    let transport =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(port).timeout(Some(PATIENCE)).build();
    match transport.send(message).await {
        Ok(_) => Answer::Taken,
        Err(error) if error.is_permanent() => Answer::Refused { reason: error.to_string() },
        Err(error) => Answer::Later { after: None, reason: error.to_string() },
    }
}

fn server(url: &str) -> Option<(String, u16)> {
    let url = reqwest::Url::parse(url).ok().filter(|url| url.scheme() == "smtp" && url.password().is_none())?;
    Some((url.host_str()?.to_owned(), url.port().unwrap_or(25)))
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
