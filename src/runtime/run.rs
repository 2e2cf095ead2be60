//! Starts everything and ends it in order.
use super::definition::Watcher;
use super::lease::Elector;
use super::options::{LeaseOption, ListenOption, RunOptions};
use super::server::{Health, serve};
use super::telemetry::start_logging;
use crate::api::OmsUpgrade;
use crate::controller::{
    AlwaysPermitted, KubeExec, Ports, Settings, SystemClock, WritePermit, run_controllers,
};
use crate::metrics::Metrics;
use crate::oms::http::HttpOpener;
use crate::oms::mysql::MySqlOpener;
use kube::api::{Api, ListParams};
use kube::{Client, Config};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Time for a connection to the API server.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Silence on a connection to the API server after which it is given up. Longer than a watch is kept
/// open; single calls have limits of their own.
const READ_LIMIT: Duration = Duration::from_secs(330);
/// Time that reconciles under way get to end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(20);

/// Runs until SIGTERM or SIGINT, or until the lease is lost.
pub fn run_operator(options: RunOptions) -> ExitCode {
    if let Err(error) = start_logging(&options.log) {
        eprintln!("--log: {error}");
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(async {
            match run(options).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    tracing::error!(%error, "the operator ends");
                    ExitCode::FAILURE
                }
            }
        }),
        Err(error) => {
            eprintln!("no runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: RunOptions) -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::infer().await?;
    // A write that the client repeats by itself can be in flight for minutes, long after it was decided.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    let own_namespace = config.default_namespace.clone();
    let client = Client::try_from(config)?;
    let namespaces = if options.watch_namespaces.is_empty() {
        vec![own_namespace.clone()]
    } else {
        options.watch_namespaces.clone()
    };
    let metrics = Arc::new(Metrics::new());
    let health = Arc::new(Health::default());
    if let ListenOption::At(address) = options.listen {
        serve(address, health.clone(), metrics.clone()).await?;
    }
    await_resource(&client, &namespaces).await;
    let definition = health.definition.clone();
    let mut watcher = Watcher::new(client.clone(), definition.clone(), metrics.clone());
    watcher.look().await;
    tokio::spawn(watcher.watch());
    health.ready.store(true, Ordering::Relaxed);
    let identity = find_identity();
    let elector = match &options.lease {
        LeaseOption::None => None,
        LeaseOption::Named { namespace, name } => {
            let namespace = namespace.as_ref().unwrap_or(&own_namespace);
            Some(Elector::new(client.clone(), namespace, name, &identity))
        }
    };
    let permit: Arc<dyn WritePermit> = match &elector {
        Some(elector) => Arc::new(elector.permit()),
        None => Arc::new(AlwaysPermitted),
    };
    let mut pods = options.job_pods.unwrap_or_default();
    if options.tools_image_pull_policy.is_some() {
        pods.image_pull_policy = options.tools_image_pull_policy;
    }
    let ports = Ports {
        metadb: Arc::new(MySqlOpener::default()),
        console: Arc::new(HttpOpener),
        exec: Arc::new(KubeExec(client.clone())),
        clock: Arc::new(SystemClock),
        permit,
        claims: Arc::default(),
        sightings: Arc::default(),
        hearing: Arc::default(),
        definition,
        settings: Arc::new(Settings {
            tools_image: options.tools_image,
            pods,
            applications: options.applications,
            reporter: identity,
        }),
        client,
    };
    work(ports, metrics, namespaces, elector).await
}

/// Takes the lease, works, and gives the lease up at the end.
async fn work(
    ports: Ports,
    metrics: Arc<Metrics>,
    namespaces: Vec<String>,
    mut elector: Option<Elector>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (stop, stopped) = watch::channel(false);
    let mut signals = Box::pin(await_signal());
    if let Some(elector) = &mut elector {
        tokio::select! {
            () = elector.acquire() => tracing::info!("the lease is ours"),
            () = &mut signals => return Ok(()),
        }
    }
    metrics.set_leading(true);
    tracing::info!(?namespaces, version = env!("CARGO_PKG_VERSION"), "working");
    let controllers = run_controllers(ports, metrics, namespaces, move || {
        let mut stopped = stopped.clone();
        async move {
            // An error means that the sender is gone: the process ends.
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    });
    let mut controllers = Box::pin(controllers);
    let lost = tokio::select! {
        () = &mut controllers => return Err("the controllers ended by themselves".into()),
        () = &mut signals => false,
        () = keep(&mut elector) => true,
    };
    if lost {
        // Reconciles under way are dropped on purpose: another operator may be at work.
        return Err("the lease is lost; another operator may be at work".into());
    }
    tracing::info!("ending; reconciles under way get time to finish");
    let _ = stop.send(true);
    match drain(controllers, keep(&mut elector), SHUTDOWN_LIMIT).await {
        Drained::Finished => {}
        Drained::Cut => {
            tracing::warn!(
                "a reconcile did not end in time; the next operator goes on from the status"
            );
        }
        Drained::Lost => return Err("the lease is lost; another operator may be at work".into()),
    }
    if let Some(elector) = &mut elector {
        elector.release().await;
    }
    Ok(())
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drained {
    /// By itself.
    Finished,
    /// Its time was over.
    Cut,
    /// Another may be at work.
    Lost,
}

/// Lets reconciles under way finish. The lease is kept as long: what they call goes on for up to the whole limit, and
/// with what had passed since the last renewal that is longer than a lease is good for. Whatever comes back, nothing is
/// under way any more, so the lease may be given up.
async fn drain(
    controllers: impl Future<Output = ()>,
    keep: impl Future<Output = ()>,
    limit: Duration,
) -> Drained {
    tokio::select! {
        biased;
        () = keep => Drained::Lost,
        ended = tokio::time::timeout(limit, controllers) => match ended {
            Ok(()) => Drained::Finished,
            Err(_) => Drained::Cut,
        },
    }
}

async fn keep(elector: &mut Option<Elector>) {
    match elector {
        Some(elector) => elector.keep().await,
        None => std::future::pending().await,
    }
}

/// Waits until the API server knows the resource and lets us read it.
async fn await_resource(client: &Client, namespaces: &[String]) {
    for namespace in namespaces {
        let api: Api<OmsUpgrade> = Api::namespaced(client.clone(), namespace);
        while let Err(error) = api.list_metadata(&ListParams::default().limit(1)).await {
            tracing::warn!(namespace, %error, "OmsUpgrades cannot be read yet; is the CRD installed, and the Role bound?");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

async fn await_signal() {
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// The pod's name: a restarted container takes its own lease up again at once. Without it a name that no other process
/// has: in containers every process id is 1, and two operators of one name would both hold the lease.
fn find_identity() -> String {
    std::env::var("POD_NAME").unwrap_or_else(|_| name_process(std::time::SystemTime::now()))
}

fn name_process(now: std::time::SystemTime) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let since = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!(
        "{}-{}-{}",
        host.trim(),
        std::process::id(),
        since.as_nanos()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// Tells when what it stands in is dropped.
    struct Dropped<'a>(&'a std::cell::Cell<bool>);

    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }

    #[tokio::test]
    async fn the_lease_is_renewed_as_long_as_a_reconcile_goes_on() {
        let renewed = tokio::sync::Notify::new();
        let keep = async {
            renewed.notify_one();
            std::future::pending().await
        };
        let reconcile = async { renewed.notified().await };
        let drained = drain(reconcile, keep, Duration::from_secs(20)).await;
        assert_eq!(drained, Drained::Finished);
    }

    #[tokio::test]
    async fn nothing_is_under_way_when_the_lease_is_lost_or_the_time_is_over() {
        for (lost, limit, expected) in [
            (true, Duration::from_secs(20), Drained::Lost),
            (false, Duration::ZERO, Drained::Cut),
        ] {
            let dropped = std::cell::Cell::new(false);
            let reconcile = async {
                let _call = Dropped(&dropped);
                std::future::pending().await
            };
            let keep = async {
                if !lost {
                    std::future::pending::<()>().await;
                }
            };
            assert_eq!(drain(reconcile, keep, limit).await, expected);
            assert!(dropped.get() || lost, "the call goes on");
        }
    }

    #[test]
    fn processes_have_names_of_their_own() {
        let first = name_process(UNIX_EPOCH);
        assert_ne!(first, name_process(UNIX_EPOCH + Duration::from_millis(1)));
    }
}
