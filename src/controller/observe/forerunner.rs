//! The object whose upgrade is to be taken over, and what its record tells. Reads only.
use super::installation::InstallationAccess;
use crate::api::OmsUpgrade;
use crate::controller::calls::{CallError, CallSite};
use crate::controller::ports::Ports;
use crate::controller::subject::Subject;
use crate::facts::{Fact, ForerunnerFacts};
use crate::metadb::lock_table::NOTE_MAX;
use crate::oms::metadb::LockRow;
use kube::api::Api;

/// Looks for the object, where the lock says that it was, and reads the record of the upgrade that the lock names.
pub(super) async fn observe_forerunner(
    ports: &Ports,
    subject: &Subject<'_>,
    access: &InstallationAccess,
    lock: &Fact<Option<LockRow>>,
) -> ForerunnerFacts {
    let (Some(Some(row)), Some(taken)) = (lock.known(), &subject.status.internal.taken_over) else {
        return ForerunnerFacts::default();
    };
    let call = access.metadb.read_record(&row.holder);
    let record = ports.call(CallSite::MetaDbReadRecord, call).await;
    let object = match row.holder == taken.from {
        true => Fact::from_result(find_object(ports, &row.note, &taken.from).await),
        false => Fact::default(),
    };
    ForerunnerFacts {
        object,
        record: Fact::from_result(record),
    }
}

/// Whether the object is there, in words for people. Namespace and name of an object never change, and the note of the
/// lock row has both.
async fn find_object(ports: &Ports, note: &str, uid: &str) -> Result<Option<String>, CallError> {
    let place = note.split_once('/');
    // A note that fills its column may have been cut.
    let Some((namespace, name)) = place.filter(|_| note.chars().count() < NOTE_MAX) else {
        return Err(CallError::Unbuildable(format!(
            "the note of the lock row reads {note:?} and does not tell namespace and name of its object"
        )));
    };
    let api: Api<OmsUpgrade> = Api::namespaced(ports.client.clone(), namespace);
    // Its metadata only: it may be of a version that this operator cannot read. Without resourceVersion: a quorum read.
    let read = ports
        .kube(CallSite::GetForerunner, api.get_metadata(name))
        .await;
    let metadata = match read {
        Ok(object) => object.metadata,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    if metadata.uid.as_deref() != Some(uid) {
        return Ok(None);
    }
    Ok(Some(match metadata.deletion_timestamp {
        Some(_) => format!("OmsUpgrade {note} is being deleted, and there until it is gone"),
        None => format!("OmsUpgrade {note} is there"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::double::{Server, build_ports};
    use crate::controller::ports::SystemClock;
    use serde_json::{Value, json};
    use std::sync::Arc;

    async fn look(metadata: Value, note: &str) -> Result<Option<String>, CallError> {
        let server = Server::with(&[json!({
            "apiVersion": "oms.oceanbase.com/v1alpha1", "kind": "OmsUpgrade", "metadata": metadata,
            "spec": {"of": "a version that nobody reads"},
        })]);
        find_object(&build_ports(&server, Arc::new(SystemClock)), note, "u").await
    }

    #[tokio::test]
    async fn one_that_is_being_deleted_is_there_and_one_of_another_uid_is_not() {
        let there = json!({"name": "up", "namespace": "oms", "uid": "u"});
        let mut leaving = there.clone();
        leaving["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let another = json!({"name": "up", "namespace": "oms", "uid": "another"});
        let told = look(there.clone(), "oms/up").await.unwrap().unwrap();
        assert!(told.contains("oms/up is there"), "{told}");
        let told = look(leaving, "oms/up").await.unwrap().unwrap();
        assert!(told.contains("being deleted"), "{told}");
        assert_eq!(look(another, "oms/up").await.unwrap(), None);
        assert_eq!(look(there, "oms/gone").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_note_that_does_not_tell_the_object_is_no_absence() {
        let there = json!({"name": "up", "namespace": "oms", "uid": "u"});
        for note in ["", "up", &format!("oms/{}", "n".repeat(NOTE_MAX))] {
            let error = look(there.clone(), note).await.unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("does not tell namespace and name")
            );
        }
    }
}
