//! Finds the installation: where its MetaDB is, what its databases are called, and whose account
//! opens it. Reads Secrets and ConfigMaps; keeps nothing.
//!
//! Order of the account: the Secret of the spec; the Secret or ConfigMap that the pod mounts as
//! `config.yaml`; what was read once from the container, when the spec asks for that.
use super::targets::TargetView;
use crate::api::{MetaDbSource, SecretCredentials};
use crate::controller::accounts::{
    read_account, read_rules, read_secret, read_source, read_text, take_account,
};
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::{AccountSource, ConfigSource};
use crate::metadb::secret::Credentials;
use crate::objects::config_source::find_config_source;
use crate::objects::credentials::{FACTS_KEY, PASSWORD_KEY, USER_KEY};
use crate::objects::host_address::{HostAddress, find_host_address};
use crate::objects::names::credentials_name;
use crate::oms::config_yaml::{ConfigError, NodeConfig, merge_configs, parse_config};
use crate::oms::installation::{Address, Databases, Departure, Installation};
use crate::oms::metadb::MetaDb;
use std::sync::Arc;

/// The installation and a client of its MetaDB.
#[derive(Clone)]
pub(in crate::controller) struct InstallationAccess {
    /// Without secrets.
    pub installation: Installation,
    /// Where Jobs find the account.
    pub account: AccountSource,
    /// Login name of OMS itself.
    pub oms_account: String,
    /// The MetaDB.
    pub metadb: Arc<dyn MetaDb>,
}

/// What the files say: account and configuration of each target that has one.
struct Files {
    account: Option<Credentials>,
    configs: Vec<(String, NodeConfig)>,
}

/// Looks at the spec, the recorded installation and the configuration files.
pub(super) async fn find_installation(
    ports: &Ports,
    subject: &Subject<'_>,
    targets: &[TargetView],
) -> Result<InstallationAccess, CallError> {
    let namespace = subject.owner.namespace;
    let spec = &subject.upgrade.spec.metadb;
    let sources: Vec<(String, Option<ConfigSource>)> = targets
        .iter()
        .map(|view| (view.facts.name.clone(), view.find_config_source()))
        .collect();
    let own = credentials_name(subject.marks.uid);
    let (account, credentials, files) = match spec.find_source() {
        MetaDbSource::Secret(wanted) => {
            let credentials = read_account(ports, namespace, wanted).await?;
            // The files still tell address, names and OMS's own account, where they can be read.
            let files = read_files(ports, namespace, &sources).await?;
            (account_of(wanted), credentials, files)
        }
        MetaDbSource::Container => {
            let (credentials, files) = read_own_secret(ports, namespace, &own).await?;
            let account = AccountSource::Keys {
                secret: own,
                user_key: USER_KEY.into(),
                password_key: PASSWORD_KEY.into(),
            };
            (account, credentials, files)
        }
        MetaDbSource::ConfigMount => {
            let Some(source) = sources.iter().find_map(|(_, source)| source.clone()) else {
                return Err(CallError::Missing(
                    "no Secret or ConfigMap is mounted as /home/admin/conf/config.yaml, so the MetaDB account is not known; \
                     name it in spec.metadb.credentialsSecretRef, or allow it to be read from the container: spec.metadb.source: Container"
                        .into(),
                ));
            };
            let files = read_files(ports, namespace, &sources).await?;
            let credentials = files
                .account
                .clone()
                .ok_or_else(|| CallError::Missing(ConfigError::NoFile.to_string()))?;
            (AccountSource::ConfigFile(source), credentials, files)
        }
    };
    // Only checks ask for them: once the upgrade began nothing is read for them, and nothing fails for them.
    let status = subject.status;
    let recorded = status.started_time.is_some() && status.installation.is_some();
    let mut addresses = vec![None; targets.len()];
    if !recorded {
        for (address, view) in addresses.iter_mut().zip(targets) {
            *address = view.find_address(ports).await?;
        }
    }
    let mut installation = discover(subject, &files.configs, targets, &addresses)?;
    installation.target_addresses = addresses;
    let rules = read_rules(ports, namespace, spec).await?;
    let metadb = ports.metadb.open(
        &installation.metadb,
        &credentials,
        &rules,
        &installation.databases,
        CallSite::MetaDbIdentify.limit(),
    );
    let oms_account = files
        .account
        .map_or(credentials.user, |account| account.user);
    Ok(InstallationAccess {
        installation,
        account,
        oms_account,
        metadb,
    })
}

fn account_of(wanted: &SecretCredentials) -> AccountSource {
    AccountSource::Keys {
        secret: wanted.name.clone(),
        user_key: wanted.user_key.clone(),
        password_key: wanted.password_key.clone(),
    }
}

