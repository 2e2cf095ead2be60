//! Effects on OMS itself: inside the containers, and through the console.
use super::Performer;
use crate::api::{HaApi, HttpMethod, InitRecord};
use crate::controller::accounts::{read_secret, read_text};
use crate::controller::calls::{CallError, CallSite};
use crate::controller::observe::find_access;
use crate::controller::ports::ExecPlace;
use crate::facts::{PodFacts, TargetFacts};
use crate::metadb::secret::SecretString;
use crate::objects::names::init_attempt;
use crate::oms::container::{CONSOLE_PROGRAM, InitCommand, InitStart, parse_init_start};
use crate::oms::metadb::HaRowWrite;
use crate::oms::open_api::{HaCall, HaProfile, HaWrite, HeaderSource, ProfileHeader};

impl Performer<'_> {
    pub(super) fn find_place(&self, target: &str) -> Result<ExecPlace, CallError> {
        self.observation
            .find_place(target)
            .map(|(place, _)| place)
            .ok_or_else(|| CallError::Missing(format!("no container of {target} runs")))
    }

    /// Restarts, stops or starts `oms_console`. Whether it happened is read off its state and process id in the next
    /// reconcile.
    pub(super) async fn control_console(
        &self,
        target: &str,
        build_argv: fn(&[&str]) -> Vec<String>,
        site: CallSite,
    ) -> Result<(), CallError> {
        let place = self.find_place(target)?;
        let argv = build_argv(&[CONSOLE_PROGRAM]);
        let answer = self.ports.exec(site, &place, argv).await?;
        tracing::info!(
            target,
            ?site,
            exit_code = answer.exit_code,
            "supervisorctl answered"
        );
        Ok(())
    }

    /// Starts the script in the very container that was recorded, and in no other.
    pub(super) async fn start_init(&self, run: &InitRecord) -> Result<(), CallError> {
        let target = &run.target;
        let place = self.find_recorded_place(run)?;
        let attempt = init_attempt(self.subject.marks.uid, target, run.attempt)
            .ok_or_else(|| CallError::Bug("the run has no usable name".into()))?;
        let argv = InitCommand::default().start_argv(&attempt);
        let site = CallSite::ExecInitStart;
        let answer = self.ports.exec(site, &place, argv).await?;
        match parse_init_start(&answer)? {
            InitStart::Started | InitStart::Already => Ok(()),
            InitStart::Busy => Err(CallError::Missing(format!(
                "another run of docker_init.sh is still at work in {target}; waiting for its end"
            ))),
        }
    }

    /// The pod may have been replaced since the run was recorded.
    fn find_recorded_place(&self, run: &InitRecord) -> Result<ExecPlace, CallError> {
        let found = self.observation.find_place(&run.target);
        let recorded =
            |pod: &PodFacts| pod.uid == run.pod_uid && pod.container.id == run.container_id;
        found
            .filter(|(_, pod)| recorded(pod))
            .map(|(place, _)| place)
            .ok_or_else(|| {
                CallError::Missing(format!(
                    "the container of {} is another than the one recorded; docker_init.sh was not started",
                    run.target
                ))
            })
    }

    /// The console's own call. The row in the MetaDB says in the next reconcile whether it worked.
    pub(super) async fn set_ha_by_api(&self, write: &HaRowWrite) -> Result<(), CallError> {
        let bug = |what: &str| CallError::Bug(what.into());
        let config = write
            .build_config()
            .map_err(|error| CallError::Unbuildable(error.to_string()))?;
        let api = self.subject.upgrade.spec.ha.api.as_ref();
        let api = api.ok_or_else(|| bug("spec.ha.api: needed with driver OmsApi"))?;
        let port = api.port.map(u16::try_from).transpose();
        let port = port.map_err(|_| bug("spec.ha.api.port: no port"))?;
        let call = self.build_ha_call(api).await?;
        let site = CallSite::ConsoleWriteHa;
        let access = find_access(self.ports, self.subject).await?;
        let targets = &self.observation.observed.targets;
        let endpoint = targets
            .iter()
            .filter_map(TargetFacts::find_running)
            .find_map(|pod| access.find_endpoint(pod, port))
            .ok_or_else(|| CallError::Missing("no container of a target runs".into()))?;
        let console = self.ports.console.open(endpoint, None, site.limit());
        self.ports
            .call(site, console.write_ha(&call, &config))
            .await
    }

    /// Headers may hold secrets, which no effect carries: they are read when they are sent.
    async fn build_ha_call(&self, api: &HaApi) -> Result<HaCall, CallError> {
        let mut headers = Vec::new();
        let mut secrets = Vec::new();
        for header in &api.headers {
            let source = match (&header.value, &header.secret_key_ref) {
                (Some(value), _) => HeaderSource::Value(value.clone()),
                (None, Some(wanted)) => {
                    let secret =
                        read_secret(self.ports, self.subject.owner.namespace, &wanted.name).await?;
                    let text = read_text(&secret, &wanted.key).ok_or_else(|| {
                        CallError::Missing(format!(
                            "Secret {} has no readable key {}; add it",
                            wanted.name, wanted.key
                        ))
                    })?;
                    let value = SecretString::new(text.trim_end_matches(['\r', '\n']));
                    secrets.push((header.name.clone(), value));
                    HeaderSource::Secret
                }
                (None, None) => continue,
            };
            headers.push(ProfileHeader {
                name: header.name.clone(),
                source,
            });
        }
        Ok(HaCall {
            profile: HaProfile {
                write: HaWrite {
                    method: match api.method {
                        HttpMethod::Post => "POST",
                        HttpMethod::Put => "PUT",
                    }
                    .into(),
                    path: api.path.clone(),
                    body: api.body_template.clone(),
                },
                headers,
            },
            secrets,
        })
    }
}
