//! The loop over messages: texts in, diagnostics out, questions answered.

use std::collections::BTreeSet;
use std::path::Path;

use lsp_server::{Connection, ErrorCode, ExtractError, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument, Notification as _,
    PublishDiagnostics, ShowMessage,
};
use lsp_types::request::{Completion, GotoDefinition, HoverRequest, Request as _};
use lsp_types::{
    CompletionOptions, CompletionResponse, GotoDefinitionResponse, HoverProviderCapability, MessageType, OneOf,
    Position, ServerCapabilities, ShowMessageParams, TextDocumentSyncCapability, TextDocumentSyncKind, Uri,
};
use serde_json::{Value, json};

use crate::completion::completion;
use crate::definition::definition;
use crate::diagnostics::published;
use crate::documents::Documents;
use crate::hover::hover;
use crate::subject::subject;
use crate::text::{Word, word_at};
use crate::{Analyst, Understanding};

/// Why the server ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum LspError {
    /// The editor broke the protocol, or went away.
    #[error("the editor broke the protocol: {0}")]
    Protocol(#[from] lsp_server::ProtocolError),
    /// Standard input or output failed.
    #[error("cannot talk to the editor: {0}")]
    Io(#[from] std::io::Error),
    /// The editor does not listen any more.
    #[error("the editor does not listen any more")]
    Gone,
}

/// Serves one editor on standard input and output until it says that it ends.
///
/// # Errors
/// [`LspError`] when the editor goes away without a word.
pub fn serve(folder: &Path, analyst: &dyn Analyst) -> Result<(), LspError> {
    let (connection, threads) = Connection::stdio();
    let info = json!({"name": "baton", "version": env!("CARGO_PKG_VERSION")});
    let (id, _client) = connection.initialize_start()?;
    connection.initialize_finish(id, json!({"capabilities": capabilities(), "serverInfo": info}))?;
    Server {
        connection: &connection,
        analyst,
        documents: Documents::new(folder),
        understood: None,
        is_stale: true,
        told: BTreeSet::new(),
    }
    .run()?;
    drop(connection);
    Ok(threads.join()?)
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec![".".to_owned()]),
            ..CompletionOptions::default()
        }),
        ..ServerCapabilities::default()
    }
}

struct Server<'a> {
    connection: &'a Connection,
    analyst: &'a dyn Analyst,
    documents: Documents,
    /// The newest understanding without errors; answers come from it while something is mistyped.
    understood: Option<Understanding>,
    /// Whether texts changed since.
    is_stale: bool,
    /// Files whose diagnostics the editor shows.
    told: BTreeSet<String>,
}

