//! Which sessions on the server are this process's own. In memory only: after a restart of the operator
//! the sessions of the process before are gone or count as foreign until they are.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How long a closed session may still be listed. Not longer: a server that restarts counts its
/// sessions from one again, and an old id would then hide somebody else's.
const LINGER: Duration = Duration::from_secs(10);

/// The registers of all servers, by address: ids mean something on one server only.
#[derive(Clone, Default)]
pub(super) struct OwnServers(Arc<Mutex<BTreeMap<String, OwnSessions>>>);

impl OwnServers {
    /// The register of one server.
    pub(super) fn find(&self, address: &str) -> OwnSessions {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        servers.entry(address.to_owned()).or_default().clone()
    }
}

/// Ids of sessions that this process has open on one server, or has just closed.
#[derive(Clone, Default)]
pub(super) struct OwnSessions(Arc<Register>);

#[derive(Default)]
struct Register {
    ids: Mutex<BTreeMap<u64, Option<Instant>>>,
    opening: RwLock<()>,
}

impl OwnSessions {
    /// Held while a session is opened, until it is registered: between the two the server lists a
    /// session whose id nobody here knows yet.
    pub(super) async fn begin_opening(&self) -> RwLockReadGuard<'_, ()> {
        self.0.opening.read().await
    }

    /// Held while sessions are listed, so that none is being opened.
    pub(super) async fn begin_listing(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.opening.write().await
    }

    /// Registers a session until the ticket is dropped, and a little longer.
    pub(super) fn register(&self, id: u64) -> Ticket {
        self.lock().insert(id, None);
        Ticket {
            own: self.clone(),
            id,
        }
    }

    /// True for a session of this process at the time `now`.
    pub(super) fn contains(&self, id: u64, now: Instant) -> bool {
        let mut sessions = self.lock();
        sessions
            .retain(|_, closed| closed.is_none_or(|at| now.saturating_duration_since(at) < LINGER));
        sessions.contains_key(&id)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Option<Instant>>> {
        self.0.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands for one open session.
pub(super) struct Ticket {
    own: OwnSessions,
    id: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.own.lock().insert(self.id, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_closed_sessions_after_a_while() {
        let own = OwnSessions::default();
        let now = Instant::now();
        let ticket = own.register(7);
        assert!(own.contains(7, now + Duration::from_secs(3600)));
        drop(ticket);
        let closed = Instant::now();
        assert!(own.contains(7, closed));
        assert!(!own.contains(7, closed + LINGER));
        assert!(!own.contains(8, now));
    }
}
