//! Looks at the world: what the step needs, and the targets always. Reads only.
//!
//! Whatever cannot be read becomes `Unknown` with the reason; nothing here fails a reconcile.
mod applications;
mod console;
mod containers;
mod forerunner;
mod happenings;
mod image_guard;
mod installation;
mod job;
mod leftovers;
mod metadb;
mod namespace;
mod observation;
mod on_demand;
mod originals;
mod prepulls;
mod rehearsal;
mod targets;

use super::calls::CallError;
use super::ports::Ports;
use super::subject::Subject;
use crate::facts::{
    Fact, ForerunnerFacts, MetaDbFacts, Needs, Observed, RehearsalFacts, TargetFacts,
};
use crate::upgrade::find_needs;
use containers::ContainerReading;
use futures::FutureExt;
use futures::future::BoxFuture;
use installation::{InstallationAccess, find_installation};
use observation::TargetHandle;
use on_demand::look_if;
use targets::{TargetView, Template, observe_target};

pub(super) use console::find_access;
pub(super) use observation::Observation;

/// Looks at everything that the present step needs.
pub(super) async fn observe(ports: &Ports, subject: &Subject<'_>) -> Observation {
    let needs = find_needs(subject.status);
    let looks: Vec<BoxFuture<'_, TargetView>> = subject
        .upgrade
        .spec
        .targets
        .iter()
        .map(|target| observe_target(ports, subject, target).boxed())
        .collect();
    let views = futures::future::join_all(looks).await;
    // Its certificates are read once for all that asks a console.
    let asks_console = needs.health || needs.progress;
    let access = look_if(asks_console, find_access(ports, subject)).await;
    // Each on the heap: together they would be one frame, too large for a thread's stack.
    let (around, (installation, metadb), readings, templates, rehearsals, guards, applications) = futures::join!(
        observe_around(ports, subject, needs, &views).boxed(),
        observe_installation(ports, subject, needs, &views).boxed(),
        containers::read_containers(ports, subject, needs, &access, &views).boxed(),
        targets::read_all_templates(ports, needs, &views).boxed(),
        rehearsal::rehearse_all(ports, subject, needs, &views).boxed(),
        image_guard::look_for_guards(ports, subject, needs, &views).boxed(),
        applications::read_applications(ports, needs, &views).boxed()
    );
    let progress = console::observe_progress(ports, subject, needs, &access, &views, &metadb).await;
    let (targets, handles) = views
        .into_iter()
        .zip(readings)
        .zip(templates)
        .zip(rehearsals)
        .zip(guards.into_iter().zip(applications))
        .map(
            |((((view, reading), templates), rehearsals), (guard, application))| {
                let (mut facts, handle) = complete_target(view, reading, templates, rehearsals);
                facts.image_guard = guard;
                facts.application = application;
                (facts, handle)
            },
        )
        .unzip();
    let forerunner = match &installation {
        Some(Ok(access)) if needs.forerunner => {
            forerunner::observe_forerunner(ports, subject, access, &metadb.lock).await
        }
        _ => ForerunnerFacts::default(),
    };
    let observed = Observed {
        forerunner,
        targets,
        installation: match &installation {
            Some(Ok(access)) => Fact::Known(access.installation.clone()),
            Some(Err(error)) => Fact::Unknown(error.to_string()),
            None => Fact::default(),
        },
        account: match &installation {
            Some(Ok(access)) => Fact::Known(access.account.clone()),
            Some(Err(error)) => Fact::Unknown(error.to_string()),
            None => Fact::default(),
        },
        metadb,
        progress,
        ..around
    };
    Observation {
        observed,
        handles,
        installation,
    }
}

/// Puts together what was seen of a target, outside and inside.
fn complete_target(
    view: TargetView,
    reading: ContainerReading,
    templates: Vec<Template>,
    rehearsals: Vec<RehearsalFacts>,
) -> (TargetFacts, TargetHandle) {
    let mut facts = view.facts;
    if let Fact::Known(pods) = &mut facts.pods {
        for (pod, template) in pods.iter_mut().zip(templates) {
            pod.template = template;
        }
    }
    let facts = TargetFacts {
        programs: reading.programs,
        init: reading.init,
        init_log: reading.init_log,
        rehearsals,
        cgroup_v1: reading.cgroup_v1,
        utc_offset_seconds: reading.utc_offset_seconds,
        health: reading.health,
        ..facts
    };
    let handle = TargetHandle {
        namespace: view.namespace,
        container: view.container,
        pods: view.pods,
    };
    (facts, handle)
}

/// Everything that is not inside OMS.
async fn observe_around(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    targets: &[TargetView],
) -> Observed {
    let (namespace_terminating, claim, prepulls, old_pulls, job, leftovers, originals_copy) = futures::join!(
        namespace::is_terminating(ports, subject),
        look_if(needs.claim, namespace::read_claim(ports, subject)),
        prepulls::read_prepulls(ports, subject, needs, targets),
        prepulls::read_old_pulls(ports, subject, needs),
        async {
            match needs.job {
                Some(role) => Fact::from_result(job::read_job(ports, subject, role).await),
                None => Fact::default(),
            }
        },
        look_if(needs.leftovers, leftovers::list_own(ports, subject)),
        look_if(
            originals::is_wanted(subject, needs, targets),
            originals::read_copy(ports, subject)
        ),
    );
    Observed {
        namespace_terminating,
        rivals: if needs.rivals {
            ports.claims.find_rivals(subject.owner, subject.upgrade)
        } else {
            Fact::default()
        },
        claim,
        prepulls,
        old_pulls,
        job,
        leftovers,
        originals_copy,
        ..Observed::default()
    }
}

async fn observe_installation(
    ports: &Ports,
    subject: &Subject<'_>,
    needs: Needs,
    targets: &[TargetView],
) -> (Option<Result<InstallationAccess, CallError>>, MetaDbFacts) {
    if !needs.wants_metadb() {
        return (None, MetaDbFacts::default());
    }
    let found = find_installation(ports, subject, targets).await;
    let facts = match &found {
        Ok(access) => {
            let own = leftovers::list_own_addresses(ports, subject, needs).await;
            metadb::observe_metadb(ports, subject, needs, access, own).await
        }
        Err(error) => metadb::blind(&error.to_string()),
    };
    (Some(found), facts)
}
