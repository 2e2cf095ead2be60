//! The MetaDB under the operator's port.
use super::gate::{Fault, Gate};
use super::record;
use super::world::{Version, World};
use futures::future::BoxFuture;
use oms_operator::controller::CallSite;
use oms_operator::metadb::record::InstallationId;
use oms_operator::metadb::secret::Credentials;
use oms_operator::metadb::{Engine, LoginRules, SchemaFingerprint};
use oms_operator::oms::ha::HaConfig;
use oms_operator::oms::installation::{Address, Databases};
use oms_operator::oms::metadb::*;
use oms_operator::oms::project::{ProjectKey, ProjectKind, ProjectRow, ProjectStatus};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub struct SqlDouble(pub Gate);

impl MetaDbOpener for SqlDouble {
    fn open(
        &self,
        address: &Address,
        credentials: &Credentials,
        rules: &LoginRules,
        databases: &Databases,
        _limit: Duration,
    ) -> Arc<dyn MetaDb> {
        let right = address.host == "metadb.oms.svc"
            && credentials.user == "root@metadb"
            && credentials.password.reveal() == super::world::CANARY
            && rules.are_plain()
            && databases.rm == "oms_rm";
        if !right {
            self.0
                .lock()
                .world
                .break_rule("the MetaDB is opened with the wrong address, account, rules or names");
        }
        Arc::new(self.clone())
    }
}

impl SqlDouble {
    fn ask<'a, T: Send + 'a>(
        &'a self,
        site: CallSite,
        act: impl FnOnce(&mut World) -> Result<T, MetaDbError> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, MetaDbError>> {
        Box::pin(
            self.0
                .pass(site, act, move |fault| Err(describe_fault(site, fault))),
        )
    }
}

fn describe_fault(site: CallSite, fault: Fault) -> MetaDbError {
    let call = format!("{site:?}");
    let fate = if super::access::is_write(site) {
        WriteFate::Unknown
    } else {
        WriteFate::NotWritten
    };
    match fault {
        Fault::LostBefore => MetaDbError::Unreachable {
            address: "metadb:2881".into(),
            reason: "refused".into(),
        },
        Fault::LostAfter => MetaDbError::ConnectionLost { call, fate },
        Fault::TimeoutAfter => MetaDbError::TimedOut {
            call,
            seconds: 10,
            fate,
        },
        Fault::Forbidden => MetaDbError::LoginRefused {
            address: "metadb:2881".into(),
            user: "root@metadb".into(),
            seen_from: None,
        },
        _ => MetaDbError::Server {
            call,
            code: 1213,
            state: "40001".into(),
            message: "Deadlock found".into(),
            fate: WriteFate::NotWritten,
        },
    }
}

fn read_row(world: &World) -> HaRow {
    world.db.ha.clone().map_or(HaRow::NoRow, HaRow::Text)
}

fn read_lock(world: &World) -> Option<LockRow> {
    world.db.lock.clone().map(|(holder, epoch)| LockRow {
        holder,
        epoch,
        note: "oms/up".into(),
        age_seconds: 1,
    })
}

fn judge(row: LockRow, claim: &LockClaim) -> LockOutcome {
    if row.holder != claim.holder {
        LockOutcome::HeldByOther(row)
    } else if row.epoch > claim.epoch {
        LockOutcome::Fenced(row)
    } else {
        LockOutcome::Held(row)
    }
}

fn node_addresses(world: &World) -> Vec<(String, String)> {
    world
        .list("deployments")
        .into_iter()
        .enumerate()
        .map(|(index, name)| (name, format!("10.0.0.{}", index + 1)))
        .collect()
}

fn is_up(world: &World, target: &str) -> bool {
    world
        .find_pods(target)
        .iter()
        .any(|pod| world.oms.get(pod).is_some_and(|oms| oms.up))
}

impl MetaDb for SqlDouble {
    fn identify(&self) -> MetaDbResult<'_, ServerIdentity> {
        self.ask(CallSite::MetaDbIdentify, |world| {
            Ok(ServerIdentity {
                engine: Engine::SeekDb,
                version: "1".into(),
                tenant: None,
                server: None,
                account: "root".into(),
                utc_offset_seconds: 0,
                clock: world.clock,
            })
        })
    }

