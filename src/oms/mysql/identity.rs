//! Who the server is, and OceanBase's statement time limit.
use super::super::metadb::{MetaDbError, ServerIdentity};
use super::session::Session;
use crate::metadb::Engine;

pub(super) async fn identify(session: &mut Session) -> Result<ServerIdentity, MetaDbError> {
    let rows = session
        .read(
            "current_user()",
            "select current_user(), timestampdiff(second, utc_timestamp(), now()), cast(unix_timestamp() as signed)",
            (),
        )
        .await?;
    let row = rows
        .first()
        .ok_or_else(|| session.differs("select without table gave no row"))?;
    let account = row.text(0)?;
    // now() and utc_timestamp() may be read a second apart.
    let offset = i32::try_from(
        row.signed(1)?
            .saturating_add(30)
            .div_euclid(60)
            .saturating_mul(60),
    )
    .unwrap_or(0);
    Ok(ServerIdentity {
        engine: session.engine,
        version: session.version.clone(),
        tenant: find_tenant(session).await,
        server: find_server(session).await,
        account,
        utc_offset_seconds: offset,
        clock: row.signed(2)?,
    })
}

/// Cluster and tenant of OceanBase. Each question may be unknown to a version or forbidden; then the
/// next one is tried, and in the end nothing is claimed.
async fn find_tenant(session: &mut Session) -> Option<String> {
    if session.engine != Engine::OceanBase {
        return None;
    }
    let tenant = first_text(
        session,
        &[
            "select concat(tenant_id, ' ', tenant_name) from oceanbase.dba_ob_tenants where tenant_name = effective_tenant()",
            "select concat(tenant_id, ' ', tenant_name) from oceanbase.dba_ob_tenants limit 1",
            "select concat(tenant_id, ' ', tenant_name) from oceanbase.gv$tenant limit 1",
        ],
    )
    .await?;
    let cluster = first_text(
        session,
        &[
            "select value from oceanbase.gv$ob_parameters where name = 'cluster_id' limit 1",
            "select @@ob_cluster_id",
        ],
    )
    .await;
    Some(match cluster {
        Some(cluster) => format!("cluster {cluster} tenant {tenant}"),
        None => format!("tenant {tenant}"),
    })
}

/// The one server that answered.
async fn find_server(session: &mut Session) -> Option<String> {
    let questions: &[&str] = match session.engine {
        Engine::OceanBase | Engine::SeekDb => &["select concat(host_ip(), ':', rpc_port())"],
        Engine::MariaDb => &[
            "select @@server_uid",
            "select concat(@@hostname, ':', @@port)",
        ],
        Engine::MySql | Engine::Other => &["select @@server_uuid"],
    };
    first_text(session, questions).await
}

async fn first_text(session: &mut Session, questions: &[&str]) -> Option<String> {
    for question in questions {
        if let Ok(rows) = session.read_plain("the server's identity", question).await
            && let Some(text) = rows.first().and_then(|row| row.optional_text(0))
            && !text.is_empty()
        {
            return Some(text);
        }
    }
    None
}

pub(super) async fn read_query_timeout(session: &mut Session) -> Result<Option<u64>, MetaDbError> {
    if !session.engine.is_oceanbase() {
        return Ok(None);
    }
    let rows = session
        .read_plain("ob_query_timeout", "select @@global.ob_query_timeout")
        .await?;
    let row = rows
        .first()
        .ok_or_else(|| session.differs("ob_query_timeout has no value"))?;
    row.unsigned(0).map(Some)
}

pub(super) async fn set_query_timeout(
    session: &mut Session,
    microseconds: u64,
) -> Result<(), MetaDbError> {
    if !session.engine.is_oceanbase() {
        return Err(MetaDbError::Invalid {
            call: session.call.to_owned(),
            reason: "this engine has no ob_query_timeout".to_owned(),
        });
    }
    let sql = format!("set global ob_query_timeout = {microseconds}");
    match session
        .write_plain("set global ob_query_timeout", &sql)
        .await
    {
        Err(MetaDbError::PrivilegeMissing { call, code, .. }) => {
            return Err(MetaDbError::PrivilegeMissing {
                call,
                code,
                grant: format!(
                    "GRANT ALTER SYSTEM ON *.* TO the account, or have an administrator run `{sql}`"
                ),
            });
        }
        other => other?,
    }
    match read_query_timeout(session).await? {
        Some(value) if value == microseconds => Ok(()),
        value => Err(MetaDbError::NotAsWritten {
            call: session.call.to_owned(),
            reason: format!(
                "ob_query_timeout reads {} instead of {microseconds}",
                value.unwrap_or(0)
            ),
        }),
    }
}
