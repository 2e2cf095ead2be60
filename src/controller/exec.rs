//! Commands in containers, over the API server's exec subresource.
use super::ports::{ContainerExec, ExecError, ExecPlace};
use crate::oms::container::ExecAnswer;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams};
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

/// Longest output that is read, bytes. The longest wanted one is a `config.yaml`.
const LONGEST_OUTPUT: u64 = 256 * 1024;

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
                    .take(LONGEST_OUTPUT + 1)
                    .read_to_end(&mut bytes)
                    .await
                    .map_err(|e| fail(&e))?;
            }
            let status = match end {
                Some(end) => end.await,
                None => None,
            };
            let bytes = Zeroizing::new(bytes);
            read_answer(&bytes, status.as_ref())
        })
    }
}

/// The answer of a command that came whole.
fn read_answer(bytes: &[u8], status: Option<&Status>) -> Result<ExecAnswer, ExecError> {
    let exit_code = status.and_then(read_exit_code).ok_or_else(|| {
        let words = status.and_then(|status| status.message.as_deref());
        let words = words.unwrap_or("the connection was cut");
        ExecError(format!(
            "its end was not told ({words}), so what it printed may not be all of it, and nothing is concluded from that"
        ))
    })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST_OUTPUT {
        return Err(ExecError(format!(
            "it printed more than {LONGEST_OUTPUT} bytes, and nothing is concluded from a part of that"
        )));
    }
    Ok(ExecAnswer {
        stdout: String::from_utf8_lossy(bytes).into_owned(),
        exit_code,
    })
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

    /// `drc_cm_heartbeat_db: hb_1` that was cut to `hb` names another database, which may be there.
    #[test]
    fn what_may_be_cut_is_no_answer() {
        let parse = |value| serde_json::from_value::<Status>(value).unwrap();
        let well = parse(json!({"status": "Success"}));
        let text = b"drc_cm_heartbeat_db: hb";
        let told = |bytes: &[u8], status| {
            read_answer(bytes, status).map(|answer| (answer.stdout.len(), answer.exit_code))
        };
        assert_eq!(told(text, Some(&well)), Ok((text.len(), 0)));
        assert!(told(text, None).is_err_and(|error| error.0.contains("was cut")));
        let broken = parse(json!({"status": "Failure", "message": "container not found"}));
        assert!(told(text, Some(&broken)).is_err_and(|error| error.0.contains("container not")));
        let limit = usize::try_from(LONGEST_OUTPUT).unwrap();
        let long = vec![b'x'; limit + 1];
        assert_eq!(told(&long[1..], Some(&well)), Ok((limit, 0)));
        assert!(told(&long, Some(&well)).is_err());
    }
}
