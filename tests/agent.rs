//! The agent against real servers: seekdb (OceanBase's engine) and MariaDB, each test with a server of its own.
#[path = "agent/clients.rs"]
mod clients;
#[path = "agent/corruption.rs"]
mod corruption;
mod engines;
#[path = "agent/faults.rs"]
mod faults;
#[path = "agent/kills.rs"]
mod kills;
#[path = "agent/lost.rs"]
mod lost;
#[path = "agent/outside.rs"]
mod outside;
#[path = "agent/roundtrip.rs"]
mod roundtrip;
#[path = "agent/secrets.rs"]
mod secrets;
#[path = "agent/servers.rs"]
mod servers;
#[path = "agent/settings.rs"]
mod settings;
#[path = "agent/sight.rs"]
mod sight;
#[path = "agent/views.rs"]
mod views;
