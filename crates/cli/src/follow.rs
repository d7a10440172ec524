//! A server follows its environment: when the environment points at another commit, what that commit serves is made
//! ready beside what is served, and then takes its place in one switch.

use std::sync::Arc;
use std::time::Duration;

use baton_serving::{EndpointRouter, Served};

use crate::error::CliError;
use crate::project::Workspace;
use crate::{deploy, output};

/// How long a new commit may go unseen. One small query of the ledger each time.
const EVERY: Duration = Duration::from_millis(200);

/// Keeps `router` at the environment's newest commit for as long as it is polled.
pub(crate) async fn follow(workspace: Arc<Workspace>, router: Arc<EndpointRouter>) {
    let mut trouble = String::new();
    loop {
        tokio::time::sleep(EVERY).await;
        match next(&workspace, &router.served()).await {
            Ok(None) => {}
            Ok(Some(served)) => {
                announce(&workspace, &served);
                router.switch(served);
                trouble.clear();
            }
            Err(error) => say_once(&mut trouble, &error),
        }
    }
}

/// What is to be served from now on, if that is not what is.
async fn next(workspace: &Workspace, now: &Served) -> Result<Option<Served>, CliError> {
    let environments = workspace.services().ledger.environments().await?;
    let newest = environments.iter().find(|found| found.name == workspace.environment);
    if newest.map(|found| found.commit.0.as_str()) == now.commit() {
        return Ok(None);
    }
    deploy::served(workspace).await.map(Some)
}

fn announce(workspace: &Workspace, served: &Served) {
    if workspace.context.quiet || served.deployments().is_empty() {
        return;
    }
    let commit = served.commit().map_or("none", |id| id.get(..12).unwrap_or(id));
    let endpoints = served.deployments();
    let of = |deployment: &Arc<baton_serving::Deployment>| {
        let (main, revision) = (deployment.main(), deployment.revision());
        format!("{} r{revision} {}@{}", deployment.endpoint(), main.model, main.version)
    };
    let endpoints: Vec<String> = endpoints.iter().map(of).collect();
    output::say(&format!("commit {commit} is served now: {}", endpoints.join(", ")));
}

/// A trouble that lasts is said once: the last good commit is served on meanwhile.
fn say_once(said: &mut String, error: &CliError) {
    let text = error.to_string();
    if *said != text {
        output::say(&format!("a new commit cannot be served, the last one is served on: {text}"));
        *said = text;
    }
}