    fn list_sessions<'a>(&'a self, query: &'a SessionQuery) -> MetaDbResult<'a, SessionReport> {
        self.ask(CallSite::MetaDbSessions, move |world| {
            if query.account != "root@metadb" || query.databases.len() != 3 {
                world.break_rule(
                    "sessions are asked for by other names than those of the installation",
                );
            }
            let running = world.running_versions();
            let foreign = running.iter().zip(1..).map(|(version, id)| ForeignSession {
                id,
                user: "root".into(),
                host: if *version == Version::Old {
                    "10.0.0.1".into()
                } else {
                    "10.0.0.2".into()
                },
                database: Some("oms_rm".into()),
                command: "Sleep".into(),
                seconds: 1,
            });
            Ok(SessionReport {
                visibility: SessionVisibility::AllAccounts,
                coverage: ServerCoverage::AllServers,
                sees_oms_account: true,
                foreign: foreign.collect(),
            })
        })
    }

    fn read_ha_row(&self) -> MetaDbResult<'_, HaRow> {
        self.ask(CallSite::MetaDbReadHa, |world| Ok(read_row(world)))
    }

    fn write_ha_row<'a>(&'a self, write: &'a HaRowWrite) -> MetaDbResult<'a, HaRowOutcome> {
        self.ask(CallSite::MetaDbWriteHa, move |world| {
            world.check_intent(&["SetHa"], None);
            let current = read_row(world);
            let config = current.text().map(|text| HaConfig::parse(text).unwrap());
            if let Some(config) = &config
                && config.satisfies(&write.patch)
            {
                return Ok(HaRowOutcome::Unchanged(config.as_str().into()));
            }
            if current != write.expected {
                return Ok(HaRowOutcome::Contended(current));
            }
            let next = match (config, write.insert_if_missing) {
                (Some(config), _) => config.apply_patch(&write.patch).unwrap(),
                (None, true) => HaConfig::empty().apply_patch(&write.patch).unwrap(),
                (None, false) => return Ok(HaRowOutcome::Missing),
            };
            if !next.as_str().contains("\"custom\":\"kept\"") {
                world.break_rule("an unknown key of ha.config is lost");
            }
            world.db.ha = Some(next.as_str().into());
            world.check_ha_on();
            world.touched = true;
            Ok(HaRowOutcome::Written(next.as_str().into()))
        })
    }

    fn read_kept_keys(&self) -> MetaDbResult<'_, Option<KeptKeys>> {
        self.ask(CallSite::MetaDbReadKeptKeys, |world| {
            Ok(world.db.kept.clone())
        })
    }

    fn write_kept_keys<'a>(&'a self, kept: &'a KeptKeys) -> MetaDbResult<'a, ()> {
        self.ask(CallSite::MetaDbWriteKeptKeys, move |world| {
            world.check_intent(&["KeepKeys"], None);
            let kept = (!kept.keys.is_empty()).then(|| kept.clone());
            if world.db.kept == kept {
                world.break_rule("what is left in ha.config is written down again");
            }
            world.db.kept = kept;
            world.touched = true;
            Ok(())
        })
    }

    fn read_store_limit(&self) -> MetaDbResult<'_, Option<u64>> {
        self.ask(CallSite::MetaDbReadStoreLimit, |_| Ok(None))
    }

    fn list_projects(&self) -> MetaDbResult<'_, Vec<ProjectRow>> {
        self.ask(CallSite::MetaDbProjects, |_| {
            Ok(vec![ProjectRow {
                key: build_key(),
                name: "p".into(),
                status: ProjectStatus::Running,
            }])
        })
    }

    fn list_connectors(&self) -> MetaDbResult<'_, ConnectorReport> {
        self.ask(CallSite::MetaDbConnectors, |_| {
            Ok(ConnectorReport::Known(vec![]))
        })
    }

    fn list_hosts(&self) -> MetaDbResult<'_, Vec<HostRow>> {
        self.ask(CallSite::MetaDbHosts, |world| {
            let rows = node_addresses(world)
                .into_iter()
                .map(|(target, ip)| HostRow {
                    ip,
                    status: if is_up(world, &target) {
                        "ONLINE".into()
                    } else {
                        "OFFLINE".into()
                    },
                });
            Ok(rows.collect())
        })
    }

    fn list_heart_beats<'a>(&'a self, _database: &'a str) -> MetaDbResult<'a, Vec<HeartBeat>> {
        self.ask(CallSite::MetaDbHeartBeats, |world| {
            let beats = node_addresses(world)
                .into_iter()
                .map(|(target, ip)| HeartBeat {
                    task_type: "supervisor".into(),
                    host_ip: ip,
                    age_seconds: match is_up(world, &target) {
                        _ if world.trouble.unwell => 28_801,
                        true => 1,
                        false => 500,
                    },
                    written: world.read_heart_beat(),
                });
            Ok(beats.collect())
        })
    }

    fn list_regions(&self) -> MetaDbResult<'_, Vec<RegionRow>> {
        unknown("list_regions")
    }

    fn read_query_timeout(&self) -> MetaDbResult<'_, Option<u64>> {
        self.ask(CallSite::MetaDbReadQueryTimeout, |world| {
            Ok(Some(world.db.query_timeout))
        })
    }

    fn set_query_timeout(&self, microseconds: u64) -> MetaDbResult<'_, ()> {
        self.ask(CallSite::MetaDbSetQueryTimeout, move |world| {
            world.check_intent(&["SetQueryTimeout"], Some(&microseconds.to_string()));
            if world.db.query_timeout == microseconds {
                world.break_rule("ob_query_timeout is set to what it is");
            }
            world.db.query_timeout = microseconds;
            world.touched = true;
            Ok(())
        })
    }

    fn read_lock(&self) -> MetaDbResult<'_, Option<LockRow>> {
        self.ask(CallSite::MetaDbReadLock, |world| Ok(read_lock(world)))
    }

    fn acquire_lock<'a>(&'a self, claim: &'a LockClaim) -> MetaDbResult<'a, LockOutcome> {
        self.ask(CallSite::MetaDbAcquireLock, move |world| {
            world.check_intent(&["AcquireLock"], None);
            if world.db.lock.is_none() {
                world.db.lock = Some((claim.holder.clone(), claim.epoch));
                record::prepare(world, &claim.holder);
                world.touched = true;
            }
            Ok(read_lock(world).map_or(LockOutcome::Free, |row| judge(row, claim)))
        })
    }

    fn raise_lock<'a>(&'a self, claim: &'a LockClaim) -> MetaDbResult<'a, LockOutcome> {
        self.ask(CallSite::MetaDbRaiseLock, move |world| {
            world.check_intent(&["RaiseLock"], None);
            match &mut world.db.lock {
                Some((holder, epoch)) if *holder == claim.holder && *epoch < claim.epoch => {
                    *epoch = claim.epoch;
                    world.touched = true;
                }
                _ => {}
            }
            Ok(read_lock(world).map_or(LockOutcome::Free, |row| judge(row, claim)))
        })
    }

    fn take_over_lock<'a>(&'a self, claim: &'a TakeOverClaim) -> MetaDbResult<'a, LockOutcome> {
        self.ask(CallSite::MetaDbTakeOverLock, move |world| {
            world.check_intent(&["TakeOverLock"], Some(&claim.from));
            record::take_over(world, claim)?;
            Ok(read_lock(world).map_or(LockOutcome::Free, |row| judge(row, &claim.to)))
        })
    }

    fn release_lock<'a>(
        &'a self,
        holder: &'a str,
        _marks: &'a str,
    ) -> MetaDbResult<'a, LockOutcome> {
        self.ask(CallSite::MetaDbReleaseLock, move |world| {
            world.check_intent(&["ReleaseLock"], None);
            match read_lock(world) {
                Some(row) if row.holder != holder => return Ok(LockOutcome::HeldByOther(row)),
                Some(_) => {
                    world.db.lock = None;
                    world.touched = true;
                }
                None => {}
            }
            Ok(LockOutcome::Free)
        })
    }

    fn read_record<'a>(&'a self, uid: &'a str) -> MetaDbResult<'a, UpgradeRecord> {
        self.ask(CallSite::MetaDbReadRecord, move |world| {
            Ok(record::read(world, uid))
        })
    }

    fn append_record<'a>(&'a self, claim: &'a RecordClaim) -> MetaDbResult<'a, RecordOutcome> {
        self.ask(CallSite::MetaDbAppendRecord, move |world| {
            world.check_intent(&["AppendRecord"], None);
            let lock = read_lock(world);
            record::append(world, claim, lock)
        })
    }

    fn read_installation_id(&self) -> MetaDbResult<'_, Option<InstallationId>> {
        self.ask(CallSite::MetaDbInstallationId, |world| {
            Ok(world.db.installation.clone())
        })
    }

    fn read_fingerprint(&self) -> MetaDbResult<'_, SchemaFingerprint> {
        self.ask(CallSite::MetaDbFingerprint, |world| {
            Ok(record::fingerprint(world))
        })
    }
}

pub fn build_key() -> ProjectKey {
    ProjectKey {
        kind: ProjectKind::Sync,
        id: "p_1".into(),
    }
}

/// A call that the controller does not make; should it begin to, the double must learn it.
fn unknown<'a, T: Send + 'a>(call: &str) -> MetaDbResult<'a, T> {
    let call = call.to_owned();
    Box::pin(async move {
        Err(MetaDbError::Invalid {
            call,
            reason: "the double does not know this call".into(),
        })
    })
}
