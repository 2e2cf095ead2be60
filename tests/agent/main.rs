//! The agent against real servers: seekdb (OceanBase's engine), MariaDB and MySQL, each test with a server of its own.
mod bench;
mod busy;
mod clients;
mod corruption;
mod definitions;
#[path = "../engines/mod.rs"]
mod engines;
mod faults;
mod formats;
mod heartbeats;
mod kills;
mod logins;
mod lost;
mod more_engines;
mod outside;
mod roundtrip;
mod secrets;
mod servers;
mod settings;
mod sight;
mod spelling;
mod tls;
mod trial;
mod values;
mod views;
