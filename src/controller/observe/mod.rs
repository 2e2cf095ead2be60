//! Looks at the world: what the step needs, and the targets always. Reads only.
//!
//! Whatever cannot be read becomes `Unknown` with the reason; nothing here fails a pass.
mod console;
mod containers;
mod installation;
mod job;
mod metadb;
mod own;
mod targets;

use super::calls::CallError;
use super::ports::Ports;
use crate::api::{OmsUpgrade, OmsUpgradeStatus};
use crate::facts::{Fact, Needs, Observed};
use crate::upgrade::find_needs;
use futures::FutureExt;
use futures::future::BoxFuture;
pub(super) use installation::Located;
use installation::locate;
use kube::ResourceExt;

pub(super) use console::find_endpoint;
pub(super) use targets::{TargetView, observe_target};

/// What a pass has seen, and the ways it was seen through, for the effect that may follow.
pub(super) struct Sight {
    /// For the brain.
    pub observed: Observed,
    /// The targets with their raw objects.
    pub targets: Vec<TargetView>,
    /// The installation, when it was looked for.
    pub located: Option<Result<Located, CallError>>,
}

/// Looks at everything that the present step needs.
pub(super) async fn observe(ports: &Ports, upgrade: &OmsUpgrade) -> Sight {
    let blank = OmsUpgradeStatus::default();
    let status = upgrade.status.as_ref().unwrap_or(&blank);
    let needs = find_needs(status);
    let looks: Vec<BoxFuture<'_, TargetView>> = upgrade
        .spec
        .targets
        .iter()
        .map(|target| observe_target(ports, upgrade, target).boxed())
        .collect();
    let mut targets = futures::future::join_all(looks).await;
    let (around, (located, metadb), inside, templates) = futures::join!(
        own::observe_around(ports, upgrade, needs, &targets),
        observe_installation(ports, upgrade, needs, &targets),
        containers::look_inside(ports, upgrade, needs, &targets),
        targets::read_all_templates(ports, needs, &targets)
    );
    let mut observed = around;
    if let Some(metadb) = metadb {
        observed.metadb = metadb;
    }
    observed.installation = match &located {
        Some(Ok(located)) => Fact::Known(located.installation.clone()),
        Some(Err(error)) => Fact::Unknown(error.to_string()),
        None => Fact::default(),
    };
    let progress =
        console::observe_progress(ports, upgrade, needs, &targets, &observed.metadb).await;
    for (view, seen) in targets.iter_mut().zip(inside) {
        seen.fill(&mut view.facts);
    }
    for (view, templates) in targets.iter_mut().zip(templates) {
        view.fill_in_templates(templates);
    }
    if let Some(progress) = progress {
        observed.progress = progress;
    }
    observed.targets = targets.iter().map(|view| view.facts.clone()).collect();
    Sight {
        observed,
        targets,
        located,
    }
}

/// Whether a step needs the MetaDB, or the way to it.
fn needs_metadb(needs: Needs) -> bool {
    needs.installation
        || needs.identity
        || needs.ha
        || needs.kept_keys
        || needs.sessions
        || needs.projects
        || needs.progress
        || needs.health
        || needs.query_timeout
        || needs.lock
        || needs.job.is_some()
}

async fn observe_installation(
    ports: &Ports,
    upgrade: &OmsUpgrade,
    needs: Needs,
    targets: &[TargetView],
) -> (
    Option<Result<Located, CallError>>,
    Option<crate::facts::MetaDbFacts>,
) {
    if !needs_metadb(needs) {
        return (None, None);
    }
    let located = locate(ports, upgrade, targets).await;
    let facts = match &located {
        Ok(located) => {
            let own = own::list_own_addresses(ports, upgrade, needs).await;
            metadb::observe_metadb(ports, upgrade, needs, located, own).await
        }
        Err(error) => metadb::blind(&error.to_string()),
    };
    (Some(located), Some(facts))
}

/// Namespace of an object; the API server always fills it in.
pub(super) fn namespace_of(upgrade: &OmsUpgrade) -> String {
    upgrade.namespace().unwrap_or_default()
}
