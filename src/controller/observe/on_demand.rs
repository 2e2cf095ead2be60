//! Looks that only some steps need. Makes no call itself.
use crate::controller::calls::CallError;
use crate::facts::Fact;
use std::future::Future;

/// Looks when the step needs it; otherwise the fact says that nobody looked.
pub(super) async fn look_if<T>(
    wanted: bool,
    look: impl Future<Output = Result<T, CallError>>,
) -> Fact<T> {
    if wanted {
        Fact::from_result(look.await)
    } else {
        Fact::default()
    }
}
