//! The API server as a service under the real client.
use super::access::is_write;
use super::gate::{Fault, Gate};
use super::store::{Ask, Reply, Route, fail, find_route, handle};
use super::world::World;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use oms_operator::controller::CallSite;
use serde_json::Value;

/// A client whose every request passes the gate.
pub fn build_client(gate: &Gate) -> Client {
    let gate = gate.clone();
    let service =
        tower::service_fn(move |request: http::Request<Body>| answer(gate.clone(), request));
    Client::new(service, super::world::NAMESPACE)
}

/// A request as the store takes it.
pub async fn read_ask(request: http::Request<Body>) -> Result<Ask, std::io::Error> {
    let (parts, body) = request.into_parts();
    let bytes = body
        .collect()
        .await
        .map_err(std::io::Error::other)?
        .to_bytes();
    let query = parts.uri.query().unwrap_or_default();
    Ok(Ask {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decode(value)))
            .collect(),
        body: if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(std::io::Error::other)?
        },
    })
}

async fn answer(
    gate: Gate,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, std::io::Error> {
    let ask = read_ask(request).await?;
    let Some(site) = find_site(&ask) else {
        gate.lock().world.break_rule(format!(
            "a request that nobody knows: {} {}",
            ask.method, ask.path
        ));
        return send(fail(404, "NotFound", "unknown"));
    };
    let act = |world: &mut World| {
        if is_write(site) {
            world.check_request(site, &ask);
        }
        Ok(handle(world, &ask))
    };
    let reply = gate
        .pass(site, act, |fault| describe_fault(fault).ok_or(fault))
        .await;
    match reply {
        Ok(reply) => send(reply),
        Err(Fault::Delayed) => {
            gate.lock().world.delay(site, ask);
            Err(std::io::ErrorKind::TimedOut.into())
        }
        Err(Fault::Garbage) => Ok(http::Response::new(Body::from(
            b"<html>a proxy's page</html>".to_vec(),
        ))),
        Err(_) => Err(std::io::Error::new(
            std::io::ErrorKind::ConnectionReset,
            "connection reset",
        )),
    }
}

impl World {
    /// A request is under way and nobody waits for its answer.
    fn delay(&mut self, site: CallSite, ask: Ask) {
        self.check_request(site, &ask);
        self.delays -= 1;
        self.delayed = Some(ask);
        self.touched = true;
    }

    /// The delayed request arrives.
    pub fn deliver(&mut self) {
        let Some(ask) = self.delayed.take() else {
            return;
        };
        let reply = handle(self, &ask);
        if reply.code == 201 && find_site(&ask) == Some(CallSite::CreateJob) {
            self.late_job = reply.body["metadata"]["name"].as_str().map(str::to_owned);
        }
        // It may come when nobody looks for it any more.
        self.late_copy |= reply.code == 201 && find_site(&ask) == Some(CallSite::CreateSecret);
    }

    /// What would become of the delayed request now: a code, or nothing.
    pub fn foresee_delivery(&self) -> Option<u16> {
        let ask = self.delayed.as_ref()?;
        Some(handle(&mut self.clone(), ask).code)
    }
}

/// The server's words for a fault; `None` when there is no answer.
fn describe_fault(fault: Fault) -> Option<Reply> {
    Some(match fault {
        Fault::ServerError => fail(500, "InternalError", "etcdserver: leader changed"),
        Fault::Conflict => fail(
            409,
            "Conflict",
            "the object has been modified; please apply your changes to the latest version",
        ),
        Fault::Throttled => fail(429, "TooManyRequests", "too many requests"),
        Fault::Unavailable => fail(503, "ServiceUnavailable", "apiserver is shutting down"),
        Fault::Forbidden => fail(403, "Forbidden", "is forbidden: User cannot do this"),
        Fault::TimeoutAfter => fail(
            504,
            "Timeout",
            "request did not complete within requested timeout",
        ),
        _ => return None,
    })
}

pub fn send(reply: Reply) -> Result<http::Response<Body>, std::io::Error> {
    let bytes = match &reply.body {
        Value::String(text) => text.clone().into_bytes(),
        body => serde_json::to_vec(body).map_err(std::io::Error::other)?,
    };
    http::Response::builder()
        .status(reply.code)
        .header("content-type", "application/json")
        .body(Body::from(bytes))
        .map_err(std::io::Error::other)
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [a, b, after @ ..]) => {
                let hex = std::str::from_utf8(&[*a, *b])
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.push(hex.unwrap_or(b'?'));
                rest = after;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Which call of the operator a request is.
fn find_site(ask: &Ask) -> Option<CallSite> {
    let Route {
        resource,
        name,
        sub,
    } = find_route(&ask.path)?;
    let selector = ask
        .query
        .iter()
        .find(|(name, _)| name == "labelSelector")
        .map(|(_, value)| value.as_str())
        .unwrap_or_default();
    let tried = ask
        .query
        .iter()
        .any(|(name, value)| name == "dryRun" && value == "All");
    let own = selector.contains("oms.oceanbase.com/");
    let of_job = selector.contains("controller-uid");
    Some(
        match (
            ask.method.as_str(),
            resource,
            name.as_deref(),
            sub.as_deref(),
        ) {
            ("GET", "omsupgrades", Some(_), None) => CallSite::GetUpgrade,
            ("PUT", "omsupgrades", Some(_), Some("status")) if tried => CallSite::TryStatus,
            ("PUT", "omsupgrades", Some(_), Some("status")) => CallSite::ReplaceStatus,
            ("PATCH", "omsupgrades", Some(_), None) => CallSite::PatchFinalizer,
            ("POST", "events", None, None) => CallSite::CreateEvent,
            ("GET", "events", None, None) => CallSite::ListEvents,
            ("GET", "namespaces", Some(_), None) => CallSite::GetNamespace,
            ("GET", "deployments", Some(_), None) => CallSite::GetDeployment,
            ("PATCH", "deployments", Some(_), None) if tried => CallSite::RehearseDeployment,
            ("PATCH", "deployments", Some(_), None) => CallSite::PatchDeployment,
            ("GET", "replicasets", Some(_), None) => CallSite::GetReplicaSet,
            ("GET", "pods", None, None) if of_job => CallSite::ListJobPods,
            ("GET", "pods", None, None) if own => CallSite::ListOwnPods,
            ("GET", "pods", None, None) => CallSite::ListTargetPods,
            ("GET", "pods", Some(_), Some("log")) => CallSite::ReadJobLog,
            ("GET", "pods", Some(_), None) => CallSite::GetPrePullPod,
            ("POST", "pods", None, None) if tried => CallSite::RehearsePod,
            ("POST", "pods", None, None) => CallSite::CreatePrePullPod,
            ("DELETE", "pods", Some(_), None) => CallSite::DeletePod,
            ("GET", "persistentvolumeclaims", Some(_), None) => CallSite::GetClaim,
            ("GET", "jobs", Some(_), None) => CallSite::GetJob,
            ("GET", "jobs", None, None) => CallSite::ListOwnJobs,
            ("POST", "jobs", None, None) => CallSite::CreateJob,
            ("DELETE", "jobs", Some(_), None) => CallSite::DeleteJob,
            ("GET", "secrets", Some(name), None) if name.ends_with("-credentials") => {
                CallSite::GetOwnSecret
            }
            ("GET", "secrets", Some(name), None) if name.ends_with("-originals") => {
                CallSite::GetOriginalsCopy
            }
            ("GET", "secrets", Some(_), None) => CallSite::GetSecret,
            ("POST", "secrets", None, None) => CallSite::CreateSecret,
            ("DELETE", "secrets", Some(_), None) => CallSite::DeleteSecret,
            ("PATCH", "secrets", Some(_), None) => CallSite::PatchSecret,
            ("GET", "configmaps", Some(_), None) => CallSite::GetConfigMap,
            _ => return None,
        },
    )
}
