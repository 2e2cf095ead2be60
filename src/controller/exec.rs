//! Commands in containers, over the API server's exec subresource.
use super::calls::{CallError, CallSite};
use super::ports::Ports;
use crate::oms::container::ExecAnswer;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams};
use thiserror::Error;
use tokio::io::AsyncReadExt;

/// Longest output that is read, bytes. The longest wanted one is a `config.yaml`.
const LONGEST_OUTPUT: u64 = 256 * 1024;

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecPlace {
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

/// A command that could not be run, or whose end was not told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the command in the container could not be run: {0}")]
pub struct ExecError(pub String);

/// Runs commands in containers.
pub trait ContainerExec: Send + Sync {
    /// Runs a command to its end and gives back its standard output.
    fn run<'a>(
        &'a self,
        place: &'a ExecPlace,
        argv: Vec<String>,
    ) -> BoxFuture<'a, Result<ExecAnswer, ExecError>>;
}

/// Over a Kubernetes API server. Needs `get` and `create` on `pods/exec`.
#[derive(Clone)]
pub struct KubeExec(pub kube::Client);

impl ContainerExec for KubeExec {
    fn run<'a>(
        &'a self,
        place: &'a ExecPlace,
        argv: Vec<String>,
    ) -> BoxFuture<'a, Result<ExecAnswer, ExecError>> {
        Box::pin(async move {
            let fail = |error: &dyn std::fmt::Display| ExecError(error.to_string());
            let pods: Api<Pod> = Api::namespaced(self.0.clone(), &place.namespace);
            let how = AttachParams::default()
                .container(&place.container)
                .stdin(false)
                .stdout(true)
                .stderr(false);
            let mut process = pods
                .exec(&place.pod, argv, &how)
                .await
                .map_err(|e| fail(&e))?;
            let end = process.take_status();
            let mut bytes = Vec::new();
            if let Some(stdout) = process.stdout() {
                stdout
                    .take(LONGEST_OUTPUT)
                    .read_to_end(&mut bytes)
                    .await
                    .map_err(|e| fail(&e))?;
            }
            let status = match end {
                Some(end) => end.await,
                None => None,
            };
            Ok(ExecAnswer {
                stdout: String::from_utf8_lossy(&bytes).into_owned(),
                exit_code: status.as_ref().and_then(read_exit_code),
            })
        })
    }
}

/// Exit code in the status that ends an exec stream.
fn read_exit_code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let cause = causes
        .iter()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    cause.message.as_deref()?.parse().ok()
}

impl Ports {
    /// Runs a command in a container.
    pub(super) async fn exec(
        &self,
        site: CallSite,
        place: &ExecPlace,
        argv: Vec<String>,
    ) -> Result<ExecAnswer, CallError> {
        let call = async {
            self.exec
                .run(place, argv)
                .await
                .map_err(|error| CallError::Exec {
                    site,
                    reason: error.to_string(),
                })
        };
        self.call(site, call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_exit_codes() {
        let parse = |value| serde_json::from_value::<Status>(value).unwrap();
        assert_eq!(
            read_exit_code(&parse(json!({"status": "Success"}))),
            Some(0)
        );
        let failed = json!({"status": "Failure", "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}});
        assert_eq!(read_exit_code(&parse(failed)), Some(3));
        let broken = json!({"status": "Failure", "reason": "InternalError", "message": "container not found"});
        assert_eq!(read_exit_code(&parse(broken)), None);
    }
}
