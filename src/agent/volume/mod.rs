//! The mounted claim: directories of attempts, stored files, free space. The only place that writes there.

pub mod attempt;
pub mod claim;
mod hashing;
pub mod reader;
pub mod writer;

use super::failure::Failure;
use crate::protocol::report::Reason;

/// Does what waits for the volume on a thread of its own: one that hangs (a lost NFS server) must keep neither the
/// lock's heart beat waiting, nor the deadline, nor SIGTERM. The thread stays behind then; nobody waits for it.
///
/// # Errors
/// Those of the work; `Internal` where its thread ends without an answer.
pub async fn on_volume<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|e| {
        let message = format!("The thread that worked on the volume ended: {e}");
        Failure::new(Reason::Internal, message)
    })?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The runtime of a run has one thread.
    #[tokio::test(flavor = "current_thread")]
    async fn a_volume_that_hangs_holds_nobody_up() {
        let (answer, volume) = std::sync::mpsc::channel::<()>();
        let work = on_volume(move || {
            let _ = volume.recv();
            Ok(())
        });
        let deadline = tokio::time::sleep(Duration::from_millis(10));
        tokio::select! {
            biased;
            _ = work => panic!("the volume answered"),
            () = deadline => {}
        }
        drop(answer);
    }
}
