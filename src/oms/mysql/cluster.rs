//! Projects, nodes, heart beats and regions (tables: V4.0.0 guide, and the vendor's deploy tool).
use super::super::metadb::{HeartBeat, HostRow, MetaDbError, RegionRow};
use super::super::project::{ProjectKey, ProjectKind, ProjectRow, ProjectStatus};
use super::session::Session;
use super::tables::require_columns;
use crate::metadb::quote_table;

pub(super) async fn list_projects(
    session: &mut Session,
    rm: &str,
) -> Result<Vec<ProjectRow>, MetaDbError> {
    let mut projects = Vec::new();
    for (table, kind) in [
        ("oms_project", ProjectKind::Migration),
        ("oms_sync_project", ProjectKind::Sync),
    ] {
        require_columns(
            session,
            rm,
            table,
            &["id", "project_name", "project_status"],
        )
        .await?;
        let sql = format!(
            "select id, project_name, project_status from {} order by id",
            quote_table(rm, table)
        );
        for row in session.read(table, &sql, ()).await? {
            projects.push(ProjectRow {
                key: ProjectKey {
                    kind,
                    id: row.text(0)?,
                },
                name: row.optional_text(1).unwrap_or_default(),
                status: ProjectStatus::parse(&row.text(2)?),
            });
        }
    }
    Ok(projects)
}

pub(super) async fn list_hosts(
    session: &mut Session,
    cm: &str,
) -> Result<Vec<HostRow>, MetaDbError> {
    require_columns(session, cm, "host", &["ip", "host_status"]).await?;
    let sql = format!(
        "select ip, host_status from {} order by ip",
        quote_table(cm, "host")
    );
    let mut hosts = Vec::new();
    for row in session.read("host", &sql, ()).await? {
        hosts.push(HostRow {
            ip: row.text(0)?.trim().to_owned(),
            status: row.text(1)?.trim().to_ascii_uppercase(),
        });
    }
    Ok(hosts)
}

pub(super) async fn list_heart_beats(
    session: &mut Session,
    database: &str,
) -> Result<Vec<HeartBeat>, MetaDbError> {
    require_columns(
        session,
        database,
        "heart_beat",
        &["task_type", "task_name", "host_ip", "gmt_modified"],
    )
    .await?;
    let sql = format!(
        "select task_type, host_ip, timestampdiff(second, gmt_modified, now()), cast(gmt_modified as char) from {} \
         where task_name = 'supervisor' order by host_ip, task_type",
        quote_table(database, "heart_beat")
    );
    let mut beats = Vec::new();
    for row in session.read("heart_beat", &sql, ()).await? {
        beats.push(HeartBeat {
            task_type: row.optional_text(0).unwrap_or_default(),
            host_ip: row.text(1)?.trim().to_owned(),
            age_seconds: row.signed(2)?,
            written: row.optional_text(3).unwrap_or_default(),
        });
    }
    Ok(beats)
}

pub(super) async fn list_regions(
    session: &mut Session,
    rm: &str,
) -> Result<Vec<RegionRow>, MetaDbError> {
    let columns = require_columns(session, rm, "cluster_info", &["region", "cm_url"]).await?;
    let default = if columns.iter().any(|column| column == "is_default_cm") {
        "is_default_cm"
    } else {
        "null"
    };
    let sql = format!(
        "select region, cm_url, {default} from {} order by region",
        quote_table(rm, "cluster_info")
    );
    let mut regions = Vec::new();
    for row in session.read("cluster_info", &sql, ()).await? {
        regions.push(RegionRow {
            region: row.text(0)?,
            cm_url: without_user(&row.optional_text(1).unwrap_or_default()),
            is_default: if row.is_null(2) {
                None
            } else {
                Some(matches!(
                    row.text(2)?.to_ascii_lowercase().as_str(),
                    "1" | "true" | "\u{1}"
                ))
            },
        });
    }
    Ok(regions)
}

/// A URL without user and password.
fn without_user(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest
                .get(..end)
                .and_then(|authority| authority.rsplit('@').next())
                .unwrap_or_default();
            format!("{scheme}://{host}{}", rest.get(end..).unwrap_or_default())
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_accounts_out_of_urls() {
        assert_eq!(without_user("http://10.0.0.1:8088"), "http://10.0.0.1:8088");
        assert_eq!(
            without_user("http://u:p@w@10.0.0.1:8088/a@b"),
            "http://10.0.0.1:8088/a@b"
        );
        assert_eq!(without_user("10.0.0.1"), "10.0.0.1");
    }
}