/// The installation: as recorded once the upgrade began, beside that what the files say otherwise today; else from the
/// files and the spec.
fn discover(
    subject: &Subject<'_>,
    configs: &[(String, NodeConfig)],
    targets: &[TargetView],
    addresses: &[Option<String>],
) -> Result<Installation, CallError> {
    let today = discover_today(subject, configs, targets, addresses);
    let begun = subject.status.started_time.is_some();
    let Some(recorded) = subject.status.installation.as_ref().filter(|_| begun) else {
        return today;
    };
    let mut installation = Installation::from_status(recorded);
    installation.departure = match today {
        Ok(today) => installation
            .describe_departure(&today)
            .map_or(Departure::None, Departure::Moved),
        // No file tells, as where address and databases stand in the spec.
        Err(CallError::Missing(_)) => Departure::None,
        Err(error) => Departure::Unread(error.to_string()),
    };
    Ok(installation)
}

fn discover_today(
    subject: &Subject<'_>,
    configs: &[(String, NodeConfig)],
    targets: &[TargetView],
    addresses: &[Option<String>],
) -> Result<Installation, CallError> {
    let spec = &subject.upgrade.spec.metadb;
    let mut installation = if configs.len() == targets.len() {
        merge_configs(configs).map_err(|error| CallError::Unbuildable(error.to_string()))?
    } else if spec.databases.is_some() && spec.address.is_some() {
        // Whether the files are equal is not known, so the script runs on every node.
        Installation {
            nodes: addresses.iter().flatten().cloned().collect(),
            init_targets: targets.iter().map(|view| view.facts.name.clone()).collect(),
            ..Installation::default()
        }
    } else {
        return Err(CallError::Missing(
            "config.yaml of a target is in no Secret or ConfigMap that the operator may read; \
             name spec.metadb.address and spec.metadb.databases, or allow spec.metadb.fromContainer: {}"
                .into(),
        ));
    };
    if let Some(address) = &spec.address {
        installation.metadb = Address {
            host: address.host.clone(),
            port: u16::try_from(address.port).unwrap_or_default(),
        };
    }
    if let Some(databases) = &spec.databases {
        installation.databases = Databases {
            rm: databases.resource_manager.clone(),
            cm: databases.cluster_manager.clone(),
            heartbeats: databases.heartbeat.clone(),
        };
    }
    Ok(installation)
}

/// Reads and parses the files of all targets that have one; each object is read once.
async fn read_files(
    ports: &Ports,
    namespace: &str,
    sources: &[(String, Option<ConfigSource>)],
) -> Result<Files, CallError> {
    let mut seen: Vec<(ConfigSource, NodeConfig, Credentials)> = Vec::new();
    let mut configs = Vec::new();
    for (target, source) in sources {
        let Some(source) = source else { continue };
        if !seen.iter().any(|(known, _, _)| known == source) {
            let text =
                read_source(ports, namespace, source, "config.yaml is expected there").await?;
            let (config, credentials) =
                parse_config(&text).map_err(|error| CallError::Unbuildable(error.to_string()))?;
            seen.push((source.clone(), config, credentials));
        }
        if let Some((_, config, _)) = seen.iter().find(|(known, _, _)| known == source) {
            configs.push((target.clone(), config.clone()));
        }
    }
    Ok(Files {
        account: seen.into_iter().next().map(|(_, _, account)| account),
        configs,
    })
}

async fn read_own_secret(
    ports: &Ports,
    namespace: &str,
    name: &str,
) -> Result<(Credentials, Files), CallError> {
    let secret = read_secret(ports, namespace, name).await?;
    let credentials = take_account(&secret, name, USER_KEY, PASSWORD_KEY)?;
    let configs = read_text(&secret, FACTS_KEY)
        .and_then(|text| serde_json::from_str(&text).ok())
        .ok_or_else(|| {
            CallError::Unbuildable(format!("Secret {name} is not as the operator made it"))
        })?;
    Ok((
        credentials.clone(),
        Files {
            account: Some(credentials),
            configs,
        },
    ))
}

impl TargetView {
    /// Where the container's `config.yaml` comes from.
    fn find_config_source(&self) -> Option<ConfigSource> {
        find_config_source(self.template.as_ref()?, &self.container)
    }

    /// The node's address; `None` where nothing that can be read says it.
    ///
    /// # Errors
    /// Of the API server, where a ConfigMap or a Secret has it.
    async fn find_address(&self, ports: &Ports) -> Result<Option<String>, CallError> {
        let Some(template) = &self.template else {
            return Ok(None);
        };
        let status = || {
            let running = self.facts.find_running()?;
            let mut pods = self.pods.iter();
            let pod = pods.find(|pod| pod.metadata.uid.as_deref() == Some(&running.uid))?;
            pod.status.as_ref()
        };
        Ok(match find_host_address(template, &self.container) {
            None => None,
            Some(HostAddress::Literal(address)) => Some(address),
            Some(HostAddress::OfPod) => status().and_then(|status| status.pod_ip.clone()),
            Some(HostAddress::OfNode) => status().and_then(|status| status.host_ip.clone()),
            Some(HostAddress::Held(sources)) => {
                for source in sources.iter().rev() {
                    match read_source(ports, &self.namespace, source, "OMS_HOST_IP is read there")
                        .await
                    {
                        Ok(text) => return Ok(Some(text.trim().to_owned())),
                        // Of several that may have it not each one does.
                        Err(CallError::Missing(_)) => {}
                        Err(error) if error.is_not_found() => {}
                        Err(error) => return Err(error),
                    }
                }
                None
            }
        })
    }
}
