//! Stopping a version: no replicas, no pod, no session on the MetaDB. Pure.
use crate::api::Reason;
use crate::objects::deployment::{TemplateKind, is_drained};
use crate::objects::target_change::TargetChange;
use crate::oms::metadb::ForeignSession;
use crate::upgrade::context::Context;
use crate::upgrade::next::{Next, require_known};
use crate::upgrade::parts::pods::describe_refusal;
use crate::upgrade::parts::sessions::{find_blind_spot, list_counted};
use crate::upgrade::parts::shape::{Shape, bring_into_shape};
use crate::upgrade::parts::targets::{Target, read_targets};

/// No replicas, no pods, no foreign session: comes back with the targets when all hold.
pub(crate) fn stop_targets<'a>(
    cx: &'a Context<'_>,
    templates: &[TemplateKind],
) -> Result<Vec<Target<'a>>, Next> {
    let targets = read_targets(cx)?;
    let shape = Shape {
        templates: templates.to_vec(),
        running: false,
    };
    bring_into_shape(cx, &targets, &shape, &TargetChange::Stop)?;
    // The pod list alone could be early: a ReplicaSet that lags may still make a pod.
    if targets
        .iter()
        .any(|target| !target.pods.is_empty() || !is_drained(&target.deployment.object))
    {
        return Err(await_pods(&targets));
    }
    require_no_sessions(cx)?;
    Ok(targets)
}

/// Pods that were told to end; those that do not are named, with what keeps them.
fn await_pods(targets: &[Target<'_>]) -> Next {
    let pods = || targets.iter().flat_map(|target| target.pods);
    let stays: Vec<&str> = pods().filter_map(|pod| pod.stay.as_deref()).collect();
    if !stays.is_empty() {
        let some: Vec<&str> = stays.iter().take(3).copied().collect();
        return Next::trouble(
            5,
            Reason::PodStays,
            format!(
                "{} pod(s) of OMS do not end, and OMS may still write in them, so the databases are not touched: {}; once they are gone this goes on by itself",
                stays.len(),
                some.join("; ")
            ),
        );
    }
    match targets.iter().find_map(describe_refusal) {
        Some(refused) => refused,
        None => Next::watch(),
    }
}

/// Nobody else is connected, on any server.
pub(crate) fn require_no_sessions(cx: &Context<'_>) -> Result<(), Next> {
    let report = require_known(&cx.observed.metadb.sessions, 2, Reason::MetaDbUnseen)?;
    let left = list_counted(cx, report);
    if !left.is_empty() {
        let describe = |session: &&ForeignSession| {
            let database = session.database.as_deref().unwrap_or("no database");
            format!(
                "{} {}@{} on {database}",
                session.id, session.user, session.host
            )
        };
        let list: Vec<String> = left.iter().take(5).map(describe).collect();
        return Err(Next::trouble(
            1,
            Reason::SessionsLeft,
            format!(
                "{} session(s) of others are on the OMS databases although every pod is gone: {}; end them, or wait",
                left.len(),
                list.join(", ")
            ),
        ));
    }
    match find_blind_spot(cx, report) {
        Some(why) => Err(Next::trouble(2, Reason::SessionsPartlyUnseen, why)),
        None => Ok(()),
    }
}
