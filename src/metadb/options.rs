//! How every connection of ours is begun. The only place that hands the password to the driver. Opens nothing.
use super::secret::Credentials;
use crate::protocol::request::Address;
use mysql_async::OptsBuilder;

/// What operator and agent give the driver alike. It holds no limit of theirs: how long to wait for a connection or an
/// answer is each caller's own business.
pub(super) fn build_options(address: &Address, credentials: &Credentials) -> OptsBuilder {
    // Never a URL: user names such as `root@metadb#obtest` and any password pass as they are.
    // The default handlers stay: no LOCAL INFILE, so the server may not ask for files.
    OptsBuilder::default()
        .ip_or_hostname(address.host.clone())
        .tcp_port(address.port)
        .user(Some(credentials.user.clone()))
        .pass(Some(credentials.password.reveal().to_owned()))
        // A server may name a local socket; the caller named a TCP address.
        .prefer_socket(false)
        // The server may not ask for the password itself.
        .enable_cleartext_plugin(false)
        .secure_auth(true)
        // Else the driver asks for both before a session can be told to answer in full. The packet is MySQL's largest.
        .max_allowed_packet(Some(1 << 30))
        .wait_timeout(Some(60))
        .stmt_cache_size(Some(0))
}