impl Server<'_> {
    fn run(&mut self) -> Result<(), LspError> {
        loop {
            // While more is waiting to be read, the text at hand is old already.
            if self.is_stale && self.connection.receiver.is_empty() {
                self.understand()?;
            }
            let Ok(message) = self.connection.receiver.recv() else { return Ok(()) };
            match message {
                Message::Request(request) => {
                    if self.connection.handle_shutdown(&request)? {
                        return Ok(());
                    }
                    if self.is_stale {
                        self.understand()?;
                    }
                    let response = self.answer(request);
                    self.send(response)?;
                }
                Message::Notification(notification) => self.take_in(notification),
                Message::Response(_) => {}
            }
        }
    }

    fn send(&self, message: impl Into<Message>) -> Result<(), LspError> {
        self.connection.sender.send(message.into()).map_err(|_| LspError::Gone)
    }

    fn notify<N: lsp_types::notification::Notification>(&self, params: N::Params) -> Result<(), LspError> {
        self.send(Notification::new(N::METHOD.to_owned(), params))
    }

    /// Resolves the project again and publishes what is wrong with it.
    fn understand(&mut self) -> Result<(), LspError> {
        self.is_stale = false;
        let understanding = match self.analyst.understand(self.documents.unsaved()) {
            Ok(understanding) => understanding,
            Err(message) => {
                return self.notify::<ShowMessage>(ShowMessageParams { typ: MessageType::ERROR, message });
            }
        };
        let found = published(&understanding.diagnostics, &understanding.project, &self.documents, &mut self.told);
        for params in found {
            self.notify::<PublishDiagnostics>(params)?;
        }
        if understanding.prepared.is_some() {
            self.understood = Some(understanding);
        }
        Ok(())
    }

    fn take_in(&mut self, notification: Notification) {
        let has_changed = match notification.method.as_str() {
            DidOpenTextDocument::METHOD => self.with::<DidOpenTextDocument>(notification, |documents, params| {
                documents.put(&params.text_document.uri, params.text_document.text);
            }),
            DidChangeTextDocument::METHOD => self.with::<DidChangeTextDocument>(notification, |documents, params| {
                if let Some(change) = params.content_changes.into_iter().next_back() {
                    documents.put(&params.text_document.uri, change.text);
                }
            }),
            DidCloseTextDocument::METHOD => self.with::<DidCloseTextDocument>(notification, |documents, params| {
                documents.close(&params.text_document.uri);
            }),
            DidSaveTextDocument::METHOD => true,
            _ => false,
        };
        self.is_stale |= has_changed;
    }

    /// Whether a notification could be read and was taken in. One that cannot be read changes nothing.
    fn with<N: lsp_types::notification::Notification>(
        &mut self,
        notification: Notification,
        take: impl FnOnce(&mut Documents, N::Params),
    ) -> bool {
        let Ok(params) = notification.extract::<N::Params>(N::METHOD) else { return false };
        take(&mut self.documents, params);
        true
    }

    fn answer(&self, request: Request) -> Response {
        match request.method.as_str() {
            HoverRequest::METHOD => reply::<HoverRequest>(request, |params| {
                let place = params.text_document_position_params;
                let (file, text, word) = self.word(&place.text_document.uri, place.position)?;
                let prepared = self.understood.as_ref()?.prepared.as_ref()?;
                Some(hover(prepared, &subject(prepared, &file, &text, &word)?, word.range))
            }),
            GotoDefinition::METHOD => reply::<GotoDefinition>(request, |params| {
                let place = params.text_document_position_params;
                let (file, text, word) = self.word(&place.text_document.uri, place.position)?;
                let prepared = self.understood.as_ref()?.prepared.as_ref()?;
                let found = definition(prepared, &self.documents, &subject(prepared, &file, &text, &word)?)?;
                Some(GotoDefinitionResponse::Scalar(found))
            }),
            Completion::METHOD => reply::<Completion>(request, |params| {
                let place = params.text_document_position;
                let (file, text, word) = self.word(&place.text_document.uri, place.position)?;
                let prepared = self.understood.as_ref()?.prepared.as_ref()?;
                Some(CompletionResponse::Array(completion(prepared, &file, &text, &word)))
            }),
            other => {
                let message = format!("the method `{other}` is not known here");
                Response::new_err(request.id, ErrorCode::MethodNotFound as i32, message)
            }
        }
    }

    /// The file, its newest text and the word at a position.
    fn word(&self, uri: &Uri, position: Position) -> Option<(String, String, Word)> {
        let file = self.documents.file(uri)?;
        let saved = || self.understood.as_ref()?.project.texts.get(&file).cloned();
        let text = self.documents.unsaved().get(&file).cloned().or_else(saved)?;
        let word = word_at(&text, position)?;
        Some((file, text, word))
    }
}

/// Answers a request; what is not known is null.
fn reply<R: lsp_types::request::Request>(request: Request, answer: impl FnOnce(R::Params) -> R::Result) -> Response {
    let id: RequestId = request.id.clone();
    match request.extract::<R::Params>(R::METHOD) {
        Ok((id, params)) => Response::new_ok(id, serde_json::to_value(answer(params)).unwrap_or(Value::Null)),
        Err(ExtractError::JsonError { error, .. }) => {
            Response::new_err(id, ErrorCode::InvalidParams as i32, format!("the request cannot be read: {error}"))
        }
        Err(ExtractError::MethodMismatch(_)) => Response::new_err(id, ErrorCode::InternalError as i32, String::new()),
    }
}
